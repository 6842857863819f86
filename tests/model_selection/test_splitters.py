import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neighbors import LocalOutlierFactor

from skasd.metrics import harmonic_auc_scorer
from skasd.model_selection import FixedSplit, RecordingKFold


@st.composite
def recordings(draw):
    """Labels and recordings of clips: some recordings normal, some anomalous, some both."""
    n_splits = draw(st.integers(2, 5))
    kinds = ["normal"] * n_splits + ["anomalous"] * n_splits
    kinds += draw(st.lists(st.sampled_from(["normal", "anomalous", "both"]), max_size=12))
    y, groups = [], []
    for group, kind in enumerate(kinds):
        n = draw(st.integers(1, 5))
        labels = {"normal": [1] * n, "anomalous": [-1] * n, "both": [1] * n + [-1]}[kind]
        y += labels
        groups += [f"rec{group}"] * len(labels)
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(y))
    return n_splits, np.array(y)[order], np.array(groups)[order]


@settings(deadline=None, max_examples=60)
@given(recordings(), st.sampled_from(["all", "share"]), st.booleans())
def test_invariants(data, anomalies, shuffle):
    n_splits, y, groups = data
    X = np.zeros((len(y), 1))
    mixed = set(groups[y == 1]) & set(groups[y == -1])
    cv = RecordingKFold(n_splits, anomalies=anomalies, shuffle=shuffle, random_state=0 if shuffle else None)
    folds = list(cv.split(X, y, groups))
    assert len(folds) == n_splits == cv.get_n_splits(X, y, groups)
    for train, test in folds:
        assert len(train)
        assert (y[train] == 1).all()
        assert set(y[test]) == {1, -1}
        assert not set(groups[train]) & set(groups[test])
        assert (np.diff(train) > 0).all()
        assert (np.diff(test) > 0).all()
        # no normal clip is lost: those not tested are trained on
        assert set(train) | set(test[y[test] == 1]) == set(np.flatnonzero(y == 1))
    times_tested = np.bincount(np.concatenate([test for _, test in folds]), minlength=len(y))
    assert (times_tested[y == 1] == 1).all()
    expected = n_splits if anomalies == "all" else 1
    pure = ~np.isin(groups, list(mixed))
    assert (times_tested[(y == -1) & pure] == expected).all()
    assert (times_tested[(y == -1) & ~pure] == 1).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 6), st.integers(0, 50))
def test_without_groups_each_clip_is_a_recording(n_splits, surplus):
    y = np.repeat([1, -1], [n_splits + surplus, 7])
    sizes = [np.sum(y[test] == 1) for _, test in RecordingKFold(n_splits).split(y, y)]
    assert sum(sizes) == n_splits + surplus
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("anomalies", ["all", "share"])
def test_domain_and_section_are_balanced_over_folds(anomalies):
    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], [420, 200])
    domain = np.where((np.arange(620) % 21 == 0) | (y == -1), "target", "source")  # normal: 20 of target
    section = rng.choice(["00", "01"], size=620)
    for _, test in RecordingKFold(5, anomalies=anomalies).split(y, y, domain=domain, section=section):
        normal = test[y[test] == 1]
        assert np.sum(domain[normal] == "target") == pytest.approx(4, abs=1)
        assert np.sum(section[normal] == "01") == pytest.approx(np.sum(section[:420] == "01") / 5, abs=2)


def test_too_few_clips_of_a_domain_for_the_folds_are_warned_of():
    y = np.repeat([1, -1], [20, 5])
    domain = np.where(np.arange(25) < 3, "target", "source")
    with pytest.warns(UserWarning, match="only 3 normal clips .* fewer than n_splits=5") as caught:
        folds = list(RecordingKFold(5).split(y, y, domain=domain))
    assert len(caught) == 1
    assert sorted(np.sum(domain[test] == "target") for _, test in folds) == [0, 0, 1, 1, 1]


def test_shuffling_is_seeded_and_does_something():
    y = np.repeat([1, -1], [40, 10])

    def tests(**parameters):
        return [tuple(test) for _, test in RecordingKFold(4, **parameters).split(y, y)]

    first = tests(shuffle=True, random_state=0)
    assert first == tests(shuffle=True, random_state=0)
    assert first != tests(shuffle=True, random_state=1)
    assert first != tests()


@pytest.mark.parametrize(
    "groups", [[1, 1, "1", ("t", 2), 2.5, ("t", 1)], pd.Series(list("aabcde")), [*"aabcde"]]
)
def test_groups_of_any_kind(groups):
    y = [1, 1, 1, 1, -1, -1]
    folds = [(list(train), list(test)) for train, test in RecordingKFold(2).split(["x.wav"] * 6, y, groups)]
    assert sorted(train for train, _ in folds) == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("parameters", "data", "message"),
    [
        ({"n_splits": 1}, {}, "n_splits"),
        ({"anomalies": "some"}, {}, "anomalies"),
        ({"shuffle": "yes"}, {}, "shuffle"),
        ({}, {"y": None}, "needs y"),
        ({}, {"y": [1, 1]}, r"y has shape \(2,\), X has 6 clips"),
        ({}, {"y": [0, 0, 0, 0, 1, 1]}, "coded"),
        ({}, {"y": [1] * 6}, "no anomalous clip .*GroupKFold"),
        ({}, {"groups": ["a"] * 5}, "groups has 5 entries for 6 clips"),
        ({}, {"domain": ["source"]}, "domain has 1 entries for 6 clips"),
        ({}, {"groups": [1, 1, 1, 1, 2, 3]}, "as many recordings with normal clips, got 1: use fewer folds"),
        (
            {"anomalies": "share"},
            {"groups": [1, 2, 3, 4, 5, 5]},
            "anomalous clips, got 1: .* anomalies='all'",
        ),
        ({"anomalies": "share"}, {"groups": [1, 2, 3, 4, 1, 1]}, "fold 0 of 2 has no anomalous clip"),
    ],
)
def test_errors_say_what_is_wrong(parameters, data, message):
    data = {"X": np.zeros((6, 1)), "y": [1, 1, 1, 1, -1, -1]} | data
    with pytest.raises(ValueError, match=message):
        list(RecordingKFold(**({"n_splits": 2} | parameters)).split(**data))


class Recorder(OutlierMixin, BaseEstimator):
    """Remembers what it was fitted on; scores are the second column."""

    def __init__(self, seen=None):
        self.seen = seen

    def fit(self, X, y=None):
        self.fitted_ = set(X[:, 0])
        return self

    def score_samples(self, X):
        assert not self.fitted_ & set(X[:, 0])
        return X[:, 1]


def test_groups_are_routed_through_cross_validate():
    rng = np.random.default_rng(0)
    groups = rng.integers(12, size=120)
    y = np.where(groups % 3 == 0, -1, 1)
    X = np.column_stack([groups, rng.normal(size=120) + y])  # a recording seen on both sides would assert
    domain = np.where(groups % 2, "source", "target")
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_validate(
            Recorder(),
            X,
            y,
            scoring=harmonic_auc_scorer,
            cv=RecordingKFold(4),
            params={"groups": groups, "domain": domain},
            error_score="raise",
        )["test_score"]
    assert (scores > 0.6).all()


@pytest.mark.parametrize("routing", [False, True])
def test_grid_search_with_groups(routing):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 3)
    y = np.where(groups < 30, 1, -1)
    X = rng.normal(size=(120, 2)) + (y == -1)[:, None] * 2
    with sklearn.config_context(enable_metadata_routing=routing):
        search = GridSearchCV(
            LocalOutlierFactor(novelty=True),
            {"n_neighbors": [2, 10]},
            scoring=harmonic_auc_scorer,
            cv=RecordingKFold(3),
            refit=False,
            error_score="raise",
        ).fit(X, y, groups=groups)
    assert search.n_splits_ == 3
    assert search.best_params_ == {"n_neighbors": 10}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["train", "test", "supplemental"]), min_size=2, max_size=30))
def test_fixed_split_is_the_column(subset):
    assume({"train", "test"} <= set(subset))
    cv = FixedSplit(pd.Series(subset))
    ((train, test),) = cv.split(subset)
    assert cv.get_n_splits() == 1
    assert [i for i, s in enumerate(subset) if s == "train"] == list(train)
    assert [i for i, s in enumerate(subset) if s == "test"] == list(test)


def test_fixed_split_in_a_grid_search():
    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], [60, 20])
    X = rng.normal(size=(80, 2)) + (y == -1)[:, None] * 2
    subset = np.where(np.arange(80) < 40, "train", "test")
    search = GridSearchCV(
        LocalOutlierFactor(novelty=True),
        {"n_neighbors": [2, 10]},
        scoring=harmonic_auc_scorer,
        cv=FixedSplit(subset),
        refit=False,
        error_score="raise",
    ).fit(X, y)
    for k, found in zip((2, 10), search.cv_results_["mean_test_score"], strict=True):
        detector = LocalOutlierFactor(n_neighbors=k, novelty=True).fit(X[:40])
        assert found == harmonic_auc_scorer(detector, X[40:], y[40:])


@pytest.mark.parametrize(
    ("subset", "message"),
    [
        (["train", "test", "eval"], "got eval"),
        (["train", "test"], "subset has 2 entries, X has 3"),
        (["train"] * 3, "3 clips to train on and 0 to test on"),
        ([["train"], ["test"], ["test"]], "shape"),
    ],
)
def test_fixed_split_says_what_is_wrong(subset, message):
    with pytest.raises(ValueError, match=message):
        list(FixedSplit(subset).split(np.zeros((3, 1))))


def test_repr_and_pickle():
    cv = RecordingKFold(3, anomalies="share", shuffle=True, random_state=7)
    assert repr(cv) == "RecordingKFold(anomalies='share', n_splits=3, random_state=7, shuffle=True)"
    assert repr(pickle.loads(pickle.dumps(cv))) == repr(cv)
    assert repr(FixedSplit(["train", "test"])) == "FixedSplit(subset=['train', 'test'])"
