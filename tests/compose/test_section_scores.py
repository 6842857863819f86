from collections import Counter

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skasd import ClipStatistics, LogMelTransformer
from skasd.compose import SectionScores
from skasd.scorers import KNNScorer, MahalanobisScorer


class Remembers(TransformerMixin, BaseEstimator):
    """An embedder that has learnt its clips by heart: these, and only these, it moves to the origin."""

    __metadata_request__fit = {"section": True, "domain": True}

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y=None, section=None, domain=None):
        self.known_ = {tuple(row) for row in np.asarray(X)}
        self.section_, self.domain_ = section, domain
        return self

    def transform(self, X):
        return np.array([row * (0.01 if tuple(row) in self.known_ else 1) for row in np.asarray(X)])


def two_sections(n=30):
    random = np.random.default_rng(0)
    X = random.normal(size=(2 * n, 3)) + np.repeat([[0, 0, 0], [20, 0, 0]], n, axis=0)
    return X, np.repeat(["00", "01"], n)


def test_training_clips_are_scored_by_embedders_that_have_not_seen_them():
    X, section = two_sections()
    fresh = np.random.default_rng(1).normal(size=(30, 3))
    scores = SectionScores(Remembers(), [KNNScorer()])
    held_out = scores.fit_transform(X, section=section)
    seen = scores.transform(X)
    # distances of clips that were learnt are those of a collapsed cloud
    assert np.median(held_out[:30, 0]) == pytest.approx(np.median(scores.transform(fresh)[:, 0]), rel=0.3)
    assert np.median(seen[:30, 0]) < 0.5 * np.median(held_out[:30, 0])
    for fold, embedder in enumerate(scores.embedders_):
        assert embedder.known_ == {tuple(row) for row in X[scores.folds_ != fold]}


def test_transform_is_the_mean_over_the_embedders():
    X, section = two_sections()
    scores = SectionScores(StandardScaler(), [MahalanobisScorer(), KNNScorer()]).fit(X, section=section)
    by_hand = []
    for fold in range(5):
        train = scores.folds_ != fold
        rows = StandardScaler().fit(X[train])
        by_hand.append(
            [
                type(scorer)()
                .fit(rows.transform(X[train & (section == name)]))
                .anomaly_score(rows.transform(X[:4]))
                for name in ("00", "01")
                for scorer in (MahalanobisScorer(), KNNScorer())
            ]
        )
    np.testing.assert_allclose(scores.transform(X[:4]), np.mean(by_hand, axis=0).T)
    assert scores.column_sections_ == ["00", "00", "01", "01"]
    assert scores.sections_ == ["00", "01"]


def test_recordings_are_whole_and_every_fold_has_each_section_and_domain():
    X, section = two_sections()
    groups = np.arange(60) // 3
    domain = np.where(np.arange(60) % 30 < 15, "source", "target")
    scores = SectionScores(Remembers()).fit(X, section=section, domain=domain, groups=groups)
    assert all(len(set(scores.folds_[groups == group])) == 1 for group in range(20))
    for name in ("00", "01"):
        for where in ("source", "target"):
            own = scores.folds_[(section == name) & (domain == where)]
            assert set(own) == {0, 1, 2, 3, 4}
    assert set(scores.embedders_[0].section_) == {"00", "01"}
    assert set(scores.embedders_[0].domain_) == {"source", "target"}


def test_of_fewer_recordings_than_folds_stretches_are_left_out():
    X, section = two_sections(10)
    scores = SectionScores(Remembers()).fit(X, section=section, groups=["a"] * 10 + ["b"] * 10)
    assert scores.folds_.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4] * 2


def test_embedders_differ_by_seed_and_come_again():
    X, _ = two_sections()
    first, again, other = (
        [each.random_state for each in SectionScores(Remembers(), random_state=seed).fit(X).embedders_]
        for seed in (0, 0, 1)
    )
    assert first == again != other
    assert len(set(first)) == 5


def test_training_is_bounded_and_each_section_and_domain_has_its_share():
    X, section = two_sections(30)
    X, section = X[:40], section[:40]  # 30 and 10
    domain = np.where(np.arange(40) % 10 == 0, "target", "source")
    scores = SectionScores(Remembers(), max_clips=12).fit(X, section=section, domain=domain)
    for embedder in scores.embedders_:
        assert len(embedder.known_) == 12
        pairs = Counter(zip(embedder.section_, embedder.domain_, strict=True))
        assert {pairs[name, "source"] for name in ("00", "01")} <= {4, 5}
        assert {"source", "target"} == set(embedder.domain_)


def test_clips_go_through_a_pipeline_a_few_at_a_time():
    clips = np.random.default_rng(0).normal(scale=0.1, size=(150, 800)).astype(np.float32)
    section = np.repeat(["a", "b"], 75)
    most = []

    class Statistics(ClipStatistics):
        def transform(self, X):
            most.append(len(X))
            return super().transform(X)

    front = LogMelTransformer(n_fft=128, hop_length=64, n_mels=8, dtype="float16")
    scores = SectionScores(make_pipeline(front, Statistics(("mean",)), Remembers()), max_clips=50)
    held_out = scores.fit_transform(clips, section=section)
    assert held_out.shape == (150, 4)
    assert np.isfinite(held_out).all()
    assert max(most) <= 128
    whole = make_pipeline(front, ClipStatistics(("mean",))).fit_transform(clips)
    assert all(embedder[-1].random_state is not None for embedder in scores.embedders_)
    assert scores.embedders_[0][-1].known_ <= {tuple(row) for row in whole}


def test_errors_say_what_is_missing():
    with pytest.raises(TypeError, match=r"scorers must be scorers of this package.*got IsolationForest\(\)"):
        SectionScores(StandardScaler(), [IsolationForest()]).fit(np.zeros((9, 2)))
    X = np.arange(20.0).reshape(10, 2)
    assert set(SectionScores(StandardScaler(), n_folds=2).fit(X).folds_) == {0, 1}
    with pytest.raises(ValueError, match="'n_folds' parameter"):
        SectionScores(StandardScaler(), n_folds=1).fit(X)
    X, section = two_sections(2)
    with pytest.raises(ValueError, match="n_folds=5 needs as many clips of each section, got n_samples=2"):
        SectionScores(StandardScaler()).fit(X, section=section)
    with pytest.raises(ValueError, match="section has 3 entries for 4 clips"):
        SectionScores(StandardScaler()).fit(X, section=section[:3])


def test_tables_from_both_methods():
    X, section = two_sections()
    scores = SectionScores(StandardScaler(), random_state=0)
    held_out, own = scores.fit_transform(X, section=section), scores.transform(X)
    names = [f"sectionscores{i}" for i in range(4)]
    scores.set_output(transform="pandas")
    for table, expected in ((scores.fit_transform(X, section=section), held_out), (scores.transform(X), own)):
        assert list(table.columns) == names
        np.testing.assert_array_equal(table, expected)
    assert (held_out != own).all()
