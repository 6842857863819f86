"""Another detector for each machine."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skasd.compose import PerMachine, PerSection
from skasd.scorers import KNNScorer, LOFScorer, MahalanobisScorer

SYSTEMS = [
    ("lof", make_pipeline(StandardScaler(), LOFScorer())),
    ("maha", MahalanobisScorer()),
    ("sections", PerSection(estimator=KNNScorer())),
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
        fitted = PerMachine(SYSTEMS, CHOICE).fit(X, machine=machine, section=section)
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
    assert fitted.estimators_["valve"].sections_ == ["00", "01"]


def test_unknown_machine_is_the_best_fitting_one():
    X, machine, section = clips()
    new, asked, _ = clips(n=6, seed=1)
    fitted = PerMachine(SYSTEMS, CHOICE).fit(X, machine=machine, section=section)
    each = [fitted.decision_function(new, machine=[name] * len(new)) for name in fitted.choice_]
    assert_allclose(fitted.score_samples(new), np.max(each, axis=0))
    assert_array_equal(fitted.decision_function(new), fitted.score_samples(new))
    known = fitted.decision_function(new, machine=asked)
    assert_allclose(fitted.score_samples(new), known)  # machines this far apart are not mistaken
    assert fitted.offset_ == 0


def test_scale_and_training_scores_are_held_out():
    X, machine, _ = clips()
    fitted = PerMachine(SYSTEMS, CHOICE).fit(X, machine=machine)
    alone = MahalanobisScorer().fit(X[machine == "pump"])
    assert fitted.scale_["pump"] == pytest.approx(alone.training_scores_.std())
    expected = (alone.training_scores_ - alone.threshold_) / alone.training_scores_.std()
    assert_allclose(fitted.training_scores_[machine == "pump"], expected)


def test_sections_stand_in_for_machines():
    X, machine, _ = clips()
    by_machine = PerMachine(SYSTEMS, CHOICE).fit(X, machine=machine)
    by_section = PerMachine(SYSTEMS, CHOICE).fit(X, section=machine)
    assert_allclose(by_section.score_samples(X), by_machine.score_samples(X))
    assert_allclose(
        by_section.decision_function(X, section=machine), by_machine.decision_function(X, machine=machine)
    )
    with pytest.raises(ValueError, match=r"Unknown section 'drill'; known: \['fan', 'pump', 'valve'\]"):
        by_section.predict(X[:1], section=["drill"])


def test_nested_parameters():
    select = PerMachine(SYSTEMS, CHOICE)
    assert select.get_params()["lof__lofscorer__n_neighbors"] == 4
    select.set_params(lof__lofscorer__n_neighbors=6, sections=PerSection())
    X, machine, _ = clips()
    fitted = clone(select).fit(X, machine=machine)
    assert fitted.estimators_["fan"][-1].n_neighbors_ == {"all": 6}
    assert isinstance(fitted.estimators_["valve"].estimators_[None], LOFScorer)


def test_skipped_clips_and_parallel_fits():
    X, machine, _ = clips(n=20)
    X[[2, 30]] = np.nan
    one, two = (PerMachine(SYSTEMS, CHOICE, n_jobs=n).fit(X, machine=machine) for n in (1, 2))
    scores = one.score_samples(X)
    assert_array_equal(np.flatnonzero(np.isnan(scores)), [2, 30])
    assert_array_equal(scores, two.score_samples(X))
    assert len(one.training_scores_) == 58


def test_errors():
    X, machine, _ = clips(n=6)
    with pytest.raises(ValueError, match="unknown estimator 'dpt'; estimators has"):
        PerMachine(SYSTEMS, {"fan": "dpt"}).fit(X, machine=machine)
    with pytest.raises(ValueError, match="no estimator for machine 'pump'; there is one for"):
        PerMachine(SYSTEMS, {"fan": "lof"}).fit(X, machine=machine)
    with pytest.raises(ValueError, match="neither machine= nor section= was given"):
        PerMachine(SYSTEMS, CHOICE).fit(X)
    with pytest.raises(ValueError, match="machine has 17 entries for 18 clips"):
        PerMachine(SYSTEMS, CHOICE).fit(X, machine=machine[1:])
    for part in (GaussianMixture(), "drop"):
        with pytest.raises(
            TypeError, match=r"'a' must be an outlier detector .* has no (decision_function|fit)\."
        ):
            PerMachine([("a", part)], {None: "a"}).fit(X)
    with pytest.raises(ValueError, match="estimators is empty"):
        PerMachine([], {}).fit(X)
    with pytest.raises(ValueError, match="Machine 'fan': LOFScorer needs at least 2"):
        PerMachine([("lof", LOFScorer())], dict.fromkeys(["fan", "pump"], "lof")).fit(
            X[:4], machine=["fan", "pump", "pump", "pump"]
        )


def test_estimators_bear_the_names_of_their_machines():
    X, machine, section = clips()
    named = [(name, dict(SYSTEMS)[CHOICE[name]]) for name in ("valve", "fan", "pump")]
    fitted = PerMachine(named).fit(X, machine=machine, section=section)
    assert fitted.choice_ == {"fan": "fan", "pump": "pump", "valve": "valve"}
    chosen = PerMachine(SYSTEMS, CHOICE).fit(X, machine=machine, section=section)
    assert_array_equal(
        fitted.decision_function(X, machine=machine), chosen.decision_function(X, machine=machine)
    )
