"""Figures are those of `official_score`."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hmean

from skasd.benchmark import run
from skasd.benchmark._figures import figures
from skasd.metrics import official_score


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product(
        [["fan", "pump"], ["00", "01"], ["source", "target"], [1, -1], range(12)],
        names=["machine", "section", "domain", "y", "number"],
    )
    table = index.to_frame(index=False)
    table["anomaly_score"] = rng.normal(size=len(table)) - table["y"] + (table["domain"] == "target")
    table["decision"] = np.where(table["anomaly_score"] > 0.5, "anomalous", "normal")
    table["path"] = [f"{i}.wav" for i in range(len(table))]
    return table


def lookup(rows, **place):
    table = pd.DataFrame(rows).query(" and ".join(f"{name} == {value!r}" for name, value in place.items()))
    assert len(table) == 1, place
    return table["value"].item()


@pytest.mark.parametrize("year", [2020, 2021, 2022, 2024])
def test_figures_are_the_official_ones(year, scores):
    rows, problem = figures(scores, year)
    assert problem == ""
    decided = np.where(scores["decision"] == "anomalous", -1, 1)
    official = official_score(
        scores["y"],
        scores["anomaly_score"],
        year=year,
        machine=scores["machine"],
        section=scores["section"],
        domain=scores["domain"],
        y_pred=decided,
    )
    assert lookup(rows, machine="", metric="official score") == official.score
    assert lookup(rows, machine="", metric="official score ci95") == official.ci95
    mean = "arithmetic mean" if year == 2020 else "harmonic mean"
    if year <= 2021:
        area = lookup(rows, machine="", domain="", metric="pAUC")
        domains = [
            lookup(rows, machine="", domain=d, metric="pAUC") for d in ("source", "target") if year == 2021
        ]
        assert (hmean(domains) if domains else area) == pytest.approx(official.means.loc[mean, "pAUC"])
    else:
        assert lookup(rows, machine="", domain="", metric="pAUC") == pytest.approx(
            official.means.loc[mean, "pAUC"]
        )
        areas = [lookup(rows, machine="", domain=d, metric="AUC") for d in ("source", "target")]
        assert hmean(areas) == pytest.approx(official.means.loc[mean, "AUC"])
    n_compared = 0
    for _, line in official.table.iterrows():
        place = {"machine": line["machine"], "section": line["section"]}
        for column, value in line.drop(["machine", "section"]).items():
            if column == "domain":
                place["domain"] = value
                continue
            metric, _, domain = column.partition(" (")
            domain = {"": place.get("domain", ""), "all)": ""}.get(domain, domain.rstrip(")"))
            found = lookup(rows, **{**place, "domain": domain, "metric": metric})
            assert found == pytest.approx(value, abs=1e-15), column
            n_compared += 1
    assert n_compared == len(official.table) * {2020: 2, 2021: 5}.get(year, 10)


def test_means_of_a_machine(scores):
    for year, mean in ((2020, np.mean), (2024, hmean)):
        rows, _ = figures(scores, year)
        areas = [lookup(rows, machine="fan", section=s, domain="", metric="pAUC") for s in ("00", "01")]
        assert lookup(rows, machine="fan", section="", domain="", metric="pAUC") == pytest.approx(mean(areas))
        alone = scores[scores["machine"] == "fan"]
        of_fan = official_score(
            alone["y"], alone["anomaly_score"], year=year, section=alone["section"], domain=alone["domain"]
        )
        assert lookup(rows, machine="fan", metric="official score") == pytest.approx(of_fan.score)


def test_figures_as_far_as_there_are_clips(scores):
    some = scores[(scores["domain"] == "source") | (scores["machine"] == "fan")]
    some = some[(some["section"] == "00") | (some["y"] == 1)]
    rows, problem = figures(some, 2024)
    assert "section '01'" in problem
    table = pd.DataFrame(rows)
    assert not (table["machine"] == "").any()  # nothing over all machines where one of them lacks something
    assert not table.query("section == '01' and metric == 'AUC'").size
    assert table.query("section == '00' and metric == 'AUC'").groupby("machine")["domain"].agg(
        list
    ).to_dict() == {
        "fan": ["", "source", "target"],
        "pump": [""],
    }


def test_clips_without_label_or_score_do_not_count(scores):
    first, _ = figures(scores, 2024)
    more = pd.concat([scores, scores.tail(9).assign(y=pd.NA), scores.tail(9).assign(anomaly_score=np.nan)])
    assert figures(more.astype({"y": "Int64"}), 2024)[0] == first
    assert figures(scores.assign(y=pd.NA), 2024) == ([], "no test clip has both a label and a score")


def test_year_of_the_rules(gearbox, quick):
    one = (gearbox.X, gearbox.table.assign(domain="source"))
    dated = gearbox.table.copy()
    dated.attrs["year"] = 2021
    years = {
        "two domains": run(quick["knn"], gearbox),
        "one domain": run(quick["knn"], one),
        "the table's": run(quick["knn"], (gearbox.X, dated)),
        "told": run(quick["knn"], (gearbox.X, dated), year=2023),
    }
    assert [r.settings["data"]["data"]["year"] for r in years.values()] == [2026, 2020, 2021, 2023]
    for result in years.values():
        year = result.settings["data"]["data"]["year"]
        scores = result.scores
        expected = official_score(
            scores["y"].astype(int), scores["anomaly_score"], year=year, domain=scores["domain"]
        )
        assert (
            result.table.query("metric == 'official score' and machine == ''").value.item() == expected.score
        )
    with pytest.raises(ValueError, match="year"):
        run(quick["knn"], gearbox, year=2019)
    with pytest.warns(UserWarning, match=r"No official score of 2023 over all machines of 'data': .*target"):
        assert len(run(quick["knn"], one, year=2023).table)
