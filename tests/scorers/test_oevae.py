"""Weighted sum of a score that comes in and the distance to the nearest embeddings."""

import numpy as np
import pytest

from skasd.scorers import KNNScorer, OEVAEScorer


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(60, 5))


@pytest.mark.parametrize("n_neighbors", [1, 2, 4])
@pytest.mark.parametrize("domain", [None, ["source"] * 40 + ["target"] * 20])
def test_equation_6(rows, n_neighbors, domain):
    new = np.random.default_rng(1).normal(size=(30, 5))
    beta = KNNScorer(n_neighbors).fit(rows[:, 1:], domain=domain)
    for omega in (0.0, 0.3, 1.0):
        scorer = OEVAEScorer(omega, n_neighbors).fit(rows, domain=domain)
        expected = omega * new[:, 0] + (1 - omega) * beta.anomaly_score(new[:, 1:])
        np.testing.assert_allclose(scorer.anomaly_score(new), expected)
        held_out = omega * rows[:, 0] + (1 - omega) * beta.training_scores_
        np.testing.assert_allclose(scorer.training_scores_, held_out)


def test_it_needs_an_embedding_beside_alpha(rows):
    with pytest.raises(ValueError, match="the first column is alpha"):
        OEVAEScorer().fit(rows[:, :1])
