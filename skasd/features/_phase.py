"""The phase of the short-time Fourier transform."""

from typing import Literal

import numpy as np

from .._sklearn_compat import StrOptions
from .._typing import ArrayLike
from ._base import ShortTimeFourierTransformer
from ._docs import with_shared_docstring
from ._stft_transformer import BINS, BinPlan


@with_shared_docstring
class PhaseTransformer(ShortTimeFourierTransformer):
    """Turn clips into the phase of their short-time Fourier transform.

    Parameters
    ----------
    bins : {"all", "no_dc", "no_nyquist"}, default="all"
        The rows to keep, as in :class:`STFTTransformer`.

    {shared}

    See Also
    --------
    STFTTransformer : The magnitude of the same transform, with the same framing.

    Notes
    -----
    The phase is in radians, in [-pi, pi], relative to the beginning of each frame, as ``numpy.angle(librosa.stft(x))``.
    It is 0 for silence. The phase spectrum is the third branch of the classification network in [1]_.

    References
    ----------
    .. [1] J. Hai, D. Zhou, R. Liu, Y. I. Wu, "Anomalous sound detection by self-supervised learning of VAE
       with domain shift techniques", DCASE2024 Challenge technical report, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.features import PhaseTransformer
    >>> clips = np.random.default_rng(0).normal(size=(2, 16000)).astype(np.float32)
    >>> PhaseTransformer().fit_transform(clips).shape
    (2, 513, 32)
    """

    _parameter_constraints: dict = {
        **ShortTimeFourierTransformer._parameter_constraints,
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
        self.channel = channel
        self.dtype = dtype
        self.fft_dtype = fft_dtype
        self.on_error = on_error
        self.limits = limits
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _plan(self, dtype):
        return _Phase(self, self._short_time_fourier(dtype))

    def _frequencies(self):
        return self._bin_frequencies()[BINS[self.bins]]


class _Phase(BinPlan):
    def write(self, waveform, out):
        for frames, spectra in self.fourier.chunks(waveform):
            # adding zero turns -0.0 into 0.0, whose angle would be pi in place of 0
            spectra += 0
            out[:, frames] = np.angle(spectra[:, self.bins]).T
