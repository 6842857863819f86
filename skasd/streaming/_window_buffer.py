"""Samples that arrive in any portions, cut into windows."""

from collections.abc import Iterator

import numpy as np


class WindowBuffer:
    """The last window of a stream, in memory that never grows.

    Parameters
    ----------
    n_window, n_hop : int
        Samples of a window, and from the beginning of one to that of the next.
    """

    def __init__(self, n_window, n_hop):
        self.n_hop = n_hop
        self._samples = np.zeros(n_window, np.float32)
        self._filled = 0
        self._to_skip = 0  # samples between windows, where the hop is longer than they are
        self._start = 0  # of the window that is being filled
        self._last = np.zeros(n_window, np.float32)
        self._has_last = False

    @property
    def position(self):
        """Samples of the stream so far, gaps included."""
        return self._start + self._filled - self._to_skip

    @property
    def last_window(self):
        """The last complete window; a view, or None if there is none yet."""
        return self._last if self._has_last else None

    def push(self, samples) -> Iterator[tuple[int, np.ndarray]]:
        """Add samples; yield each window that becomes complete, as the position of its first sample and a view."""
        done = min(self._to_skip, len(samples))
        self._to_skip -= done
        while done < len(samples):
            part = samples[done : done + len(self._samples) - self._filled]
            self._samples[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            done += len(part)
            if self._filled == len(self._samples):
                self._last, self._samples, self._has_last = self._samples, self._last, True
                start = self._start
                self._advance()
                yield start, self._last
                skipped = min(self._to_skip, len(samples) - done)
                self._to_skip -= skipped
                done += skipped

    def _advance(self):
        """Make room for the next window."""
        kept = max(0, len(self._samples) - self.n_hop)
        if kept:
            self._samples[:kept] = self._last[-kept:]
        self._start += self.n_hop
        self._filled = kept
        self._to_skip = max(0, self.n_hop - len(self._samples))

    def gap(self, n_samples):
        """Leave out samples that were not heard: the next window begins after them."""
        self._start = self.position + n_samples
        self._filled = self._to_skip = 0

    def state(self, with_sound=True):
        """Return the arguments of `restore`."""
        if with_sound:
            return self._start, self._to_skip, self._samples[: self._filled].copy()
        return self.position, 0, np.zeros(0, np.float32)

    def restore(self, start, to_skip, samples):
        """Restore the state of another buffer of the same window and hop."""
        self._start, self._to_skip, self._filled = start, to_skip, len(samples)
        self._samples[: len(samples)] = samples
