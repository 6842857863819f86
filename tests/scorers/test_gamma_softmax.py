import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skasd import LogMelTransformer, MFNEmbedder
from skasd.datasets import make_machine_sounds
from skasd.labels import column_names
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
        [[-1.0, -0.5], [-0.4, -1.2]], section=[1, 0]
    )
    scores = scorer.anomaly_score([[0.0, -800.0], [-800.0, 0.0]], section=[0, 0])
    assert_allclose(scores, [np.log(EPS), -np.log(EPS)])


def test_sections_get_their_columns_in_any_order():
    X, label = classified()
    section = np.array(["c", "a", "b"])[label]
    order = np.array([1, 2, 0])  # the columns of a, b, c
    scorer = GammaSoftmaxScorer(calibration="cross").fit(X[:, order], section=section)
    assert scorer.columns_ == {
        "a": 0,
        "b": 1,
        "c": 2,
    }
    # whatever the order of the columns
    scorer.fit(X, section=section)
    assert scorer.columns_ == {"a": 1, "b": 2, "c": 0}


def test_columns_that_the_clips_do_not_tell_are_found_by_their_names():
    X, label = classified(certainty=-1.0)  # the wrong columns are the more probable ones
    section = [("1", 1, "1 ")[k] for k in label]
    names = column_names("mfnembedder_log_proba", section)  # of 1, "1", "1 ", in this order
    table = pd.DataFrame(X[:, [1, 0, 2]], columns=names)
    scorer = GammaSoftmaxScorer(calibration="cross").fit(table, section=section)
    assert scorer.columns_ == {1: 0, "1": 1, "1 ": 2}
    assert_allclose(scorer.anomaly_score(table, section=section), -X[np.arange(len(X)), label])


def test_columns_of_log_odds_are_found_by_their_names():
    X, label = classified(certainty=-1.0)
    section = np.array(["a", "b", "c"])[label]
    table = pd.DataFrame(X[:, [1, 0, 2]], columns=[f"net_log_odds[{name}]" for name in "bac"])
    scorer = GammaSoftmaxScorer(formula="negative", calibration="cross").fit(table, section=section)
    assert scorer.columns_ == {"a": 1, "b": 0, "c": 2}
    with pytest.raises(ValueError, match=r"no column log_odds\[...\] of 'd'"):
        scorer.fit(table, section=np.where(section == "a", "d", section))


def test_with_fewer_sections_than_columns_the_most_probable_column_counts():
    X, label = classified()
    kept = label != 1
    scorer = GammaSoftmaxScorer(calibration="cross").fit(
        X[kept], section=np.array(["x", "?", "y"])[label[kept]]
    )
    assert scorer.columns_ == {"x": 0, "y": 2}
    assert_allclose(scorer.anomaly_score(X), -np.maximum(X[:, 0], X[:, 2]))


def test_without_sections_the_best_column_counts():
    X, _ = classified()
    scorer = GammaSoftmaxScorer(calibration="cross").fit(X)
    assert_allclose(scorer.anomaly_score(X), -X.max(axis=1))
    with pytest.raises(ValueError, match=r"Unknown section '00'; known sections: \[\]"):
        scorer.decision_function(X, section=["00"] * len(X))


OTHER_THAN_LOG_PROBABILITIES = {
    "logits": lambda X: X - X.max() + 7,
    "probabilities": np.exp,
    "log-odds": lambda X: X - np.log1p(-np.exp(X)),
    "embeddings": lambda X: np.random.default_rng(0).normal(size=(120, 16)),
    "log-probabilities of classes that may sound together": lambda X: X + 0.4,
    "levels in dB, all below 0": lambda X: 10 * X - 30,
}


@pytest.mark.parametrize("formula", ["nll", "log_odds"])
@pytest.mark.parametrize("with_section", [True, False])
@pytest.mark.parametrize("kind", OTHER_THAN_LOG_PROBABILITIES)
def test_what_are_not_log_probabilities_is_refused(kind, with_section, formula):
    X, label = classified()
    wrong = OTHER_THAN_LOG_PROBABILITIES[kind](X)
    section = label if with_section else None
    scorer = GammaSoftmaxScorer(formula=formula)
    with pytest.raises(ValueError, match=r"row \d+.*add up to.*MFNEmbedder\(output='log_proba'\)"):
        scorer.fit(wrong, section=section)
    # one bad row among good ones, and at scoring
    if kind != "levels in dB, all below 0":
        scorer.fit(X, section=section)
        if wrong.shape == X.shape:
            mixed = np.vstack([X[:5], wrong[[wrong.sum(axis=1).argmax()]], X[6:]])
            with pytest.raises(ValueError, match="row 5, "):
                scorer.score_samples(mixed)
            with pytest.raises(ValueError, match="row 5, "):
                clone(scorer).fit(mixed, section=section)
    assert np.isfinite(GammaSoftmaxScorer(formula="negative").fit(wrong).score_samples(wrong)).all()


def test_means_over_patches_that_disagree_are_taken():
    patches = np.array([classified(certainty=4, seed=seed)[0] for seed in range(8)])
    patches[4:] = patches[4:, :, [1, 2, 0]]
    patches[4:, :3] = patches[:4, :3]  # a few clips on which they agree
    X = patches.mean(axis=0)
    assert np.exp(X).sum(axis=1).min() < 0.5
    scorer = GammaSoftmaxScorer().fit(X.astype(np.float32))
    assert_allclose(scorer.anomaly_score(X), -X.max(axis=1))


def test_the_chain_of_front_end_embedder_and_scorer():
    """Without output="log_proba" the largest value of an embedding would be the score."""
    data = make_machine_sounds(n_train=24, n_test=8, duration=1.0, random_state=0)
    train = (data.table["split"] == "train").to_numpy()
    embedder = MFNEmbedder(max_epochs=1, patch_frames=16, random_state=0)
    detector = make_pipeline(LogMelTransformer(n_mels=32), embedder, GammaSoftmaxScorer())
    with pytest.raises(ValueError, match="set_params\\(mfnembedder__output='log_proba'\\)"):
        detector.fit(data.X[train])
    detector.set_params(mfnembedder__output="log_proba").fit(data.X[train])
    log_p = detector[:-1].transform(data.X)
    assert_allclose(detector.score_samples(data.X), log_p.max(axis=1), rtol=1e-6)


def test_clips_of_another_section_score_higher():
    X, label = classified(certainty=6)
    scorer = GammaSoftmaxScorer().fit(X, section=label)
    new, truth = classified(certainty=6, seed=1)
    assert np.mean(scorer.predict(new, section=truth) == -1) < 0.2
    assert np.mean(scorer.predict(new, section=(truth + 1) % 3) == -1) > 0.95


@pytest.mark.parametrize("calibration", ["cross", "train", "gamma"])
def test_p_values_of_clips_of_known_section(calibration):
    X, label = classified(certainty=3)
    new, truth = classified(certainty=3, seed=1, n=600)
    scorer = GammaSoftmaxScorer(calibration=calibration).fit(X, section=label)
    for _ in range(2):
        p = scorer.p_value(new, section=truth)
        assert_array_equal(scorer.predict(new, section=truth) == -1, p < 0.1)
        scorer.set_threshold(new)
