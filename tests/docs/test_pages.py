"""The code on the pages runs, the API page lists every public name, and estimators link to pages that exist."""

import importlib
import inspect
import re
import shlex
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import sklearn
import soundfile
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline

import skasd
from skasd import plotting
from skasd.datasets import load_dcase, make_machine_sounds, write_machine_sounds
from skasd.metrics import official_score

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROOMS = sorted(name for name in skasd.__all__ if inspect.ismodule(getattr(skasd, name)))


def api_pages():
    """Return the names whose pages autosummary makes, as the API page lists them."""
    pages, module, listing = set(), None, False
    for line in (DOCS / "api.md").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule::"):
            module = line.split()[-1]
        elif line.startswith(".. autosummary::"):
            listing = True
        elif not line.strip().isidentifier() and line.strip() and not line.strip().startswith(":toctree:"):
            listing = False
        elif listing and line.strip().isidentifier():
            pages.add(f"{module}.{line.strip()}")
    return pages


@pytest.mark.parametrize("room", ROOMS)
def test_the_api_page_lists_every_public_name(room):
    listed = {page for page in api_pages() if page.startswith(f"skasd.{room}.")}
    public = {f"skasd.{room}.{name}" for name in importlib.import_module(f"skasd.{room}").__all__}
    also = {"skasd.scorers.BaseScorer"}  # abstract, and therefore not in __all__
    assert listed - also == public


COMMANDS = [
    line.strip().partition("  #")[0]
    for page in ("getting_started", "user_guide/command_line")
    for line in (DOCS / f"{page}.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("    python -m skasd ")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_knows_the_commands_of_the_pages(command):
    words = shlex.split(command)[3:]
    args = skasd.cli._parser(words).parse_args(words)
    assert callable(importlib.import_module(f"skasd.cli._{args.name}").run)


DISPLAYS = [name for name in plotting.__all__ if name.endswith("Display")]


@pytest.mark.parametrize("name", DISPLAYS)
def test_displays_keep_to_the_convention_of_scikit_learn(name):
    display = getattr(plotting, name)
    makers = [maker for maker in vars(display) if maker.startswith("from_")]
    assert makers
    assert all(isinstance(vars(display)[maker], classmethod) for maker in makers)
    for method in (*makers, "plot"):
        assert "ax" in inspect.signature(getattr(display, method)).parameters
        # returns the display, not axes: a notebook shows the figure once, and the numbers stay at hand
        assert f"display : {name}" in inspect.getdoc(getattr(display, method))
    parameters = set(inspect.signature(display).parameters)
    assert parameters.isdisjoint({"ax", "estimator"})  # it keeps numbers


def test_tables_are_shown_as_tables(folder):
    table = load_dcase(folder / "dev_data")
    assert table._repr_html_().count("<tr") >= 10
    data = make_machine_sounds(n_train=20, n_test=8, duration=0.5, random_state=0)
    rows = data.table[data.table["split"] == "test"]
    result = official_score(data.y[rows.index], np.arange(8.0), domain=rows["domain"], year=2023)
    assert "<table" in result.table._repr_html_()
    assert len(repr(result)) < 200
    systems = {
        "kNN": make_pipeline(skasd.LogMelTransformer(n_mels=16), skasd.ClipStatistics(), skasd.KNNScorer())
    }
    assert "<table" in skasd.benchmark.run(systems, {"made": data}).summary()["official score"]._repr_html_()


class Recorder(BaseEstimator):
    """An outlier detector with PyOD's signs, as far as the page needs it."""

    def fit(self, X):
        self.center_ = X.mean(axis=0)
        return self

    def decision_function(self, X):
        return np.linalg.norm(X - self.center_, axis=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with recordings of one's own, and with those of the challenge."""
    root = tmp_path_factory.mktemp("pages")
    write_machine_sounds(root, n_train=24, n_test=8, machine=["fan", "gearbox"], duration=1.0, random_state=0)
    write_machine_sounds(root / "own", n_train=20, n_test=8, duration=1.0, random_state=0)
    for label, word in (("normal", "train_normal"), ("anomalous", "test_anomaly")):
        (root / "recordings" / label).mkdir(parents=True)
        for path in (root / "own").rglob(f"*{word}*.wav"):
            path.rename(root / "recordings" / label / path.name)
    return root


@pytest.mark.parametrize("page", ["getting_started", "coming_from"])
def test_the_code_of_a_page_runs(page, folder, monkeypatch):
    matplotlib.use("Agg")
    monkeypatch.chdir(folder)
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (DOCS / f"{page}.md").read_text(encoding="utf-8"), re.M | re.S
    )
    ours = [block for block in blocks if "pyod" not in block and "anomalib" not in block]
    rng = np.random.default_rng(0)
    names = {"X_train": rng.normal(size=(50, 3)), "X_test": rng.normal(size=(9, 3))}
    with sklearn.config_context():
        for block in ours:
            exec(compile(block, f"{page}.md", "exec"), names)
    matplotlib.pyplot.close("all")
    if page == "getting_started":
        assert names["decision"].shape == names["score"].shape == (28 - 4,)
        assert names["result"].year == 2023
        assert names["network"].device == "auto"
    else:
        assert sorted(path.name for path in (folder / "result").iterdir()) == [
            "anomaly_score_fan_section_00_test.csv",
            "decision_result_fan_section_00_test.csv",
        ]
        scorer = names["PyODScorer"](Recorder()).fit(names["X_train"])
        outside = scorer.predict(np.array([[0.0, 0, 0], [50, 50, 50]]))
        assert outside.tolist() == [1, -1]


def test_the_code_of_pyod_runs_where_it_is_installed():
    pytest.importorskip(
        "pyod", reason="PyOD is not installed: its column was run with 3.6.7 and is not run here"
    )
    text = (DOCS / "coming_from.md").read_text(encoding="utf-8")
    theirs, ours = re.findall(
        r"^```python\n(from (?:pyod|skasd import KNNScorer).*?)^```$", text, re.M | re.S
    )
    rng = np.random.default_rng(0)
    names = {"X_train": rng.normal(size=(500, 3)), "X_test": rng.normal(size=(90, 3))}
    exec(theirs, names)
    names["theirs"] = names["score"]
    exec(ours, names)
    rank = np.corrcoef(np.argsort(np.argsort(names["theirs"])), np.argsort(np.argsort(names["score"])))[0, 1]
    assert rank > 0.85  # the k-th neighbour there, the mean over k here
    assert names["outlier"].dtype == bool


def test_the_code_of_the_answers_runs(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = sorted((folder / "recordings" / "normal").glob("*.wav"))
    detector = make_pipeline(
        skasd.LogMelTransformer(n_mels=16), skasd.ClipStatistics(), skasd.MahalanobisScorer()
    )
    rng = np.random.default_rng(0)
    stereo = []
    for i in range(30):
        stereo.append(tmp_path / f"{i}.wav")
        soundfile.write(stereo[-1], 0.1 * rng.normal(size=(8000, 2)), 16000)
    names = {
        "healthy": paths,
        "later_healthy": paths,
        "new": sorted((folder / "recordings" / "anomalous").glob("*.wav")),
        "recording": [i // 4 for i in range(len(paths))],
        "detector": detector,
        "stereo": stereo,
    }
    for page in ("everything_is_anomalous", "excel", "microphones"):
        text = (DOCS / "questions" / f"{page}.md").read_text(encoding="utf-8")
        for block in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S):
            exec(compile(block, f"{page}.md", "exec"), names)
    assert names["anomalous"].dtype == bool
    assert (tmp_path / "scores.csv").read_bytes().startswith(b"\xef\xbb\xbfpath,anomaly_score")
    assert [name for name, _ in names["detector"].estimators] == ["near", "far"]
