"""The detector that does best on validation clips, for each machine."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import KFold, cross_val_score

from skasd.compose import NormalOnly, PerMachine, SelectBest
from skasd.metrics import harmonic_auc_scorer
from skasd.model_selection import FixedSplit, RecordingKFold
from skasd.scorers import KNNScorer, MahalanobisScorer


def validation_clips():
    """One machine whose anomalies have another direction, one whose anomalies are between its clusters."""
    rng = np.random.default_rng(0)
    narrow = rng.normal(size=(60, 2)) * [10, 0.1]
    off_axis = rng.normal(size=(20, 2)) * [10, 0.1] + [0, 1]
    clusters = rng.normal(size=(60, 2)) * 0.3 + np.where(np.arange(60) % 2, 5, -5)[:, None]
    between = rng.normal(size=(20, 2)) * 0.3
    X = np.concatenate([narrow, off_axis, clusters, between])
    y = np.tile(np.repeat([1, -1], [60, 20]), 2)
    machine = np.repeat(["narrow", "clusters"], 80)
    domain = np.tile(["source", "target"], 80)
    order = rng.permutation(160)
    return X[order], y[order], machine[order], domain[order]


@pytest.mark.parametrize("scoring", [harmonic_auc_scorer, "roc_auc"])
def test_criterion_chooses_for_each_machine(scoring):
    X, y, machine, domain = validation_clips()
    systems = [("maha", MahalanobisScorer()), ("knn", KNNScorer())]
    cv = RecordingKFold(3)
    fitted = SelectBest(systems, scoring=scoring, cv=cv).fit(X, y, machine=machine)
    assert fitted.choice_ == {"narrow": "maha", "clusters": "knn"}
    splits = list(cv.split(X, y))
    for name, scores in fitted.scores_.items():
        rows = np.flatnonzero(machine == name)
        inside = [[np.searchsorted(rows, part[machine[part] == name]) for part in split] for split in splits]
        for system, score in scores.items():
            alone = NormalOnly(dict(systems)[system])
            expected = cross_val_score(alone, X[rows], y[rows], scoring=scoring, cv=inside).mean()
            assert score == pytest.approx(expected)
        best = clone(dict(systems)[fitted.choice_[name]]).fit(X[rows][y[rows] == 1])
        assert fitted.estimators_[name].n_dropped_ == 20
        known = fitted.decision_function(X[rows], machine=machine[rows])
        assert_allclose(known * fitted.scale_[name], best.decision_function(X[rows]))
    with_domain = SelectBest(systems, scoring=scoring, cv=cv).fit(X, y, machine=machine, domain=domain)
    assert list(with_domain.estimators_["narrow"].estimator_.references_) == ["source", "target"]


def test_criterion_on_a_given_validation_split():
    X, y, machine, _ = validation_clips()
    rng = np.random.default_rng(1)
    subset = np.where((y == 1) & (rng.random(160) < 0.6), "train", "test")
    systems = [("maha", MahalanobisScorer()), ("forest", IsolationForest(n_estimators=10, random_state=0))]
    fitted = SelectBest(systems, scoring=harmonic_auc_scorer, cv=FixedSplit(subset)).fit(
        X, y, machine=machine
    )
    rows = machine == "narrow"
    trained = MahalanobisScorer().fit(X[rows & (subset == "train")])
    test = rows & (subset == "test")
    assert fitted.scores_["narrow"]["maha"] == pytest.approx(harmonic_auc_scorer(trained, X[test], y[test]))


def test_scores_are_those_of_the_same_choice():
    X, y, machine, _ = validation_clips()
    systems = [("maha", MahalanobisScorer()), ("knn", KNNScorer())]
    best = SelectBest(systems, "roc_auc").fit(X, y, machine=machine)
    normal = y == 1
    given = PerMachine(systems, best.choice_).fit(X[normal], machine=machine[normal])
    assert_allclose(best.score_samples(X), given.score_samples(X))
    assert_allclose(best.decision_function(X, machine=machine), given.decision_function(X, machine=machine))


def test_criterion_without_ground_truth():
    X, _, machine, _ = validation_clips()
    systems = [("one", KNNScorer()), ("many", KNNScorer(n_neighbors=9))]
    asked = []

    def fewest_neighbors(estimator, X, y=None):
        asked.append(y)
        return -estimator.estimator_.n_neighbors

    best = SelectBest(systems, fewest_neighbors, cv=KFold(3)).fit(X, machine=machine)
    assert best.choice_ == {"narrow": "one", "clusters": "one"}
    assert best.scores_["narrow"] == {"one": -1, "many": -9}
    assert asked == [None] * 12


def test_errors():
    X, y, machine, _ = validation_clips()
    systems = [("maha", MahalanobisScorer()), ("knn", KNNScorer())]
    for scoring in ("roc_auc", harmonic_auc_scorer):
        with pytest.raises(ValueError, match="needs y, the ground truth"):
            SelectBest(systems, scoring).fit(X, machine=machine)
    with pytest.raises(ValueError, match="'scoring' parameter"):
        SelectBest(systems, {"narrow": "maha"}).fit(X, y, machine=machine)
    with pytest.raises(ValueError, match="estimators is empty"):
        SelectBest([], "roc_auc").fit(X, y)


@pytest.mark.filterwarnings("ignore:Only one class is present")
def test_a_score_that_is_nan_does_not_choose():
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = np.repeat([1, -1], [27, 3])  # all anomalies in the last fold
    selection = SelectBest([("knn", KNNScorer()), ("other", MahalanobisScorer())], "roc_auc", cv=KFold(3))
    with pytest.raises(ValueError, match="scoring='roc_auc' is NaN for 'knn'"):
        selection.fit(X, y)
