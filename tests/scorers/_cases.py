"""Scorers and clips for the tests of what all scorers share."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.base import clone

from skasd.scorers import (
    BandScorer,
    BaseScorer,
    CosineMeanScorer,
    GammaSoftmaxScorer,
    KMeansScorer,
    KNNCosineScorer,
    KNNScorer,
    LOFScorer,
    MahalanobisScorer,
    OEVAEScorer,
    TermScorer,
)

ALL = [
    BandScorer(bands=2),
    TermScorer(bands=[[1, 2, 3]]),
    CosineMeanScorer(),
    GammaSoftmaxScorer(),
    KMeansScorer(n_clusters=3, random_state=0),
    KNNCosineScorer(),
    KNNCosineScorer(n_neighbors=2, density_normalization="ratio"),
    KNNScorer(),
    KNNScorer(n_neighbors=2, density_normalization="difference", n_density_neighbors=2),
    LOFScorer(),
    MahalanobisScorer(),
    MahalanobisScorer(shrinkage=None),
    OEVAEScorer(
        omega=0.5, standardize_beta=False
    ),  # the plain sum; what standardises it has tests of its own
]
WITH_DOMAINS = [scorer for scorer in ALL if not isinstance(scorer, GammaSoftmaxScorer)]

every_scorer = pytest.mark.parametrize("scorer", ALL, ids=repr)


class MedianScorer(BaseScorer):
    """A user's scorer: two formulae, all else inherited; held out in folds."""

    def _fit_reference(self, X):
        return np.median(X, axis=0)

    def _score_reference(self, X, reference):
        return np.abs(X - reference).sum(axis=1)


def clips(n, n_features=6, seed=0, shift=0.0):
    X = np.random.default_rng(seed).normal(size=(n, n_features)) * np.linspace(0.5, 3, n_features) + shift
    return log_softmax(X, axis=1)


def two_domains(n_source=40, n_target=12, seed=0):
    X = np.concatenate([clips(n_source, seed=seed), clips(n_target, seed=seed + 1, shift=np.arange(6) / 2)])
    return X, np.array(["source"] * n_source + ["target"] * n_target)


def refitted_without_each(scorer, X, domain=None):
    """The slow plain version of leave-one-out: as many fits as clips."""
    scores = np.empty(len(X))
    if "calibration" in scorer.get_params():
        scorer = clone(scorer).set_params(calibration="train")  # a threshold plays no part
    for row in range(len(X)):
        rest = np.arange(len(X)) != row
        fitted = clone(scorer).fit(X[rest], domain=None if domain is None else domain[rest])
        scores[row] = fitted.anomaly_score(X[row : row + 1])[0]
    return scores
