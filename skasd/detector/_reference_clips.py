"""Training clips of a detector, kept as rows so that others can be added in bounded memory.

They are a dict with the metadata of each clip, in the order in which they arrived: "rows", "numbers" (how many clips
came before it), "section", "domain", "groups" and "paths", the last four None if not known; and "groups_given", whether
the groups were given, not found in the paths.
"""

import os
import warnings

import numpy as np

from .._metadata import as_domains
from ..datasets import recordings_of
from ..labels import as_labels, group_rows

_BY_CLIP = ("rows", "numbers", "section", "domain", "groups", "paths")


def reference_clips(checked, rows, first=0, *, section=None, domain=None, groups=None):
    """Return what is kept of clips, as returned by `skasd.clips.check_clips`, and of their rows.

    Skipped clips, whose rows are NaN, are left out. ``first`` is the number of clips that came before.
    """
    rows = np.asarray(rows)
    n_clips = len(rows)
    heard = usable(rows)
    if not len(heard):
        raise ValueError(
            f"No clip to learn from: none of the {n_clips} clips can be used; the warning names the causes."
        )
    clips = {
        "rows": rows,
        "section": None if section is None else as_labels("section", section, n_clips),
        "domain": None if domain is None else as_domains(domain, n_clips),
        "groups": None if groups is None else as_labels("groups", groups, n_clips),
        "paths": _paths(checked),
    }
    clips = _take(clips, heard)
    if groups is None:
        clips["groups"] = _found(clips["paths"])
    return {**clips, "numbers": first + np.arange(len(heard)), "groups_given": groups is not None}


def usable(rows):
    """Return which clips can be used, as indices, given the rows of all: those of others are NaN."""
    return np.flatnonzero(~np.isnan(rows).all(axis=1))


def names_of(clips, places):
    """Return what messages call the clips: their paths, else their places, given those of all usable clips."""
    if clips["paths"] is not None:
        return clips["paths"].tolist()
    return [f"clip {places[number]}" for number in clips["numbers"]]


def recordings_found(checked):
    """Return the recording of each clip, as returned by `skasd.clips.check_clips`; None if no file names show it."""
    return _found(_paths(checked))


def joined(old, new, n_before, scorers):
    """Return earlier and later clips in one dict; raise ValueError if only one of them has some metadata.

    ``n_before`` is the number of clips that ``old`` had before some were left out. The ``blocks_`` of the scorers
    fitted to ``old``, by section, are the recordings found from the order of the rows.
    """
    for name, remedy in (
        ("section", "the section of each clip; it may be a new one"),
        ("domain", '"source" or "target" for each clip'),
    ):
        if new[name] is None and old[name] is not None:
            raise ValueError(f"The detector was fitted with {name}=: give {name}= here, too, {remedy}.")
        if new[name] is not None and old[name] is None:
            raise ValueError(
                f"The detector was fitted without {name}=, so that of its clips none is known: leave {name}= out, or "
                f"fit again with {name}=."
            )
    if old["groups_given"] and not new["groups_given"]:
        raise ValueError(
            "The detector was fitted with groups=: give groups= here, too, the recording that each clip comes from."
        )
    parts = {
        name: None if old[name] is None or new[name] is None else np.concatenate([old[name], new[name]])
        for name in _BY_CLIP
    }
    if new["groups_given"]:
        known = _found_in_order(old, scorers) if old["groups"] is None else old["groups"]
        parts["groups"] = np.concatenate([known, new["groups"]])
    else:
        parts["groups"] = _found(parts["paths"])
        if parts["groups"] is not None and old["groups"] is not None and n_before > len(old["rows"]):
            # after clips were left out, names may no longer show what belongs together
            parts["groups"] = _kept_together(parts["groups"], old["groups"])
    return {**parts, "groups_given": new["groups_given"]}


def without_copies(clips, places):
    """Return clips without those that equal an earlier one of the same section and domain, with a warning.

    A held-out clip would be compared with its copy, and the threshold would be too low for other recordings. If all
    clips are equal, all are kept: there is nothing else to learn.

    Parameters
    ----------
    clips : dict
    places : sequence of int
        The place of each usable clip among those given, for the warning.

    Returns
    -------
    dict
    """
    n_clips = len(clips["rows"])
    known = [clips[name] for name in ("section", "domain") if clips[name] is not None]
    first: dict = {}
    original = [
        first.setdefault(key, row)
        for row, key in enumerate(zip(map(bytes, clips["rows"]), *known, strict=True))
    ]
    if len(first) == n_clips or len(first) == 1:
        return clips
    copy = next(row for row in range(n_clips) if original[row] != row)
    names = names_of(clips, places)
    warnings.warn(
        f"{n_clips - len(first)} of {n_clips} clips are copies of others and are left out (the first: "
        f"{names[copy]}, of {names[original[copy]]}).",
        UserWarning,
    )
    return _take(clips, np.array(sorted(first.values())))


def bounded(clips, max_clips):
    """Return no more than ``max_clips`` of each section, every recording and domain represented.

    The selection is as balanced as possible over domains, and within a domain over recordings. Of a recording it keeps
    the clips that divide it most evenly: those whose numbers, written in binary and read backwards, are the smallest
    (van der Corput). So every second, fourth, eighth ... clip is kept, whatever it sounds like, and the selection does
    not depend on how many clips arrived at a time. Leaving out clips that resemble others most would keep the odd ones,
    and widen what passes for healthy.
    """
    n_clips = len(clips["rows"])
    kept = []
    for rows in _by_section(clips):
        if len(rows) <= max_clips:
            kept.append(rows)
            continue
        order = np.argsort(np.argsort(_backwards(clips["numbers"][rows])))
        for names in (("domain", "groups"), ("domain",)):  # a recording may have clips of both domains
            place = _places(order, *(clips[name][rows] for name in names if clips[name] is not None))
            order = np.argsort(np.lexsort((order, place)))
        kept.append(rows[order < max_clips])
    kept = np.sort(np.concatenate(kept))
    return clips if len(kept) == n_clips else _take(clips, kept)


def _take(clips, rows):
    """Return some of the clips."""
    return {
        name: values[rows] if name in _BY_CLIP and values is not None else values
        for name, values in clips.items()
    }


def _places(order, *labels):
    """Return the rank of each row among the rows with the same labels, given an order of all rows."""
    places = np.empty(len(order), dtype=int)
    of_row = np.empty(len(order), dtype=object)
    of_row[:] = list(zip(*labels, strict=True)) if labels else [()] * len(order)
    for rows in group_rows(of_row).values():
        places[rows[np.argsort(order[rows])]] = np.arange(len(rows))
    return places


def _backwards(numbers):
    """Return numbers below 2^32 with their bits in the opposite order."""
    bits = np.unpackbits(numbers.astype("<u4").view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
    return np.packbits(bits, axis=1).view(">u4").ravel()


def _paths(clips):
    """Return the absolute paths of clips if all are files; None for arrays."""
    if isinstance(clips, np.ndarray) or not all(isinstance(clip, (str, os.PathLike)) for clip in clips):
        return None
    return np.array([os.path.abspath(os.fspath(clip)) for clip in clips], dtype=object)


def _found(paths):
    """Return the recording of each clip, found in the file names; None if they do not show it."""
    recordings = None if paths is None else recordings_of(paths.tolist())
    return None if recordings is None else np.array(recordings, dtype=object)


def _found_in_order(clips, scorers):
    """Return names of the recordings that scorers found from the order of the rows."""
    found = np.empty(len(clips["rows"]), dtype=object)
    for number, (rows, scorer) in enumerate(zip(_by_section(clips), scorers.values(), strict=True)):
        found[rows] = [f"section {number}, stretch {block}" for block in scorer.blocks_.tolist()]
    return found


def _by_section(clips):
    """Return the rows of each section, or all rows if sections are not known."""
    if clips["section"] is None:
        return [np.arange(len(clips["rows"]))]
    return list(group_rows(clips["section"]).values())


def _kept_together(groups, old):
    """Return the groups of all clips, given those of the first ones."""
    known = dict(zip(groups.tolist(), old.tolist(), strict=False))
    later = groups[len(old) :].tolist()
    return np.array([*old.tolist(), *(known.get(name, name) for name in later)], dtype=object)
