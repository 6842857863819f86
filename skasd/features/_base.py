"""Base class of the transformers from clips to time-frequency arrays."""

from abc import abstractmethod
from collections.abc import Callable
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import validate_data
from threadpoolctl import ThreadpoolController

from .._sklearn_compat import Interval, StrOptions
from .._unfitted import forget_features
from ..clips import BadClip, Clips
from ._band_names import band_names
from ._sliding import SlidingFrames, check_sliding
from ._stft import ShortTimeFourier, least_samples


class ClipTransformer(TransformerMixin, BaseEstimator):
    """Base of the stateless estimators that take clips.

    A subclass implements `_plan(dtype)`, called once for each precision of the clips given, which returns an
    object with `shape(n_samples)`, the shape of what a clip of that length gives, and
    `write(waveform, out)`; and `_frequencies()`, which returns the centres of the bins in Hz.
    """

    _parameter_constraints: dict = {
        "sample_rate": [Interval(Integral, 1, None, closed="left")],
        "channel": [StrOptions({"mean"}), Integral],
        "dtype": [StrOptions({"float16", "float32", "float64"})],
        "fft_dtype": [StrOptions({"float32", "float64"}), None],
        "on_error": [StrOptions({"raise", "skip"})],
        "limits": [dict, None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)  # three axes are no table

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters and the kind of X; nothing is learnt.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            The clips. Files are not opened.

        y : object, default=None
            Not used, present for API consistency.

        Returns
        -------
        self : object
            The transformer itself.
        """
        clips = self._check_clips(X, reset=True)
        self._plans(clips)  # raises where parameters contradict each other
        if clips.array is not None and self.on_error == "raise":
            clips.map(lambda i, waveform: None)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Compute the features of every clip, as ``fit(X).transform(X)`` does, reading each clip once.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            The clips; arrays are taken to be at `sample_rate`.

        y : object, default=None
            Not used, present for API consistency.

        Returns
        -------
        features : ndarray of shape (n_clips, n_bins, n_frames), or list of ndarrays
            As returned by `transform`.
        """
        return self._features(self._check_clips(X, reset=True))

    def transform(self, X: Any) -> np.ndarray:
        """Compute the features of every clip.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            The clips; arrays are taken to be at `sample_rate`.

        Returns
        -------
        features : ndarray of shape (n_clips, n_bins, n_frames), or list of ndarrays
            One array if all clips have the same length, else a list of arrays
            ``(n_bins, n_frames_i)``. Clips skipped on account of ``on_error="skip"`` are NaN everywhere,
            in a list with shape ``(n_bins, 1)``.

        Raises
        ------
        skasd.clips.ClipError
            If clips cannot be used and `on_error` is "raise". The message lists all of them.
        """
        return self._features(self._check_clips(X, reset=False))

    def _check_clips(self, X, reset):
        """Check the parameters and the kind of X; return the clips, of which none is read yet."""
        self._validate_params()
        least, reason = self._least_samples()
        clips = Clips(
            X,
            sample_rate=self.sample_rate,
            channel=self.channel,
            on_error=self.on_error,
            min_samples=least,
            min_samples_reason=reason,
            limits=self.limits,
        )
        if reset:
            forget_features(self)
        if clips.array is not None if reset else hasattr(self, "n_features_in_"):
            # clips may have another length than those seen in fit, but not other column names
            validate_data(self, X, reset=reset, skip_check_array=True, ensure_2d=reset)
        return clips

    def _plans(self, clips):
        """Return what computes the features of clips, by the precision of their waveforms."""
        plans = {dtype: np.dtype(self.fft_dtype or dtype) for dtype in clips.dtypes}
        made = {precision: self._plan(precision) for precision in set(plans.values())}
        return {dtype: made[precision] for dtype, precision in plans.items()}

    def _features(self, clips):
        plans = self._plans(clips)
        shape = next(iter(plans.values())).shape
        shortest = shape(self._least_samples()[0])
        skipped = (shortest[0], 1)
        shapes = [skipped if n < 0 else shape(n) for n in clips.n_samples]
        lengths = {s for s, n in zip(shapes, clips.n_samples, strict=True) if n >= 0}
        if len(lengths) <= 1:
            out: Any = np.empty((len(clips), *(lengths.pop() if lengths else shortest)), dtype=self.dtype)
        else:
            out = [np.empty(shape, dtype=self.dtype) for shape in shapes]

        clips.fill(
            out,
            self._write,
            plans,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
            description=type(self).__name__,
        )
        for i in clips.causes:
            if isinstance(out, list):
                out[i] = np.empty(skipped, dtype=self.dtype)
            out[i][...] = np.nan
        return out

    def _write(self, clips, out, plans, **options):
        """Compute the features of clips into the arrays of `out`; see `Clips.fill`."""
        if plans is None:
            plans = self._plans(clips)

        def write(i, waveform):
            # an overflow is looked for below, clip by clip
            with np.errstate(over="ignore", invalid="ignore"):
                plans[waveform.dtype].write(waveform, out[i])
            # NaN would mean that the clip was skipped
            if not np.isfinite(out[i]).all():
                raise BadClip(f"its features are not finite in {self.dtype}: scale its samples to [-1, 1)")

        # clips run side by side; a matrix product that starts threads of its own only gets in their way
        with _threadpools().limit(limits=1, user_api="blas"):
            clips.map(write, **options)

    def waveform_function(self, dtype: Any = "float32") -> Callable:
        """Return a function that computes the features of one waveform after another.

        For code that reads its clips itself. What `transform` prepares for each collection is prepared only once.

        Parameters
        ----------
        dtype : {"float32", "float64"}, default="float32"
            Precision of the arithmetic.

        Returns
        -------
        function : callable
            Called as ``function(waveform, out=None)`` with an array of shape (n_samples,), at `sample_rate` and long
            enough for one frame. Returns the features, of shape (n_bins, n_frames), written to `out` if given. Threads
            may call it in parallel.

        Examples
        --------
        >>> import numpy as np
        >>> from skasd import LogMelTransformer
        >>> log_mel = LogMelTransformer(n_mels=64).waveform_function()
        >>> log_mel(np.zeros(16000, dtype="float32")).shape
        (64, 32)
        """
        self._validate_params()
        plan = self._plan(np.dtype(dtype))

        def function(waveform, out=None):
            if out is None:
                out = np.empty(plan.shape(len(waveform)), self.dtype)
            plan.write(waveform, out)
            return out

        return function

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the bins by their centre frequencies.

        Parameters
        ----------
        input_features : object, default=None
            Not used, present for API consistency.

        Returns
        -------
        names : ndarray of str of shape (n_bins,)
            For example "980 Hz" and "1.2 kHz", with enough digits to distinguish all bins.
        """
        self._validate_params()
        return band_names(self._frequencies())

    def set_output(self, *, transform: Literal["default", "pandas", "polars"] | None = None) -> Any:
        """Do nothing: the output has three axes, is not a table, and stays an array.

        A pipeline passes ``set_output`` on to all of its steps; steps that return one row per clip apply it.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Not used.

        Returns
        -------
        self : object
            The transformer itself.
        """
        return self

    def min_samples(self) -> int:
        """Return the length that a clip must have.

        Returns
        -------
        min_samples : int
            Samples at `sample_rate`.
        """
        return self._least_samples()[0]

    def _least_samples(self):
        """Return the length that a clip must have, and why."""
        return 1, ""

    @abstractmethod
    def _plan(self, dtype):
        """Return the object that computes features in that precision."""

    @abstractmethod
    def _frequencies(self):
        """Return the centre frequencies of the bins in Hz, shape (n_bins,)."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        return tags


class ShortTimeFourierTransformer(ClipTransformer):
    """Base of the transformers that begin with a short-time Fourier transform."""

    _parameter_constraints: dict = {
        **ClipTransformer._parameter_constraints,
        "n_fft": [Interval(Integral, 2, None, closed="left")],
        "hop_length": [Interval(Integral, 1, None, closed="left")],
        "win_length": [Interval(Integral, 1, None, closed="left"), None],
        "window": [str, tuple, Real, "array-like"],
        "center": ["boolean"],
        "pad_mode": [StrOptions({"constant", "reflect"})],
    }

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames that a clip of `n_samples` samples has.

        Parameters
        ----------
        n_samples : int
            Length of the clip at `sample_rate`.

        Returns
        -------
        n_frames : int
            ``1 + n_samples // hop_length`` with `center` and an even `n_fft`,
            ``1 + (n_samples - n_fft) // hop_length`` without `center`.
        """
        padding = 2 * (self.n_fft // 2) if self.center else 0
        return 1 + (n_samples + padding - self.n_fft) // self.hop_length

    def padded_window(self) -> np.ndarray:
        """Return the window as frames are multiplied by it.

        Returns
        -------
        window : ndarray of shape (n_fft,), float64
            With zeros at both ends where `win_length` is less than `n_fft`.
        """
        return self._short_time_fourier(np.float64).window

    def sliding_step(self) -> int | None:
        """Return the step, in samples, whose multiples as hops let windows share frames.

        Returns
        -------
        int or None
            `hop_length`; None if a frame depends on more than the samples under it.
        """
        return self.hop_length if self._frames_are_local() else None

    def sliding(self, n_samples: int, hop: int) -> Any:
        """Return a function that computes the features of a window which slides over a stream.

        Frames that do not touch an edge of the window are computed once; frames that do are computed for every window.

        Parameters
        ----------
        n_samples : int
            Length of a window.
        hop : int
            Samples from one window to the next: a multiple of `sliding_step`.

        Returns
        -------
        function : callable
            Called as ``function(window)`` with one window after another, of shape (n_samples,). Returns the output of
            `transform` for it, of shape (n_bins, n_frames), valid until the next call. Call ``function.reset()`` if the
            next window does not follow the last one.

        Raises
        ------
        ValueError
            If windows cannot share frames.

        Examples
        --------
        >>> import numpy as np
        >>> from skasd import LogMelTransformer
        >>> sound = np.random.default_rng(0).normal(size=24000).astype("float32")
        >>> log_mel = LogMelTransformer(hop_length=400)
        >>> function = log_mel.sliding(16000, 8000)
        >>> spectrograms = [function(sound[start : start + 16000]).copy() for start in (0, 8000)]
        >>> np.allclose(spectrograms[1], log_mel.transform([sound[8000:]])[0])
        True
        """
        check_sliding(self.sliding_step(), n_samples, hop)
        return SlidingFrames(self, n_samples, hop)

    def _frames_are_local(self):
        """Return whether a frame depends on the samples under it alone."""
        return False

    def _bin_frequencies(self):
        """Return the frequencies of all bins of the Fourier transform in Hz, shape (1 + n_fft // 2,)."""
        return np.fft.rfftfreq(self.n_fft, 1 / self.sample_rate)

    def _short_time_fourier(self, dtype):
        if self.win_length is not None and self.win_length > self.n_fft:
            raise ValueError(
                f"win_length={self.win_length} is longer than n_fft={self.n_fft}: choose n_fft at least as "
                "long."
            )
        return ShortTimeFourier(
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            win_length=self.win_length,
            window=self.window,
            center=self.center,
            pad_mode=self.pad_mode,
            dtype=dtype,
        )

    def _least_samples(self):
        return least_samples(self.n_fft, self.center, self.pad_mode)


@cache
def _threadpools():
    return ThreadpoolController()
