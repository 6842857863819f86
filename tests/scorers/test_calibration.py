import numpy as np
import pytest
from scipy import stats

from skasd.scorers import GammaSoftmaxScorer, KNNScorer, MahalanobisScorer
from skasd.scorers.thresholds import conformal_threshold, gamma_threshold, p_values


@pytest.mark.parametrize(
    ("n", "contamination", "rank"),
    [
        (19, 0.1, 18),
        (20, 0.1, 18.9),
        (99, 0.05, 95),
        (9, 0.1, 9),
        (11, 0.1, 10.8),
        (1, 0.5, 1),
        (2, 0.5, 1.5),
        (199, 0.3, 140),
    ],
)
def test_conformal_threshold_is_an_interpolated_order_statistic(n, contamination, rank):
    scores = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    assert conformal_threshold(scores, contamination) == pytest.approx(rank, rel=1e-12)


def test_conformal_threshold_keeps_the_rate_of_few_scores_where_the_percentile_does_not():
    scores = np.random.default_rng(0).exponential(size=(20_000, 19))
    exceeded = {
        "conformal": np.mean([np.exp(-conformal_threshold(row, 0.1)) for row in scores]),
        "percentile": np.mean(np.exp(-np.percentile(scores, 90, axis=1))),
    }
    assert exceeded["conformal"] == pytest.approx(0.1, abs=0.002)
    assert exceeded["percentile"] > 0.12


@pytest.mark.parametrize("n", [9, 12, 16, 25])
def test_the_rate_is_the_wanted_one_on_average_whatever_the_number_of_scores(n):
    scores = np.random.default_rng(n).uniform(size=(20_000, n))
    rates = [1 - conformal_threshold(row, 0.1) for row in scores]  # of uniform scores above the threshold
    assert np.mean(rates) == pytest.approx(0.1, abs=0.002)


def test_weighted_scores():
    scores = np.array([1.0, 2.0, 3.0, 10.0])
    equal = np.full(4, 0.25)
    assert conformal_threshold(scores, 0.4, equal) == pytest.approx(conformal_threshold(scores, 0.4))
    # a fifth of the mass stands for the new clip: above 3 lie 0.2 + 0.8 * 0.1, above 2 0.2 + 0.8 * 0.2
    weights = np.array([0.4, 0.4, 0.1, 0.1])
    assert conformal_threshold(scores, 0.28, weights) == pytest.approx(3.0)
    assert conformal_threshold(scores, 0.32, weights) == pytest.approx(2.5)
    assert conformal_threshold(scores, 0.1, weights) == 10.0
    np.testing.assert_allclose(
        p_values([0, 2.5, 3, 99, np.nan], scores, 0.1, "cross", weights), [1, 0.32, 0.28, 0.2, np.nan]
    )
    ties = np.array([1.0, 1.0, 1.0, 2.0])
    assert conformal_threshold(ties, 0.4) == 1.0
    np.testing.assert_allclose(p_values([1.0, 1.5], ties, 0.1, "cross"), [0.4, 0.3])
    # of training clips the share above, interpolated
    np.testing.assert_allclose(
        p_values([0, 1, 2.5, 3, 9], np.array([1.0, 2, 3]), 0.1, "train"), [1, 1, 0.25, 0, 0]
    )
    np.testing.assert_allclose(p_values([0, 1.5, 9], np.array([1.0, 2]), 0.1, "train"), [1, 0.5, 0])
    np.testing.assert_allclose(p_values([0, 1, 9], np.array([1.0]), 0.1, "train"), [1, 1, 0])


@pytest.mark.parametrize("contamination", [0.1, 0.25])
def test_gamma_threshold_is_the_baselines_formula(contamination):
    scores = np.random.default_rng(0).gamma(4.0, 2.0, size=500) + 3
    a, loc, scale = stats.gamma.fit(scores)
    threshold = gamma_threshold(scores, contamination)
    assert threshold == stats.gamma.ppf(1 - contamination, a, loc, scale)
    assert threshold == pytest.approx(stats.gamma.ppf(1 - contamination, 4, 3, 2), rel=0.05)


def test_gamma_calibration_fits_the_held_out_scores():
    X = np.random.default_rng(0).normal(size=(200, 10))
    fitted = MahalanobisScorer(calibration="gamma").fit(X)
    assert fitted.threshold_ == stats.gamma.ppf(0.9, *stats.gamma.fit(fitted.training_scores_))
    np.testing.assert_array_equal(fitted.training_scores_, MahalanobisScorer().fit(X).training_scores_)
    assert GammaSoftmaxScorer().calibration == "gamma"


@pytest.mark.parametrize("value", [0.0, 1.0, -3e5])
def test_equal_scores_have_no_gamma_distribution(value):
    with pytest.warns(UserWarning, match="all 30 scores are equal"):
        assert gamma_threshold(np.full(30, value), 0.1) == value


def test_failed_gamma_fit_is_noticed():
    # maximum likelihood stops at shape 0.08 here, with 95 % of the scores above the "90th percentile"
    X = np.random.default_rng(2).standard_t(4, size=(200, 64))
    scores = KNNScorer().fit(X).training_scores_
    assert np.mean(scores > stats.gamma.ppf(0.9, *stats.gamma.fit(scores))) > 0.5
    with pytest.warns(UserWarning, match="of 200 scores above the threshold"):
        threshold = gamma_threshold(scores, 0.1)
    assert threshold == conformal_threshold(scores, 0.1)
