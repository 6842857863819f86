"""Docstring parts that several classes or methods share, so that each is written once."""

import inspect
import re
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T", bound=Callable)

CLIPS = """
sample_rate : int, default=16000
    Sample rate in Hz. Files at another rate are resampled to it; arrays must already have it.

channel : "mean" or int, default="mean"
    How to reduce files with several channels: to their mean, or to the channel with that number.

on_error : {"raise", "skip"}, default="raise"
    With "raise", an error lists all clips that cannot be used. With "skip", a warning does, and their features are NaN.

limits : dict or None, default=None
    Limits that replace those of :data:`skasd.clips.LIMITS`, such as ``{"max_seconds": 7200}``; clips beyond are bad.

n_jobs : int or None, default=None
    Number of threads, each working on a clip of its own.

verbose : int, default=0
    Show a progress bar if positive.
"""


def shared_docstring(parameters: str = "", attributes: str = "") -> Callable[[T], T]:
    """Return a decorator that completes the docstring of a class or function with entries that several share.

    In the section "Parameters" ``{shared}`` stands for the parameters in its signature that it does not document
    itself; all appear in the order of the signature, with its own defaults. ``{attributes}`` stands for the attributes
    that a class does not document itself. The shared entries are given as in a docstring.
    """

    def complete(thing: T) -> T:
        if thing.__doc__ is None:  # python -OO
            return thing
        head, section, tail = re.split(
            r"(?<=Parameters\n----------\n)(.*?)(?=\n\n[\w ]+\n-{3,}\n)",
            inspect.cleandoc(thing.__doc__),
            maxsplit=1,
            flags=re.DOTALL,
        )
        own, shared = _entries(section), _entries(parameters)
        entries = []
        for parameter in inspect.signature(thing).parameters.values():
            name = str(parameter).split(":")[0].split("=")[0]  # with its stars
            if name not in ("self", "cls"):
                entries.append(own.get(name) or _adapted(shared[name], name, parameter.default))
        others = [entry for name, entry in _entries(attributes).items() if name not in _entries(tail)]
        thing.__doc__ = head + "\n\n".join(dict.fromkeys(entries))
        thing.__doc__ += tail.replace("{attributes}", "\n\n".join(others))
        return thing

    return complete


def _entries(section):
    """Return the entries of a section of a docstring by name; those of several names by each."""
    entries = re.split(r"\n+(?=[\w*, ]+ : |\{)", section.strip())
    return {name: entry for entry in entries for name in entry.split(" : ")[0].split(", ")}


def _adapted(entry, name, default):
    """Return a shared entry for one parameter of a signature."""
    kind, _, text = entry.partition(" : ")[2].partition("\n")
    if default is not inspect.Parameter.empty:
        default = f'"{default}"' if isinstance(default, str) else repr(default)
        kind = re.sub(r",\s+default=.*", "", kind) + f", default={default}"
    return f"{name} : {kind}\n{text}"
