"""Compiled inner loops of the short-time Fourier transform.

NumPy multiplies frames by the window at a third of the speed that the memory allows, and needs the padded
clip as a copy; together that decides whether a log-mel spectrogram takes a third or a fifth of librosa's
time. Compiled by numba, which librosa depends on as well; imported only when a transform begins.
"""

import numba
import numpy as np


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


@numba.njit(cache=True, nogil=True)
def band_energies(spectrum, first, width, weights, half_power, scratch, out):
    """Write sums of ``|spectrum| ** (2 * half_power)`` under the filters to `out` (n_blocks, n_frames, n_bands).

    Block b of the filters reaches over `width[b]` bins from `first[b]` on; their weights (width, n_bands) stand one
    block after another in `weights`. All of it is one call, because threads that compute side by side
    wait for each other at every return to the interpreter.
    """
    n_frames, n_bands = out.shape[1:]
    begin = 0
    for block in range(len(first)):
        n_bins = width[block]
        energies = scratch[: n_frames * n_bins].reshape(n_frames, n_bins)
        for i in range(n_frames):
            bins = spectrum[i, first[block] : first[block] + n_bins]
            row = energies[i]
            for k in range(n_bins):
                row[k] = bins[k].real * bins[k].real + bins[k].imag * bins[k].imag
            if half_power == 0.5:
                for k in range(n_bins):
                    row[k] = np.sqrt(row[k])
            elif half_power != 1:
                for k in range(n_bins):
                    row[k] = row[k] ** half_power
        end = begin + n_bins * n_bands
        np.dot(energies, weights[begin:end].reshape(n_bins, n_bands), out[block])
        begin = end
