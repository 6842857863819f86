"""One detector per section behind a shared embedder."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skasd.compose import DomainDependent, NormalOnly, PerSection, ScoreEnsemble
from skasd.embedders import ViTEmbedder
from skasd.metrics import harmonic_auc_scorer
from skasd.model_selection import RecordingKFold
from skasd.scorers import (
    CosineMeanScorer,
    GammaSoftmaxScorer,
    KNNCosineScorer,
    KNNScorer,
    LOFScorer,
    MahalanobisScorer,
)


class Embedder(TransformerMixin, BaseEstimator):
    """Counts its fits and keeps the metadata it got; adds 1."""

    __metadata_request__fit = {"section": True, "domain": True, "proxy": True}
    fits = []

    def fit(self, X, y=None, section=None, domain=None, proxy=None):
        self.n_features_in_ = X.shape[1]
        self.seen_ = {"section": section, "domain": domain, "proxy": proxy}
        Embedder.fits.append(len(X))
        return self

    def transform(self, X):
        return X + 1


def clips(n=40, sections=("00", "01", "02"), seed=0, spread=1.0, distance=8.0):
    """Rows of several sections, in random order."""
    rng = np.random.default_rng(seed)
    section = rng.permutation(np.repeat(sections, n))
    centers = dict(zip(sections, distance * rng.normal(size=(len(sections), 4)), strict=True))
    X = np.array([centers[name] for name in section]) + spread * rng.normal(size=(len(section), 4))
    return X, section


SCORERS = [
    CosineMeanScorer(),
    KNNCosineScorer(),
    KNNScorer(n_neighbors=2),
    LOFScorer(),
    MahalanobisScorer(),
    make_pipeline(StandardScaler(), LOFScorer()),
    IsolationForest(n_estimators=4, random_state=0),
    LocalOutlierFactor(n_neighbors=4, novelty=True),
    ScoreEnsemble([("knn", KNNScorer()), ("lof", LOFScorer())]),
]


@pytest.mark.parametrize("detector", SCORERS, ids=lambda detector: type(detector).__name__)
def test_known_section_is_judged_by_a_detector_of_that_section_alone(detector):
    X, section = clips()
    new, asked = clips(n=5, seed=1)
    fitted = PerSection(estimator=detector).fit(X, section=section)
    assert fitted.sections_ == ["00", "01", "02"]
    decisions = fitted.decision_function(new, section=asked)
    for name in fitted.sections_:
        alone = clone(detector).fit(X[section == name])
        assert_allclose(decisions[asked == name], alone.decision_function(new[asked == name]))
    assert_array_equal(fitted.predict(new, section=asked), np.where(decisions >= 0, 1, -1))
    assert_allclose(-fitted.anomaly_score(new, section=asked) - fitted.section_offset_, decisions)


@pytest.mark.parametrize("detector", SCORERS, ids=lambda detector: type(detector).__name__)
def test_unknown_section_is_the_best_fitting_one(detector):
    X, section = clips()
    new, _ = clips(n=5, seed=1, spread=3)
    fitted = PerSection(estimator=detector).fit(X, section=section)
    per_section = [fitted.decision_function(new, section=[name] * len(new)) for name in fitted.sections_]
    best = np.max(per_section, axis=0)
    mean_offset = np.mean(
        [
            clone(detector).fit(X[section == name]).decision_function(X[:1])[0]
            - clone(detector).fit(X[section == name]).score_samples(X[:1])[0]
            for name in fitted.sections_
        ]
    )
    assert_allclose(fitted.score_samples(new), best - mean_offset, rtol=1e-9)
    assert_allclose(fitted.decision_function(new), fitted.score_samples(new) - fitted.offset_, atol=1e-12)
    assert_array_equal(fitted.anomaly_score(new), -fitted.score_samples(new))
    assert fitted.threshold_ == -fitted.offset_


def test_scale_of_a_section_does_not_decide_which_fits_best():
    rng = np.random.default_rng(0)
    # a section whose clips are far apart, one whose clips are close together
    X = np.concatenate([rng.normal(size=(100, 3)) * 10, 1000 + rng.normal(size=(100, 3)) * 0.1])
    section = np.repeat(["wide", "narrow"], 100)
    fitted = PerSection(estimator=KNNScorer()).fit(X, section=section)
    new = np.concatenate([rng.normal(size=(100, 3)) * 10, 1000 + rng.normal(size=(100, 3)) * 0.1])
    known = fitted.decision_function(new, section=section)
    assert_allclose(fitted.score_samples(new) - fitted.section_offset_, known)


def test_one_section_or_none_is_the_detector_itself():
    X, _ = clips()
    new, _ = clips(n=5, seed=1)
    for detector in (LOFScorer(), MahalanobisScorer(), IsolationForest(n_estimators=4, random_state=0)):
        alone = clone(detector).fit(X)
        for section in (None, ["a"] * len(X)):
            fitted = PerSection(estimator=detector).fit(X, section=section)
            assert fitted.sections_ == ([] if section is None else ["a"])
            assert_allclose(fitted.score_samples(new), alone.score_samples(new))
            assert_allclose(fitted.decision_function(new), alone.decision_function(new), atol=1e-12)
            assert_array_equal(fitted.predict(new), alone.predict(new))
            if hasattr(alone, "training_scores_"):
                assert_allclose(fitted.training_scores_, alone.training_scores_)


def test_false_alarms_with_and_without_section():
    """Overlapping sections: a choice of four makes clips look more normal; the threshold makes up for it."""
    X, section = clips(n=300, sections=tuple("abcd"), distance=0.4)
    new, asked, X, section = X[:600], section[:600], X[600:], section[600:]
    fitted = PerSection(estimator=KNNScorer()).fit(X, section=section)
    assert np.mean(fitted.predict(new, section=asked) == -1) == pytest.approx(0.1, abs=0.03)
    assert np.mean(fitted.predict(new) == -1) == pytest.approx(0.1, abs=0.03)
    assert np.mean(fitted.score_samples(new) < fitted.section_offset_) < 0.06  # without the correction


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(0.0, 10.0))
def test_as_many_training_clips_below_the_threshold_without_section_as_with_it(seed, n_sections, distance):
    X, section = clips(n=25, sections=tuple("abcd"[:n_sections]), seed=seed, distance=distance)
    fitted = PerSection(estimator=KNNScorer()).fit(X, section=section)
    n_own = sum(
        int((scorer.training_scores_ > scorer.threshold_).sum()) for scorer in fitted.estimators_.values()
    )
    above = (fitted.training_scores_ > fitted.threshold_ + 1e-12).sum()
    at_least = (fitted.training_scores_ > fitted.threshold_ - 1e-12).sum()
    assert above <= n_own <= at_least  # two clips nearest to each other have the same score
    assert fitted.offset_ >= fitted.section_offset_


def test_embedder_is_fitted_once_on_all_clips_with_the_metadata():
    X, section = clips()
    domain = np.where(np.arange(len(X)) % 5 == 0, "target", "source")
    proxy = np.arange(len(X)) % 11 == 0
    for routing in (True, False):
        Embedder.fits.clear()
        with config_context(enable_metadata_routing=routing):
            fitted = PerSection(Embedder(), MahalanobisScorer()).fit(
                X, section=section, domain=domain, proxy=proxy
            )
        assert Embedder.fits == [len(X)]
        assert_array_equal(fitted.embedder_.seen_["section"], section)
        assert_array_equal(fitted.embedder_.seen_["domain"], domain)
        assert_array_equal(fitted.embedder_.seen_["proxy"], proxy)
        assert fitted.n_features_in_ == 4
        for name, detector in fitted.estimators_.items():
            rows = (section == name) & ~proxy
            alone = MahalanobisScorer().fit(X[rows] + 1, domain=domain[rows])
            assert list(detector.references_) == ["source", "target"]
            assert_array_equal(detector.score_samples(X), alone.score_samples(X))
    with config_context(enable_metadata_routing=True):
        deaf = MahalanobisScorer().set_fit_request(domain=False)
        fitted = PerSection(Embedder(), deaf).fit(X, section=section, domain=domain)
    assert list(fitted.estimators_["00"].references_) == ["all"]


def test_in_a_pipeline_with_routing():
    X, section = clips()
    pipe = make_pipeline(StandardScaler(), PerSection(Embedder(), LOFScorer()))
    with config_context(enable_metadata_routing=True):
        pipe.fit(X, section=section)
        decisions = pipe.decision_function(X, section=section)
        predicted = pipe.predict(X, section=section)
    alone = PerSection(estimator=LOFScorer()).fit(StandardScaler().fit_transform(X), section=section)
    assert_allclose(decisions, alone.decision_function(StandardScaler().fit_transform(X), section=section))
    assert_array_equal(predicted, np.where(decisions >= 0, 1, -1))
    stepwise = clone(pipe).fit(X, persection__section=section)
    assert_array_equal(stepwise.score_samples(X), pipe.score_samples(X))


def test_pipeline_as_embedder_and_search_over_its_parts():
    X, section = clips()
    y = np.ones(len(X))
    anomalies = np.arange(0, len(X), 6)
    y[anomalies] = -1
    X[anomalies] += 4
    embedder = make_pipeline(StandardScaler(), Embedder())
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            NormalOnly(PerSection(embedder, LOFScorer())),
            {"estimator__estimator__n_neighbors": [2, 6]},
            scoring=harmonic_auc_scorer,
            cv=RecordingKFold(3),
        ).fit(X, y, section=section)
    per_section = search.best_estimator_.estimator_
    assert per_section.sections_ == ["00", "01", "02"]
    assert_array_equal(per_section.embedder_[-1].seen_["section"], section[y == 1])
    assert sum(len(scorer.training_scores_) for scorer in per_section.estimators_.values()) == (y == 1).sum()


def test_unknown_sections_are_named():
    X, section = clips()
    fitted = PerSection(estimator=LOFScorer()).fit(X, section=section)
    with pytest.raises(ValueError, match=r"Unknown section '07'; known: \['00', '01', '02'\]"):
        fitted.decision_function(X[:2], section=["00", "07"])
    with pytest.raises(ValueError, match="section has 1 entries"):
        fitted.predict(X[:2], section=["00"])
    with pytest.raises(ValueError, match=r"Unknown section '00'; known: \[\]. Fit with section="):
        PerSection(estimator=LOFScorer()).fit(X).predict(X[:1], section=["00"])


def test_errors_of_fit_say_what_is_wrong():
    X, section = clips(n=5)
    with pytest.raises(ValueError, match="section has 14 entries for 15 clips"):
        PerSection().fit(X, section=section[:-1])
    with pytest.raises(ValueError, match="domain has 3 entries for 15 clips"):
        PerSection().fit(X, section=section, domain=["source"] * 3)
    with pytest.raises(ValueError, match="section is missing in row 3"):
        PerSection().fit(X, section=[*section[:3], None, *section[4:]])
    with pytest.raises(ValueError, match=r"Section 'lonely': LOFScorer needs at least 2"):
        PerSection().fit(X, section=["lonely", *section[1:]])
    with pytest.raises(ValueError, match="n_samples=15, all of them skipped or proxies"):
        PerSection().fit(X, section=section, proxy=np.ones(15, dtype=bool))
    with pytest.raises(TypeError, match=r"unexpected argument.*microphone"):
        PerSection().fit(X, microphone=np.ones(15))
    with pytest.raises(ValueError, match="'estimator' parameter"):
        PerSection(estimator="lof").fit(X)
    with pytest.raises(ValueError, match="implementing 'fit', 'score_samples' and 'decision_function'"):
        PerSection(estimator=LogisticRegression()).fit(X)


def test_skipped_clips_and_proxies():
    X, section = clips(n=20)
    broken = X.copy()
    broken[[3, 17, 40]] = np.nan
    keep = np.setdiff1d(np.arange(60), [3, 17, 40])
    for detector in (KNNScorer(), IsolationForest(n_estimators=4, random_state=0)):
        fitted = PerSection(StandardScaler(), detector).fit(broken, section=section)
        alone = PerSection(StandardScaler(), detector).fit(X[keep], section=section[keep])
        scores = fitted.score_samples(broken)
        assert_array_equal(np.flatnonzero(np.isnan(scores)), [3, 17, 40])
        assert_allclose(scores[keep], alone.score_samples(X[keep]))
        assert len(fitted.training_scores_) == 57
        known = fitted.decision_function(broken, section=section)
        assert_array_equal(np.isnan(known), np.isnan(scores))
        assert_array_equal(fitted.predict(broken)[[3, 17, 40]], -1)
        assert np.isnan(fitted.score_samples(broken[[3]])).all()
        proxy = np.zeros(60, dtype=bool)
        proxy[[5, 6]] = True
        shifted = X.copy()
        shifted[proxy] += 100
        with_proxies = PerSection(estimator=detector).fit(shifted, section=section, proxy=proxy)
        without = PerSection(estimator=detector).fit(X[~proxy], section=section[~proxy])
        assert_allclose(with_proxies.score_samples(X), without.score_samples(X))


def test_sections_of_any_kind_and_containers():
    X, section = clips(n=10)
    expected = PerSection().fit(X, section=section).score_samples(X)
    tuples = [("fan", name) for name in section]
    numbers = section.astype(int)
    for labels in (tuples, numbers, list(section), pd.Series(section, index=np.arange(30)[::-1])):
        fitted = PerSection().fit(X, section=labels)
        assert_array_equal(fitted.score_samples(X), expected)
        assert_array_equal(
            fitted.predict(X, section=labels),
            PerSection().fit(X, section=section).predict(X, section=section),
        )
    frame = pd.DataFrame(X, columns=list("abcd"))
    fitted = PerSection(estimator=IsolationForest(n_estimators=3, random_state=0)).fit(frame, section=section)
    assert_array_equal(fitted.feature_names_in_, list("abcd"))
    fitted.predict(frame, section=section)  # no warning of missing feature names


def test_parallel_fits_are_the_same():
    X, section = clips(n=10)
    one, two = (PerSection(Embedder(), LOFScorer(), n_jobs=n).fit(X, section=section) for n in (1, 2))
    assert_array_equal(one.decision_function(X, section=section), two.decision_function(X, section=section))
    assert one.offset_ == two.offset_


def test_domain_dependent_scoring_for_each_section():
    """The composition of SECOM 2021: an embedder for all, two detectors for each section."""
    X, section = clips(n=60)
    domain = np.where(np.random.default_rng(1).random(len(X)) < 0.1, "target", "source")
    fitted = PerSection(StandardScaler(), DomainDependent()).fit(X, section=section, domain=domain)
    E = StandardScaler().fit_transform(X)
    decisions = fitted.decision_function(X, section=section, domain=domain)
    for name in fitted.sections_:
        rows = section == name
        source, target = rows & (domain == "source"), rows & (domain == "target")
        lof = LOFScorer().fit(E[source])
        knn = KNNCosineScorer().fit(E[rows])  # source and target together
        dependent = fitted.estimators_[name]
        assert_allclose(
            decisions[source],
            -(lof.anomaly_score(E[source]) - dependent.mean_["source"]) / dependent.scale_["source"]
            - dependent.domain_offset_["source"],
        )
        assert_allclose(
            decisions[target],
            -(knn.anomaly_score(E[target]) - dependent.mean_["target"]) / dependent.scale_["target"]
            - dependent.domain_offset_["target"],
        )
    assert fitted.score_samples(X).shape == (len(X),)


def test_class_log_probabilities_behind_an_embedder():
    """A section's detector finds the section's own column."""
    rng = np.random.default_rng(0)
    section = np.repeat([0, 1, 2], 30)
    log_p = log_softmax(3 * np.eye(3)[section] + rng.normal(size=(90, 3)), axis=1)
    fitted = PerSection(estimator=GammaSoftmaxScorer()).fit(log_p, section=section)
    direct = GammaSoftmaxScorer().fit(log_p, section=section)
    known = fitted.decision_function(log_p, section=section)
    for name, scorer in fitted.estimators_.items():
        rows = section == name
        assert_allclose(
            known[rows] + scorer.offset_, -direct.anomaly_score(log_p[rows], section=section[rows])
        )


def test_each_section_may_search_its_own_parameters():
    rng = np.random.default_rng(0)
    section = np.repeat(["one", "three"], 60)
    y = np.tile(np.repeat([1, -1], [45, 15]), 2)
    X = rng.normal(size=(120, 2)) + 2 * (y == -1)[:, None]
    search = GridSearchCV(
        NormalOnly(MahalanobisScorer()),
        {"estimator": [MahalanobisScorer(), KNNScorer()]},
        scoring=harmonic_auc_scorer,
        cv=RecordingKFold(3),
    )
    fitted = PerSection(estimator=search).fit(X, y, section=section)
    for name in fitted.sections_:
        rows = section == name
        with config_context(enable_metadata_routing=True):
            alone = clone(search).fit(X[rows], y[rows])
        assert fitted.estimators_[name].best_params_.keys() == {"estimator"}
        assert_allclose(
            fitted.decision_function(X[rows], section=section[rows]), alone.decision_function(X[rows])
        )
    assert len(fitted.training_scores_) == 90


def test_network_behind_which_each_section_has_its_detector():
    """The three lines of JLESS 2022, on a tiny network: features, embedder of all sections, LOF for each."""
    rng = np.random.default_rng(0)
    section = np.tile(["00", "01"], 12)
    X = rng.normal(size=(24, 16, 16)).astype(np.float32)
    X[section == "01", 8:] += 2
    domain = np.where(np.arange(24) < 20, "source", "target")
    embedder = ViTEmbedder(patch_frames=16, max_epochs=1, batch_size=12, random_state=0, device="cpu")
    detector = PerSection(embedder, LOFScorer())
    with config_context(enable_metadata_routing=True):
        fitted = clone(detector).fit(X, section=section, domain=domain)
    assert_array_equal(fitted.embedder_.classes_, ["00", "01"])
    embedded = fitted.embedder_.transform(X)
    for name, lof in fitted.estimators_.items():
        rows = section == name
        alone = LOFScorer().fit(embedded[rows], domain=domain[rows])
        known = fitted.decision_function(X[rows], section=section[rows])
        assert_allclose(known, alone.decision_function(embedded[rows]), rtol=1e-4, atol=1e-4)
        assert lof.offset_ == pytest.approx(alone.offset_, rel=1e-4)
    again = clone(detector).fit(X, section=section, domain=domain)  # routing off
    assert_array_equal(again.score_samples(X), fitted.score_samples(X))


def test_a_detector_in_place_of_the_embedder_is_told():
    for detector in (KNNScorer(), make_pipeline(StandardScaler(), KNNScorer())):
        with pytest.raises(TypeError, match=r"PerSection\(None, detector\)"):
            PerSection(detector).fit(np.zeros((9, 2)), section=["a"] * 9)
