"""Shares of tiles in a score: the detector is asked about two clips that have exchanged tiles, coarse ones first."""

import numpy as np

COARSE = (4, 2)  # fine bands and fine time steps in a tile of the first level
_MOST_ROWS = 2  # bands that are searched over time
_CONSPICUOUS = 0.3  # of the largest share: what is worth a closer look
_LEAST_EXPLAINED = 0.25  # of a tile's share, by those of its parts; below, they say nothing


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

    Attributes
    ----------
    score, healthy_score : float
        Of the clip as it is, and with all replaced.
    whole : float
        What `of` is to be divided by: the difference between both scores, or the sum of the bands' positive shares
        where that is more.
    map : ndarray of shape (n_bands, n_times)
        Shares of the fine tiles, 1 altogether; 0 where no band has any.
    n_asked : int
        Number of waveforms scored.
    """

    def __init__(self, score, tiles):
        self._ask, self._tiles = score, tiles
        self.n_asked = 0
        n_bands, n_times = tiles.n_bands, tiles.n_times
        self._rows = [(b, b + COARSE[0]) for b in range(0, n_bands, COARSE[0])]
        self._columns = [(t, min(t + COARSE[1], n_times)) for t in range(0, n_times, COARSE[1])]
        self.score, self.healthy_score = self._scores([((0, 0), (0, n_times)), ((0, n_bands), (0, n_times))])
        bands = np.maximum(self.of([(row, (0, n_times)) for row in self._rows]), 0)
        self.whole = max(self.score - self.healthy_score, bands.sum())
        self.map = np.zeros((n_bands, n_times))
        if bands.sum() > 1e-6 * max(abs(self.score), 1e-3):
            self._divide(bands)

    def of(self, rectangles):
        """Return the shares of rectangles, (bands, times), in units of the score."""
        without = self._scores(rectangles)
        alone = self._scores(rectangles, others=True)
        return (self.score - without + alone - self.healthy_score) / 2

    def _scores(self, rectangles, **options):
        self.n_asked += len(rectangles)
        return self._ask(self._tiles.replaced(*rectangle, **options) for rectangle in rectangles)

    def _divide(self, bands):
        """Share out what the bands have among fine tiles."""
        order = np.argsort(-bands, kind="stable")
        chosen = [b for b in order if bands[b] >= _CONSPICUOUS * bands[order[0]]][:_MOST_ROWS]
        found = self.of([(self._rows[b], column) for b in chosen for column in self._columns])
        rows = [
            _divided(row, bands[b]) for b, row in zip(chosen, found.reshape(len(chosen), -1), strict=True)
        ]
        # the bands that were not asked stretch by stretch take the course of those that were
        in_time = np.tile(np.average(rows, axis=0, weights=bands[chosen]), (len(bands), 1))
        in_time[chosen] = rows
        lengths = np.array([last - first for first, last in self._columns])
        over_time = np.repeat(in_time / lengths, lengths, axis=1)
        over_bands = np.full((len(bands), COARSE[0]), 1 / COARSE[0])
        self._cut(chosen[0], bands[chosen[0]], in_time[chosen[0]], over_bands, over_time)
        fine = (bands[:, None] * over_bands)[:, :, None] * over_time[:, None, :]
        self.map = fine.reshape(self.map.shape) / fine.sum()

    def _cut(self, band, share, in_time, over_bands, over_time):
        """Cut the strongest band over the times that matter in it, and its strongest tile over time."""
        matter = np.flatnonzero(in_time >= _CONSPICUOUS * in_time.max())
        times = self._columns[matter[0]][0], self._columns[matter[-1]][1]
        strongest = int(in_time.argmax())
        steps = range(*self._columns[strongest])
        found = self.of(
            [((b, b + 1), times) for b in range(*self._rows[band])]
            + [(self._rows[band], (t, t + 1)) for t in steps]
        )
        inside = share * in_time[matter[0] : matter[-1] + 1].sum()
        over_bands[band] = _divided(found[: COARSE[0]], inside)
        over_time[band, steps] = in_time[strongest] * _divided(found[COARSE[0] :], share * in_time[strongest])


def _divided(parts, whole):
    """Return how a share is shared out among parts: in proportion to theirs, or evenly where these say nothing."""
    parts = np.maximum(parts, 0)
    if parts.sum() <= _LEAST_EXPLAINED * whole:
        return np.full(len(parts), 1 / len(parts))
    return parts / parts.sum()
