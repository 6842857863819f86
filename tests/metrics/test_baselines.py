"""The published figures agree with one another, and are held against the machines they are of."""

import pytest
from scipy.stats import hmean

from skasd.metrics import published_baseline


@pytest.mark.parametrize("year", range(2020, 2027))
def test_every_figure_is_a_share_with_a_source(year):
    figures = published_baseline(year)
    assert figures["value"].between(0.3, 0.95).all()
    assert (figures["source"].str.len() > 20).all()
    assert figures["data"].isin(["dev", "eval"]).all()
    assert figures["domain"].isin(["source", "target", ""]).all()
    assert not figures.duplicated(["data", "system", "machine", "domain", "metric"]).any()
    assert figures.empty == (year == 2020)


def test_means_of_2023_are_those_of_its_machines():
    figures = published_baseline(2023)
    dev = figures[figures["data"] == "dev"]
    for (system, domain), part in dev.groupby(["system", "domain"]):
        machines = part[part["machine"] != ""]
        assert len(machines) == (6 if (system, domain) == ("autoencoder, Mahalanobis", "target") else 7)
        if len(machines) == 7:
            (mean,) = part.loc[part["machine"] == "", "value"]
            assert hmean(machines["value"]) == pytest.approx(mean, abs=2e-4)


def test_totals_of_2021_are_those_printed():
    # last column of the tables, percent
    printed = {
        ("source", "AUC"): 63.53,
        ("target", "AUC"): 56.98,
        ("source", "pAUC"): 58.01,
        ("target", "pAUC"): 55.03,
    }
    figures = published_baseline(2021)
    for (domain, metric), part in figures[figures["data"] == "dev"].groupby(["domain", "metric"]):
        assert 100 * hmean(part["value"]) == pytest.approx(printed[domain, metric], abs=0.03)


def test_official_scores_of_the_evaluators():
    scores = published_baseline(2025).set_index("system")["value"]
    assert scores["autoencoder, Mahalanobis"] == 0.5650558189601554
    assert published_baseline(2026)["value"].tolist() == [0.598]


def test_figures_hold_for_their_machines_and_sections_only():
    dev = {"bearing", "fan", "gearbox", "slider", "valve", "ToyCar", "ToyTrain"}
    everything = published_baseline(2023, machines=dev, sections=["00"])
    assert set(everything["data"]) == {"dev"}
    assert (everything["machine"] == "").sum() == 6
    some = published_baseline(2023, machines={"fan", "CarIdle"}, sections=["00"])
    assert set(some["machine"]) == {"fan"}
    assert len(some) == 6
    assert published_baseline(2023, machines={"CarIdle"}, sections=["00"]).empty
    assert published_baseline(2024, machines=dev, sections=["00"]).empty
    # the machines of 2022 are the same in both sets
    assert published_baseline(2022, machines=dev, sections=["00", "01", "02"]).empty
    assert len(published_baseline(2022, machines=dev, sections=["03", "04", "05"])) == 2
    assert set(published_baseline(2021, machines={"fan"}, sections=["00", "01", "02"])["machine"]) == {"fan"}
    assert published_baseline(2021, machines={"fan"}, sections=["00"]).empty


def test_year_is_checked():
    with pytest.raises(ValueError, match="year must be one of"):
        published_baseline(2019)
