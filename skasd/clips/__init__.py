"""Input of clips: arrays, ragged lists and audio files, checked, at one sample rate, one channel each.

This is the one place of the package that reads audio. A collection of clips ``X`` is

- a 2-D array ``(n_clips, n_samples)``; integer PCM is scaled to [-1, 1);
- a list (or 1-D object array) of 1-D arrays, whose lengths may differ;
- a list, array, pandas Series or Index of file paths (``str`` or ``PathLike``; wav, flac, ogg, mp3, aiff and other
  formats of libsndfile in which truncated files can be detected).
"""

from ._checks import check_clips, pcm_to_float
from ._clips import Clips
from ._cut import cut_recording
from ._errors import BadClip, ClipError, ClipWarning
from ._kept_buffers import KeptBuffers
from ._left_out import leave_out_bad
from ._limits import LIMITS, check_limits
from ._recording_conditions import RecordingConditions, clipped_share, describe_clips

__all__ = [
    "LIMITS",
    "BadClip",
    "ClipError",
    "ClipWarning",
    "Clips",
    "KeptBuffers",
    "RecordingConditions",
    "check_clips",
    "check_limits",
    "clipped_share",
    "cut_recording",
    "describe_clips",
    "leave_out_bad",
    "pcm_to_float",
]
