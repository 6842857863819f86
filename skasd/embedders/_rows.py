"""Rows of clips from the maps of a frozen encoder."""

import numpy as np

from .._threads import fixed_threads


def row_of(encoder, pieces, bands):
    """Return the row of a clip: the means of the maps of its pieces, and standard deviations where a layer has them.

    ``pieces`` yields lists of arrays (n_channels, n_positions, n_steps). With ``bands`` positions along frequency are
    kept apart.
    """
    n_layers = len(encoder.layers)
    sums, squares, n_steps = [0.0] * n_layers, [0.0] * n_layers, [0] * n_layers
    for piece in pieces:
        for number, maps in enumerate(piece):
            sums[number] = sums[number] + maps.sum(-1, dtype=np.float64)
            n_steps[number] += maps.shape[-1]
            if encoder.layers[number].spread:
                squares[number] = squares[number] + np.square(maps, dtype=np.float64).sum(-1)
    parts = []
    for layer, total, square, n in zip(encoder.layers, sums, squares, n_steps, strict=True):
        columns = mean = (total / n).T
        if layer.spread:
            columns = np.hstack([mean, np.sqrt(np.maximum(square.T / n - mean**2, 0))])
        parts.append((columns if bands else columns.mean(0)).ravel())
    return np.concatenate(parts)


class SlidingRow:
    """Rows of windows that follow each other at a fixed hop; lengths are in samples at the encoder's rate."""

    def __init__(self, encoder, n_samples, hop, bands, n_threads):
        self._encoder, self._bands, self._n_threads = encoder, bands, n_threads
        self._maps = encoder.sliding(n_samples, hop)

    def reset(self):
        """Say that the next window does not follow the last one."""
        self._maps.reset()

    def __call__(self, window):
        """Return the row of the next window."""
        with fixed_threads(
            self._n_threads, blas=False
        ):  # to look for the libraries of BLAS takes as long as a row
            return row_of(self._encoder, [self._maps(window)], self._bands).astype(np.float32)
