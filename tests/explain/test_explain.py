"""Explanations: a fault is found where it lies, whatever the detector."""

import numpy as np
import pytest
import soundfile
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.pipeline import make_pipeline

from skasd import (
    AnomalousSoundDetector,
    AutoencoderEmbedder,
    ClipStatistics,
    ColumnScorer,
    KNNScorer,
    LOFScorer,
    LogMelTransformer,
    MahalanobisScorer,
)
from skasd.clips import ClipError
from skasd.explain import Explainer, explain

RATE, N = 16000, 48000
T = np.arange(N) / RATE


def noise(seed, n=N):
    return np.random.default_rng(seed).normal(scale=0.1, size=n).astype(np.float32)


HEALTHY = np.array([noise(seed) for seed in range(30)])


@pytest.fixture(scope="module")
def statistics():
    return make_pipeline(LogMelTransformer(), ClipStatistics(), MahalanobisScorer()).fit(HEALTHY)


@pytest.fixture(scope="module")
def explainer(statistics):
    return Explainer(statistics, HEALTHY)


@pytest.fixture(scope="module")
def default():
    return Explainer(AnomalousSoundDetector().fit(HEALTHY), HEALTHY)


def faulty(kind):
    clip = noise(100)
    if kind == "tone":
        clip += 0.05 * np.sin(2 * np.pi * 3000 * T)
    elif kind == "late tone":
        clip += (T > 1.2) * 0.05 * np.sin(2 * np.pi * 6250 * T)
    elif kind == "click":
        clip += ((T > 2) & (T < 2.1)) * noise(101) * 4
    return clip.astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "low", "high", "start", "end"),
    [("tone", 3000, 3000, 0, 3), ("late tone", 6250, 6250, 1.2, 3), ("click", 0, 8000, 2, 2.1)],
)
@pytest.mark.parametrize("detector", ["explainer", "default"])
def test_a_fault_is_found(request, kind, low, high, start, end, detector):
    found = request.getfixturevalue(detector).explain(faulty(kind))
    segment = found.segments_.iloc[0]
    if kind != "click":
        assert segment.low <= low <= high <= segment.high
        assert segment.high - segment.low < 150
        band = found.bands_.iloc[found.bands_["share"].argmax()]
        assert band.low <= low <= band.high
    assert segment.start == pytest.approx(start, abs=0.15)
    assert segment.end == pytest.approx(end, abs=0.15)
    assert segment.db > 3
    assert 0.3 < segment.share < 1.2
    b, t = np.unravel_index(found.map.argmax(), found.map.shape)
    assert found.times[t + 1] > start
    assert found.times[t] < end
    if kind != "click":
        assert found.frequencies[b] - 50 <= low <= found.frequencies[b + 1] + 50
    assert found.map.sum() == pytest.approx(1)
    assert found.map.shape == (len(found.frequencies) - 1, len(found.times) - 1)
    assert found.bands_["share"].sum() == pytest.approx(1)
    assert found.healthy_score < found.score
    assert found.n_scored < 75


def test_the_score_is_the_detectors(statistics, explainer):
    clip = faulty("tone")
    found = explainer.explain(clip)
    assert found.score == pytest.approx(-statistics.score_samples([clip])[0], rel=1e-4)
    healthy = -statistics.score_samples([HEALTHY[found.nearest_]])[0]
    assert found.healthy_score == pytest.approx(healthy, rel=1e-4)
    np.testing.assert_array_equal(found.clip, clip)


def test_a_clip_quieter_everywhere_is_told_as_such(explainer):
    found = explainer.explain(noise(100) / 2)
    assert found.sentence == "all frequencies, throughout, 6 dB below the healthy clips"


def test_a_score_that_no_single_band_makes_fall():
    class Loudest(OutlierMixin, BaseEstimator):
        """The quietest band decides: no band by itself makes the score fall."""

        def __init__(self, sample_rate=RATE):
            self.sample_rate = sample_rate

        def fit(self, X, y=None):
            self.levels_ = self.levels(X).mean(axis=0)
            return self

        def levels(self, X):
            return LogMelTransformer(n_mels=8).fit_transform(np.asarray(X)).mean(axis=2)

        def score_samples(self, X):
            return -np.abs(self.levels(X) - self.levels_).max(axis=1)

        def decision_function(self, X):
            return self.score_samples(X)

    found = explain(Loudest().fit(HEALTHY), noise(100) / 2, healthy=HEALTHY)
    assert found.sentence == "all frequencies, throughout, 6 dB below the healthy clips"
    assert found.map.sum() == pytest.approx(1)


def test_the_nearest_healthy_clip_is_taken(statistics):
    others = [noise(seed) * gain for seed, gain in ((200, 1), (201, 4), (202, 0.2))]
    explainer = Explainer(statistics, others)
    assert explainer.explain(noise(100) * 3.5).nearest_ == 1
    assert explainer.explain(noise(100) * 0.2).nearest_ == 2


def test_a_fault_in_few_numbers_does_not_choose_the_healthy_clip(statistics):
    # the second is louder in all bands, and at the tone as loud as the clip
    other = 1.5 * noise(201) + 0.05 * np.sin(2 * np.pi * 3000 * T)
    explainer = Explainer(statistics, [noise(200), other.astype(np.float32), noise(203), noise(204)])
    assert explainer.explain(faulty("tone")).nearest_ != 1


def test_files_of_another_rate_and_length(statistics, tmp_path):
    paths = []
    for seed in range(4):
        paths.append(tmp_path / f"healthy {seed}.wav")
        soundfile.write(paths[-1], noise(seed, 2 * N + 1000 * seed), 2 * RATE)
    clip = tmp_path / "clip.wav"
    tone = np.sin(2 * np.pi * 3000 * np.arange(2 * N) / (2 * RATE))
    soundfile.write(clip, 0.05 * tone + noise(100, 2 * N), 2 * RATE)
    found = explain(statistics, clip, healthy=paths)
    assert found.nearest_ in map(str, paths)
    assert found.clip.shape == found.healthy.shape == (N,)
    assert found.segments_["low"][0] < 3000 < found.segments_["high"][0]


def test_a_detector_without_rows():
    class Loudness(OutlierMixin, BaseEstimator):
        def fit(self, X, y=None):
            self.level_ = np.std(X)
            return self

        def score_samples(self, X):
            return -np.abs(np.std(X, axis=1) - self.level_)

        def decision_function(self, X):
            return self.score_samples(X)

    detector = Loudness().fit(HEALTHY)
    with pytest.raises(ValueError, match="give sample_rate"):
        explain(detector, faulty("tone"), healthy=HEALTHY)
    found = explain(detector, faulty("late tone"), healthy=HEALTHY, sample_rate=RATE)
    assert found.segments_["low"][0] < 6250 < found.segments_["high"][0]


def test_what_differs_between_healthy_recordings_is_not_blamed():
    """Recordings that differ by hums, as machines do from day to day; beside the nearest one a fault is little."""
    random = np.random.default_rng(0)

    def recording(seed):
        hums = zip((300, 700, 1100, 1900, 4200, 7000), np.exp(random.uniform(-4, -2.8, size=6)), strict=True)
        return noise(seed) + sum(gain * np.sin(2 * np.pi * f * T) for f, gain in hums)

    healthy = [recording(600 + i) for i in range(24)]
    detector = make_pipeline(LogMelTransformer(), ClipStatistics(), KNNScorer()).fit(healthy)
    explainer = Explainer(detector, healthy)
    for seed in (700, 701, 702):
        clip = recording(seed) + ((T > 1) & (T < 2)) * 0.05 * np.sin(2 * np.pi * 2900 * T)
        found = explainer.explain(clip)
        segment = found.segments_.iloc[0]
        assert segment.low < 2900 < segment.high
        assert (segment.start, segment.end) == pytest.approx((1, 2), abs=0.15)
        assert found.sentence.endswith("dB above the healthy clips")
        # no more is changed than has to be
        assert np.std(found.reference - found.clip) < 0.15 * np.std(found.healthy - found.clip)
        assert found.healthy_score < found.reference_score < found.score


def test_a_fault_that_is_in_no_level():
    class Peaks(OutlierMixin, BaseEstimator):
        """Hears how peaked a sound is, whatever its level."""

        def __init__(self, sample_rate=RATE):
            self.sample_rate = sample_rate

        def fit(self, X, y=None):
            self.fitted_ = True
            return self

        def score_samples(self, X):
            return -((X - X.mean(axis=1, keepdims=True)) ** 4).mean(axis=1) / X.var(axis=1) ** 2

        def decision_function(self, X):
            return self.score_samples(X)

    peaked = np.random.default_rng(0).laplace(scale=0.1 / np.sqrt(2), size=N).astype(np.float32)
    found = explain(Peaks().fit(HEALTHY), peaked, healthy=HEALTHY)
    np.testing.assert_allclose(found.reference, found.healthy, atol=1e-6)
    assert found.reference_score == pytest.approx(found.healthy_score)
    assert "the healthy clips" not in found.sentence


def test_nothing_to_explain(explainer, statistics):
    same = explainer.explain(HEALTHY[7])
    assert (same.nearest_, same.sentence) == (7, "the clip is the healthy clip itself")
    assert same.score == same.healthy_score
    assert not same.map.any()
    assert same.segments_.empty
    assert not same.bands_["share"].any()


def test_a_clip_that_scores_no_higher(statistics):
    found = Explainer(statistics, [faulty("click")]).explain(faulty("tone"))
    assert found.score < found.healthy_score
    assert found.sentence.startswith(
        "the clip scores no higher than the healthy clip; what raises its score most: "
    )
    assert found.segments_["low"][0] < 3000 < found.segments_["high"][0]


def test_tiles_that_go_together_are_not_blamed():
    """A machine whose two tones rise together: one alone is worse than both, and replacing any does harm."""
    random = np.random.default_rng(0)

    def machine(gain, seed):
        return noise(seed) / 20 + gain * (np.sin(2 * np.pi * 500 * T) + np.sin(2 * np.pi * 5000 * T)) / 20

    healthy = np.array([machine(gain, 400 + i) for i, gain in enumerate(random.uniform(0.5, 2, size=40))])
    detector = make_pipeline(LogMelTransformer(n_mels=32), ClipStatistics(("mean",)), MahalanobisScorer())
    detector.fit(healthy)
    clip = machine(1.9, 500) + (T > 1) * 0.01 * np.sin(2 * np.pi * 2000 * T)
    found = explain(detector, clip, healthy=[machine(0.6, 501)])
    without = detector.score_samples([machine(1.9, 502)]) - detector.score_samples(
        [machine(0.6, 501) + 1.3 / 20 * np.sin(2 * np.pi * 500 * T)]
    )
    assert without > 1  # a hybrid of both is anomalous
    assert found.segments_["low"][0] < 2000 < found.segments_["high"][0]
    assert found.segments_["share"][0] > 0.7


def test_a_silent_clip(explainer, statistics):
    found = explainer.explain(np.zeros(N))
    assert "all frequencies, throughout" in found.sentence
    assert "dB below" in found.sentence
    assert Explainer(statistics, np.zeros((3, N))).explain(np.zeros(N)).segments_.empty


@pytest.mark.parametrize("clip", [np.full(N, 0.3), np.sin(2 * np.pi * 1000 * T)], ids=["offset", "tone"])
def test_a_clip_without_anything_but_one_frequency(explainer, clip):
    found = explainer.explain(clip)
    assert np.isfinite(found.reference).all()
    assert found.segments_["db"][0] < -60


def test_part_of_a_clip(explainer):
    clip = np.concatenate([faulty("click"), faulty("late tone")])
    first = explainer.explain(clip, span=(0, 3))
    second = explainer.explain(clip, span=(3, None))
    assert first.segments_["start"][0] == pytest.approx(2, abs=0.15)
    assert second.segments_["low"][0] < 6250 < second.segments_["high"][0]
    assert (second.times[0], second.times[-1]) == (3, 6)
    assert first.score == pytest.approx(second.score)


@pytest.mark.parametrize(
    ("clip", "options", "error", "message"),
    [
        (noise(0, 1500), {}, ValueError, "too short to be divided: at least 0.128 s"),
        (noise(0), {"span": (1, 1.05)}, ValueError, "too short"),
        (
            noise(0),
            {"span": (2, 4)},
            ValueError,
            r"span=\(2, 4\) does not lie within the clip, which lasts 3 s",
        ),
        (noise(0), {"span": (2, 1)}, ValueError, "does not lie within"),
        (noise(0), {"span": 2}, ValueError, r"span=2 must be \(start, end\) in s"),
        (np.where(T < 1, np.nan, 0.1), {}, ClipError, "NaN"),
        ("no such file.wav", {}, ClipError, "no such file"),
    ],
)
def test_clips_that_cannot_be_explained(explainer, clip, options, error, message):
    with pytest.raises(error, match=message):
        explainer.explain(clip, **options)


def test_bad_healthy_clips(statistics):
    with pytest.raises(ValueError, match="max_healthy must be an integer of at least 1, got 0"):
        explain(statistics, HEALTHY[0], healthy=HEALTHY, max_healthy=0)
    with pytest.raises(ClipError, match="NaN"):
        explain(statistics, HEALTHY[0], healthy=[HEALTHY[0], np.full(N, np.nan)])
    with pytest.raises(ValueError, match="has no clips"):
        explain(statistics, HEALTHY[0], healthy=[])
    with pytest.raises(ValueError, match="sample_rate=32000, but the detector takes 16000 Hz"):
        explain(statistics, HEALTHY[0], healthy=HEALTHY, sample_rate=32000)


def test_parts_that_work_at_several_rates():
    from skasd import ScoreEnsemble

    detector = ScoreEnsemble(
        [
            (str(rate), make_pipeline(LogMelTransformer(sample_rate=rate), ClipStatistics(), KNNScorer()))
            for rate in (8000, 16000)
        ]
    ).fit(HEALTHY)
    with pytest.raises(ValueError, match="differ in sample_rate"):
        explain(detector, HEALTHY[0], healthy=HEALTHY)


def test_no_more_healthy_clips_than_asked_for(statistics):
    explainer = Explainer(statistics, HEALTHY, max_healthy=4)
    assert explainer.explain(faulty("tone")).nearest_ in (0, 10, 19, 29)


def test_a_short_clip(explainer):
    found = explainer.explain(faulty("tone")[:4800])
    assert found.segments_["low"][0] < 3000 < found.segments_["high"][0]
    assert len(found.times) == 5


def test_picture(explainer):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = explainer.explain(faulty("late tone"))
    axes = found.plot()
    assert [ax.get_title(loc="left") for ax in axes] == [
        "this clip",
        f"healthy clip: {found.nearest_}",
        "where its score comes from",
    ]
    box = axes[0].lines[-1]
    assert box.get_xdata().min() == pytest.approx(found.segments_["start"][0])
    assert axes[1].lines == [] or len(axes[1].lines) == 0
    np.testing.assert_allclose(axes[2].images[0].get_array(), found.map)
    axes[0].figure.canvas.draw()
    explainer.explain(HEALTHY[0]).plot()[0].figure.canvas.draw()
    with pytest.raises(ValueError, match="3 panels, got 2"):
        found.plot(pyplot.subplots(1, 2)[1])
    pyplot.close("all")


def test_own_shares_are_the_formulas(statistics, explainer, default):
    clip = faulty("late tone")
    bands = explainer.explain(clip).bands_
    shares = (
        statistics[-1].feature_contributions(statistics[:-1].transform([clip]))[0].reshape(2, -1).sum(axis=0)
    )
    centres = statistics[0]._frequencies()
    inside = (centres > bands["low"].iloc[-1]) & (centres <= bands["high"].iloc[-1])
    assert bands["own"].iloc[-1] == pytest.approx(shares[inside].sum() / shares.sum())
    assert bands["own"].sum() == pytest.approx(1)
    bands = default.explain(clip).bands_
    assert bands["own"].sum() == pytest.approx(1)
    assert bands["own"][6:].sum() > 0.7  # the tone's position along frequency reaches from 4.2 to 6.5 kHz
    assert bands["share"][7] > 0.7


def test_own_shares_of_an_autoencoder_and_of_none():
    network = AutoencoderEmbedder(hidden=8, max_epochs=2, random_state=0, standardize_input="bin")
    detector = make_pipeline(LogMelTransformer(n_mels=32), network, ColumnScorer()).fit(HEALTHY)
    bands = explain(detector, faulty("tone") * 1.5, healthy=HEALTHY).bands_
    assert bands["own"].sum() == pytest.approx(1)
    assert (bands["own"] >= 0).all()
    detector = make_pipeline(LogMelTransformer(n_mels=32), ClipStatistics(), LOFScorer()).fit(HEALTHY)
    assert explain(detector, faulty("tone"), healthy=HEALTHY).bands_["own"].isna().all()
