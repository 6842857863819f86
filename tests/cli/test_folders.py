"""What the commands make of folders: real layouts, strays, folders of faulty recordings."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile

import skasd
from skasd.cli import main


def write(root, names, channels=1):
    rng = np.random.default_rng(len(names))
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = "WAV" if path.suffix.lower() == ".wav" else None
        soundfile.write(path, 0.1 * rng.normal(size=(4000, channels)), 16000, format=kind)


def machine(name):
    """Return the names of 18 source and 4 target clips to train on, 8 to test, 3 supplemental ones."""
    folder = f"dev_data/raw/{name}"
    train = [
        f"train/section_00_{d}_train_normal_{i:04d}_m-n_W_.wav"
        for d, n in (("source", 18), ("target", 4))
        for i in range(n)
    ]
    test = [
        f"test/section_00_{d}_test_{label}_{i:04d}_m-n_W_.wav"
        for d in ("source", "target")
        for label in ("normal", "anomaly")
        for i in range(2)
    ]
    return [f"{folder}/{n}" for n in (*train, *test)] + [
        f"{folder}/supplemental/section_00_noise_{i:04d}_.wav" for i in range(3)
    ]


@pytest.fixture(scope="module")
def challenge(tmp_path_factory):
    """Two machines of 2025, one with two channels as in 2026, and what lies about in such folders."""
    root = tmp_path_factory.mktemp("dcase2025")
    write(root, machine("fan"))
    write(root, machine("ToyCarEmu"), channels=2)
    write(root, ["dev_data/raw/fan/train/mynote.wav", "dev_data/raw/fan/.Trash/x.wav"])
    write(root, ["__MACOSX/dev_data/raw/fan/train/section_00_source_train_normal_0000_m-n_W_.wav"])
    return root


def fit(where, model, capsys, *more):
    code = main(["fit", str(where), "-o", str(model), "--json", *more])
    text = capsys.readouterr()
    return code, json.loads(text.out) if text.out else None, text.err


@pytest.mark.parametrize(
    ("below", "more"),
    [
        ("", ("--machine", "fan")),
        ("dev_data/raw", ("--machine", "fan")),
        ("dev_data/raw/fan", ()),
        ("dev_data/raw/fan/train", ()),
        ("", ("--machine", "ToyCarEmu")),
    ],
)
def test_fit_learns_the_training_clips_of_one_machine(challenge, below, more, tmp_path, capsys):
    code, result, err = fit(challenge / below, tmp_path / "m.skasd", capsys, *more)
    assert (code, result["n_clips"]) == (0, 22)
    assert ("mynote.wav" in err) == ("ToyCarEmu" not in more)
    assert "Trash" not in err
    scorers = skasd.load(tmp_path / "m.skasd").steps_[-1].estimators_.values()
    assert {domain for scorer in scorers for domain in scorer.references_} == {"source", "target"}


def test_fit_says_which_machines_there_are_and_what_a_folder_is(challenge, tmp_path, capsys):
    code, _, err = fit(challenge, tmp_path / "m.skasd", capsys)
    assert code == 2
    assert "2 machines (ToyCarEmu, fan)" in err
    assert "--machine" in err
    for folder, counts in (("test", "8 test (4 healthy, 4 anomalous)"), ("supplemental", "3 supplemental")):
        code, _, err = fit(challenge / "dev_data/raw/fan" / folder, tmp_path / "m.skasd", capsys)
        assert code == 2
        assert "no recording to learn from" in err
        assert counts in err
    assert not (tmp_path / "m.skasd").exists()
    assert main(["fit", str(challenge / "dev_data/raw/fan/train"), "-o", str(tmp_path / "m.skasd")]) == 0
    text = capsys.readouterr()
    assert "DCASE Challenge layout (names such as section_00_" in text.out + text.err


@pytest.mark.parametrize("below", ["ng", "ng/monday"])
def test_fit_refuses_a_folder_of_faulty_recordings(below, tmp_path, capsys):
    write(tmp_path / "press", [f"{below}/{i}.wav" for i in range(12)])
    where, model = tmp_path / "press" / below, tmp_path / "m.skasd"
    code, _, err = fit(where, model, capsys)
    assert code == 2
    assert "a folder called ng" in err
    assert "--healthy" in err
    assert not model.exists()
    assert fit(where, model, capsys, "--healthy")[:2][1]["n_clips"] == 12
    code, _, err = fit(tmp_path / "press", model, capsys)  # nothing but faulty ones below
    assert code == 2
    assert "12 test (12 anomalous)" in err
    write(tmp_path / "press", [f"ok/{i}.wav" for i in range(9)])
    assert fit(tmp_path / "press", model, capsys)[1]["n_clips"] == 9


def scores_of(folder, path, pattern="*.wav"):
    clips = sorted(str(clip) for clip in folder.glob(pattern))
    score = [float("anomaly" in clip) for clip in clips]
    pd.DataFrame({"path": clips, "anomaly_score": score}).to_csv(path, index=False)
    return str(path)


def test_truth_is_read_like_training_data(challenge, tmp_path, capsys, monkeypatch):
    scores = scores_of(challenge / "dev_data/raw/fan/test", tmp_path / "scores.csv")
    monkeypatch.chdir(challenge)
    for truth in ("dev_data/raw/fan/test", "dev_data/raw/fan", os.path.join(".", "dev_data"), str(challenge)):
        assert main(["evaluate", scores, truth, "--json"]) == 0
        text = capsys.readouterr()
        found = json.loads(text.out)
        assert (found["year"], found["n_clips"]) == (2026, 8)  # by both domains
        figures = pd.DataFrame(found["figures"])
        assert set(figures["machine"]) == {"fan", ""}
        assert figures.query("metric == 'official score'")["value"].eq(1).all()
    both = scores_of(challenge / "dev_data/raw/fan", tmp_path / "both.csv", "*/section*.wav")
    assert main(["evaluate", both, "dev_data", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_clips"] == 8  # without those that were learnt
    page = tmp_path / "report.html"
    assert main(["report", both, "-o", str(page), "--ground-truth", "dev_data", "--clips", "0"]) == 0
    assert "ROC" in page.read_text()
    assert "Over the 8 of 33 clips that have both" in page.read_text()
    assert "<dt>machines" not in page.read_text()  # one


def test_truth_of_folders_with_strays(tmp_path, capsys):
    names = [f"{kind}/{kind}{i}.wav" for kind in ("ok", "defective") for i in range(3)]
    write(tmp_path / "press", [*names, "mynote.wav", ".Trash/ok/ok1.wav"])
    clips = [str(tmp_path / "press" / name) for name in names]
    table = pd.DataFrame({"path": clips, "anomaly_score": [float("defective" in clip) for clip in clips]})
    table.to_csv(tmp_path / "s.csv", index=False)
    assert main(["evaluate", str(tmp_path / "s.csv"), str(tmp_path / "press"), "--json"]) == 0
    text = capsys.readouterr()
    assert json.loads(text.out)["n_clips"] == 6
    assert "1 of 7 clips lie neither" in text.err
    assert "mynote.wav" in text.err


def test_benchmark_of_a_folder(challenge, tmp_path, capsys):
    arguments = ["--systems", "default", "-o", str(tmp_path / "out"), "--json"]
    assert main(["benchmark", str(challenge), *arguments]) == 0
    figures = pd.DataFrame(json.loads(capsys.readouterr().out)["figures"])
    assert set(figures["machine"]) == {"fan", "ToyCarEmu", ""}
    assert set(figures["data"]) == {challenge.name}
    assert {"source", "target"} <= set(figures["domain"])


def test_fit_says_what_the_files_that_it_used_tell(recordings, tmp_path, capsys):
    folder = tmp_path / "Prüfstand Süd 3"
    folder.mkdir()
    for number, path in enumerate(sorted((recordings / "train").iterdir())[:12]):
        shutil.copy(path, folder / f"run{1 + number // 11}_{number:02d}.wav")
    (folder / "run3_12.wav").write_text("no sound")
    (folder / "run3_13.wav").write_text("no sound")
    assert main(["fit", str(folder), "-o", str(tmp_path / "m.skasd")]) == 1
    said = capsys.readouterr().err
    assert "by their names" not in said
    assert "file names do not show which files come from one recording" in said
