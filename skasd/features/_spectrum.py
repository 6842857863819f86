"""The spectrum of whole clips."""

from numbers import Integral
from typing import Literal

import numpy as np
import scipy.fft

from .._sklearn_compat import Interval
from ..clips import KeptBuffers
from ._base import ClipTransformer
from ._docs import with_shared_docstring


@with_shared_docstring
class SpectrumTransformer(ClipTransformer):
    """Turn each clip into the magnitude spectrum of its whole length.

    Its fine frequency resolution (0.1 Hz for 10 seconds) separates stationary tones that a spectrogram merges.

    Parameters
    ----------
    n_samples : int, default=160000
        Every clip is brought to this length: a longer one is cut, a shorter one repeated from its
        beginning.

    {shared}

    See Also
    --------
    STFTTransformer : Spectra of short frames.

    Notes
    -----
    ``S[k] = |sum_n x[n] exp(-2 pi i k n / n_samples)|`` for ``0 <= k < n_samples // 2``, shape
    ``(n_clips, n_samples // 2, 1)``: one frame per clip. The first half of the spectrum of the whole clip,
    80,000 bins for 10 s, is the input of one branch of Wilkinghoff's network [1]_.

    References
    ----------
    .. [1] K. Wilkinghoff, "Design choices for learning embeddings from auxiliary tasks for domain
       generalization in anomalous sound detection", ICASSP 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.features import SpectrumTransformer
    >>> clips = np.random.default_rng(0).normal(size=(2, 16000)).astype(np.float32)
    >>> SpectrumTransformer(n_samples=16000).fit_transform(clips).shape
    (2, 8000, 1)
    """

    _parameter_constraints: dict = {
        **ClipTransformer._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        n_samples: int = 160000,
        *,
        sample_rate: int = 16000,
        channel: Literal["mean"] | int = "mean",
        dtype: Literal["float16", "float32", "float64"] = "float32",
        fft_dtype: Literal["float32", "float64"] | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        limits: dict | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ):
        self.n_samples = n_samples
        self.sample_rate = sample_rate
        self.channel = channel
        self.dtype = dtype
        self.fft_dtype = fft_dtype
        self.on_error = on_error
        self.limits = limits
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _plan(self, dtype):
        return _Spectrum(self.n_samples, dtype)

    def _frequencies(self):
        return np.fft.rfftfreq(self.n_samples, 1 / self.sample_rate)[: self.n_samples // 2]


class _Spectrum:
    """Spectra of single clips, in one precision."""

    def __init__(self, n_samples, dtype):
        self.n_samples = n_samples
        self.dtype = dtype
        self.buffers = KeptBuffers()

    def shape(self, n_samples):
        return self.n_samples // 2, 1

    def write(self, waveform, out):
        whole = self.buffers.array("whole", (self.n_samples,), self.dtype)
        whole[:] = np.resize(waveform, self.n_samples)  # repeated or cut
        out[:, 0] = np.abs(scipy.fft.rfft(whole)[: self.n_samples // 2])
