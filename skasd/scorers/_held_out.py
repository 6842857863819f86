"""Scores of training clips against references that do not contain them.

A reference set is the rows of one domain ("all" without domains), from which one reference is made.
"""

import warnings
from collections import Counter

import numpy as np

from .thresholds import tell_of_few_clips

N_FOLDS = 10  # of single rows, for scorers without a leave-one-out formula
MAX_REFITS = 20  # of blocks
N_PARTS = 5  # of a recording that is all there is
N_PROBED = 12  # blocks that are left out along with others
LARGEST_STEP = np.log(1.5)
ALL = "all"


def split(X, sets):
    """Return the dict reference set -> rows of ``X``."""
    return {name: X[sets == name] for name in sorted(set(sets))}


def merge_small(sets, needed):
    """Return the reference set of every row, one for all where the smallest has fewer rows than needed."""
    smallest = min(np.count_nonzero(sets == name) for name in set(sets))
    return sets if smallest >= needed else np.full(len(sets), ALL, dtype=object)


def held_out_scores(scorer, X, sets, references, blocks):
    """Return the score of each row against every reference set without the row's block, (n_clips, n_sets).

    ``sets`` names the reference set of each row, ``references`` are those fitted to all rows. Rows of a block leave the
    reference together, with all that was made of them. Infinity if that leaves nothing of a set, and for augmented
    rows.
    """
    scores = np.full((len(X), len(references)), np.inf)
    if not blocks.are_rows:
        blocks = _that_leave_enough(scorer, blocks)
        _refit_without(_folds_of_blocks(blocks), scorer, X, sets, references, scores, blocks)
        return scores
    exact = np.zeros(len(X), dtype=bool)
    for column, (name, reference) in enumerate(references.items()):
        own = sets == name
        loo = None
        # rows that an augmenter made of the one left out would stay in the reference
        if own.sum() > scorer._min_rows and scorer.augmenter is None:
            loo = scorer._leave_one_out(X[own], reference)
        if loo is not None:
            scores[own, column] = loo
            exact |= own
    for column, (name, reference) in enumerate(references.items()):
        others = exact & (sets != name)
        if others.any():
            scores[others, column] = scorer._score_reference(X[others], reference)
    if not exact.all():
        _refit_without(_folds_of_rows(~exact, sets), scorer, X, sets, references, scores, blocks)
    return scores


def _folds_of_rows(rows, sets):
    """Return the fold of each of the rows (a mask), spread over folds set by set; -1 for all others."""
    fold = np.full(len(sets), -1)
    for name in sorted(set(sets)):
        members = np.flatnonzero(rows & (sets == name))
        fold[members] = np.arange(len(members)) % N_FOLDS
    return fold


def _that_leave_enough(scorer, blocks):
    """Return blocks none of which is needed for a reference: stretches of rows where those given are too few."""
    recorded = np.flatnonzero(blocks.recorded)
    sizes = np.unique(blocks.of[recorded], return_counts=True)[1]
    if len(sizes) > 1 and len(recorded) - sizes.max() >= scorer._min_rows:
        return blocks
    tell_of_few_clips(
        f"Without the largest recording {type(scorer).__name__} has {len(recorded) - sizes.max()} of "
        f"{len(recorded)} training clips left, and needs {max(scorer._min_rows, 1)}: its threshold leaves out parts of "
        "recordings, and may be too low for clips of others. Give healthy clips of other recordings."
    )
    n_parts = min(N_PARTS, len(recorded))
    if len(recorded) - -(-len(recorded) // n_parts) < scorer._min_rows:
        n_parts = len(recorded)
    of = np.full(len(blocks.of), -1)
    of[recorded] = np.arange(len(recorded)) * n_parts // len(recorded)
    return blocks._replace(of=of, made_of={row: set(range(n_parts)) for row in blocks.made_of})


def _folds_of_blocks(blocks):
    """Return the fold of each row, so that rows of a block are in one fold and folds are about equally large."""
    recorded = blocks.of[blocks.recorded]
    sizes = Counter(recorded.tolist())
    n_folds = min(N_FOLDS if len(sizes) == len(recorded) else MAX_REFITS, len(sizes))
    members = [0] * n_folds
    place = {}
    for block, size in sizes.most_common():
        place[block] = int(np.argmin(members))
        members[place[block]] += size
    return np.array([place.get(block, -1) for block in blocks.of.tolist()])


def _refit_without(fold, scorer, X, sets, references, scores, blocks):
    """Fill in the scores of the rows of each fold (-1: none) against references refitted without the fold.

    Where not every row is a block, all that was made of rows of the fold is left out with it.
    """
    if len(X) <= scorer._min_rows:
        warnings.warn(
            f"{type(scorer).__name__} cannot hold one of {len(X)} training clips out: its threshold is "
            "set from clips that are in the reference.",
            UserWarning,
        )
        for column, reference in enumerate(references.values()):
            scores[:, column] = scorer._score_reference(X, reference)
        return
    for number in range(fold.max() + 1):
        rows = np.flatnonzero(fold == number)
        train = np.flatnonzero(fold != number) if blocks.are_rows else blocks.without(blocks.of[rows])
        _score_against(train, rows, scorer, X, sets, references, scores)


def _score_against(train, rows, scorer, X, sets, references, scores):
    """Fill in the scores of some rows against references made of other rows."""
    columns = {name: column for column, name in enumerate(references)}
    own = np.array([columns[name] for name in sets[rows]])
    names = merge_small(sets[train], scorer._min_rows)
    for name, reference in scorer._fit_references(split(*scorer._extend(X[train], names))).items():
        # a reference merged from small sets stands for each row's own
        column = columns.get(name, own)
        scores[rows, column] = scorer._score_reference(X[rows], reference)


def extrapolate(scorer, X, sets, references, blocks, held_out):
    r"""Return held-out scores (n_clips, n_sets) as they would be with one more recording in the references.

    References without a recording know less about what it resembles than they will about the next recording. Leaving
    out more shows how much: let :math:`g_1` be the rise of the logarithm of a recording's scores when the recording
    nearest to it is left out with it, and :math:`g_2` the further rise without the second nearest (means over
    recordings of medians over clips).

    - Recordings that are alike: the k-th nearest of n lies at a distance whose logarithm rises by :math:`1 / (d k)`
      from one k to the next, in d dimensions, and falls by :math:`1 / (d n)` with one more of them. So :math:`g_1 = 2
      g_2`, and the scores are lowered by :math:`g_1 / n`.
    - Recordings of several units, two each (machines, speeds, days): leaving out the other one of the unit leaves
      none, and :math:`g_1` is greater. With the logarithm of scores linear in 1 / (m + 1), m recordings of the unit in
      the references, it falls by half from m = 0 to 1, and by a third of that from 1 to 2, which is where the
      next recording finds it. So scores are lowered by a third of the excess :math:`g_1 - 2 g_2` as well.

    In all by no more than a third, and by no more than the standard deviation of the logarithm of the scores: the
    nearer of two recordings of a unit is nearer than a single one by less than the distances of such recordings vary
    (of normal distances, the 0.9 quantile of the lesser of two is 0.8 standard deviations below that of one). Where all
    are equally far from each other, as they are in many dimensions, one more changes nothing. Scores that are not all
    positive are lowered by differences, not by ratios.
    """
    names = blocks.names
    n_blocks = len(names)
    if not blocks.are_recordings or n_blocks < 4 or scorer.augmenter is not None:
        return held_out
    nearest_set = held_out.min(axis=1)
    finite = nearest_set[np.isfinite(nearest_set)]
    ratios = bool((finite > 0).all())
    scale = X.std(axis=0)
    means = np.array([X[blocks.of == name].mean(axis=0) for name in names]) / np.where(scale > 0, scale, 1)
    rises = []
    for at in np.unique(np.linspace(0, n_blocks - 1, min(n_blocks, N_PROBED)).astype(int)):
        rows = np.flatnonzero(blocks.of == names[at])
        away = ((means - means[at]) ** 2).sum(axis=1)
        away[at] = -1
        nearest = names[np.argsort(away, kind="stable")[:3]]
        found = []
        for n_left_out in (1, 2, 3):
            train = blocks.without(nearest[:n_left_out])
            if len(train) <= scorer._min_rows:
                break
            against = np.full((len(X), len(references)), np.inf)
            _score_against(train, rows, scorer, X, sets, references, against)
            with np.errstate(divide="ignore", invalid="ignore"):
                value = against[rows].min(axis=1)
                found.append(np.log(value) if ratios else value)
        if len(found) == 3 and np.isfinite(found).all():
            rises.append(np.median(np.diff(found, axis=0), axis=1))
    if not rises:
        return held_out
    first, second = np.maximum(np.mean(rises, axis=0), 0)
    step = max(first - 2 * second, 0) / 3 + min(first, 2 * second) / n_blocks
    if not ratios:
        return held_out - min(step, finite.std())
    return held_out * np.exp(-min(step, LARGEST_STEP, np.log(finite).std()))


def own_statistics(held_out, sets, references):
    """Return mean and spread, per reference set, of the held-out scores of the set's own rows."""
    own = [held_out[sets == name, column] for column, name in enumerate(references)]
    # blocks may leave a domain without a reference
    own = [scores[np.isfinite(scores)] for scores in own]
    if lacking := [name for name, scores in zip(references, own, strict=True) if not len(scores)]:
        raise ValueError(
            f'domain_normalization="zscore" needs two clips that can be held out in each domain; {lacking[0]!r} has '
            "fewer."
        )
    mean, scale = np.transpose([mean_and_spread(scores) for scores in own])
    return mean, scale


def mean_and_spread(scores):
    """Return mean and standard deviation of scores, the latter 1 where they do not vary."""
    mean, spread = scores.mean(), scores.std()
    # the spread of equal scores is only rounding
    return mean, spread if spread > 1e-12 * abs(mean) else 1.0
