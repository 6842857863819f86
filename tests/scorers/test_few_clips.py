"""Few clips: false-alarm rates as they can be, and a warning where they cannot be what is asked for."""

import warnings
from threading import Event, Thread

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import IsolationForest

from skasd.compose import DomainDependent, PerSection, ScoreEnsemble
from skasd.scorers import (
    ColumnScorer,
    FewClipsWarning,
    GammaSoftmaxScorer,
    KNNScorer,
    LOFScorer,
    MahalanobisScorer,
)

from ._cases import clips, every_scorer

# elsewhere in the tests, and in the first one here, it is ignored
STRICT = pytest.mark.filterwarnings("error::skasd.scorers.FewClipsWarning")


@pytest.mark.parametrize("n_features", [4, 64])
@pytest.mark.parametrize("n_clips", [5, 10, 20])
@pytest.mark.parametrize("parameters", [{}, {"shrinkage": "oas"}, {"standardize_features": False}], ids=str)
def test_false_alarms_of_mahalanobis_with_few_clips(n_clips, n_features, parameters):
    rates = []
    for seed in range(80):
        rng = np.random.default_rng([seed, n_clips])
        X = rng.normal(size=(n_clips + 50, n_features)) * np.geomspace(1, 30, n_features)
        scorer = MahalanobisScorer(contamination=0.05, **parameters).fit(X[:n_clips])
        rates.append(np.mean(scorer.predict(X[n_clips:]) == -1))
    # the greatest of n exchangeable scores is exceeded by one in n + 1
    attainable = max(0.05, 1 / (n_clips + 1))
    assert np.mean(rates) < attainable + 2.5 * np.std(rates) / np.sqrt(len(rates))


@STRICT
def test_exactly_as_many_clips_as_the_rate_takes_are_enough():
    for contamination, needed in ((0.5, 1), (0.1, 9), (0.05, 19), (0.01, 99), (0.3, 3)):
        X = np.random.default_rng(0).normal(size=(needed, 1))
        KNNScorer(contamination=contamination).fit(X) if needed > 1 else None
        if needed > 2:
            with pytest.warns(
                FewClipsWarning, match=rf"{needed - 1} training clips cannot .* at least {needed}[,.]"
            ):
                KNNScorer(contamination=contamination).fit(X[:-1])


@STRICT
@every_scorer
def test_every_scorer_warns_unless_it_promises_no_rate(scorer):
    X, scorer = clips(8), clone(scorer)
    if getattr(scorer, "calibration", "") == "mean":
        scorer.fit(X)
        return
    with pytest.warns(
        FewClipsWarning, match="1 in 9 new healthy clips scores higher than all of them. Give at least 9"
    ):
        scorer.set_params(calibration="cross", contamination=0.1).fit(X)
    scorer.set_params(calibration="train").fit(X)
    scorer.set_params(calibration="cross", contamination=0.12).fit(X)


@STRICT
def test_a_domain_with_too_few_clips():
    X = np.concatenate([clips(30), clips(3, seed=1, shift=2.0)])
    domain = ["source"] * 30 + ["target"] * 3
    message = (
        r"^3 training clips of the target domain cannot hold .* contamination=0.1: .* 1 in 4 .* at least 9"
    )
    ensemble = ScoreEnsemble([("lof", LOFScorer()), ("knn", KNNScorer())])
    for detector in (LOFScorer(), MahalanobisScorer(), DomainDependent(), PerSection(), ensemble):
        with pytest.warns(FewClipsWarning, match=message) as caught:
            detector.fit(X, domain=domain)
        assert len([w for w in caught if w.category is FewClipsWarning]) == 1
    # scores that no domain plays a part in
    ColumnScorer().fit(X, domain=domain)
    LOFScorer(calibration="train").fit(X, domain=domain)


@STRICT
def test_thresholds_that_play_no_part_are_passed_over():
    X = clips(8)
    asks_for_less = {"contamination": 0.2, "n_jobs": 2}
    DomainDependent(KNNScorer(), KNNScorer(), **asks_for_less).fit(X, domain=["source", "target"] * 4)
    ScoreEnsemble([("knn", KNNScorer()), ("forest", IsolationForest(n_estimators=5))], **asks_for_less).fit(X)
    with pytest.warns(FewClipsWarning, match="4 training clips cannot"):
        PerSection(estimator=KNNScorer()).fit(X, section=["a", "b"] * 4)


@STRICT
def test_sections_share_a_threshold():
    X = clips(12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GammaSoftmaxScorer(calibration="cross").fit(X, section=["a", "b", "c"] * 4)


class Slow(KNNScorer):
    """A detector that is fitted once another thread says so."""

    begun, may_end = Event(), Event()

    def fit(self, X, y=None):
        Slow.begun.set()
        assert Slow.may_end.wait(60)
        return super().fit(X)


def test_other_threads_are_still_told():
    # the filters of warnings are shared by all threads: an ensemble that changes them would change them for the others
    ensemble = ScoreEnsemble([("slow", Slow()), ("maha", MahalanobisScorer())])
    thread = Thread(target=ensemble.fit, args=(clips(40),))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FewClipsWarning)
        before = list(warnings.filters)
        thread.start()
        try:
            assert Slow.begun.wait(60)
            KNNScorer().fit(clips(5))
        finally:
            Slow.may_end.set()
            thread.join()
        assert warnings.filters == before
    assert [w.category for w in caught] == [FewClipsWarning]


@STRICT
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_thresholds_that_nobody_uses_are_silent_in_threads_too(n_jobs):
    # of a section there are too few clips for a threshold of its own, which the ensemble has no use for
    parts = [(str(k), PerSection(estimator=KNNScorer(k), n_jobs=n_jobs)) for k in (1, 2)]
    section = np.repeat(["a", "b"], 6)
    with joblib.parallel_config("threading"):
        ensemble = ScoreEnsemble(parts, n_jobs=n_jobs).fit(clips(12), section=section)
    assert ensemble.estimators_[0].sections_ == ["a", "b"]
