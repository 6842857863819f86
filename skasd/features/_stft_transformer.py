"""Magnitude and power spectrograms."""

from typing import Literal

from .._sklearn_compat import StrOptions
from .._typing import ArrayLike
from ._base import ShortTimeFourierTransformer
from ._docs import with_shared_docstring
from ._levels import LEVEL_CONSTRAINTS, check_amin, to_power, write_level

BINS = {"all": slice(None), "no_dc": slice(1, None), "no_nyquist": slice(None, -1)}


@with_shared_docstring
class STFTTransformer(ShortTimeFourierTransformer):
    """Turn clips into magnitude or power spectrograms.

    Parameters
    ----------
    bins : {"all", "no_dc", "no_nyquist"}, default="all"
        The rows to keep: all ``1 + n_fft // 2``, or (`n_fft` even) exactly ``n_fft // 2``, without the
        lowest or without the highest frequency, for networks that take 512 or 1024 bins.

    power : float, default=1.0
        Exponent of the magnitude: 1 amplitude, 2 energy.

    log : {"db", "natural"} or None, default=None
        S itself, ``20 / power * log10(max(S, amin))``, or ``ln(max(S, amin))``.

    amin : float, default=2.220446049250313e-16
        Floor of S under a logarithm: what digital silence gives.

    dtype : {"float16", "float32", "float64"}, default="float32"
        Type of the output. float16 halves the memory; without `log` it holds magnitudes up to 65504 and
        is not meant for energies.

    {shared}

    See Also
    --------
    LogMelTransformer : The same through mel filters.
    PhaseTransformer : The phase of the same transform.

    Notes
    -----
    ``S[k, t] = |sum_n w[n] x[t * hop_length - n_fft // 2 + n] exp(-2 pi i k n / n_fft)| ** power``, with
    the framing of :func:`librosa.stft`. Of the challenge reports, [1]_ uses 512 bins with the defaults and
    ``bins="no_dc"`` or ``"no_nyquist"`` (section 3.2 does not say which), [2]_ 1024 bins with ``n_fft=2048``
    (128 ms), ``hop_length=512`` (32 ms).

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang, J. Chen, "JLESS submission to DCASE2022 Task2: batch mixing
       strategy based method with anomaly detector for anomalous sound detection", DCASE2022 Challenge
       technical report, section 3.2.
    .. [2] K. Morita, T. Yano, K. Q. Tran, "Anomalous sound detection using CNN-based features by self
       supervised learning", DCASE2021 Challenge technical report, section 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import STFTTransformer
    >>> clips = np.random.default_rng(0).normal(size=(2, 16000)).astype(np.float32)
    >>> STFTTransformer(bins="no_dc").fit_transform(clips).shape
    (2, 512, 32)
    """

    _parameter_constraints: dict = {
        **ShortTimeFourierTransformer._parameter_constraints,
        **LEVEL_CONSTRAINTS,
        "bins": [StrOptions(set(BINS))],
    }

    def __init__(
        self,
        *,
        sample_rate: int = 16000,
        n_fft: int = 1024,
        hop_length: int = 512,
        win_length: int | None = None,
        window: str | tuple | float | ArrayLike = "hann",
        center: bool = True,
        pad_mode: Literal["constant", "reflect"] = "constant",
        bins: Literal["all", "no_dc", "no_nyquist"] = "all",
        power: float = 1.0,
        log: Literal["db", "natural"] | None = None,
        amin: float = 2.220446049250313e-16,
        channel: Literal["mean"] | int = "mean",
        dtype: Literal["float16", "float32", "float64"] = "float32",
        fft_dtype: Literal["float32", "float64"] | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        limits: dict | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ):
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.win_length = win_length
        self.window = window
        self.center = center
        self.pad_mode = pad_mode
        self.bins = bins
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

    def _frames_are_local(self):
        return True

    def _plan(self, dtype):
        check_amin(self.amin, self.log, dtype)
        return _Spectrogram(self, self._short_time_fourier(dtype))

    def _frequencies(self):
        return self._bin_frequencies()[BINS[self.bins]]


class BinPlan:
    """Some bins of the spectra of single clips, in one precision."""

    def __init__(self, transformer, fourier):
        self.fourier = fourier
        self.bins = BINS[transformer.bins]

    def shape(self, n_samples):
        n_bins = len(range(1 + self.fourier.n_fft // 2)[self.bins])
        return n_bins, self.fourier.n_frames(n_samples)


class _Spectrogram(BinPlan):
    def __init__(self, transformer, fourier):
        super().__init__(transformer, fourier)
        self.power = transformer.power
        self.level = {"log": transformer.log, "amin": transformer.amin, "power": transformer.power}

    def write(self, waveform, out):
        values = to_power(self.fourier.power(waveform)[:, self.bins], self.power)
        write_level(values, out.T, **self.level)
