"""Rows that an augmenter adds to the references."""

import numpy as np
import pytest

from skasd.augment import MixupSMOTEAugmenter
from skasd.compose import PerSection
from skasd.scorers import CosineMeanScorer, KNNScorer, OEVAEScorer

from ._cases import WITH_DOMAINS


class Recorder(MixupSMOTEAugmenter):
    """Remembers what it was called with; clones share the list."""

    calls: list = []

    def augment(self, X, y=None, **metadata):
        out = super().augment(X, y, **metadata)
        self.calls.append((X, metadata, out))
        return out


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(60, 4)), rng.normal(3, 1, size=(12, 4))]) + 5
    return X, np.array(["source"] * 60 + ["target"] * 12, dtype=object)


@pytest.fixture
def recorder():
    Recorder.calls = []
    return Recorder(random_state=0)


@pytest.mark.parametrize("scorer", WITH_DOMAINS, ids=repr)
def test_references_are_made_of_the_augmented_rows(scorer, data, recorder):
    X, domain = data
    scorer = type(scorer)(**{**scorer.get_params(deep=False), "augmenter": recorder, "calibration": "train"})
    scorer.fit(X, domain=domain)
    (given, _metadata, (rows, _, made)), *rest = recorder.calls
    assert not rest or isinstance(scorer, OEVAEScorer)  # keeps held-out scores whatever the calibration
    np.testing.assert_array_equal(given, X)
    assert (made["domain"] == "target").sum() == 60, (
        "the target domain is filled up to the source domain's number"
    )
    plain = type(scorer)(**{**scorer.get_params(deep=False), "augmenter": None}).fit(
        rows, domain=made["domain"]
    )
    queries = X + 0.3
    np.testing.assert_allclose(scorer.anomaly_score(queries), plain.anomaly_score(queries))
    assert len(scorer.training_scores_) == len(X)
    assert scorer.augmenter is recorder


@pytest.mark.parametrize("scorer", WITH_DOMAINS, ids=repr)
def test_no_row_is_held_out_against_rows_made_of_it(scorer, data, recorder):
    X, domain = data
    scorer = type(scorer)(**{**scorer.get_params(deep=False), "augmenter": recorder}).fit(X, domain=domain)
    assert len(recorder.calls) == 11  # once for the references, once for each of ten folds
    held_out = [set(map(tuple, X)) - set(map(tuple, given)) for given, _, _ in recorder.calls[1:]]
    assert sorted(row for fold in held_out for row in fold) == sorted(map(tuple, X))
    assert np.isfinite(scorer.training_scores_).all()


def test_false_alarm_rate_holds_with_an_augmenter():
    rng = np.random.default_rng(1)
    new = rng.normal(size=(2000, 3))
    rates = {}
    for calibration in ("cross", "train"):
        scorer = KNNScorer(
            augmenter=MixupSMOTEAugmenter(method="smote", random_state=0), calibration=calibration
        )
        rates[calibration] = []
        for _ in range(5):
            X = rng.normal(size=(200, 3))
            domain = np.where(np.arange(200) < 150, "source", "target")
            rates[calibration].append((scorer.fit(X, domain=domain).predict(new) == -1).mean())
    assert 0.06 < np.mean(rates["cross"]) < 0.14
    assert np.mean(rates["train"]) > 0.5


def test_without_domains_and_with_sections(data, recorder):
    X, _ = data
    section = np.where(np.arange(len(X)) % 3 == 0, "b", "a")
    recorder.set_params(sampling_strategy=2.0)
    PerSection(None, CosineMeanScorer(augmenter=recorder)).fit(X, section=section)
    sizes = [len(given) for given, _, _ in recorder.calls]
    assert {24, 48} < set(sizes)  # and those without what is held out
    assert all(len(rows) == 2 * len(given) for given, _, (rows, _, _) in recorder.calls)
    assert all(metadata == {"domain": None} for _, metadata, _ in recorder.calls)


def test_an_augmenter_must_augment():
    with pytest.raises(ValueError, match="augmenter"):
        KNNScorer(augmenter=3).fit(np.zeros((5, 2)))
