"""Warning about clips that are much longer than the others; each is one row, whatever its length."""

import os
import warnings

import numpy as np

from ..clips import Clips

_LONGER = 2.0  # times the median, as in RecordingConditions


def warn_about_long_clips(clips, sample_rate):
    """Warn if some of the clips, as `check_clips` returns them, are more than twice as long as the median."""
    if isinstance(clips, np.ndarray) and clips.ndim == 2:
        return
    seconds = Clips(clips, sample_rate=sample_rate, on_error="skip").n_samples / sample_rate
    usable = seconds[seconds > 0]
    if not len(usable):
        return
    median = float(np.median(usable))
    long = np.flatnonzero(seconds > _LONGER * median)
    if not len(long):
        return
    first = long[seconds[long].argmax()]
    name = clips[first] if isinstance(clips[first], (str, os.PathLike)) else f"clip {first}"
    warnings.warn(
        f"{len(long)} of {len(usable)} clips are more than twice as long as half of them are: {name} has "
        f"{seconds[first]:.4g} s, the median is {median:.4g} s. Each counts as one clip, and a fault in a part of a "
        "long one is averaged away: cut long recordings into windows of one length (python -m skasd cut).",
        UserWarning,
    )
