"""The short-time Fourier transform that the feature transformers share."""

from numbers import Real

import numpy as np
import scipy.fft
import scipy.signal

from ..clips import KeptBuffers

try:  # what scipy.fft.rfft calls; it can write to a kept array, whereas touching fresh memory takes turns among threads
    from scipy.fft._pocketfft.pypocketfft import r2c as _r2c
except ImportError:
    _r2c = None

# windowed frames transformed at a time: few enough to stay near the second-level cache, and so many that threads, which
# take turns at the interpreter between calls, have little to wait for
_CHUNK_BYTES = 1 << 21


class ShortTimeFourier:
    """Short-time Fourier transform of single clips, with librosa's framing, in kept buffers.

    Parameters
    ----------
    n_fft, hop_length, win_length, window, center, pad_mode
        As in :func:`librosa.stft`; `pad_mode` is "constant" or "reflect".

    dtype : {float32, float64}
        Precision of the window and the transform.

    Notes
    -----
    One object may serve several threads: its scratch memory is per thread.
    """

    def __init__(self, *, n_fft, hop_length, win_length, window, center, pad_mode, dtype):
        win_length = n_fft if win_length is None else win_length
        left = (n_fft - win_length) // 2
        self.window = np.zeros(n_fft, dtype)
        self.window[left : left + win_length] = _window(window, win_length)
        self.n_fft, self.hop_length = n_fft, hop_length
        self.pad = n_fft // 2 if center else 0
        self.reflect = pad_mode == "reflect"
        self.dtype = np.dtype(dtype)
        self.complex_dtype = np.result_type(dtype, 1j)
        self.chunk = max(8, _CHUNK_BYTES // (n_fft * self.dtype.itemsize))
        self.buffers = KeptBuffers()

    def n_frames(self, n_samples):
        """Return the number of frames of a clip of that many samples."""
        return 1 + (n_samples + 2 * self.pad - self.n_fft) // self.hop_length

    def chunks(self, waveform):
        """Yield (slice of frames, complex spectra (n_frames_in_slice, 1 + n_fft // 2)), lent until the next."""
        from ._kernels import window_frames

        n_frames = self.n_frames(len(waveform))
        windowed = self.buffers.array("windowed", (min(self.chunk, n_frames), self.n_fft), self.dtype)
        for first in range(0, n_frames, self.chunk):
            frames = windowed[: n_frames - first]
            start = first * self.hop_length - self.pad
            window_frames(waveform, self.window, start, self.hop_length, self.reflect, frames)
            yield slice(first, first + len(frames)), self._transform(frames)

    def _transform(self, frames):
        if _r2c is None:
            return scipy.fft.rfft(frames, axis=1)
        spectra = self.buffers.array("spectra", (len(frames), 1 + self.n_fft // 2), self.complex_dtype)
        return _r2c(frames, (1,), True, 0, spectra, 1)

    def power(self, waveform):
        """Return |STFT|^2 of shape (n_frames, 1 + n_fft // 2), lent until the thread's next call."""
        from ._kernels import squared_magnitude

        out = self.buffers.array("power", (self.n_frames(len(waveform)), 1 + self.n_fft // 2), self.dtype)
        for frames, spectra in self.chunks(waveform):
            squared_magnitude(spectra, out[frames])
        return out


def least_samples(n_fft, center, pad_mode):
    """Return the length a clip must have for one frame, and the reason in words."""
    if not center:
        return n_fft, f"one frame of n_fft={n_fft}, center=False"
    if pad_mode == "reflect":
        return n_fft // 2 + 1, f'pad_mode="reflect" mirrors n_fft // 2 = {n_fft // 2} samples'
    return 1, ""


def _window(window, win_length):
    if isinstance(window, (str, tuple, Real)):
        return scipy.signal.get_window(window, win_length)
    values = np.asarray(window, dtype=np.float64)
    if values.shape != (win_length,):
        raise ValueError(
            f"window has shape {values.shape}, but win_length={win_length}: give as many values."
        )
    return values
