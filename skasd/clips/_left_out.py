"""Carrying on if some clips cannot be used."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._sklearn_compat import num_samples, safe_indexing
from ._audio_file import read_header
from ._checks import is_path
from ._errors import BadClip, ClipError


def leave_out_bad(
    function: Callable, X: Any, *, allow_empty: bool = False
) -> tuple[Any, np.ndarray, dict[int, str]]:
    """Call a function with clips that can be opened, and again without those that it reports as unusable.

    For work on many clips that a few unreadable ones should not abort. ``on_error="skip"`` of front ends keeps the rows
    of such clips, as NaN; here they are removed, so that any detector can be fitted.

    Parameters
    ----------
    function : callable
        Called as ``function(clips, rows)`` with the clips of `X` not yet found unusable and their positions in `X`, an
        ndarray of int. It may raise :class:`ClipError`.
    X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
        The clips, or features of n_clips clips.
    allow_empty : bool, default=False
        Whether it is allowed that no clip is left.

    Returns
    -------
    result : object
        What the function returned; None if no clip is left.
    rows : ndarray of int of shape (n_used_clips,)
        Positions of the clips that were used.
    causes : dict of int to str
        The reason, by position of every clip left out.

    Raises
    ------
    ClipError
        If all clips are unusable and `allow_empty` is False, or the error names no clip of `X`.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import LogMelTransformer
    >>> from skasd.clips import leave_out_bad
    >>> front = LogMelTransformer(n_mels=8)
    >>> clips = [np.zeros(2048), np.array([np.nan]), np.ones(2048)]
    >>> features, rows, causes = leave_out_bad(lambda clips, rows: front.fit_transform(clips), clips)
    >>> features.shape, rows, list(causes)
    ((2, 8, 5), array([0, 2]), [1])
    """
    clips, rows = X, np.arange(num_samples(X))
    causes = _unreadable(X)  # first: the function may take hours to find them
    if len(causes) == len(rows) and not allow_empty:
        causes = {}  # the function's error says it
    if causes:
        rows = np.delete(rows, list(causes))
        clips = safe_indexing(X, rows)
    while len(rows) or not allow_empty:
        try:
            return function(clips, rows), rows, causes
        except ClipError as error:
            found = _positions(error, clips)
            if not found or (len(found) == len(rows) and not allow_empty):
                raise
            causes |= {int(rows[i]): cause for i, cause in found.items()}
            left = np.array([i for i in range(len(rows)) if i not in found], dtype=int)
            clips, rows = safe_indexing(clips, left), rows[left]
    return None, rows, causes


def _unreadable(X):
    """Return the causes, by position, of files that nobody can read, judging by their headers."""
    causes = {}
    for i, clip in enumerate(X) if getattr(X, "ndim", 1) == 1 else ():
        if is_path(clip):
            try:
                read_header(clip)
            except BadClip as bad:
                causes[i] = str(bad)
    return causes


def _positions(error, clips):
    """Return the causes by position; files are looked up: a part of a detector may have seen only some of the clips."""
    found = {}
    for position, (what, cause) in error.bad_clips.items():
        same = [i for i, clip in enumerate(clips) if isinstance(clip, str) and repr(clip) == what]
        found |= dict.fromkeys(same or [position], cause)
    return {position: cause for position, cause in found.items() if position < len(clips)}
