"""Reports of benchmarks hold the benchmark's figures."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MahalanobisScorer
from skasd.benchmark import BenchmarkResult, run
from skasd.metrics import published_baseline
from skasd.report import _benchmark, report_benchmark

from .conftest import sounds
from .test_report_scores import Elements, tables


class Noisy(KNNScorer):
    """A scorer with a seed."""

    def __init__(self, random_state=None):
        super().__init__()
        self.random_state = random_state

    def _score_reference(self, X, reference):
        noise = np.random.default_rng(self.random_state).normal(size=len(X))
        return super()._score_reference(X, reference) * (1 + 0.3 * noise)


def table_of(folder, machine, seed):
    paths = sounds(folder / machine, 30, seed=seed)
    return pd.DataFrame(
        {
            "path": paths,
            "machine": machine,
            "section": "00",
            "domain": np.where(np.arange(30) % 2, "target", "source"),
            "split": np.where((np.arange(30) < 12) & (np.arange(30) % 3 != 2), "train", "test"),
            "y": np.where(np.arange(30) % 3 == 2, -1, 1),
        }
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    fan = pd.concat([table_of(folder, "fan", 0), table_of(folder, "lathe", 1)], ignore_index=True)
    front = [LogMelTransformer(n_mels=16), ClipStatistics()]
    systems = {
        "kNN <b>": make_pipeline(*front, Noisy()),
        "Mahalanobis": make_pipeline(*front, MahalanobisScorer()),
    }
    run(
        systems,
        {"first": fan, "second": fan[fan["machine"] == "fan"]},
        seeds=2,
        year=2023,
        out=folder / "out",
    )
    return folder / "out"


def test_figures_are_those_of_the_benchmark(out, tmp_path):
    page = report_benchmark(out, tmp_path / "r.html", n_clips=0)
    result = BenchmarkResult.from_folder(out)
    found = Elements(page)
    assert found.open == []
    assert not found.all("b")
    summary = result.summary()
    official = tables(page)[0].set_index("system")
    assert len(official) == 2
    for system, row in official.iterrows():
        expected = summary.loc["first", system, ""]["official score"]
        for shown, name in (("official score", "mean"), ("std over seeds", "std"), ("± seeds", "ci95")):
            assert row[shown] == pytest.approx(expected[name], abs=5e-4)
        assert row["± clips"] == pytest.approx(expected["jackknife"], abs=5e-4)
    assert official["official score"].is_monotonic_decreasing
    best = official.index[0]
    machines = tables(page)[2].set_index("machine")
    assert list(machines.index) == ["fan", "lathe"]
    mean = summary.loc["first", best, "lathe"]["AUC (target)"]["mean"]
    assert float(str(machines.loc["lathe", "AUC (target)"]).split(" ± ")[0]) == pytest.approx(mean, abs=5e-4)


def test_baselines_stand_beside_the_machines_that_have_some(out, tmp_path):
    page = report_benchmark(out, tmp_path / "r.html", n_clips=0)
    compared = [table for table in tables(page) if "this run" in table]
    assert len(compared) == 4  # two data sets, two systems
    assert set(compared[0]["machine"]) == {"fan"}
    published = published_baseline(2023).query("machine == 'fan' and system == 'autoencoder, Mahalanobis'")
    shown = [float(text.split()[0]) for text in compared[0]["autoencoder, Mahalanobis (difference)"]]
    np.testing.assert_allclose(sorted(shown), sorted(published["value"]), atol=6e-4)


@pytest.mark.long
def test_pictures_of_every_system_and_clips_of_the_best(out, tmp_path):
    found = Elements(report_benchmark(out, tmp_path / "r.html", n_clips=2))
    # histogram and ROC of 2 systems on 2 + 1 machines, 2 clips of each data set beside healthy ones, with levels
    assert len(found.all("img")) == 2 * 2 * 3 + 4 * 3
    assert len(found.all("audio")) == 4 * 2
    assert str(out.parent) not in " ".join(found.texts).split("Settings and versions")[-2]
    folders = json.loads((out / "run.json").read_text())["versions"]
    for package, version in folders.items():
        assert package in found.text
        assert version in found.text


def test_the_number_of_pictures_is_limited(out, tmp_path, monkeypatch):
    monkeypatch.setattr(_benchmark, "_MOST_PICTURES", 3)
    found = Elements(report_benchmark(out, tmp_path / "r.html", n_clips=0))
    assert len(found.all("img")) == 6
    assert "left out, the report holds 3 pairs of pictures" in found.text


def test_failures_and_unreadable_clips_are_listed(tmp_path):
    table = table_of(tmp_path, "fan", 0)
    broken = table.loc[table["split"] == "test", "path"].iloc[0]
    with open(broken, "wb") as file:
        file.write(b"no sound")
    front = [LogMelTransformer(n_mels=16), ClipStatistics()]
    systems = {
        "good": make_pipeline(*front, KNNScorer()),
        "bad": make_pipeline(*front, KNNScorer(n_neighbors=-1)),
    }
    with pytest.warns(UserWarning, match="could not be used"):
        result = run(systems, table, on_error="record")
    found = Elements(report_benchmark(result, tmp_path / "r.html", n_clips=0))
    assert "n_neighbors" in found.text.split("Failures")[-1]
    assert "Recordings without a score" in found.text
    assert broken.split("/")[-1] in found.text


def test_without_ground_truth_there_are_scores_only(tmp_path):
    table = table_of(tmp_path, "fan", 0)
    table["y"] = np.where(table["split"] == "train", 1, np.nan)
    with pytest.warns(UserWarning, match="No official score"):
        result = run(make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), KNNScorer()), table)
    found = Elements(report_benchmark(result, tmp_path / "r.html", n_clips=1))
    assert "There are no figures: they need ground truth" in found.text
    # a histogram, a clip beside a healthy one, levels
    assert len(found.all("img")) == 4


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run\.json"):
        report_benchmark(tmp_path, tmp_path / "r.html")
    with pytest.raises(ValueError, match="n_clips must be"):
        report_benchmark(tmp_path, tmp_path / "r.html", n_clips=1.5)


def test_moved_folder_still_reads(out, tmp_path, monkeypatch):
    monkeypatch.setattr(_benchmark, "_MOST_PICTURES", 1)
    shutil.copytree(out, tmp_path / "moved", ignore=shutil.ignore_patterns("cells"))
    page = report_benchmark(tmp_path / "moved", tmp_path / "r.html", n_clips=0)
    assert page.read_bytes() == report_benchmark(out, tmp_path / "s.html", n_clips=0).read_bytes()
