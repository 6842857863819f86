"""Files of every writer are there whole or not at all."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import skasd
from skasd._whole_file import check_output, whole_file
from skasd.cli import main
from skasd.report import scores_table

BAD_NAME = os.fsdecode(b"sc\xf6res")  # Latin-1, no UTF-8


def test_an_interrupt_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o640)

    def interrupted():
        with whole_file(path) as name:
            Path(name).write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    with whole_file(path) as name, open(name, "w") as file:
        file.write("new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.fixture
def no_room():
    """No file can grow beyond 1000 bytes, as on a disk that is almost full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path, no_room):
    (tmp_path / "a.txt").write_text("old")
    told = re.escape(f"too large: '{tmp_path / 'a.txt'}'")
    with pytest.raises(OSError, match=told), whole_file(tmp_path / "a.txt") as name:
        Path(name).write_text("x" * 2000)
    assert (tmp_path / "a.txt").read_text() == "old"


def test_windows_for_which_there_is_no_room_do_not_blame_the_recording(tmp_path, no_room, capsys):
    soundfile.write(tmp_path / "a.flac", np.zeros(8000), 8000)  # smaller than its windows
    assert main(["cut", str(tmp_path / "a.flac"), "-o", str(tmp_path / "out"), "--window", "0.25"]) == 2
    assert "a_win0000.wav' cannot be written" in capsys.readouterr().err
    assert not any((tmp_path / "out").iterdir())


def test_links_longest_names_and_what_is_no_plain_file(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch()
    link.symlink_to(target)
    with whole_file(link) as name, open(name, "w") as file:
        file.write("x")
    assert link.is_symlink()
    assert target.read_text() == "x"
    longest = tmp_path / ("x" * 255)
    with whole_file(longest) as name:
        Path(name).touch()
    assert longest.exists()
    check_output(os.devnull)
    with whole_file(os.devnull) as name:
        assert name == os.devnull
    assert not os.path.isfile(os.devnull)


def test_outputs_that_cannot_be_written_are_named(tmp_path, monkeypatch):
    check_output(tmp_path / "new" / "folder" / "file")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    check_output(tmp_path / "another", is_folder=True)
    assert (tmp_path / "another").is_dir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        check_output(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file.*cannot be written"):
        check_output(tmp_path / "file" / "below")
    with pytest.raises(OSError, match=r"file.*cannot be written"):
        check_output(tmp_path / "file", is_folder=True)


@pytest.mark.parametrize("command", ["fit", "score", "report", "evaluate", "benchmark"])
def test_commands_make_folders_and_find_out_before_they_work(command, tmp_path, capsys, monkeypatch):
    recordings, model, scores = small_case(tmp_path)
    new = tmp_path / "new" / "folder"
    arguments = {
        "fit": ["fit", f"{recordings}/train"],
        "score": ["score", model, f"{recordings}/test"],
        "report": ["report", scores],
        "evaluate": ["evaluate", scores, f"{recordings}/test"],
        "benchmark": ["benchmark", recordings],
    }[command]
    assert main([*arguments, "-q", "-o", str(new / "out")]) == 0
    assert (new / "out").exists()
    assert [p.name for p in new.iterdir()] == ["out"]

    def fail(*args, **kwargs):
        raise AssertionError("it has begun to work")

    monkeypatch.setattr("skasd.cli._recordings.use", fail)
    monkeypatch.setattr("skasd.cli._score.leave_out_bad", fail)
    monkeypatch.setattr("skasd.cli._report.report_scores", fail)
    monkeypatch.setattr("skasd.cli._evaluate.score_figures", fail)
    monkeypatch.setattr("skasd.cli._benchmark.run_benchmark", fail)
    (tmp_path / "file").touch()
    assert main([*arguments, "-o", str(tmp_path / "file" / "out")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def small_case(tmp_path):
    """Return a folder of recordings, a model of them and scores."""
    skasd.datasets.write_machine_sounds(tmp_path, n_train=12, n_test=8, duration=0.2, random_state=0)
    recordings = str(next((tmp_path / "dev_data").iterdir()))
    model, scores = str(tmp_path / "m.skasd"), str(tmp_path / "s.csv")
    assert main(["fit", f"{recordings}/train", "-o", model, "-q"]) == 0
    assert main(["score", model, f"{recordings}/test", "-o", scores, "-q"]) == 0
    return recordings, model, scores


@pytest.mark.long
def test_full_disk(tmp_path):
    """A small limit on the size of files stands for a disk that is full in the middle of a file."""
    pytest.importorskip("resource", reason="this system has no limit on the size of files")
    recordings, model, scores = small_case(tmp_path)
    page = tmp_path / "r.html"
    assert main(["report", scores, "-o", str(page), "-q"]) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "m.skasd", tmp_path / "s.csv", page)}
    script = f"""
        import resource
        from skasd.cli import main
        commands = [
            ["fit", {recordings + "/train"!r}, "-o", {model!r}],
            ["score", {model!r}, {recordings + "/test"!r}, "-o", {scores!r}],
            ["report", {scores!r}, "-o", {str(page)!r}],
        ]
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        for command in commands:
            print(main(command))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert [line for line in run.stdout.splitlines() if line.isdigit()] == ["2", "2", "2"], run.stderr
    assert run.stderr.count("File too large") == 3
    assert {path: path.read_bytes() for path in before} == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.long
@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="names are text here")
def test_names_that_are_no_utf8(tmp_path, capsys):
    _, model, _ = small_case(tmp_path)
    clip = sorted((tmp_path / "dev_data").rglob("*.wav"))[0]
    folder = tmp_path / BAD_NAME
    folder.mkdir()
    os.link(clip, folder / f"{BAD_NAME}.wav")
    soundfile.write(folder.parent / "x.flac", *soundfile.read(clip))
    os.rename(tmp_path / "x.flac", folder / f"{BAD_NAME}.flac")
    named, out = str(folder / f"{BAD_NAME}.wav"), str(folder / f"{BAD_NAME}.csv")
    assert main(["score", model, named, str(clip), str(folder / f"{BAD_NAME}.flac"), "-o", out]) == 0
    assert "\\udcf6" in capsys.readouterr().err
    table = scores_table(out)
    assert list(table["path"]) == [named, str(clip), str(folder / f"{BAD_NAME}.flac")]
    assert table["anomaly_score"].nunique() == 1
    assert main(["score", model, named]) == 0
    assert "\\udcf6" in capsys.readouterr().out
    assert main(["report", out, "-o", str(folder / f"{BAD_NAME}.html"), "--model", model]) == 0
    assert main(["fit", str(folder), str(tmp_path / "dev_data"), "-o", str(folder / BAD_NAME)]) == 0
    assert (folder / BAD_NAME).stat().st_size > 1000
    assert pd.read_csv(out, encoding_errors="surrogateescape")["path"][0] == named
