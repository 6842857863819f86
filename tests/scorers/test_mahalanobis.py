import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist, mahalanobis
from sklearn.covariance import OAS, LedoitWolf, ShrunkCovariance
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from skasd.scorers import FewClipsWarning, MahalanobisScorer


def data(n=120, n_features=7, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(n_features, n_features))
    return rng.normal(size=(n, n_features)) @ mixing + 5, rng.normal(size=(30, n_features)) @ mixing * 2 + 5


def test_equals_scipy():
    X, new = data()
    inverse = np.linalg.inv(np.cov(X.T, bias=True))
    scores = MahalanobisScorer(shrinkage=None).fit(X).anomaly_score(new)
    assert_allclose(scores, [mahalanobis(row, X.mean(axis=0), inverse) for row in new], rtol=1e-9)


@pytest.mark.parametrize(
    ("shrinkage", "estimator"),
    [
        ("ledoit_wolf", LedoitWolf()),
        ("oas", OAS()),
        (0.2, ShrunkCovariance(shrinkage=0.2)),
        (0, ShrunkCovariance(shrinkage=0.0)),
    ],
)
def test_equals_scikit_learns_covariances(shrinkage, estimator):
    X, new = data()
    estimator.fit(X)
    scorer = MahalanobisScorer(shrinkage=shrinkage, standardize_features=False).fit(X)
    assert_allclose(scorer.covariance_, estimator.covariance_, rtol=1e-8)
    assert_allclose(scorer.location_["all"], estimator.location_)
    assert_allclose(scorer.anomaly_score(new), np.sqrt(estimator.mahalanobis(new)), rtol=1e-8)


@pytest.mark.parametrize("shrinkage", ["ledoit_wolf", "oas", 0.2, None])
def test_standardizes_like_a_step_before_it(shrinkage):
    X, new = data(n=110, n_features=140)
    scaler = StandardScaler().fit(X)
    expected = MahalanobisScorer(shrinkage=shrinkage, standardize_features=False).fit(scaler.transform(X))
    units = np.logspace(-3, 5, 140)
    scorer = MahalanobisScorer(shrinkage=shrinkage).fit(X * units)
    assert_allclose(
        scorer.anomaly_score(new * units), expected.anomaly_score(scaler.transform(new)), rtol=1e-7
    )
    if shrinkage is not None:  # of so many clips, held out by formula, with the scales of all rows
        assert_allclose(scorer.training_scores_, expected.training_scores_, rtol=1e-7)


def test_means_by_domain_and_pooled_covariance():
    X, new = data()
    domain = np.array(["source"] * 100 + ["target"] * 20)
    X[100:] += 50
    source, target = X[:100], X[100:]
    pooled = np.concatenate([source - source.mean(axis=0), target - target.mean(axis=0)])
    inverse = np.linalg.inv(pooled.T @ pooled / 120)
    means = np.array([source.mean(axis=0), target.mean(axis=0)])
    new = np.concatenate([new, new + 50])
    expected = cdist(new, means, "mahalanobis", VI=inverse).min(axis=1)
    scorer = MahalanobisScorer(shrinkage=None).fit(X, domain=domain)
    assert_allclose(scorer.anomaly_score(new), expected, rtol=1e-8)
    # without the domains the distance between them passes for spread
    assert MahalanobisScorer(shrinkage=None).fit(X).anomaly_score([means.mean(axis=0)])[0] < 2
    assert scorer.anomaly_score([means.mean(axis=0)])[0] > 5


def test_fewer_clips_than_features():
    X, new = data(n=20, n_features=50)
    scorer = MahalanobisScorer(standardize_features=False).fit(X)
    assert 0 < scorer.shrinkage_ <= 1
    assert_allclose(scorer.anomaly_score(new), np.sqrt(LedoitWolf().fit(X).mahalanobis(new)), rtol=1e-6)
    plain = MahalanobisScorer(shrinkage=None, standardize_features=False).fit(X)
    centered = X - X.mean(axis=0)
    inverse = np.linalg.pinv(centered.T @ centered / 20, rcond=1e-10, hermitian=True)
    expected = np.sqrt(np.einsum("ij,jk,ik->i", new - X.mean(axis=0), inverse, new - X.mean(axis=0)))
    assert_allclose(plain.anomaly_score(new), expected, rtol=1e-6)


def test_constant_features():
    X, new = data()
    X[:, 3] = 1e6 + 1 / 3  # the mean of these is off by a rounding, which is no variation
    blind = MahalanobisScorer(shrinkage=None).fit(X)
    rest = [0, 1, 2, 4, 5, 6]
    expected = MahalanobisScorer(shrinkage=None).fit(X[:, rest])
    assert_allclose(blind.anomaly_score(new), expected.anomaly_score(new[:, rest]), rtol=1e-7)
    assert_allclose(blind.training_scores_, expected.training_scores_, rtol=1e-7)
    X[:, 3] = 0
    change = np.zeros((1, 7))
    change[0, 3] = 3
    shrunk = MahalanobisScorer().fit(X)
    assert shrunk.anomaly_score(X[:1] + change) > shrunk.anomaly_score(X[:1]) + 1


def test_clips_that_do_not_vary():
    X = np.full((9, 3), 0.1)
    with pytest.warns(UserWarning, match="9 training clips do not vary"):
        scorer = MahalanobisScorer().fit(X)
    assert_allclose(scorer.anomaly_score([[0.1, 3.1, 4.1]]), 5)


@pytest.mark.parametrize("shrinkage", [None, "ledoit_wolf", 0.5])
@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1e8, 1e150])
def test_scale_does_not_matter(scale, shrinkage):
    X, new = data()
    expected = MahalanobisScorer(shrinkage=shrinkage).fit(X)
    scaled = MahalanobisScorer(shrinkage=shrinkage).fit(X * scale)
    assert_allclose(scaled.anomaly_score(new * scale), expected.anomaly_score(new), rtol=1e-8)
    assert_allclose(scaled.training_scores_, expected.training_scores_, rtol=1e-8)


def test_recordings_of_a_toy_car(real_data):
    clips = np.load(real_data("toycar_logmel") / "toycar_logmel.npz")
    train, machine = clips["split"] == "train", clips["machine_id"]
    mean = clips["logmel_u8"].mean(axis=2) * clips["step_db"]  # the floor cancels
    aucs, paucs, rates = [], [], []
    for name in np.unique(machine):
        scorer = MahalanobisScorer().fit(mean[train & (machine == name)])
        test = ~train & (machine == name)
        anomaly, scores = clips["anomaly"][test], scorer.anomaly_score(mean[test])
        aucs.append(roc_auc_score(anomaly, scores))
        paucs.append(roc_auc_score(anomaly, scores, max_fpr=0.1))
        rates.append(np.mean(scores[~anomaly] > scorer.threshold_))
    assert np.mean(aucs) > 0.965
    assert np.mean(paucs) > 0.87
    assert np.mean(rates) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("shrinkage", [1.5, -0.1, "mcd"])
def test_bad_shrinkage(shrinkage):
    with pytest.raises(ValueError, match="shrinkage"):
        MahalanobisScorer(shrinkage=shrinkage).fit(np.eye(4))


def test_two_clips_are_not_blind_where_they_do_not_differ():
    X = np.array([[1.0, 1, 1, 1], [-1, -1, -1, -1]])
    with pytest.warns(FewClipsWarning):
        scorer = MahalanobisScorer().fit(X)
    assert scorer.shrinkage_ == 1
    assert_allclose(scorer.anomaly_score([[9.0, -9, 9, -9], [1, 1, 1, 1]]), [18, 2])
