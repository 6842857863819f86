"""Shares of tiles in a score: the detector is asked about a clip of which tiles are replaced, coarse ones first."""

import numpy as np

COARSE = (4, 2)  # fine bands and fine time steps in a tile of the first level
_MOST_ROWS = 3  # bands that are searched over time
_MOST_SPLIT = 2  # bands, and tiles, that are cut further
_CONSPICUOUS = 0.3  # of the largest fall: what is worth a closer look
_LEAST_EXPLAINED = 0.25  # of a tile's fall, by the falls of its parts; below, they say nothing


class Falls:
    """Falls of a clip's score where tiles of it are replaced, and what they add up to.

    Parameters
    ----------
    score : callable
        Returns the anomaly scores of an iterable of waveforms.
    tiles : Tiles

    Attributes
    ----------
    score : float
        Of the clip as it is.
    excess : float
        Fall where all is replaced.
    map : ndarray of shape (n_bands, n_times)
        Shares of the fine tiles, 1 altogether; 0 where nothing makes the score fall.
    alone : bool
        Whether the falls are rises of the healthy clip's score, with nothing but the tile put into it: where no band
        and no time replaced by itself makes the score fall, as of a clip that is too loud everywhere.
    n_asked : int
        Number of waveforms scored.
    """

    def __init__(self, score, tiles):
        self._ask, self._tiles = score, tiles
        self.n_asked = 0
        n_bands, n_times = tiles.n_bands, tiles.n_times
        rows = [(b, b + COARSE[0]) for b in range(0, n_bands, COARSE[0])]
        columns = [(t, min(t + COARSE[1], n_times)) for t in range(0, n_times, COARSE[1])]
        whole = (0, n_bands), (0, n_times)
        (self.score,) = self._scores([((0, 0), (0, n_times))])
        first = [whole, *((row, whole[1]) for row in rows), *((whole[0], column) for column in columns)]
        self.alone = False
        falls = self.of(first)
        self.excess = falls[0]
        self.map = np.zeros((n_bands, n_times))
        if self.excess <= 1e-6 * max(abs(self.score), 1e-3):
            return
        if np.maximum(falls[1:], 0).max() < _LEAST_EXPLAINED * self.excess / len(rows):
            self.alone = True
            falls[1:] = self.of(first[1:])
        self._divide(rows, columns, falls[1 : 1 + len(rows)], np.maximum(falls[1 + len(rows) :], 0))

    def of(self, rectangles):
        """Return by how much the score falls where each rectangle, (bands, times), is replaced.

        With ``alone`` by how much that of the healthy clip rises where the rectangle is put into it.
        """
        if self.alone:
            return self._scores(rectangles, others=True) - (self.score - self.excess)
        return self.score - self._scores(rectangles)

    def _scores(self, rectangles, **options):
        self.n_asked += len(rectangles)
        return self._ask(self._tiles.replaced(*rectangle, **options) for rectangle in rectangles)

    def _divide(self, rows, columns, over_frequency, over_time):
        """Share the falls of the bands out among fine tiles."""
        shares = np.maximum(over_frequency, 0)
        if not shares.any():  # only several bands together make a difference
            shares = np.ones(len(rows))
        order = np.argsort(-shares, kind="stable")
        chosen = [b for b in order if shares[b] >= _CONSPICUOUS * shares[order[0]]][:_MOST_ROWS]
        falls = self.of([(rows[b], column) for b in chosen for column in columns])
        in_time = np.tile(_profile(over_time, over_time.sum()), (len(rows), 1))
        for b, row in zip(chosen, falls.reshape(len(chosen), -1), strict=True):
            in_time[b] = _profile(row, shares[b])
        time_shares = np.repeat(in_time, [b - a for a, b in columns], axis=1)
        time_shares /= np.repeat([b - a for a, b in columns], [b - a for a, b in columns])
        band_shares = np.full((len(rows), COARSE[0]), 1 / COARSE[0])
        self._split_bands(rows, columns, chosen[:_MOST_SPLIT], in_time, band_shares)
        self._split_times(rows, columns, chosen, shares, in_time, time_shares)
        fine = (shares[:, None] * band_shares)[:, :, None] * time_shares[:, None, :]
        self.map = fine.reshape(self.map.shape) / fine.sum()

    def _split_bands(self, rows, columns, chosen, in_time, band_shares):
        """Cut some bands, over the times that matter in them."""
        asked = []
        for b in chosen:
            matter = np.flatnonzero(in_time[b] >= _CONSPICUOUS * in_time[b].max())
            times = columns[matter[0]][0], columns[matter[-1]][1]
            asked += [(rows[b], times), *(((f, f + 1), times) for f in range(*rows[b]))]
        falls = self.of(asked).reshape(len(chosen), -1)
        for b, (all_, *parts) in zip(chosen, falls, strict=True):
            band_shares[b] = _profile(np.array(parts), all_)

    def _split_times(self, rows, columns, chosen, shares, in_time, time_shares):
        """Cut the strongest tiles over time."""
        tiles = [(shares[b] * in_time[b, t], b, t) for b in chosen for t in range(len(columns))]
        strongest = [
            (b, t) for _, b, t in sorted(tiles, reverse=True)[:_MOST_SPLIT] if np.ptp(columns[t]) > 1
        ]
        falls = self.of([(rows[b], (i, i + 1)) for b, t in strongest for i in range(*columns[t])])
        for (b, t), parts in zip(strongest, falls.reshape(len(strongest), -1), strict=True):
            time_shares[b, slice(*columns[t])] = in_time[b, t] * _profile(parts, shares[b] * in_time[b, t])


def _profile(falls, whole):
    """Return how a fall is shared out by the falls of its parts: in proportion, or evenly where they say nothing."""
    falls = np.maximum(falls, 0)
    if falls.sum() <= max(_LEAST_EXPLAINED * whole, 0):
        return np.full(len(falls), 1 / len(falls))
    return falls / falls.sum()
