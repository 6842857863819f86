"""Figures are those of `official_score`."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hmean

from skasd.metrics import official_score, score_figures


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


def lookup(figures, **place):
    table = figures.query(" and ".join(f"{name} == {value!r}" for name, value in place.items()))
    assert len(table) == 1, place
    return table["value"].item()


@pytest.mark.parametrize("year", [2020, 2021, 2022, 2024])
def test_figures_are_the_official_ones(year, scores):
    figures, problem = score_figures(scores, year)
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
    assert lookup(figures, machine="", metric="official score") == official.score
    assert lookup(figures, machine="", metric="official score ci95") == official.ci95
    mean = "arithmetic mean" if year == 2020 else "harmonic mean"
    if year <= 2021:
        area = lookup(figures, machine="", domain="", metric="pAUC")
        domains = [
            lookup(figures, machine="", domain=d, metric="pAUC") for d in ("source", "target") if year == 2021
        ]
        assert (hmean(domains) if domains else area) == pytest.approx(official.means.loc[mean, "pAUC"])
    else:
        assert lookup(figures, machine="", domain="", metric="pAUC") == pytest.approx(
            official.means.loc[mean, "pAUC"]
        )
        areas = [lookup(figures, machine="", domain=d, metric="AUC") for d in ("source", "target")]
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
            found = lookup(figures, **{**place, "domain": domain, "metric": metric})
            assert found == pytest.approx(value, abs=1e-15), column
            n_compared += 1
    assert n_compared == len(official.table) * {2020: 2, 2021: 5}.get(year, 10)


def test_means_of_a_machine(scores):
    for year, mean in ((2020, np.mean), (2024, hmean)):
        figures, _ = score_figures(scores, year)
        areas = [lookup(figures, machine="fan", section=s, domain="", metric="pAUC") for s in ("00", "01")]
        assert lookup(figures, machine="fan", section="", domain="", metric="pAUC") == pytest.approx(
            mean(areas)
        )
        alone = scores[scores["machine"] == "fan"]
        of_fan = official_score(
            alone["y"], alone["anomaly_score"], year=year, section=alone["section"], domain=alone["domain"]
        )
        assert lookup(figures, machine="fan", metric="official score") == pytest.approx(of_fan.score)


def test_figures_as_far_as_there_are_clips(scores):
    some = scores[(scores["domain"] == "source") | (scores["machine"] == "fan")]
    some = some[(some["section"] == "00") | (some["y"] == 1)]
    figures, problem = score_figures(some, 2024)
    assert "section '01'" in problem
    assert not (figures["machine"] == "").any()  # nothing over all machines where one of them lacks something
    assert not figures.query("section == '01' and metric == 'AUC'").size
    assert figures.query("section == '00' and metric == 'AUC'").groupby("machine")["domain"].agg(
        list
    ).to_dict() == {
        "fan": ["", "source", "target"],
        "pump": [""],
    }


def test_clips_without_label_or_score_do_not_count(scores):
    first, _ = score_figures(scores, 2024)
    more = pd.concat([scores, scores.tail(9).assign(y=pd.NA), scores.tail(9).assign(anomaly_score=np.nan)])
    pd.testing.assert_frame_equal(score_figures(more.astype({"y": "Int64"}), 2024)[0], first)
    nothing, problem = score_figures(scores.assign(y=pd.NA), 2024)
    assert nothing.empty
    assert list(nothing) == list(first)
    assert problem == "no test clip has both a label and a score"


def test_without_a_year_the_clips_that_count_tell_the_rules(scores):
    more = pd.concat([scores, scores.tail(9).assign(anomaly_score=np.nan, domain=None)])
    pd.testing.assert_frame_equal(score_figures(more)[0], score_figures(scores, 2026)[0])
    for of_2020 in (scores.drop(columns="domain"), scores.assign(domain="source")):
        pd.testing.assert_frame_equal(score_figures(of_2020)[0], score_figures(of_2020, 2020)[0])
    more.attrs["year"] = 2021
    pd.testing.assert_frame_equal(score_figures(more)[0], score_figures(scores, 2021)[0])


@pytest.mark.parametrize("name", ["machine", "section"])
def test_clips_without_machine_or_section_are_named_not_dropped(scores, name):
    scores[name] = scores[name].astype(object)
    scores.loc[3, name] = None
    with pytest.raises(ValueError, match=rf"{name} is missing for 1 of {len(scores)} clips, among them "):
        score_figures(scores, 2024)
