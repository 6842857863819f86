"""Both scorers by nearest neighbours, Euclidean and cosine."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from skasd.scorers import KNNCosineScorer, KNNScorer

from ._cases import refitted_without_each

BOTH = pytest.mark.parametrize(("cls", "metric"), [(KNNScorer, "euclidean"), (KNNCosineScorer, "cosine")])


def data(seed=0, n=60, n_features=10):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_features)) + 1, rng.normal(size=(25, n_features)) + 1


@BOTH
@pytest.mark.parametrize("k", [1, 2, 4])
def test_mean_distance_to_the_nearest(cls, metric, k):
    X, new = data()
    expected = np.sort(cdist(new, X, metric), axis=1)[:, :k].mean(axis=1)
    assert_allclose(cls(n_neighbors=k).fit(X).anomaly_score(new), expected, rtol=1e-10)


@BOTH
@pytest.mark.parametrize("kind", ["ratio", "difference"])
@pytest.mark.parametrize("n_density", [1, 3])
@pytest.mark.parametrize("k", [1, 2])
def test_local_density_normalization(cls, metric, kind, n_density, k):
    X, new = data()
    among = cdist(X, X, metric)
    np.fill_diagonal(among, np.inf)
    density = np.sort(among, axis=1)[:, :n_density].mean(axis=1)
    distances = cdist(new, X, metric)
    normalized = distances / density if kind == "ratio" else distances - density
    expected = np.sort(normalized, axis=1)[:, :k].mean(axis=1)
    scorer = cls(k, density_normalization=kind, n_density_neighbors=n_density).fit(X)
    assert_allclose(scorer.anomaly_score(new), expected, rtol=1e-9, atol=1e-12)


def test_density_normalization_evens_out_domains_of_different_spread():
    rng = np.random.default_rng(0)
    spread = lambda scale, n: rng.normal(size=(n, 8)) * scale + (100 if scale > 1 else 0)  # noqa: E731
    X = np.concatenate([spread(0.1, 300), spread(5, 100)])
    tight, loose = spread(0.1, 200), spread(5, 200)
    plain = KNNScorer().fit(X)
    normalized = KNNScorer(density_normalization="ratio").fit(X)
    assert plain.anomaly_score(tight).max() < plain.anomaly_score(loose).min()
    ratio = np.median(normalized.anomaly_score(tight)) / np.median(normalized.anomaly_score(loose))
    assert 0.7 < ratio < 1.4


@BOTH
def test_a_training_clip_is_at_distance_zero(cls, metric):
    X, _ = data(n=200)
    X = X + 1e3
    assert_array_equal(cls().fit(X).anomaly_score(X), np.zeros(200))
    assert (cls(density_normalization="ratio").fit(X).anomaly_score(X) == 0).all()


def test_many_queries_come_in_chunks():
    from sklearn import config_context

    X, _ = data()
    new = np.random.default_rng(5).normal(size=(3000, 10))
    scorer = KNNScorer(density_normalization="ratio").fit(X)
    expected = scorer.anomaly_score(new)
    held_out = scorer.training_scores_
    with config_context(working_memory=0.01):
        assert_array_equal(scorer.anomaly_score(new), expected)
        assert_array_equal(KNNScorer(density_normalization="ratio").fit(X).training_scores_, held_out)


def test_rows_of_zeros_have_no_direction():
    scorer = KNNCosineScorer().fit([[1.0, 0], [0, 2], [0, 3]])
    assert_allclose(scorer.anomaly_score([[0.0, 0], [-1, -1]]), [1, 1 + np.sqrt(0.5)])
    assert KNNCosineScorer().fit([[1.0, 0], [0, 0], [2, 0]]).anomaly_score([[0.0, 0]])[0] == 0


def test_nearly_parallel_vectors_do_not_cancel():
    angle = 1e-9
    score = KNNCosineScorer().fit([[1.0, 0], [0, 1], [1, 1]]).anomaly_score([[np.cos(angle), np.sin(angle)]])
    assert_allclose(score, angle**2 / 2, rtol=1e-6)  # 1 - cos in floating point is 0


def test_number_of_neighbors_by_domain():
    X, _ = data(n=13)
    scorer = KNNScorer(n_neighbors=4).fit(X, domain=["source"] * 10 + ["target"] * 3)
    assert scorer.n_neighbors_ == {"source": 4, "target": 2}


@pytest.mark.parametrize(
    "params", [{"n_neighbors": 0}, {"density_normalization": "yes"}, {"n_density_neighbors": 1.5}]
)
def test_bad_parameters(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        KNNScorer(**params).fit(np.eye(4))


@BOTH
@pytest.mark.parametrize("n_density", [1, 4])
@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_density_that_leaves_the_least_variance(cls, metric, n_density, decay):
    X, new = data()
    among = cdist(X, X, metric)
    np.fill_diagonal(among, np.inf)
    weights = decay ** np.arange(n_density)
    density = np.sort(among, axis=1)[:, :n_density] @ weights / weights.sum()
    d, b = among.min(axis=1), density[among.argmin(axis=1)]
    alpha = np.cov(d, b, bias=True)[0, 1] / b.var()
    expected = (cdist(new, X, metric) - alpha * density).min(axis=1)
    scorer = cls(density_normalization="variance", n_density_neighbors=n_density, density_decay=decay).fit(X)
    assert_allclose(scorer.anomaly_score(new), expected, rtol=1e-9, atol=1e-12)
    variances = [np.var(d - factor * b) for factor in (alpha, alpha + 0.1, alpha - 0.1)]
    assert variances[0] < min(variances[1:])


@BOTH
def test_weighted_ranking_takes_all_neighbours_with_falling_weights(cls, metric):
    X, new = data()
    among = np.sort(cdist(X, X, metric) + np.diag(np.full(len(X), np.inf)), axis=1)[:, :-2]
    weights = 0.7 ** np.arange(among.shape[1])
    density = among @ weights / weights.sum()
    expected = (cdist(new, X, metric) / density).min(axis=1)
    scorer = cls(density_normalization="ratio", n_density_neighbors=10_000, density_decay=0.7).fit(X)
    assert_allclose(scorer.anomaly_score(new), expected, rtol=1e-9)


@BOTH
@pytest.mark.parametrize("kind", ["ratio", "difference"])
@pytest.mark.parametrize("n_density", [1, 3])
def test_densities_with_weights_are_those_without_the_row_held_out(cls, metric, kind, n_density):
    X, _ = data(n=25)
    scorer = cls(density_normalization=kind, n_density_neighbors=n_density, density_decay=0.6)
    held_out = scorer.fit(X, groups=np.arange(25))._leave_one_out(X, scorer.references_["all"])
    assert_allclose(held_out, refitted_without_each(cls(**scorer.get_params()), X), rtol=1e-9, atol=1e-12)


@BOTH
@pytest.mark.parametrize(
    "X", [np.eye(3)[:2], np.eye(4), np.repeat(np.eye(4), 5, axis=0)], ids=["two", "equal", "copies"]
)
@pytest.mark.filterwarnings("ignore")
def test_equal_and_zero_densities_change_nothing(cls, metric, X):
    normalized = cls(density_normalization="variance", n_density_neighbors=4).fit(X)
    new = np.random.default_rng(0).normal(size=(5, X.shape[1]))
    if len(X) < 20:
        assert_allclose(normalized.anomaly_score(new), cls().fit(X).anomaly_score(new))
    assert np.isfinite(normalized.anomaly_score(new)).all()
    assert np.isfinite(normalized.training_scores_).all()
    domain = ["source"] * (len(X) - 1) + ["target"]  # one target clip
    one = cls(density_normalization="variance").fit(X, domain=domain)
    assert list(one.references_) == ["all"]
