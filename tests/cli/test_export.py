"""``skasd export`` against the functions that it stands for."""

import builtins
import json
import sys

import numpy as np
import pytest

import skasd
from skasd.cli import main
from skasd.datasets import find_recordings
from skasd.export import OnnxDetector, verify


def test_the_file_is_that_of_the_function_and_is_verified(recordings, model, tmp_path, capsys):
    output, files = tmp_path / "made" / "model.onnx", str(recordings / "test")
    assert main(["export", model, "-o", str(output), "--verify", files]) == 0
    said = capsys.readouterr()
    detector = skasd.load(model)
    agreement = verify(output, detector, find_recordings(files))
    assert agreement.n_clips == 30
    assert agreement.is_good
    lines = said.out.splitlines()
    assert lines[0] == f"exported: {output} ({output.stat().st_size / 1e6:.1f} MB)"
    assert lines[1].startswith("good: 30 clips, scores differ by at most ")
    assert OnnxDetector(output).threshold_ == detector.threshold_


def test_what_programs_see(recordings, model, tmp_path, capsys):
    output, broken = tmp_path / "model.onnx", tmp_path / "broken.wav"
    broken.write_text("no sound")
    files = [str(path) for path in sorted((recordings / "test").iterdir())[:4]]
    assert main(["export", model, "-o", str(output), "--verify", *files, str(broken), "--json"]) == 1
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (found["n_compared"], found["n_failed"], found["bytes"]) == (4, 1, output.stat().st_size)
    assert found["relative_difference"] < 1e-4
    assert found["is_good"]
    assert "left out" in said.err
    assert "broken.wav" in said.err


@pytest.mark.slow
def test_eight_bits(recordings, model, tmp_path, capsys):
    output, broken = tmp_path / "model.onnx", tmp_path / "broken.wav"
    broken.write_text("no sound")
    files = [str(path) for path in sorted((recordings / "train").iterdir())[:8]]
    arguments = [
        "export",
        model,
        "-o",
        str(output),
        "--int8",
        str(recordings / "train"),
        "--verify",
        *files,
        str(broken),
        "--json",
    ]
    assert main(arguments) == 1
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (found["n_compared"], found["n_failed"], found["bytes"]) == (8, 1, output.stat().st_size)
    assert found["relative_difference"] > 1e-4
    assert not found["is_good"]
    assert "left out" in said.err
    assert "broken.wav" in said.err
    assert OnnxDetector(output).properties["quantized"] == "int8"


def test_eight_bits_learn_sections_and_groups_as_fit_did(recordings, tmp_path, capsys, monkeypatch):
    path, train = str(tmp_path / "model.skasd"), str(recordings / "train")
    told = ["--section-from", r"(source|target)", "--groups-from", r"_(00\d)\d_"]
    assert main(["fit", train, "-o", path, *told, "-q"]) == 0
    given = {}
    monkeypatch.setattr(skasd.export, "quantize", lambda *args, **metadata: given.update(metadata))
    output = tmp_path / "model.onnx"
    output.write_bytes(b"what quantize writes")
    assert main(["export", path, "-o", str(output), "--int8", train, "-q"]) == 0
    detector = skasd.load(path)
    assert set(given["section"]) == {"source", "target"}
    assert list(given["section"]) == list(detector.reference_["section"])
    assert list(given["groups"]) == list(detector.groups_)


def test_what_cannot_be_exported_leaves_nothing(recordings, tmp_path, capsys):
    model, output = str(tmp_path / "model.skasd"), tmp_path / "model.onnx"
    clips = np.random.default_rng(0).normal(size=(12, 4000))
    front = skasd.STFTTransformer()
    scorer = skasd.KNNScorer(contamination=0.3)
    detector = skasd.compose.make_pipeline(front, skasd.ClipStatistics(), scorer).fit(clips)
    skasd.save(detector, model)
    assert main(["export", model, "-o", str(output)]) == 2
    assert "STFTTransformer cannot be exported" in capsys.readouterr().err
    assert not output.exists()


def test_missing_packages_are_named(model, tmp_path, capsys, monkeypatch):
    real = builtins.__import__

    def without_onnx(name, *args, **kwargs):
        if name == "onnx":
            raise ModuleNotFoundError("No module named 'onnx'")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "onnx")
    monkeypatch.setattr(builtins, "__import__", without_onnx)
    assert main(["export", model, "-o", str(tmp_path / "model.onnx")]) == 2
    assert "pip install skasd[onnx]" in capsys.readouterr().err


@pytest.mark.long
def test_in_a_terminal(recordings, model, tmp_path, in_terminal):
    output = tmp_path / "model.onnx"
    command = [sys.executable, "-m", "skasd", "export", model, "-o", str(output), "--verify"]
    done = in_terminal([*command, str(recordings / "test" / "*_0000_*")])
    assert done.code == 0, done.err
    assert "embedding: 100%" in done.err
    assert [line.split()[0] for line in done.out.splitlines()] == ["exported:", "good:"]


@pytest.mark.parametrize("missing", ["model", "recordings"])
def test_what_does_not_exist_is_named_before_anything_is_written(missing, model, tmp_path, capsys):
    output = tmp_path / "model.onnx"
    where = ["none.skasd"] if missing == "model" else [model, "--verify", str(tmp_path)]
    assert main(["export", *where, "-o", str(output)]) == 2
    assert ("none.skasd" if missing == "model" else "no sound file") in capsys.readouterr().err
    assert not output.exists()
