"""No room of the package reaches for what another keeps to itself; `lint-imports` keeps the order of the rooms."""

import ast
from pathlib import Path

import pytest

import skasd

ROOT = Path(skasd.__file__).parent
# private names that scikit-learn's protocols prescribe
PROTOCOL = {"_parameter_constraints"}


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in PROTOCOL


def imported(node, package):
    """Yield the full name, in parts, and the bound name of what an import statement imports."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name.split("."), alias.asname or alias.name.split(".")[0]
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        base = [*base, *(node.module.split(".") if node.module else [])]
        for alias in node.names:
            yield [*base, alias.name], alias.asname or alias.name


def borrowed(path, source):
    """Return the private names that a module takes from other rooms.

    What lies beside the rooms, in modules of one underscore, belongs to all of them.
    """
    package = ["skasd", *path.parts[:-1]]
    room = path.parts[0].removesuffix(".py")
    tree = ast.parse(source)
    found, foreign = [], {}
    for node in ast.walk(tree):
        for name, bound in imported(node, package):
            if name[0] == "skasd" and len(name) > 1 and name[1] != room:
                foreign[bound] = ".".join(name)
                if any(map(is_private, name[2:])):
                    found.append(f"{path.as_posix()}: {'.'.join(name)}")
    found += [
        f"{path.as_posix()}: {foreign[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in foreign
        and is_private(node.attr)
    ]
    return found


def test_no_room_takes_private_names_of_another():
    paths = sorted(ROOT.rglob("*.py"))
    assert len(paths) > 150
    found = [
        name for path in paths for name in borrowed(path.relative_to(ROOT), path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("from ..metrics._auc import harmonic_mean", "skasd.metrics._auc.harmonic_mean"),
        ("from ..metrics import _auc", "skasd.metrics._auc"),
        ("from skasd.scorers.thresholds import _quantile", "skasd.scorers.thresholds._quantile"),
        ("def f():\n    from ..systems import _parts", "skasd.systems._parts"),
        ("import skasd.metrics._auc", "skasd.metrics._auc"),
        ("from .. import metrics\nmetrics._auc.DOMAINS", "skasd.metrics._auc"),
    ],
)
def test_private_names_are_found(source, name):
    assert borrowed(Path("report/_page.py"), source) == [f"report/_page.py: {name}"]


@pytest.mark.parametrize(
    "source",
    [
        "from ._style import _colour",
        "from ..report._style import _colour",
        "from .._typing import PathName",
        "from ..scorers import BaseScorer\nBaseScorer._parameter_constraints",
        "from ..scorers import thresholds\nthresholds.set_threshold",
        "import numpy\nnumpy._core",
    ],
)
def test_what_is_public_or_of_the_room_is_not(source):
    assert borrowed(Path("report/_page.py"), source) == []
