import numpy as np
import pytest

from skasd.scorers import BandScorer, KNNScorer, TermScorer


def rows(n=80, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 5))
    X[:, 3:] = X[:, 3:] ** 2  # scores are not negative
    return X


def test_without_ready_columns_it_is_a_band_scorer():
    X, bands = rows(), [[0, 1], [2, 3, 4]]
    ours = TermScorer(KNNScorer(), bands=bands).fit(X)
    theirs = BandScorer(KNNScorer(), bands=bands).fit(X)
    np.testing.assert_array_equal(ours.anomaly_score(rows(seed=1)), theirs.anomaly_score(rows(seed=1)))
    assert ours.offset_ == theirs.offset_


def test_ready_columns_are_added_in_units_of_their_spread():
    X, new = rows(), rows(seed=1)
    scorer = TermScorer(bands=[[0, 1, 2]], ready=[3, 4], weights=[1, 1, 2]).fit(X)
    band = BandScorer(bands=[[0, 1, 2]]).fit(X).anomaly_score(new)
    by_hand = 0.25 * band + 0.25 * new[:, 3] / X[:, 3].std() + 0.5 * new[:, 4] / X[:, 4].std()
    np.testing.assert_allclose(scorer.anomaly_score(new), by_hand)
    # the more a column that is a score falls, the more normal: it has no two sides, as a feature has
    new[:, 4] = -5
    assert (scorer.predict(new) == 1).all()


def test_ready_columns_alone_keep_the_false_alarm_rate():
    X = np.abs(np.random.default_rng(0).normal(size=(500, 1)))
    scorer = TermScorer(ready=[0], contamination=0.1).fit(X)
    assert np.mean(
        scorer.predict(np.abs(np.random.default_rng(1).normal(size=(2000, 1)))) == -1
    ) == pytest.approx(0.1, abs=0.03)


def test_each_section_has_columns_of_its_own():
    X = rows()
    ready = {"a": [3], "b": [4]}
    for name, column in (("a", 3), ("b", 4)):
        own = TermScorer(bands=[[0, 1]], ready=ready).fit(X, section=[name] * len(X))
        plain = TermScorer(bands=[[0, 1]], ready=[column]).fit(X)
        np.testing.assert_array_equal(own.anomaly_score(X), plain.anomaly_score(X))
        assert own.offset_ == plain.offset_


def test_contributions_add_up_to_the_score():
    X = rows()
    scorer = TermScorer(bands=[[0, 1], [1, 2]], ready=[3]).fit(X)
    np.testing.assert_allclose(scorer.feature_contributions(X).sum(axis=1), scorer.anomaly_score(X))
    np.testing.assert_allclose(
        scorer.feature_contributions(X)[:, 3], X[:, 3] / X[:, 3].std() * scorer.weights_[-1]
    )


@pytest.mark.parametrize(
    ("parameters", "section", "message"),
    [
        ({"ready": {"a": [3]}}, None, r"each of \['a'\].*got clips of no section"),
        ({"ready": {"a": [3]}}, ["b"] * 80, r"got clips of \['b'\]"),
        ({"ready": {"a": [3], "b": [4]}}, ["a", "b"] * 40, r"got clips of \['a', 'b'\]"),
        ({"ready": [2.5]}, None, r"ready must hold positions of columns, .* got \[2\.5\]"),
        ({"ready": {"a": 2}}, ["a"] * 80, "ready must hold positions of columns, .* got 2"),
        ({"ready": "a"}, None, "The 'ready' parameter of TermScorer"),
        ({"ready": [5]}, None, "ready has the column 5, but X has 5 features"),
        ({"bands": [[0, 3]], "ready": [3]}, None, "Column 3 is in ready and in a band"),
        ({}, None, "there is nothing to score"),
    ],
)
def test_what_is_wrong_is_named(parameters, section, message):
    with pytest.raises(ValueError, match=message):
        TermScorer(**parameters).fit(rows(), section=section)
