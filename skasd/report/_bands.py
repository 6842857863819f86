"""In which frequency bands two sounds differ, in decibels and in words."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import interp1d
from scipy.signal import spectrogram, welch

_LOWEST = 40.0  # Hz
_PER_OCTAVE = 6
_LEAST_DB = 3.0
_MOST_BANDS = 3  # in a sentence
_FLOOR = 1e-14  # power of the dither of 24 bits, so that silence has a level


@dataclass
class Band:
    """A range of frequencies in which a sound is louder (positive) or quieter than another."""

    low: float
    high: float
    db: float  # mean of its sixths of an octave
    peak: float  # where it differs most, in Hz
    peak_db: float


def band_edges(rate):
    """Return the edges of bands of a sixth of an octave from 40 Hz to half the sample rate, in Hz."""
    n = int(np.floor(_PER_OCTAVE * np.log2(rate / 2 / _LOWEST)))
    return _LOWEST * 2.0 ** (np.arange(n + 1) / _PER_OCTAVE)


def band_levels(waveform, rate, edges):
    """Return the level of each band in dB re full scale, averaged over the clip.

    By Welch's method with windows of an eighth of a second; bands narrower than its resolution share one of its lines.
    """
    length = min(len(waveform), 1 << int(np.ceil(np.log2(rate / 8))))
    return _in_bands(*welch(np.asarray(waveform, dtype=float), rate, nperseg=length), edges)


def band_fluctuations(waveform, rate, edges):
    """Return by how many dB the level of each band varies over time: L10 - L90 of spans of a thirtieth of a second.

    NaN for bands narrower than the resolution of such short spans, and for clips of fewer than ten spans.
    """
    length = 1 << int(np.ceil(np.log2(rate / 32)))
    if len(waveform) < 10 * length:
        return np.full(len(edges) - 1, np.nan)
    frequencies, _, density = spectrogram(
        np.asarray(waveform, dtype=float), rate, nperseg=length, noverlap=length // 2
    )
    low, high = np.percentile(_in_bands(frequencies, density, edges), (10, 90), axis=1)
    return np.where(np.diff(edges) < frequencies[1], np.nan, high - low)


def _in_bands(frequencies, density, edges):
    """Return the levels of bands in dB, from a power density with frequencies along the first axis."""
    spacing = frequencies[1] - frequencies[0]
    # the cumulative power is interpolated, so that bands narrower than a line get their part of it
    up_to = np.cumsum(density, axis=0) * spacing
    up_to = np.concatenate([np.zeros_like(up_to[:1]), up_to])
    lines = np.concatenate([frequencies - spacing / 2, [frequencies[-1] + spacing / 2]])
    power = np.diff(
        interp1d(lines, up_to, axis=0, bounds_error=False, fill_value=(0, up_to[-1]))(edges), axis=0
    )
    return 10 * np.log10(np.maximum(power, 0) + _FLOOR)


def differing_bands(levels, healthy, edges, spread=None):
    """Return the bands in which levels differ from those of a healthy clip, the largest sum of squares first.

    Levels, and their standard deviation over healthy clips (``spread``), are in dB, of shape (n_bands,); ``edges`` in
    Hz. Neighbours that differ by 3 dB or more, and by twice the spread, in the same direction are joined.
    """
    difference = levels - healthy
    least = np.maximum(_LEAST_DB, 0 if spread is None else 2 * spread)
    sign = np.where(np.abs(difference) >= least, np.sign(difference), 0)
    bands = []
    begin = 0
    for i in range(1, len(sign) + 1):
        if i == len(sign) or sign[i] != sign[begin]:
            if sign[begin]:
                part = slice(begin, i)
                most = begin + int(np.abs(difference[part]).argmax())
                middle, mean = np.sqrt(edges[most] * edges[most + 1]), difference[part].mean()
                band = Band(edges[begin], edges[i], float(mean), float(middle), float(difference[most]))
                bands.append((float(np.square(difference[part]).sum()), band))
            begin = i
    return [band for _, band in sorted(bands, key=lambda pair: -pair[0])]


def in_words(bands, fluctuating, edges, what="the healthy recording"):
    """Return a sentence on how a clip differs from ``what``, by `differing_bands` of levels and of `band_fluctuations`.

    Examples
    --------
    >>> edges = band_edges(16000)
    >>> bands = [Band(1904, 2137, 21.3, 2017, 21.3), Band(3000, edges[-1], -4.2, 6500, -14.0)]
    >>> print(in_words(bands, [], edges))
    Louder than the healthy recording by 21 dB between 1900 and 2140 Hz; quieter by 4 dB above 3000 Hz (14 dB near 6500
    Hz).
    >>> print(in_words([], bands[:1], edges))
    In the mean no frequency band differs from the healthy recording by 3 dB or more; over time its level varies by 21
    dB more between 1900 and 2140 Hz.
    """
    parts = []
    for louder, word in ((True, "louder"), (False, "quieter")):
        same = [band for band in bands[:_MOST_BANDS] if (band.db > 0) == louder]
        if same:
            places = [_amount(band, edges) for band in same]
            joined = places[0] if len(places) == 1 else f"{', '.join(places[:-1])} and {places[-1]}"
            than = "" if parts else f" than {what}"
            parts.append(f"{word}{than} by {joined}")
    if not bands:
        parts.append(f"in the mean no frequency band differs from {what} by 3 dB or more")
    if fluctuating:
        band = fluctuating[0]
        amount = f"{abs(band.db):.0f} dB {'more' if band.db > 0 else 'less'}"
        parts.append(f"over time its level varies by {amount} {_where(band, edges)}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _amount(band, edges):
    text = f"{abs(band.db):.0f} dB {_where(band, edges)}"
    if abs(band.peak_db) < abs(band.db) + _LEAST_DB:
        return text
    return f"{text} ({abs(band.peak_db):.0f} dB near {_hertz(band.peak)} Hz)"


def _where(band, edges):
    lowest, highest = band.low <= edges[0] * 1.001, band.high >= edges[-1] * 0.999
    if lowest and highest:
        return "at all frequencies"
    if lowest:
        return f"below {_hertz(band.high)} Hz"
    if highest:
        return f"above {_hertz(band.low)} Hz"
    return f"between {_hertz(band.low)} and {_hertz(band.high)} Hz"


def _hertz(frequency):
    """Return a frequency with three digits at most."""
    step = 10 ** max(0, int(np.floor(np.log10(frequency))) - 2)
    return f"{round(frequency / step) * step:.0f}"
