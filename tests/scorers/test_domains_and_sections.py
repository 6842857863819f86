"""One reference per domain, one model per section, and how their names reach a scorer."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skasd.compose import PerSection
from skasd.scorers import (
    BandScorer,
    CosineMeanScorer,
    GammaSoftmaxScorer,
    KMeansScorer,
    KNNScorer,
    LOFScorer,
    MahalanobisScorer,
    OEVAEScorer,
)

from ._cases import WITH_DOMAINS, clips, two_domains

# domains


@pytest.mark.parametrize("scorer", WITH_DOMAINS, ids=repr)
def test_score_is_the_minimum_over_domains(scorer):
    X, domain = two_domains()
    new = clips(30, seed=9)
    if isinstance(scorer, OEVAEScorer):  # whose beta it is
        scorer = OEVAEScorer(omega=0.0, standardize_beta=False)
    both = clone(scorer).fit(X, domain=domain)
    assert sorted(both.references_) == ["source", "target"]
    alone = [
        both._score_reference(new, both.references_[name])  # of each domain, in the same model
        for name in ("source", "target")
    ]
    assert_allclose(both.anomaly_score(new), np.minimum(*alone))
    if not isinstance(
        scorer, BandScorer | MahalanobisScorer | KMeansScorer
    ):  # whose domains are not independent
        fits = [clone(scorer).fit(X[domain == name]).anomaly_score(new) for name in ("source", "target")]
        assert_allclose(both.anomaly_score(new), np.minimum(*fits), rtol=1e-9)
    if not isinstance(scorer, BandScorer | MahalanobisScorer):
        few = np.where(np.arange(len(X)) < 40, "source", "target")
        assert (
            both.anomaly_score(new) <= clone(scorer).fit(X[few == "source"]).anomaly_score(new) + 1e-12
        ).all()


@pytest.mark.parametrize("scorer", WITH_DOMAINS, ids=repr)
@pytest.mark.parametrize("normalization", [None, "zscore"])
@pytest.mark.parametrize("n_target", [1, 2, 3, 4])
def test_a_handful_of_target_clips_suffices(scorer, normalization, n_target):
    X, domain = two_domains(n_source=30, n_target=n_target)
    fitted = clone(scorer).set_params(domain_normalization=normalization).fit(X, domain=domain)
    needed = max(fitted._min_rows, 1 if normalization is None else 3)
    assert sorted(fitted.references_) == (["source", "target"] if n_target >= needed else ["all"])
    assert np.isfinite(fitted.training_scores_).all()
    assert np.isfinite(fitted.decision_function(clips(9, seed=4))).all()


def test_merged_domains_are_one_reference():
    X, domain = two_domains(n_source=30, n_target=1)
    merged, plain = LOFScorer().fit(X, domain=domain), LOFScorer().fit(X)
    assert_array_equal(merged.training_scores_, plain.training_scores_)


def test_zscore_standardises_each_domain_by_its_held_out_scores():
    X, domain = two_domains(n_source=50, n_target=10)
    X[domain == "target"] *= 5  # target clips lie further apart
    new = clips(20, seed=3)
    z = []
    for name in ("source", "target"):
        alone = KNNScorer().fit(X[domain == name])
        held_out = alone.training_scores_
        z.append((alone.anomaly_score(new) - held_out.mean()) / held_out.std())
    fitted = KNNScorer(domain_normalization="zscore").fit(X, domain=domain)
    assert_allclose(fitted.anomaly_score(new), np.minimum(*z))
    in_sample = KNNScorer(domain_normalization="zscore", calibration="train").fit(X, domain=domain)
    assert_allclose(in_sample.anomaly_score(new), np.minimum(*z))


def test_one_domain_only_is_one_reference():
    X = clips(30)
    for name in ("source", "target"):
        assert_array_equal(
            KNNScorer().fit(X, domain=[name] * 30).training_scores_, KNNScorer().fit(X).training_scores_
        )


# sections


def test_sections_known_and_unknown_at_prediction():
    X = log_softmax(clips(60, n_features=3), axis=1)
    section = [("fan", int(label)) for label in X.argmax(axis=1)]
    fitted = GammaSoftmaxScorer().fit(X, section=section)
    assert fitted.sections_ == [("fan", 0), ("fan", 1), ("fan", 2)]
    new = log_softmax(clips(30, n_features=3, seed=2), axis=1)
    each = np.array([fitted.anomaly_score(new, section=[name] * 30) for name in fitted.sections_])
    assert_allclose(fitted.anomaly_score(new), each.min(axis=0))
    mixed = [fitted.sections_[i % 3] for i in range(30)]
    assert_allclose(fitted.anomaly_score(new, section=mixed), each[np.arange(30) % 3, np.arange(30)])
    known = fitted.decision_function(new, section=mixed)
    assert_allclose(known, -fitted.anomaly_score(new, section=mixed) - fitted.section_offset_)
    assert_array_equal(fitted.predict(new, section=mixed), np.where(known >= 0, 1, -1))


def test_false_alarm_rate_holds_with_and_without_the_section():
    rng = np.random.default_rng(0)
    section = np.arange(900) % 3
    draw = lambda: log_softmax(rng.normal(size=(900, 3)) + 1.5 * np.eye(3)[section], axis=1)  # noqa: E731
    fitted = GammaSoftmaxScorer(calibration="cross").fit(draw(), section=section)
    new = draw()
    assert fitted.section_offset_ < fitted.offset_  # a section's own score is no smaller than the smallest
    assert np.mean(fitted.predict(new) == -1) == pytest.approx(0.1, abs=0.03)
    assert np.mean(fitted.predict(new, section=section) == -1) == pytest.approx(0.1, abs=0.03)


def test_unknown_section_names_the_known_ones():
    X = log_softmax(clips(20, n_features=2), axis=1)
    fitted = GammaSoftmaxScorer().fit(X, section=(X[:, 1] > X[:, 0]).astype(int))
    with pytest.raises(ValueError, match=r"Unknown section 7; known sections: \[0, 1\]"):
        fitted.decision_function(X, section=[7] * 20)


@pytest.mark.parametrize(
    "scorer", [LOFScorer(), KNNScorer(), MahalanobisScorer(), CosineMeanScorer()], ids=repr
)
def test_scorers_without_sections_ignore_them(scorer):
    X = clips(30)
    fitted = clone(scorer).fit(X, section=["00", "01"] * 15)
    assert_array_equal(fitted.score_samples(X), clone(scorer).fit(X).score_samples(X))
    assert_array_equal(fitted.decision_function(X, section=["unheard of"] * 30), fitted.decision_function(X))


# metadata routing


def test_metadata_is_routed_through_a_pipeline_as_it_stands():
    X, domain = two_domains()
    section = np.arange(52) % 2
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(StandardScaler(), KNNScorer())
        pipe.fit(X, domain=domain, proxy=np.zeros(52, bool))
        assert sorted(pipe[-1].references_) == ["source", "target"]
        without = pipe.score_samples(X)
        pipe.fit(X, section=section, domain=domain)  # has no use for sections, and takes them all the same
        assert_allclose(pipe.score_samples(X), without)
        detector = make_pipeline(StandardScaler(), PerSection(None, CosineMeanScorer()))
        pipe = clone(detector).fit(X, section=section, domain=domain)
        assert pipe[-1].sections_ == [0, 1]
        routed = pipe.decision_function(X, section=section)
        predicted = detector.fit_predict(X, section=section)
    direct = pipe[-1].decision_function(StandardScaler().fit_transform(X), section=section)
    assert_allclose(routed, direct)
    assert set(predicted) <= {-1, 1}


def test_metadata_without_routing_goes_by_the_step():
    X, domain = two_domains()
    pipe = make_pipeline(StandardScaler(), LOFScorer()).fit(X, lofscorer__domain=domain)
    assert sorted(pipe[-1].references_) == ["source", "target"]
