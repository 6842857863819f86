"""The one reader of folders, on the layouts of all years and on those that people make themselves."""

import os
import shutil
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from skasd.datasets import find_recordings, load_dcase, load_folder, load_recordings
from skasd.datasets._words import ANOMALOUS, HEALTHY

NA = None
SOURCE, TARGET = "source", "target"


@pytest.fixture
def tree(tmp_path):
    """Return a function that makes empty files below a fresh folder, and returns the folder."""
    root = tmp_path / "data"

    def make(*names):
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return root

    return make


# What each year's sets hold, as published, and what is to be read off it: section, domain, split, y, attribute.
CHALLENGE = {
    2020: {
        "dev_data/fan/train/normal_id_00_00000000.wav": ("00", SOURCE, "train", 1, ""),
        "dev_data/fan/train/normal_id_02_00000000.wav": ("02", SOURCE, "train", 1, ""),
        "dev_data/fan/test/normal_id_00_00000000.wav": ("00", SOURCE, "test", 1, ""),
        "dev_data/fan/test/anomaly_id_00_00000000.wav": ("00", SOURCE, "test", -1, ""),
        "dev_data/ToyConveyor/train/normal_id_01_00000000.wav": ("01", SOURCE, "train", 1, ""),
        "dev_data/ToyConveyor/test/anomaly_id_03_00000012.wav": ("03", SOURCE, "test", -1, ""),
        "eval_data/fan/train/normal_id_01_00000000.wav": ("01", SOURCE, "train", 1, ""),
        "eval_data/fan/test/id_01_00000000.wav": ("01", SOURCE, "test", NA, ""),
    },
    2021: {
        "dev_data/gearbox/train/section_00_source_train_normal_0000_0_g_25_mm_2000_mV_none.wav": (
            *("00", SOURCE, "train", 1),
            "0_g_25_mm_2000_mV_none",
        ),
        "dev_data/gearbox/train/section_00_target_train_normal_0000_0_g_25_mm_1500_mV_none.wav": (
            *("00", TARGET, "train", 1),
            "0_g_25_mm_1500_mV_none",
        ),
        "dev_data/gearbox/source_test/section_00_source_test_normal_0000.wav": ("00", SOURCE, "test", 1, ""),
        "dev_data/gearbox/target_test/section_00_target_test_anomaly_0000.wav": (
            *("00", TARGET, "test", -1),
            "",
        ),
        "dev_data/valve/train/section_02_source_train_normal_0000.wav": ("02", SOURCE, "train", 1, ""),
        "eval_data/gearbox/train/section_03_source_train_normal_0000_5_g.wav": (
            *("03", SOURCE, "train", 1),
            "5_g",
        ),
        "eval_data/gearbox/source_test/section_03_source_test_0000.wav": ("03", SOURCE, "test", NA, ""),
        "eval_data/gearbox/target_test/section_03_target_test_0000.wav": ("03", TARGET, "test", NA, ""),
    },
    2022: {
        "dev_data/bearing/train/section_00_source_train_normal_0000_vel_6_loc_A.wav": (
            *("00", SOURCE, "train", 1),
            "vel_6_loc_A",
        ),
        "dev_data/bearing/train/section_02_target_train_normal_0000_vel_6_loc_C.wav": (
            *("02", TARGET, "train", 1),
            "vel_6_loc_C",
        ),
        "dev_data/bearing/test/section_00_source_test_normal_0000_vel_6_loc_A.wav": (
            *("00", SOURCE, "test", 1),
            "vel_6_loc_A",
        ),
        "dev_data/bearing/test/section_00_target_test_anomaly_0000_vel_6_loc_A.wav": (
            *("00", TARGET, "test", -1),
            "vel_6_loc_A",
        ),
        "dev_data/fan/train/section_00_source_train_normal_0000_m-n_W.wav": (
            *("00", SOURCE, "train", 1),
            "m-n_W",
        ),
        "eval_data/bearing/test/section_03_0000.wav": ("03", NA, "test", NA, ""),
        "eval_data/bearing/test/section_03_test_0001.wav": ("03", NA, "test", NA, ""),
    },
    2023: {
        "dev_data/raw/ToyCar/train/section_00_source_train_normal_0000_car_A1_spd_28V_mic_1_noise_1.wav": (
            *("00", SOURCE, "train", 1),
            "car_A1_spd_28V_mic_1_noise_1",
        ),
        "dev_data/raw/ToyCar/train/section_00_target_train_normal_0000_car_A2_spd_31V_mic_2_noise_2.wav": (
            *("00", TARGET, "train", 1),
            "car_A2_spd_31V_mic_2_noise_2",
        ),
        "dev_data/raw/ToyCar/test/section_00_target_test_anomaly_0000_car_A2_spd_31V_mic_2_noise_2.wav": (
            *("00", TARGET, "test", -1),
            "car_A2_spd_31V_mic_2_noise_2",
        ),
        "dev_data/raw/fan/train/section_00_source_train_normal_0000_m-n_W.wav": (
            *("00", SOURCE, "train", 1),
            "m-n_W",
        ),
        "eval_data/raw/bandsaw/train/section_00_source_train_normal_0000_vel_1200.wav": (
            *("00", SOURCE, "train", 1),
            "vel_1200",
        ),
        "eval_data/raw/bandsaw/test/section_00_0000.wav": ("00", NA, "test", NA, ""),
    },
    2024: {
        "dev_data/raw/slider/train/section_00_source_train_normal_0001_noAttribute.wav": (
            *("00", SOURCE, "train", 1),
            "",
        ),
        "dev_data/raw/slider/train/section_00_target_train_normal_0001_noAttribute.wav": (
            *("00", TARGET, "train", 1),
            "",
        ),
        "dev_data/raw/slider/test/section_00_source_test_anomaly_0001_noAttribute.wav": (
            *("00", SOURCE, "test", -1),
            "",
        ),
        "dev_data/raw/fan/train/section_00_source_train_normal_0001_m-n_W.wav": (
            *("00", SOURCE, "train", 1),
            "m-n_W",
        ),
        "eval_data/raw/RoboticArm/test/section_00_source_normal_0035_weight15_BckgF.wav": (
            *("00", SOURCE, "test", 1),
            "weight15_BckgF",
        ),
        "eval_data/raw/RoboticArm/test/section_00_0002.wav": ("00", NA, "test", NA, ""),
    },
    2025: {
        "dev_data/raw/ToyCar/train/section_00_source_train_normal_0001_car_B1_spd_31V_mic_1_.wav": (
            *("00", SOURCE, "train", 1),
            "car_B1_spd_31V_mic_1",
        ),
        "dev_data/raw/ToyCar/train/section_00_target_train_normal_0001_car_B2_spd_31V_mic_1_.wav": (
            *("00", TARGET, "train", 1),
            "car_B2_spd_31V_mic_1",
        ),
        "dev_data/raw/ToyCar/test/section_00_source_test_normal_0001_car_B1_spd_31V_mic_1_.wav": (
            *("00", SOURCE, "test", 1),
            "car_B1_spd_31V_mic_1",
        ),
        "dev_data/raw/ToyCar/test/section_00_target_test_anomaly_0001_car_B2_spd_31V_mic_1_.wav": (
            *("00", TARGET, "test", -1),
            "car_B2_spd_31V_mic_1",
        ),
        "dev_data/raw/ToyCar/supplemental/section_00_machine_0001_.wav": (
            *("00", NA, "supplemental", NA),
            "",
        ),
        "dev_data/raw/bearing/train/section_00_source_train_normal_0001_noAttribute.wav": (
            *("00", SOURCE, "train", 1),
            "",
        ),
        "dev_data/raw/bearing/supplemental/section_00_noise_0001_.wav": ("00", NA, "supplemental", NA, ""),
        "eval_data/raw/ToyPet/supplemental/section_00_noise_0001_.wav": ("00", NA, "supplemental", NA, ""),
        "eval_data/raw/ToyPet/test/section_00_0001.wav": ("00", NA, "test", NA, ""),
    },
    2026: {
        "dev_data/raw/gearboxEmu/train/section_00_source_train_normal_0001_volt_1.0_wt_0.wav": (
            *("00", SOURCE, "train", 1),
            "volt_1.0_wt_0",
        ),
        "dev_data/raw/gearboxEmu/train/section_00_target_train_normal_0001_volt_1.3_wt_0.wav": (
            *("00", TARGET, "train", 1),
            "volt_1.3_wt_0",
        ),
        "dev_data/raw/gearboxEmu/test/section_00_source_test_anomaly_0001_volt_1.0_wt_0.wav": (
            *("00", SOURCE, "test", -1),
            "volt_1.0_wt_0",
        ),
        "dev_data/raw/fan/train/section_00_source_train_normal_0001_noAttribute.wav": (
            *("00", SOURCE, "train", 1),
            "",
        ),
        "dev_data/raw/fan/supplemental/section_00_noise_0001.wav": ("00", NA, "supplemental", NA, ""),
        "eval_data/raw/Sander/test/section_00_0001.wav": ("00", NA, "test", NA, ""),
    },
}


def facts(table, root):
    """Return {path below root: (machine, set, section, domain, split, y, attribute)}."""
    rows = {}
    for row in table.astype(object).where(table.notna(), None).itertuples():
        known = (row.machine, row.set, row.section, row.domain, row.split, row.y, row.attribute)
        rows[os.path.relpath(row.path, root).replace(os.sep, "/")] = known
    return rows


def expected(year, below=""):
    """Return the same as it ought to be, of the clips below a folder."""
    found = {}
    for path, known in CHALLENGE[year].items():
        if path.startswith(below):
            *_, machine, _, _ = path.split("/")
            found[path] = (machine, path[: path.index("_data")], *known)
    return found


def levels(year):
    """Return every folder of the layout."""
    parents = {"/".join(path.split("/")[:n]) for path in CHALLENGE[year] for n in range(path.count("/") + 1)}
    return sorted(parents)


@pytest.mark.parametrize(("year", "below"), [(year, below) for year in CHALLENGE for below in levels(year)])
def test_challenge_from_every_folder(tree, year, below):
    root = tree(*CHALLENGE[year])
    tree("__MACOSX/dev_data/fan/train/section_00_0000.wav", "dev_data/.Trash/train/id_00_00000009.wav")
    tree(f"{below}/._section_00_0009.wav", f"{below}/notes.txt", f"{below}/attributes_00.csv.bak")
    where = root / below
    table = load_recordings(where)
    assert facts(table, root) == expected(year, below)
    assert table.attrs["layout"] == "challenge"
    assert table.attrs["decided"].startswith(f"{where}: DCASE Challenge layout (names such as ")
    for split, rows in table.groupby("split"):
        assert f"; {len(rows)} {split} (" in table.attrs["decided"].replace("), ", "); ")
    pd.testing.assert_frame_equal(table, load_dcase(where))
    assert load_recordings(where, year=year).attrs["year"] == year


@pytest.mark.parametrize("year", CHALLENGE)
def test_one_stray_and_other_spellings_cost_nothing_else(tree, year):
    root = tree(*CHALLENGE[year])
    for path in list(CHALLENGE[year])[::2]:
        (root / path).rename((root / path).with_suffix(".FLAC"))
    clip = root / next(iter(CHALLENGE[year]))
    strays = [clip.parent / "mynote.wav", clip.parents[1] / "above.WAV", root / "extra/1.ogg"]
    for stray in strays:
        stray.parent.mkdir(exist_ok=True)
        stray.touch()
    with pytest.warns(UserWarning, match="3 sound files fit no pattern") as caught:
        table = load_recordings(root)
    assert all(str(stray) in str(caught[0].message) for stray in strays)
    assert len(caught) == 1
    known = facts(table.assign(path=[path.replace(".FLAC", ".wav") for path in table["path"]]), root)
    assert known == expected(year)
    machine = clip.parents[1].name
    with pytest.warns(UserWarning, match="2 sound files fit no pattern"):  # of this machine
        one = load_recordings(root, machine=machine)
    assert facts(one, root).keys() == {path for path, row in facts(table, root).items() if row[0] == machine}


@pytest.mark.parametrize("year", CHALLENGE)
def test_challenge_clips_in_a_folder_of_any_name(tree, year, tmp_path):
    labelled = {path: row for path, row in expected(year).items() if row[5] is not None}
    machine = next(iter(labelled.values()))[0]
    mine = tmp_path / "mine"
    mine.mkdir()
    for path in (own := {path: row for path, row in labelled.items() if row[0] == machine}):
        shutil.copy(tree(*CHALLENGE[year]) / path, mine)
    table = load_recordings(mine)
    assert table.attrs["layout"] == "challenge"
    assert set(table["machine"]) == {"mine"}
    split = {1: "train", -1: "test"} if year == 2020 else {}  # whose names do not tell
    by_name = {path.rpartition("/")[2]: row for path, row in own.items()}
    assert len(table) == len(by_name)
    for row in table.itertuples():
        known = by_name[row.path.rpartition("/")[2]]
        assert (row.section, row.domain, row.y, row.attribute) == (*known[2:4], *known[5:])
        assert row.split == split.get(row.y, known[4])


def test_attribute_files(tree):
    name = "dev_data/raw/fan/train/section_00_source_train_normal_0001_noAttribute.wav"
    bare = "dev_data/raw/fan/train/section_00_source_train_normal_0002.wav"
    root = tree(name, bare)
    assert load_recordings(root / "dev_data/raw/fan/train")["attribute"].tolist() == ["", ""]
    (root / "dev_data/raw/fan/attributes_00.csv").write_text(
        "file_name,d1p,d1v\n"
        f"{name.removeprefix('dev_data/raw/')},noAttribute,\n"
        f"{bare.removeprefix('dev_data/raw/')},m-n,X\n"
    )
    for below in ("", "dev_data/raw/fan", "dev_data/raw/fan/train"):
        table = load_recordings(root / below)
        assert table["attributes"].tolist() == [{}, {"m-n": "X"}]
        assert table["attribute"].tolist() == ["", "m-n_X"]


def test_folders_in_capitals_and_years(tree):
    name = "section_00_source_train_normal_0001.wav"
    root = tree(f"Dev_Data/fan/Train/{name}")
    (root / "Dev_Data/fan/attributes_00.csv").write_text(f"fan/Train/{name},m-n,X\n")
    table = load_recordings(root)
    known = ("fan", "dev", "00", SOURCE, "train", 1, "m-n_X")
    assert facts(table, root) == {f"Dev_Data/fan/Train/{name}": known}
    with pytest.raises(ValueError, match="year=2019 is not one of 2020 to 2026"):
        load_recordings(root, year=2019)


def test_sections_of_a_challenge_folder_may_come_from_elsewhere(tree):
    table = load_recordings(tree(*CHALLENGE[2023]), machine="ToyCar", section_from=r"car_(\w\d)")
    assert table["section"].tolist() == ["A1", "A2", "A2"]
    assert table["domain"].tolist() == [SOURCE, TARGET, TARGET]


def test_machines_of_a_challenge_folder(tree):
    root = tree(*CHALLENGE[2025])
    assert "3 machines: ToyCar, ToyPet, bearing;" in load_recordings(root).attrs["decided"]
    assert set(load_recordings(root, machine=["ToyPet", "bearing"])["machine"]) == {"ToyPet", "bearing"}
    with pytest.raises(ValueError, match=r"no machine 'fan' in .*; there are ToyCar, ToyPet, bearing"):
        load_recordings(root, machine="fan")


def test_two_data_sets_of_one_machine_are_not_mixed(tree):
    root = tree(
        "dcase2022/dev_data/fan/train/section_00_source_train_normal_0000_m-n_W.wav",
        "dcase2023/dev_data/raw/fan/train/section_00_source_train_normal_0000_m-n_X.wav",
    )
    with pytest.raises(ValueError, match=r"two folders hold train clips of a machine 'fan' \(dev\)"):
        load_recordings(root)
    assert len(load_recordings(root / "dcase2022")) == 1


def test_sets_unpacked_side_by_side_are_one(tree):
    root = tree(
        "eval_data_fan_train/fan/train/section_03_source_train_normal_0000_m-n_W.wav",
        "eval_data_fan_test/fan/source_test/section_03_source_test_0000.wav",
    )
    table = load_recordings(root)
    assert table["split"].tolist() == ["train", "test"]
    assert set(table["set"]) == {"eval"}


@pytest.mark.parametrize(
    "word", ["ng", "Defective", "kaputt", "異常", "DÉFECTUEUX", unicodedata.normalize("NFD", "défaut")]
)
def test_words_for_anomalous(tree, word):
    root = tree("ok/1.wav", f"{word}/2.wav")
    table = load_recordings(root)
    assert table.attrs["layout"] == "labelled"
    assert sorted(zip(table["y"], table["split"], strict=True)) == [(-1, "test"), (1, "train")]
    assert (
        f"labelled by folders called {', '.join(sorted(['ok', word]))}; machine data; "
        in table.attrs["decided"]
    )
    (root / "labels.csv").write_text(f"path,label\nok/1.wav,{word}\n{word}/2.wav, OK \n")
    table = load_recordings(root / "labels.csv")
    assert (table["y"].tolist(), table.attrs["layout"]) == ([-1, 1], "csv")
    assert "labels in its column label" in table.attrs["decided"]


def test_the_page_lists_the_words():
    page = (Path(__file__).resolve().parents[2] / "docs/user_guide/datasets.md").read_text(encoding="utf-8")
    for language, healthy in HEALTHY.items():
        words = [", ".join(f"`{word}`" for word in words) for words in (healthy, ANOMALOUS[language])]
        assert f"| {language} | {words[0]} | {words[1]} |" in page


@pytest.mark.parametrize("below", ["ng", "ng/monday", "ng/monday/early"])
def test_a_folder_named_as_anomalous_is_not_learnt_from(tree, below):
    root = tree(f"press/{below}/1.wav", f"press/{below}/train/2.wav", "press/ok/3.wav")
    for load in (load_recordings, load_folder):
        table = load(root / "press" / below)
        assert set(table["y"]) == {-1}
        table = load(root / "press" / below, healthy=True)
        assert set(table["y"]) == {1}
        assert set(table["split"]) == {"train"}
    table = load_recordings([root / "press" / below / "1.wav"])
    assert (table["y"].tolist(), table["split"].tolist()) == ([-1], ["test"])
    assert "in a folder called ng (healthy=True, --healthy" in table.attrs["decided"]
    (root / "clips.csv").write_text(f"path\npress/{below}/1.wav\npress/ok/3.wav\n")
    assert load_recordings(root / "clips.csv")["y"].tolist() == [-1, 1]
    assert load_recordings(root / "clips.csv", healthy=True)["y"].tolist() == [1, 1]


def test_the_nearest_name_above_counts(tree):
    root = tree("bad/press/ok/1.wav", "bad/press/2.wav", "bad/a/b/c/3.wav")
    assert load_recordings(root / "bad/press/ok")["y"].tolist() == [1]
    assert load_recordings(root / "bad/press")["y"].tolist() == [-1, 1]
    assert load_recordings(root / "bad/a/b/c")["y"].tolist() == [1]  # two folders above, no more


def test_a_folder_named_as_anomalous_holds_no_healthy_challenge_clips(tree):
    names = ["ng/normal_id_00_00000000.wav", "ng/anomaly_id_00_00000000.wav"]
    root = tree(*names)
    assert set(load_recordings(root / "ng")["y"]) == {-1}
    table = load_recordings(root / "ng", healthy=True)
    assert sorted(table["y"]) == [-1, 1]  # what a file name says stays


def test_challenge_names_sorted_into_folders(tree):
    root = tree(
        "fan/train/normal/section_00_source_train_normal_0000_m-n_W.wav",
        "fan/test/normal/section_00_target_test_normal_0000_m-n_X.wav",
        "fan/test/anomaly/section_00_target_test_anomaly_0000_m-n_X.wav",
        "fan/test/anomaly/mynote.wav",
    )
    table = load_recordings(root / "fan").set_index("path")
    table.index = table.index.str.rsplit("/", n=1).str[-1].str[:18]
    assert table.attrs["layout"] == "labelled"
    assert set(table["machine"]) == {"fan"}
    assert table["domain"].value_counts().to_dict() == {TARGET: 2, SOURCE: 2}
    assert sorted(table["attribute"]) == ["", "m-n_W", "m-n_X", "m-n_X"]
    assert table.groupby("split")["y"].apply(list).to_dict() == {"test": [-1, -1, 1], "train": [1]}


def test_plain_folder(tree):
    root = tree(
        "a.wav", "b.FLAC", "monday/c.ogg", "x/section_00_source_test_anomaly_0000.wav", "id_01_0001.wav"
    )
    tree(".Trash/d.wav", "monday/._c.wav", "@eaDir/a.wav/SYNO.wav", "$RECYCLE.BIN/e.wav", "notes.txt")
    table = load_recordings(root)
    assert table.attrs["layout"] == "plain"
    assert "taken as healthy" in table.attrs["decided"]
    assert "folders monday, x taken together" in table.attrs["decided"]
    assert "not looked at" not in table.attrs["decided"]
    tree("labels.csv", "._labels.csv")
    assert "(not looked at: labels.csv, which may know" in load_recordings(root).attrs["decided"]
    assert table["y"].tolist() == [1, 1, 1, 1, -1]  # one that says itself that it is anomalous
    assert table["split"].tolist() == ["train"] * 4 + ["test"]
    table = load_recordings(root, section_from="parent")
    assert "taken together" not in table.attrs["decided"]
    assert table["section"].tolist() == ["00", "00", "00", "monday", "x"]
    with pytest.raises(ValueError, match=r"no machine 'fan' in .*; there are data"):
        load_recordings(root, machine="fan")


def test_one_name_like_those_of_the_challenge_takes_nothing_away(tree):
    root = tree("a.wav", "b.wav", "test/section_1_0001.wav")
    table = load_recordings(root)
    assert (len(table), table.attrs["layout"]) == (3, "plain")
    tree("dev_data/fan/train/normal_id_00_00000001.wav", "c.wav")  # which leaves no doubt
    with pytest.warns(UserWarning, match="3 sound files fit no pattern"):
        table = load_recordings(root)
    assert table.attrs["layout"] == "challenge"


def test_supplemental_recordings_of_ones_own_are_not_learnt_from(tree):
    table = load_recordings(tree("train/1.wav", "train/2.wav", "supplemental/noise.wav"))
    assert dict(zip(table["split"], table["y"], strict=True)) == {"supplemental": pd.NA, "train": 1}


def test_the_machine_is_not_called_normal(tree):
    root = tree("press/normal/1.wav", "press/train/ok/2.wav")
    assert set(load_recordings(root / "press/normal")["machine"]) == {"press"}
    assert set(load_recordings(root / "press/train/ok")["machine"]) == {"press"}
    assert set(load_recordings(root / "press")["machine"]) == {"press"}


def test_several_folders_and_files_are_read_as_one(tree, monkeypatch):
    root = tree("press/ok/1.wav", "press/ng/2.wav", "press/nok/3.wav", "press/ok/list.txt")
    press = root / "press"
    table = load_recordings([press / "ok", press / "ng/2.wav", press / "ok/1.wav"])
    assert table["path"].tolist() == [str(press / "ok/1.wav"), str(press / "ng/2.wav")]
    assert table["y"].tolist() == [1, -1]
    assert set(table["machine"]) == {"press"}
    with pytest.warns(UserWarning, match=r"1 files are no sound files and are left out:\n.*list\.txt"):
        table = load_recordings(str(press / "*" / "*"))
    assert len(table) == 3
    monkeypatch.chdir(press)
    for where in (["ok", "ng"], ["ok/1.wav", str(press / "ng")], "[no][kg]/*.wav"):
        table = load_recordings(where)
        assert sorted(table["y"]) == [-1, 1]
    clips = [path for path in CHALLENGE[2025] if "ToyCar" in path]
    tree(*clips)
    table = load_recordings(str(root / "dev_data/raw/ToyCar/tr*/*.wav"))
    assert facts(table, root) == expected(2025, "dev_data/raw/ToyCar/train")


def test_formats_that_cannot_be_read_are_named(tree):
    root = tree("ok/1.wav", "ok/2.m4a", "ok/3.WMA", "ok/._4.m4a", "ok/notes.txt")
    told = r"^2 sound file\(s\) left out, whose format cannot be read: .* WAV or FLAC:\n.*2\.m4a\n.*3\.WMA$"
    for read in (load_recordings, find_recordings, load_folder):
        with pytest.warns(UserWarning, match=told):
            assert len(read(root / "ok")) == 1
    with pytest.warns(UserWarning, match=r"^1 sound file.*\n.*2\.m4a$"):
        assert len(load_recordings([root / "ok/1.wav", root / "ok/2.m4a"])) == 1


def test_nothing_to_read(tree, tmp_path):
    root = tree("a.wav", "list.doc")
    with pytest.raises(FileNotFoundError, match=r"'.*nowhere' is neither a folder nor a file"):
        load_recordings(root / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"1 of 2 files do not exist|'.*b\.wav' is neither"):
        load_recordings([root / "a.wav", root / "b.wav"])
    with pytest.raises(ValueError, match="names nothing"):
        load_recordings([])
    with pytest.raises(
        ValueError, match=r"None of the files can be read as sound: .*list\.doc; a CSV file is read"
    ):
        load_recordings(root / "list.doc")
    (tmp_path / "empty/.Trash").mkdir(parents=True)
    (tmp_path / "empty/.Trash/1.wav").touch()
    with pytest.raises(ValueError, match=r"no sound file in the folder .*empty"):
        load_recordings(tmp_path / "empty")


def test_csv_of_a_spreadsheet(tree):
    root = tree("Prüfstand.wav", "b.wav")
    text = "path;label;section\nPrüfstand.wav;ok;01\nb.wav;NG;02\n"
    for encoding in ("utf-8", "utf-8-sig", "cp1252"):
        (root / "clips.csv").write_text(text, encoding=encoding)
        table = load_recordings(root / "clips.csv", machine="data")
        assert table["y"].tolist() == [1, -1]
        assert table["section"].tolist() == ["01", "02"]
    (root / "clips.csv").write_text(text.replace(";", "\t"))
    assert load_recordings(root / "clips.csv")["y"].tolist() == [1, -1]
    (root / "clips.csv").write_text("")
    with pytest.raises(ValueError, match=r"clips\.csv is empty"):
        load_recordings(root / "clips.csv")
    (root / "clips.csv").write_text('path\na,b,c\n"x\n')
    with pytest.raises(ValueError, match=r"clips\.csv is no CSV table"):
        load_recordings(root / "clips.csv")


def test_links_are_followed_once(tree):
    root = tree("store/1.wav", "store/2.wav")
    (root / "press").mkdir()
    try:
        (root / "press/normal").symlink_to(root / "store", target_is_directory=True)
        (root / "store/again").symlink_to(root / "press", target_is_directory=True)
    except OSError:
        pytest.skip("no symbolic links here")
    table = load_recordings(root / "press")
    assert len(table) == 2
    assert (set(table["y"]), table.attrs["layout"]) == ({1}, "labelled")


def test_folders_that_cannot_be_read_are_told(tree, monkeypatch):
    root, scandir = tree("1.wav", "shut/2.wav"), os.scandir

    def refusing(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.warns(UserWarning, match="shut cannot be read and is left out: Permission denied"):
        assert len(load_recordings(root)) == 1


def test_files_wildcards_and_folders(tree):
    root = tree("a/1.wav", "a/b/2.flac", "a/.Trash/3.wav", "a/._1.wav", "c.wav", "c.txt", "d[1].wav")
    tree("__MACOSX/._c.wav", "a/__MACOSX/._1.wav")
    a, c = root / "a", root / "c.wav"
    inside = [str(a / "1.wav"), str(a / "b" / "2.flac")]
    assert find_recordings([str(root / "c*.wav"), str(a), str(c)]) == [str(c), *inside]
    assert find_recordings([str(root / "**/*.wav")]) == [str(a / "1.wav"), str(c), str(root / "d[1].wav")]
    assert find_recordings(root / "[a_]*") == inside
    assert find_recordings(root / "d[1].wav") == [str(root / "d[1].wav")]
    assert find_recordings("gone.wav") == ["gone.wav"]
    (root / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no sound file in the folder .*empty"):
        find_recordings([root / "empty"])


def test_real_recordings(real_data):
    table = load_recordings(real_data("mimii_fan"))
    assert table.attrs["layout"] == "labelled"
    assert table["y"].value_counts().to_dict() == {1: 20, -1: 20}
    table = load_recordings(real_data("uav_propeller") / "clips.csv")
    assert table.attrs["layout"] == "csv"
    assert table.groupby(["split", "y"]).size().to_dict() == {
        ("train", 1): 106,
        ("test", 1): 216,
        ("test", -1): 120,
    }
    for name in ("car_idle", "dcase2020_mini"):
        pd.testing.assert_frame_equal(load_recordings(real_data(name)), load_dcase(real_data(name)))
