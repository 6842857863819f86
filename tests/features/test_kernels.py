"""The compiled loops against NumPy."""

import numpy as np
import pytest
import scipy.fft

from skasd.features import _stft
from skasd.features._kernels import band_energies


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
