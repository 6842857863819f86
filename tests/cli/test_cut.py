"""Long recordings are cut into windows, from which the other commands learn and which they score."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from skasd import load
from skasd.cli import main

RATE = 8000


def sound(seconds, seed):
    return 0.1 * np.random.default_rng(seed).normal(size=round(seconds * RATE))


@pytest.fixture
def nights(tmp_path):
    for number in range(12):
        folder = tmp_path / "nights" / f"Prüfstand {number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"night {number}.wav", sound(4.5, number), RATE)
    return tmp_path / "nights"


def test_cut_fit_score(nights, tmp_path, capsys):
    (nights / "short.wav").write_bytes((nights / "Prüfstand 0" / "night 0.wav").read_bytes()[:3000])
    windows = str(tmp_path / "windows")
    assert main(["cut", str(nights), "-o", windows, "--window", "1", "--json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "output": windows,
        "n_windows": 48,
        "n_recordings": 12,
        "left_out": [str(nights / "short.wav")],
    }
    assert "left out" in printed.err
    assert (tmp_path / "windows" / "Prüfstand 1" / "night 3_win0003.wav").is_file()
    model, scores = str(tmp_path / "m.skasd"), str(tmp_path / "s.csv")
    assert main(["fit", windows, "-o", model]) == 0
    assert "12 recordings (by their names)" in capsys.readouterr().err
    assert load(model).n_clips_ == 48
    long = tmp_path / "new.wav"
    soundfile.write(long, sound(60, 99), RATE)
    assert main(["score", model, str(long), "-o", scores]) == 0
    remark = pd.read_csv(scores)["remark"][0]
    assert remark == "long: 60 s, learnt from 1 s and less; what happens in a part of it is averaged away"
    with pytest.raises(SystemExit):
        main(["cut", str(nights)])


def test_names_that_would_be_the_same(nights, tmp_path, capsys):
    soundfile.write(nights / "Prüfstand 0" / "night 0.flac", sound(2, 5), RATE)
    out = tmp_path / "both"
    assert main(["cut", str(nights / "Prüfstand 0"), "-o", str(out), "--window", "2"]) == 0
    assert sorted(path.name for path in out.glob("night 0*")) == [
        "night 0_flac_win0000.wav",
        "night 0_wav_win0000.wav",
        "night 0_wav_win0001.wav",
    ]
    capsys.readouterr()
    assert main(["cut", str(nights), "-o", str(out)]) == 2
    assert "not empty: give a new folder" in capsys.readouterr().err
    again = nights.parent / "again"
    again.mkdir()
    soundfile.write(again / "night 0.flac", sound(2, 6), RATE)
    files = [str(nights / "Prüfstand 0" / "night 0.flac"), str(again / "night 0.flac")]
    assert main(["cut", *files, "-o", str(tmp_path / "c")]) == 2
    assert "would have the same names" in capsys.readouterr().err
    folders = [str(nights / "Prüfstand 0"), str(again)]
    assert main(["cut", *folders, "-o", str(tmp_path / "c"), "--window", "2"]) == 0
    assert {path.name for path in (tmp_path / "c").iterdir()} == {"Prüfstand 0", "again"}


@pytest.mark.parametrize(
    "arguments", [["--window", "0"], ["--window", "nan"], ["--window", "2", "--hop", "3"]]
)
def test_windows_of_no_length(nights, tmp_path, capsys, arguments):
    assert main(["cut", str(nights), "-o", str(tmp_path / "w"), *arguments]) == 2
    assert "must be above 0" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()
