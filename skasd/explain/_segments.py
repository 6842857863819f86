"""The strongest regions of a map of shares, their edges by the difference in level, and descriptions in words."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.ndimage

from ..features import STFTTransformer
from ._search import COARSE
from ._tiles import frame_length

_CONSPICUOUS = 0.3  # of the strongest coarse tile: least share of a tile in a region
_LEAST_DB = 3.0  # below, a level difference has no edges
_SAMPLES = (
    32  # seconds times hertz that a level is averaged over: chance then moves it by less than a decibel
)
_CERTAIN_DB = 6.0  # least peak in a band that may be much wider than the difference
_SAME_DB = 0.1  # below, clips are taken to be the same
_USUAL = 0.5  # s that the level of the healthy clip is averaged over
_GAP = 0.3  # s that a region may be interrupted for
_FLOOR = 1e-14  # power of the dither of 24 bits, so that silence has a level


class Region(NamedTuple):
    """A region of the map: its tiles, as ranges of fine bands and fine times, and its share."""

    bands: tuple[int, int]
    times: tuple[int, int]
    share: float


def regions(shares, most):
    """Return the strongest contiguous regions of a map of shares, the strongest first."""
    n_times = shares.shape[1]
    bands, times = (np.arange(0, n, step) for n, step in zip(shares.shape, COARSE, strict=True))
    coarse = np.add.reduceat(np.add.reduceat(shares, bands, axis=0), times, axis=1)
    labels, n = scipy.ndimage.label(coarse >= _CONSPICUOUS * coarse.max())
    found = []
    for label in range(1, n + 1):
        inside = np.repeat(np.repeat(labels == label, COARSE[0], axis=0), COARSE[1], axis=1)[:, :n_times]
        part = np.where(inside, shares, 0)
        ranges = []
        for axis in (1, 0):
            marginal = part.sum(axis=axis)
            matter = np.flatnonzero(marginal >= _CONSPICUOUS * marginal.max())
            ranges.append((int(matter[0]), int(matter[-1]) + 1))
        found.append(Region(*ranges, float(part.sum())))
    return sorted(found, key=lambda region: -region.share)[:most]


class Levels:
    """Power of two clips, arrays (n_samples,), over time and frequency."""

    def __init__(self, clip, healthy, rate):
        n_fft = frame_length(0.064, rate, len(clip))
        self.hop = n_fft // 4 / rate
        power = STFTTransformer(
            sample_rate=rate, n_fft=n_fft, hop_length=n_fft // 4, power=2, log=None
        ).waveform_function()
        self.clip, self.healthy = (power(part.astype(np.float32)).astype(float) for part in (clip, healthy))
        self.frequencies = np.arange(len(self.clip)) * rate / n_fft
        self.times = np.arange(self.clip.shape[1]) * self.hop
        self.seconds = len(clip) / rate

    def edges(self, low, high, start, end):
        """Return the edges, in Hz and s, of the largest difference in level within some tiles.

        They are found over time, then over frequency in that time, then over time in that band: where the difference
        has fallen to half of its peak in dB, even if that is beyond the tiles. If the peak is less than 3 dB (6 dB at
        first), the edges of the tiles remain.
        """
        start, end = self._time_edges(low, high, start, end, _CERTAIN_DB)
        low, high = self._frequency_edges(low, high, start, end)
        return low, high, *self._time_edges(low, high, start, end)

    def _frequency_edges(self, low, high, start, end):
        step = self.frequencies[1]
        columns = _within(self.times, start, end)
        n = max(1, round(_SAMPLES / max(end - start, self.hop) / step))
        own, other = (_smoothed(part[:, columns].mean(axis=1), n) for part in (self.clip, self.healthy))
        found = _around_peak(own, other, _within(self.frequencies, low, high), n, gap=n)
        if found is None:
            return low, high
        first, last = (self.frequencies[place] for place in found)
        return max(0.0, first - step / 2), min(last + step / 2, self.frequencies[-1])

    def _time_edges(self, low, high, start, end, least=_LEAST_DB):
        rows = _within(self.frequencies, low, high)
        n = max(1, min(round(_SAMPLES / max(high - low, 1) / self.hop), len(self.times) // 4))
        own, other = (_smoothed(part[rows].sum(axis=0), n) for part in (self.clip, self.healthy))
        # the healthy clip varies by chance
        other = _smoothed(other, max(n, round(_USUAL / self.hop)))
        gap = max(n, round(_GAP / self.hop))
        found = _around_peak(own, other, _within(self.times, start, end), n, gap, least)
        if found is None:
            return start, end
        first, last = (self.times[place] for place in found)
        return max(0.0, first - self.hop / 2), min(last + self.hop / 2, self.seconds)

    def differences(self, frequencies, times):
        """Return by how many dB the levels differ in tiles: the mean magnitude over time, (n_bands, n_times)."""

        def along(axis, edges):
            return [_within(axis, *pair) for pair in pairwise(edges)]

        bands = along(self.frequencies, frequencies)
        own, other = (
            np.array([part[rows].sum(axis=0) for rows in bands]) for part in (self.clip, self.healthy)
        )
        difference = np.abs(_difference(own, other))
        difference[difference < _SAME_DB] = 0
        return np.stack([difference[:, columns].mean(axis=1) for columns in along(self.times, times)], axis=1)

    def db(self, low, high, start, end):
        """Return by how many dB the clip is louder than the healthy one there; NaN where both are silent."""
        rows, columns = _within(self.frequencies, low, high), _within(self.times, start, end)
        own, other = (part[rows][:, columns].mean() for part in (self.clip, self.healthy))
        return float(_difference(own, other)) if max(own, other) > _FLOOR else np.nan


def _within(axis, first, last):
    found = np.flatnonzero((axis >= first) & (axis <= last))
    return found if len(found) else np.array([np.abs(axis - (first + last) / 2).argmin()])


def _smoothed(power, n):
    # running sums leave negative rounding errors in silence beside loud neighbours
    return np.maximum(scipy.ndimage.uniform_filter1d(power, n, mode="nearest"), 0)


def _difference(power, other):
    return 10 * np.log10((power + _FLOOR) / (other + _FLOOR))


def _around_peak(power, other, inside, n, gap, least=_LEAST_DB):
    """Return the first and last place of the largest deviation among some places, None if it is less than ``least``.

    It reaches as far as the deviation has the same sign and at least half its size in dB, apart from gaps. As a moving
    average over n places rises before the power itself, the edges are then moved inwards, to where the difference in
    power is half of its largest value within n places.
    """
    difference = _difference(power, other)
    peak = inside[np.abs(difference[inside]).argmax()]
    side = np.sign(difference[peak])
    if side * difference[peak] < least:
        return None
    places = np.flatnonzero(side * difference >= max(_LEAST_DB, side * difference[peak] / 2))
    runs = np.split(places, np.flatnonzero(np.diff(places) > gap + 1) + 1)
    run = next(run for run in runs if run[0] <= peak <= run[-1])
    first, last = int(run[0]), int(run[-1])
    excess = side * (power - other)
    if first > 0:
        rise = excess[first : min(first + n, last) + 1]
        first += int(np.argmax(rise >= rise.max() / 2))
    if last < len(power) - 1:
        fall = excess[max(last - n, first) : last + 1][::-1]
        last -= int(np.argmax(fall >= fall.max() / 2))
    return first, last


def in_words(segment, seconds, top, than="the healthy clip"):
    """Return where a segment lies and how much louder it is there than something.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> segment = SimpleNamespace(start=3.2, end=10.0, low=6100.0, high=6400.0, db=14.2)
    >>> in_words(segment, seconds=10.0, top=8000.0)
    '6.1-6.4 kHz, from 3.2 s on, 14 dB above the healthy clip'
    """
    where = _where(segment.low, segment.high, top)
    return f"{where}, {_when(segment.start, segment.end, seconds)}, {_by(segment.db, than)}"


def _where(low, high, top):
    lowest, highest = low <= 0.01 * top, high >= 0.985 * top
    if lowest and highest:
        return "all frequencies"
    if lowest:
        return f"below {_hertz(high)}"
    if highest:
        return f"above {_hertz(low)}"
    texts = _hertz(low), _hertz(high)
    numbers, units = zip(*(text.split() for text in texts), strict=True)
    if texts[0] == texts[1]:
        return f"near {texts[0]}"
    return f"{numbers[0]}-{texts[1]}" if units[0] == units[1] else f"{texts[0]}-{texts[1]}"


def _hertz(frequency):
    """Return a frequency with two significant digits, from 1 kHz on with three.

    Examples
    --------
    >>> _hertz(6149.0), _hertz(1004.0), _hertz(437.0), _hertz(16.4), _hertz(12345.0)
    ('6.15 kHz', '1 kHz', '440 Hz', '16 Hz', '12.3 kHz')
    """
    if frequency >= 1000:
        return f"{float(f'{frequency / 1000:.3g}'):g} kHz"
    return f"{float(f'{frequency:.2g}'):g} Hz"


def _when(start, end, seconds):
    digits = 1 if seconds >= 2 else 2
    near = max(0.02 * seconds, 0.5 * 10**-digits)
    first, last = start <= near, end >= seconds - near
    if first and last:
        return "throughout"
    if first:
        return f"until {end:.{digits}f} s"
    if last:
        return f"from {start:.{digits}f} s on"
    if f"{start:.{digits}f}" == f"{end:.{digits}f}":
        return f"at {start:.{digits}f} s"
    return f"from {start:.{digits}f} to {end:.{digits}f} s"


def _by(db, than):
    if np.isnan(db):
        return f"silent as {than}"
    if abs(db) < 1:
        return f"as loud as {than}, though not like it"
    return f"{abs(db):.0f} dB {'above' if db > 0 else 'below'} {than}"
