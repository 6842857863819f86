import csv
import io
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hmean
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from skasd.metrics import evaluate_submission, jackknife_interval, official_score
from skasd.metrics._auc import harmonic_mean

EPS = np.finfo(float).eps
SUBMISSIONS_2020 = ["Haunschmid_CPJKU_task2_1", "Haunschmid_CPJKU_task2_3"]
SUBMISSIONS_2022 = ["Xiao_HEU-HIT_task2_1", "Xiao_HEU-HIT_task2_3"]


def cells(text):
    return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]


def assert_cells_equal(found, expected):
    """Text and labels must be the same, numbers with a decimal point equal to 1e-12."""
    assert [len(row) for row in found] == [len(row) for row in expected]
    pairs = [pair for rows in zip(found, expected, strict=True) for pair in zip(*rows, strict=True)]
    numbers = [(a, b) for a, b in pairs if b[:1].isdigit() and ("." in b or "e" in b)]
    assert [a for a, b in pairs if (a, b) not in numbers] == [b for a, b in pairs if (a, b) not in numbers]
    np.testing.assert_allclose(*np.array(numbers, dtype=float).T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SUBMISSIONS_2020)
def test_every_cell_of_2020_equals_the_official_output(real_data, name):
    root = real_data("official_scores") / "2020"
    result = evaluate_submission(root / "scores" / name, root / "eval_data_list_2020.csv", 2020)
    expected = cells((root / "expected" / f"result_{name}.csv").read_text())
    assert len(expected) > 40
    assert_cells_equal(cells(result.to_csv()), expected)
    averages = np.array([row[1:] for row in expected if row and row[0] == "Average"], dtype=float)
    assert result.score == pytest.approx(averages.mean(), abs=1e-12)


@pytest.mark.parametrize("name", SUBMISSIONS_2022)
def test_every_cell_of_2022_equals_the_official_output(real_data, name):
    root = real_data("official_scores") / "2022"
    result = evaluate_submission(root / "scores" / name, root, 2022)
    expected = cells((root / "expected" / f"{name}_result.csv").read_text())
    found = cells(result.to_csv())
    interval = next(i for i, row in enumerate(expected) if row and row[0] == "official score ci95")
    # the official run left the interval out; the evaluator's formula gives a number for these scores
    assert expected.pop(interval)[2] == "nan"
    printed = found.pop(interval)
    assert printed[:2] == ["official score ci95", ""]
    assert float(printed[2]) == pytest.approx(result.ci95 / 4199)
    assert_cells_equal(found, expected)
    official = next(float(row[2]) for row in expected if row and row[0] == "official score")
    assert result.score == pytest.approx(official, abs=1e-12)


def test_interval_of_2022_is_the_evaluators_but_for_its_factor(real_data):
    root = real_data("official_scores") / "2022"
    result = evaluate_submission(root / "scores" / SUBMISSIONS_2022[0], root, 2022)
    # what the evaluator's own loop over all 4,200 clips gives, N - 1 times too small
    assert result.ci95 == pytest.approx(3.745835334668858e-06 * 4199, rel=1e-9)


@pytest.mark.parametrize("year", [2023, 2024])
@pytest.mark.parametrize("split", ["dev", "eval"])
def test_published_tables_aggregate_to_the_published_omega(real_data, year, split):
    root = real_data("official_scores") / str(year)
    table = pd.read_csv(root / f"rep_{year}_per_machine.csv").query("split == @split")
    omega = pd.read_csv(root / f"rep_{year}_grid.csv").set_index("config")[f"{split}_omega"]
    configs = list(table.groupby("config"))
    assert len(configs) == 51
    # per domain 50 clips of each kind but for these: with 50 normals and 100 anomalies two decimals of
    # an AUC in percent are exact, and those of a pAUC leave one value that the areas can have
    irregular = ["bandsaw", "grinder", "shaker"] if split == "eval" else []
    for config, part in configs:
        values, tolerance = [], 5.1e-5
        for row in part.itertuples():
            published = np.array([row.auc_source, row.auc_target, row.pauc])
            if row.machine in irregular:
                tolerance += np.sum(0.005 / (3 * len(part)) * (omega[config] / published) ** 2)
            else:
                area = round(1e4 * (0.005 + 0.095 * (row.pauc / 50 - 1))) / 1e4
                published[2] = 50 * (1 + (area - 0.005) / 0.095)
                assert published[2] == pytest.approx(row.pauc, abs=0.0051)
            values.append(published)
        assert tolerance < 3e-3
        assert 100 * harmonic_mean(np.divide(values, 100)) == pytest.approx(omega[config], abs=tolerance)


@pytest.fixture
def clips():
    """Scores of two machines with three sections, unequal numbers of clips, and decisions."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [
            (machine, section, domain, y)
            for machine in ("valve", "ToyCar")
            for section in ("03", "04", "05")
            for domain, counts in {"source": {1: 23, -1: 17}, "target": {1: 12, -1: 19}}.items()
            for y, count in counts.items()
            for _ in range(count)
        ],
        columns=["machine", "section", "domain", "y"],
    )
    table["score"] = rng.normal((table["y"] == -1) * 0.9 + (table["domain"] == "target") * 0.4).round(1)
    table["decision"] = np.where(table["score"] > 0.6, -1, 1)
    return table.sample(frac=1, random_state=0)


def evaluate(clips, year, **parameters):
    parameters = {
        "machine": clips["machine"],
        "section": clips["section"],
        "domain": clips["domain"],
        "y_pred": clips["decision"],
    } | parameters
    return official_score(clips["y"], clips["score"], year=year, **parameters)


def areas(clips):
    y, score = clips["y"] == -1, clips["score"]
    return roc_auc_score(y, score), roc_auc_score(y, score, max_fpr=0.1)


def test_2021_evaluates_domains_apart(clips):
    result = evaluate(clips, 2021)
    values = []
    assert len(result.table) == 12
    for row in result.table.to_dict("records"):
        part = clips.query(
            "machine == @row['machine'] and section == @row['section'] and domain == @row['domain']"
        )
        values += areas(part)
        assert (row["AUC"], row["pAUC"]) == pytest.approx(areas(part), abs=1e-12)
        rates = precision_recall_fscore_support(part["y"], part["decision"], pos_label=-1, average="binary")
        assert [row[c] for c in ("precision", "recall", "F1 score")] == pytest.approx(rates[:3])
    assert result.score == pytest.approx(hmean(np.maximum(values, EPS)), rel=1e-12)


def test_the_file_of_2021_has_the_evaluators_lines(clips):
    result = evaluate(clips, 2021)
    rows = cells(result.to_csv())
    assert rows[0] == ["ToyCar"]
    assert rows[1] == ["section", "domain", "AUC", "pAUC", "precision", "recall", "F1 score"]
    assert [row[:2] for row in rows[2:8]] == [
        [s, d] for d in ("source", "target") for s in ("03", "04", "05")
    ]
    assert [row[0] for row in rows[8:10]] == ["arithmetic mean", "harmonic mean"]
    assert rows[10] == []
    first = np.array([row[2:] for row in rows[2:8]], dtype=float)
    np.testing.assert_allclose(np.array(rows[8][2:], dtype=float), first.mean(axis=0))
    np.testing.assert_allclose(np.array(rows[9][2:], dtype=float), hmean(np.maximum(first, EPS)))
    assert rows[22] == ["", "", "AUC", "pAUC", "precision", "recall", "F1 score"]
    both = np.concatenate([first, np.array([row[2:] for row in rows[13:19]], dtype=float)])
    assert rows[23][0] == "arithmetic mean over all machine types, sections, and domains"
    np.testing.assert_allclose(np.array(rows[23][2:], dtype=float), both.mean(axis=0))
    assert rows[24][0] == "harmonic mean over all machine types, sections, and domains"
    assert rows[25:] == [[]]


@pytest.mark.parametrize("year", [2022, 2023, 2024, 2025, 2026])
def test_since_2022_normals_of_a_domain_meet_anomalies_of_both(clips, year):
    result = evaluate(clips, year)
    values = []
    for row in result.table.to_dict("records"):
        part = clips.query("machine == @row['machine'] and section == @row['section']")
        assert (row["AUC (all)"], row["pAUC"]) == pytest.approx(areas(part), abs=1e-12)
        values.append(row["pAUC"])
        for domain in ("source", "target"):
            auc, _ = areas(part[(part["domain"] == domain) | (part["y"] == -1)])
            assert row[f"AUC ({domain})"] == pytest.approx(auc, abs=1e-12)
            values.append(auc)
    assert len(values) == 18
    assert result.score == pytest.approx(hmean(values), rel=1e-12)


def test_means_per_domain_are_right_and_the_file_of_2022_has_its_error(clips):
    results = {year: evaluate(clips, year) for year in (2022, 2023)}
    source = results[2022].table.query("machine == 'ToyCar'")["AUC (source)"].to_numpy()
    target = results[2022].table.query("machine == 'ToyCar'")["AUC (target)"].to_numpy()
    files = {year: cells(result.to_csv()) for year, result in results.items()}
    lines = {year: {r[0]: r[2] for r in reversed(rows) if len(r) == 7} for year, rows in files.items()}
    for result in results.values():
        means = result.machine_means.loc["ToyCar"]
        assert means.loc["source harmonic mean", "AUC"] == pytest.approx(hmean(source))
        assert means.loc["target harmonic mean", "AUC"] == pytest.approx(hmean(target))
    assert float(lines[2023]["source harmonic mean"]) == pytest.approx(hmean(source))
    assert float(lines[2023]["target harmonic mean"]) == pytest.approx(hmean(target))
    assert float(lines[2022]["source harmonic mean"]) == pytest.approx(source[0])
    assert float(lines[2022]["target harmonic mean"]) == pytest.approx(hmean([*source[1:], *target]))


def test_2020_averages_over_ids_then_machines(clips):
    clips = clips[(clips["machine"] == "ToyCar") | (clips["section"] != "05")].sort_values(
        "machine", ascending=False
    )
    result = evaluate(clips, 2020, domain=None)
    assert list(result.table.columns) == ["machine", "section", "AUC", "pAUC"]
    assert list(result.table["machine"]) == ["valve"] * 2 + ["ToyCar"] * 3
    machines = [
        np.mean([areas(part) for _, part in clips[clips["machine"] == m].groupby("section")])
        for m in ("valve", "ToyCar")
    ]
    assert result.score == pytest.approx(np.mean(machines), rel=1e-12)


def test_order_of_clips_does_not_matter(clips):
    shuffled = clips.sample(frac=1, random_state=1)
    for year in (2021, 2022):
        assert evaluate(clips, year).score == pytest.approx(evaluate(shuffled, year).score, rel=1e-14)


def test_interval_is_the_mean_of_those_of_auc_and_pauc(clips):
    result = evaluate(clips, 2024)
    halves = [jackknife_interval(clips["y"], clips["score"], max_fpr=f).half_width for f in (None, 0.1)]
    assert result.ci95 == pytest.approx(np.mean(halves))
    assert 0.01 < result.ci95 < 0.1
    printed = float(next(row[2] for row in cells(result.to_csv()) if row and row[0] == "official score ci95"))
    assert printed == pytest.approx(result.ci95 / (len(clips) - 1))


def test_interval_of_too_few_clips_is_nan():
    result = official_score([1, 1, -1], [0, 1, 2], domain=["source", "target", "source"], year=2025)
    assert np.isnan(result.ci95)
    assert result.score == 1


def test_one_auc_of_zero_takes_the_score_with_it(clips):
    clips.loc[
        (clips["machine"] == "valve") & (clips["section"] == "04") & (clips["y"] == -1), "score"
    ] = -99.0
    assert 0 < evaluate(clips, 2022).score < 1e-14


def test_without_decisions_there_are_no_rates(clips):
    result = evaluate(clips, 2022, y_pred=None)
    assert list(result.table.columns[2:]) == ["AUC (all)", "AUC (source)", "AUC (target)", "pAUC"]
    assert list(result.means.columns) == ["AUC", "pAUC"]
    assert result.score == evaluate(clips, 2022).score


def test_one_machine_and_section_by_default(clips):
    result = evaluate(clips, 2023, machine=None, section=None)
    assert len(result.table) == 1
    assert repr(result) == f"OfficialScore(year=2023, score={result.score:.6f}, 1 machine, 426 clips)"


def test_file_is_written_and_result_pickled(clips, tmp_path):
    result = pickle.loads(pickle.dumps(evaluate(clips, 2022)))
    result.to_csv(tmp_path / "result.csv")
    assert (tmp_path / "result.csv").read_text() == result.to_csv()


def test_errors_name_machine_section_domain_and_clip(clips):
    is_part = (clips["machine"] == "valve") & (clips["section"] == "04") & (clips["domain"] == "target")
    without_normals = clips[~(is_part & (clips["y"] == 1))]
    with pytest.raises(ValueError, match="machine 'valve', section '04', domain 'target': no normal clip"):
        evaluate(without_normals, 2024)
    with pytest.raises(ValueError, match="machine 'valve', domain 'target', section '04': no normal clip"):
        evaluate(without_normals, 2021)
    with pytest.raises(ValueError, match="machine 'ToyCar', section '05': no anomalous clip"):
        evaluate(clips[(clips["y"] == 1) | (clips["section"] != "05")], 2020)
    clips["name"] = [f"clip{i}.wav" for i in range(len(clips))]
    clips.iloc[7, clips.columns.get_loc("score")] = np.nan
    with pytest.raises(ValueError, match=r"1 of 426 clips are not \(clip clip7\.wav: nan\)"):
        evaluate(clips, 2022, clip=clips["name"])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"year": 2019}, "year must be one of 2020, .* got 2019"),
        ({"domain": None}, "domain is needed for 2022"),
        ({"domain": ["source"]}, "domain has 1 entries, y_true has 3"),
        ({"machine": ["fan"] * 4}, "machine has 4 entries, y_true has 3"),
        ({"y_pred": [0, 0, 1]}, "y_pred must be coded"),
        ({"y_true": [0, 0, 1]}, "y_true must be coded"),
    ],
)
def test_errors_name_the_parameter(parameters, message):
    good = {
        "y_true": [1, 1, -1],
        "anomaly_score": [0.0, 1.0, 2.0],
        "domain": ["source", "target", "source"],
        "year": 2022,
    }
    with pytest.raises(ValueError, match=message):
        official_score(**(good | parameters))
