"""Levels that rise and fall periodically, as with an unbalanced shaft, which no region of time and frequency shows."""

from typing import NamedTuple

import numpy as np
import scipy.fft

from ..features import STFTTransformer
from ._tiles import frame_length, mel_band_edges

_WINDOW = 0.008  # s, short enough for fluctuations of 100 Hz
_RANGE = (2.0, 100.0)  # Hz
_FEWEST_PERIODS = 4
_FINER = 4  # times as many frequencies as the length of the clip resolves
_BANDS_APART = 4  # of the 32 mel bands: 8 bands
_TIMES_USUAL = 2**0.5  # least ratio to the largest depth of healthy clips: 3 dB, as for levels
_AROUND = 2 ** (1 / 3)  # ratio of frequencies within which healthy clips are compared: their speed may differ
_LEAST_DEPTH = 0.05
_LEAST_GAIN = 0.2  # so that nothing is divided by zero
_FLOOR = 1e-7  # magnitude of the dither of 24 bits


class Fluctuation(NamedTuple):
    """Periodic rise and fall of a level: frequency in Hz, depth as a share of the mean, and that of healthy clips."""

    frequency: float
    depth: float
    usual: float

    def in_words(self):
        """Return it as a part of a sentence.

        Examples
        --------
        >>> Fluctuation(22.2, 0.25, 0.07).in_words()
        'the level rises and falls 22 times a second, by 25% (7% in healthy clips)'
        """
        times = f"{self.frequency:.0f}" if self.frequency >= 10 else f"{self.frequency:.1f}"
        depths = f"by {self.depth:.0%} ({self.usual:.0%} in healthy clips)"
        return f"the level rises and falls {times} times a second, {depths}"


def unusual_fluctuation(clip, healthy, rate):
    """Return the fluctuation of a clip that exceeds those of healthy clips by most, None if none does by 3 dB."""
    frequencies, own = _depths(clip, rate, len(clip))
    usual = np.max([_depths(part[: len(clip)], rate, len(clip))[1] for part in healthy], axis=0)
    inside = frequencies >= max(_RANGE[0], _FEWEST_PERIODS * rate / len(clip))
    inside &= frequencies <= _RANGE[1]
    if not inside.any():
        return None
    frequencies, own, usual = frequencies[inside], own[inside], usual[inside]
    first = np.searchsorted(frequencies, frequencies / _AROUND)
    last = np.searchsorted(frequencies, frequencies * _AROUND, side="right")
    usual = np.array([usual[a:b].max() for a, b in zip(first, last, strict=True)])
    excess = np.where(own >= np.maximum(_TIMES_USUAL * usual, _LEAST_DEPTH), own - usual, 0)
    place = int(excess.argmax())
    if not excess[place]:
        return None
    return Fluctuation(float(frequencies[place]), float(own[place]), float(usual[place]))


def steadied(clip, frequency, rate):
    """Return a clip without the fluctuation of a frequency in Hz and its multiples that is common to all bands."""
    levels, hop = _levels(clip, rate)
    window = np.hanning(levels.shape[1])
    at, times = np.arange(levels.shape[1]) * hop / rate, np.arange(len(clip)) / rate
    gain = np.ones(len(clip))
    for multiple in np.arange(frequency, _RANGE[1], frequency):
        line = 2 * (levels.mean(axis=0) * window) @ np.exp(-2j * np.pi * multiple * at) / window.sum()
        gain += (line * np.exp(2j * np.pi * multiple * times)).real
    return (clip / np.maximum(gain, _LEAST_GAIN)).astype(np.float32)


def _depths(clip, rate, n_samples):
    """Return frequencies, and the amplitudes of the fluctuations at them, means over bands."""
    levels, hop = _levels(clip, rate)
    window = np.hanning(levels.shape[1])
    n = _FINER * (1 + n_samples // hop)
    lines = 2 * np.abs(scipy.fft.rfft(levels * window, n, axis=1)) / window.sum()
    return scipy.fft.rfftfreq(n, hop / rate), lines.mean(axis=0)


def _levels(clip, rate):
    """Return magnitudes in bands over time relative to their mean, (n_bands, n_frames), and the hop in samples."""
    n_fft = frame_length(_WINDOW, rate)
    hop = n_fft // 4
    power = STFTTransformer(
        sample_rate=rate, n_fft=n_fft, hop_length=hop, power=2, log=None
    ).waveform_function()
    spectrum = power(clip.astype(np.float32)).astype(float)
    edges = mel_band_edges(rate)[::_BANDS_APART]
    band = np.searchsorted(edges[1:-1], np.arange(len(spectrum)) * rate / n_fft, side="right")
    levels = np.sqrt([spectrum[band == number].sum(axis=0) for number in np.unique(band)])
    return levels / np.maximum(levels.mean(axis=1, keepdims=True), _FLOOR) - 1, hop
