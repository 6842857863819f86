"""Recordings found in the order of the rows, and thresholds that hold on the next one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skasd.scorers import BandScorer, FewClipsWarning, KNNScorer, LOFScorer, MahalanobisScorer
from skasd.scorers.recordings import recording_blocks

from ._cases import WITH_DOMAINS, clips


def windows(rng, n_recordings, n_windows=15, n_features=20, within=0.3, units=None):
    """Windows of recordings that follow each other; with `units`, recordings i and i + 1 are of one unit."""
    place = rng.normal(size=(n_recordings, n_features))
    if units is not None:
        place = 0.3 * place + units[np.arange(n_recordings) // 2 % len(units)]
    X = place[:, None] + within * rng.normal(size=(n_recordings, n_windows, n_features))
    return X.reshape(-1, n_features) + 4, np.repeat(np.arange(n_recordings), n_windows)


def test_recordings_that_follow_each_other_are_found():
    X, recording = windows(np.random.default_rng(0), 8)
    found = KNNScorer().fit(X)
    assert_array_equal(found.blocks_, recording)
    assert found.n_recordings_ == 8
    assert found.attainable_rate_ == pytest.approx(1 / 9)
    told = KNNScorer().fit(X, groups=recording)
    assert found.threshold_ == told.threshold_
    assert_array_equal(found.training_scores_, told.training_scores_)
    assert KNNScorer().fit(1e-3 * X).threshold_ == pytest.approx(1e-3 * found.threshold_)
    with_constants = np.column_stack([X, np.full(len(X), 0.1), np.zeros(len(X))])
    assert_array_equal(recording_blocks(with_constants), recording)
    # of two windows the first or the last may be, but not of one
    assert_array_equal(recording_blocks(X[13:-13]), recording[13:-13])
    assert_array_equal(recording_blocks(X[14:-14]), np.clip(recording[14:-14] - 1, 0, 5))


def test_shuffled_rows_are_left_out_one_by_one():
    rng = np.random.default_rng(0)
    X, _ = windows(rng, 8)
    fitted = KNNScorer().fit(X[rng.permutation(len(X))])
    assert fitted.n_recordings_ == len(X)


@pytest.mark.parametrize("n_features", [2, 20, 200])
def test_independent_rows_are_left_out_one_by_one(n_features):
    kept = 0
    for seed in range(50):
        X = np.random.default_rng([seed, n_features]).normal(size=(80, n_features))
        kept += KNNScorer().fit(X).n_recordings_ == 80
    assert kept >= 48


def test_a_slow_drift_is_left_out_in_at_least_five_blocks():
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.normal(size=(200, 30)), axis=0)
    fitted = KNNScorer().fit(X)
    assert fitted.n_recordings_ == 5
    assert_array_equal(fitted.blocks_, np.arange(200) // 40)
    smooth = rng.normal(size=(203, 30))
    smooth = sum(smooth[lag : lag + 200] for lag in range(4))  # similar over three rows
    assert 12 <= KNNScorer().fit(smooth).n_recordings_ <= 20


def test_blocks_hold_rows_of_one_domain_and_every_domain_has_two():
    rng = np.random.default_rng(1)
    X = np.cumsum(rng.normal(size=(110, 30)), axis=0)
    domain = np.array(["source"] * 100 + ["target"] * 10)
    fitted = KNNScorer().fit(X, domain=domain)
    assert fitted.n_recordings_ == 7
    assert len(set(fitted.blocks_[:100])) == 5
    assert set(fitted.blocks_[:100]).isdisjoint(fitted.blocks_[100:])


@pytest.mark.parametrize(
    "X",
    [
        np.ones((30, 3)),
        np.repeat(np.eye(3), 10, axis=0),
        np.repeat(np.random.default_rng(0).normal(size=(10, 3)), 6, axis=0),
        np.concatenate([np.zeros((29, 3)), np.ones((1, 3))]),
        np.full((30, 3), 1e150),
        np.arange(30.0)[:, None],
        np.zeros((30, 0 + 1)),
    ],
    ids=["constant", "three copies", "copies", "one differs", "huge", "ramp", "zero"],
)
@pytest.mark.filterwarnings("ignore")
def test_degenerate_rows_have_blocks_and_thresholds(X):
    for scorer in (KNNScorer(), MahalanobisScorer(), LOFScorer()):
        fitted = clone(scorer).fit(X)
        assert np.isfinite(fitted.threshold_)
        assert fitted.blocks_.shape == (len(X),)


def test_copies_of_a_recording_are_left_out_together():
    X = np.repeat(np.random.default_rng(0).normal(size=(10, 3)), 6, axis=0)
    fitted = KNNScorer().fit(X)
    assert fitted.n_recordings_ == 10
    assert fitted.threshold_ > 0


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 60), n_features=st.integers(1, 5), seed=st.integers(0, 99), smooth=st.integers(1, 8))
@pytest.mark.filterwarnings("ignore")
def test_whatever_the_rows(n, n_features, seed, smooth):
    X = np.random.default_rng(seed).normal(size=(n + smooth, n_features))
    X = np.array([X[i : i + smooth].sum(axis=0) for i in range(n)])
    fitted = KNNScorer().fit(X)
    blocks = fitted.blocks_
    assert blocks[0] == 0
    assert set(np.diff(blocks)) <= {0, 1}, "blocks are contiguous"
    assert fitted.n_recordings_ == blocks[-1] + 1
    assert fitted.n_recordings_ >= min(n, 5)
    if n > 1:
        assert np.isfinite(fitted.training_scores_).all()
        p = fitted.p_value(X + 1)
        assert ((p > 0) & (p <= 1)).all()
        decided = (
            np.abs(fitted.anomaly_score(X + 1) - fitted.threshold_) > 1e-9
        )  # on the threshold p is the rate
        limit = 0.1 if n >= 9 else 1 / (n + 1) + 1e-12
        assert_array_equal((fitted.predict(X + 1) == -1)[decided], (p < limit)[decided])


def test_the_rate_holds_on_the_next_recording_without_being_told():
    rng = np.random.default_rng(0)
    new, _ = windows(rng, 300)
    rates = {"found": [], "one by one": []}
    for _ in range(6):
        X, _recording = windows(rng, 20)
        rates["found"].append((KNNScorer().fit(X).predict(new) == -1).mean())
        alone = KNNScorer().fit(X, groups=np.arange(len(X)))
        rates["one by one"].append((alone.predict(new) == -1).mean())
    assert 0.03 < np.mean(rates["found"]) < 0.18
    assert np.mean(rates["one by one"]) > 0.9


def test_two_recordings_of_each_unit():
    """Without one of them the other is all that is known of the unit; the next recording finds both."""
    rng = np.random.default_rng(0)
    rates, plain = [], []
    for _ in range(10):
        units = 6 * rng.normal(size=(5, 20))
        X, recording = windows(rng, 10, units=units)
        new, _ = windows(rng, 60, units=units)
        fitted = KNNScorer().fit(X, groups=recording)
        rest = [
            np.linalg.norm(X[recording != r][:, None] - X[recording == r], axis=2).min(axis=0)
            for r in range(10)
        ]
        assert fitted.threshold_ < np.quantile(rest, 0.9)
        scores = fitted.anomaly_score(new)
        rates.append((scores > fitted.threshold_).mean())
        plain.append((scores > np.quantile(rest, 0.9)).mean())
    assert np.mean(plain) < 0.2
    assert np.mean(rates) < 0.4


@pytest.mark.parametrize("scorer", [KNNScorer(), MahalanobisScorer()])
def test_a_third_recording_is_hardly_nearer_in_many_dimensions(scorer):
    """All recordings of a unit are equally far apart there: the threshold has to stay where it is."""
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(4):
        units = 6 * rng.normal(size=(10, 60))
        X, recording = windows(rng, 20, n_features=60, units=units)
        new, _ = windows(rng, 100, n_features=60, units=units)
        rates.append((scorer.fit(X, groups=recording).predict(new) == -1).mean())
    assert np.mean(rates) < 0.3


def test_extrapolation_is_the_formula():
    rng = np.random.default_rng(0)
    X, recording = windows(rng, 6, n_windows=5)
    fitted = KNNScorer().fit(X, groups=recording)
    means = np.array([X[recording == r].mean(axis=0) for r in range(6)]) / X.std(axis=0)
    held_out, rises = np.empty(len(X)), []
    for r in range(6):
        order = np.argsort(((means - means[r]) ** 2).sum(axis=1))[:3]
        assert order[0] == r
        own = recording == r
        scores = [
            np.linalg.norm(X[~np.isin(recording, order[:k])][:, None] - X[own], axis=2).min(axis=0)
            for k in (1, 2, 3)
        ]
        held_out[own] = scores[0]
        rises.append([np.median(np.log(scores[k + 1] / scores[k])) for k in (0, 1)])
    first, second = np.mean(rises, axis=0)
    step = max(first - 2 * second, 0) / 3 + min(first, 2 * second) / 6
    assert step > 0
    assert_allclose(fitted.training_scores_, held_out * np.exp(-step))


@pytest.mark.parametrize("n_features", [3, 20])
def test_normalised_by_domain_the_rate_is_what_it_is_without(n_features):
    """Distances are extrapolated, not the differences from their mean."""
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(8):
        X, recording = windows(rng, 12, n_features=n_features)
        X[recording >= 8] *= 3
        domain = np.where(recording >= 8, "target", "source")
        new, which = windows(rng, 100, n_features=n_features)
        new[which >= 50] *= 3
        scorer = KNNScorer(domain_normalization="zscore").fit(X, groups=recording, domain=domain)
        rates.append((scorer.predict(new) == -1).mean())
    assert 0.03 < np.mean(rates) < 0.2


def test_domains_count_the_same():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(420, 8))
    domain = np.array(["source"] * 400 + ["target"] * 20)
    X[400:] = 5 + 2 * X[400:]
    fitted = KNNScorer().fit(X, domain=domain)
    new = {"source": rng.normal(size=(2000, 8)), "target": 5 + 2 * rng.normal(size=(2000, 8))}
    rates = {name: (fitted.predict(rows) == -1).mean() for name, rows in new.items()}
    assert np.mean(list(rates.values())) == pytest.approx(0.1, abs=0.05)
    ordered = np.sort(fitted.training_scores_)
    assert fitted.threshold_ > ordered[int(np.ceil(421 * 0.9)) - 1], "else source clips alone would set it"


@pytest.mark.parametrize("calibration", ["cross", "gamma", "train"])
def test_p_values_agree_with_decisions_and_are_uniform(calibration):
    rng = np.random.default_rng(0)
    fitted = MahalanobisScorer(calibration=calibration, contamination=0.2).fit(rng.normal(size=(200, 5)))
    new = rng.normal(size=(2000, 5))
    p = fitted.p_value(new)
    assert_array_equal(fitted.predict(new) == -1, p < 0.2)
    if calibration == "cross":
        assert p.min() == 1 / 201
        for rate in (0.05, 0.3, 0.6):
            assert (p <= rate).mean() == pytest.approx(rate, abs=0.07)
    assert np.isnan(fitted.p_value(np.full((1, 5), np.nan))).all()


@pytest.mark.parametrize("scorer", [*WITH_DOMAINS, BandScorer(KNNScorer(), bands=2)], ids=repr)
def test_threshold_from_later_clips(scorer):
    X, later = clips(40), clips(30, seed=5, shift=np.arange(6) / 3)
    fitted = clone(scorer).fit(X)
    before = fitted.anomaly_score(later)
    assert fitted.set_threshold(later, contamination=0.2) is fitted
    assert_allclose(fitted.anomaly_score(later), before)
    ordered = np.sort(before)
    assert fitted.threshold_ == pytest.approx(0.2 * ordered[23] + 0.8 * ordered[24])  # 31 * 0.8 = 24.8
    assert_array_equal(fitted.predict(later) == -1, fitted.p_value(later) < 0.2)
    assert fitted.get_params()["contamination"] == 0.1
    with pytest.raises(ValueError, match=r"contamination must be above 0 and at most 0\.5, got 0\.7"):
        fitted.set_threshold(later, contamination=0.7)
    with pytest.raises(ValueError, match=r"contamination must be above 0 and at most 0\.5, got 'few'"):
        fitted.set_threshold(later, contamination="few")
    for scores in (np.ones((30, 1)), [1, np.inf]):
        with pytest.raises(ValueError, match="scores must be 1-D"):
            fitted.set_threshold_from_scores(scores)
    with pytest.raises(ValueError, match="one healthy clip at least"):
        fitted.set_threshold(np.full((2, 6), np.nan))


@pytest.mark.filterwarnings("error::skasd.scorers.FewClipsWarning")
def test_too_few_recordings_for_the_rate_are_said():
    X, recording = windows(np.random.default_rng(0), 6)
    with pytest.warns(
        FewClipsWarning, match=r"^6 recordings cannot .* 1 in 7 new healthy recordings .* at least 9"
    ):
        KNNScorer().fit(X)
    assert KNNScorer(contamination=0.15).fit(X, groups=recording).attainable_rate_ == pytest.approx(1 / 7)
    drift = np.cumsum(np.random.default_rng(0).normal(size=(200, 30)), axis=0)
    with pytest.warns(FewClipsWarning, match="^5 blocks of similar training clips cannot"):
        KNNScorer().fit(drift)


@pytest.mark.filterwarnings("error::skasd.scorers.FewClipsWarning")
def test_later_recordings_are_counted_not_their_clips():
    X, _ = windows(np.random.default_rng(0), 12)
    later, recording = windows(np.random.default_rng(1), 5)
    scorer = KNNScorer().fit(X)
    assert scorer.n_later_recordings_ is None
    scorer.set_threshold(later)
    assert scorer.n_later_recordings_ == len(later)
    threshold = scorer.threshold_
    later[recording == recording[0]] = np.nan  # what is not scored does not count
    with pytest.warns(FewClipsWarning, match=r"^4 recordings cannot .* 1 in 5 new healthy recordings"):
        scorer.set_threshold(later, groups=recording)
    assert scorer.n_later_recordings_ == 4
    assert scorer.threshold_ == pytest.approx(threshold, rel=0.2)
    assert scorer.fit(X).n_later_recordings_ is None


def test_by_domain_is_a_parameter():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    domain = ["source"] * 40 + ["target"] * 20
    one = KNNScorer(by_domain=False).fit(X, domain=domain)
    assert list(one.references_) == ["all"]
    assert_array_equal(one.anomaly_score(X + 1), KNNScorer().fit(X).anomaly_score(X + 1))
    assert "by_domain=False" in repr(one)
