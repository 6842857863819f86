import numpy as np
import pandas as pd
import pytest

from skasd.metrics import evaluate_submission, official_score, write_submission


@pytest.fixture
def table():
    """Clips of two machines and two sections with scores and decisions."""
    rng = np.random.default_rng(0)
    rows = []
    for machine in ("fan", "ToyCar"):
        for section in ("03", "04"):
            for i in range(40):
                y, domain = (1, -1)[i % 2], ("source", "target")[i // 2 % 2]
                rows.append((machine, section, domain, y, f"/data/{machine}/section_{section}_{i:04d}.wav"))
    table = pd.DataFrame(rows, columns=["machine", "section", "domain", "y", "path"])
    table["anomaly_score"] = rng.normal(size=len(table)) + (table["y"] == -1) / 3
    table["y_pred"] = np.where(table["anomaly_score"] > 0.5, -1, 1)
    return table


def names(table):
    return table["path"].str.rsplit("/", n=1).str[-1]


def write_truth(root, table, year):
    """Write the ground truth as the checkout of an evaluator holds it."""
    table = table.assign(name=names(table), label=(table["y"] == -1).astype(int))
    if year == 2020:
        lines = []
        for machine, part in table.groupby("machine", sort=False):
            lines.append(machine)
            for clip in part.itertuples():
                kind = "anomaly" if clip.label else "normal"
                lines.append(f"{clip.name},{kind}_{clip.name},{clip.label}")
        (root / "eval_data_list.csv").write_text("\r\n".join(lines) + "\r\n")
        return
    table["code"] = (table["domain"] == "target").astype(int)
    by = ["machine", "section", "domain"] if year == 2021 else ["machine", "section"]
    for column, folder in {"label": "ground_truth_data", "code": "ground_truth_domain"}.items():
        (root / folder).mkdir()
        for key, part in table.groupby(by):
            tail = f"_{key[2]}_test" if year == 2021 else "_test"
            file = root / folder / f"ground_truth_{key[0]}_section_{key[1]}{tail}.csv"
            part[["name", column]].to_csv(file, header=False, index=False)


def for_year(table, year):
    if year == 2020:
        return table.assign(path=[f"id_{s}_{i:08d}.wav" for i, s in enumerate(table["section"])])
    if year == 2021:
        return table.assign(
            path=[
                f"section_{s}_{d}_test_{i:04d}.wav"
                for i, (s, d) in enumerate(zip(table["section"], table["domain"], strict=True))
            ]
        )
    return table


@pytest.fixture
def truth(tmp_path, table):
    root = tmp_path / "evaluator"
    root.mkdir()
    write_truth(root, table, 2022)
    return root


@pytest.mark.parametrize("year", range(2020, 2027))
def test_round_trip(tmp_path, table, year):
    table = for_year(table, year)
    write_truth(tmp_path, table, year)
    files = write_submission(tmp_path / "mine", table.sample(frac=1, random_state=0), year=year)
    assert len(files) == (16 if year == 2021 else 8)
    assert all(file.is_file() for file in files)
    found = evaluate_submission(tmp_path / "mine", tmp_path, year)
    expected = official_score(
        table["y"],
        table["anomaly_score"],
        year=year,
        machine=table["machine"],
        section=table["section"],
        domain=table["domain"],
        y_pred=table["y_pred"],
    )
    assert found.to_csv() == expected.to_csv()
    assert found.score == expected.score


@pytest.mark.parametrize(
    ("year", "name"),
    [
        (2020, "anomaly_score_fan_id_03.csv"),
        (2021, "decision_result_fan_section_03_target_test.csv"),
        (2022, "anomaly_score_fan_section_03_test.csv"),
        (2026, "decision_result_ToyCar_section_04_test.csv"),
    ],
)
def test_names_of_files(tmp_path, table, year, name):
    assert name in {file.name for file in write_submission(tmp_path, for_year(table, year), year=year)}


def test_files_that_cannot_all_be_written_are_left_as_they_were(tmp_path, table, monkeypatch):
    files = write_submission(tmp_path, table, year=2022)
    before = {path: path.read_bytes() for path in files}
    to_csv, calls = pd.DataFrame.to_csv, []

    def on_a_full_disk(self, name, **options):
        to_csv(self, name, **options)
        calls.append(name)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", on_a_full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_submission(tmp_path, table.assign(anomaly_score=-1.0), year=2022)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("section", [3, "3", "03", "section_03", "id_03"])
def test_forms_of_section(tmp_path, section):
    table = pd.DataFrame({"path": ["a.wav"], "machine": "fan", "section": section, "anomaly_score": 0.1})
    assert [file.name for file in write_submission(tmp_path, table, year=2022)] == [
        "anomaly_score_fan_section_03_test.csv"
    ]
    assert (tmp_path / "anomaly_score_fan_section_03_test.csv").read_bytes() == b"a.wav,0.1\n"


def test_decisions_are_optional(tmp_path, table, truth):
    write_submission(tmp_path / "mine", table.drop(columns="y_pred"), year=2022)
    result = evaluate_submission(tmp_path / "mine", truth, 2022)
    assert "recall (source)" not in result.table


def test_clips_are_paired_by_name(tmp_path, table, truth):
    write_submission(tmp_path / "mine", table, year=2022)
    expected = evaluate_submission(tmp_path / "mine", truth, 2022)
    for file in (tmp_path / "mine").iterdir():
        lines = file.read_text().splitlines()
        file.write_text("\n".join(reversed(lines)))
    assert evaluate_submission(tmp_path / "mine", truth, 2022).to_csv() == expected.to_csv()


@pytest.mark.parametrize(
    "style", ["without _test", "names with _test", "folders in names", "byte order mark"]
)
def test_styles_of_submissions(tmp_path, table, truth, style):
    mine = tmp_path / "mine"
    write_submission(mine, table, year=2022)
    expected = evaluate_submission(mine, truth, 2022).to_csv()
    for file in list(mine.iterdir()):
        if style == "without _test":
            file.rename(file.with_name(file.name.replace("_test", "")))
        elif style == "names with _test":
            section = file.stem.split("section_")[1][:2]
            file.write_text(file.read_text().replace(f"section_{section}_", f"section_{section}_test_"))
        elif style == "folders in names":
            file.write_text(file.read_text().replace("section", "eval_data/test/section"))
        else:
            file.write_text(file.read_text(), encoding="utf-8-sig")
    (mine / "notes.csv").write_text("not a score file")
    assert evaluate_submission(mine, truth, 2022).to_csv() == expected


def test_names_with_attributes_since_2023(tmp_path, table):
    write_truth(tmp_path, table, 2023)
    write_submission(tmp_path / "mine", table, year=2023)
    expected = evaluate_submission(tmp_path / "mine", tmp_path, 2023).to_csv()
    (tmp_path / "ground_truth_attributes").mkdir()
    renamed = table.copy()
    for (machine, section), part in table.groupby(["machine", "section"]):
        full = [f"section_{section}_source_test_normal_{i:04d}_vel_{i % 7}" for i in range(len(part))]
        file = tmp_path / "ground_truth_attributes" / f"ground_truth_{machine}_section_{section}_test.csv"
        pd.DataFrame({"plain": names(part), "full": full}).to_csv(file, header=False, index=False)
        renamed.loc[part.index, "path"] = [f"{name}.wav" for name in full]
    write_submission(tmp_path / "renamed", renamed, year=2023)
    assert evaluate_submission(tmp_path / "renamed", tmp_path, 2023).to_csv() == expected
    assert evaluate_submission(tmp_path / "mine", tmp_path, 2023).to_csv() == expected


def test_file_names_of_the_baseline_of_2023(tmp_path, table):
    write_truth(tmp_path, table, 2023)
    write_submission(tmp_path / "mine", table, year=2023)
    expected = evaluate_submission(tmp_path / "mine", tmp_path, 2023).to_csv()
    for file in list((tmp_path / "mine").iterdir()):
        name = file.name.replace("score_", "score_DCASE2023T2").replace("result_", "result_DCASE2023T2")
        file.rename(file.with_name(name.replace("_test.csv", "_test_seed13711_id(0_)_Eval.csv")))
    assert evaluate_submission(tmp_path / "mine", tmp_path, 2023).to_csv() == expected


SCORES = "mine/anomaly_score_fan_section_03_test.csv"
DECISIONS = "mine/decision_result_fan_section_03_test.csv"
LABELS = "evaluator/ground_truth_data/ground_truth_fan_section_03_test.csv"
DOMAINS = "evaluator/ground_truth_domain/ground_truth_fan_section_03_test.csv"


def unlink(name):
    return lambda root: (root / name).unlink()


def write(name):
    return lambda root: (root / name).write_text("a,1")


def no_labels(root):
    for file in (root / LABELS).parent.iterdir():
        file.unlink()


def without_first_line(text):
    return text.split("\n", 1)[1]


BROKEN_CONTENTS = {
    "missing clip": (
        SCORES,
        without_first_line,
        r"fan_section_03.*1 clip\(s\) missing: section_03_0000\.wav",
    ),
    "unknown clip": (
        SCORES,
        lambda t: t + "section_03_99.wav,1",
        r"not in the ground truth: section_03_99\.wav",
    ),
    "clip twice": (
        SCORES,
        lambda t: t + t,
        r"40 clip\(s\) occur more than once, among them section_03_0000\.wav",
    ),
    "header": (
        SCORES,
        lambda t: "name,score\n" + t,
        "line 1: expected a name and a number, got 'name,score'",
    ),
    "semicolon": (SCORES, lambda t: t.replace("0002.wav,", "0002.wav;"), "line 3: expected a name"),
    "nan": (SCORES, lambda t: t.replace("0002.wav,", "0002.wav,nan,"), r"clip fan/section_03_0002\.wav: nan"),
    "decision": (
        DECISIONS,
        lambda t: t.replace("0002.wav,", "0002.wav,0.7,"),
        r"section_03_0002\.wav has the decision 0\.7, 0 or 1 is needed",
    ),
    "label": (
        LABELS,
        lambda t: t.replace("0003.wav,1", "0003.wav,2"),
        r"section_03_0003\.wav has a label or domain",
    ),
    "domain": (
        DOMAINS,
        lambda t: t.replace("0003.wav,1", "0003.wav,-1"),
        "label or domain other than 0 and 1",
    ),
    "no domain": (DOMAINS, without_first_line, "ground_truth_domain.*missing"),
}


@pytest.mark.parametrize("name", BROKEN_CONTENTS)
def test_errors_name_the_clip(tmp_path, table, truth, name):
    file, change, message = BROKEN_CONTENTS[name]
    write_submission(tmp_path / "mine", table, year=2022)
    (tmp_path / file).write_text(change((tmp_path / file).read_text()))
    with pytest.raises(ValueError, match=message):
        evaluate_submission(tmp_path / "mine", truth, 2022)


@pytest.mark.parametrize(
    ("breakage", "error", "message"),
    [
        (unlink(SCORES), FileNotFoundError, "anomaly scores are missing for 1 of 4: fan 03"),
        (unlink(DECISIONS), FileNotFoundError, "decisions are missing for 1 of 4: fan 03"),
        (unlink(DOMAINS), FileNotFoundError, "domains are missing for 1 of 4: fan 03"),
        (no_labels, FileNotFoundError, "no ground_truth_<machine>"),
        (
            write(SCORES.replace("fan", "pump")),
            ValueError,
            "for pump 03, which the ground truth does not know",
        ),
        (write(SCORES.replace("_test", "")), ValueError, "for the same machine and section"),
        (write("mine/anomaly_score_fan.csv"), ValueError, "does not tell machine and section"),
    ],
)
def test_errors_name_the_file(tmp_path, table, truth, breakage, error, message):
    write_submission(tmp_path / "mine", table, year=2022)
    breakage(tmp_path)
    with pytest.raises(error, match=message):
        evaluate_submission(tmp_path / "mine", truth, 2022)


def test_missing_folders_and_wrong_years(tmp_path, table, truth):
    write_submission(tmp_path / "mine", table, year=2022)
    with pytest.raises(FileNotFoundError, match=r"no folder .*yours"):
        evaluate_submission(tmp_path / "yours", truth, 2022)
    with pytest.raises(FileNotFoundError, match=r"no folder .*ground_truth_data"):
        evaluate_submission(tmp_path / "mine", tmp_path, 2022)
    with pytest.raises(ValueError, match="year must be one of"):
        evaluate_submission(tmp_path / "mine", truth, 2030)
    with pytest.raises(ValueError, match="not a file of 2021"):
        evaluate_submission(tmp_path / "mine", truth, 2021)
    with pytest.raises(FileNotFoundError, match=r"one eval_data_list\.csv is needed"):
        evaluate_submission(tmp_path / "mine", truth, 2020)


@pytest.mark.parametrize(
    "text", ["id_01_00000000.wav,normal_id_01_00000000.wav,0", "fan\nid_01_00000000.wav,normal,2", "fan\nx,y"]
)
def test_a_broken_list_of_2020_names_the_line(tmp_path, text):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"list\.csv, line {text.count(chr(10)) + 1}: expected id_NN"):
        evaluate_submission(tmp_path, tmp_path / "list.csv", 2020)


@pytest.mark.parametrize(
    ("change", "year", "message"),
    [
        (lambda t: t.drop(columns="machine"), 2022, r"lacks the column\(s\) machine"),
        (lambda t: t.drop(columns="domain"), 2021, r"lacks the column\(s\) domain"),
        (lambda t: t.iloc[:0], 2022, "no rows"),
        (lambda t: t.assign(section="left"), 2022, "section must be a number .* got 'left'"),
        (lambda t: t.assign(anomaly_score=np.inf), 2022, r"clip section_03_0000\.wav: inf"),
        (lambda t: pd.concat([t, t[:1]]), 2022, r"twice, among them section_03_0000\.wav"),
        (lambda t: t.assign(y_pred=0), 2022, "y_pred must be coded"),
        (lambda t: t.assign(domain="moon"), 2021, "got 'moon'"),
        (lambda t: t, 2019, "year must be one of"),
    ],
)  # fmt: skip
def test_nothing_wrong_is_written(tmp_path, table, change, year, message):
    with pytest.raises(ValueError, match=message):
        write_submission(tmp_path / "mine", change(table), year=year)
    assert not (tmp_path / "mine").exists()


def test_machines_that_no_file_can_be_named_after(tmp_path, table):
    for machine in ("../fan", "a:b", "a\0"):
        with pytest.raises(ValueError, match="machine must be a name that a file may have"):
            write_submission(tmp_path / "mine", table.assign(machine=machine), year=2022)
    assert not (tmp_path / "mine").exists()
