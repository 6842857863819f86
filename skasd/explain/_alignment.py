"""A healthy clip aligned in time with another clip, and brought to its length."""

import numpy as np
import scipy.fft

from ..features import LogMelTransformer
from ._tiles import frame_length

_N_BANDS = 32
_LEAST_GAIN = 0.1  # of the mean correlation by a shift; noise of 10 s reaches 0.05 by chance
_LARGEST = 3.0  # standard deviations; levels are clipped there, so that no single event decides
_FADE = 0.032  # s, of a frame, and of the cross-fade from the end of a clip to its beginning


def aligned(healthy, clip, rate):
    """Return a healthy clip as long as another, shifted in time to where the levels of both are most similar.

    Stationary sounds are not shifted. A shorter healthy clip is repeated; beyond its end it continues at its beginning.
    """
    n = len(clip)
    n_fft = frame_length(_FADE, rate)
    hop = n_fft // 2
    if min(n, len(healthy)) < 8 * n_fft:
        return _looped(healthy, n, 0, len(healthy) - min(n_fft, len(healthy) // 2))
    # a whole number of hops, so that frames repeat with the samples
    period = (len(healthy) - n_fft) // hop * hop
    levels = LogMelTransformer(
        sample_rate=rate, n_fft=n_fft, hop_length=hop, n_mels=_N_BANDS, htk=True, fmin=min(100.0, rate / 8)
    ).waveform_function()
    own, other = (_courses(levels(part.astype(np.float32))) for part in (clip, healthy))
    longer = len(healthy) > n  # then it need not be repeated
    n_frames = other.shape[1] if longer else period // hop
    spectra = [scipy.fft.rfft(_wrapped(part, n_frames), axis=1) for part in (own, other[:, :n_frames])]
    correlation = scipy.fft.irfft((spectra[0].conj() * spectra[1]).sum(axis=0), n_frames) / own.size
    if longer:
        correlation = correlation[: 1 + (len(healthy) - n) // hop]
    best = int(correlation.argmax())
    shift = best * hop if correlation[best] - correlation[0] > _LEAST_GAIN else 0
    return _looped(healthy, n, shift, period)


def _courses(levels):
    """Return the levels of bands over time without their means, in units of their spread."""
    levels = levels - levels.mean(axis=1, keepdims=True)
    spread = levels.std(axis=1, keepdims=True)
    return np.clip(
        np.divide(levels, spread, out=np.zeros_like(levels), where=spread > 0), -_LARGEST, _LARGEST
    )


def _wrapped(courses, n_frames):
    """Return courses summed modulo a number of frames."""
    n_rounds = -(-courses.shape[1] // n_frames)
    padded = np.pad(courses, ((0, 0), (0, n_rounds * n_frames - courses.shape[1])))
    return padded.reshape(len(courses), n_rounds, n_frames).sum(axis=1)


def _looped(healthy, n, shift, period):
    """Return n samples of a clip, from ``shift`` on; after ``period`` samples it is cross-faded to its beginning."""
    if shift + n <= len(healthy):
        return healthy[shift : shift + n]
    fade = len(healthy) - period
    one = np.array(healthy[:period])
    rising = (np.arange(fade) + 0.5) / max(fade, 1)
    one[:fade] = rising * healthy[:fade] + (1 - rising) * healthy[period:]
    out = one[(np.arange(n) + shift) % period]
    if shift == 0:  # nothing comes before the beginning
        out[:fade] = healthy[:fade]
    return out
