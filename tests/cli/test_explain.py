"""`skasd explain`: a sentence, a page, and clear errors."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from skasd.cli import main


@pytest.fixture
def faulty(recordings):
    return str(sorted((recordings / "test").glob("*anomaly*"))[0])


def test_page_and_sentence(model, faulty, tmp_path, capsys):
    page = tmp_path / "why.html"
    assert main(["explain", model, faulty, "-o", str(page), "--max-healthy", "12"]) == 0
    said = capsys.readouterr()
    assert "the healthy clip" in said.out
    assert "nearest of 12 healthy recordings" in said.err
    text = page.read_text()
    assert text.count("data:audio/flac") == 2
    assert "skasd explain" in text


def test_more_healthy_recordings_than_by_default(model, faulty, recordings, tmp_path, capsys):
    """The nearest of 201 recordings is found, though the default number of 200 leaves it out."""
    ordinary = sorted((recordings / "test").glob("*normal*"))[0]
    (left_out,) = set(range(201)) - set(np.linspace(0, 200, 200).round().astype(int))
    for number in range(201):
        shutil.copy(faulty if number == left_out else ordinary, tmp_path / f"{number:03}.wav")
    command = ["explain", model, faulty, "--healthy", str(tmp_path), "--max-healthy", "201", "-q", "--json"]
    assert main(command) == 0
    assert Path(json.loads(capsys.readouterr().out)["nearest"]).stem == f"{left_out:03}"


def test_for_programs_and_of_a_part(model, faulty, recordings, tmp_path, capsys):
    healthy = tmp_path / "healthy"
    healthy.mkdir()
    for path in sorted((recordings / "test").glob("*normal*"))[:3]:
        shutil.copy(path, healthy)
    (healthy / "bad.wav").write_bytes(b"RIFF")
    command = ["explain", model, faulty, "--healthy", str(healthy), "--from", "0.2", "--json"]
    assert main(command) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert Path(found["nearest"]).parent == healthy
    assert found["decision"] in ("normal", "anomalous")
    assert {"start", "end", "low", "high", "db", "share"} == set(found["segments"][0])
    assert len(found["bands"]) == 8
    assert "left out" in said.err
    assert "bad.wav" in said.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--from", "9"], "does not lie within the clip, which lasts 0.5 s"),
        (["--healthy", "no such folder"], "left out|does not exist|names"),
    ],
)
def test_errors_are_one_line(model, faulty, more, message, capsys):
    assert main(["explain", model, faulty, *more]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_recording_is_not_held_against_itself(model, recordings, capsys):
    learnt = str(sorted((recordings / "train").iterdir())[0])
    assert main(["explain", model, learnt, "--healthy", learnt]) == 2
    assert "it takes another one" in capsys.readouterr().err
