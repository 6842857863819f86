"""The package as a whole: import cost, exported names, examples."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import skasd

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_importing_the_package_imports_nothing_heavy():
    heavy = run(
        "import sys, skasd; print(sorted({'torch', 'librosa', 'sklearn', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    assert heavy.strip() == "[]"


def test_scorers_features_and_metrics_do_without_torch():
    code = "import sys, skasd.scorers, skasd.features, skasd.metrics, skasd.datasets; print('torch' in sys.modules)"
    assert run(code).strip() == "False"


@pytest.mark.parametrize("name", [n for n in skasd.__all__ if n != "__version__"])
def test_exported_names_exist(name):
    assert getattr(skasd, name) is not None
    module = (
        importlib.import_module(getattr(skasd, name).__module__)
        if hasattr(getattr(skasd, name), "__module__")
        else None
    )
    assert module is None or module.__name__.startswith("skasd")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_without_a_warning(example, tmp_path, monkeypatch):
    environment = {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        env={**__import__("os").environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
