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


@numba.njit(cache=True, nogil=True)
def write_log_levels(bits, amin, factor, scratch, out):
    """Write ``factor * ln(max(energies, amin))`` of blocks of bands to `out` (n_mels, n_frames), in float32.

    The energies (n_blocks, n_frames, n_bands) come as the integers that share their memory: the exponent of a float
    is its logarithm but for that of the mantissa, which a polynomial gives (the one of Cephes' ``logf``; 1 unit in
    the last place). The compiler makes vector instructions of that, as it cannot of a call of ``log``, and three short
    calls of NumPy become one. `amin` must be a normal number; infinity and NaN stay what they are.
    """
    n_blocks, n_frames, n_bands = bits.shape
    n_values = n_frames * n_bands
    lowest = np.float32(amin).view(np.int32)
    half, one = np.float32(0.5), np.float32(1)
    for block in range(n_blocks):
        values = bits[block].reshape(n_values)
        for j in range(n_values):
            value = max(values[j], lowest)
            exponent = (value - np.int32(0x3F3504F3)) >> np.int32(
                23
            )  # leaves a mantissa between sqrt(1/2) and sqrt(2)
            f = np.int32(value - (exponent << np.int32(23))).view(np.float32) - one
            y = np.float32(7.0376836292e-2)
            y = y * f + np.float32(-1.1514610310e-1)
            y = y * f + np.float32(1.1676998740e-1)
            y = y * f + np.float32(-1.2420140846e-1)
            y = y * f + np.float32(1.4249322787e-1)
            y = y * f + np.float32(-1.6668057665e-1)
            y = y * f + np.float32(2.0000714765e-1)
            y = y * f + np.float32(-2.4999993993e-1)
            y = y * f + np.float32(3.3333331174e-1)
            y = y * f * f * f + np.float32(-2.12194440e-4) * np.float32(exponent) - half * f * f
            level = np.float32(factor) * (f + y + np.float32(0.693359375) * np.float32(exponent))
            scratch[j] = level if value < np.int32(0x7F800000) else np.int32(value).view(np.float32)
        first = block * n_bands
        for band in range(min(n_bands, out.shape[0] - first)):
            row = out[first + band]
            for i in range(n_frames):
                row[i] = scratch[i * n_bands + band]
