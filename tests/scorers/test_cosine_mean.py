import numpy as np
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from skasd.compose import PerSection
from skasd.scorers import CosineMeanScorer


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 6)) + np.arange(6), rng.normal(size=(15, 6))


def test_cosine_distance_to_the_mean_of_each_section():
    X, new = data()
    section = np.array(["00", "01"] * 20)
    detector = PerSection(None, CosineMeanScorer()).fit(X, section=section)
    for name, scorer in detector.estimators_.items():
        mean = X[section == name].mean(axis=0)
        assert_allclose(scorer.anomaly_score(new), cdist(new, mean[None], "cosine")[:, 0])


def test_the_mean_is_of_the_vectors_as_they_are():
    # long vectors count for more: the report takes the mean of the embeddings, not of their directions
    score = CosineMeanScorer().fit([[100.0, 0], [0, 1]]).anomaly_score([[1.0, 0]])
    assert score[0] < 1e-4


def test_a_mean_of_zeros_is_far_from_everything():
    scorer = CosineMeanScorer().fit([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    assert_allclose(scorer.anomaly_score([[3.0, 4]]), 1)
