import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.neighbors import LocalOutlierFactor

from skasd.scorers import LOFScorer


@pytest.mark.parametrize("options", [{}, {"metric": "cosine"}, {"metric": "manhattan"}, {"p": 3}])
@pytest.mark.parametrize("n_neighbors", [1, 4, 20])
def test_equals_scikit_learn(n_neighbors, options):
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(80, 12)), rng.normal(size=(40, 12)) * 1.5
    expected = LocalOutlierFactor(n_neighbors=n_neighbors, novelty=True, **options).fit(X).score_samples(new)
    assert_allclose(LOFScorer(n_neighbors, **options).fit(X).score_samples(new), expected, rtol=1e-9)


def test_default_is_that_of_the_reports():
    assert LOFScorer().n_neighbors == 4


def test_number_of_neighbors_by_domain():
    X = np.random.default_rng(0).normal(size=(33, 3))
    scorer = LOFScorer(n_neighbors=4).fit(X, domain=["source"] * 30 + ["target"] * 3)
    assert scorer.n_neighbors_ == {"source": 4, "target": 2}
    assert LOFScorer(n_neighbors=50).fit(X).n_neighbors_ == {"all": 32}


def test_held_out_differs_from_scikit_learns_training_factor():
    X = np.random.default_rng(0).normal(size=(60, 4))
    training = -LocalOutlierFactor(n_neighbors=4).fit(X).negative_outlier_factor_
    held_out = LOFScorer().fit(X).training_scores_
    assert np.abs(held_out - training).max() > 0.01
    assert np.corrcoef(held_out, training)[0, 1] > 0.9


def test_held_out_scores_in_chunks():
    X = np.random.default_rng(0).normal(size=(2600, 2))  # more than one chunk of 2**20 / 20**2 rows
    held_out = LOFScorer(n_neighbors=20).fit(X).training_scores_
    for row in (0, 2599):
        rest = np.delete(X, row, axis=0)
        assert_allclose(held_out[row], LOFScorer(n_neighbors=20).fit(rest).anomaly_score(X[[row]]), rtol=1e-9)


def test_isolated_clip_is_more_anomalous_than_its_distance_tells():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(scale=0.01, size=(50, 2)), rng.normal(scale=2, size=(50, 2)) + 20])
    near_dense, amid_loose = LOFScorer().fit(X).anomaly_score([[0.3, 0.3], [20.5, 20.5]])
    assert near_dense > 5 > amid_loose


@pytest.mark.parametrize("params", [{"n_neighbors": 0}, {"metric": "precomputed"}, {"p": 0}])
def test_bad_parameters(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        LOFScorer(**params).fit(np.eye(4))
