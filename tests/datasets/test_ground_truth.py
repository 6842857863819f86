import numpy as np
import pandas as pd
import pytest
import soundfile

from skasd.datasets import load_dcase
from skasd.datasets._ground_truth import read_ground_truth


def clips(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(16), 16000)
    return root


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def rows(*pairs):
    return "".join(",".join(map(str, pair)) + "\n" for pair in pairs)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def checkout(tmp_path):
    return tmp_path / "evaluator"


def test_2023_and_later(data, checkout):
    clips(data, *(f"eval_data/raw/shaker/test/section_00_{i:04d}.wav" for i in range(3)))
    name = "ground_truth_shaker_section_00_test.csv"
    plain = [f"section_00_{i:04d}.wav" for i in range(3)]
    write(checkout / "ground_truth_data" / name, rows(*zip(plain, (1, 0, 0), strict=True)))
    write(checkout / "ground_truth_domain" / name, rows(*zip(plain, (0, 1, 0), strict=True)))
    full = [
        "section_00_source_test_anomaly_0000_speed_1000",
        "section_00_target_test_normal_0001_speed_1200",
        "section_00_source_normal_0017_weight15_BckgF",  # as RoboticArm
    ]
    write(checkout / "ground_truth_attributes" / name, rows(*zip(plain, full, strict=True)))
    table = load_dcase(data, ground_truth=checkout)
    assert table.y.tolist() == [-1, 1, 1]
    assert table.domain.tolist() == ["source", "target", "source"]
    assert table.attributes.tolist() == [
        {"speed": "1000"},
        {"speed": "1200"},
        {"weight": "15", "Bckg": "F"},
    ]
    again = load_dcase(data, ground_truth=checkout / "ground_truth_data")
    pd.testing.assert_frame_equal(again, table)


def test_2024_released_attributes_replace_hidden_ones(data, checkout):
    clips(data, "eval_data/raw/AirCompressor/test/section_00_0001.wav")
    name = "ground_truth_AirCompressor_section_00_test.csv"
    write(checkout / "ground_truth_data" / name, "section_00_0001.wav,0\n")
    write(checkout / "ground_truth_domain" / name, "section_00_0001.wav,0\n")
    write(
        checkout / "ground_truth_attributes" / name,
        "section_00_0001.wav,section_00_source_test_normal_0001_noAttribute,"
        "section_00_source_test_normal_0001_fl_2_nos_3.wav\n",
    )
    table = load_dcase(data, ground_truth=checkout)
    assert table.attribute.tolist() == ["fl_2_nos_3"]


def test_attributes_that_disagree_are_not_used(data, checkout):
    clips(data, "eval_data/raw/fan/test/section_00_0000.wav", "eval_data/raw/fan/test/section_00_0001.wav")
    name = "ground_truth_fan_section_00_test.csv"
    write(checkout / "ground_truth_data" / name, "section_00_0000.wav,0\nsection_00_0001.wav,1\n")
    write(checkout / "ground_truth_domain" / name, "section_00_0000.wav,0\nsection_00_0001.wav,1\n")
    write(
        checkout / "ground_truth_attributes" / name,
        "section_00_0000.wav,section_00_source_test_normal_0000_a_1\n"
        "section_00_0001.wav,section_00_target_test_normal_0001_a_2\n",
    )
    with pytest.warns(UserWarning, match=r"disagrees .* for 1 clips .*section_00_0001"):
        table = load_dcase(data, ground_truth=checkout)
    assert table.attribute.tolist() == ["", ""]
    assert table.y.tolist() == [1, -1]


def test_2022_takes_labels_and_domains_only(data, checkout):
    clips(data, "eval_data/ToyCar/test/section_03_0000.wav", "eval_data/ToyCar/test/section_03_test_0001.wav")
    name = "ground_truth_ToyCar_section_03_test.csv"
    write(checkout / "ground_truth_data" / name, "section_03_0000.wav,1\nsection_03_0001.wav,0\n")
    write(checkout / "ground_truth_domain" / name, "section_03_0000.wav,1\nsection_03_0001.wav,0\n")
    write(
        checkout / "ground_truth_attributes/ToyCar/attributes_03.csv",
        "file_name,d1p,d1v,file_name_with_full_attributes\n"
        "ToyCar/test/section_03_0000.wav,car,A1,ToyCar/test/section_03_source_test_normal_0000_car_A1.wav\n",
    )
    table = load_dcase(data, ground_truth=checkout)
    assert table.y.tolist() == [-1, 1]
    assert table.domain.tolist() == ["target", "source"]
    assert table.attribute.tolist() == ["", ""]


def test_2021_has_a_file_per_domain(data, checkout):
    clips(
        data,
        "eval_data/fan/source_test/section_03_source_test_0000.wav",
        "eval_data/fan/target_test/section_03_target_test_0000.wav",
    )
    folder = checkout / "ground_truth_data"
    write(folder / "ground_truth_fan_section_03_source_test.csv", "section_03_source_test_0000.wav,1\n")
    write(folder / "ground_truth_fan_section_03_target_test.csv", "section_03_target_test_0000.wav,0\n")
    table = load_dcase(data, ground_truth=checkout)
    assert table[["domain", "y"]].to_numpy().tolist() == [["source", -1], ["target", 1]]


def test_2020_list(data, checkout):
    clips(data, "eval_data/fan/test/id_01_00000000.wav", "eval_data/pump/test/id_01_00000000.wav")
    path = write(
        checkout / "eval_data_list.csv",
        "fan\nid_01_00000000.wav,normal_id_01_00000098.wav,0\n"
        "pump\nid_01_00000000.wav,anomaly_id_01_00000064.wav,1\n",
    )
    for where in (path, checkout):
        table = load_dcase(data, ground_truth=where)
        assert table[["machine", "y"]].to_numpy().tolist() == [["fan", 1], ["pump", -1]]


def test_later_lists_and_the_choice_by_year(data, checkout):
    clips(data, "eval_data/raw/fan/test/section_00_0001.wav")
    row = "fan\nsection_00_0001.wav,section_00_target_test_{}_0196_vol_14250.wav\n"
    write(checkout / "datasets/eval_data_list_2024.csv", row.format("normal"))
    write(checkout / "datasets/eval_data_list_2025.csv", row.format("anomaly"))
    with pytest.raises(ValueError, match="several lists"):
        load_dcase(data, ground_truth=checkout)
    table = load_dcase(data, year=2025, ground_truth=checkout)
    assert table[["y", "domain", "attribute"]].to_numpy().tolist() == [[-1, "target", "vol_14250"]]


def test_correspondences_of_2025(data, checkout):
    clips(data, "eval_data/raw/ToyPet/test/section_00_0071.wav")
    write(
        checkout / "dcase2025t2/eval_data/ToyPet/attributes_00_test_correspondence.csv",
        "source_file_name,target_file_name\n"
        "section_00_target_test_normal_0045_id_C1_spd_2_mic_2.wav,section_00_0071.wav\n",
    )
    table = load_dcase(data, ground_truth=checkout)
    assert table[["y", "domain"]].to_numpy().tolist() == [[1, "target"]]


def test_list_of_2022_is_refused(checkout):
    path = write(
        checkout / "eval_data_list_2022.csv",
        "ToyCar\nsection_03_0000.wav,section_03_source_test_normal_0000_car_A1.wav\n",
    )
    with pytest.raises(ValueError, match=r"2022 has wrong labels and domains .* official evaluator"):
        read_ground_truth(path)


def test_labels_of_the_names_stay(data, checkout):
    clips(data, "dev_data/fan/test/section_00_source_test_normal_0000_a_1.wav")
    clips(data, "eval_data/fan/test/section_00_0000.wav")
    write(
        checkout / "ground_truth_data/ground_truth_fan_section_00_test.csv",
        "section_00_0000.wav,1\n",
    )
    table = load_dcase(data, ground_truth=checkout)
    assert table.set_index("set").y.to_dict() == {"dev": 1, "eval": -1}


def test_missing_clips_are_reported(data, checkout):
    clips(data, "eval_data/fan/test/section_00_0000.wav", "eval_data/fan/test/section_00_0001.wav")
    path = checkout / "ground_truth_data/ground_truth_fan_section_00_test.csv"
    write(path, "section_00_0000.wav,1\n")
    with pytest.warns(UserWarning, match=r"1 unlabelled clips are not in the ground truth[^$]*0001"):
        table = load_dcase(data, ground_truth=checkout)
    assert table.y.tolist() == [-1, pd.NA]
    write(path, "section_04_0000.wav,1\n")
    with pytest.raises(ValueError, match=r"labels none of the 2 unlabelled clips"):
        load_dcase(data, ground_truth=checkout)


def test_bad_ground_truth(data, checkout):
    with pytest.raises(FileNotFoundError, match="neither a folder nor a file"):
        read_ground_truth(checkout)
    checkout.mkdir()
    with pytest.raises(ValueError, match="no ground truth in"):
        read_ground_truth(checkout)
    name = "ground_truth_fan_section_00_test.csv"
    path = write(checkout / "ground_truth_data" / name, "section_00_0000.wav,2\n")
    with pytest.raises(ValueError, match=r"label of 'section_00_0000.wav' is '2'"):
        read_ground_truth(checkout)
    write(path, "section_00_0000.wav,x\n")
    with pytest.raises(ValueError, match="is 'x'"):
        read_ground_truth(checkout)
    write(path, "recording.wav,0\n")
    with pytest.raises(ValueError, match=r"'recording.wav' is not the name of a challenge clip"):
        read_ground_truth(checkout)
    write(path, "section_00_0000.wav,0\n")
    write(checkout / "ground_truth_domain" / name, "section_00_0000.wav,source\n")
    with pytest.raises(ValueError, match="the domain of"):
        read_ground_truth(checkout)
    path = write(checkout / "list.csv", "id_01_00000000.wav,normal_id_01_00000098.wav,0\n")
    with pytest.raises(ValueError, match="first line should name a machine"):
        read_ground_truth(path)
    write(path, "fan\nid_01_00000000.wav,normal_id_01_00000098.wav,1\n")
    with pytest.raises(ValueError, match="do not agree"):
        read_ground_truth(path)


def test_real_evaluators(real_data):
    scores = real_data("official_scores")
    truths = read_ground_truth(scores / "2022")
    assert len(truths) == 7 * 3 * 200
    counts = pd.Series([(truth.domain, truth.y) for truth in truths.values()]).value_counts()
    assert counts.to_dict() == dict.fromkeys(
        [("source", 1), ("source", -1), ("target", 1), ("target", -1)], 1050
    )
    lines = (scores / "2020/eval_data_list_2020.csv").read_text().splitlines()
    truths = read_ground_truth(scores / "2020")
    assert len(truths) == sum("," in line for line in lines)
    assert sum(truth.y == -1 for truth in truths.values()) == sum(line.endswith(",1") for line in lines)
