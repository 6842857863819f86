"""Log-mel energies."""

from numbers import Integral, Real
from typing import Literal

import numpy as np

from .._sklearn_compat import Interval, StrOptions
from .._typing import ArrayLike
from ._base import ShortTimeFourierTransformer
from ._docs import with_shared_docstring
from ._levels import LEVEL_CONSTRAINTS, check_amin, write_level

# neighbouring mel bands share few bins of the spectrum; 16 at a time leave out most zeros of the filters
_BANDS_PER_BLOCK = 16


@with_shared_docstring
class LogMelTransformer(ShortTimeFourierTransformer):
    """Turn clips into log-mel energies.

    The defaults are the front end of the official DCASE Task 2 baselines: 128 mel bands of a power
    spectrogram, frames of 64 ms with 50 % overlap at 16 kHz.

    Parameters
    ----------
    pad_mode : {"constant", "reflect"}, default="constant"
        What to pad with: zeros, as librosa does since 0.10, or the mirrored clip, as it did before, when the results of
        the 2020 to 2022 baselines were computed.

    power : float, default=2.0
        Exponent of the magnitude before the mel filters: 2 energy, 1 amplitude.

    n_mels : int, default=128
        Number of mel bands.

    fmin : float, default=0.0
        Lowest frequency in Hz.

    fmax : float or None, default=None
        Highest frequency in Hz; None: half the sample rate.

    htk : bool, default=False
        HTK's mel formula in place of Slaney's.

    norm : {"slaney"} or None, default="slaney"
        Divide each triangle by its width ("slaney": constant energy per band) or not (None: constant peak).

    filters : {"librosa", "kaldi"}, default="librosa"
        With "librosa" the triangles are straight lines over frequency. With "kaldi" they are straight lines over HTK's
        mel scale and of height 1 [2]_; `htk` and `norm` have no effect.

    log : {"db", "natural"} or None, default="db"
        ``20 / power * log10(max(S, amin))``, ``ln(max(S, amin))``, or S itself.

    amin : float, default=2.220446049250313e-16
        Floor of the energies. Digital silence is valid and gives the floor everywhere: -156.5 dB with the defaults, the
        floor of the official baselines.

    standardize_waveform : bool, default=False
        Standardise every clip to a mean of 0 and a variance of 1 before its spectrogram, so that the recording level
        has no effect. Digital silence is left unchanged.

    preemphasis : float or None, default=None
        Replace each sample x[n] by ``x[n] - preemphasis * x[n - 1]``; the first sample is dropped. The usual value is
        0.97.

    dtype : {"float16", "float32", "float64"}, default="float32"
        Type of the output. float16 halves the memory, at an error of up to 0.03 dB (0.06 dB below -128 dB).

    {shared}

    See Also
    --------
    STFTTransformer : The spectrogram without mel filters.
    ClipStatistics : Mean, standard deviation, ... over the frames of each clip.

    Notes
    -----
    With S the mel-filtered spectrogram, ``S[m, t] = sum_k M[m, k] |STFT[k, t]| ** power``, and M the filters
    of :func:`librosa.filters.mel`, the output is ``20 / power * log10(max(S, amin))``: what
    ``networks/dcase2023t2_ae`` and ``common.py`` of the official baselines compute [1]_.

    In float64 the result equals ``librosa.feature.melspectrogram`` in float64 to 1e-4 dB. In float32, rounding errors
    of the Fourier transform are some 140 dB below the loudest partial of a frame: negligible for recordings (1e-5 dB
    where all bands hold noise), but up to 0.4 dB in the empty bands of a full-scale pure tone. ``fft_dtype="float64"``
    is exact for every signal and takes about 1.5 times as long.

    References
    ----------
    .. [1] N. Harada, D. Niizumi, D. Takeuchi, Y. Ohishi, M. Yasuda, "First-shot anomaly detection for machine
       condition monitoring: a domain generalization baseline", arXiv:2303.00455, 2023.
    .. [2] D. Povey et al., "The Kaldi speech recognition toolkit", ASRU 2011: ``compute-fbank-feats``.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import LogMelTransformer
    >>> clips = np.random.default_rng(0).normal(size=(2, 16000)).astype(np.float32)
    >>> LogMelTransformer(n_mels=64).fit_transform(clips).shape
    (2, 64, 32)
    """

    _parameter_constraints: dict = {
        **ShortTimeFourierTransformer._parameter_constraints,
        **LEVEL_CONSTRAINTS,
        "n_mels": [Interval(Integral, 1, None, closed="left")],
        "fmin": [Interval(Real, 0, None, closed="left")],
        "fmax": [Interval(Real, 0, None, closed="neither"), None],
        "htk": ["boolean"],
        "norm": [StrOptions({"slaney"}), None],
        "filters": [StrOptions({"librosa", "kaldi"})],
        "standardize_waveform": ["boolean"],
        "preemphasis": [Interval(Real, None, None, closed="neither"), None],
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
        power: float = 2.0,
        n_mels: int = 128,
        fmin: float = 0.0,
        fmax: float | None = None,
        htk: bool = False,
        norm: Literal["slaney"] | None = "slaney",
        filters: Literal["librosa", "kaldi"] = "librosa",
        log: Literal["db", "natural"] | None = "db",
        amin: float = 2.220446049250313e-16,
        standardize_waveform: bool = False,
        preemphasis: float | None = None,
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
        self.power = power
        self.n_mels = n_mels
        self.fmin = fmin
        self.fmax = fmax
        self.htk = htk
        self.norm = norm
        self.filters = filters
        self.log = log
        self.amin = amin
        self.standardize_waveform = standardize_waveform
        self.preemphasis = preemphasis
        self.channel = channel
        self.dtype = dtype
        self.fft_dtype = fft_dtype
        self.on_error = on_error
        self.limits = limits
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _plan(self, dtype):
        check_amin(self.amin, self.log, dtype)
        return _LogMel(self, self._short_time_fourier(dtype), self.mel_filters())

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames that a clip of `n_samples` samples has.

        Parameters
        ----------
        n_samples : int
            Length of the clip at `sample_rate`.

        Returns
        -------
        n_frames : int
            ``1 + n // hop_length`` with `center` and an even `n_fft`, ``1 + (n - n_fft) // hop_length`` without
            `center`; n is `n_samples`, with `preemphasis` one less.
        """
        return super().n_frames(n_samples - (self.preemphasis is not None))

    def _frames_are_local(self):
        return not self.standardize_waveform

    def _least_samples(self):
        least, reason = super()._least_samples()
        return least + (self.preemphasis is not None), reason

    def mel_filters(self) -> np.ndarray:
        """Return the weights of the bins of the Fourier transform in each mel band.

        Returns
        -------
        filters : ndarray of shape (n_mels, 1 + n_fft // 2), float64
        """
        import librosa  # heavy, and not needed by those who only import this module

        if self.filters == "librosa" and self.norm is not None:
            bands = self._bands()
            return librosa.filters.mel(
                sr=self.sample_rate, n_fft=self.n_fft, norm=self.norm, dtype=np.float64, **bands
            )
        # librosa normalises by none in a module that takes 20 s to be compiled for the first time
        edges, bins = self._edges(), self._bin_frequencies()
        if self.filters == "kaldi":
            edges, bins = (librosa.hz_to_mel(frequencies, htk=True) for frequencies in (edges, bins))
        edges = edges[:, None]
        rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
        return np.maximum(np.minimum(rising, falling), 0)

    def _frequencies(self):
        return self._edges()[1:-1]

    def _edges(self):
        """Return the edges of the triangles, each of which is the centre of another but for the outermost."""
        import librosa

        return librosa.mel_frequencies(**{**self._bands(), "n_mels": self.n_mels + 2})

    def _bands(self):
        """Return librosa's arguments that say where the bands lie."""
        fmax = self.sample_rate / 2 if self.fmax is None else self.fmax
        if not self.fmin < fmax <= self.sample_rate / 2:
            raise ValueError(
                f"fmin={self.fmin} and fmax={self.fmax} must satisfy fmin < fmax <= sample_rate / 2 = "
                f"{self.sample_rate / 2}."
            )
        htk = self.htk or self.filters == "kaldi"
        return {"n_mels": self.n_mels, "fmin": self.fmin, "fmax": fmax, "htk": htk}


class _LogMel:
    """Log-mel energies of single clips, in one precision."""

    def __init__(self, transformer, fourier, filters):
        self.fourier = fourier
        self.standardize = transformer.standardize_waveform
        self.preemphasis = transformer.preemphasis
        self.n_mels = len(filters)
        self.half_power = transformer.power / 2
        self.level = {"log": transformer.log, "amin": transformer.amin, "power": transformer.power}
        # float32 all the way: its logarithms are compiled into one call as well
        self.factor = {"db": 20 / transformer.power / np.log(10), "natural": 1.0, None: None}[transformer.log]
        self.is_compiled = (
            self.factor is not None
            and fourier.dtype == np.float32 == transformer.dtype
            and transformer.amin >= np.finfo(np.float32).tiny
        )
        n_blocks = -(-self.n_mels // _BANDS_PER_BLOCK)
        blocks = np.zeros((n_blocks, _BANDS_PER_BLOCK, filters.shape[1]), fourier.dtype)
        blocks.reshape(-1, filters.shape[1])[: self.n_mels] = filters
        bins = [np.flatnonzero(block.any(axis=0)) for block in blocks]
        self.first = np.array([b[0] if b.size else 0 for b in bins])
        self.width = np.array([b[-1] + 1 - b[0] if b.size else 1 for b in bins])
        self.widest = int(self.width.max())
        parts = zip(blocks, self.first, self.width, strict=True)
        self.weights = np.concatenate([block[:, a : a + n].T.ravel() for block, a, n in parts])

    def shape(self, n_samples):
        return self.n_mels, self.fourier.n_frames(n_samples - (self.preemphasis is not None))

    def write(self, waveform, out):
        from ._kernels import band_energies, write_log_levels

        if self.standardize:
            mean = float(waveform.mean(dtype=np.float64))
            waveform = waveform - mean
            spread = float(waveform.std(dtype=np.float64))
            # a constant has no spread to divide by but that of rounding
            waveform /= spread if spread > 1e-7 * abs(mean) else 1.0
        buffers, dtype = self.fourier.buffers, self.fourier.dtype
        if self.preemphasis is not None:
            emphasised = buffers.array("emphasised", (len(waveform) - 1,), dtype)
            np.multiply(waveform[:-1], -self.preemphasis, out=emphasised)
            emphasised += waveform[1:]
            waveform = emphasised
        for frames, spectra in self.fourier.chunks(waveform):
            mel = buffers.array("mel", (len(self.first), len(spectra), _BANDS_PER_BLOCK), dtype)
            scratch = buffers.array("scratch", (len(spectra) * max(self.widest, _BANDS_PER_BLOCK),), dtype)
            band_energies(spectra, self.first, self.width, self.weights, self.half_power, scratch, mel)
            levels = out if len(spectra) == out.shape[1] else out[:, frames]
            if self.is_compiled:
                write_log_levels(mel.view(np.int32), self.level["amin"], self.factor, scratch, levels)
            else:
                self._write_level(mel, levels)

    def _write_level(self, mel, out):
        """Write the levels of blocks of bands, the last of which may be wider than what is left of `out`."""
        n_full = self.n_mels // _BANDS_PER_BLOCK
        split = n_full * _BANDS_PER_BLOCK
        if n_full:
            target = out[:split].reshape(n_full, _BANDS_PER_BLOCK, -1)
            write_level(mel[:n_full].swapaxes(1, 2), target, **self.level)
        if split < self.n_mels:
            write_level(mel[n_full, :, : self.n_mels - split].T, out[split:], **self.level)
