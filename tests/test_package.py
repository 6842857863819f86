"""The package as a whole: import cost, exported names, examples."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn

import skasd
from skasd.datasets import write_machine_sounds

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = [ROOT / "examples" / "quickstart.py"]  # the gallery's run in `make docs`, warnings as errors


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_importing_the_package_imports_nothing_heavy():
    heavy = run(
        "import sys, skasd; print(sorted({'torch', 'librosa', 'sklearn', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    assert heavy.strip() == "[]"


def test_help_and_errors_of_usage_import_nothing_heavy():
    code = """
import contextlib, io, sys
from skasd.cli import _COMMANDS, main
for arguments in ([], ["--version"], *([name, "--help"] for name in _COMMANDS), ["score", "--strickt"]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main(arguments)
        except SystemExit as ended:
            code = ended.code
    assert code == 0 or "usage: skasd" in err.getvalue(), arguments
print(sorted({'torch', 'librosa', 'sklearn', 'scipy', 'pandas', 'numpy', 'joblib'} & set(sys.modules)))
"""
    assert run(code).strip() == "[]"


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


def test_readme_runs_as_printed(tmp_path, monkeypatch):
    write_machine_sounds(tmp_path / "made", n_train=20, n_test=4, duration=1.0, random_state=0)
    for split, label in (("train", "normal"), ("test", "anomalous")):
        folder = tmp_path / "recordings" / label
        folder.mkdir(parents=True)
        for path in (tmp_path / "made").rglob(
            f"*/{split}/*{'anomaly' if split == 'test' else 'normal'}*.wav"
        ):
            path.rename(folder / path.name)
    blocks = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(blocks[1].split("```")[0], names)
    assert names["detector"].predict(names["clips"]["path"]).shape == (22,)
    with sklearn.config_context():
        exec(blocks[3].split("```")[0], names)


@pytest.mark.long
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
