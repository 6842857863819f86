"""Numbers over twelve orders of magnitude of gain: invariant or equivariant, and as in extended precision."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skasd import (
    ClipStatistics,
    CosineMeanScorer,
    KMeansScorer,
    KNNCosineScorer,
    KNNScorer,
    LOFScorer,
    LogMelTransformer,
    MahalanobisScorer,
    STFTTransformer,
)

GAINS = 10.0 ** np.arange(-6, 7, 2)
INVARIANT = [
    KNNCosineScorer(),
    CosineMeanScorer(),
    KMeansScorer(n_clusters=4, random_state=0),
    LOFScorer(metric="cosine", n_neighbors=4),
    LOFScorer(n_neighbors=4),
    MahalanobisScorer(),
    MahalanobisScorer(shrinkage=0.1, standardize_features=False),
    MahalanobisScorer(shrinkage=None),
]
EQUIVARIANT = [KNNScorer(), KNNScorer(n_neighbors=3)]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    return rng.normal(size=(120, 6)) @ mixing + 3, rng.normal(size=(40, 6)) @ mixing * 1.5 + 3


@pytest.mark.parametrize("gain", GAINS)
@pytest.mark.parametrize("scorer", INVARIANT, ids=repr)
def test_scores_without_a_unit_do_not_change_with_the_gain(scorer, gain, rows):
    train, test = rows
    expected = scorer.fit(train).anomaly_score(test)
    decisions = scorer.predict(test)
    scaled = scorer.fit(gain * train)
    # scikit-learn adds 1e-10 to the mean reachability distance of LOF, here of some 1e-6
    rtol = 1e-4 if isinstance(scorer, LOFScorer) and gain < 1e-5 else 1e-6
    np.testing.assert_allclose(scaled.anomaly_score(gain * test), expected, rtol=rtol, atol=1e-10)
    clear = np.abs(expected - scaled.threshold_) > 1e-3
    np.testing.assert_array_equal(scaled.predict(gain * test)[clear], decisions[clear])


@pytest.mark.parametrize("gain", GAINS)
@pytest.mark.parametrize("scorer", EQUIVARIANT, ids=repr)
def test_distances_grow_with_the_gain(scorer, gain, rows):
    train, test = rows
    expected = scorer.fit(train).anomaly_score(test)
    scaled = scorer.fit(gain * train)
    np.testing.assert_allclose(scaled.anomaly_score(gain * test), gain * expected, rtol=1e-9)
    assert scaled.threshold_ == pytest.approx(gain * -scorer.fit(train).offset_, rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("gain", GAINS)
def test_neighbours_are_those_of_exact_distances(gain, offset, rows):
    """Far from the origin the expansion |x|^2 - 2xy + |y|^2 cancels."""
    train, test = gain * (rows[0] + offset), gain * (rows[1] + offset)
    np.testing.assert_allclose(
        KNNScorer().fit(train).anomaly_score(test), cdist(test, train).min(axis=1), rtol=1e-6
    )


@pytest.mark.parametrize("gain", GAINS)
def test_mahalanobis_agrees_with_the_inverse_in_extended_precision(gain, rows):
    train, test = gain * rows[0], gain * rows[1]
    scorer = MahalanobisScorer(shrinkage=None, standardize_features=False).fit(train)
    long = train.astype(np.longdouble)
    centred = long - long.mean(axis=0)
    covariance = (centred.T @ centred / len(long)).astype(float) / gain**2
    deviations = (test - train.mean(axis=0)) / gain
    expected = np.sqrt(np.einsum("ij,ij->i", deviations @ np.linalg.inv(covariance), deviations))
    np.testing.assert_allclose(scorer.anomaly_score(test), expected, rtol=1e-8)


@pytest.mark.parametrize("gain", 10.0 ** np.arange(-3, 9))  # beyond 2^31 a clip is refused
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_mels_rise_by_the_gain_in_decibels(gain, dtype):
    clips = np.random.default_rng(0).normal(size=(2, 4000)).astype(dtype)
    front = LogMelTransformer(n_mels=32)
    risen = front.fit_transform((gain * clips).astype(dtype)) - front.fit_transform(clips)
    np.testing.assert_allclose(risen, 20 * np.log10(gain), atol=2e-3)
    statistics = ClipStatistics().fit_transform(front.fit_transform((gain * clips).astype(dtype)))
    assert np.isfinite(statistics).all()


@pytest.mark.parametrize("gain", 10.0 ** np.arange(-6, 7, 3))
def test_magnitudes_grow_with_the_gain(gain):
    clips = np.random.default_rng(0).normal(size=(2, 4000))
    front = STFTTransformer(n_fft=256, hop_length=128, log=None)
    np.testing.assert_allclose(
        front.fit_transform(gain * clips), gain * front.fit_transform(clips), rtol=1e-4, atol=gain * 1e-3
    )
