"""The default detector, as a user meets it."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score

from skasd import AnomalousSoundDetector, load, save
from skasd.compose import NormalOnly, threshold_for
from skasd.datasets import make_machine_sounds
from skasd.scorers import FewClipsWarning

_DATA = Path(os.environ.get("SKASD_DATA", Path(__file__).parents[3] / "shared" / "data"))
pytestmark = pytest.mark.filterwarnings("ignore::skasd.scorers.FewClipsWarning")


@pytest.fixture(scope="module")
def sounds():
    return make_machine_sounds(60, 60, duration=1.0, severity=1.0, snr=12, random_state=0)


@pytest.fixture(scope="module")
def split(sounds):
    train = (sounds.table["split"] == "train").to_numpy()
    return sounds.X[train], sounds.X[~train], sounds.y[~train]


@pytest.fixture(scope="module")
def fitted(split):
    return AnomalousSoundDetector().fit(split[0])


def write(folder, clips, names):
    paths = []
    for clip, name in zip(clips, names, strict=True):
        paths.append(str(folder / name))
        soundfile.write(paths[-1], clip, 16000, subtype="FLOAT")
    return paths


def test_hears_faults_it_was_never_told_of(fitted, split):
    _, new, y = split
    assert roc_auc_score(y, fitted.score_samples(new)) > 0.9


def test_scores_decisions_and_predictions_agree(fitted, split):
    new = split[1]
    scores = fitted.score_samples(new)
    assert len(set(scores)) == len(scores)
    np.testing.assert_array_equal(fitted.anomaly_score(new), -scores)
    np.testing.assert_array_equal(fitted.decision_function(new), scores - fitted.offset_)
    np.testing.assert_array_equal(fitted.predict(new), np.where(scores >= fitted.offset_, 1, -1))
    assert fitted.threshold_ == -fitted.offset_


def test_fit_changes_no_parameter_and_repeats_itself(split):
    detector = AnomalousSoundDetector(contamination=0.2)
    before = detector.get_params()
    first = detector.fit(split[0]).score_samples(split[1])
    assert detector.get_params() == before
    np.testing.assert_array_equal(clone(detector).fit(split[0]).score_samples(split[1]), first)


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_threads_change_nothing(fitted, split, n_jobs):
    detector = AnomalousSoundDetector(n_jobs=n_jobs).fit(split[0])
    np.testing.assert_array_equal(detector.score_samples(split[1]), fitted.score_samples(split[1]))


def test_files_score_as_arrays_do(fitted, split, tmp_path):
    X, new, _ = split
    # names that tell nothing of recordings
    learnt = write(tmp_path, X, [f"{'abcdefghij'[i % 10]}{'klmnopqrst'[i // 10]}.wav" for i in range(len(X))])
    heard = write(tmp_path, new[:5], [f"new{c}.wav" for c in "vwxyz"])
    detector = AnomalousSoundDetector().fit(learnt)
    np.testing.assert_allclose(detector.score_samples(heard), fitted.score_samples(new[:5]), rtol=1e-4)


def test_recordings_are_recognised_in_the_names_of_files(split, tmp_path):
    X = split[0][:40]
    paths = write(tmp_path, X, [f"rec{i // 5}_{i % 5:04d}.wav" for i in range(40)])
    detector = AnomalousSoundDetector().fit(paths)
    assert len(set(detector.groups_)) == 8
    told = AnomalousSoundDetector().fit(X, groups=np.arange(40) // 5)
    assert detector.threshold_ == pytest.approx(told.threshold_, rel=1e-4)


def test_sections_have_models_of_their_own(split):
    X, new, _ = split
    quiet = X * 0.01
    section = ["loud"] * len(X) + ["quiet"] * len(X)
    detector = AnomalousSoundDetector().fit(np.concatenate([X, quiet]), section=section)
    assert set(detector.sections_) == {"loud", "quiet"}
    right = detector.decision_function(new[:10], section=["loud"] * 10)
    wrong = detector.decision_function(new[:10], section=["quiet"] * 10)
    assert (right > wrong).all()
    with pytest.raises(ValueError, match="other"):
        detector.decision_function(new[:1], section=["other"])


def test_a_clip_near_either_domain_is_normal(split):
    X, new, y = split
    domain = ["source"] * len(X) + ["target"] * 30
    both = np.concatenate([X, 0.1 * X[:30]])
    healthy = 0.1 * new[y == 1]
    told = AnomalousSoundDetector().fit(both, domain=domain)
    alone = AnomalousSoundDetector().fit(X)
    assert np.mean(told.predict(healthy) == -1) < np.mean(alone.predict(healthy) == -1)


def test_proxies_are_left_out(fitted, split):
    X, new, _ = split
    noise = np.random.default_rng(0).normal(scale=0.1, size=(10, X.shape[1])).astype(np.float32)
    proxy = [False] * len(X) + [True] * 10
    detector = AnomalousSoundDetector().fit(np.concatenate([X, noise]), proxy=proxy)
    np.testing.assert_array_equal(detector.score_samples(new), fitted.score_samples(new))
    with pytest.raises(ValueError, match="all 10 are proxies"):
        AnomalousSoundDetector().fit(noise, proxy=[True] * 10)


def test_contamination_sets_how_many_are_called_anomalous(split):
    X, new, _ = split
    rates = [np.mean(AnomalousSoundDetector(contamination=c).fit(X).predict(new) == -1) for c in (0.05, 0.4)]
    assert rates[0] < rates[1]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            np.arange(20) % 2,
            r"does not look at y, which holds 0: all 20 clips are learnt as healthy.*section=",
        ),
        (["a", "b"] * 10, "which holds 'a'"),
        ([True, False] * 10, "which holds False"),
        (np.r_[np.ones(19), -1], "fitted on 1 clips that y marks as anomalous"),
        ([1, -1] * 10, "fitted on 10 clips that y marks as anomalous"),
    ],
)
def test_labels_that_are_not_learnt_from_are_said(split, y, message):
    with pytest.warns(UserWarning, match=message):
        detector = AnomalousSoundDetector().fit(split[0][:20], y)
    assert detector.n_clips_ == 20


def test_healthy_labels_and_normal_only_go_without_a_warning(split):
    X = split[0][:20]
    for y in (np.ones(20), [True] * 20, None):
        AnomalousSoundDetector().fit(X, y)
    y = np.where(np.arange(20) < 18, 1, -1)
    assert NormalOnly(AnomalousSoundDetector()).fit(X, y).estimator_.n_clips_ == 18
    scores = cross_val_score(
        NormalOnly(AnomalousSoundDetector()), X, y, scoring="roc_auc", cv=StratifiedKFold(2)
    )
    assert np.isfinite(scores).all()


def test_long_clips_are_told(split, tmp_path):
    clips = list(split[0][:12])
    long = np.tile(clips[3], 30)
    with pytest.warns(
        UserWarning, match=r"1 of 13 clips are more than twice .*: clip 12 has 30 s, the median is 1 s"
    ):
        AnomalousSoundDetector().fit([*clips, long])
    AnomalousSoundDetector().fit([*clips, np.tile(clips[3], 2), clips[4][:9000]])
    paths = write(tmp_path, [*clips, long], [f"{c}.wav" for c in "abcdefghijklm"])
    with pytest.warns(UserWarning, match=r"m\.wav has 30 s"):
        AnomalousSoundDetector().fit(paths)


def test_a_bad_file_costs_only_itself(split, tmp_path):
    paths = write(tmp_path, split[0][:20], [f"{c}.wav" for c in "abcdefghijklmnopqrst"])
    Path(paths[3]).write_text("no sound")
    with pytest.raises(ValueError, match=r"d\.wav"):
        AnomalousSoundDetector().fit(paths)
    with pytest.warns(UserWarning, match=r"d\.wav"):
        detector = AnomalousSoundDetector(on_error="skip").fit(paths)
    assert detector.n_clips_ == 19
    with pytest.warns(UserWarning, match=r"d\.wav"):
        scores = detector.score_samples(paths)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(scores)), [3])


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (np.full((5, 16000), np.nan, np.float32), "NaN"),
        ([], r"0|empty|minimum"),
        (["absent.wav"], "absent"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(clips, message):
    with pytest.raises((ValueError, OSError), match=message):
        AnomalousSoundDetector().fit(clips)


def test_nothing_but_bad_files_is_an_error(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.wav").write_text("no sound")
    files = sorted(tmp_path.iterdir())
    with (
        pytest.warns(UserWarning, match="a.wav"),
        pytest.raises(ValueError, match="none of the 2 clips can be used"),
    ):
        AnomalousSoundDetector(on_error="skip").fit(files)


def test_silence_is_learnt_and_sound_after_it_is_an_anomaly(split):
    detector = AnomalousSoundDetector()
    with pytest.warns(UserWarning, match="do not vary"):
        detector.fit(np.zeros((20, 16000), np.float32))
    assert detector.predict(split[0][:3]).tolist() == [-1, -1, -1]
    assert detector.predict(np.zeros((1, 16000), np.float32)).tolist() == [1]


def test_a_model_file_holds_all_of_it(fitted, split, tmp_path):
    save(fitted, tmp_path / "detector.skasd")
    again = load(tmp_path / "detector.skasd")
    np.testing.assert_array_equal(again.score_samples(split[1]), fitted.score_samples(split[1]))
    assert again.offset_ == fitted.offset_


def test_joins_searches_and_cross_validation(sounds):
    known = sounds.table["split"] == "test"
    X, y = sounds.X[known], sounds.y[known]
    healthy = AnomalousSoundDetector().fit(X[y == 1])
    assert healthy.n_clips_ == (y == 1).sum()
    detector = NormalOnly(AnomalousSoundDetector())
    with config_context(enable_metadata_routing=True):
        folds = StratifiedKFold(2)
        scores = cross_val_score(detector, X, y, cv=folds, scoring="roc_auc")
        grid = {"estimator__contamination": [0.1, 0.3]}
        search = GridSearchCV(detector, grid, scoring="roc_auc", cv=folds).fit(X, y)
    assert (scores > 0.7).all()
    assert search.best_params_["estimator__contamination"] in (0.1, 0.3)


def test_best_takes_what_encoders_are_at_hand(fitted, split, tmp_path, monkeypatch):
    monkeypatch.setenv("SKASD_CACHE", str(tmp_path))
    without = AnomalousSoundDetector(mode="best").fit(split[0])
    np.testing.assert_array_equal(without.score_samples(split[1]), fitted.score_samples(split[1]))
    checkpoint = _DATA / "weights" / "mn04_as_mAP_432.pt"
    if not checkpoint.exists():
        pytest.skip(f"{checkpoint} is absent")
    os.symlink(checkpoint, tmp_path / checkpoint.name)
    both = AnomalousSoundDetector(mode="best").fit(split[0])
    assert len(both.steps_[0].transformer_list) == 2
    assert set(fitted.terms_) < set(both.terms_)
    assert roc_auc_score(split[2], both.score_samples(split[1])) > 0.9


def test_memory_is_that_of_the_rows(fitted):
    clip = np.random.default_rng(0).normal(scale=0.1, size=160_000).astype(np.float32)

    def peak(n_clips):
        tracemalloc.start()
        fitted.score_samples([clip] * n_clips)
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)
    a_clip = (peak(60) - peak(20)) / 40
    assert a_clip < 50_000  # a log-mel spectrogram takes 512,000 bytes


def test_p_values_and_thresholds_for_later_clips(split):
    X, new, y = split
    detector = AnomalousSoundDetector(contamination=0.2).fit(X)
    p = detector.p_value(new)
    assert ((p > 0) & (p <= 1)).all()
    np.testing.assert_array_equal(p <= 0.2, detector.predict(new) == -1)
    healthy = new[y == 1]
    before = detector.score_samples(new)
    assert detector.set_threshold(healthy, contamination=0.3) is detector
    np.testing.assert_array_equal(detector.score_samples(new), before)
    assert np.mean(detector.predict(healthy) == -1) == pytest.approx(0.3, abs=0.05)


def test_the_summary_says_what_was_found(split):
    X = split[0][:40]
    text = AnomalousSoundDetector(contamination=0.05).fit(X, groups=np.arange(40) // 5).summary()
    assert "40 clips" in text
    assert "8 recordings" in text
    assert "expect about 11.1% false alarms" in text
    assert "5.0% was asked for, which takes 19 recordings" in text


@pytest.mark.filterwarnings("ignore:BandScorer cannot hold one of 1:UserWarning")
@pytest.mark.parametrize(("n_clips", "named"), [(1, "1 clip,"), (2, "2 clips,")])
def test_no_rate_is_stated_where_nothing_tells_how_much_recordings_differ(split, n_clips, named):
    with pytest.warns(FewClipsWarning, match="cannot be seen in fewer than 3") as issued:
        text = AnomalousSoundDetector().fit(split[0][:n_clips]).summary()
    assert not [each for each in issued if "1 in" in str(each.message)]
    assert f"{named} each taken" in text
    assert "all new ones may be called anomalous" in text


def test_two_later_clips_hold_a_rate_as_the_model_says_how_much_clips_differ(split):
    detector = AnomalousSoundDetector().fit(split[0][:40])
    with pytest.warns(FewClipsWarning, match="1 in 3 new healthy clips"):
        detector.set_threshold(split[0][40:42])
    assert "expect about 33.3% false alarms on clips like them" in detector.summary()


def test_recordings_of_later_clips_are_found_in_their_names(split, tmp_path):
    detector = AnomalousSoundDetector().fit(split[0][:30])
    paths = [tmp_path / f"monday_{day}_{piece}.wav" for day in "abc" for piece in range(3)]
    for path, clip in zip(paths, split[0][30:], strict=False):
        soundfile.write(path, clip, 16000)
    with pytest.warns(FewClipsWarning, match="^3 recordings cannot"):
        detector.set_threshold(paths)
    assert "from 9 healthy clips of 3 recordings; expect about 25.0%" in detector.summary()
    detector.set_threshold(paths, groups=range(9))
    assert "from 9 healthy clips; expect about 10.0%" in detector.summary()


def test_p_values_agree_with_decisions_where_domains_are_given(split):
    X, new, _ = split
    domain = ["source"] * 45 + ["target"] * 15
    detector = AnomalousSoundDetector(contamination=0.2).fit(X, domain=domain)
    np.testing.assert_array_equal(detector.p_value(new) <= 0.2, detector.predict(new) == -1)
    assert threshold_for(detector, 0.2) == pytest.approx(detector.threshold_)
