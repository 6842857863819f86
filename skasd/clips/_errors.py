"""Errors about clips that cannot be used: for one clip, and for all bad clips of a collection at once."""

import warnings

_MOST_LISTED = 200


class BadClip(Exception):
    """Says why one clip cannot be used, such as "it is empty"; for functions that :meth:`Clips.map` calls."""

    __module__ = "skasd.clips"


class ClipError(ValueError):
    """Some clips cannot be used; the message lists them, each with its cause.

    Attributes
    ----------
    bad_clips : dict of int to (str, str)
        For the position of every bad clip: its description (for files, the path) and the cause.
    """

    bad_clips: dict = {}


class ClipWarning(UserWarning):
    """Some clips cannot be used and were skipped, since ``on_error="skip"`` asked for that."""


def report(bad_clips, n_clips, on_error):
    """Raise the error, or with ``on_error="skip"`` give the warning, that lists the bad clips, if there are any.

    ``bad_clips`` maps the position of each to its description and the cause.
    """
    if not bad_clips:
        return
    lines = [f"  clip {i}, {name}: {cause}" for i, (name, cause) in list(bad_clips.items())[:_MOST_LISTED]]
    if len(bad_clips) > _MOST_LISTED:
        lines.append(f"  ... and {len(bad_clips) - _MOST_LISTED} more (all are in the error's bad_clips)")
    head = f"{len(bad_clips)} of {n_clips} clips cannot be used"
    if on_error == "skip":
        warnings.warn("\n".join([head + " and are skipped:", *lines]), ClipWarning)
        return
    remedy = 'Repair or remove them, or pass on_error="skip" to go on without them.'
    error = ClipError("\n".join([head + ":", *lines, remedy]))
    error.bad_clips = bad_clips
    raise error
