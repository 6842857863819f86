"""Spectrograms as images of one size."""

from numbers import Integral
from typing import Literal

import numpy as np

from .._typing import ArrayLike
from ._base import ShortTimeFourierTransformer
from ._docs import with_shared_docstring
from ._levels import LEVEL_CONSTRAINTS, check_amin, to_power, write_level


@with_shared_docstring
class SpectrogramImageTransformer(ShortTimeFourierTransformer):
    """Turn each clip, of any length, into a spectrogram image of one size.

    For networks that were made for pictures.

    Parameters
    ----------
    shape : tuple of (int, int), default=(320, 320)
        Height (frequency) and width (time) of the image.

    n_fft : int, default=4096
        Length of the Fourier transform in samples: 256 ms at 16 kHz.

    hop_length : int, default=2048
        Samples from one frame to the next: 50 % overlap.

    power : float, default=1.0
        Exponent of the magnitude.

    log : {"db", "natural"} or None, default="db"
        Scale of the values, as in :class:`STFTTransformer`; applied before the resizing.

    amin : float, default=1e-10
        Floor of the magnitudes under a logarithm.

    {shared}

    See Also
    --------
    STFTTransformer : Spectrograms as they are.

    Notes
    -----
    An axis that becomes shorter is averaged over the area of each pixel, so that no bin is lost; an axis
    that becomes longer is interpolated linearly between the centres of its pixels. Row 0 is the lowest
    frequency. Window, overlap and size are those of [1]_, section 2.1, which does not name the
    interpolation, nor the scale of the values: decibels here.

    References
    ----------
    .. [1] S. Kazakova, A. Semenov, A. Surkov, S. Astapov, "Anomalous sound detection with autoencoder and
       image MobileNet using outlier exposure approach", DCASE2022 Challenge technical report, section 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.features import SpectrogramImageTransformer
    >>> clips = np.random.default_rng(0).normal(size=(2, 16000)).astype(np.float32)
    >>> SpectrogramImageTransformer(shape=(64, 64)).fit_transform(clips).shape
    (2, 64, 64)
    """

    _parameter_constraints: dict = {
        **ShortTimeFourierTransformer._parameter_constraints,
        **LEVEL_CONSTRAINTS,
        "shape": [tuple, list],
    }

    def __init__(
        self,
        shape: tuple[int, int] = (320, 320),
        *,
        sample_rate: int = 16000,
        n_fft: int = 4096,
        hop_length: int = 2048,
        win_length: int | None = None,
        window: str | tuple | float | ArrayLike = "hann",
        center: bool = True,
        pad_mode: Literal["constant", "reflect"] = "constant",
        power: float = 1.0,
        log: Literal["db", "natural"] | None = "db",
        amin: float = 1e-10,
        channel: Literal["mean"] | int = "mean",
        dtype: Literal["float16", "float32", "float64"] = "float32",
        fft_dtype: Literal["float32", "float64"] | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        limits: dict | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ):
        self.shape = shape
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.win_length = win_length
        self.window = window
        self.center = center
        self.pad_mode = pad_mode
        self.power = power
        self.log = log
        self.amin = amin
        self.channel = channel
        self.dtype = dtype
        self.fft_dtype = fft_dtype
        self.on_error = on_error
        self.limits = limits
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _plan(self, dtype):
        self._check_shape()
        check_amin(self.amin, self.log, dtype)
        return _SpectrogramImage(self, self._short_time_fourier(dtype))

    def _frequencies(self):
        self._check_shape()
        frequencies = self._bin_frequencies()
        return resizing_matrix(len(frequencies), self.shape[0]) @ frequencies

    def _check_shape(self):
        if len(self.shape) != 2 or not all(isinstance(n, Integral) and n > 0 for n in self.shape):
            raise ValueError(f"shape must be two positive integers (height, width), got {self.shape!r}.")


class _SpectrogramImage:
    """Spectrogram images of single clips, in one precision."""

    def __init__(self, transformer, fourier):
        self.fourier = fourier
        self.size = tuple(transformer.shape)
        self.power = transformer.power
        self.level = {"log": transformer.log, "amin": transformer.amin, "power": transformer.power}
        self.rows = resizing_matrix(1 + fourier.n_fft // 2, self.size[0]).astype(fourier.dtype)
        self.columns: dict[int, np.ndarray] = {}

    def shape(self, n_samples):
        return self.size

    def write(self, waveform, out):
        spectrogram = to_power(self.fourier.power(waveform), self.power)
        write_level(spectrogram, spectrogram, **self.level)
        n_frames = len(spectrogram)
        if n_frames not in self.columns:
            self.columns[n_frames] = resizing_matrix(n_frames, self.size[1]).astype(self.fourier.dtype)
        out[...] = self.rows @ spectrogram.T @ self.columns[n_frames].T


def resizing_matrix(n_in, n_out):
    """Return the matrix (n_out, n_in) that resizes an axis: area means down, linear interpolation up."""
    if n_out < n_in:
        edges = np.linspace(0, n_in, n_out + 1)
        cells = np.arange(n_in)
        overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
        return np.clip(overlap, 0, None) * (n_out / n_in)
    centres = np.clip((np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5, 0, n_in - 1)
    return np.clip(1 - np.abs(centres[:, None] - np.arange(n_in)), 0, None)
