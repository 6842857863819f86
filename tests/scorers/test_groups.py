"""Thresholds that hold for clips of new recordings."""

import numpy as np
import pytest
import sklearn
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skasd.compose import NormalOnly
from skasd.scorers import ColumnScorer, FewClipsWarning, KNNScorer, LOFScorer, MahalanobisScorer

from ._cases import WITH_DOMAINS


def recordings(rng, n_recordings, n_windows=12, n_features=4):
    """Windows of a recording differ by 0.3, recordings by 1."""
    place = rng.normal(size=(n_recordings, 1, n_features))
    X = place + 0.3 * rng.normal(size=(n_recordings, n_windows, n_features))
    return X.reshape(-1, n_features) + 4, np.repeat([f"rec_{i}" for i in range(n_recordings)], n_windows)


@pytest.mark.parametrize("scorer", WITH_DOMAINS, ids=repr)
def test_false_alarm_rate_holds_for_new_recordings(scorer):
    rng = np.random.default_rng(0)
    new, _ = recordings(rng, 400)
    rates = {True: [], False: []}
    for _ in range(4):
        X, groups = recordings(rng, 25)
        for told in rates:
            fitted = scorer.fit(X, groups=groups if told else np.arange(len(X)))
            rates[told].append((fitted.predict(new) == -1).mean())
    assert 0.03 < np.mean(rates[True]) < 0.18
    assert np.mean(rates[False]) > np.mean(rates[True])


def test_whole_recordings_are_left_out_but_only_for_the_threshold():
    rng = np.random.default_rng(0)
    X, groups = recordings(rng, 6)
    scorer, plain = KNNScorer().fit(X, groups=groups), KNNScorer().fit(X, groups=np.arange(len(X)))
    expected = [np.linalg.norm(X[groups != g] - x, axis=1).min() for x, g in zip(X, groups, strict=True)]
    ratio = scorer.training_scores_ / expected  # all are lowered alike, for six recordings in place of five
    np.testing.assert_allclose(ratio, ratio[0])
    assert 2 / 3 <= ratio[0] <= 1
    np.testing.assert_allclose(scorer.anomaly_score(X + 0.1), plain.anomaly_score(X + 0.1))
    assert scorer.threshold_ > 2 * plain.threshold_


def test_many_groups_are_spread_over_ten_folds():
    X, groups = recordings(np.random.default_rng(0), 37, n_windows=3)
    scorer = MahalanobisScorer().fit(X, groups=groups)
    single = MahalanobisScorer().fit(X, groups=np.arange(len(X)) // 12)
    assert np.isfinite(scorer.training_scores_).all()
    assert scorer.threshold_ == pytest.approx(single.threshold_, rel=0.3)


def test_groups_and_domains():
    rng = np.random.default_rng(0)
    X, groups = recordings(rng, 8)
    domain = np.where(groups == "rec_7", "target", "source")
    X[domain == "target"] += 20
    for normalization in (None, "zscore"):  # the only recording of the target domain is halved
        scorer = KNNScorer(domain_normalization=normalization).fit(X, groups=groups, domain=domain)
        assert scorer.n_recordings_ == 9
        assert np.isfinite(scorer.training_scores_).all()
        assert scorer.training_scores_[domain == "target"].max() < 20
    domain = np.where(np.isin(groups, ["rec_6", "rec_7"]), "target", "source")
    scorer = KNNScorer(domain_normalization="zscore").fit(X, groups=groups, domain=domain)
    assert np.isfinite(scorer.training_scores_).all()


def test_proxies_and_skipped_clips_belong_to_no_group():
    X, groups = recordings(np.random.default_rng(0), 4)
    extra = np.concatenate([X, np.full((1, 4), np.nan), 100 + X[:1]])
    told = [*groups, "lost", "other"]
    proxy = [False] * (len(X) + 1) + [True]
    scorer = KNNScorer().fit(extra, groups=told, proxy=proxy)
    assert scorer.threshold_ == KNNScorer().fit(X, groups=groups).threshold_


def test_scorers_without_a_reference_accept_groups():
    X = np.random.default_rng(0).random((20, 1))
    assert ColumnScorer().fit(X, groups=np.arange(20) // 5).threshold_ == ColumnScorer().fit(X).threshold_


@pytest.mark.parametrize(
    ("groups", "message"),
    [(["a"] * 3, "3 entries for 24"), ([None] * 24, "missing")],
)
def test_bad_groups(groups, message):
    X, _ = recordings(np.random.default_rng(0), 2)
    with pytest.raises(ValueError, match=message):
        KNNScorer().fit(X, groups=groups)


@pytest.mark.filterwarnings("error::skasd.scorers.FewClipsWarning")
@pytest.mark.parametrize(("groups", "left"), [(["a"] * 12, 0), (["a"] * 11 + ["b"], 1)])
def test_parts_of_a_recording_are_left_out_where_it_is_nearly_all_there_is(groups, left):
    X, _ = recordings(np.random.default_rng(0), 1)
    with pytest.warns(FewClipsWarning) as caught:
        scorer = LOFScorer(contamination=0.5).fit(X, groups=groups)
    message = f"Without the largest recording LOFScorer has {left} of 12 training clips left, and needs 2"
    assert message in str(caught[0].message)
    expected = np.empty(12)
    for part in range(5):
        own = np.arange(12) * 5 // 12 == part
        expected[own] = LOFScorer(calibration="train").fit(X[~own]).anomaly_score(X[own])
    np.testing.assert_allclose(scorer.training_scores_, expected)


def test_groups_are_routed_through_pipelines():
    X, groups = recordings(np.random.default_rng(0), 6)
    expected = KNNScorer().fit(X, groups=groups).threshold_
    with sklearn.config_context(enable_metadata_routing=True):
        detector = NormalOnly(make_pipeline(StandardScaler(with_mean=False, with_std=False), KNNScorer()))
        detector.fit(X, np.ones(len(X)), groups=groups)
    assert -detector.offset_ == pytest.approx(expected)
