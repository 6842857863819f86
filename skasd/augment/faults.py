"""Healthy clips changed in the ways that faults change sound: pseudo-anomalies if there are no real ones.

They are only plausible, so do not train a detector to recognise faults with them. Their purpose is to compare
detectors, see :func:`skasd.model_selection.select_without_anomalies`.
"""

from collections.abc import Callable

import numpy as np
import soxr
from sklearn.utils import check_random_state

__all__ = ["FAULTS", "add_fault"]

_LOWEST = 100.0  # Hz, of tones and bands
_HIGHEST = 0.4  # of the sample rate
_FLOOR = 1e-6  # of the mean power: what a band counts as that holds less
_SILENCE = 1e-10


def add_fault(
    clip: np.ndarray,
    fault: str,
    severity: float,
    *,
    sample_rate: int = 16000,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    r"""Return a healthy clip as it might sound with a fault.

    Parameters
    ----------
    clip : ndarray of shape (n_samples,) or (n_bins, n_frames)
        A waveform, or a spectrogram in decibels whose bins are spaced like those of mels.
    fault : str
        One of `FAULTS`; see Notes.
    severity : float
        From 0, hardly audible, to 1, obvious.
    sample_rate : int, default=16000
        Of a waveform, in Hz.
    random_state : int, RandomState instance or None, default=None
        Draws frequencies, rates and times.

    Returns
    -------
    ndarray
        A new array of the shape and type of `clip`.

    Raises
    ------
    ValueError
        If the fault is unknown, or the severity is outside [0, 1].

    See Also
    --------
    skasd.augment.WaveformAugmenter : More training clips.
    skasd.datasets.make_machine_sounds : Machines with modelled faults.

    Notes
    -----
    With the severity s, and frequencies drawn from 100 Hz to 0.4 times the sample rate, evenly in their logarithm:

    - "speed": all of it :math:`10^s` percent faster or slower, resampled: a slipping belt, a changed load.
    - "tone": a tone all the time, -20 + 25 s dB from the power of the octave around it: a whine of gears, a resonance.
    - "burst": noise of an octave's width for 10 to 30 % of the time, 15 s dB from the power of that octave: a rub, a
      leak.
    - "modulation": the amplitude modulated at 1 to 20 Hz with a depth of 0.1 + 0.8 s: an eccentric part.
    - "missing band": an octave weakened by 3 + 17 s dB: a part that no longer works, or a damped one.
    - "clicks": 2 to 20 a second, each a damped resonance (2 ms), 5 + 25 s dB from the power of its octave at their
      peak: a cracked bearing, a loose part.

    The ranges were fixed in advance, not tuned on real faults. In spectrograms, bins replace
    frequencies: an octave is an eighth of the bins, and a per cent of speed shifts the spectrum by a fifth of a bin.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.augment import add_fault
    >>> clip = np.random.default_rng(0).normal(scale=0.1, size=16000).astype("float32")
    >>> changed = add_fault(clip, "tone", 1.0, random_state=0)
    >>> bool(np.std(changed) > np.std(clip))
    True
    """
    if fault not in FAULTS:
        raise ValueError(f"fault must be one of {', '.join(FAULTS)}, got {fault!r}.")
    if not 0 <= severity <= 1:
        raise ValueError(f"severity must be in [0, 1], got {severity!r}.")
    clip = np.asarray(clip)
    random = check_random_state(random_state)
    of_waveform, of_spectrogram = _CHANGES[fault]
    if clip.ndim == 2:
        changed = of_spectrogram(clip.astype(float), severity, random)
    else:
        changed = of_waveform(clip.astype(float), severity, sample_rate, random)
    return changed.astype(clip.dtype)


# waveforms


def _frequency(sample_rate, random):
    lowest, highest = np.log([min(_LOWEST, _HIGHEST * sample_rate / 2), _HIGHEST * sample_rate])
    return float(np.exp(random.uniform(lowest, highest)))


def _bell(n_samples, sample_rate, center):
    """Return the gains, by frequency, of an octave around a frequency: 0.5 at its edges."""
    frequencies = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    with np.errstate(divide="ignore"):
        octaves = np.log2(frequencies / center)
    return 0.5 ** ((2 * octaves) ** 2)


def _power(x, sample_rate, center):
    """Return the mean power of the octave around a frequency."""
    spectrum = np.abs(np.fft.rfft(x) * _bell(len(x), sample_rate, center)) ** 2
    own = 2 * spectrum.sum() / len(x) ** 2
    return max(own, _FLOOR * np.mean(x**2), _SILENCE)


def _ratio(decibels):
    return 10 ** (decibels / 20)


def _speed(x, severity, sample_rate, random):
    change = 0.01 * 10**severity
    rate = 1 + change if random.rand() < 0.5 else 1 / (1 + change)
    changed = soxr.resample(x, rate, 1)[: len(x)]
    while len(changed) < len(x):  # slower is longer, faster goes on as its own mirror image
        changed = np.pad(changed, (0, min(len(x) - len(changed), max(len(changed) - 1, 1))), mode="symmetric")
    return changed


def _tone(x, severity, sample_rate, random):
    center = _frequency(sample_rate, random)
    amplitude = np.sqrt(2 * _power(x, sample_rate, center)) * _ratio(-20 + 25 * severity)
    angle = 2 * np.pi * (center / sample_rate * np.arange(len(x)) + random.rand())
    return x + amplitude * np.sin(angle)


def _burst(x, severity, sample_rate, random):
    center = _frequency(sample_rate, random)
    length = max(int(random.uniform(0.1, 0.3) * len(x)), 1)
    start = random.randint(len(x) - length + 1)
    noise = np.fft.rfft(random.normal(size=len(x))) * _bell(len(x), sample_rate, center)
    noise = np.fft.irfft(noise, len(x))
    noise *= np.sqrt(_power(x, sample_rate, center) / max(np.mean(noise**2), _SILENCE))
    window = np.zeros(len(x))
    window[start : start + length] = np.sin(np.pi * (np.arange(length) + 0.5) / length)
    return x + noise * window * _ratio(15 * severity)


def _modulation(x, severity, sample_rate, random):
    rate = np.exp(random.uniform(0, np.log(20)))
    angle = 2 * np.pi * (rate / sample_rate * np.arange(len(x)) + random.rand())
    return x * (1 + (0.1 + 0.8 * severity) * np.sin(angle))


def _missing_band(x, severity, sample_rate, random):
    bell = _bell(len(x), sample_rate, _frequency(sample_rate, random))
    return np.fft.irfft(np.fft.rfft(x) * (1 - bell * (1 - _ratio(-3 - 17 * severity))), len(x))


def _clicks(x, severity, sample_rate, random):
    center = _frequency(sample_rate, random)
    peak = np.sqrt(_power(x, sample_rate, center)) * _ratio(5 + 25 * severity)
    time = np.arange(int(0.01 * sample_rate)) / sample_rate
    click = np.exp(-time / 0.002) * np.sin(2 * np.pi * center * time)
    click /= max(np.abs(click).max(initial=0), _SILENCE)
    step = sample_rate / np.exp(random.uniform(np.log(2), np.log(20)))
    impulses = np.zeros(len(x))
    at = np.arange(random.rand() * min(step, len(x)), len(x), step)
    impulses[np.minimum(at.astype(int), len(x) - 1)] = peak
    return x + np.convolve(impulses, click)[: len(x)] if len(click) else x


# spectrograms in decibels


def _add(S, level):
    """Return the spectrogram with power added at some levels in dB."""
    return 10 * np.logaddexp(S * np.log(10) / 10, level * np.log(10) / 10) / np.log(10)


def _levels(S):
    """Return the mean power of each bin, in dB, as a column."""
    return 10 * np.log10(np.mean(10 ** (S / 10), axis=1, keepdims=True) + _SILENCE)


def _bell_of_bins(S, random):
    """Return the gains of an eighth of the bins, as a column, in dB below 0."""
    n_bins = len(S)
    away = (np.arange(n_bins) - random.randint(n_bins)) / max(n_bins / 16, 1)
    return -6.0 * away[:, None] ** 2


def _speed_of_bins(S, severity, random):
    sign = 1 if random.rand() < 0.5 else -1
    shift = sign * 0.2 * 10**severity
    bins = np.clip(np.arange(len(S)) - shift, 0, len(S) - 1)
    low = np.minimum(bins.astype(int), max(len(S) - 2, 0))
    part = (bins - low)[:, None]
    return (1 - part) * S[low] + part * S[np.minimum(low + 1, len(S) - 1)]


def _tone_of_bins(S, severity, random):
    at = random.randint(len(S))
    changed = S.copy()
    changed[at] = _add(S[at], _levels(S)[at] - 20 + 25 * severity + 9)  # a bin is an eighth of its octave
    return changed


def _burst_of_bins(S, severity, random):
    n_frames = S.shape[1]
    length = max(int(random.uniform(0.1, 0.3) * n_frames), 1)
    start = random.randint(n_frames - length + 1)
    changed = S.copy()
    here = slice(start, start + length)
    level = _levels(S) + _bell_of_bins(S, random) + 15 * severity
    changed[:, here] = _add(S[:, here], np.broadcast_to(level, (len(S), length)))
    return changed


def _modulation_of_frames(S, severity, random):
    n_frames = S.shape[1]
    cycles = np.exp(random.uniform(np.log(2), np.log(max(n_frames / 8, 3))))
    angle = 2 * np.pi * (cycles * np.arange(n_frames) / n_frames + random.rand())
    return S + 20 * np.log10(1 + (0.1 + 0.8 * severity) * np.sin(angle))


def _missing_bins(S, severity, random):
    gain = 10 ** (_bell_of_bins(S, random) / 20)
    return S + 20 * np.log10(1 - gain * (1 - _ratio(-3 - 17 * severity)))


def _clicks_in_frames(S, severity, random):
    n_frames = S.shape[1]
    step = np.exp(random.uniform(np.log(2), np.log(max(n_frames / 4, 3))))
    at = np.arange(random.rand() * min(step, n_frames), n_frames, step).astype(int)
    changed = S.copy()
    # a click of 2 ms in a frame of 64: 15 dB below its peak
    level = _levels(S) + _bell_of_bins(S, random) + 25 * severity - 10
    changed[:, at] = _add(S[:, at], np.broadcast_to(level, (len(S), len(at))))
    return changed


_CHANGES: dict[str, tuple[Callable, Callable]] = {
    "speed": (_speed, _speed_of_bins),
    "tone": (_tone, _tone_of_bins),
    "burst": (_burst, _burst_of_bins),
    "modulation": (_modulation, _modulation_of_frames),
    "missing band": (_missing_band, _missing_bins),
    "clicks": (_clicks, _clicks_in_frames),
}

FAULTS: tuple[str, ...] = tuple(_CHANGES)
"""Names of the faults of `add_fault`."""
