"""Compiled inner loops of the short-time Fourier transform.

NumPy multiplies frames by the window at a third of the speed that the memory allows, and needs the padded
clip as a copy; together that decides whether a log-mel spectrogram takes a third or a fifth of librosa's
time. Compiled by numba, which librosa depends on as well; imported only when a transform begins.
"""

import numba


@numba.njit(cache=True, nogil=True)
def window_frames(waveform, window, start, hop, reflect, out):
    """Write windowed frames to `out` (n_frames, n_fft); the first one begins at sample `start`.

    Samples beyond the ends of the waveform are zeros or, with `reflect`, its mirror image.
    """
    n_samples = waveform.shape[0]
    n_fft = window.shape[0]
    for frame in range(out.shape[0]):
        first = start + frame * hop
        row = out[frame]
        if first >= 0 and first + n_fft <= n_samples:
            # indices that are plainly not negative: only such a loop becomes vector instructions
            part = waveform[first : first + n_fft]
            for j in range(n_fft):
                row[j] = part[j] * window[j]
        else:
            for j in range(n_fft):
                k = first + j
                if reflect:
                    if k < 0:
                        k = -k
                    elif k >= n_samples:
                        k = 2 * (n_samples - 1) - k
                row[j] = waveform[k] * window[j] if 0 <= k < n_samples else 0.0


@numba.njit(cache=True, nogil=True)
def squared_magnitude(spectrum, out):
    """Write the squared magnitudes of a complex 2-D array to `out`."""
    for i in range(spectrum.shape[0]):
        for k in range(spectrum.shape[1]):
            value = spectrum[i, k]
            out[i, k] = value.real * value.real + value.imag * value.imag
