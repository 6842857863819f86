"""A clip whose levels outside the range of healthy clips are brought back into it."""

import numpy as np
import scipy.fft
import scipy.ndimage

from ._tiles import frame_length

_WINDOW = 0.064  # s, of a spectrum
_LEVEL = 0.256  # s that a level is the mean over
_AROUND = (250.0, 1.0)  # Hz, s
_LEAST_DB = 3.0  # of the mean around; healthy recordings differ from each other by less
_MOST = 60.0  # s of each healthy clip
_FLOOR = 1e-14  # power of the dither of 24 bits


def brought_back(clip, healthy, rate):
    """Return a clip, float32, with levels that lie outside the range of healthy clips set to their median.

    The level is the mean power over 0.256 s at each frequency of a short-time Fourier transform, in dB; the range is
    that from the lowest to the highest of all times of all healthy clips. Before that, the same is done with means of
    the levels over 250 Hz and 1 s, which have a narrower range: if one is outside of it and 3 dB or more from the
    median, the levels there are shifted. Phases and fluctuations remain those of the clip.
    """
    n_fft = frame_length(_WINDOW, rate, min(map(len, [clip, *healthy])))
    hop = n_fft // 2
    n = max(1, round(_LEVEL * rate / hop))

    def levels(spectrum):
        power = spectrum.real**2 + spectrum.imag**2
        power = scipy.ndimage.uniform_filter1d(power, n, axis=1, mode="nearest") / n_fft
        return 10 * np.log10(np.maximum(power, 0) + _FLOOR)

    usual = [levels(_spectrum(part[: round(_MOST * rate)], n_fft)) for part in healthy]
    some = np.concatenate([part[:, :: max(1, n // 2)] for part in usual], axis=1)
    median = np.median(some, axis=1, keepdims=True)
    spectrum = _spectrum(clip, n_fft)
    own = levels(spectrum) - median
    usual = [part - median for part in usual]
    around = [max(1, round(_AROUND[0] * n_fft / rate)), max(1, round(_AROUND[1] * rate / hop))]
    wide = _mean(own, around)
    gain = -wide * (np.abs(wide) >= _LEAST_DB) * _outside(wide, [_mean(part, around) for part in usual])
    own += gain
    gain -= own * _outside(own, usual)
    return _sound(spectrum * 10 ** (gain / 20), n_fft, len(clip))


def _window(n_fft):
    return np.sin(np.pi * np.arange(n_fft) / n_fft).astype(np.float32) ** 2


def _spectrum(waveform, n_fft):
    """Return the Fourier transform of frames that overlap by half, (n_bins, n_frames)."""
    hop = n_fft // 2
    padded = np.pad(np.asarray(waveform, np.float32), (hop, hop + -len(waveform) % hop), mode="symmetric")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    return scipy.fft.rfft(frames * _window(n_fft), axis=1).T


def _sound(spectrum, n_fft, n_samples):
    """Return the waveform whose frames are nearest to those of a spectrum, by least squares."""
    hop = n_fft // 2
    window = _window(n_fft)
    frames = scipy.fft.irfft(spectrum.T.astype(np.complex64), n_fft, axis=1) * window
    halves = np.zeros((len(frames) + 1, hop), np.float32)
    halves[:-1] += frames[:, :hop]
    halves[1:] += frames[:, hop:]
    halves /= window[:hop] ** 2 + window[hop:] ** 2
    return halves.ravel()[hop : hop + n_samples]


def _mean(levels, around):
    return scipy.ndimage.uniform_filter(levels, around, mode="nearest")


def _outside(levels, usual):
    """Tell where levels are lower or higher than all of some others at the same frequency."""
    lowest = np.min([part.min(axis=1) for part in usual], axis=0)
    highest = np.max([part.max(axis=1) for part in usual], axis=0)
    return (levels < lowest[:, None]) | (levels > highest[:, None])
