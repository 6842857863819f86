"""Source clips by one detector, target clips by another."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_outliers_fit_predict, check_outliers_train

from skasd.compose import DomainDependent, PerSection
from skasd.scorers import CosineMeanScorer, KNNCosineScorer, KNNScorer, LOFScorer, MahalanobisScorer
from skasd.scorers.thresholds import conformal_threshold


def clips(n_source=60, n_target=12, seed=0):
    rng = np.random.default_rng(seed)
    domain = rng.permutation(np.repeat(["source", "target"], [n_source, n_target]))
    X = rng.normal(size=(len(domain), 4)) + np.where(domain == "target", 1.5, 4)[:, None] * [1, 1, -1, 0]
    return X, domain


def test_source_detector_learns_source_clips_and_target_detector_all_as_one_set():
    X, domain = clips()
    new, asked = clips(seed=1)
    fitted = DomainDependent().fit(X, domain=domain)
    lof, knn = fitted.estimators_["source"], fitted.estimators_["target"]
    assert isinstance(lof, LOFScorer)
    assert lof.n_neighbors_ == {"all": 4}
    assert isinstance(knn, KNNCosineScorer)
    assert knn.n_neighbors_ == {"all": 1}
    is_source = asked == "source"
    by_hand = np.empty(len(new))
    reference = LocalOutlierFactor(n_neighbors=4, novelty=True).fit(X[domain == "source"])
    by_hand[is_source] = -reference.score_samples(new[is_source])
    cosine = new @ X.T / np.linalg.norm(new, axis=1)[:, None] / np.linalg.norm(X, axis=1)
    by_hand[~is_source] = (1 - cosine).min(axis=1)[~is_source]
    z = fitted.anomaly_score(new, domain=asked)
    for name, rows in (("source", is_source), ("target", ~is_source)):
        assert_allclose(z[rows] * fitted.scale_[name] + fitted.mean_[name], by_hand[rows], rtol=1e-6)


def test_statistics_and_thresholds_are_of_held_out_scores():
    X, domain = clips()
    fitted = DomainDependent().fit(X, domain=domain)
    source, target = domain == "source", domain == "target"
    lof, knn = LOFScorer().fit(X[source]), KNNCosineScorer().fit(X)
    assert fitted.mean_["source"] == pytest.approx(lof.training_scores_.mean())
    assert fitted.scale_["target"] == pytest.approx(knn.training_scores_.std())
    z_source = (lof.training_scores_ - fitted.mean_["source"]) / fitted.scale_["source"]
    z_target = (knn.training_scores_ - fitted.mean_["target"]) / fitted.scale_["target"]
    assert -fitted.domain_offset_["source"] == pytest.approx(conformal_threshold(z_source, 0.1))
    assert -fitted.domain_offset_["target"] == pytest.approx(conformal_threshold(z_target[target], 0.1))
    smaller = np.empty(72)
    smaller[source] = np.minimum(z_source, z_target[source])
    away = (lof.anomaly_score(X[target]) - fitted.mean_["source"]) / fitted.scale_["source"]
    smaller[target] = np.minimum(away, z_target[target])
    assert_allclose(fitted.training_scores_, smaller)
    assert fitted.threshold_ == pytest.approx(conformal_threshold(smaller, 0.1))


def test_unknown_domain_is_the_smaller_anomaly():
    X, domain = clips()
    new, _ = clips(seed=1)
    fitted = DomainDependent().fit(X, domain=domain)
    each = [fitted.anomaly_score(new, domain=[name] * len(new)) for name in ("source", "target")]
    assert_array_equal(fitted.anomaly_score(new), np.minimum(*each))
    assert_array_equal(fitted.score_samples(new), -np.minimum(*each))
    assert_allclose(fitted.decision_function(new), fitted.score_samples(new) - fitted.offset_)
    assert_array_equal(fitted.predict(new), np.where(fitted.decision_function(new) >= 0, 1, -1))


def test_false_alarm_rates():
    X, domain = clips(400, 100)
    new, asked = clips(400, 100, seed=1)
    for detectors in ({}, {"source": MahalanobisScorer(), "target": KNNScorer()}):
        fitted = DomainDependent(**detectors).fit(X, domain=domain)
        alarms = fitted.predict(new, domain=asked) == -1
        assert alarms[asked == "source"].mean() == pytest.approx(0.1, abs=0.04)
        assert alarms[asked == "target"].mean() == pytest.approx(0.1, abs=0.07)
        assert np.mean(fitted.predict(new) == -1) == pytest.approx(0.1, abs=0.03)
    few = DomainDependent(contamination=0.02).fit(X, domain=domain)
    assert np.mean(few.predict(new) == -1) == pytest.approx(0.02, abs=0.02)


@pytest.mark.parametrize("calibration", ["cross", "train", "gamma"])
def test_calibrations_by_their_rule(calibration):
    X, domain = clips(200, 50)
    fitted = DomainDependent(MahalanobisScorer(), KNNScorer(4), calibration=calibration).fit(X, domain=domain)
    share = np.mean(fitted.training_scores_ > fitted.threshold_)
    assert share == pytest.approx(0.1, abs=0.03)
    if calibration == "train":
        assert_allclose(fitted.training_scores_, fitted.anomaly_score(X))
        own = fitted.anomaly_score(X[domain == "target"], domain=["target"] * 50)
        assert -fitted.domain_offset_["target"] == pytest.approx(np.percentile(own, 90))


def test_with_the_threshold_of_the_training_clips_the_checks_of_outliers_pass():
    detector = DomainDependent(target=KNNCosineScorer(3), calibration="train")
    check_outliers_train("DomainDependent", detector)
    check_outliers_fit_predict("DomainDependent", detector)


def test_other_detectors_skipped_clips_and_proxies():
    X, domain = clips()
    forest = IsolationForest(n_estimators=5, random_state=0)
    dependent = DomainDependent(make_pipeline(StandardScaler(), LOFScorer()), forest)
    broken, proxy = X.copy(), np.zeros(72, dtype=bool)
    broken[[1, 20]] = np.nan
    broken[5], proxy[5] = 100, True
    keep = np.setdiff1d(np.arange(72), [1, 5, 20])
    alone = dependent.fit(X[keep], domain=domain[keep]).score_samples(X[keep])
    with config_context(enable_metadata_routing=True):
        fitted = dependent.fit(broken, domain=domain, proxy=proxy)
        assert_allclose(
            fitted.decision_function(broken, domain=domain)[keep] >= 0,
            dependent.predict(X[keep], domain=domain[keep]) == 1,
        )
    assert_allclose(fitted.score_samples(broken)[keep], alone)
    assert_array_equal(np.isnan(fitted.score_samples(broken)), np.isin(np.arange(72), [1, 20]))
    assert_array_equal(fitted.predict(broken)[[1, 20]], -1)
    assert len(fitted.training_scores_) == 69


def test_without_domain_both_learn_all():
    X, domain = clips()
    fitted = DomainDependent(KNNScorer(), MahalanobisScorer(), n_jobs=2).fit(X)
    assert len(fitted.training_scores_) == len(X)
    assert_array_equal(fitted.estimators_["source"].score_samples(X), KNNScorer().fit(X).score_samples(X))
    assert len(fitted.decision_function(X, domain=domain)) == len(X)


def test_errors():
    X, domain = clips()
    with pytest.raises(ValueError, match="domain marks none of the 72 clips as 'source'"):
        DomainDependent().fit(X, domain=["target"] * 72)
    with pytest.raises(ValueError, match="domain has 71 entries for 72 clips"):
        DomainDependent().fit(X, domain=domain[1:])
    with pytest.raises(ValueError, match="domain must be 'source' or 'target'"):
        DomainDependent().fit(X, domain=["somewhere"] * 72)
    fitted = DomainDependent().fit(X, domain=domain)
    with pytest.raises(ValueError, match="domain has 72 entries"):
        fitted.decision_function(X[:3], domain=domain)
    with pytest.raises(ValueError, match="n_samples=72, all of them skipped or proxies"):
        DomainDependent().fit(np.full_like(X, np.nan))


def test_known_sections_are_handed_to_detectors_that_keep_them_apart():
    X, domain = clips(80, 40)
    section = np.tile(["a", "b"], 60)
    X[section == "b"] *= [1, -1, 1, 1]
    wrong = np.where(section == "a", "b", "a")
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            StandardScaler(), DomainDependent(PerSection(None, CosineMeanScorer()), PerSection())
        )
        pipe.fit(X, section=section, domain=domain)
        right = pipe.decision_function(X, section=section, domain=domain)
        mistaken = pipe.decision_function(X, section=wrong, domain=domain)
    assert np.mean(right > mistaken) > 0.9
    alone = DomainDependent().fit(X, domain=domain)
    assert_allclose(
        alone.decision_function(X, domain=domain, section=section), alone.decision_function(X, domain=domain)
    )
