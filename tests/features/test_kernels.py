"""The compiled loops against NumPy."""

import numpy as np
import pytest
import scipy.fft

from skasd.features import _stft
from skasd.features._kernels import band_energies, write_log_levels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("power", [1.0, 2.0, 1.3])
def test_band_energies_are_the_weighted_sums(dtype, power):
    rng = np.random.default_rng(0)
    spectrum = (rng.normal(size=(5, 40)) + 1j * rng.normal(size=(5, 40))).astype(np.result_type(dtype, 1j))
    first, width = np.array([0, 7, 30]), np.array([9, 12, 10])
    weights = [rng.random((n, 4)).astype(dtype) for n in width]
    out = np.empty((3, 5, 4), dtype)
    flat = np.concatenate([w.ravel() for w in weights])
    band_energies(spectrum, first, width, flat, power / 2, np.empty(5 * 12, dtype), out)
    for block in range(3):
        bins = slice(first[block], first[block] + width[block])
        np.testing.assert_allclose(out[block], np.abs(spectrum[:, bins]) ** power @ weights[block], rtol=1e-5)


@pytest.mark.parametrize("n_fft", [511, 512, 1024])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kept", [True, False])
def test_spectra_are_scipys_whether_or_not_the_kept_array_is_used(n_fft, dtype, kept, monkeypatch):
    if not kept:
        monkeypatch.setattr(_stft, "_r2c", None)
    else:
        assert _stft._r2c is not None, (
            "SciPy's inner function has moved: the transform lost a tenth of its speed"
        )
    fourier = _stft.ShortTimeFourier(
        n_fft=n_fft,
        hop_length=200,
        win_length=None,
        window="boxcar",
        center=False,
        pad_mode="constant",
        dtype=dtype,
    )
    waveform = np.random.default_rng(0).normal(size=4000).astype(dtype)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, n_fft)[::200]
    (which, spectra), *rest = list(fourier.chunks(waveform))
    assert not rest
    assert which == slice(0, len(frames))
    np.testing.assert_array_equal(spectra, scipy.fft.rfft(frames, axis=1))


@pytest.mark.parametrize("n_mels", [32, 27])
def test_log_levels(n_mels):
    rng = np.random.default_rng(0)
    energies = np.exp(rng.uniform(-100, 88, size=(2, 500, 16))).astype(np.float32)
    energies[0, :4, 0] = [0, -0.0, 1, np.finfo(np.float32).max]
    amin = 1e-35
    out = np.empty((n_mels, 500), np.float32)
    write_log_levels(energies.view(np.int32), amin, 10 / np.log(10), np.empty(500 * 16, np.float32), out)
    exact = 10 * np.log10(np.maximum(energies.astype(np.float64), amin))
    exact = exact.swapaxes(1, 2).reshape(32, 500)[:n_mels]
    spacing = np.spacing(np.abs(exact).astype(np.float32))
    assert (np.abs(out - exact) <= 2 * spacing + 1e-6).all()


def test_log_levels_of_what_is_not_finite():
    energies = np.ones((1, 3, 16), np.float32)
    energies[0, 1], energies[0, 2] = np.inf, np.nan
    out = np.empty((16, 3), np.float32)
    write_log_levels(energies.view(np.int32), 1e-20, 1.0, np.empty(48, np.float32), out)
    np.testing.assert_array_equal(out[5], [0, np.inf, np.nan])
