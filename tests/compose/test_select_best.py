"""Another system for each machine."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skasd.compose import NormalOnly, PerSection, SelectBest
from skasd.metrics import harmonic_auc_scorer
from skasd.model_selection import FixedSplit, RecordingKFold
from skasd.scorers import KNNScorer, LOFScorer, MahalanobisScorer

SYSTEMS = [
    ("lof", make_pipeline(StandardScaler(), LOFScorer())),
    ("maha", MahalanobisScorer()),
    ("sections", PerSection(detector=KNNScorer())),
]


def clips(n=60, seed=0):
    """Three machines of two sections each, in random order."""
    rng = np.random.default_rng(seed)
    machine = rng.permutation(np.repeat(["fan", "pump", "valve"], n))
    section = rng.permuted(np.tile(["00", "01"], 3 * n // 2))
    X = (
        rng.normal(size=(3 * n, 3))
        + np.where(machine == "fan", 0, np.where(machine == "pump", 20, 40))[:, None]
    )
    return X + 5 * (section == "01")[:, None], machine, section


CHOICE = {"fan": "lof", "pump": "maha", "valve": "sections", "slider": "lof"}


@pytest.mark.parametrize("routing", [True, False])
def test_fixed_choice_is_the_system_on_the_clips_of_the_machine(routing):
    X, machine, section = clips()
    new, asked, asked_section = clips(n=6, seed=1)
    with config_context(enable_metadata_routing=routing):
        fitted = SelectBest(SYSTEMS, by=CHOICE).fit(X, machine=machine, section=section)
        decisions = fitted.decision_function(new, machine=asked, section=asked_section)
        predicted = fitted.predict(new, machine=asked, section=asked_section)
    assert fitted.choice_ == {"fan": "lof", "pump": "maha", "valve": "sections"}
    for name, system in fitted.choice_.items():
        rows, ours = machine == name, asked == name
        alone = clone(dict(SYSTEMS)[system])
        if system == "sections":
            alone.fit(X[rows], section=section[rows])
            expected = alone.decision_function(new[ours], section=asked_section[ours])
        else:
            expected = alone.fit(X[rows]).decision_function(new[ours])
        assert_allclose(decisions[ours] * fitted.scale_[name], expected)
    assert_array_equal(predicted, np.where(decisions >= 0, 1, -1))
    assert fitted.detectors_["valve"].sections_ == ["00", "01"]


def test_unknown_machine_is_the_best_fitting_one():
    X, machine, section = clips()
    new, asked, _ = clips(n=6, seed=1)
    fitted = SelectBest(SYSTEMS, by=CHOICE).fit(X, machine=machine, section=section)
    each = [fitted.decision_function(new, machine=[name] * len(new)) for name in fitted.choice_]
    assert_allclose(fitted.score_samples(new), np.max(each, axis=0))
    assert_array_equal(fitted.decision_function(new), fitted.score_samples(new))
    known = fitted.decision_function(new, machine=asked)
    assert_allclose(fitted.score_samples(new), known)  # machines this far apart are not mistaken
    assert fitted.offset_ == 0


def test_scale_and_training_scores_are_held_out():
    X, machine, _ = clips()
    fitted = SelectBest(SYSTEMS, by=CHOICE).fit(X, machine=machine)
    alone = MahalanobisScorer().fit(X[machine == "pump"])
    assert fitted.scale_["pump"] == pytest.approx(alone.training_scores_.std())
    expected = (alone.training_scores_ - alone.threshold_) / alone.training_scores_.std()
    assert_allclose(fitted.training_scores_[machine == "pump"], expected)


def test_sections_stand_in_for_machines():
    X, machine, _ = clips()
    by_machine = SelectBest(SYSTEMS, by=CHOICE).fit(X, machine=machine)
    by_section = SelectBest(SYSTEMS, by=CHOICE).fit(X, section=machine)
    assert_allclose(by_section.score_samples(X), by_machine.score_samples(X))
    assert_allclose(
        by_section.decision_function(X, section=machine), by_machine.decision_function(X, machine=machine)
    )
    with pytest.raises(ValueError, match=r"Unknown section 'drill'; known: \['fan', 'pump', 'valve'\]"):
        by_section.predict(X[:1], section=["drill"])


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


@pytest.mark.parametrize("by", [harmonic_auc_scorer, "roc_auc"])
def test_criterion_chooses_for_each_machine(by):
    X, y, machine, domain = validation_clips()
    systems = [("maha", MahalanobisScorer()), ("knn", KNNScorer())]
    cv = RecordingKFold(3)
    fitted = SelectBest(systems, by=by, cv=cv).fit(X, y, machine=machine)
    assert fitted.choice_ == {"narrow": "maha", "clusters": "knn"}
    splits = list(cv.split(X, y))
    for name, scores in fitted.scores_.items():
        rows = np.flatnonzero(machine == name)
        inside = [[np.searchsorted(rows, part[machine[part] == name]) for part in split] for split in splits]
        for system, score in scores.items():
            alone = NormalOnly(dict(systems)[system])
            expected = cross_val_score(alone, X[rows], y[rows], scoring=by, cv=inside).mean()
            assert score == pytest.approx(expected)
        best = clone(dict(systems)[fitted.choice_[name]]).fit(X[rows][y[rows] == 1])
        assert fitted.detectors_[name].n_dropped_ == 20
        known = fitted.decision_function(X[rows], machine=machine[rows])
        assert_allclose(known * fitted.scale_[name], best.decision_function(X[rows]))
    with_domain = SelectBest(systems, by=by, cv=cv).fit(X, y, machine=machine, domain=domain)
    assert list(with_domain.detectors_["narrow"].estimator_.references_[None]) == ["source", "target"]


def test_criterion_on_a_given_validation_split():
    X, y, machine, _ = validation_clips()
    rng = np.random.default_rng(1)
    subset = np.where((y == 1) & (rng.random(160) < 0.6), "train", "test")
    systems = [("maha", MahalanobisScorer()), ("forest", IsolationForest(n_estimators=10, random_state=0))]
    fitted = SelectBest(systems, by=harmonic_auc_scorer, cv=FixedSplit(subset)).fit(X, y, machine=machine)
    rows = machine == "narrow"
    trained = MahalanobisScorer().fit(X[rows & (subset == "train")])
    test = rows & (subset == "test")
    assert fitted.scores_["narrow"]["maha"] == pytest.approx(harmonic_auc_scorer(trained, X[test], y[test]))


def test_nested_parameters():
    select = SelectBest(SYSTEMS, by=CHOICE)
    assert select.get_params()["lof__lofscorer__n_neighbors"] == 4
    select.set_params(lof__lofscorer__n_neighbors=6, sections=PerSection())
    X, machine, _ = clips()
    fitted = clone(select).fit(X, machine=machine)
    assert fitted.detectors_["fan"][-1].n_neighbors_ == {"all": 6}
    assert isinstance(fitted.detectors_["valve"].detectors_[None], LOFScorer)


def test_skipped_clips_and_parallel_fits():
    X, machine, _ = clips(n=20)
    X[[2, 30]] = np.nan
    one, two = (SelectBest(SYSTEMS, by=CHOICE, n_jobs=n).fit(X, machine=machine) for n in (1, 2))
    scores = one.score_samples(X)
    assert_array_equal(np.flatnonzero(np.isnan(scores)), [2, 30])
    assert_array_equal(scores, two.score_samples(X))
    assert len(one.training_scores_) == 58


def test_errors():
    X, machine, _ = clips(n=6)
    with pytest.raises(ValueError, match="unknown system 'dpt'; systems has"):
        SelectBest(SYSTEMS, by={"fan": "dpt"}).fit(X, machine=machine)
    with pytest.raises(ValueError, match="no system for machine 'pump'"):
        SelectBest(SYSTEMS, by={"fan": "lof"}).fit(X, machine=machine)
    with pytest.raises(ValueError, match="neither machine= nor section= was given"):
        SelectBest(SYSTEMS, by=CHOICE).fit(X)
    with pytest.raises(ValueError, match="needs y, the ground truth"):
        SelectBest(SYSTEMS, by="roc_auc").fit(X, machine=machine)
    with pytest.raises(ValueError, match="machine has 17 entries for 18 clips"):
        SelectBest(SYSTEMS, by=CHOICE).fit(X, machine=machine[1:])
    with pytest.raises(ValueError, match="systems is empty"):
        SelectBest([], by={}).fit(X)
    with pytest.raises(ValueError, match="Machine 'fan': LOFScorer needs at least 2"):
        SelectBest([("lof", LOFScorer())], by=dict.fromkeys(["fan", "pump"], "lof")).fit(
            X[:4], machine=["fan", "pump", "pump", "pump"]
        )
