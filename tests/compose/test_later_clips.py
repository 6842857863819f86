"""P-values and later thresholds through pipelines, searches, wrappers and detectors made of detectors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skasd.compose import (
    DomainDependent,
    NormalOnly,
    PerMachine,
    PerSection,
    Pipeline,
    ScoreEnsemble,
    SectionEnsemble,
    expected_rate_of,
    p_value_of,
    set_threshold,
    threshold_for,
)
from skasd.compose._last_step import last_step
from skasd.scorers import FewClipsWarning, KNNScorer, LOFScorer, MahalanobisScorer

DETECTORS = {
    "scorer": KNNScorer(),
    "pipeline": make_pipeline(StandardScaler(), KNNScorer()),
    "own pipeline": Pipeline([("scale", StandardScaler()), ("last", MahalanobisScorer())]),
    "wrapper": NormalOnly(make_pipeline(StandardScaler(), LOFScorer())),
    "ensemble": ScoreEnsemble([("knn", KNNScorer()), ("lof", LOFScorer())]),
    "domains": DomainDependent(),
    "one section": PerSection(estimator=KNNScorer()),
}


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(80, 4)), 1.3 * rng.normal(size=(59, 4)), 1.3 * rng.normal(size=(200, 4))


@pytest.mark.parametrize("name", DETECTORS)
def test_p_values_and_decisions_agree(name):
    X, later, new = data()
    detector = DETECTORS[name].fit(X)
    p = p_value_of(detector, new)
    assert_array_equal(detector.predict(new) == -1, p < 0.1)
    if hasattr(detector, "p_value"):
        assert_array_equal(detector.p_value(new), p)
    before = detector.score_samples(new)
    assert set_threshold(detector, later, contamination=0.25) is detector
    assert_allclose(detector.score_samples(new), before)
    scores = np.sort(-detector.score_samples(later))
    offsets = detector.score_samples(new) - detector.decision_function(new)
    assert_allclose(-offsets, scores[44])  # ceil(60 * 0.75) = 45
    assert_array_equal(detector.predict(new) == -1, p_value_of(detector, new) < 0.25)


@pytest.mark.parametrize(
    ("detector", "name"),
    [
        (PerSection(estimator=KNNScorer()), "section"),
        (PerMachine([("a", KNNScorer()), ("b", LOFScorer())]), "machine"),
        (SectionEnsemble([]), "section"),
        (DomainDependent(), "domain"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_p_values_of_clips_of_known_section_machine_or_domain(detector, name):
    X, later, new = data()
    X[40:] = 3 + 5 * X[40:]  # other scores for each
    new[100:] = 3 + 5 * new[100:]
    labels = ["source", "target"] if name == "domain" else ["a", "b"]
    if isinstance(detector, SectionEnsemble):
        X, later, new = (np.repeat(each[..., None], 2, axis=2) for each in (X, later, new))
    detector = clone(detector).fit(X, **{name: np.repeat(labels, 40)})
    known = {name: np.repeat(labels, 100)}
    for _ in range(2):
        assert_array_equal(detector.predict(new, **known) == -1, detector.p_value(new, **known) < 0.1)
        detector.set_threshold(later)


def test_sections():
    X, later, new = data()
    detector = PerSection(estimator=KNNScorer()).fit(X, section=np.arange(80) % 2)
    known = detector.decision_function(new, section=[0] * 200)
    before, scores = detector.offset_, detector.anomaly_score(new, section=[0] * 200)
    detector.set_threshold(later, contamination=0.25)
    assert (detector.predict(later) == -1).sum() == 14  # 59 - 45
    assert_array_equal(detector.predict(new) == -1, detector.p_value(new) < 0.25)
    # where the section is known the threshold moves as far, and scores stay
    moved = detector.decision_function(new, section=[0] * 200)
    assert_allclose(moved, known - (detector.offset_ - before))
    assert_array_equal(detector.anomaly_score(new, section=[0] * 200), scores)
    assert_allclose(-scores - detector.section_offset_, moved)


@pytest.mark.parametrize(
    ("detector", "name"),
    [
        (PerSection(estimator=KNNScorer()), "section"),
        (PerSection(estimator=KNNScorer(calibration="train")), "section"),  # whose threshold is 0
        (PerMachine([("fan", KNNScorer())]), "machine"),
    ],
)
def test_a_single_section_or_machine_has_one_threshold_named_or_not(detector, name):
    X, later, new = data()
    detector.fit(X, **{name: ["fan"] * 80}).set_threshold(later, contamination=0.25)
    assert (detector.predict(later) == -1).sum() == 14  # 59 - 45
    assert_allclose(detector.decision_function(new), detector.score_samples(new) - detector.offset_)
    assert_allclose(detector.decision_function(new, **{name: ["fan"] * 200}), detector.decision_function(new))


@pytest.mark.parametrize("name", DETECTORS)
def test_the_threshold_for_another_rate_comes_from_later_clips_as_well(name):
    X, later, _ = data()
    detector = set_threshold(DETECTORS[name].fit(X), later, contamination=0.25)
    assert_allclose(threshold_for(detector, 0.25), -last_step(detector).offset_)
    assert ((-detector.score_samples(later)) > threshold_for(detector, 0.1)).sum() == 5


@pytest.mark.filterwarnings("ignore::skasd.scorers.FewClipsWarning")
@pytest.mark.parametrize("name", DETECTORS)
def test_expected_rate_is_the_wanted_one_until_another_threshold_is_looked_at(name):
    X, later, _ = data()
    detector = DETECTORS[name].fit(X)
    own = expected_rate_of(detector)
    assert (own.rate, own.wanted, own.is_known, own.set_later) == (0.1, 0.1, True, False)
    assert expected_rate_of(detector, np.nan) == own
    p = p_value_of(detector, later)
    rates = [expected_rate_of(detector, score).rate for score in -detector.score_samples(later)]
    assert_allclose(rates, np.maximum(p, expected_rate_of(detector, 1e9).rate))
    set_threshold(detector, later[:4], contamination=0.1)
    expected = expected_rate_of(detector)
    assert (expected.rate, expected.wanted, expected.n, expected.set_later) == (0.2, 0.1, 4, True)


def test_expected_rate_of_two_recordings_is_not_known():
    X, _, _ = data()
    with pytest.warns(FewClipsWarning):
        detector = KNNScorer().fit(X, groups=np.arange(80) // 40)
    expected = expected_rate_of(detector)
    assert (expected.rate, expected.is_known) == (pytest.approx(1 / 3), False)
    assert (expected.n, expected.what) == (2, "recordings")
    assert expected_rate_of(IsolationForest(n_estimators=5).fit(X)) is None


def test_recordings_reach_the_detector_of_each_section():
    X, _, _ = data()
    section, groups = np.arange(80) % 2, np.arange(80) // 8
    detector = PerSection(estimator=KNNScorer()).fit(X, section=section, groups=groups)
    assert [part.n_recordings_ for part in detector.estimators_.values()] == [10, 10]
    alone = KNNScorer().fit(X[section == 0], groups=groups[section == 0])
    assert_array_equal(detector.estimators_[0].training_scores_, alone.training_scores_)


def test_detectors_of_other_packages_are_refused():
    X, later, _ = data()
    forest = make_pipeline(StandardScaler(), IsolationForest(n_estimators=5)).fit(X)
    with pytest.raises(TypeError, match="IsolationForest keeps no scores"):
        p_value_of(forest, X)
    with pytest.raises(TypeError, match="IsolationForest keeps no scores"):
        set_threshold(forest, later)
