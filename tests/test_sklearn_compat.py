"""Private names of scikit-learn are used through one module."""

import ast
from pathlib import Path

import skasd
from skasd import _sklearn_compat

PACKAGE = Path(skasd.__file__).parent


def private_imports(path):
    """Return the private names of scikit-learn that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name for name in names if name.startswith("sklearn.") and "._" in name}
    return found


def test_only_one_module_imports_private_names():
    places = {
        path.relative_to(PACKAGE).as_posix(): names
        for path in PACKAGE.rglob("*.py")
        if (names := private_imports(path))
    }
    assert len(places.pop("_sklearn_compat.py")) >= 8  # the search finds them
    assert not places


def test_all_that_it_offers_is_used():
    text = "\n".join(
        path.read_text("utf-8") for path in PACKAGE.rglob("*.py") if path.name != "_sklearn_compat.py"
    )
    assert all(name in text for name in _sklearn_compat.__all__)
