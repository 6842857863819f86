import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skasd.datasets._names import parse_attributes, parse_clip_name

# (name, section, domain, y, number, attribute): names as published, every year and every defect
NAMES = [
    ("normal_id_00_00000012.wav", "00", "source", 1, 12, ""),  # 2020
    ("anomaly_id_06_00000000.wav", "06", "source", -1, 0, ""),
    ("id_05_00000123.wav", "05", "source", None, 123, ""),
    (
        "section_00_source_train_normal_0000_strength_1_ambient.wav",  # 2021
        "00",
        "source",
        1,
        0,
        "strength_1_ambient",
    ),
    ("section_02_target_test_anomaly_0099.wav", "02", "target", -1, 99, ""),
    ("section_05_target_test_0007.wav", "05", "target", None, 7, ""),
    ("section_03_0000.wav", "03", None, None, 0, ""),  # 2022, ground truth
    ("section_03_test_0000.wav", "03", None, None, 0, ""),  # 2022, README
    ("section_01_target_test_normal_0003_vel_4_loc_A.wav", "01", "target", 1, 3, "vel_4_loc_A"),
    ("section_00_source_train_normal_0001_m-n_W.wav", "00", "source", 1, 1, "m-n_W"),  # 2023
    ("section_00_source_train_normal_0001_noAttribute.wav", "00", "source", 1, 1, ""),  # 2024
    (
        "section_00_source_normal_0035_weight15_BckgF.wav",  # 2024 RoboticArm, no _test_
        "00",
        "source",
        1,
        35,
        "weight15_BckgF",
    ),
    ("section_00_source_train_normal_0001_.wav", "00", "source", 1, 1, ""),  # 2025 README
    (
        "section_00_target_test_normal_0050_id_C1_spd_2_mic_2.wav",  # 2025
        "00",
        "target",
        1,
        50,
        "id_C1_spd_2_mic_2",
    ),
    (
        "section_00_source_test_anomaly_0001_car_01_rec_1.flac",
        "00",
        "source",
        -1,
        1,
        "car_01_rec_1",
    ),
    ("section_00_source_test_anomaly_0001_car_01_rec_1.WAV", "00", "source", -1, 1, "car_01_rec_1"),
    ("fan/test/section_00_0001.wav", "00", None, None, 1, ""),
    (r"fan\test\section_00_0001.wav", "00", None, None, 1, ""),
    ("section_00_source_train_normal_0000_temp_20.5.wav", "00", "source", 1, 0, "temp_20.5"),
    ("section_00_source_train_normal_0000_temp_20.5", "00", "source", 1, 0, "temp_20.5"),
]


@pytest.mark.parametrize(("name", "section", "domain", "y", "number", "attribute"), NAMES)
def test_published_names(name, section, domain, y, number, attribute):
    assert parse_clip_name(name)[:6] == (section, domain, y, number, attribute, None)


@pytest.mark.parametrize(
    ("name", "kind", "domain", "number"),
    [
        ("section_00_machine_0001_.wav", "machine", None, 1),
        ("section_00_noise_0100_.wav", "noise", None, 100),
        ("section_00_machine_source_0000_noAttribute.wav", "machine", "source", 0),
        ("section_00_machine.wav", "machine", None, None),
    ],
)
def test_supplemental_names(name, kind, domain, number):
    assert parse_clip_name(name, supplemental=True)[:6] == ("00", domain, None, number, "", kind)


@pytest.mark.parametrize(
    "name",
    [
        "recording.wav",
        "section_00.wav",
        "section_00_middle_train_normal_0000.wav",
        "section_00_source_train_broken_0000.wav",
        "xsection_00_0001.wav",
        "id_00_.wav",
        "",
    ],
)
def test_other_names_fit_nothing(name):
    assert parse_clip_name(name) is None


def test_year_restricts_the_names():
    assert parse_clip_name("normal_id_00_00000000.wav", year=2020) is not None
    assert parse_clip_name("normal_id_00_00000000.wav", year=2023) is None
    assert parse_clip_name("section_00_0000.wav", year=2020) is None
    assert parse_clip_name("section_00_0000.wav", year=2026) is not None


def test_both_spellings_of_2022_are_one_clip():
    assert parse_clip_name("section_03_test_0042.wav").key == parse_clip_name("section_03_0042.wav").key


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [
        ("", {}),
        ("_", {}),
        ("noAttribute", {}),
        ("vel_12", {"vel": "12"}),
        ("m-n_W", {"m-n": "W"}),
        ("n_B", {"n": "B"}),
        ("car_C1_spd_31V_mic_1_noise_6", {"car": "C1", "spd": "31V", "mic": "1", "noise": "6"}),
        ("id_B2_spd_2_mic_1", {"id": "B2", "spd": "2", "mic": "1"}),
        ("mdl_A_spd_1", {"mdl": "A", "spd": "1"}),
        ("res_1_len_2", {"res": "1", "len": "2"}),
        ("weight15_BckgF", {"weight": "15", "Bckg": "F"}),
        (
            "mic_imp34dt05_mic_pos_A_grind_100_bkg_A",
            {"mic": "imp34dt05", "mic_pos": "A", "grind": "100", "bkg": "A"},
        ),
        ("strength_1_ambient", {"strength": "1", "ambient": ""}),
        ("0_g_25_mm_2000_mV_none", {"g": "0", "mm": "25", "mV": "2000", "none": ""}),
        ("mic_1_mic_2", {"mic": "1", "mic#2": "2"}),
        ("idle", {"idle": ""}),
    ],
)
def test_attributes(raw, parsed):
    assert parse_attributes(raw) == parsed


keys = st.text(string.ascii_lowercase, min_size=1, max_size=5)
values = st.text(string.ascii_letters + string.digits, min_size=1, max_size=6)


@settings(max_examples=100, deadline=None)
@given(
    section=st.integers(0, 99),
    domain=st.sampled_from(["source", "target"]),
    split=st.sampled_from(["_train", "_test", ""]),
    label=st.sampled_from(["normal", "anomaly"]),
    number=st.integers(0, 9999),
    pairs=st.dictionaries(keys, values, max_size=4).filter(lambda d: list(d) != ["noattribute"]),
    tail=st.sampled_from(["", "_"]),
    extension=st.sampled_from([".wav", ".flac", ".WAV", ""]),
)
def test_round_trip(section, domain, split, label, number, pairs, tail, extension):
    attribute = "_".join(f"{key}_{value}" for key, value in pairs.items())
    name = f"section_{section:02d}_{domain}{split}_{label}_{number:04d}"
    parsed = parse_clip_name(name + ("_" + attribute if attribute else "") + tail + extension)
    assert parsed.section == f"{section:02d}"
    assert (parsed.domain, parsed.y, parsed.number) == (domain, 1 if label == "normal" else -1, number)
    assert parse_attributes(parsed.attribute) == pairs


@settings(max_examples=200, deadline=None)
@given(st.text(string.ascii_letters + string.digits + "_-.", max_size=30))
def test_no_attribute_string_breaks_or_loses_characters(raw):
    parsed = parse_attributes(raw)
    if raw.strip("_").lower() == "noattribute":
        assert parsed == {}
        return
    kept = sorted("".join(key.split("#")[0] + value for key, value in parsed.items()).replace("_", ""))
    assert kept == sorted(raw.replace("_", ""))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.booleans())
def test_no_name_breaks_the_parser(name, supplemental):
    parsed = parse_clip_name(name, supplemental=supplemental)
    assert parsed is None or parsed.section.isdigit()
