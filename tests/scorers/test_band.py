"""Scores added up over groups of features."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from skasd import scorers
from skasd.persistence import load, save
from skasd.scorers import (
    BandScorer,
    FewClipsWarning,
    KNNCosineScorer,
    KNNScorer,
    LOFScorer,
    MahalanobisScorer,
)

pytestmark = pytest.mark.filterwarnings("ignore::skasd.scorers.FewClipsWarning")


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    mixing = random.normal(size=(12, 12))
    return random.normal(size=(90, 12)) @ mixing, random.normal(size=(50, 12)) @ mixing


def _plain(estimator, X, queries, bands, weights):
    """Compute the formula band by band, through the public methods of separate scorers."""
    total = 0
    for columns, weight in zip(bands, weights, strict=True):
        held_out = []
        for block in np.array_split(np.arange(len(X)), 5):
            rest = np.setdiff1d(np.arange(len(X)), block)
            fitted = clone(estimator).fit(X[rest][:, columns])
            held_out.append(fitted.anomaly_score(X[block][:, columns]))
        whole = clone(estimator).fit(X[:, columns])
        total = total + weight * whole.anomaly_score(queries[:, columns]) / np.concatenate(held_out).std()
    return total / np.sum(weights)


@pytest.mark.parametrize("estimator", [MahalanobisScorer(), KNNScorer(), KNNCosineScorer(2), LOFScorer()])
def test_is_the_sum_over_bands_in_units_of_their_spread(rows, estimator):
    X, queries = rows
    bands = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    scorer = BandScorer(estimator, bands=3, weights=[1, 2, 3]).fit(X)
    expected = _plain(estimator, X, queries, bands, [1, 2, 3])
    np.testing.assert_allclose(scorer.anomaly_score(queries), expected, rtol=1e-9)


@pytest.mark.parametrize("shrinkage", ["ledoit_wolf", "oas", 0.3, None])
def test_bands_of_many_features_and_few_rows(shrinkage):
    random = np.random.default_rng(0)
    X, queries = random.normal(size=(20, 200)) * np.geomspace(1, 100, 200), random.normal(size=(9, 200))
    estimator = MahalanobisScorer(shrinkage=shrinkage)
    scorer = BandScorer(estimator, bands=2).fit(X)
    expected = _plain(estimator, X, queries, scorer.bands_, [1, 1])
    np.testing.assert_allclose(scorer.anomaly_score(queries), expected, rtol=1e-9)


def test_bands_may_be_a_number_labels_or_overlapping_lists(rows):
    X, queries = rows
    by_number = BandScorer(bands=3).fit(X).anomaly_score(queries)
    by_labels = BandScorer(bands=np.repeat(["a", "b", "c"], 4)).fit(X).anomaly_score(queries)
    by_lists = BandScorer(bands=[range(4), range(4, 8), range(8, 12)]).fit(X).anomaly_score(queries)
    np.testing.assert_array_equal(by_number, by_labels)
    np.testing.assert_array_equal(by_number, by_lists)
    overlapping = BandScorer(bands=[range(12), range(4)]).fit(X)
    expected = _plain(MahalanobisScorer(), X, queries, overlapping.bands_, [1, 1])
    np.testing.assert_allclose(overlapping.anomaly_score(queries), expected, rtol=1e-9)


def test_a_weight_of_zero_leaves_a_band_out(rows):
    X, queries = rows
    far = queries.copy()
    far[:, 8:] += 100
    scorer = BandScorer(bands=3, weights=[1, 1, 0]).fit(X)
    np.testing.assert_array_equal(scorer.anomaly_score(far), scorer.anomaly_score(queries))
    assert (BandScorer(bands=3).fit(X).anomaly_score(far) > scorer.anomaly_score(queries)).all()


def test_a_fault_in_one_of_many_bands_is_heard_better_than_among_all_features():
    random = np.random.default_rng(1)

    def clips(n):
        common = random.normal(size=(n, 40, 1))
        return (common + random.normal(size=(n, 40, 5))).reshape(n, 200)

    X, queries, y = clips(60), clips(200), np.repeat([0, 1], 100)
    faulty = queries.reshape(200, 40, 5)
    faulty[100:, 7] += random.normal(size=(100, 5)) * 4
    by_band = roc_auc_score(y, BandScorer(KNNScorer(), bands=40).fit(X).anomaly_score(queries))
    at_once = roc_auc_score(y, KNNScorer().fit(X).anomaly_score(queries))
    assert by_band > at_once + 0.02


def test_domains_share_the_formula_of_the_estimator(rows):
    X, queries = rows
    shifted = np.concatenate([X, X[:20] + 30])
    domain = ["source"] * len(X) + ["target"] * 20
    scorer = BandScorer(bands=3).fit(shifted, domain=domain)
    assert list(scorer.references_) == ["source", "target"]
    near, far = scorer.anomaly_score(queries + 30), scorer.anomaly_score(queries + 15)
    assert np.median(near) < np.median(far) / 3


def test_the_threshold_holds_for_new_rows():
    random = np.random.default_rng(2)
    alarms = []
    for _ in range(20):
        X, new = random.normal(size=(60, 8)), random.normal(size=(200, 8))
        alarms.append((BandScorer(bands=4, contamination=0.1).fit(X).predict(new) == -1).mean())
    assert 0.05 < np.mean(alarms) < 0.15


@pytest.mark.parametrize("n", [3, 4, 5, 8])
@pytest.mark.parametrize("grouped", [False, True])
def test_the_threshold_of_few_rows_is_in_the_units_of_the_scores(n, grouped):
    # rows of a machine: many features, few causes
    random = np.random.default_rng(0)
    causes = random.normal(size=(3, 64))
    alarms = []
    for _ in range(10):
        rows = random.normal(size=(n + 100, 3)) @ causes + random.normal(size=(n + 100, 64))
        scorer = BandScorer(bands=4)
        with pytest.warns(FewClipsWarning):
            scorer.fit(rows[:n], groups=range(n) if grouped else None)
        alarms.append((scorer.predict(rows[n:]) == -1).mean())
    assert np.mean(alarms) < 1.5 / (n + 1)
    assert "_spreads" not in vars(scorer)


def test_one_row_and_equal_rows_are_scored(rows):
    X, queries = rows
    with pytest.warns(UserWarning, match=r"cannot hold|do not vary"):
        assert np.isfinite(BandScorer(KNNScorer(), bands=2).fit(X[:1]).anomaly_score(queries)).all()
    equal = np.tile(X[:1], (8, 1))
    assert np.isfinite(BandScorer(KNNScorer(), bands=2).fit(equal).anomaly_score(queries)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bands": 0}, r"bands.*0"),
        ({"bands": [0, 1]}, r"2 labels.*12 features"),
        ({"bands": [[0, 1], [12]]}, r"bands\[1\].*position 12.*0 to 11"),
        ({"bands": [[0, 1], []]}, r"bands\[1\]=\[\]"),
        ({"bands": [[0, 1], [2, 2]]}, r"bands\[1\]=\[2, 2\].*more than once"),
        ({"bands": 2, "weights": [1, 2, 3]}, r"weights has shape \(3,\).*2 bands"),
        ({"bands": 2, "weights": [1, -1]}, r"weights must be finite, not negative"),
        ({"estimator": LOFScorer(n_neighbors=0)}, r"n_neighbors"),
    ],
)
def test_bad_values_are_named(rows, arguments, message):
    with pytest.raises(ValueError, match=message):
        BandScorer(**arguments).fit(rows[0])


@pytest.mark.parametrize("name", ["BandScorer", "TermScorer", "GammaSoftmaxScorer", "OEVAEScorer"])
def test_formulae_that_are_not_of_any_columns_are_refused(rows, name):
    with pytest.raises(TypeError, match=rf"estimator={name}\(\): columns mean different things to a {name}"):
        BandScorer(getattr(scorers, name)()).fit(rows[0])


@pytest.mark.filterwarnings("ignore:BandScorer cannot hold one of 1 training clips out")
def test_with_one_row_the_spreads_are_one():
    scorer = BandScorer(KNNScorer(), bands=2).fit([[0, 0]])
    assert scorer.anomaly_score([[3, 4]]) == pytest.approx(3.5)


def test_the_estimator_stays_unfitted_and_its_parameters_can_be_searched(rows):
    X, queries = rows
    scorer = BandScorer(KNNScorer(), bands=3).set_params(estimator__n_neighbors=5).fit(X)
    assert not hasattr(scorer.estimator, "references_")
    other = BandScorer(KNNScorer(), bands=3).fit(X)
    assert not np.allclose(scorer.anomaly_score(queries), other.anomaly_score(queries))


def test_a_model_file_gives_the_same_scores(rows, tmp_path):
    X, queries = rows
    scorer = BandScorer(KNNScorer(2), bands=3, weights=[1, 1, 2]).fit(X)
    save(scorer, tmp_path / "band.skasd")
    again = load(tmp_path / "band.skasd")
    np.testing.assert_array_equal(again.anomaly_score(queries), scorer.anomaly_score(queries))
    assert again.offset_ == scorer.offset_
