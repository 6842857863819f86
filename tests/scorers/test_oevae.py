"""A score that comes in and the distance to the nearest embeddings, weighed."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skasd.augment import MixupSMOTEAugmenter
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
        scorer = OEVAEScorer(omega, n_neighbors, standardize_beta=False).fit(rows, domain=domain)
        expected = omega * new[:, 0] + (1 - omega) * beta.anomaly_score(new[:, 1:])
        np.testing.assert_allclose(scorer.anomaly_score(new), expected)
        held_out = omega * rows[:, 0] + (1 - omega) * beta.training_scores_
        np.testing.assert_allclose(scorer.training_scores_, held_out)


@pytest.mark.parametrize("groups", [None, np.repeat(range(10), 6)])
def test_standardised_by_held_out_scores(rows, groups):
    new = np.random.default_rng(1).normal(size=(30, 5))
    beta = KNNScorer().fit(rows[:, 1:], groups=groups)
    held_out = np.column_stack([rows[:, 0], beta.training_scores_])
    # in the reference their distances are zero
    assert beta.training_scores_.mean() > beta.anomaly_score(rows[:, 1:]).mean() + 0.5
    scorer = OEVAEScorer(0.3).fit(rows, groups=groups)
    np.testing.assert_allclose(scorer.held_out_scores_, held_out)
    z = (beta.anomaly_score(new[:, 1:]) - held_out[:, 1].mean()) / held_out[:, 1].std()
    expected = 0.3 * new[:, 0] + 0.7 * z  # alpha is the embedder's to standardise
    np.testing.assert_allclose(scorer.anomaly_score(new), expected)
    # the unit of the embedding plays no part
    scaled = OEVAEScorer(0.3).fit(rows * [1, 7, 7, 7, 7], groups=groups)
    np.testing.assert_allclose(scaled.anomaly_score(new * [1, 7, 7, 7, 7]), expected)


def made_scores(n, random_state, fault=0.0, alpha=0.0):
    """Return alpha and an embedding in four dimensions; faults move the embedding by `fault`, alpha by `alpha`."""
    rng = np.random.default_rng(random_state)
    return np.column_stack([20 + 4 * rng.normal(size=n) + alpha, rng.normal(size=(n, 4)) + fault])


@pytest.mark.parametrize("shift", [-8.0, -2.0, 0.0, 40.0])
def test_a_misleading_alpha_does_not_drown_beta(shift):
    X, healthy, faulty = made_scores(200, 0), made_scores(300, 1), made_scores(300, 2, 1.0, shift)
    auc = {}
    for name, scorer in {
        "alpha": OEVAEScorer(1.0),
        "beta": OEVAEScorer(0.0),
        "auto": OEVAEScorer(),
        "report": OEVAEScorer(0.5, standardize_beta=False),
    }.items():
        scores = scorer.fit(X).anomaly_score(np.concatenate([healthy, faulty]))
        auc[name] = roc_auc_score(np.repeat([0, 1], 300), scores)
    assert auc["auto"] > auc["beta"] - 0.01, auc
    if shift < 0:
        assert auc["alpha"] < 0.4, auc
        assert auc["report"] < auc["auto"] - 0.1, auc
    if shift > 10:  # an alpha that hears what the embedding does not
        assert auc["auto"] > 0.99 > auc["beta"], auc


def test_auto_counts_alpha_beyond_the_training_clips_only():
    X, new = made_scores(99, 0), made_scores(5000, 1)
    scorer, beta = OEVAEScorer().fit(X), OEVAEScorer(0.0).fit(X)
    added = scorer.anomaly_score(new) - beta.anomaly_score(new)
    expected = np.maximum(0, new[:, 0] - X[:, 0].max())
    np.testing.assert_allclose(added, expected, atol=1e-9)
    assert 0 < (added > 0).mean() < 0.03  # 1 in n + 1 = 100 on average
    # no label has a say, nor an anomaly or a proxy among the rows
    proxy = np.arange(99) >= 80
    far = np.where(proxy[:, None], 1e6, X)
    with pytest.warns(UserWarning, match="anomal"):
        marked = OEVAEScorer().fit(X, np.where(proxy, -1, 1))
    np.testing.assert_array_equal(marked.anomaly_score(new), scorer.anomaly_score(new))
    exposed, alone = OEVAEScorer().fit(far, proxy=proxy), OEVAEScorer().fit(X[:80])
    np.testing.assert_array_equal(exposed.anomaly_score(new), alone.anomaly_score(new))
    with pytest.raises(ValueError, match="give omega a number"):
        OEVAEScorer(standardize_beta=False).fit(X)


@pytest.mark.parametrize("n_neighbors", [1, 2, 4])
@pytest.mark.parametrize("domain", [None, np.array(["source"] * 8 + ["target"] * 4)])
def test_neighbours_are_looked_for_by_segment(n_neighbors, domain):
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(12, 13)), rng.normal(size=(7, 13))
    banks = np.zeros(12) if domain is None else domain

    def beta(row, others):
        distances = []
        for name in np.unique(banks[others]):
            segments = X[others][banks[others] == name, 1:].reshape(-1, 3)
            each = np.linalg.norm(row[1:].reshape(4, 1, 3) - segments, axis=2)
            distances.append(np.sort(each, axis=1)[:, :n_neighbors].mean())
        return min(distances)

    scorer = OEVAEScorer(0.0, n_neighbors, n_segments=4, standardize_beta=False).fit(X, domain=domain)
    np.testing.assert_allclose(scorer.anomaly_score(new), [beta(row, np.arange(12)) for row in new])
    expected = [beta(row, np.delete(np.arange(12), i)) for i, row in enumerate(X)]
    np.testing.assert_allclose(scorer.training_scores_, expected)


def test_segments_find_what_their_mean_hides():
    rng = np.random.default_rng(0)
    places = np.array([[0.0, 5], [5, 0], [0, -5], [-5, 0]])  # four states, in any order

    def clips(n, sequence):
        each = np.stack([places[sequence(rng)] for _ in range(n)]) + 0.3 * rng.normal(size=(n, 4, 2))
        return np.column_stack([rng.normal(size=n), each.reshape(n, -1)])

    X, healthy = (clips(60, lambda rng: rng.permutation(4)) for _ in range(2))
    faulty = np.column_stack([rng.normal(size=60), 0.3 * rng.normal(size=(60, 8))])  # no state at all
    truth = np.repeat([0, 1], 60)
    auc = {}
    for n_segments in (1, 4):
        rows = [
            x if n_segments == 4 else np.column_stack([x[:, 0], x[:, 1:].reshape(60, 4, 2).mean(1)])
            for x in (X, healthy, faulty)
        ]
        scorer = OEVAEScorer(n_segments=n_segments).fit(rows[0])
        auc[n_segments] = roc_auc_score(truth, scorer.anomaly_score(np.concatenate(rows[1:])))
    assert auc[4] > 0.99 > auc[1] + 0.2, auc


def test_augmented_neighbours_fill_the_gaps_of_a_small_domain():
    rng = np.random.default_rng(0)

    def on_a_line(n, offset):
        t = rng.permutation(np.linspace(-10, 10, n))
        return np.column_stack([rng.normal(size=n), t, offset + 0.3 * rng.normal(size=n)])

    X = np.concatenate([on_a_line(100, 0), on_a_line(6, 20)])
    domain = ["source"] * 100 + ["target"] * 6
    healthy, faulty = on_a_line(100, 20), on_a_line(100, 21)
    truth = np.repeat([0, 1], 100)
    auc, fitted = {}, {}
    for name, augmenter in {"plain": None, "augmented": MixupSMOTEAugmenter(random_state=0)}.items():
        fitted[name] = OEVAEScorer(0.0, augmenter=augmenter).fit(X, domain=domain)
        auc[name] = roc_auc_score(truth, fitted[name].anomaly_score(np.concatenate([healthy, faulty])))
    assert auc["augmented"] > auc["plain"] + 0.05, auc
    assert len(fitted["augmented"].held_out_scores_) == 106  # of the clips alone


def test_it_needs_an_embedding_beside_alpha(rows):
    with pytest.raises(ValueError, match="the first column is alpha"):
        OEVAEScorer().fit(rows[:, :1])
    with pytest.raises(ValueError, match="n_segments=3 does not divide the 4 columns"):
        OEVAEScorer(n_segments=3).fit(rows)
