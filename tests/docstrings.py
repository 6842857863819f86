"""Docstrings of everything public: numpydoc's checks, and that every parameter states the default it has.

``python -m tests.docstrings`` prints the faults, and ends with 1 if there are any; ``make lint`` runs it. Which checks
of numpydoc count stands in ``pyproject.toml``, and why.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import tomllib
from collections import Counter
from dataclasses import is_dataclass
from pathlib import Path
from types import FunctionType

import numpy as np
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import skasd

SETTINGS = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text("utf-8"))
SETTINGS = SETTINGS["tool"]["numpydoc_validation"]
# a first line says what a thing is or does, in the words of the field
RIDDLES = re.compile(
    r"^(What|How|Where|Which|Whether|Who|That)\b|\b(bank|source of all chance|not told|leave away|leaves away)\b"
)


METHODS = (FunctionType, classmethod, staticmethod, property)


def public_names():
    """Yield the dotted names of public classes, functions and methods, each once."""
    seen = set()
    rooms = [f"skasd.{room.name}" for room in pkgutil.iter_modules(skasd.__path__) if room.name[0] != "_"]
    for room in rooms:
        module = importlib.import_module(room)
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if not isinstance(thing, (type, FunctionType)) or id(thing) in seen:
                continue
            seen.add(id(thing))
            yield f"{room}.{name}"
            if inspect.isclass(thing):
                for owner in thing.__mro__:  # those of our own bases as well, each once
                    for method, value in vars(owner).items():
                        is_ours = owner.__module__.startswith("skasd.") and isinstance(value, METHODS)
                        if is_ours and not method.startswith("_") and id(value) not in seen:
                            seen.add(id(value))
                            yield f"{room}.{name}.{method}"


def find(name):
    """Return the object of a dotted name."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise LookupError(name)


def numpydoc_faults(name):
    """Yield the faults that numpydoc finds, as far as its checks count."""
    thing = find(name)
    # records that functions return: nobody makes them
    record = inspect.isclass(thing) and (issubclass(thing, tuple) or is_dataclass(thing))
    for code, text in validate(name)["errors"]:
        if code in SETTINGS["checks"] and not (record and code == "PR01"):
            yield code, text


def default_faults(thing):
    """Yield parameters whose documented default is not the one that they have."""
    doc = NumpyDocString(inspect.getdoc(thing) or "")
    documented = {}
    for entry in doc["Parameters"] + doc["Other Parameters"]:
        for name in entry.name.split(","):
            documented[name.strip()] = entry.type
    try:
        parameters = inspect.signature(thing).parameters
    except (TypeError, ValueError):
        return
    for name, parameter in parameters.items():
        kind = documented.get(name)
        if kind is None or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        stated = re.search(r"default=(.+)$", kind)
        if parameter.default is parameter.empty:
            if stated:
                yield "DF03", f'Parameter "{name}" has no default, but states {stated[1]}'
        elif not stated:
            yield "DF01", f'Parameter "{name}" does not state its default, {parameter.default!r}'
        elif not same(stated[1], parameter.default):
            yield "DF02", f'Parameter "{name}" states the default {stated[1]}, but has {parameter.default!r}'


def same(text, default):
    """Return whether a documented default is the one of the signature."""
    text = text.strip().replace("``", "").replace("`", "")
    if callable(default):
        return default.__name__ in text
    try:
        return eval(text, {"np": np}) == default
    except Exception:
        return text.strip("'\"") == str(default)


def riddles():
    """Yield place, code and text of first lines in the package that are riddles, of private things as well."""
    package = Path(skasd.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                first = (ast.get_docstring(node) or "").partition("\n")[0]
                if RIDDLES.search(first):
                    yield (
                        f"{path.relative_to(package)}:{getattr(node, 'lineno', 1)}",
                        "ST01",
                        f"First line: {first}",
                    )


def faults():
    """Yield name, code and text of every fault."""
    yield from riddles()
    excluded = re.compile("|".join(SETTINGS["exclude"]) or "(?!)")
    for name in public_names():
        if excluded.search(name):
            continue
        thing = find(name)
        found = list(numpydoc_faults(name))
        if not isinstance(thing, property):
            found += default_faults(thing)
        for code, text in found:
            yield name, code, text


if __name__ == "__main__":
    counts = Counter()
    for name, code, text in faults():
        counts[code] += 1
        print(f"{name}: {code} {text}")
    print(f"{sum(counts.values())} faults in docstrings {dict(sorted(counts.items()))}", file=sys.stderr)
    sys.exit(bool(counts))
