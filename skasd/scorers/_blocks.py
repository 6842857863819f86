"""Blocks of training clips that are held out together: recordings, or stretches of clips that resemble each other."""

from typing import NamedTuple

import numpy as np

from ..labels import as_labels

MIN_BLOCKS = 5  # fewer say little about the next recording
MAX_BLOCKS = 20  # more are not worth the time, and the longer are the surer
SIGNIFICANT = 3.0  # standard deviations
JUMP = 2.0  # between recordings: squared step in units of the median one, deviations from it in its logarithm
SPLIT = 4.0  # sum of squares that two recordings differ by, in units of the median squared step


class Blocks(NamedTuple):
    """The block of each row, and what is known of the blocks."""

    of: np.ndarray  # int, by row; -1 for made rows
    made_of: dict  # row -> blocks of the clips that it was made of
    are_recordings: bool  # told, or recognised by the jumps between them

    @property
    def recorded(self):
        """Mask of the rows that were recorded, not made of others."""
        return self.of >= 0

    @property
    def names(self):
        """The blocks, as an array of int."""
        return np.unique(self.of[self.recorded])

    @property
    def are_rows(self):
        """True if every row is a block of its own, and none was made of others."""
        return not self.made_of and len(self.names) == len(self.of)

    def take(self, rows):
        """Return the blocks of some of the rows."""
        place = {row: new for new, row in enumerate(rows.tolist())}
        made_of = {place[row]: blocks for row, blocks in self.made_of.items() if row in place}
        return Blocks(self.of[rows], made_of, self.are_recordings)

    def without(self, blocks):
        """Return the rows, as indices, that belong to none of some blocks and were made of none."""
        kept = ~np.isin(self.of, blocks)
        gone = set(np.ravel(blocks).tolist())
        for row, own in self.made_of.items():
            kept[row] = gone.isdisjoint(own)
        return np.flatnonzero(kept)


def find_blocks(X, domain=None, groups=None, origin=None, keep=None):
    """Return the `Blocks` of the rows X, which are those of all rows that ``keep`` marks.

    ``domain`` is of these rows; ``groups`` and ``origin`` are of all, as in ``BaseScorer.fit``.
    """
    n_rows = len(keep)
    if groups is not None:
        groups = as_labels("groups", groups, n_rows)
    stems = None if origin is None else _stems(origin, n_rows)
    recorded = np.ones(n_rows, dtype=bool) if stems is None else np.array([len(stem) == 1 for stem in stems])
    recorded_kept = recorded[keep]
    of = np.full(len(X), -1)
    own_domain = None if domain is None else domain[recorded_kept]
    if groups is not None:
        codes: dict = {}
        own = [codes.setdefault(group, len(codes)) for group in groups[keep & recorded]]
        blocks, are_recordings = np.array(own, dtype=int), True
    else:
        blocks, are_recordings = blocks_in_order(X[recorded_kept], own_domain)
    of[recorded_kept] = _split_lone(blocks, own_domain)
    made_of = {}
    if stems is not None:
        kept = np.flatnonzero(keep)
        # a clip that is not among the rows was dropped: nothing else was made of it
        block_of = {
            stems[row][0]: block for row, block in zip(kept.tolist(), of.tolist(), strict=True) if block >= 0
        }
        for place, row in enumerate(kept.tolist()):
            if not recorded[row]:
                made_of[place] = {block_of[clip] for clip in stems[row] if clip in block_of}
    return Blocks(of, made_of, are_recordings)


def _stems(origin, n_rows):
    origin = as_labels("origin", origin, n_rows)
    for row, clips in enumerate(origin):
        if not isinstance(clips, tuple) or not clips:
            raise ValueError(f"origin must hold a tuple of clips for every row, got {clips!r} in row {row}.")
    return origin


def _split_lone(blocks, domain):
    """Halve the block of a domain that has only one, for without it the domain would be unknown."""
    if domain is None or len(set(domain)) < 2:
        return blocks
    blocks = blocks.copy()
    for name in sorted(set(domain)):
        rows = np.flatnonzero(domain == name)
        if len(set(blocks[rows])) == 1 and len(rows) > 1:
            blocks[rows[len(rows) // 2 :]] = blocks.max() + 1
    return blocks


def blocks_in_order(X, domain=None):
    """Return the block of each row, found from the order of the rows, and whether the blocks are recordings.

    1. Windows of one recording follow each other, and the sound jumps where the next one begins: with five jumps or
       more (`recordings_in_order`) the blocks are the stretches between them.
    2. Else rows may resemble those that come soon after. The blocks are as long as twice the number of rows that this
       reaches (`reach`), but no longer than a fifth of the rows and no shorter than a twentieth, and hold rows of one
       domain.
    3. Rows that resemble their followers no more than other rows are blocks of their own.
    """
    n = len(X)
    if n < 2 * MIN_BLOCKS:
        return np.arange(n), False
    names, counts = np.unique(np.zeros(n) if domain is None else domain.astype(str), return_counts=True)
    members = {name: np.flatnonzero(domain == name) if domain is not None else np.arange(n) for name in names}
    largest = members[names[counts.argmax()]]
    if len(largest) < 2 * MIN_BLOCKS:
        return np.arange(n), False
    found = recordings_in_order(_standardized(X))
    if found.max() + 1 >= MIN_BLOCKS:
        return found, True
    lags = reach(_standardized(X[largest]))
    if not lags:
        return np.arange(n), False
    blocks, start = np.empty(n, dtype=int), 0
    for rows in members.values():
        least = MIN_BLOCKS if rows is largest else min(2, len(rows))
        n_blocks = max(min(len(rows) // (2 * lags), round(MAX_BLOCKS * len(rows) / n)), least)
        blocks[rows] = start + np.arange(len(rows)) * n_blocks // len(rows)
        start += n_blocks
    return blocks, False


def _standardized(X):
    """Return features of mean 0 and variance 1, those that do not vary as 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        Z = X - X.mean(axis=0)
        scale = np.abs(Z).max(axis=0, initial=0)
        varies = scale > 1e-12 * np.abs(X).max(axis=0, initial=0)
        Z = Z[:, varies] / scale[varies]
        return Z / Z.std(axis=0)


def recordings_in_order(Z):
    """Return the recording of each of the standardised rows Z, from the jumps between them; all 0 where there are none.

    A jump is a step whose square is twice the median one, and whose logarithm lies two robust standard deviations above
    the median. Of the stretches between jumps those are joined that are single rows, or whose means differ by too
    little: a sum of squares, as in Ward's criterion, below four median squared steps.
    """
    n = len(Z)
    squares = ((Z[1:] - Z[:-1]) ** 2).sum(axis=1)
    if not squares.any():
        return np.zeros(n, dtype=int)
    median = np.median(squares)
    if median > 0:
        with np.errstate(divide="ignore"):
            steps = np.log(squares) / 2
        steps = np.maximum(steps, steps[squares > 0].min())
        spread = 1.4826 * np.median(np.abs(steps - np.median(steps)))
        jumps = (steps > np.median(steps) + JUMP * spread) & (squares > JUMP * median)
    else:  # copies: whatever differs from the row before
        jumps = squares > 0
    total = np.vstack([np.zeros(Z.shape[1]), np.cumsum(Z, axis=0)])
    edges = [0, *(np.flatnonzero(jumps) + 1).tolist(), n]

    def gain(left, edge, right):
        if min(edge - left, right - edge) < 2:  # the smaller jump of the two beside a single row goes first
            return squares[edge - 1] / squares.max() - 2
        difference = (total[edge] - total[left]) / (edge - left) - (total[right] - total[edge]) / (
            right - edge
        )
        return (edge - left) * (right - edge) / (right - left) * float(difference @ difference)

    gains = [gain(*edges[i - 1 : i + 2]) for i in range(1, len(edges) - 1)]
    while gains and min(gains) < SPLIT * median:
        least = int(np.argmin(gains))
        del edges[least + 1], gains[least]
        for i in (least, least + 1):
            if 1 <= i <= len(gains):
                gains[i - 1] = gain(*edges[i - 1 : i + 2])
    if any(value < 0 for value in gains):  # copies, a row of which stands alone
        return np.zeros(n, dtype=int)
    recordings = np.zeros(n, dtype=int)
    recordings[edges[1:-1]] = 1
    return np.cumsum(recordings)


def reach(Z):
    """Return by how many of the standardised rows Z similarity reaches: the lags from 1 on with correlated rows.

    With rows in random order the sum of the products of rows a lag apart has the variance of as many products of any
    two rows. Counted are the lags up to the first at which it is less than three standard deviations above its mean, at
    most a fifth of the rows.
    """
    n, n_features = Z.shape
    if not n_features:
        return 0
    squares = np.einsum("ij,ij->i", Z, Z)
    gram = Z @ Z.T if n < n_features else Z.T @ Z
    products = ((gram**2).sum() - (squares**2).sum()) / (n * (n - 1))  # mean square of products of two rows
    mean = -squares.sum() / (n * (n - 1))  # rows add up to zero
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.zeros(size // 2 + 1)
    for start in range(0, n_features, 64):
        spectrum += (np.abs(np.fft.rfft(Z[:, start : start + 64], size, axis=0)) ** 2).sum(axis=1)
    lags = np.arange(1, max(1, n // MIN_BLOCKS) + 1)
    sums = np.fft.irfft(spectrum, size)[lags]
    floor = np.finfo(float).eps * squares.mean() ** 2
    deviation = np.sqrt((n - lags) * max(products - mean**2, floor))
    correlated = (sums - (n - lags) * mean) / deviation > SIGNIFICANT
    return int(np.argmin(np.append(correlated, False)))
