"""New training clips from changed waveforms: pitch, tempo, level, noise."""

from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from .._docs import CLIPS, shared_docstring
from .._metadata import check_metadata
from .._sklearn_compat import Interval, StrOptions
from .._typing import ArrayLike
from ..clips import Clips, check_clips
from ._alignment import append_metadata, healthy_rows

EFFECTS = ("pitch_steps", "stretch_rate", "gain_db", "snr_db")  # in the order in which they are applied


@shared_docstring(CLIPS)
class WaveformAugmenter(BaseEstimator):
    """Add clips that are pitch-shifted, time-stretched, louder or softer, or noisier.

    Works on clips, before any feature is computed, and returns clips: call :meth:`augment` and fit a pipeline
    on what it returns.

    Parameters
    ----------
    pitch_steps : (low, high), float or None, default=(-4.0, 4.0)
        Pitch shift in semitones, drawn uniformly from the range. None: no pitch shift.

    stretch_rate : (low, high), float or None, default=(0.8, 1.25)
        Tempo, drawn uniformly from the range; above 1 is faster. None: no time stretch.

    gain_db : (low, high), float or None, default=None
        Gain in dB. Samples may leave [-1, 1]: nothing is clipped.

    snr_db : (low, high), float or None, default=None
        Signal-to-noise ratio in dB of the noise that is added; the mean power of the clip is the signal's.

    noise : {"white", "pink"} or clips, default="white"
        The noise. If clips (waveforms or paths), one is drawn for each new clip, and a piece of it is used; short ones
        are repeated.

    combine : {"each", "chain"}, default="each"
        ``"each"``: every effect makes copies of its own. ``"chain"``: every copy goes through all effects, in
        the order of the parameters.

    n_copies : int, default=1
        Copies of a clip, of each effect with ``combine="each"``.

    n_samples : int or None, default=None
        Number of clips to make copies of, drawn at random; all clips if there are not more, or if None.

    keep : {"all", "drawn"}, default="all"
        Which of the original clips are returned with the copies: all, or only the healthy ones that were copied.
        Proxies and anomalous clips are always returned.

    on_error : {"raise", "skip"}, default="raise"
        Whether a bad clip raises an error, or is passed on unchanged and without copies.

    n_jobs : int, default=None
        Number of threads. The result does not depend on it.

    random_state : int, RandomState instance or None, default=None
        Which clips are drawn, and how they are changed.

    {shared}

    Attributes
    ----------
    kept_ : ndarray of int of shape (n_kept,)
        Positions in X of the clips that stand before the new ones; see `keep`.
    sample_origin_ : ndarray of int of shape (n_new,)
        Position in X of the clip that each new clip was made of.
    sample_effects_ : list of dict of length n_new
        What was done to it, such as ``{"pitch_steps": 1.7}``.

    See Also
    --------
    MixupSMOTEAugmenter : More clips between embeddings or spectrograms.
    librosa.effects.pitch_shift : The pitch shift.
    librosa.effects.time_stretch : The time stretch.

    Notes
    -----
    Every new clip has the length of its original: what is longer after stretching is cut off, what is shorter
    goes on as its own mirror image, because silence or a jump would itself be an anomaly. After pitch shift
    and time stretch the mean power is restored: the phase vocoder takes 3 to 5 dB from noise-like sound
    (measured on car engines and on white noise), which a detector would learn as a level of its own.

    The defaults follow Kazakova et al. ([1]_, section 2.1), who draw 500 clips and add a pitch-shifted and a
    time-stretched copy of each: ``WaveformAugmenter(n_samples=500, keep="drawn")`` returns 500 and 1000. The ranges,
    which they do not print, are ours. They found that background noise is harmful; it is off by default.

    Clips marked as proxies or as anomalous (y = -1) are passed on without copies.

    References
    ----------
    .. [1] S. Kazakova et al., "Anomalous sound detection with autoencoder and image MobileNet using outlier
       exposure approach", DCASE 2022 Challenge Task 2, technical report.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.augment import WaveformAugmenter
    >>> X = np.random.default_rng(0).normal(size=(3, 16000))
    >>> augmenter = WaveformAugmenter(random_state=0)
    >>> X_more, _, more = augmenter.augment(X, section=["fan", "fan", "pump"])
    >>> X_more.shape
    (9, 16000)
    >>> more["section"][3:].tolist()
    ['fan', 'fan', 'fan', 'fan', 'pump', 'pump']
    >>> [list(effects) for effects in augmenter.sample_effects_[:2]]
    [['pitch_steps'], ['stretch_rate']]
    """

    _parameter_constraints: dict = {
        "pitch_steps": ["array-like", Interval(Real, None, None, closed="neither"), None],
        "stretch_rate": ["array-like", Interval(Real, 0, None, closed="neither"), None],
        "gain_db": ["array-like", Interval(Real, None, None, closed="neither"), None],
        "snr_db": ["array-like", Interval(Real, None, None, closed="neither"), None],
        "noise": [StrOptions({"white", "pink"}), "array-like"],
        "combine": [StrOptions({"each", "chain"})],
        "n_copies": [Interval(Integral, 1, None, closed="left")],
        "n_samples": [Interval(Integral, 1, None, closed="left"), None],
        "keep": [StrOptions({"all", "drawn"})],
        "sample_rate": [Interval(Integral, 1, None, closed="left")],
        "channel": [StrOptions({"mean"}), Integral],
        "on_error": [StrOptions({"raise", "skip"})],
        "limits": [dict, None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        pitch_steps: tuple[float, float] | float | None = (-4.0, 4.0),
        stretch_rate: tuple[float, float] | float | None = (0.8, 1.25),
        gain_db: tuple[float, float] | float | None = None,
        snr_db: tuple[float, float] | float | None = None,
        noise: Any = "white",
        combine: Literal["each", "chain"] = "each",
        n_copies: int = 1,
        n_samples: int | None = None,
        keep: Literal["all", "drawn"] = "all",
        sample_rate: int = 16000,
        channel: Literal["mean"] | int = "mean",
        on_error: Literal["raise", "skip"] = "raise",
        limits: dict | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.pitch_steps = pitch_steps
        self.stretch_rate = stretch_rate
        self.gain_db = gain_db
        self.snr_db = snr_db
        self.noise = noise
        self.combine = combine
        self.n_copies = n_copies
        self.n_samples = n_samples
        self.keep = keep
        self.sample_rate = sample_rate
        self.channel = channel
        self.on_error = on_error
        self.limits = limits
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def augment(self, X: Any, y: ArrayLike | None = None, **metadata):
        """Add changed copies of clips and keep y and the metadata aligned.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            The clips.
        y : array-like of shape (n_clips,), default=None
            +1 normal / -1 anomalous, or classes.
        **metadata : array-like of shape (n_clips,) or None
            What is known about the clips, such as ``section``, ``domain``, ``attribute``, ``proxy``.

        Returns
        -------
        X_augmented : ndarray of shape (n_clips + n_new, n_samples) or list
            The clips, or with ``keep="drawn"`` some of them, then the new ones. For a list, a list: its entries as
            they were (paths stay paths), then arrays at ``sample_rate``.
        y_augmented : ndarray of shape (n_clips + n_new,) or None
            Their y.
        metadata_augmented : dict of str to ndarray of shape (n_clips + n_new,) or None
            What was given, by name.

        Raises
        ------
        skasd.clips.ClipError
            With ``on_error="raise"``, if there are bad clips.
        """
        self._validate_params()
        ranges = self._ranges()
        X = check_clips(X)
        metadata = check_metadata(len(X), y=y, **metadata)
        rng = check_random_state(self.random_state)
        healthy = healthy_rows(metadata["y"], metadata.get("proxy"), len(X))
        chosen = np.flatnonzero(healthy)
        if self.n_samples is not None and self.n_samples < len(chosen):
            chosen = np.sort(rng.choice(chosen, self.n_samples, replace=False))
        chains = [[name] for name in ranges] if self.combine == "each" else [list(ranges)]
        chains = [chain for chain in chains for _ in range(self.n_copies)]
        # a seed for every new clip: which thread makes it changes nothing
        seeds = np.random.SeedSequence(rng.randint(2**31, size=4, dtype=np.int64).tolist()).spawn(
            len(chosen) * len(chains)
        )
        noises = self._noises() if "snr_db" in ranges else None

        def copies(position, waveform):
            made = []
            for k, chain in enumerate(chains):
                draw = np.random.default_rng(seeds[position * len(chains) + k])
                made.append(
                    _apply(waveform, {name: ranges[name] for name in chain}, noises, self.sample_rate, draw)
                )
            return made

        new, origin, effects = [], [], []
        if len(chosen):
            stretched = not {"pitch_steps", "stretch_rate"}.isdisjoint(ranges)
            clips = self._clips(
                X[chosen] if isinstance(X, np.ndarray) else [X[i] for i in chosen],
                min_samples=_SHORTEST_STRETCHED if stretched else 1,
                min_samples_reason="to change its pitch or tempo",
            )
            made = clips.map(copies, n_jobs=self.n_jobs, verbose=self.verbose, description="changing clips")
            for row, of_clip in zip(chosen, made, strict=True):
                for waveform, done in of_clip or []:
                    new.append(waveform)
                    effects.append(done)
                    origin.append(row)
        self.sample_origin_ = np.array(origin, dtype=np.intp)
        self.sample_effects_ = effects
        pairs = np.stack([self.sample_origin_] * 2, axis=1)
        metadata = append_metadata(metadata, pairs, np.zeros(len(pairs)))
        self.kept_ = np.arange(len(X))
        if self.keep == "drawn":
            kept = self.kept_ = np.union1d(chosen, np.flatnonzero(~healthy))
            rows = np.r_[kept, len(X) + np.arange(len(new))]
            metadata = {name: None if values is None else values[rows] for name, values in metadata.items()}
            X = X[kept] if isinstance(X, np.ndarray) else [X[i] for i in kept]
        return self._append(X, new), metadata.pop("y"), metadata

    def _append(self, X, new):
        if not isinstance(X, np.ndarray):
            return [*X, *new]
        dtype = X.dtype if X.dtype in (np.float32, np.float64) else np.dtype(np.float32)
        out = np.empty((len(X) + len(new), X.shape[1]), dtype=dtype)
        if X.dtype.kind == "f":
            out[: len(X)] = X
        else:
            for row, waveform in zip(out, self._clips(X), strict=False):
                row[:] = waveform
        for row, waveform in zip(out[len(X) :], new, strict=True):
            row[:] = waveform
        return out

    def _clips(self, X, **options):
        return Clips(
            X,
            **options,
            sample_rate=self.sample_rate,
            channel=self.channel,
            on_error=self.on_error,
            limits=self.limits,
        )

    def _noises(self):
        """Return the noise waveforms, or the name of the noise to be made."""
        if isinstance(self.noise, str):
            return self.noise
        noises = [waveform for waveform in self._clips(self.noise) if waveform is not None]
        silent = [i for i, waveform in enumerate(noises) if not np.any(waveform)]
        if silent:
            raise ValueError(
                f"Noise clip {silent[0]} is silent: it cannot be brought to a signal-to-noise ratio."
            )
        return noises

    def _ranges(self):
        """Return (low, high) of every effect that is on."""
        ranges = {}
        for name in EFFECTS:
            value = getattr(self, name)
            if value is None:
                continue
            bounds = np.atleast_1d(np.asarray(value, dtype=float))
            bounds = np.repeat(bounds, 2) if bounds.shape == (1,) else bounds
            if bounds.shape != (2,) or not np.isfinite(bounds).all() or bounds[0] > bounds[1]:
                raise ValueError(f"{name} must be a number or a range (low, high), got {value!r}.")
            if name == "stretch_rate" and bounds[0] <= 0:
                raise ValueError(f"stretch_rate must be positive, got {value!r}.")
            ranges[name] = tuple(bounds)
        if not ranges:
            raise ValueError(f"No effect is on: give at least one of {', '.join(EFFECTS)}.")
        return ranges


def _apply(waveform, ranges, noises, sample_rate, rng):
    """Return the changed waveform, a new array, and what was drawn for it."""
    n_samples, dtype, drawn = len(waveform), waveform.dtype, {}
    for name, (low, high) in ranges.items():
        value = drawn[name] = float(rng.uniform(low, high))
        if name == "pitch_steps":
            waveform = _shift_pitch(waveform, value, sample_rate)
        elif name == "stretch_rate":
            waveform = _fit_length(_stretch(waveform, value), n_samples)
        elif name == "gain_db":
            waveform = waveform * dtype.type(10 ** (value / 20))
        else:
            waveform = _add_noise(waveform, value, noises, rng)
    return waveform.astype(dtype, copy=False), drawn


# the phase vocoder hops by a quarter of its frame
_SHORTEST_STRETCHED = 4


def _n_fft(waveform):
    """Return the frame of the phase vocoder: librosa's 2048, less for clips that are shorter."""
    return int(min(2048, 2 ** np.floor(np.log2(max(len(waveform), 2)))))


def _shift_pitch(waveform, n_steps, sample_rate):
    from librosa.effects import pitch_shift  # half a second that only those who need it pay

    shifted = pitch_shift(waveform, sr=sample_rate, n_steps=n_steps, n_fft=_n_fft(waveform))
    return _restore_power(shifted, waveform)


def _stretch(waveform, rate):
    from librosa.effects import time_stretch

    return _restore_power(time_stretch(waveform, rate=rate, n_fft=_n_fft(waveform)), waveform)


def _restore_power(changed, original):
    """Give a waveform the mean power of its original: the phase vocoder makes noise 3 to 5 dB softer."""
    power = np.mean(np.square(changed, dtype=float))
    if power == 0:
        return changed
    return changed * changed.dtype.type(np.sqrt(np.mean(np.square(original, dtype=float)) / power))


def _fit_length(waveform, n_samples):
    missing = n_samples - len(waveform)
    return waveform[:n_samples] if missing <= 0 else np.pad(waveform, (0, missing), mode="reflect")


def _add_noise(waveform, snr_db, noises, rng):
    """Return waveform + noise with ``10 log10(mean(waveform^2) / mean(noise^2)) = snr_db``."""
    n_samples = len(waveform)
    if isinstance(noises, str):
        noise = rng.standard_normal(n_samples)
        if noises == "pink":
            spectrum = np.fft.rfft(noise)
            spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))  # power falls as 1 / f
            spectrum[0] = 0
            noise = np.fft.irfft(spectrum, n_samples)
    else:
        noise = noises[rng.integers(len(noises))].astype(float)
        start = (
            rng.integers(len(noise)) if len(noise) <= n_samples else rng.integers(len(noise) - n_samples + 1)
        )
        noise = np.take(noise, np.arange(start, start + n_samples), mode="wrap")
    noise_power = np.mean(noise**2)
    if noise_power == 0:  # a silent stretch of the noise clip
        return waveform.copy()
    signal_power = np.mean(np.square(waveform, dtype=float))
    scale = np.sqrt(signal_power / noise_power * 10 ** (-snr_db / 10))
    return (waveform + scale * noise).astype(waveform.dtype)
