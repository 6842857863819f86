"""Recordings that clips come from, and their folds, as used for thresholds."""

from typing import Any

import numpy as np

from .._metadata import as_domains
from .._typing import ArrayLike
from ..labels import as_labels, group_rows
from ._blocks import find_blocks

__all__ = ["deal_recordings", "recording_blocks"]


def recording_blocks(
    X: ArrayLike, *, section: Any = None, domain: Any = None, groups: Any = None
) -> np.ndarray:
    """Return which rows belong together, by the rule that holds rows out for thresholds.

    Parameters
    ----------
    X : array-like of shape (n_clips, n_features)
        One row per clip, in the order of recording.
    section : sequence of hashables of length n_clips, default=None
        Blocks hold clips of one section.
    domain : sequence of {"source", "target"} of length n_clips, default=None
        The domain of each clip.
    groups : sequence of hashables of length n_clips, default=None
        The recording of each clip, where known. None: what the order of the rows shows, see
        :class:`~skasd.scorers.BaseScorer`.

    Returns
    -------
    ndarray of int of shape (n_clips,)
        The block of each row, from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.scorers.recordings import recording_blocks
    >>> X = np.random.default_rng(0).normal(size=(40, 8)) + 9 * np.repeat(np.arange(5) % 2, 8)[:, None]
    >>> np.bincount(recording_blocks(X))
    array([8, 8, 8, 8, 8])
    """
    X = np.asarray(X, dtype=float)
    domain = None if domain is None else as_domains(domain, len(X))
    groups = None if groups is None else as_labels("groups", groups, len(X))
    sections = {None: np.arange(len(X))}
    if section is not None:
        sections = group_rows(as_labels("section", section, len(X)))
    blocks, n_blocks = np.empty(len(X), dtype=int), 0
    for rows in sections.values():
        own_domain, own_groups = (None if values is None else values[rows] for values in (domain, groups))
        of = find_blocks(X[rows], own_domain, own_groups, None, np.ones(len(rows), dtype=bool)).of
        own = np.unique(of, return_inverse=True)[1]
        blocks[rows] = n_blocks + own
        n_blocks += int(own.max()) + 1
    return blocks


def deal_recordings(groups: Any, n_folds: int, *, domain: Any = None) -> np.ndarray:
    """Deal clips to folds so that recordings are whole and the folds about equally large.

    Parameters
    ----------
    groups : sequence of hashables of length n_clips
        The recording of each clip.
    n_folds : int
        Number of folds; there must be as many recordings.
    domain : sequence of hashables of length n_clips, default=None
        The clips of each domain are spread over the folds as well, as far as their recordings allow.

    Returns
    -------
    ndarray of int of shape (n_clips,)
        The fold of each clip, from 0.

    Raises
    ------
    ValueError
        If there are fewer recordings than folds.

    Notes
    -----
    The largest recordings are dealt first, each to the fold with the fewest clips of its domain, and among those to the
    one with the fewest clips.

    Examples
    --------
    >>> from skasd.scorers.recordings import deal_recordings
    >>> deal_recordings(["a", "a", "b", "c"], 2)
    array([0, 0, 1, 1])
    """
    groups = as_labels("groups", groups, len(groups))
    if domain is not None:
        domain = as_labels("domain", domain, len(groups))
    recordings = group_rows(groups)
    if len(recordings) < n_folds:
        raise ValueError(f"There are {len(recordings)} recordings, too few for {n_folds} folds.")
    fold_of = np.empty(len(groups), dtype=int)
    in_all = np.zeros(n_folds, dtype=int)
    by_domain: dict = {}
    for rows in sorted(recordings.values(), key=len, reverse=True):
        name = None if domain is None else domain[rows[0]]
        counts = by_domain.setdefault(name, np.zeros(n_folds, dtype=int))
        fold = min(range(n_folds), key=lambda each: (counts[each], in_all[each]))
        fold_of[rows] = fold
        counts[fold] += len(rows)
        in_all[fold] += len(rows)
    return fold_of
