"""Recordings that cannot be judged are not called anomalous without a word."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from skasd import load, save
from skasd.cli import _remarks, main
from skasd.cli._console import Console
from skasd.clips import RecordingConditions


@pytest.fixture
def odd(recordings, tmp_path):
    """A recording like those learnt from, and others made of it."""
    good = sorted((recordings / "test").glob("*normal*.wav"))[0]
    samples, rate = soundfile.read(good, dtype="float32")
    folder = tmp_path / "odd"
    folder.mkdir()
    soundfile.write(folder / "0 good.wav", samples, rate)
    soundfile.write(folder / "1 silent.wav", 0 * samples, rate)
    soundfile.write(folder / "2 slow.wav", samples[::2], rate // 2)
    soundfile.write(folder / "3 clipped.wav", np.clip(100 * samples, -1, 1), rate)
    soundfile.write(folder / "4 lossy.ogg", samples, rate)
    soundfile.write(folder / "5 faint.flac", samples / 2000, rate, subtype="PCM_24")
    return folder


EXPECTED = ["", "silent", "sample rate 8 kHz", "clipped: ", "lossy codec", "below all learnt from"]


def test_remarks_stand_beside_the_decisions(odd, model, tmp_path, capsys):
    out = tmp_path / "scores.csv"
    assert main(["score", model, str(odd), "-o", str(out)]) == 0
    printed = capsys.readouterr()
    table = pd.read_csv(out, keep_default_na=False)
    assert [expected in remark for expected, remark in zip(EXPECTED, table["remark"], strict=True)] == [
        True
    ] * 6
    assert table["remark"][0] == ""
    assert (table["decision"] != "").all()
    assert list(table)[:4] == ["path", "anomaly_score", "decision", "remark"]
    assert "remarks on 5" in printed.out


def test_strict_makes_errors_of_remarks(odd, model, tmp_path, capsys):
    out = tmp_path / "scores.csv"
    assert main(["score", model, str(odd), "-o", str(out), "--strict"]) == 1
    table = pd.read_csv(out, keep_default_na=False)
    assert table["decision"].ne("").tolist() == [True] + [False] * 5
    assert table["anomaly_score"].ne("").tolist() == [True] + [False] * 5
    assert table["error"].tolist() == table["remark"].tolist()
    printed = capsys.readouterr()
    assert printed.err.count("not scored") == 5
    assert " of 1 sound anomalous" in printed.out
    assert main(["score", model, str(odd / "1 silent.wav"), "--strict", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["n_remarks"] == 1


def test_most_anomalous_is_told_with_the_usual_causes(odd, model, recordings, capsys):
    names = [str(path) for path in sorted(odd.glob("*")) if "good" not in path.name]
    assert main(["score", model, *names]) == 0
    error = capsys.readouterr().err
    assert "more than half" in error
    assert "another microphone" in error
    assert main(["score", model, str(recordings / "test" / "*normal*.wav"), "-q"]) == 0
    assert "more than half" not in capsys.readouterr().err


def test_recordings_are_looked_at_in_parts_with_a_bar(odd, model, monkeypatch, capsys):
    paths = sorted(map(str, odd.iterdir()))
    detector, console = load(model), Console()
    expected = _remarks.on(detector, paths, console).tolist()
    monkeypatch.setattr(_remarks, "_AT_A_TIME", 4)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(Console, "shows_progress", True)
    assert _remarks.on(detector, paths, console).tolist() == expected
    assert "recordings: 100%" in capsys.readouterr().err
    _remarks.learn(detector, paths, console)
    whole = RecordingConditions().fit(paths)
    assert vars(detector.training_conditions_) == vars(whole)
    assert _remarks.on(detector, [], console).tolist() == []


def test_models_that_know_nothing_of_their_recordings_judge_the_sound_alone(odd, model, tmp_path):
    detector = load(model)
    del detector.training_conditions_
    save(detector, tmp_path / "old.skasd")
    assert main(["score", str(tmp_path / "old.skasd"), str(odd), "-o", str(tmp_path / "s.csv")]) == 0
    remarks = pd.read_csv(tmp_path / "s.csv", keep_default_na=False)["remark"].tolist()
    assert [bool(remark) for remark in remarks] == [False, True, True, True, False, False]
