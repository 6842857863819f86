"""Faults that make a recording useless: silence, clipping, another microphone's level or offset, a lossy codec."""

import os
from typing import Any, Self

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator

from ._audio_file import libsndfile_name
from ._checks import check_clips, is_path
from ._clips import Clips

# the resolution of 16-bit PCM: nothing but zeros and dither lies below two steps
_SILENCE = 2 / 2**15
_FULL_SCALE = 0.999
_SHORTER = 0.9  # times the shortest: below this, the scores of healthy clips are higher
_LONGER = (
    2.0  # times the longest: a fault as long as a clip learnt from is averaged with as much healthy sound
)
_OFFSET = 0.5  # of the sound's own root mean square: a quarter of its power, 1 dB in level
_RUN = 3  # samples at full scale in a row: one or two are loud, three are cut off
_LOSSY_FORMATS = ("OGG", "MPEG", "MP3", "OPUS")
_LOSSY_SUBTYPES = ("VORBIS", "OPUS", "MPEG", "ADPCM", "ULAW", "ALAW", "GSM", "G72", "NMS", "VOX", "DWVW")
_COLUMNS = ("sample_rate", "channels", "duration", "lossy", "level", "peak", "clipped", "zeros", "offset")


def describe_clips(X: Any, *, sample_rate: int = 16000, n_jobs: int | None = None) -> pd.DataFrame:
    """Describe how clips were recorded: rate, channels, codec, level, clipping.

    Parameters
    ----------
    X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
        The clips.

    sample_rate : int, default=16000
        Sample rate in Hz of clips that are arrays; files carry their own.

    n_jobs : int, default=None
        Threads that read files. None means 1 unless in a :obj:`joblib.parallel_config`.

    Returns
    -------
    table : pandas.DataFrame
        One row per clip; all values are missing if the file cannot be read:

        - ``sample_rate`` : Hz, and ``channels``, as recorded;
        - ``duration`` : s;
        - ``lossy`` : bool, whether the codec discards information (mp3, ogg, mu-law, ADPCM ...);
        - ``level`` : root mean square over all channels in dB relative to full scale; -inf for digital silence;
        - ``peak`` : largest magnitude, 1 is full scale;
        - ``clipped`` : share of the samples at full scale in runs of three or more;
        - ``zeros`` : share of the clip that is digital silence of 50 ms or longer: drop-outs;
        - ``offset`` : magnitude of the constant part over all channels, in units of the root mean square of the rest; 0
          for digital silence, inf for a constant.

    See Also
    --------
    RecordingConditions : Compares recordings with the training clips of a detector.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.clips import describe_clips
    >>> tone = np.sin(np.arange(16000))
    >>> describe_clips([tone, np.clip(3 * tone, -1, 1)])[["level", "clipped"]].round(2)
       level  clipped
    0  -3.01     0.00
    1  -0.67     0.44
    """
    import pandas as pd  # imported only if a table is requested

    rows = Parallel(n_jobs=n_jobs, prefer="threads")(
        # absolute paths, because workers of a cluster have their own working directory
        delayed(_describe)(os.path.abspath(clip) if is_path(clip) else clip, sample_rate)
        for clip in check_clips(X)
    )
    return pd.DataFrame(rows, columns=list(_COLUMNS))


class RecordingConditions(BaseEstimator):
    """Learn how the clips of healthy machines were recorded, and remark on clips that were recorded differently.

    A detector reports whatever it has not heard before: a failing machine, but also a dead microphone, a file with
    another sample rate or a changed gain. These remarks tell them apart.

    Parameters
    ----------
    sample_rate : int, default=16000
        Sample rate in Hz at which the detector works; also that of clips that are arrays.

    max_level_difference : float, default=30.0
        Decibels by which the level may lie outside the range of the training clips' levels.

    max_clipped : float, default=0.001
        Share of samples clipped at full scale, in [0, 1], up to which there is no remark. A larger share is accepted if
        the training clips had it.

    n_jobs : int, default=None
        Threads that read files. None means 1 unless in a :obj:`joblib.parallel_config`.

    Attributes
    ----------
    n_clips_ : int
        Number of clips that could be read.

    sample_rate_ : float
        Lowest sample rate of the clips, in Hz.

    channels_ : tuple of int
        Numbers of channels that occur, sorted.

    shortest_ : float
        Duration of the shortest clip, in s.

    longest_ : float
        Duration of the longest clip, in s.

    lossy_ : bool
        Whether any clip came from a lossy codec.

    level_range_ : tuple of (float, float)
        Lowest and highest level of the clips that are not silent, in dB relative to full scale.

    clipped_ : float
        Largest share of samples at full scale.

    zeros_ : float
        Largest share of a clip that is digital silence.

    offset_ : float
        Largest constant part of a clip that is not silent, in units of the root mean square of the rest.

    n_features_in_ : int
        Samples per clip, where `X` was a 2-D array.

    See Also
    --------
    describe_clips : The figures on which the remarks are based.

    Notes
    -----
    Before `fit`, `remarks` reports only what requires no training clips: silence, clipping, drop-outs, a constant
    offset and a sample rate below the detector's.

    A constant offset, as from a sensor without AC coupling, is not sound but enters the lowest bands: it raises scores
    from half of the sound's root mean square upwards. A long clip has a single score, in which a fault in a part of the
    clip is averaged away; there is a remark from twice the longest training clip upwards.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.clips import RecordingConditions
    >>> rng = np.random.default_rng(0)
    >>> conditions = RecordingConditions().fit(0.1 * rng.normal(size=(5, 16000)))
    >>> for remark in conditions.remarks([0.1 * rng.normal(size=16000), np.zeros(16000)]):
    ...     print(remark or "nothing to remark")
    nothing to remark
    silent
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        *,
        max_level_difference: float = 30.0,
        max_clipped: float = 0.001,
        n_jobs: int | None = None,
    ):
        self.sample_rate = sample_rate
        self.max_level_difference = max_level_difference
        self.max_clipped = max_clipped
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn how clips were recorded.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            Clips of healthy machines; files that cannot be read are skipped.

        y : Ignored, default=None
            Present for API consistency.

        Returns
        -------
        self : RecordingConditions

        Raises
        ------
        ValueError
            If no clip can be read.
        """
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        return self.update(X)

    def update(self, X: Any) -> Self:
        """Learn how further clips were recorded, in addition to the earlier ones.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            Clips of healthy machines; files that cannot be read are skipped.

        Returns
        -------
        self : RecordingConditions

        Raises
        ------
        ValueError
            If no clip can be read.
        """
        clips = check_clips(X)
        table = describe_clips(clips, sample_rate=self.sample_rate, n_jobs=self.n_jobs).dropna()
        if table.empty:
            raise ValueError("None of the clips can be read.")
        heard = table["level"][table["peak"] > _SILENCE]
        levels = (float(heard.min()), float(heard.max())) if len(heard) else (-np.inf, np.inf)
        if isinstance(clips, np.ndarray):
            self.n_features_in_ = clips.shape[1]
        if not hasattr(self, "n_clips_"):
            self.n_clips_, self.sample_rate_, self.shortest_, self.longest_ = 0, np.inf, np.inf, 0.0
            self.channels_: tuple[int, ...] = ()
            self.lossy_, self.level_range_, self.clipped_, self.zeros_ = False, levels, 0.0, 0.0
            self.offset_ = 0.0
        self.n_clips_ += len(table)
        self.sample_rate_ = min(self.sample_rate_, float(table["sample_rate"].min()))
        self.channels_ = tuple(sorted({*self.channels_, *(int(n) for n in table["channels"])}))
        self.shortest_ = min(self.shortest_, float(table["duration"].min()))
        self.longest_ = max(self._longest, float(table["duration"].max()))
        self.lossy_ |= bool(table["lossy"].any())
        self.level_range_ = _wider(self.level_range_, levels)
        self.clipped_ = max(self.clipped_, float(table["clipped"].max()))
        self.zeros_ = max(self.zeros_, float(table["zeros"].max()))
        offsets = table["offset"][np.isfinite(table["offset"])]
        self.offset_ = max(getattr(self, "offset_", 0.0), float(offsets.max()) if len(offsets) else 0.0)
        return self

    @property
    def _longest(self):
        return getattr(self, "longest_", np.inf)  # older model files do not have it

    def remarks(self, X: Any) -> np.ndarray:
        """Say what is unusual about the recording of each clip.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            The clips.

        Returns
        -------
        remarks : ndarray of object of shape (n_clips,)
            One str per clip: its remarks separated by "; ", or "" if there is none or the file cannot be read.
        """
        table = describe_clips(X, sample_rate=self.sample_rate, n_jobs=self.n_jobs)
        remarks = np.full(len(table), "", dtype=object)
        for i, row in enumerate(table.itertuples(index=False)):
            if np.isfinite(row.sample_rate):
                remarks[i] = "; ".join(self._remarks(row))
        return remarks

    def _remarks(self, clip):
        if clip.peak <= _SILENCE:
            yield "silent"
            return
        if clip.offset > 1 and clip.peak / clip.offset <= _SILENCE:
            yield f"silent but for a constant offset of {clip.peak:.2g} of full scale"
            return
        fitted = hasattr(self, "n_clips_")
        if clip.sample_rate < min(self.sample_rate, self.sample_rate_ if fitted else np.inf):
            yield (
                f"sample rate {_hz(clip.sample_rate)}: nothing above {_hz(clip.sample_rate / 2)}, the detector listens "
                f"up to {_hz(self.sample_rate / 2)}"
            )
        if clip.clipped > max(self.max_clipped, 2 * self.clipped_ if fitted else 0):
            yield f"clipped: {clip.clipped:.2%} of the samples are cut off at full scale"
        if clip.zeros > max(0.1, self.zeros_ if fitted else 0):
            yield f"drop-outs: {clip.zeros:.0%} of it is digital silence"
        if clip.offset > max(_OFFSET, 2 * getattr(self, "offset_", 0.0)):
            yield f"constant offset of {clip.offset:.2g} times the sound's root mean square"
        if not fitted:
            return
        if clip.lossy and not self.lossy_:
            yield "lossy codec, learnt from lossless recordings"
        if clip.channels not in self.channels_:
            learnt = " or ".join(map(str, self.channels_))
            yield f"{clip.channels:.0f} channels, learnt from {learnt}"
        if clip.duration < _SHORTER * self.shortest_:
            yield f"short: {clip.duration:.3g} s, learnt from {self.shortest_:.3g} s and more"
        if clip.duration > _LONGER * self._longest:
            yield (
                f"long: {clip.duration:.3g} s, learnt from {self.longest_:.3g} s and less; what happens in a part of "
                "it is averaged away"
            )
        low, high = self.level_range_
        if clip.level < low - self.max_level_difference:
            yield f"level {clip.level:.0f} dB, {low - clip.level:.0f} dB below all learnt from"
        elif clip.level > high + self.max_level_difference:
            yield f"level {clip.level:.0f} dB, {clip.level - high:.0f} dB above all learnt from"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.allow_nan = True  # such a clip is skipped
        return tags


def _wider(levels, others):
    """Return the range that holds both; a range without bounds is that of silence alone, and is ignored."""
    known = [each for each in (levels, others) if np.isfinite(each[0])]
    if not known:
        return levels
    return min(low for low, _ in known), max(high for _, high in known)


def _hz(frequency):
    return f"{frequency / 1000:g} kHz"


def _describe(clip, sample_rate):
    """Return a row of `describe_clips`; None throughout if the clip cannot be read."""
    missing = (np.nan,) * len(_COLUMNS)
    lossy = False
    if is_path(clip):
        import soundfile  # only those who read files pay for its import

        # otherwise it would wait for pipes and believe headers that lie
        if Clips([clip], on_error="skip").n_samples[0] < 0:
            return missing
        try:
            with soundfile.SoundFile(libsndfile_name(clip)) as file:
                sample_rate = file.samplerate
                lossy = file.format in _LOSSY_FORMATS or any(s in file.subtype for s in _LOSSY_SUBTYPES)
                samples = file.read(dtype="float32", always_2d=True)
        except (RuntimeError, OSError, TypeError, ValueError, MemoryError):
            return missing  # reading it for its score reports what is wrong
    else:
        samples = np.asarray(clip)
        if samples.dtype.kind in "iu":
            scale = 2.0 ** (8 * samples.dtype.itemsize - 1)
            samples = (samples - (scale if samples.dtype.kind == "u" else 0)) / scale
        samples = samples.reshape(-1, 1)
    if not len(samples) or not np.isfinite(samples).all():
        return missing
    magnitude = np.abs(samples)
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    constant = samples.mean(axis=0, dtype=np.float64)
    steady = float(np.mean(np.square(constant)))
    rest = float(np.mean(np.square(samples - constant, dtype=np.float64))) if steady else power
    offset = np.sqrt(steady / rest) if rest > 0 else np.inf if steady else 0.0
    level = 10 * np.log10(power) if power > 0 else -np.inf
    zeros = _share_in_runs(magnitude.max(axis=1) == 0, max(1, round(0.05 * sample_rate)))
    clipped = np.mean([clipped_share(channel) for channel in magnitude.T])
    duration = len(samples) / sample_rate
    peak = float(magnitude.max())
    return (sample_rate, samples.shape[1], duration, lossy, level, peak, float(clipped), zeros, float(offset))


def clipped_share(waveform: np.ndarray) -> float:
    """Return the share of samples that are clipped: at full scale, in runs of three or more.

    Parameters
    ----------
    waveform : ndarray of shape (n_samples,)
        Floats with full scale at 1, or their magnitudes.

    Returns
    -------
    float
        In [0, 1].

    Examples
    --------
    >>> from skasd.clips import clipped_share
    >>> clipped_share([0.0, 1.0, 1.0, 1.0, 0.3, 1.0, 0.0, 0.0])
    0.375
    """
    return _share_in_runs(np.abs(waveform) >= _FULL_SCALE, _RUN)


def _share_in_runs(mask, shortest):
    """Return the share of entries that are True in runs of at least that length."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    lengths = edges[1::2] - edges[::2]
    return float(lengths[lengths >= shortest].sum() / len(mask))
