"""Shares of tiles in a score, found by scoring two clips that have exchanged tiles, coarse ones first."""

import numpy as np

COARSE = (4, 2)  # fine bands and fine time steps in a tile of the first level
_MOST_TILES = 12  # coarse tiles that are exchanged one by one
_CONSPICUOUS = 0.3  # of the largest share: least share that is divided further
_LEAST_EXPLAINED = 0.25  # of a tile's share, by those of its parts; if less, these are not used


class Shares:
    """Shares of the tiles of a clip in what it scores above a healthy one.

    The share of a tile is its Shapley value in the game of two players, the tile and the rest: the mean of the fall of
    the clip's score where the tile is replaced by the healthy clip's, and of the rise of the healthy clip's where
    the tile takes its place in it.

    Parameters
    ----------
    score : callable
        Returns the anomaly scores of an iterable of waveforms.
    tiles : Tiles
    ends : (float, float)
        Scores of the clip as it is, and with all replaced.
    weights : ndarray of shape (n_bands, n_times)
        How much the clips differ in each fine tile: says where to look, and divides shares whose parts were not
        exchanged one by one.

    Attributes
    ----------
    whole : float
        What `of` is to be divided by: the difference between both scores, or the sum of the bands' positive shares
        where that is more.
    map : ndarray of shape (n_bands, n_times)
        Shares of the fine tiles, 1 altogether; 0 where no band has any.
    n_asked : int
        Number of waveforms scored.
    """

    def __init__(self, score, tiles, ends, weights):
        self._ask, self._tiles = score, tiles
        self._score, self._replaced_score = ends
        self.n_asked = 0
        n_bands, n_times = tiles.n_bands, tiles.n_times
        self._weights = np.where(weights.any(), weights, 1)
        self._rows = [(b, b + COARSE[0]) for b in range(0, n_bands, COARSE[0])]
        self._columns = [(t, min(t + COARSE[1], n_times)) for t in range(0, n_times, COARSE[1])]
        bands = np.maximum(self.of([(row, (0, n_times)) for row in self._rows]), 0)
        self.whole = max(self._score - self._replaced_score, bands.sum())
        self.map = np.zeros((n_bands, n_times))
        if bands.sum() > 1e-6 * max(abs(self._score), 1e-3):
            self._divide(bands)

    def of(self, rectangles):
        """Return the shares of rectangles, (bands, times), in units of the score; 0 where the clips are the same."""
        differ = np.array([self._weights[slice(*b), slice(*t)].any() for b, t in rectangles], dtype=bool)
        asked = [rectangle for rectangle, is_asked in zip(rectangles, differ, strict=True) if is_asked]
        questions = [(*rectangle, others) for others in (False, True) for rectangle in asked]
        self.n_asked += len(questions)
        found = self._ask(self._tiles.replaced(*question) for question in questions)
        without, alone = found[: len(asked)], found[len(asked) :]
        shares = np.zeros(len(rectangles))
        shares[differ] = (self._score - without + alone - self._replaced_score) / 2
        return shares

    def _divide(self, bands):
        """Divide the shares of the bands among fine tiles."""
        starts = [[first for first, _ in edges] for edges in (self._rows, self._columns)]
        weights = np.add.reduceat(np.add.reduceat(self._weights, starts[0], axis=0), starts[1], axis=1)
        coarse = bands[:, None] * _parts(weights, axis=1)
        lengths = np.array([last - first for first, last in self._columns])
        density = (coarse / lengths).ravel()
        order = np.argsort(-density, kind="stable")[:_MOST_TILES]
        order = order[density[order] >= _CONSPICUOUS * density[order[0]]]
        asked = np.zeros(coarse.shape, dtype=bool)
        asked.flat[order] = True
        places = np.argwhere(asked)
        found = np.zeros(coarse.shape)
        found[asked] = np.maximum(self.of([(self._rows[b], self._columns[t]) for b, t in places]), 0)
        for b in np.unique(places[:, 0]):
            some, expected = asked[b], coarse[b, asked[b]].sum()
            if found[b].sum() > _LEAST_EXPLAINED * expected:
                coarse[b] = np.where(some, found[b], coarse[b] * found[b].sum() / expected)
                coarse[b] *= bands[b] / coarse[b].sum()
        for b, row in enumerate(self._rows):
            for t, column in enumerate(self._columns):
                tile = slice(*row), slice(*column)
                self.map[tile] = coarse[b, t] * _parts(self._weights[tile])
        self._cut(coarse, lengths)
        self.map /= self.map.sum()

    def _cut(self, coarse, lengths):
        """Divide the band of the strongest tile, over the times that matter in it, and that tile over time."""
        band, strongest = np.unravel_index((coarse / lengths).argmax(), coarse.shape)
        row, in_time = self._rows[band], coarse[band]
        matter = np.flatnonzero(in_time >= _CONSPICUOUS * in_time.max())
        times = slice(self._columns[matter[0]][0], self._columns[matter[-1]][1])
        steps = self._columns[strongest]
        found = self.of(
            [((b, b + 1), (times.start, times.stop)) for b in range(*row)]
            + [(row, (t, t + 1)) for t in range(*steps)]
        )
        part = self.map[slice(*row), times]
        over_bands = _divided(found[: COARSE[0]], part.sum(axis=1))
        over_time = part.sum(axis=0)
        first = steps[0] - times.start
        here = slice(first, first + steps[1] - steps[0])
        over_time[here] = _divided(found[COARSE[0] :], over_time[here])
        self.map[slice(*row), times] = np.outer(over_bands, _parts(over_time))


def _divided(found, expected):
    """Return shares in proportion to those found, or the expected ones if those are too small; the sum is kept."""
    found = np.maximum(found, 0)
    if found.sum() <= _LEAST_EXPLAINED * expected.sum():
        return expected
    return found * expected.sum() / found.sum()


def _parts(weights, axis=None):
    """Return weights divided by their sum, equal parts if they are all 0."""
    total = weights.sum(axis=axis, keepdims=True)
    even = np.ones_like(weights) / (weights.size if axis is None else weights.shape[axis])
    return np.divide(weights, total, out=even, where=total > 0)
