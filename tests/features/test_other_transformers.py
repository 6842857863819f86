"""Phase, whole-clip spectra and spectrogram images."""

import subprocess
import sys

import librosa
import numpy as np
import pytest
import soundfile

from skasd import PretrainedEmbedder
from skasd.clips import ClipError, ClipWarning
from skasd.features import (
    LogMelTransformer,
    PhaseTransformer,
    SpectrogramImageTransformer,
    SpectrumTransformer,
    STFTTransformer,
    time_frequency_axes,
)
from skasd.features._spectrogram_image import resizing_matrix

RATE = 16000


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).standard_normal((3, 8000))


@pytest.mark.parametrize(
    "framing", [{}, {"n_fft": 512, "hop_length": 160, "center": False}, {"pad_mode": "reflect"}], ids=str
)
def test_phase_is_the_angle_of_librosas_stft(X, framing):
    reference = librosa.stft(X, **{"n_fft": 1024, "hop_length": 512, **framing})
    phase = PhaseTransformer(**framing, dtype="float64").fit_transform(X)
    # compared on the circle: pi and -pi are the same
    np.testing.assert_allclose(np.exp(1j * phase), reference / np.abs(reference), atol=1e-9)
    assert np.abs(phase).max() <= np.pi
    magnitude = STFTTransformer(**framing, dtype="float64").fit_transform(X)
    np.testing.assert_allclose(magnitude * np.exp(1j * phase), reference, atol=1e-9)


def test_phase_of_silence_is_zero_and_bins_may_be_left_out(X):
    assert not PhaseTransformer().fit_transform(np.zeros((1, 4000), dtype=np.float32)).any()
    whole = PhaseTransformer().fit_transform(X)
    np.testing.assert_array_equal(PhaseTransformer(bins="no_dc").fit_transform(X), whole[:, 1:])
    np.testing.assert_array_equal(PhaseTransformer(bins="no_nyquist").fit_transform(X), whole[:, :-1])


def test_spectrum_of_the_whole_clip(X):
    got = SpectrumTransformer(8000, dtype="float64").fit_transform(X)
    assert got.shape == (3, 4000, 1)
    np.testing.assert_allclose(got[:, :, 0], np.abs(np.fft.rfft(X))[:, :4000], atol=1e-9)
    single = SpectrumTransformer(8000).fit_transform(X.astype(np.float32))
    np.testing.assert_allclose(single, got, atol=1e-3)


def test_spectrum_cuts_and_repeats(X):
    cut = SpectrumTransformer(5000).fit_transform(X)
    np.testing.assert_array_equal(cut, SpectrumTransformer(5000).fit_transform(X[:, :5000]))
    repeated = SpectrumTransformer(18000).fit_transform(X)
    tiled = np.concatenate([X, X, X[:, :2000]], axis=1)
    np.testing.assert_array_equal(repeated, SpectrumTransformer(18000).fit_transform(tiled))
    # clips of unequal length become one array
    assert SpectrumTransformer(5000).fit_transform([X[0], X[1, :3000]]).shape == (2, 2500, 1)


def test_a_tone_stands_in_its_bin():
    x = np.sin(2 * np.pi * 440 * np.arange(10 * RATE) / RATE)[None]
    assert SpectrumTransformer().fit_transform(x)[0, :, 0].argmax() == 4400


def test_images_have_one_size_for_clips_of_any_length(X):
    images = SpectrogramImageTransformer().fit_transform([X[0], X[1, :3000], np.tile(X[2], 100)])
    assert images.shape == (3, 320, 320)
    assert np.isfinite(images).all()


def test_an_image_of_the_spectrograms_own_size_is_the_spectrogram(X):
    framing = {"n_fft": 256, "hop_length": 128, "log": "db", "amin": 1e-10, "dtype": "float64"}
    spectrogram = STFTTransformer(**framing).fit_transform(X)
    image = SpectrogramImageTransformer(spectrogram.shape[1:], **framing).fit_transform(X)
    np.testing.assert_allclose(image, spectrogram, atol=1e-9)


def test_images_show_where_the_sound_is():
    t = np.arange(4 * RATE) / RATE
    x = np.where(t > 3, np.sin(2 * np.pi * 6000 * t), 0)[None]
    image = SpectrogramImageTransformer(log=None).fit_transform(x)[0]
    row, column = np.unravel_index(image.argmax(), image.shape)
    assert abs(row - 6000 / 8000 * 320) < 2
    assert column > 0.7 * 320


@pytest.mark.parametrize(("n_in", "n_out"), [(2049, 320), (7, 3), (79, 320), (1, 5), (5, 5), (10, 1)])
def test_resizing_keeps_constants_and_means(n_in, n_out):
    matrix = resizing_matrix(n_in, n_out)
    assert matrix.shape == (n_out, n_in)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    values = np.random.default_rng(0).normal(size=n_in)
    if n_out <= n_in:
        assert (matrix @ values).mean() == pytest.approx(values.mean())
    else:
        assert (matrix @ np.sort(values) == np.sort(matrix @ np.sort(values))).all()
        assert np.ptp(matrix @ values) <= np.ptp(values) + 1e-12
    if n_in == 2 * n_out:
        np.testing.assert_allclose(matrix @ values, values.reshape(-1, 2).mean(axis=1))


@pytest.mark.parametrize("shape", [(320,), (0, 5), (3.5, 2), (1, 2, 3)])
def test_bad_image_shapes(X, shape):
    with pytest.raises(ValueError, match="shape must be two positive integers"):
        SpectrogramImageTransformer(shape).fit(X)


@pytest.mark.parametrize(
    "transformer",
    [
        PhaseTransformer(on_error="skip"),
        SpectrumTransformer(4000, on_error="skip"),
        SpectrogramImageTransformer((20, 30), on_error="skip"),
    ],
    ids=lambda t: type(t).__name__,
)
def test_files_threads_and_skipping(tmp_path, X, transformer):
    for i, x in enumerate(X):
        soundfile.write(tmp_path / f"{i}.wav", x, RATE, subtype="FLOAT")
    files = [*sorted(tmp_path.glob("*.wav")), tmp_path / "missing.wav"]
    with pytest.warns(ClipWarning, match=r"missing\.wav"):
        got = transformer.set_params(n_jobs=2).fit_transform(files)
    np.testing.assert_array_equal(got[:3], transformer.fit_transform(X.astype(np.float32)))
    assert np.isnan(got[3]).all()


FRONT_ENDS = [
    LogMelTransformer,
    STFTTransformer,
    PhaseTransformer,
    SpectrumTransformer,
    SpectrogramImageTransformer,
]


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("peak", [1e12, 1e20, 1e37])
def test_samples_that_are_no_sound_are_bad_clips(front_end, peak, X):
    loud = X.astype(np.float32)
    loud[1] *= np.float32(peak)
    with pytest.raises(ClipError, match=r"clip 1, .*beyond max_amplitude"):
        front_end().fit_transform(loud)
    with pytest.warns(ClipWarning, match=r"clip 1, .*beyond max_amplitude"):
        got = front_end(on_error="skip").fit_transform(loud)
    assert [np.isnan(features).all() for features in got] == [False, True, False]


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("full_scale", [2**15, 2**31])
def test_unscaled_pcm_in_floats_is_read(front_end, full_scale, X):
    unscaled = (0.1 * X * full_scale).astype(np.float32)
    assert np.isfinite(front_end().fit_transform(unscaled)).all()


@pytest.mark.parametrize(
    "transformer",
    [
        LogMelTransformer(power=8, log=None),
        STFTTransformer(dtype="float16"),
        SpectrumTransformer(dtype="float16"),
        SpectrogramImageTransformer(log=None, dtype="float16"),
    ],
    ids=str,
)
def test_features_that_are_not_finite_are_a_cause(transformer, X):
    clips = [0.1 * X[0], 3200 * X[1], 0.1 * X[2, :4000]]
    clips = [clip.astype(np.float32) for clip in clips]
    with pytest.raises(ClipError, match=r"clip 1, .*its features are not finite in float.*scale its samples"):
        transformer.fit_transform(clips)
    with pytest.warns(ClipWarning, match=r"1 of 3 clips .*\n.*clip 1, .*not finite"):
        got = transformer.set_params(on_error="skip").fit_transform(clips)
    assert [np.isnan(features).all() for features in got] == [False, True, False]


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_limits_reach_the_reading(front_end, X):
    with pytest.raises(ClipError, match=r"beyond max_amplitude=0\.5"):
        front_end(limits={"max_amplitude": 0.5}).fit_transform(X)
    with pytest.raises(ValueError, match="limits has 'most'; there are min_sample_rate"):
        front_end(limits={"most": 1}).fit(["missing.wav"])


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_clips_of_one_sample(front_end, tmp_path):
    X = np.array([[0.5], [0.0]])
    features = front_end().fit_transform(X)
    assert features.shape[0] == 2
    assert np.isfinite(features).all()
    np.testing.assert_array_equal(front_end().fit_transform([X[0], np.zeros(3)])[0], features[0])
    soundfile.write(tmp_path / "one.wav", X[0], 48000)
    with pytest.raises(ClipError, match="no samples at 16000 Hz"):
        front_end().fit_transform([tmp_path / "one.wav"])


def test_importing_and_using_features_does_without_torch():
    code = (
        "import sys, numpy as np; from skasd.features import *; "
        "assert 'librosa' not in sys.modules and 'numba' not in sys.modules; "
        "ClipStatistics().fit_transform(LogMelTransformer().fit_transform(np.zeros((1, 4000)))); "
        "LogMelTransformer(norm=None).mel_filters(); "
        # the latter takes 20 s to be compiled for the first time
        "assert 'torch' not in sys.modules and 'librosa.util.utils' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    "settings", [{}, {"htk": True, "n_mels": 64, "fmin": 50}, {"n_fft": 2048, "fmax": 6000}]
)
@pytest.mark.parametrize("norm", [None, "slaney"])
def test_mel_filters_are_librosas(settings, norm):
    front_end = LogMelTransformer(norm=norm, **settings)
    bands = {"fmin": front_end.fmin, "fmax": front_end.fmax, "htk": front_end.htk}
    expected = librosa.filters.mel(
        sr=16000, n_fft=front_end.n_fft, n_mels=front_end.n_mels, norm=norm, dtype=np.float64, **bands
    )
    np.testing.assert_array_equal(front_end.mel_filters(), expected)


def test_images_have_no_time_axis():
    with pytest.raises(TypeError, match="Columns of images have no length in seconds"):
        time_frequency_axes(SpectrogramImageTransformer())


@pytest.mark.parametrize(
    "transformer", [STFTTransformer(), PretrainedEmbedder()], ids=lambda t: type(t).__name__
)
def test_a_fit_on_a_list_forgets_the_number_of_samples(X, transformer):
    assert transformer.fit(X).n_features_in_ == X.shape[1]
    assert not hasattr(transformer.fit(list(X)), "n_features_in_")
