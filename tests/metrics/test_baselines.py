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
    assert "eval" in set(figures["data"])


def test_means_of_2023_are_those_of_its_machines():
    figures = published_baseline(2023)
    dev = figures[figures["data"] == "dev"]
    for (system, _), part in dev.groupby(["system", "domain"]):
        machines = part[part["machine"] != ""]
        if system != "autoencoder of ASDKit":
            assert len(machines) == 7
            (mean,) = part.loc[part["machine"] == "", "value"]
            assert hmean(machines["value"]) == pytest.approx(mean, abs=2e-4)


def test_mobilenetv2_of_2022():
    figures = (
        published_baseline(2022).query("data == 'dev' and machine != ''").set_index(["machine", "domain"])
    )
    assert len(figures) == 14
    assert figures.loc[("fan", "target"), "value"] == pytest.approx(0.4822)
    assert figures.loc[("ToyTrain", "source"), "value"] == pytest.approx(0.5726)
    assert set(figures["system"]) == {"MobileNetV2"}


def test_2020_has_means_of_auc_and_pauc():
    scores = published_baseline(2020).set_index("data")["value"]
    assert scores.to_dict() == {"dev": 0.6533, "eval": 0.6718}
    machines = ["fan", "pump", "slider", "valve", "ToyCar", "ToyConveyor"]
    of_dev = published_baseline(2020, machines=machines, sections=["00", "01", "02", "03", "04", "06"])
    assert of_dev["data"].tolist() == ["dev"]
    assert published_baseline(2020, machines=machines, sections=["00", "02", "04", "06"]).empty


def test_totals_of_2021_are_those_printed():
    # last column of the tables, percent
    printed = {
        ("source", "AUC"): 63.53,
        ("target", "AUC"): 56.98,
        ("source", "pAUC"): 58.01,
        ("target", "pAUC"): 55.03,
    }
    figures = published_baseline(2021)
    dev = figures.query("data == 'dev' and machine != ''")
    for (domain, metric), part in dev.groupby(["domain", "metric"]):
        assert 100 * hmean(part["value"]) == pytest.approx(printed[domain, metric], abs=0.03)


def test_official_scores_of_the_evaluators():
    scores = published_baseline(2025).set_index("system")["value"]
    assert scores["autoencoder, Mahalanobis"] == 0.5650558189601554
    assert published_baseline(2026)["value"].tolist() == [0.598]


def test_figures_hold_for_their_machines_and_sections_only():
    dev = {"bearing", "fan", "gearbox", "slider", "valve", "ToyCar", "ToyTrain"}
    everything = published_baseline(2023, machines=dev, sections=["00"])
    assert set(everything["data"]) == {"dev"}
    assert (everything["machine"] == "").sum() == 7
    some = published_baseline(2023, machines={"fan", "CarIdle"}, sections=["00"])
    assert set(some["machine"]) == {"fan"}
    assert len(some) == 6
    assert published_baseline(2023, machines={"CarIdle"}, sections=["00"]).empty
    assert set(published_baseline(2024, machines=dev, sections=["00"])["data"]) == {"dev"}
    assert published_baseline(2025, machines=dev, sections=["00"]).empty
    # the machines of 2022 are the same in both sets
    assert set(published_baseline(2022, machines=dev, sections=["00", "01", "02"])["data"]) == {"dev"}
    assert len(published_baseline(2022, machines=dev, sections=["03", "04", "05"])) == 3
    assert set(published_baseline(2021, machines={"fan"}, sections=["00", "01", "02"])["machine"]) == {"fan"}
    assert published_baseline(2021, machines={"fan"}, sections=["00"]).empty


def test_year_is_checked():
    with pytest.raises(ValueError, match="year must be one of"):
        published_baseline(2019)
