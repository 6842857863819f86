"""Any fitted detector scores clips with what is known about them."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import SGDOneClassSVM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skasd import KNNScorer, PerSection
from skasd.compose import requested_metadata, score_clips


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(60, 3)) + np.repeat([[0], [9]], 30, axis=0)


@pytest.mark.parametrize("detector", [KNNScorer(), OneClassSVM(), IsolationForest(random_state=0)])
def test_scores_and_threshold_agree_with_the_decision(detector, X):
    for fitted in (clone(detector).fit(X), make_pipeline(StandardScaler(), detector).fit(X)):
        new = np.concatenate([X[:5], X[:5] + 30])
        scores, threshold = score_clips(fitted, new)
        np.testing.assert_allclose(scores, -fitted.score_samples(new))
        np.testing.assert_array_equal(scores > threshold, fitted.predict(new) == -1)
        assert len(set(fitted.predict(new))) == 2


def test_what_is_known_is_used(X):
    section = ["a"] * 30 + ["b"] * 30
    detector = PerSection(estimator=KNNScorer()).fit(X, section=section)
    plain, threshold = score_clips(detector, X)
    known, same = score_clips(detector, X, {"section": section[::-1], "machine": ["fan"] * 60})
    assert threshold == same
    assert known.min() > plain.max()  # every clip is held against the other section
    np.testing.assert_allclose(threshold - known, detector.decision_function(X, section=section[::-1]))


def test_detector_with_decisions_only(X):
    class Decisions(SGDOneClassSVM):
        score_samples = property()  # raises AttributeError: there is none

    detector = Decisions(random_state=0).fit(X)
    assert not hasattr(detector, "score_samples")
    scores, threshold = score_clips(detector, X)
    assert threshold == 0
    np.testing.assert_array_equal(scores, -detector.decision_function(X))


def test_requested_metadata(X):
    class Asking(OutlierMixin, BaseEstimator):
        __metadata_request__fit = {"proxy": True, "domain": True}

        def fit(self, X, y=None, domain=None, proxy=None):
            return self

    known = {"section": [0], "proxy": [3], "domain": [1], "machine": [2]}
    for detector in (Asking(), make_pipeline(StandardScaler(), Asking())):
        assert list(requested_metadata(detector, "fit", known).items()) == [("domain", [1]), ("proxy", [3])]
        assert requested_metadata(detector, "predict", known) == {}
    assert requested_metadata(StandardScaler(), "fit", known) == {}
