"""Scores of training clips against references that do not hold them.

A bank is the rows of one domain ("all" without domains), from which one reference is made.
"""

import warnings
from collections import Counter

import numpy as np

from ..labels import as_labels

N_FOLDS = 10  # for scorers without a leave-one-out formula
ALL = "all"


def split(X, banks):
    """Return the dict bank -> rows of ``X``."""
    return {name: X[banks == name] for name in sorted(set(banks))}


def merge_small(banks, needed):
    """Return the bank of every row, one bank for all where the smallest has fewer rows than needed."""
    smallest = min(np.count_nonzero(banks == name) for name in set(banks))
    return banks if smallest >= needed else np.full(len(banks), ALL, dtype=object)


def stems_of(groups, origin, n_rows):
    """Return what each row stems from, a tuple: one group or clip of a recorded row, several of a made one.

    Parameters
    ----------
    groups : sequence of hashables or None
        The recording of each row.
    origin : sequence of tuples or None
        The clips that each row was made of.
    n_rows : int

    Returns
    -------
    ndarray of object of shape (n_rows,) or None
        None where neither is given. Of a clip in `origin` it is the group, where there are groups.
    """
    if groups is not None:
        groups = as_labels("groups", groups, n_rows)
    if origin is None:
        return None if groups is None else as_labels("groups", [(group,) for group in groups], n_rows)
    origin = as_labels("origin", origin, n_rows)
    for row, clips in enumerate(origin):
        if not isinstance(clips, tuple) or not clips:
            raise ValueError(f"origin must hold a tuple of clips for every row, got {clips!r} in row {row}.")
    if groups is None:
        return origin
    group_of = {clips[0]: group for clips, group in zip(origin, groups, strict=True) if len(clips) == 1}
    # a clip that is not among the rows was dropped: nothing else stems from it
    return as_labels("origin", [tuple(group_of.get(clip) for clip in clips) for clips in origin], n_rows)


def is_recorded(stems, n_rows):
    """Return which rows were recorded, and not made of others."""
    return np.ones(n_rows, dtype=bool) if stems is None else np.array([len(stem) == 1 for stem in stems])


def held_out_scores(scorer, X, banks, references, stems=None):
    """Score each row against every bank of a model that does not hold the row.

    Parameters
    ----------
    scorer : BaseScorer
    X : ndarray of shape (n_clips, n_features)
    banks : ndarray of object of shape (n_clips,)
    references : dict
        The references fitted to all rows, by bank.
    stems : ndarray of tuples of shape (n_clips,) or None
        Rows that stem from the same leave the reference together; None: each by itself, or folds of them.

    Returns
    -------
    ndarray of shape (n_clips, n_banks)
        Infinity where leaving the row out leaves no bank, and for rows that were made.
    """
    scores = np.full((len(X), len(references)), np.inf)
    if stems is not None:
        recorded = is_recorded(stems, len(X))
        fold = np.full(len(X), -1)
        fold[recorded] = _folds_of_groups(scorer, [stem[0] for stem in stems[recorded]])
        _refit_without(fold, scorer, X, banks, references, scores, stems)
        return scores
    exact = np.zeros(len(X), dtype=bool)
    for column, (name, reference) in enumerate(references.items()):
        own = banks == name
        loo = None
        # rows that an augmenter made of the one left out would stay in the reference
        if own.sum() > scorer._min_rows and scorer.augmenter is None:
            loo = scorer._leave_one_out(X[own], reference)
        if loo is not None:
            scores[own, column] = loo
            exact |= own
    for column, (name, reference) in enumerate(references.items()):
        others = exact & (banks != name)
        if others.any():
            scores[others, column] = scorer._score_reference(X[others], reference)
    if not exact.all():
        _refit_without(_folds_of_rows(~exact, banks), scorer, X, banks, references, scores)
    return scores


def _folds_of_rows(rows, banks):
    """Return the fold of each of the rows (a mask), spread over folds bank by bank; -1 for all others."""
    fold = np.full(len(banks), -1)
    for name in sorted(set(banks)):
        members = np.flatnonzero(rows & (banks == name))
        fold[members] = np.arange(len(members)) % N_FOLDS
    return fold


def _folds_of_groups(scorer, groups):
    """Return the fold of each row, so that rows of a group are in one fold and folds are about equally large."""
    sizes = Counter(groups)
    n_folds = min(N_FOLDS, len(sizes))
    if n_folds < 2:
        raise ValueError(
            f"All {len(groups)} training clips are of the group {groups[0]!r}: a threshold that holds for clips of "
            "other groups takes two groups at least. Give more, or leave groups away."
        )
    members = [0] * n_folds
    place = {}
    for group, size in sizes.most_common():
        place[group] = int(np.argmin(members))
        members[place[group]] += size
    n_left = len(groups) - max(members)
    if n_left < scorer._min_rows:
        raise ValueError(
            f"Without the largest group {type(scorer).__name__} has {n_left} training clips left, and needs "
            f"{scorer._min_rows}. Give more clips of other groups, or leave groups away."
        )
    return np.array([place[group] for group in groups])


def _refit_without(fold, scorer, X, banks, references, scores, stems=None):
    """Fill in the scores of the rows of each fold (-1: none) against references refitted without the fold.

    With `stems`, all that stems from rows of the fold is left out with it.
    """
    columns = {name: column for column, name in enumerate(references)}
    own = np.array([columns[name] for name in banks])
    if len(X) <= scorer._min_rows:
        warnings.warn(
            f"{type(scorer).__name__} cannot hold one of {len(X)} training clips out: its threshold is "
            "set from clips that are in the reference.",
            UserWarning,
        )
        for name, reference in references.items():
            scores[:, columns[name]] = scorer._score_reference(X, reference)
        return
    for number in range(fold.max() + 1):
        left_out, train = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        if stems is not None:
            gone = {stem[0] for stem in stems[left_out]}
            train = train[[gone.isdisjoint(stem) for stem in stems[train]]]
        names = merge_small(banks[train], scorer._min_rows)
        for name, reference in scorer._fit_references(split(*scorer._extend(X[train], names))).items():
            # a reference merged from small banks stands for each row's own
            column = columns.get(name, own[left_out])
            scores[left_out, column] = scorer._score_reference(X[left_out], reference)


def own_statistics(held_out, banks, references):
    """Return mean and spread, per bank, of the held-out scores of the bank's own rows."""
    own = [held_out[banks == name, column] for column, name in enumerate(references)]
    # groups may leave a domain without a reference
    own = [scores[np.isfinite(scores)] for scores in own]
    if lacking := [name for name, scores in zip(references, own, strict=True) if not len(scores)]:
        raise ValueError(
            f'domain_normalization="zscore" needs clips of two groups in each domain; {lacking[0]!r} has one.'
        )
    mean, scale = np.transpose([mean_and_spread(scores) for scores in own])
    return mean, scale


def mean_and_spread(scores):
    """Return mean and standard deviation of scores, the latter 1 where they do not vary."""
    mean, spread = scores.mean(), scores.std()
    # equal scores have no spread to divide by but that of rounding
    return mean, spread if spread > 1e-12 * abs(mean) else 1.0
