"""WaveformAugmenter: every effect measured on the waveform it makes."""

from collections import Counter

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skasd.augment import WaveformAugmenter
from skasd.clips import ClipError, ClipWarning

RATE = 16000


def tone(frequency, seconds=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)


def peak(waveform):
    """Frequency of the largest peak of the spectrum in Hz, interpolated between bins."""
    spectrum = np.log(np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) + 1e-12)
    i = int(np.argmax(spectrum))
    left, middle, right = spectrum[i - 1 : i + 2]
    return (i + 0.5 * (left - right) / (left - 2 * middle + right)) * RATE / len(waveform)


def only(**effect):
    """Return an augmenter with that effect alone."""
    off = {"pitch_steps": None, "stretch_rate": None}
    return WaveformAugmenter(**{**off, "random_state": 0, **effect})


def snr(clip, noisy):
    return 10 * np.log10(np.mean(clip**2) / np.mean((noisy - clip) ** 2))


@pytest.mark.parametrize("steps", [-4.0, -0.5, 3.0, 7.0])
def test_pitch_moves_the_peak_by_semitones(steps):
    X_new, _, _ = only(pitch_steps=steps).augment(tone(1000)[None])
    assert X_new.shape == (2, RATE)
    assert peak(X_new[1]) == pytest.approx(1000 * 2 ** (steps / 12), rel=0.003)


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.25, 2.0])
def test_stretch_moves_events_and_keeps_pitch_and_length(rate):
    clip = tone(1000) * (np.arange(RATE) >= 0.3 * RATE)  # starts to sound at 0.3 s
    X_new, _, _ = only(stretch_rate=rate).augment(clip[None])
    assert X_new.shape == (2, RATE)
    start = np.flatnonzero(np.abs(X_new[1]) > 0.5)[0] / RATE
    assert start == pytest.approx(0.3 / rate, abs=0.07)  # half a frame of the phase vocoder
    assert peak(X_new[1]) == pytest.approx(1000, rel=0.003)


def test_a_stretch_by_one_sample_keeps_the_length():
    X_new, _, _ = only(stretch_rate=1.001).augment([tone(500)[:1000]])
    assert [len(clip) for clip in X_new] == [1000, 1000]


def test_short_clips_go_on_as_their_mirror_image():
    X_new, _, _ = only(stretch_rate=2.0).augment(tone(400)[None])
    half = RATE // 2
    assert_array_equal(X_new[1, half : half + 3000], X_new[1, half - 2 : half - 3002 : -1])
    assert np.sqrt(np.mean(X_new[1, -1000:] ** 2)) > 0.3


def test_gain_in_db():
    X = np.random.default_rng(0).normal(size=(2, 500))
    X_new, _, _ = only(gain_db=-6.0).augment(X)
    assert_allclose(X_new[2:], X * 10 ** (-6 / 20))


@pytest.mark.parametrize("level", [-5.0, 0.0, 20.0])
@pytest.mark.parametrize("noise", ["white", "pink", "clips"])
def test_noise_has_the_wanted_ratio_exactly(level, noise):
    clip = tone(500)
    if noise == "clips":
        noise = [np.random.default_rng(1).normal(size=700), np.random.default_rng(2).normal(size=90000)]
    X_new, _, _ = only(snr_db=level, noise=noise, n_copies=6).augment(clip[None])
    for noisy in X_new[1:]:
        assert snr(clip, noisy) == pytest.approx(level, abs=1e-9)
    assert len({noisy.tobytes() for noisy in X_new[1:]}) == 6


def test_colour_of_the_noise():
    clip = 1e-6 * tone(500, seconds=8)
    slope = {}
    for noise in ("white", "pink"):
        X_new, _, _ = only(snr_db=-100.0, noise=noise).augment(clip[None])
        power = np.abs(np.fft.rfft(X_new[1] - clip)) ** 2
        octaves = [power[start : 2 * start].mean() for start in 2 ** np.arange(6, 15)]
        slope[noise] = np.polyfit(np.arange(len(octaves)), 10 * np.log10(octaves), 1)[0]
    assert slope["white"] == pytest.approx(0, abs=0.3)
    assert slope["pink"] == pytest.approx(-3.01, abs=0.3)  # dB per octave


def test_noise_clips_are_cut_or_repeated():
    clip = np.zeros(50)
    clip[0] = 1.0
    ramp = np.arange(1.0, 21.0)
    X_new, _, _ = only(snr_db=0.0, noise=[ramp]).augment(clip[None])
    added = X_new[1] - clip
    added /= added.max() / 20
    steps = np.diff(np.round(added).astype(int))
    assert set(steps) == {1, -19}
    assert Counter(steps.tolist())[-19] in (2, 3)


@pytest.mark.parametrize("effect", [{"snr_db": 10.0}, {"pitch_steps": 2.0}, {"stretch_rate": 1.2}], ids=str)
def test_silent_clip_stays_silent(effect):
    X_new, _, _ = only(**effect).augment(np.zeros((1, 100)))
    assert_array_equal(X_new, np.zeros((2, 100)))


def test_silent_stretch_of_a_noise_clip_adds_nothing():
    noise = np.r_[1.0, np.zeros(10**6)]
    X_new, _, _ = only(snr_db=10.0, noise=[noise]).augment(tone(500)[None, :100])
    assert_array_equal(X_new[1], X_new[0])


def test_ranges_are_used_in_full():
    augmenter = only(gain_db=(-3, 6), n_copies=200)
    augmenter.augment(tone(100)[None, :200])
    gains = [effects["gain_db"] for effects in augmenter.sample_effects_]
    assert min(gains) == pytest.approx(-3, abs=0.3)
    assert max(gains) == pytest.approx(6, abs=0.3)


# copies, alignment, seeds


def test_paper_setting_adds_two_clips_per_chosen_clip():
    X = np.random.default_rng(0).normal(size=(12, 4000))
    section = [f"s{i}" for i in range(12)]
    augmenter = WaveformAugmenter(n_samples=5, random_state=0)
    X_new, y_new, more = augmenter.augment(
        X, np.ones(12, dtype=int), section=section, attribute=np.arange(12)
    )
    assert X_new.shape == (22, 4000)
    assert_array_equal(X_new[:12], X)
    assert Counter(augmenter.sample_origin_.tolist()) == dict.fromkeys(
        set(augmenter.sample_origin_.tolist()), 2
    )
    assert [list(effects) for effects in augmenter.sample_effects_] == [["pitch_steps"], ["stretch_rate"]] * 5
    assert more["section"][12:].tolist() == [section[i] for i in augmenter.sample_origin_]
    assert_array_equal(more["attribute"][12:], augmenter.sample_origin_)
    assert_array_equal(y_new, np.ones(22))


def test_more_samples_than_clips_takes_all():
    augmenter = only(gain_db=1.0, n_samples=500)
    assert len(augmenter.augment(np.ones((3, 10)))[0]) == 6


def test_chain_applies_all_effects_to_each_copy():
    augmenter = WaveformAugmenter(
        pitch_steps=2.0, stretch_rate=None, gain_db=-20.0, combine="chain", n_copies=3, random_state=0
    )
    X_new, _, _ = augmenter.augment(tone(1000)[None])
    assert X_new.shape == (4, RATE)
    for waveform, effects in zip(X_new[1:], augmenter.sample_effects_, strict=True):
        assert effects == {"pitch_steps": 2.0, "gain_db": -20.0}
        assert peak(waveform) == pytest.approx(1000 * 2 ** (2 / 12), rel=0.003)
        assert np.abs(waveform[4000:-4000]).max() == pytest.approx(0.1, rel=0.1)


def test_threads_change_nothing():
    X = np.random.default_rng(0).normal(size=(6, 3000))
    options = {"snr_db": (0, 10), "n_copies": 2, "n_samples": 4, "random_state": 7}
    one = WaveformAugmenter(n_jobs=1, **options)
    two = WaveformAugmenter(n_jobs=2, **options)
    assert_array_equal(one.augment(X)[0], two.augment(X)[0])
    assert one.sample_effects_ == two.sample_effects_
    assert not np.array_equal(one.augment(X)[0], clone(one).set_params(random_state=8).augment(X)[0])


def test_proxies_and_anomalies_get_no_copies():
    y = np.array([1, -1, 1, 1])
    augmenter = only(gain_db=1.0)
    X_new, y_new, more = augmenter.augment(
        np.ones((4, 10)), y, proxy=[False, False, True, False], domain=None
    )
    assert_array_equal(augmenter.sample_origin_, [0, 3])
    assert_array_equal(y_new, [1, -1, 1, 1, 1, 1])
    assert more["proxy"].sum() == 1
    assert more["domain"] is None
    assert len(X_new) == 6


# kinds of clips


def test_integer_clips_become_float():
    X = (tone(500)[None, :1000] * 20000).astype(np.int16)
    X_new, _, _ = only(gain_db=0.0).augment(X)
    assert X_new.dtype == np.float32
    assert_allclose(X_new, np.repeat(X, 2, axis=0) / 32768, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(dtype):
    X = np.random.default_rng(0).normal(size=(2, 4000)).astype(dtype)
    X_new, _, _ = WaveformAugmenter(gain_db=3.0, snr_db=10.0, random_state=0).augment(X)
    assert X_new.dtype == dtype
    assert X_new.shape == (10, 4000)


def test_ragged_clips():
    X = [tone(500, 0.5), tone(500, 0.8)]
    X_new, _, _ = WaveformAugmenter(random_state=0).augment(X)
    assert [len(clip) for clip in X_new] == [8000, 12800, 8000, 8000, 12800, 12800]
    assert X_new[0] is X[0]


def test_clips_shorter_than_a_frame():
    X_new, _, _ = WaveformAugmenter(random_state=0).augment(np.random.default_rng(0).normal(size=(1, 300)))
    assert np.isfinite(X_new).all()
    assert X_new.shape == (3, 300)


def test_files_stay_paths_and_are_resampled(tmp_path):
    paths = []
    for name, rate in [("a.wav", RATE), ("b.wav", 8000)]:
        paths.append(tmp_path / name)
        soundfile.write(paths[-1], np.sin(2 * np.pi * 1000 * np.arange(rate) / rate), rate)
    X_new, _, more = only(pitch_steps=0.0).augment(paths, section=["a", "b"])
    assert X_new[:2] == paths
    assert more["section"].tolist() == ["a", "b", "a", "b"]
    for waveform in X_new[2:]:
        assert waveform.shape == (RATE,)
        assert peak(waveform) == pytest.approx(1000, rel=0.002)


def test_bad_files(tmp_path):
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    soundfile.write(good, tone(500), RATE)
    bad.write_bytes(b"no sound")
    with pytest.raises(ClipError, match=r"bad\.wav"):
        only(gain_db=1.0).augment([bad, good])
    augmenter = only(gain_db=1.0, on_error="skip")
    with pytest.warns(ClipWarning, match=r"bad\.wav"):
        X_new, _, _ = augmenter.augment([bad, good])
    assert len(X_new) == 3
    assert_array_equal(augmenter.sample_origin_, [1])


@pytest.mark.parametrize("effect", [{"pitch_steps": 2.0}, {"pitch_steps": -3.0}, {"stretch_rate": 0.9}])
def test_noise_keeps_its_level(effect):
    X = np.random.default_rng(0).normal(size=(1, RATE))
    X_new, _, _ = only(**effect).augment(X)
    assert 20 * np.log10(X_new[1].std() / X[0].std()) == pytest.approx(0, abs=0.2)


def test_real_machine_keeps_its_length_and_level(real_data):
    paths = sorted(real_data("car_idle").rglob("*.flac"))[:2]
    augmenter = WaveformAugmenter(random_state=0)
    X_new, _, _ = augmenter.augment(paths)
    assert len(X_new) == 2 + 2 * 2
    for waveform, origin in zip(X_new[2:], augmenter.sample_origin_, strict=True):
        original, rate = soundfile.read(paths[origin])
        assert len(waveform) == pytest.approx(len(original) * RATE / rate, abs=1)
        level = 20 * np.log10(waveform.std() / original.std())
        assert abs(level) < 0.5


# errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"pitch_steps": None, "stretch_rate": None}, "No effect is on"),
        ({"pitch_steps": (3, -3)}, r"pitch_steps must be a number or a range \(low, high\), got \(3, -3\)"),
        ({"gain_db": (1, 2, 3)}, "gain_db must be a number or a range"),
        ({"stretch_rate": (0.0, 1.0)}, r"stretch_rate must be positive, got \(0.0, 1.0\)"),
        ({"snr_db": (0, np.inf)}, "snr_db must be a number or a range"),
        ({"n_copies": 0}, "'n_copies' parameter of WaveformAugmenter must be"),
        ({"combine": "all"}, "'combine' parameter of WaveformAugmenter must be"),
        ({"snr_db": 3.0, "noise": [np.zeros(10)]}, "Noise clip 0 is silent"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        WaveformAugmenter(**parameters).augment(np.ones((2, 4096)))


def test_wrong_length_of_metadata():
    with pytest.raises(ValueError, match="domain has 1 entries for 2 clips"):
        WaveformAugmenter().augment(np.ones((2, 100)), domain=["source"])


def test_only_the_drawn_clips_stand_beside_the_copies():
    X = np.random.default_rng(0).normal(size=(20, 4000)).astype("float32")
    proxy = np.arange(20) >= 15
    y = np.where(np.arange(20) == 14, -1, 1)
    augmenter = WaveformAugmenter(n_samples=4, keep="drawn", random_state=0)
    for clips in (X, list(X)):
        more, y_more, metadata = augmenter.augment(clips, y, proxy=proxy, section=np.arange(20))
        drawn = np.unique(augmenter.sample_origin_)
        kept = [*drawn, 14, *range(15, 20)]
        assert len(drawn) == 4
        assert len(more) == len(y_more) == len(kept) + 8
        np.testing.assert_array_equal(np.stack(more[: len(kept)]), X[kept])
        assert metadata["section"].tolist() == [*kept, *augmenter.sample_origin_]
        assert metadata["proxy"].tolist() == [*proxy[kept], *[False] * 8]
        assert y_more.tolist() == [*y[kept], *[1] * 8]


@pytest.mark.parametrize(
    "effect", [{"pitch_steps": 1}, {"pitch_steps": -30}, {"stretch_rate": 0.5}, {"stretch_rate": 5}]
)
@pytest.mark.parametrize("n_samples", [1, 2, 3, 4, 5])
def test_clips_of_few_samples(effect, n_samples):
    off = dict.fromkeys(("pitch_steps", "stretch_rate", "gain_db", "snr_db"))
    augmenter = WaveformAugmenter(**{**off, **effect})
    X = np.full((2, n_samples), 0.5)
    if n_samples < 4:
        with pytest.raises(ClipError, match=r"at least 4 needed .to change its pitch or tempo"):
            augmenter.augment(X)
    else:
        assert np.isfinite(augmenter.augment(X)[0]).all()
    assert WaveformAugmenter(**{**off, "gain_db": 3, "snr_db": 10}).augment(X)[0].shape == (6, n_samples)
