import numpy as np
import pandas as pd
import pytest
import soundfile

from skasd.datasets import load_dcase, load_folder

COLUMNS = ["path", "machine", "section", "domain", "split", "set", "y", "attribute", "attributes"]


@pytest.fixture
def folder(tmp_path):
    """Return a function that makes sound files below a fresh folder, and returns the folder."""
    root = tmp_path / "press"

    def make(*names):
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.zeros(16), 16000)
        return root

    return make


def test_flat_folder_is_healthy(folder):
    root = folder("b.wav", "a.flac", "monday/c.wav")
    (root / ".DS_Store.wav").touch()
    (root / "notes.txt").touch()
    (root / ".hidden").mkdir()
    (root / ".hidden/d.wav").touch()
    table = load_folder(root)
    assert list(table.columns) == COLUMNS
    assert table.path.str.rsplit("/", n=1).str[-1].tolist() == ["a.flac", "b.wav", "c.wav"]
    assert table.y.dtype == "Int64"
    assert table.y.tolist() == [1, 1, 1]
    assert set(table.split) == {"train"}
    assert set(table.machine) == {"press"}
    assert set(table.section) == {"00"}
    assert set(table.domain) == {"source"}


@pytest.mark.parametrize("normal", ["normal", "Healthy", "good", "OK", "io"])
@pytest.mark.parametrize("anomalous", ["anomalous", "anomaly", "Abnormal", "faulty", "NOK", "nio", "bad"])
def test_spellings(folder, normal, anomalous):
    table = load_folder(folder(f"{normal}/1.wav", f"{anomalous}/2.wav"), machine="m1")
    labels = dict(zip(table.path.str[-5:], table.y, strict=True))
    assert labels == {"1.wav": 1, "2.wav": -1}
    assert sorted(table.split) == ["test", "train"]
    assert set(table.machine) == {"m1"}


def test_split_and_domain_folders(folder):
    root = folder("train/normal/1.wav", "test/normal/2.wav", "test/target/anomalous/3.wav")
    table = load_folder(root).set_index("path")
    table.index = table.index.str[-5:]
    assert table.split.to_dict() == {"1.wav": "train", "2.wav": "test", "3.wav": "test"}
    assert table.domain.to_dict() == {"1.wav": "source", "2.wav": "source", "3.wav": "target"}


def test_innermost_label_wins(folder):
    table = load_folder(folder("normal/anomaly/1.wav", "anomaly/normal/2.wav"))
    assert table.sort_values("path").y.tolist() == [1, -1]


def test_test_folder_without_labels_is_unlabelled(folder):
    table = load_folder(folder("train/1.wav", "test/2.wav"))
    assert table.split.tolist() == ["test", "train"]
    assert table.y.tolist() == [pd.NA, 1]


def test_clips_outside_the_label_folders(folder):
    root = folder("normal/1.wav", "rest/2.wav")
    with pytest.warns(UserWarning, match=r"1 of 2 clips lie neither .*2\.wav"):
        table = load_folder(root)
    assert table.y.tolist() == [1, pd.NA]
    assert table.split.tolist() == ["train", "test"]


@pytest.mark.parametrize(
    ("section_from", "sections"),
    [
        (None, ["00", "00", "00"]),
        ("parent", ["line1", "line2", "00"]),
        (r"line(\d)|(?!)", ["1", "2", None]),
        (r"(?P<x>li)ne(?P<section>\d)", ["1", "2", None]),
        (r"\d+\.wav$", ["7.wav", "8.wav", "9.wav"]),
    ],
)
def test_sections(folder, section_from, sections):
    root = folder("line1/normal/7.wav", "line2/normal/8.wav", "normal/9.wav")
    if None in sections:
        with pytest.raises(ValueError, match=r"matches nothing in 1 of the paths:\n.*9\.wav"):
            load_folder(root, section_from=section_from)
        (root / "normal/9.wav").unlink()
        sections = sections[:2]
    assert load_folder(root, section_from=section_from).section.tolist() == sections


def test_section_pattern_does_not_see_the_folder_above(folder):
    root = folder("a1.wav")
    with pytest.raises(ValueError, match="matches nothing"):
        load_folder(root, section_from="press")
    with pytest.raises(ValueError, match="neither 'parent' nor a regular expression"):
        load_folder(root, section_from="(")


def test_missing_or_empty(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no sound file in .*\.wav"):
        load_folder(tmp_path)


def csv(root, text):
    path = root / "clips.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_with_everything(folder):
    root = folder("a.wav", "sub/b.wav")
    table = load_folder(
        csv(
            root,
            "path,label,section,domain,split,attribute,operator\n"
            "a.wav,normal,00,target,test,spd_3,Ada\nsub/b.wav,NOK,07,source,,,\n",
        )
    )
    assert list(table.columns) == [*COLUMNS, "operator"]
    assert table.y.tolist() == [1, -1]
    assert table.section.tolist() == ["00", "07"]
    assert table.domain.tolist() == ["target", "source"]
    assert table.split.tolist() == ["test", "test"]
    assert table.attributes.tolist() == [{"spd": "3"}, {}]
    assert table.operator[0] == "Ada"
    assert [soundfile.info(path).frames for path in table.path] == [16, 16]
    assert set(table.machine) == {"press"}


def test_csv_with_paths_only(folder):
    root = folder("a.wav", "b.wav")
    table = load_folder(csv(root, f"file_name\na.wav\n{root / 'b.wav'}\n"), section_from=r"^(\w)")
    assert table.y.tolist() == [1, 1]
    assert table.split.tolist() == ["train", "train"]
    assert table.section.tolist() == ["a", "b"]
    table = load_folder(csv(root, "path,split\na.wav,train\nb.wav,test\n"))
    assert table.y.tolist() == [1, pd.NA]


@pytest.mark.parametrize(
    ("column", "cells", "y"),
    [
        ("label", ["0", "1", ""], [1, -1, pd.NA]),
        ("label", ["normal", " Anomaly", ""], [1, -1, pd.NA]),
        ("y", ["1", "-1", ""], [1, -1, pd.NA]),
        ("y", ["+1", "-1.0", "1.0"], [1, -1, 1]),
    ],
)
def test_csv_labels(folder, column, cells, y):
    root = folder("a.wav", "b.wav", "c.wav")
    lines = [f"{name}.wav,{cell}\n" for name, cell in zip("abc", cells, strict=True)]
    assert load_folder(csv(root, f"path,{column}\n" + "".join(lines))).y.tolist() == y


def test_bad_csv(folder):
    root = folder("a.wav")
    with pytest.raises(ValueError, match=r"column 'y' has \['0'\], expected \+1 .*call the column 'label'"):
        load_folder(csv(root, "path,y\na.wav,0\n"))
    with pytest.raises(ValueError, match=r"column 'label' has \['maybe'\]"):
        load_folder(csv(root, "path,label\na.wav,maybe\n"))
    with pytest.raises(ValueError, match=r"no column 'path'.*it has \['clip'\]"):
        load_folder(csv(root, "clip\na.wav\n"))
    with pytest.raises(ValueError, match="has no clips"):
        load_folder(csv(root, "path\n"))
    with pytest.raises(ValueError, match=r"no path in line\(s\) \[3\]"):
        load_folder(csv(root, "path,label\na.wav,ok\n,ok\n"))
    for name in ("machine", "section"):
        with pytest.raises(ValueError, match=rf"no {name} in line\(s\) \[3\]"):
            load_folder(csv(root, f"path,{name}\na.wav,fan\nb.wav,\n"))
    with pytest.raises(FileNotFoundError, match=r"lists 1 files that do not exist:\n.*b\.wav"):
        load_folder(csv(root, "path\na.wav\nb.wav\n"))


def test_same_columns_and_dtypes_as_the_challenge(folder, tmp_path):
    mine = load_folder(folder("normal/1.wav"))
    path = tmp_path / "fan/train/section_00_source_train_normal_0000_a_1.wav"
    path.parent.mkdir(parents=True)
    soundfile.write(path, np.zeros(16), 16000)
    theirs = load_dcase(tmp_path / "fan")
    assert mine.dtypes.to_dict() == theirs[mine.columns].dtypes.to_dict()
    assert len(pd.concat([mine, theirs])) == 2
