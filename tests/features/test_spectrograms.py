"""Spectrograms and log-mel energies, against librosa and each other."""

import tracemalloc

import librosa
import numpy as np
import pytest
import scipy.signal
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from skasd.clips import ClipError, ClipWarning
from skasd.features import LogMelTransformer, STFTTransformer

RATE = 16000
EPS = 2.220446049250313e-16


def signals():
    """Return one second each of what a front end may meet."""
    rng = np.random.default_rng(0)
    t = np.arange(RATE) / RATE
    noise = rng.standard_normal(RATE)
    tone = np.sin(2 * np.pi * 997 * t)
    return {
        "noise": 0.1 * noise,
        "machine": 0.05 * noise + sum(0.3 / k * np.sin(2 * np.pi * 47.3 * k * t) for k in range(1, 20)),
        "quiet": 1e-4 * noise,
        "offset": 0.3 + 0.01 * noise,
        "tone": 0.99 * tone,
        "quantised tone": np.round(32767 * 0.99 * tone) / 32768,
        "tone and noise": 0.9 * tone + 1e-4 * noise,
        "chirp": scipy.signal.chirp(t, 50, 1, 7900),
        "click": np.where(np.arange(RATE) == 5000, 1.0, 0.0),
    }


def librosa_log_mel(x, *, power=2.0, amin=EPS, **options):
    mel = librosa.feature.melspectrogram(y=x, sr=RATE, power=power, **options)
    return 20 / power * np.log10(np.maximum(mel, amin))


PARAMETERS = [
    {},
    {"n_fft": 2048, "hop_length": 512, "n_mels": 64},
    {"n_fft": 512, "hop_length": 160, "n_mels": 64, "fmin": 50.0, "fmax": 7800.0},
    {"n_fft": 1024, "hop_length": 256, "n_mels": 224, "fmin": 50.0, "fmax": 7800.0},
    {"win_length": 801, "window": "hamming", "n_mels": 40},
    {"n_fft": 1000, "hop_length": 333, "n_mels": 37, "center": False},
    {"n_fft": 1025, "hop_length": 400, "n_mels": 50},
    {"htk": True, "norm": None, "n_mels": 80},
    {"pad_mode": "reflect"},
    {"power": 1.0},
    {"power": 1.5, "window": ("kaiser", 8.0)},
    {"hop_length": 1500},
]


@pytest.mark.filterwarnings("ignore:Empty filters detected")
@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_float64_log_mel_is_librosas(parameters):
    X = np.stack(list(signals().values()))
    got = LogMelTransformer(**parameters, dtype="float64").fit_transform(X)
    reference = {"n_fft": 1024, "hop_length": 512, "n_mels": 128, "power": 2.0, **parameters}
    expected = np.stack([librosa_log_mel(x, **reference) for x in X])
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-4, rtol=0)
    assert LogMelTransformer(**parameters).fit(X).n_frames(RATE) == got.shape[2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_standardised_waveforms_are_equally_loud(dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=RATE).astype(dtype)
    standardised = (x - x.mean()) / x.std()
    transformer = LogMelTransformer(standardize_waveform=True)
    expected = LogMelTransformer().fit_transform(standardised[None])[0]
    clips = [x, (0.003 * x + 0.2).astype(dtype), x[: RATE // 2]]
    got = transformer.fit_transform(clips)
    np.testing.assert_allclose(got[0], expected, atol=1e-3, rtol=0)
    np.testing.assert_allclose(got[1], expected, atol=0.05, rtol=0)
    assert got[2].shape[1] < got[0].shape[1]
    np.testing.assert_array_equal(x, clips[0])
    quiet = np.stack([np.zeros(RATE), np.full(RATE, 0.3)]).astype(dtype)
    silence = LogMelTransformer().fit_transform(np.zeros((2, RATE), dtype=dtype))
    np.testing.assert_array_equal(transformer.fit_transform(quiet), silence)


def test_filters_of_kaldi_are_triangles_over_mel():
    x = signals()["noise"]
    parameters = {"n_mels": 40, "fmin": 100.0, "fmax": 7000.0}
    got = LogMelTransformer(filters="kaldi", log=None, dtype="float64", **parameters).fit_transform(x[None])[
        0
    ]
    power = np.abs(librosa.stft(x, n_fft=1024, hop_length=512)) ** 2
    mel = 1127 * np.log1p(np.arange(513) * RATE / 1024 / 700)
    low, high = 1127 * np.log1p(np.array([100, 7000]) / 700)
    step = (high - low) / 41
    centres = low + step * np.arange(1, 41)
    filters = np.maximum(1 - np.abs(mel - centres[:, None]) / step, 0)
    np.testing.assert_allclose(got, filters @ power, rtol=1e-6)
    transformer = LogMelTransformer(filters="kaldi", htk=False, norm="slaney", **parameters)
    expected = LogMelTransformer(htk=True, **parameters).get_feature_names_out()
    np.testing.assert_array_equal(transformer.get_feature_names_out(), expected)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_preemphasis(center, dtype):
    x = signals()["machine"][: 1024 + 7 * 512].astype(dtype)
    transformer = LogMelTransformer(preemphasis=0.9, center=center)
    got = transformer.fit_transform(x[None])[0]
    expected = LogMelTransformer(center=center).fit_transform((x[1:] - 0.9 * x[:-1])[None])[0]
    assert got.shape == expected.shape == (128, transformer.n_frames(len(x)))
    np.testing.assert_allclose(got, expected, atol=1e-2)
    least = 1024 + 1 if not center else 2
    with pytest.raises(ClipError, match=f"{least - 1} samples"):
        transformer.transform(x[None, : least - 1])
    assert transformer.transform(x[None, :least]).shape == (1, 128, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_waveform_after_another(dtype):
    X = np.stack(list(signals().values())).astype(dtype)
    transformer = LogMelTransformer(n_mels=40)
    compute = transformer.waveform_function(dtype)
    for x, expected in zip(X, transformer.fit_transform(X), strict=True):
        np.testing.assert_array_equal(compute(x), expected)
        out = np.empty((50, expected.shape[1]), np.float32)
        assert compute(x[: RATE // 2], out[:40, : RATE // 1024 + 1]).base is out
    with pytest.raises(ValueError, match="n_mels"):
        LogMelTransformer(n_mels=0).waveform_function()


@pytest.mark.parametrize("parameters", PARAMETERS[:1] + PARAMETERS[4:7] + PARAMETERS[8:9], ids=str)
def test_float64_stft_is_librosas(parameters):
    parameters = {k: v for k, v in parameters.items() if k != "n_mels"}
    X = np.stack(list(signals().values()))
    framing = {"n_fft": 1024, "hop_length": 512, **parameters}
    expected = np.abs(librosa.stft(X, **framing))
    for bins, rows in {"all": slice(None), "no_dc": slice(1, None), "no_nyquist": slice(None, -1)}.items():
        got = STFTTransformer(**parameters, bins=bins, dtype="float64").fit_transform(X)
        np.testing.assert_allclose(got, expected[:, rows], atol=1e-9)
    squared = STFTTransformer(**parameters, power=2.0, dtype="float64").fit_transform(X)
    np.testing.assert_allclose(squared, expected**2, rtol=1e-9, atol=1e-9)


def test_logarithms():
    x = signals()["noise"][None]
    magnitude = STFTTransformer(dtype="float64").fit_transform(x)
    for power in (1.0, 2.0):
        decibel = STFTTransformer(power=power, log="db", dtype="float64").fit_transform(x)
        np.testing.assert_allclose(decibel, 20 * np.log10(magnitude), atol=1e-9)
    natural = STFTTransformer(log="natural", amin=0.5, dtype="float64").fit_transform(x)
    np.testing.assert_allclose(natural, np.log(np.maximum(magnitude, 0.5)), atol=1e-9)
    energy = LogMelTransformer(log=None, dtype="float64").fit_transform(x)
    expected = librosa.feature.melspectrogram(y=x[0], sr=RATE, n_fft=1024, hop_length=512)
    np.testing.assert_allclose(energy[0], expected, rtol=1e-6)


def test_the_sizes_that_the_challenge_reports_need():
    X = np.zeros((1, 10 * RATE), dtype=np.float32)
    assert STFTTransformer(bins="no_dc").fit_transform(X).shape == (1, 512, 313)
    assert STFTTransformer(n_fft=2048, bins="no_nyquist").fit_transform(X).shape == (1, 1024, 313)
    assert LogMelTransformer().fit_transform(X).shape == (1, 128, 313)


@pytest.mark.parametrize(
    ("name", "limit"),
    [("noise", 1e-4), ("machine", 1e-3), ("quiet", 1e-4), ("offset", 0.02), ("tone and noise", 0.2)],
)
def test_error_of_float32(name, limit):
    x = signals()[name].astype(np.float32)[None]
    single = LogMelTransformer().fit_transform(x)
    double = LogMelTransformer(fft_dtype="float64").fit_transform(x)
    assert single.dtype == double.dtype == np.float32
    assert np.abs(single - double).max() < limit


def test_precision_follows_the_data_or_is_forced():
    x = signals()["quantised tone"]  # the same in float32
    exact = LogMelTransformer().fit_transform(x[None])
    fast = LogMelTransformer().fit_transform(x[None].astype(np.float32))
    assert np.abs(exact - fast).max() > 1e-3
    forced = LogMelTransformer(fft_dtype="float64").fit_transform(x[None].astype(np.float32))
    np.testing.assert_allclose(forced, exact, atol=1e-5, rtol=0)
    np.testing.assert_array_equal(LogMelTransformer(fft_dtype="float32").fit_transform(x[None]), fast)
    mixed = LogMelTransformer().fit_transform([x, x.astype(np.float32)])
    np.testing.assert_array_equal(mixed, np.concatenate([exact, fast]))


def test_integers_are_the_same_as_scaled_floats():
    pcm = np.random.default_rng(0).integers(-20000, 20000, (2, 4000)).astype(np.int16)
    expected = LogMelTransformer().fit_transform((pcm / 32768).astype(np.float32))
    np.testing.assert_array_equal(LogMelTransformer().fit_transform(pcm), expected)


def test_silence_gives_the_floor():
    X = np.zeros((1, 4000), dtype=np.float32)
    np.testing.assert_allclose(LogMelTransformer().fit_transform(X), 10 * np.log10(EPS), rtol=1e-6)
    np.testing.assert_allclose(LogMelTransformer(amin=1e-10).fit_transform(X), -100, rtol=1e-6)
    assert not STFTTransformer().fit_transform(X).any()


def test_reflected_clips_begin_without_a_step():
    X = np.full((1, 4000), 0.5)
    stft = STFTTransformer(pad_mode="reflect").fit_transform(X)
    np.testing.assert_allclose(stft[0, 0], stft[0, 0, 3])
    assert STFTTransformer().fit_transform(X)[0, 0, 0] < 0.6 * stft[0, 0, 0]


@settings(max_examples=40, deadline=None)
@given(
    n_samples=st.integers(1, 6000),
    n_fft=st.integers(2, 700),
    hop_length=st.integers(1, 900),
    center=st.booleans(),
    pad_mode=st.sampled_from(["constant", "reflect"]),
)
def test_number_of_frames(n_samples, n_fft, hop_length, center, pad_mode):
    transformer = STFTTransformer(n_fft=n_fft, hop_length=hop_length, center=center, pad_mode=pad_mode)
    X = np.ones((1, n_samples))
    if (not center and n_samples < n_fft) or (center and pad_mode == "reflect" and n_samples <= n_fft // 2):
        with pytest.raises(ClipError, match=f"too short: {n_samples} samples"):
            transformer.fit_transform(X)
        return
    got = transformer.fit_transform(X)
    padded = np.pad(X[0], n_fft // 2, mode=pad_mode) if center else X[0]
    n_frames = len(range(0, len(padded) - n_fft + 1, hop_length))
    assert got.shape == (1, 1 + n_fft // 2, n_frames)
    assert transformer.n_frames(n_samples) == n_frames
    # row 0 is the windowed sum: every frame, those at the ends included, holds the right samples
    window = scipy.signal.get_window("hann", n_fft)
    sums = [padded[a : a + n_fft] @ window for a in range(0, len(padded) - n_fft + 1, hop_length)]
    np.testing.assert_allclose(got[0, 0], np.abs(sums), rtol=1e-5, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(1e-3, 1e3))
def test_gain_shifts_the_level(seed, gain):
    x = np.random.default_rng(seed).standard_normal((1, 3000))
    for transformer in (LogMelTransformer(dtype="float64"), STFTTransformer(log="db", dtype="float64")):
        shift = transformer.fit_transform(gain * x) - transformer.fit_transform(x)
        np.testing.assert_allclose(shift, 20 * np.log10(gain), atol=1e-5)


def test_window_by_its_values():
    x = signals()["noise"][None]
    named = STFTTransformer().fit_transform(x)
    values = scipy.signal.get_window("hann", 1024)
    np.testing.assert_array_equal(STFTTransformer(window=values).fit_transform(x), named)
    beta = STFTTransformer(window=8.0).fit_transform(x)  # of a Kaiser window
    np.testing.assert_array_equal(STFTTransformer(window=8).fit_transform(x), beta)
    with pytest.raises(ValueError, match=r"shape \(1024,\), but win_length=800"):
        STFTTransformer(window=values, win_length=800).fit(x)


def test_ragged_clips_give_a_list_and_equal_ones_an_array():
    rng = np.random.default_rng(0)
    clips = [rng.standard_normal(n) for n in (3000, 8000, 3000)]
    ragged = LogMelTransformer().fit_transform(clips)
    assert isinstance(ragged, list)
    assert [s.shape for s in ragged] == [(128, 6), (128, 16), (128, 6)]
    for clip, spectrogram in zip(clips, ragged, strict=True):
        np.testing.assert_array_equal(LogMelTransformer().fit_transform(clip[None])[0], spectrogram)
    # lengths that differ by less than a hop make no difference
    assert LogMelTransformer().fit_transform([clips[0], clips[0][:2999]]).shape == (2, 128, 6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_output_types(dtype):
    x = signals()["machine"][None]
    got = LogMelTransformer(dtype=dtype).fit_transform(x)
    assert got.dtype == dtype
    exact = LogMelTransformer(dtype="float64").fit_transform(x)
    assert np.abs(got - exact).max() <= {"float16": 0.04, "float32": 1e-5, "float64": 0}[dtype]


@pytest.mark.parametrize("transformer", [LogMelTransformer(), STFTTransformer(log="db")], ids=repr)
def test_threads_make_no_difference(transformer):
    X = np.random.default_rng(0).standard_normal((37, 9000)).astype(np.float32)
    one = transformer.fit_transform(X)
    np.testing.assert_array_equal(clone(transformer).set_params(n_jobs=2).fit_transform(X), one)
    np.testing.assert_array_equal(transformer.transform(X[::-1])[::-1], one)
    ragged = [x[: 4000 + 100 * i] for i, x in enumerate(X)]
    two = clone(transformer).set_params(n_jobs=2).fit_transform(ragged)
    for a, b in zip(transformer.fit_transform(ragged), two, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(5):
        soundfile.write(tmp_path / f"{i}.wav", rng.uniform(-0.5, 0.5, (3000, 2)), RATE)
    return sorted(tmp_path.glob("*.wav"))


def test_files_and_their_channels(files):
    stereo = np.stack([soundfile.read(path, dtype="float32")[0] for path in files])
    for channel, expected in {"mean": stereo.mean(axis=2), 0: stereo[:, :, 0], 1: stereo[:, :, 1]}.items():
        transformer = LogMelTransformer(channel=channel)
        np.testing.assert_array_equal(transformer.fit_transform(files), transformer.fit_transform(expected))
    with pytest.raises(ClipError, match="channel=2"):
        LogMelTransformer(channel=2).fit_transform(files)


def test_files_at_another_rate(tmp_path):
    x = signals()["noise"].astype(np.float32)
    path = tmp_path / "clip.wav"
    soundfile.write(path, x, RATE, subtype="FLOAT")
    got = LogMelTransformer(sample_rate=8000).fit_transform([path])
    expected = LogMelTransformer(sample_rate=8000).fit_transform(
        librosa.resample(x, orig_sr=RATE, target_sr=8000)[None]
    )
    np.testing.assert_allclose(got, expected, atol=1e-3)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_skipped_clips_are_rows_of_nan(files, tmp_path, n_jobs):
    bad = tmp_path / "bad.txt"
    bad.write_text("no audio")
    nan = tmp_path / "nan.wav"
    soundfile.write(nan, np.full(3000, np.nan), RATE, subtype="FLOAT")
    transformer = LogMelTransformer(on_error="skip", n_jobs=n_jobs)
    expected = transformer.fit_transform(files)
    with pytest.warns(ClipWarning, match=r"2 of 7 clips.*skipped"):
        got = transformer.fit_transform([bad, *files, nan])
    assert got.shape == (7, 128, 6)
    assert np.isnan(got[[0, 6]]).all()
    np.testing.assert_array_equal(got[1:6], expected)
    longer = tmp_path / "longer.wav"
    soundfile.write(longer, np.zeros(9000), RATE)
    with pytest.warns(ClipWarning):
        ragged = transformer.fit_transform([bad, *files, nan, longer])
    assert [s.shape for s in ragged] == [(128, 1), *[(128, 6)] * 5, (128, 1), (128, 18)]
    assert np.isnan(ragged[0]).all()
    assert np.isnan(ragged[6]).all()
    with pytest.warns(ClipWarning):
        assert np.isnan(transformer.fit_transform([bad])).all()


def test_bad_clips_raise_in_fit_where_that_costs_nothing():
    X = np.zeros((3, 2000))
    X[1, 7] = np.inf
    with pytest.raises(ClipError, match=r"clip 1.*infinite"):
        LogMelTransformer().fit(X)
    with pytest.raises(ValueError, match="single path"):
        LogMelTransformer().fit("clip.wav")
    LogMelTransformer().fit(["not opened.wav"])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_fft": 1}, "n_fft"),
        ({"hop_length": 0}, "hop_length"),
        ({"win_length": 2048}, "win_length=2048 is longer than n_fft=1024"),
        ({"window": "no such window"}, "window"),
        ({"pad_mode": "wrap"}, "pad_mode"),
        ({"fmin": 5000.0, "fmax": 4000.0}, "fmin=5000.0 and fmax=4000.0"),
        ({"fmax": 9000.0}, r"fmax=9000.0.*sample_rate / 2 = 8000"),
        ({"norm": "area"}, "norm"),
        ({"log": "dB"}, "log"),
        ({"amin": 0.0}, "amin"),
        ({"amin": 1e-60}, "zero in float32"),
        ({"power": -1.0}, "power"),
        ({"dtype": "int16"}, "dtype"),
        ({"channel": "left"}, "channel"),
        ({"on_error": "ignore"}, "on_error"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        LogMelTransformer(**parameters).fit(np.zeros((1, 2000), dtype=np.float32))


def test_transform_works_without_fit():
    X = np.random.default_rng(0).standard_normal((2, 2000))
    np.testing.assert_array_equal(LogMelTransformer().transform(X), LogMelTransformer().fit_transform(X))


def test_library_thread_settings_are_left_alone():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    before = threadpoolctl.threadpool_info()
    LogMelTransformer(n_jobs=2).fit_transform(np.zeros((4, 20000), dtype=np.float32))
    after = {pool["filepath"]: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    assert all(after[pool["filepath"]] == pool["num_threads"] for pool in before)


@pytest.mark.parametrize("transformer", [LogMelTransformer(hop_length=128), STFTTransformer()], ids=repr)
def test_memory_is_that_of_the_output_and_a_clip(tmp_path, transformer):
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 2 * RATE), RATE)
    few = transformer.fit_transform([path] * 2)  # imports, compiles
    tracemalloc.start()
    try:
        many = transformer.fit_transform([path] * 100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert many.nbytes == 50 * few.nbytes
    assert peak < 1.35 * many.nbytes


# real recordings


@pytest.mark.parametrize("parameters", PARAMETERS[:3], ids=str)
def test_real_clips_equal_librosa(real_data, parameters):
    files = sorted(real_data("car_idle").glob("dev_data/CarIdle/*/*.flac"))[::60]
    waveforms = [soundfile.read(path, dtype="float64")[0] for path in files]
    expected = np.stack(
        [librosa_log_mel(x, **{"n_fft": 1024, "hop_length": 512, **parameters}) for x in waveforms]
    )
    double = LogMelTransformer(**parameters).fit_transform(waveforms)
    np.testing.assert_allclose(double, expected, atol=1e-4, rtol=0)
    forced = LogMelTransformer(**parameters, fft_dtype="float64").fit_transform(files)
    np.testing.assert_allclose(forced, expected, atol=1e-4, rtol=0)
    single = LogMelTransformer(**parameters).fit_transform(files)
    np.testing.assert_allclose(single, expected, atol=5e-3, rtol=0)


def test_the_challenges_own_front_end(real_data):
    stored = np.load(real_data("toycar_logmel") / "toycar_logmel.npz")
    names = zip(stored["machine_id"], stored["name"], strict=True)
    levels = dict(zip(names, stored["logmel_u8"], strict=True))
    # the stored clips are the test set of the challenge
    files = sorted(real_data("dcase2020_mini").glob("dev_data/ToyCar/test/*.wav"))
    known = [path for path in files if (path.name.split("_")[2], path.name) in levels]
    assert len(known) >= 5
    got = LogMelTransformer().fit_transform(known)[:, :, 50:250]
    for path, spectrogram in zip(known, got, strict=True):
        row = levels[path.name.split("_")[2], path.name]
        expected = row * float(stored["step_db"]) + float(stored["floor_db"])
        inside = (row > 0) & (row < 255)  # those at the ends were clipped
        assert inside.mean() > 0.99
        assert np.abs(spectrogram - expected)[inside].max() <= 0.251
