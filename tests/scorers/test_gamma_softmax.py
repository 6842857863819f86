import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import log_softmax

from skasd.scorers import GammaSoftmaxScorer

EPS = 2.220446049250313e-16


def classified(n_classes=3, n=120, seed=0, certainty=2.0):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % n_classes
    return log_softmax(rng.normal(size=(n, n_classes)) + certainty * np.eye(n_classes)[label], axis=1), label


@pytest.mark.parametrize("certainty", [2.0, 60.0])
def test_formulae(certainty):
    X, label = classified(certainty=certainty)
    section = np.array(["00", "01", "02"])[label]
    p = np.exp(X[np.arange(len(X)), label])
    nll = GammaSoftmaxScorer(calibration="cross").fit(X, section=section)
    assert_allclose(nll.anomaly_score(X, section=section), -X[np.arange(len(X)), label])
    odds = GammaSoftmaxScorer(formula="log_odds", calibration="cross").fit(X, section=section)
    expected = np.log(np.maximum(1 - p, EPS)) - np.log(np.maximum(p, EPS))  # as the baselines have it
    assert_allclose(odds.anomaly_score(X, section=section), expected, rtol=1e-6, atol=1)
    precise = 1 - p > 1e-8  # where 1 - p does not cancel
    assert_allclose(odds.anomaly_score(X, section=section)[precise], expected[precise], rtol=1e-6)


def test_log_odds_are_clamped():
    scorer = GammaSoftmaxScorer(formula="log_odds", calibration="cross").fit(
        [[-1.0, -0.5], [-0.4, -1.1]], section=[1, 0]
    )
    scores = scorer.anomaly_score([[0.0, -800.0], [-800.0, 0.0]], section=[0, 0])
    assert_allclose(scores, [np.log(EPS), -np.log(EPS)])


def test_section_is_its_place_among_the_sorted_labels():
    X, label = classified()
    section = np.array(["c", "a", "b"])[label]
    order = np.array([1, 2, 0])  # the columns of a, b, c
    scorer = GammaSoftmaxScorer(calibration="cross").fit(X[:, order], section=section)
    assert {name: banks["all"] for name, banks in scorer.references_.items()} == {
        "a": 0,
        "b": 1,
        "c": 2,
    }
    with pytest.warns(
        UserWarning, match=r"sections \['a', 'b', 'c'\] .* most probable for their clips: \[1, 2, 0\]"
    ):
        GammaSoftmaxScorer(calibration="cross").fit(X, section=section)


def test_with_fewer_sections_than_columns_the_most_probable_column_counts():
    X, label = classified()
    kept = label != 1
    scorer = GammaSoftmaxScorer(calibration="cross").fit(
        X[kept], section=np.array(["x", "?", "y"])[label[kept]]
    )
    assert scorer.references_ == {"x": {"all": 0}, "y": {"all": 2}}
    assert_allclose(scorer.anomaly_score(X), -np.maximum(X[:, 0], X[:, 2]))


def test_without_sections_the_best_column_counts():
    X, _ = classified()
    scorer = GammaSoftmaxScorer(calibration="cross").fit(X)
    assert_allclose(scorer.anomaly_score(X), -X.max(axis=1))
    with pytest.raises(ValueError, match=r"Unknown section '00'; known sections: \[\]"):
        scorer.decision_function(X, section=["00"] * len(X))


def test_logits_are_refused():
    X, label = classified()
    with pytest.raises(ValueError, match="log-probabilities, at most 0, but X reaches 7"):
        GammaSoftmaxScorer().fit(X - X.max() + 7, section=label)


def test_clips_of_another_section_score_higher():
    X, label = classified(certainty=6)
    scorer = GammaSoftmaxScorer().fit(X, section=label)
    new, truth = classified(certainty=6, seed=1)
    assert np.mean(scorer.predict(new, section=truth) == -1) < 0.2
    assert np.mean(scorer.predict(new, section=(truth + 1) % 3) == -1) > 0.95
