import warnings

import numpy as np
import pandas as pd
import pytest
import soundfile

from skasd.datasets import load_dcase

COLUMNS = ["path", "machine", "section", "domain", "split", "set", "y", "attribute", "attributes"]


@pytest.fixture
def tree(tmp_path):
    """Return a function that makes sound files below a fresh folder, and returns the folder."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            kind = "WAV" if path.suffix.lower() == ".wav" else None
            soundfile.write(path, np.zeros(16), 16000, format=kind)
        return tmp_path

    return make


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


TREE_2020 = [
    "dev_data/fan/train/normal_id_00_00000000.wav",
    "dev_data/fan/test/anomaly_id_02_00000001.wav",
    "eval_data/fan/train/normal_id_01_00000000.wav",
    "eval_data/fan/test/id_01_00000003.wav",
]
TREE_2021 = [
    "dev_data/fan/train/section_00_source_train_normal_0000_strength_1_ambient.wav",
    "dev_data/fan/train/section_00_target_train_normal_0000_strength_1_ambient.wav",
    "dev_data/fan/source_test/section_00_source_test_normal_0000.wav",
    "dev_data/fan/target_test/section_00_target_test_anomaly_0000.wav",
    "eval_data/fan/source_test/section_03_source_test_0000.wav",
    "eval_data/fan/target_test/section_03_target_test_0000.wav",
]
TREE_2022 = [
    "dev_data/fan/train/section_00_source_train_normal_0000_m-n_W.wav",
    "dev_data/fan/test/section_00_target_test_anomaly_0000_m-n_X.wav",
    "eval_data/fan/train/section_03_source_train_normal_0000_m-n_Y.wav",
    "eval_data/fan/test/section_03_0000.wav",
    "eval_data/fan/test/section_03_test_0001.wav",
]
TREE_2025 = [
    "dev_data/raw/slider/train/section_00_source_train_normal_0001_noAttribute.wav",
    "dev_data/raw/slider/test/section_00_target_test_normal_0001_noAttribute.wav",
    "dev_data/raw/slider/supplemental/section_00_machine_0001_.wav",
    "dev_data/raw/fan/supplemental/section_00_noise_0001_.wav",
    "dev_data/raw/fan/train/section_00_source_train_normal_0001_m-n_W_.wav",
    "eval_data/raw/ToyPet/test/section_00_0001.wav",
]


def by_name(table):
    return table.set_index(table.path.str.rsplit("/", n=1).str[-1])


def test_2020(tree):
    table = load_dcase(tree(*TREE_2020), "fan")
    assert list(table.columns) == COLUMNS
    assert table.y.dtype == "Int64"
    assert table.section.tolist() == ["00", "02", "01", "01"]
    assert table.domain.tolist() == ["source"] * 4
    assert table.split.tolist() == ["train", "test", "train", "test"]
    assert table.set.tolist() == ["dev", "dev", "eval", "eval"]
    assert table.y.tolist() == [1, -1, 1, pd.NA]
    assert set(table.attribute) == {""}


def test_2021(tree):
    table = by_name(load_dcase(tree(*TREE_2021)))
    assert len(table) == len(TREE_2021)
    assert set(table.split) == {"train", "test"}
    evaluation = table[table.set == "eval"]
    assert evaluation.domain.tolist() == ["source", "target"]
    assert evaluation.y.isna().all()
    assert table.loc["section_00_target_test_anomaly_0000.wav", "y"] == -1
    train = table.loc["section_00_source_train_normal_0000_strength_1_ambient.wav"]
    assert train.attributes == {"strength": "1", "ambient": ""}


def test_2022_evaluation_clips_have_no_domain(tree):
    table = by_name(load_dcase(tree(*TREE_2022)))
    for name in ("section_03_0000.wav", "section_03_test_0001.wav"):
        assert pd.isna(table.loc[name, "domain"])
        assert pd.isna(table.loc[name, "y"])
        assert table.loc[name, "section"] == "03"


def test_2025_raw_folder_and_supplemental(tree):
    table = by_name(load_dcase(tree(*TREE_2025)))
    assert set(table.machine) == {"slider", "fan", "ToyPet"}
    clean = table.loc["section_00_machine_0001_.wav"]
    assert clean.split == "supplemental"
    assert pd.isna(clean.y)
    assert clean.attributes == {"supplemental": "machine"}
    assert table.loc["section_00_noise_0001_.wav"].attributes == {"supplemental": "noise"}
    assert table.loc["section_00_source_train_normal_0001_noAttribute.wav"].attribute == ""
    assert table.loc["section_00_source_train_normal_0001_m-n_W_.wav"].attributes == {"m-n": "W"}


@pytest.mark.parametrize(
    ("below", "expected", "sets"),
    [
        ("", 6, {"dev", "eval"}),
        ("dev_data", 5, {"dev"}),
        ("dev_data/raw", 5, {"dev"}),
        ("dev_data/raw/slider", 3, {"dev"}),
        ("eval_data/raw", 1, {"eval"}),
    ],
)
def test_root_may_be_any_level(tree, below, expected, sets):
    root = tree(*TREE_2025) / below
    table = load_dcase(root)
    assert len(table) == expected
    assert set(table.set) == sets
    pd.testing.assert_frame_equal(table, load_dcase(str(root)))


def test_relative_root(tree, monkeypatch):
    monkeypatch.chdir(tree(*TREE_2025) / "dev_data/raw/slider")
    table = load_dcase(".")
    assert set(table.machine) == {"slider"}
    assert set(table.set) == {"dev"}


def test_set_without_a_telling_folder(tree):
    root = tree("a/fan/test/section_00_0000.wav", "a/pump/test/section_00_source_test_normal_0000.wav")
    table = load_dcase(root)
    assert dict(zip(table.machine, table.set, strict=True)) == {"fan": "eval", "pump": "dev"}


def test_machines(tree):
    root = tree(*TREE_2025)
    assert set(load_dcase(root, "fan").machine) == {"fan"}
    assert set(load_dcase(root, ["fan", "ToyPet"]).machine) == {"fan", "ToyPet"}
    with pytest.raises(ValueError, match=r"no machine 'pump' in .*; there are ToyPet, fan, slider"):
        load_dcase(root, ["fan", "pump"])


def test_robotic_arm_names(tree):
    names = [
        "eval_data/raw/RoboticArm/test/section_00_source_normal_0035_weight15_BckgF.wav",
        "eval_data/raw/RoboticArm/test/section_00_target_anomaly_0059_weight25_BckgE.wav",
    ]
    table = load_dcase(tree(*names))
    assert table.y.tolist() == [1, -1]
    assert table.split.tolist() == ["test", "test"]
    assert table.attributes[0] == {"weight": "15", "Bckg": "F"}


def test_extensions_hidden_files_and_strays(tree):
    root = tree(
        "fan/train/section_00_source_train_normal_0000_a_1.flac",
        "fan/train/section_00_source_train_normal_0001_a_1.WAV",
        "fan/train/section_00_source_train_normal_0002_a_1.wav",
        "fan/train/._section_00_source_train_normal_0002_a_1.wav",
        "fan/train/my recording.wav",
        "fan/test/section_00_front_test_normal_0000.wav",
    )
    write(root / "fan/train/README.txt", "x")
    with pytest.warns(UserWarning, match="2 sound files fit no pattern") as caught:
        table = load_dcase(root)
    assert len(caught) == 1
    assert "my recording.wav" in str(caught[0].message)
    assert "section_00_front_test_normal_0000.wav" in str(caught[0].message)
    assert "._section" not in str(caught[0].message)
    assert len(table) == 3


def test_year_restricts_the_names(tree):
    root = tree(*TREE_2020)
    assert len(load_dcase(root, year=2020)) == 4
    with (
        pytest.warns(UserWarning, match="4 sound files fit no pattern"),
        pytest.raises(ValueError, match=r"no sound file with a name of the challenge.*year=2023"),
    ):
        load_dcase(root, year=2023)


@pytest.mark.parametrize("year", [2019, 2027, "2023", 20.5])
def test_wrong_year(tree, year):
    with pytest.raises(ValueError, match="is not one of 2020 to 2026"):
        load_dcase(tree(*TREE_2020), year=year)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_dcase(tmp_path / "nowhere")


def test_folders_without_sound(tmp_path):
    with pytest.raises(ValueError, match="no folder with a train or test folder"):
        load_dcase(tmp_path)
    (tmp_path / "dev_data/fan/train").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"no sound file in .*\.wav"):
        load_dcase(tmp_path)


def test_two_copies_of_a_clip(tree):
    root = tree(
        "dev_data/fan/train/section_00_source_train_normal_0000_a_1.wav",
        "dev_data/raw/fan/train/section_00_source_train_normal_0000_a_1.wav",
    )
    with pytest.raises(ValueError, match="the same clip twice"):
        load_dcase(root)


def test_attribute_files(tree):
    root = tree(
        "dev_data/fan/train/section_00_source_train_normal_0000_weight15_BckgF.wav",
        "dev_data/fan/train/section_00_source_train_normal_0001.wav",
        "dev_data/fan/test/section_00_source_test_normal_0000_weight15_BckgF.wav",
        "dev_data/fan/train/section_00_source_train_normal_0002_noAttribute.wav",
    )
    write(
        root / "dev_data/fan/attributes_00.csv",
        "file_name,d1p,d1v,d2p,d2v\n"
        "fan/train/section_00_source_train_normal_0000_weight15_BckgF.wav,w,15,bg,F\n"
        "fan/train/section_00_source_train_normal_0001.wav,w,20,,\n"
        "fan/train/section_00_source_train_normal_0002_noAttribute.wav,noAttribute,\n"
        "fan/train/section_00_source_train_normal_9999_absent.wav,w,20,bg,F\n",
    )
    table = by_name(load_dcase(root))
    first = table.loc["section_00_source_train_normal_0000_weight15_BckgF.wav"]
    assert first.attributes == {"w": "15", "bg": "F"}
    assert first.attribute == "weight15_BckgF"
    second = table.loc["section_00_source_train_normal_0001.wav"]
    assert (second.attribute, second.attributes) == ("w_20", {"w": "20"})
    hidden = table.loc["section_00_source_train_normal_0002_noAttribute.wav"]
    assert (hidden.attribute, hidden.attributes) == ("", {})
    untouched = table.loc["section_00_source_test_normal_0000_weight15_BckgF.wav"]
    assert untouched.attributes == {"weight": "15", "Bckg": "F"}


def test_attribute_file_of_unlabelled_clips_is_not_used(tree):
    # the 2022 evaluator's scrambled files, copied beside the clips
    root = tree("eval_data/ToyCar/test/section_03_0000.wav")
    write(
        root / "eval_data/ToyCar/attributes_03.csv",
        "file_name,d1p,d1v,file_name_with_full_attributes\n"
        "ToyCar/test/section_03_0000.wav,car,A1,ToyCar/test/section_03_target_test_normal_0000_car_A1.wav\n",
    )
    table = load_dcase(root)
    assert table.attributes[0] == {}
    assert pd.isna(table.y[0])


def test_correspondence_files_beside_the_clips(tree):
    root = tree(
        "dev_data/ToyTrain/train/section_00_source_train_normal_0016_noAttribute.wav",
        "eval_data/ToyPet/test/section_00_0071.wav",
    )
    write(
        root / "dev_data/ToyTrain/attributes_00_train_correspondence.csv",
        "source_file_name,target_file_name\n"
        "section_00_source_train_normal_0016_car_B1_spd_7_mic_1.wav,"
        "section_00_source_train_normal_0016_noAttribute.wav\n",
    )
    write(
        root / "eval_data/ToyPet/attributes_00_test_correspondence.csv",
        "source_file_name,target_file_name\n"
        "section_00_target_test_anomaly_0045_id_C1_spd_2_mic_2.wav,section_00_0071.wav\n",
    )
    table = by_name(load_dcase(root))
    train = table.loc["section_00_source_train_normal_0016_noAttribute.wav"]
    assert train.attributes == {"car": "B1", "spd": "7", "mic": "1"}
    test = table.loc["section_00_0071.wav"]
    assert (test.y, test.domain, test.attribute) == (-1, "target", "id_C1_spd_2_mic_2")


def test_table_is_fit_for_metadata(tree):
    table = load_dcase(tree(*TREE_2021), "fan")
    train = table.query("split == 'train' and set == 'dev'")
    assert len(train) == 2
    assert all(isinstance(path, str) for path in train.path)
    assert all(soundfile.info(path).frames == 16 for path in train.path)


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("quiet")
def test_real_car_idle(real_data):
    table = load_dcase(real_data("car_idle"))
    assert len(table) == 363
    counts = table.groupby(["split", "domain", "y"]).size().to_dict()
    assert counts == {
        ("train", "source", 1): 69,
        ("train", "target", 1): 4,
        ("test", "source", 1): 71,
        ("test", "source", -1): 150,
        ("test", "target", 1): 22,
        ("test", "target", -1): 47,
    }
    assert set(table.section) == {"00"}
    assert set(table.machine) == {"CarIdle"}
    car = [a["car"] for a in table.attributes]
    assert set(zip(car, table.domain, strict=True)) == {
        ("01", "source"),
        ("02", "source"),
        ("03", "source"),
        ("04", "target"),
    }
    assert {a["rec"] for a in table.attributes} <= set("12345")


@pytest.mark.usefixtures("quiet")
def test_real_2020(real_data):
    table = load_dcase(real_data("dcase2020_mini"), year=2020)
    assert len(table) == 54
    assert set(table.machine) == {"ToyCar", "ToyConveyor", "fan", "pump", "slider", "valve"}
    assert table.groupby("machine").size().tolist() == [9] * 6
    assert set(table.domain) == {"source"}
    pd.testing.assert_frame_equal(table, load_dcase(real_data("dcase2020_mini")))


def test_the_table_knows_the_year(tree):
    folder = tree(*TREE_2021)
    assert load_dcase(folder, year=2021).attrs == {"year": 2021}
    # that year alone has a folder of test clips for each domain
    assert load_dcase(folder).attrs == {"year": 2021}
    assert load_dcase(tree("other/fan/test/section_03_0000.wav") / "other").attrs == {}
