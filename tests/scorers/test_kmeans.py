import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize

from skasd.scorers import KMeansScorer


def data():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(5, 8)) * 3
    X = centers[np.arange(100) % 5] + rng.normal(size=(100, 8))
    return X, np.array(["source"] * 90 + ["target"] * 10), rng.normal(size=(20, 8)) * 3


def test_centres_of_the_source_and_all_target_clips():
    X, domain, new = data()
    units, queries = normalize(X), normalize(new)
    centres = KMeans(5, random_state=0).fit(units[:90]).cluster_centers_
    references = np.concatenate([centres, units[90:]])
    scorer = KMeansScorer(n_clusters=5, random_state=0).fit(X, domain=domain)
    assert_allclose(scorer.anomaly_score(new), 1 - (queries @ references.T).max(axis=1), rtol=1e-6)
    assert_array_equal(scorer.anomaly_score(X[90:]), 0)


def test_without_domains_all_clips_are_clustered():
    X, _, new = data()
    centres = KMeans(16, random_state=0).fit(normalize(X)).cluster_centers_
    expected = 1 - (normalize(new) @ centres.T).max(axis=1)
    assert_allclose(KMeansScorer(random_state=0).fit(X).anomaly_score(new), expected, rtol=1e-6)


def test_no_more_clusters_than_distinct_directions():
    X = np.array([[1.0, 0], [2, 0], [0, 1], [0, 5]])
    scorer = KMeansScorer(random_state=0).fit(X)
    assert scorer.references_["all"].shape == (2, 3)
    assert_array_equal(scorer.anomaly_score(X), 0)


def test_seeded():
    X, domain, new = data()
    a, b = (KMeansScorer(8, random_state=3).fit(X, domain=domain) for _ in range(2))
    assert_array_equal(a.score_samples(new), b.score_samples(new))
    assert a.offset_ == b.offset_


def test_bad_number_of_clusters():
    with pytest.raises(ValueError, match="n_clusters"):
        KMeansScorer(n_clusters=0).fit(np.eye(3))
