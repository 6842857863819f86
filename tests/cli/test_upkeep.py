"""Commands that look after a model that was fitted before."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.svm import OneClassSVM

import skasd
from skasd.cli import main
from skasd.datasets import load_recordings

pytestmark = pytest.mark.filterwarnings("ignore::skasd.scorers.FewClipsWarning")
SKASD = [sys.executable, "-m", "skasd"]


@pytest.fixture
def copy(model, tmp_path):
    return shutil.copy(model, tmp_path / "copy.skasd")


@pytest.fixture(scope="module")
def half(recordings, tmp_path_factory):
    """A model of 20 of the 40 healthy recordings, of both domains."""
    path = tmp_path_factory.mktemp("half") / "half.skasd"
    assert main(["fit", *part(recordings, 0), "-o", str(path), "-q"]) == 0
    return path


def part(recordings, number):
    return sorted(map(str, (recordings / "train").iterdir()))[number::2]


def healthy(recordings):
    table = load_recordings(recordings / "test")
    return table.loc[table["y"] == 1, "path"].tolist()


def test_update_is_that_of_the_detector(recordings, half, tmp_path, capsys):
    before = half.read_bytes()
    arguments = ["update", str(half), str(recordings / "train"), "-o", str(tmp_path / "m.skasd"), "--json"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n_added"], found["n_clips"], found["n_kept"]) == (20, 40, 40)
    expected = skasd.AnomalousSoundDetector()
    for number, learn in enumerate((expected.fit, expected.update)):
        table = load_recordings(part(recordings, number))
        learn(table["path"].tolist(), domain=table["domain"].tolist())
    paths = healthy(recordings)
    updated = skasd.load(tmp_path / "m.skasd")
    np.testing.assert_array_equal(updated.score_samples(paths), expected.score_samples(paths))
    assert updated.threshold_ == expected.threshold_ == found["threshold"]
    assert updated.training_paths_ == part(recordings, 0) + part(recordings, 1)
    assert updated.training_conditions_.n_clips_ == 40
    assert updated.get_params() == expected.get_params()
    assert half.read_bytes() == before


def test_what_cannot_be_updated_stays_as_it_was(recordings, copy, tmp_path, capsys):
    before = Path(copy).read_bytes()
    assert main(["update", str(copy), str(recordings / "train")]) == 2
    assert "fitted on all 40 recordings already" in capsys.readouterr().err
    assert main(["update", str(copy), str(recordings / "test"), "--groups-from", "x(y)z"]) == 2
    assert "matches nothing" in capsys.readouterr().err
    assert Path(copy).read_bytes() == before


def test_sections_and_recordings_are_found_as_they_were_in_fit(recordings, tmp_path, capsys):
    files = part(recordings, 0)
    folders = {"first": (files[:5], files[5:10]), "later": (files[10:14], files[14:18])}
    for name, units in folders.items():
        for unit, paths in zip("ab", units, strict=True):
            (tmp_path / name / unit).mkdir(parents=True)
            for number, path in enumerate(paths):
                shutil.copy(path, tmp_path / name / unit / f"day{number % 2}x{name}{number}.wav")
    model, later = str(tmp_path / "m.skasd"), str(tmp_path / "later")
    told = ["--section-from", "parent", "--groups-from", r"(day\dx)"]
    assert main(["fit", str(tmp_path / "first"), "-o", model, "-q", *told]) == 0
    assert main(["update", model, later, "-q"]) == 0
    updated = skasd.load(model)
    assert updated.sections_ == ["a", "b"]
    assert updated.groups_.tolist().count("day0x") == 10
    capsys.readouterr()
    assert main(["info", model]) == 0
    assert "sections:     a, b" in capsys.readouterr().out


def test_models_of_other_systems_are_calibrated_not_updated(recordings, tmp_path, capsys):
    detector = make_pipeline(skasd.LogMelTransformer(), skasd.ClipStatistics(), skasd.MahalanobisScorer())
    train = load_recordings(recordings / "train")["path"].tolist()
    skasd.save(detector.fit(train), tmp_path / "m.skasd")
    arguments = [str(tmp_path / "m.skasd"), str(recordings / "test")]
    assert main(["update", *arguments]) == 2
    assert "cannot learn further recordings" in capsys.readouterr().err
    assert main(["calibrate", *arguments, "--false-alarms", "0.2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    paths = healthy(recordings)
    expected = skasd.compose.set_threshold(detector, paths, contamination=0.2)
    calibrated = skasd.load(tmp_path / "m.skasd")
    assert calibrated[-1].threshold_ == expected[-1].threshold_ == found["threshold"]
    assert found["n_clips"] == len(paths) == 15
    assert np.mean(calibrated.predict(paths) == -1) == pytest.approx(0.2, abs=0.05)
    assert main(["info", str(tmp_path / "m.skasd")]) == 0
    text = capsys.readouterr().out
    assert "LogMelTransformer, ClipStatistics, MahalanobisScorer" in text
    assert "from 15 healthy clips that it was set from later" in text
    assert "about 20.0%" in text


def test_calibrate_takes_the_rate_of_the_model_and_leaves_it_alone(recordings, model, tmp_path, capsys):
    before = Path(model).read_bytes()
    out = str(tmp_path / "other.skasd")
    assert main(["calibrate", model, str(recordings / "test"), "-o", out, "-q"]) == 0
    assert Path(model).read_bytes() == before
    calibrated, fitted = skasd.load(out), skasd.load(model)
    assert calibrated.threshold_ == fitted.set_threshold(healthy(recordings)).threshold_
    assert main(["calibrate", model, str(recordings / "train"), "-o", out]) == 2
    assert "already" in capsys.readouterr().err
    assert main(["calibrate", model, str(recordings / "test"), "-o", out, "--false-alarms", "0.7"]) == 2
    assert "--false-alarms must be above 0 and at most 0.5, got 0.7" in capsys.readouterr().err


def test_calibrate_says_what_so_few_recordings_can_hold(recordings, model, tmp_path, capsys):
    few = healthy(recordings)[:3]
    arguments = [model, *few, "-o", str(tmp_path / "other.skasd"), "--false-alarms", "0.01"]
    assert main(["calibrate", *arguments]) == 0
    told = capsys.readouterr()
    assert "25.0% of healthy recordings like these lie above it; set from 3" in told.out
    assert "warning: 3 healthy clips cannot hold" in told.err  # which were not trained on


@pytest.mark.parametrize("told", [["--groups-from", "(day[12])_"], []])
def test_calibrate_counts_recordings_not_their_pieces(recordings, model, tmp_path, capsys, told):
    for number, path in enumerate(healthy(recordings)[:10]):
        day, piece = number // 5 + 1, number % 5
        shutil.copy(path, tmp_path / f"day{day}_{'abcde'[piece] if told else piece}.wav")
    later, page, scores = (str(tmp_path / name) for name in ("later.skasd", "r.html", "s.csv"))
    assert main(["calibrate", model, str(tmp_path / "day*.wav"), "-o", later, *told]) == 0
    captured = capsys.readouterr()
    assert "33.3% of healthy recordings like these lie above it; set from 10 files of 2 rec" in captured.out
    assert "2 recordings cannot hold the false-alarm rate contamination=0.1" in captured.err
    assert main(["info", later]) == 0
    assert "from 10 healthy clips of 2 recordings; expect about 33.3% false alarms" in capsys.readouterr().out
    assert main(["score", later, str(recordings / "test"), "-o", scores, "-q"]) == 0
    assert main(["report", scores, "-o", page, "--model", later, "-q", "--clips", "0"]) == 0
    assert ", 33 % expected of healthy sound" in Path(page).read_text("utf-8")


def test_a_file_that_cannot_be_read_costs_only_itself(recordings, copy, tmp_path, capsys):
    folder = tmp_path / "healthy"
    folder.mkdir()
    for path in healthy(recordings)[:12]:
        shutil.copy(path, folder)
    (folder / "section_00_source_test_normal_9999_bad.wav").write_text("no sound")
    assert main(["calibrate", str(copy), str(folder)]) == 1
    text = capsys.readouterr()
    assert "left out" in text.err
    assert "9999_bad.wav" in text.err
    assert "set from 12" in text.out


def test_the_model_in_place_is_replaced_whole_or_not_at_all(recordings, copy, tmp_path, monkeypatch, capsys):
    before = Path(copy).read_bytes()

    def full(*_):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        assert main(["calibrate", str(copy), str(recordings / "test")]) == 2
    assert "no space left" in capsys.readouterr().err
    assert Path(copy).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["copy.skasd"]


def test_info_says_what_a_model_is(recordings, model, capsys):
    assert main(["info", model]) == 0
    text = capsys.readouterr().out
    for part in (
        "skasd.AnomalousSoundDetector",
        f"skasd {skasd.__version__}",
        "16000 Hz",
        f"40 recordings below {recordings / 'train'}",
        skasd.load(model).summary(),
    ):
        assert part in text
    assert main(["info", model, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["threshold"] == skasd.load(model).threshold_
    assert found["false_alarms"] == 0.1
    assert found["size"] == Path(model).stat().st_size


def test_info_and_report_expect_the_same_rate(recordings, model, tmp_path, capsys):
    scores, page, later = (str(tmp_path / name) for name in ("scores.csv", "page.html", "later.skasd"))
    assert main(["calibrate", model, str(recordings / "test"), "--false-alarms", "0.2", "-o", later]) == 0
    for path, told, shown in ((model, "10.0%", "10 %"), (later, "20.0%", "20 %")):
        assert main(["score", path, str(recordings / "test"), "-o", scores, "-q"]) == 0
        assert main(["report", scores, "-o", page, "--model", path, "-q", "--clips", "0"]) == 0
        capsys.readouterr()
        assert main(["info", path]) == 0
        assert f"about {told} " in capsys.readouterr().out
        assert f", {shown} expected of healthy sound" in Path(page).read_text("utf-8")


def test_info_of_whatever_a_file_holds(tmp_path, capsys):
    path = str(tmp_path / "m.skasd")
    X = np.random.default_rng(0).normal(size=(30, 2))
    for estimator, said in (
        (skasd.KNNScorer(), "not fitted"),
        (skasd.KNNScorer(contamination=0.02).fit(X), "from 30 clips learnt from, held out"),
        (skasd.KNNScorer(contamination=0.02).fit(X), "about 3.2% of healthy clips like them (2.0% wanted)"),
        (OneClassSVM().fit(X), "steps:        OneClassSVM"),
        (skasd.compose.PerSection(None, skasd.KNNScorer()).fit(X, section=["a", "b"] * 15), "a, b"),
    ):
        skasd.save(estimator, path)
        assert main(["info", path]) == 0
        assert said in capsys.readouterr().out
    Path(path).write_bytes(Path(path).read_bytes()[:-100])
    assert main(["info", path]) == 2
    assert "damaged" in capsys.readouterr().err


def test_info_of_a_model_that_cannot_be_loaded_here(tmp_path, capsys):
    path = str(tmp_path / "m.skasd")
    skasd.save(Own(), path, trusted=("tests",))
    assert main(["info", path]) == 1
    text = capsys.readouterr()
    assert "test_upkeep.Own" in text.out
    assert "cannot be loaded" in text.err


class Own(skasd.KNNScorer):
    """An estimator of another package."""


@pytest.mark.slow  # three processes
def test_upkeep_in_a_terminal(recordings, half, tmp_path, in_terminal):
    model, test = str(tmp_path / "m.skasd"), str(recordings / "test")
    updated = in_terminal([*SKASD, "update", str(half), str(recordings / "train"), "-o", model])
    assert updated.code == 0, updated.err
    assert "embedding: 100%" in updated.err
    assert updated.out == f"model: {model} (20 recordings more, 40 in all)\n"
    calibrated = in_terminal([*SKASD, "calibrate", model, test], "pipe")
    assert calibrated.code == 0, calibrated.err
    assert "embedding: 100%" in calibrated.err
    assert len(calibrated.out.splitlines()) == 1
    told = in_terminal([*SKASD, "info", model])
    assert told.code == 0, told.err
    assert told.err == ""
    assert "set later, from 15 healthy clips" in told.out
