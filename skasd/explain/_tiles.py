"""Tiles of a clip over time and frequency, replaced by those of a healthy one."""

from functools import cached_property

import numpy as np
import scipy.fft

FINE_BANDS = 32  # of equal width on the mel scale, from 0 to half the sample rate
_FADE = 0.032  # s, from one clip to the other
_LONGEST_FILTER = 0.25  # s, beyond which the impulse responses of the bands are negligible


def frame_length(seconds, rate, longest=None):
    """Return the power of two of samples, 32 or more, next to a duration; half and half again down to ``longest``."""
    n_fft = 1 << max(5, round(np.log2(seconds * rate)))
    while longest is not None and n_fft > longest:
        n_fft //= 2
    return n_fft


def mel_band_edges(rate, n_bands=FINE_BANDS):
    """Return the edges of bands of equal width on the mel scale (HTK's formula), (n_bands + 1,), in Hz."""
    top = np.log1p(rate / 2 / 700)
    edges = 700 * np.expm1(np.linspace(0, top, n_bands + 1))
    edges[-1] = rate / 2
    return edges


class Tiles:
    """A clip of which any rectangle of time and frequency can be replaced by that of a healthy clip.

    What is added to the clip is the difference between the two, filtered to the band and windowed to the time of the
    rectangle. All filters, and all windows, sum to one: with nothing replaced the result is the clip, with all replaced
    the healthy clip, and the change by a rectangle is the sum of those by its parts.

    Parameters
    ----------
    clip, healthy : ndarray of shape (n_samples,)
    rate : int
    frequencies : ndarray of shape (n_bands + 1,)
        Edges in Hz, from 0 to half the rate.
    samples : ndarray of int of shape (n_times + 1,)
        Edges of the time steps, in samples; outside of them the clip stays as it is.
    """

    def __init__(self, clip, healthy, rate, frequencies, samples):
        self.clip = np.asarray(clip, dtype=np.float32)
        self.frequencies, self.samples = frequencies, samples
        self.n_bands, self.n_times = len(frequencies) - 1, len(samples) - 1
        fade = max(2, min(round(_FADE * rate), int(np.diff(samples).min()))) // 2
        # the first and last sample of the fade at each edge; there is none at the ends of a clip
        self._fades = [
            (int(at), int(at)) if at in (0, len(clip)) else (max(0, at - fade), min(len(clip), at + fade))
            for at in map(int, samples)
        ]
        self._first, self._last = self._fades[0][0], self._fades[-1][1]
        part = slice(self._first, self._last)
        n = self._last - self._first
        self._size = scipy.fft.next_fast_len(n + round(_LONGEST_FILTER * rate), real=True)
        self._spectrum = scipy.fft.rfft((healthy[part] - clip[part]).astype(np.float32), self._size)
        self._lines = scipy.fft.rfftfreq(self._size, 1 / rate)
        self._bands: dict[tuple, np.ndarray] = {}

    def replaced(self, bands, times, others=False):
        """Return the clip with the tiles of ``range(*bands)`` and ``range(*times)``, or all others, replaced."""
        if bands[0] == bands[1] or times[0] == times[1]:
            return (self.all_replaced if others else self.clip).copy()
        (first, whole_from), (whole_to, last) = self._fades[times[0]], self._fades[times[1]]
        change = self._band(bands)[first - self._first : last - self._first].copy()
        rising, falling = whole_from - first, last - whole_to
        change[:rising] *= _rising(rising)
        change[len(change) - falling :] *= _rising(falling)[::-1]
        out = (self.all_replaced if others else self.clip).copy()
        out[first:last] += -change if others else change
        return out

    @cached_property
    def all_replaced(self):
        """The clip with all tiles replaced."""
        return self.replaced((0, self.n_bands), (0, self.n_times))

    def covering(self, low, high, start, end):
        """Return the tiles that hold a range of frequencies (Hz) and of samples, as (bands, times)."""
        bands, times = (
            (
                int(np.clip(np.searchsorted(edges, first, side="right") - 1, 0, len(edges) - 2)),
                int(np.clip(np.searchsorted(edges, last, side="left"), 1, len(edges) - 1)),
            )
            for edges, first, last in ((self.frequencies, low, high), (self.samples, start, end))
        )
        return bands, times

    def _band(self, bands):
        """Return the difference within some bands, over all times."""
        if bands not in self._bands:
            gain = self._above(bands[0]) - self._above(bands[1])
            found = scipy.fft.irfft(self._spectrum * gain, self._size)
            self._bands[bands] = found[: self._last - self._first]
        return self._bands[bands]

    def _above(self, band):
        """Return the gain of a filter that passes what lies above the lower edge of a band."""
        if band in (0, self.n_bands):
            return np.full(len(self._lines), band == 0, np.float32)
        # a quarter of the narrower band beside the edge
        width = 0.25 * np.diff(self.frequencies)[band - 1 : band + 1].min()
        x = np.clip((self._lines - self.frequencies[band]) / width, -0.5, 0.5)
        return (0.5 + 0.5 * np.sin(np.pi * x)).astype(np.float32)


def _rising(n):
    """Return n samples of a raised cosine from 0 to 1."""
    return (0.5 + 0.5 * np.sin(np.pi * ((np.arange(n) + 0.5) / max(n, 1) - 0.5))).astype(np.float32)
