"""The shares of the features sum to the distance, and lie where the deviation is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from skasd.scorers import BandScorer, KNNCosineScorer, KNNScorer, LOFScorer, MahalanobisScorer

from ._cases import two_domains

SCORERS = [
    MahalanobisScorer(),
    MahalanobisScorer(shrinkage=None, standardize_features=False),
    KNNScorer(n_neighbors=3),
    KNNCosineScorer(n_neighbors=2),
]


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1e-6, 1.0, 1e5]))
def test_shares_sum_to_the_anomaly_score(scorer, seed, scale):
    X, domain = two_domains(seed=seed)
    scorer.fit(scale * X, domain=domain)
    new = scale * np.random.default_rng(seed + 1).normal(size=(9, X.shape[1]))
    shares = scorer.feature_contributions(new)
    assert shares.shape == new.shape
    np.testing.assert_allclose(shares.sum(axis=1), scorer.anomaly_score(new), rtol=1e-9)
    if not isinstance(scorer, MahalanobisScorer):
        assert (shares >= 0).all()


def test_mahalanobis_shares_follow_the_formula():
    X = np.random.default_rng(0).normal(size=(200, 4)) @ np.random.default_rng(1).normal(size=(4, 4))
    new = np.random.default_rng(2).normal(size=(5, 4))
    precision = LedoitWolf().fit(X).precision_
    deviations = new - X.mean(axis=0)
    expected = deviations * (deviations @ precision)
    expected /= np.sqrt(expected.sum(axis=1, keepdims=True))
    shares = MahalanobisScorer(standardize_features=False).fit(X).feature_contributions(new)
    np.testing.assert_allclose(shares, expected, rtol=1e-8, atol=1e-10)


def test_knn_shares_follow_the_formula():
    shares = KNNScorer().fit([[0.0, 0.0], [9.0, 9.0]]).feature_contributions([[3.0, 4.0]])
    np.testing.assert_allclose(shares, [[9 / 5, 16 / 5]])
    shares = KNNCosineScorer().fit([[2.0, 0.0], [3.0, 0.0]]).feature_contributions([[0.0, 5.0]])
    np.testing.assert_allclose(shares, [[0.5, 0.5]])


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_a_deviation_in_one_feature_is_found_there(scorer):
    rng = np.random.default_rng(0)
    X = rng.normal(5, 1, size=(300, 8))
    new = rng.normal(5, 0.1, size=(8, 8)) + 30 * np.eye(8)
    shares = scorer.fit(X).feature_contributions(new)
    np.testing.assert_array_equal(shares.argmax(axis=1), np.arange(8))


@pytest.mark.parametrize("normalization", ["ratio", "difference"])
def test_with_density_normalization_the_shares_are_of_the_plain_distance(normalization):
    X, _ = two_domains()
    new = np.random.default_rng(3).normal(size=(6, 6))
    scorer = KNNScorer(density_normalization=normalization, n_density_neighbors=2).fit(X)
    distance = np.linalg.norm(new[:, None] - X, axis=2)
    others = np.linalg.norm(X[:, None] - X, axis=2)
    np.fill_diagonal(others, np.inf)
    density = np.sort(others, axis=1)[:, :2].mean(axis=1)
    normalized = distance / density if normalization == "ratio" else distance - density
    nearest = normalized.argmin(axis=1)
    np.testing.assert_allclose(
        scorer.feature_contributions(new).sum(axis=1), distance[np.arange(6), nearest], rtol=1e-9
    )


def test_zscore_takes_the_domain_that_gives_the_score():
    X, domain = two_domains()
    new = X[:50] + np.random.default_rng(3).normal(scale=0.1, size=(50, 6))
    scorer = MahalanobisScorer(domain_normalization="zscore").fit(X, domain=domain)
    sums = scorer.feature_contributions(new).sum(axis=1)
    distances = np.column_stack([scorer._score_reference(new, r) for r in scorer.references_.values()])
    mean, scale = scorer.normalization_
    column = ((distances - mean) / scale).argmin(axis=1)
    np.testing.assert_allclose(sums, distances[np.arange(50), column])
    assert set(column) == {0, 1}


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_skipped_clips_and_clips_of_the_reference(scorer):
    X, _ = two_domains()
    new = np.vstack([X[:2], np.full((1, 6), np.nan)])
    shares = scorer.fit(X).feature_contributions(new)
    assert np.isnan(shares[2]).all()
    assert np.isfinite(shares[:2]).all()
    if isinstance(scorer, KNNScorer):
        assert not KNNScorer().fit(X).feature_contributions(X[:2]).any()
    assert np.isnan(scorer.feature_contributions(new[2:])).all()


def test_a_silent_clip_has_shares_too():
    scorer = KNNCosineScorer().fit([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(scorer.feature_contributions([[0.0, 0.0]]).sum(), 1)


def test_bad_input():
    scorer = KNNScorer().fit(np.eye(3))
    with pytest.raises(ValueError, match="2 features"):
        scorer.feature_contributions([[1.0, 2.0]])
    assert not hasattr(LOFScorer(), "feature_contributions")


@pytest.mark.parametrize("estimator", [None, KNNScorer(n_neighbors=2)])
def test_bands_share_the_score_out(estimator):
    X, new = np.random.default_rng(0).normal(size=(40, 6)), np.random.default_rng(1).normal(size=(5, 6))
    domain = ["source"] * 25 + ["target"] * 15
    scorer = BandScorer(estimator, bands=[[0, 1, 2], [2, 3], [5]], weights=[1, 2, 0.5])
    scorer.fit(X, domain=domain)
    shares = scorer.feature_contributions(new)
    np.testing.assert_allclose(shares.sum(axis=1), scorer.anomaly_score(new), rtol=1e-9)
    assert not shares[:, 4].any()  # of no band
    new[:, 5] += 20
    assert (scorer.feature_contributions(new)[:, 5] > 5 * shares[:, 5]).all()


def test_bands_of_a_formula_that_is_no_sum():
    assert not hasattr(BandScorer(LOFScorer()), "feature_contributions")
