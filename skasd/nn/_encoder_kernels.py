"""Compiled layers of the local encoder, in float32, for one clip on one core.

PyTorch spends most of a short map's time on preparing its operations, and rounds by kernels that depend on the map's
size. Here columns (what lies at one time) go through a layer one by one: the numbers are the same to the last bit
wherever a column stands and however many there are. Imported only when an encoder is made.
"""

import numba
import numpy as np

LINEAR, RELU, HARD_SWISH = 0, 1, 2


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _rectified(x):
    return np.float32(0) if x < 0 else x  # NaN stays NaN, unlike with max


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _hard_swish(x):
    return x * min(max(x + np.float32(3), np.float32(0)), np.float32(6)) * np.float32(1 / 6)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _activate(x, bias, activation, out):
    """Write the activation of the biased rows (n_positions, n_channels); `out` may be `x`."""
    n_positions, n_channels = x.shape
    for p in range(n_positions):
        if activation == RELU:
            for c in range(n_channels):
                out[p, c] = _rectified(x[p, c] + bias[c])
        elif activation == HARD_SWISH:
            for c in range(n_channels):
                out[p, c] = _hard_swish(x[p, c] + bias[c])
        else:
            for c in range(n_channels):
                out[p, c] = x[p, c] + bias[c]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _multiply(x, weights, out):
    np.dot(x, weights, out)  # in a function of its own it is compiled once


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _depthwise(columns, first, weights, step, out):
    """Write a depthwise convolution of columns that stand in a ring, the earliest at `first`."""
    n_times, n_places, n_channels = weights.shape
    n_positions = columns.shape[1]
    for p in range(out.shape[0]):
        start = p * step - n_places // 2
        for c in range(n_channels):
            out[p, c] = 0
        for j in range(n_times):
            k = (first + j) % n_times
            for i in range(max(0, -start), min(n_places, n_positions - start)):
                for c in range(n_channels):
                    out[p, c] += weights[j, i, c] * columns[k, start + i, c]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def block(x, expand, expand_bias, depthwise, depth_bias, project, bias, steps, activation, residual, out):
    """Write an inverted residual block, maps being (n_times, n_positions, n_channels).

    `depthwise` is (times, positions, channels), `steps` over positions and time; `expand` and `project` are (channels
    in, channels out).
    """
    n_positions = x.shape[1]
    kernel, _, n_expanded = depthwise.shape
    columns = np.empty((kernel, n_positions, n_expanded), np.float32)
    expanded = np.empty((n_positions, n_expanded), np.float32)
    deep = np.empty((out.shape[1], n_expanded), np.float32)
    n_seen = 0
    for t in range(out.shape[0]):
        first = t * steps[1]
        while n_seen < first + kernel:
            _multiply(x[n_seen], expand, expanded)
            _activate(expanded, expand_bias, activation, columns[n_seen % kernel])
            n_seen += 1
        _depthwise(columns, first % kernel, depthwise, steps[0], deep)
        _activate(deep, depth_bias, activation, deep)
        head(deep, project, bias, out[t])
        if residual:
            for p in range(out.shape[1]):
                for c in range(out.shape[2]):
                    out[t, p, c] += x[first + kernel // 2, p, c]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def head(x, weights, bias, out):
    """Write a column's convolution of kernel 1, (n_positions, n_channels_out)."""
    _multiply(x, weights, out)
    _activate(out, bias, LINEAR, out)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def entry(frames, emphasis, floor, weights, bias, depthwise, depth_bias, project, project_bias, out):
    """Write the first two layers of log-mel frames (n_mels, n_frames) to `out` (n_times, n_mels / 2, n_channels).

    They have few channels and many positions: here these are the rows that are computed at a time. The first is a
    convolution of 3 x 3 with a stride of 2 and hard swish; the second an inverted residual block that does not expand,
    of 3 x 3. `weights` and `depthwise` are (channels, times, positions).
    """
    n_times, n_positions, n_channels = out.shape
    # of the last three frames those bands that stand below, at and above every second one
    bands = np.zeros((3, 3, n_positions), np.float32)
    columns = np.zeros((3, n_channels, n_positions + 2), np.float32)  # of the first layer, between zeros
    deep = np.empty((n_channels, n_positions), np.float32)
    row = np.empty(n_positions, np.float32)
    n_frames = 0
    for t in range(-2, n_times):
        column = columns[(t + 2) % 3]  # the latest
        last = 2 * t + 6
        while n_frames <= last:
            for p in range(n_positions):
                for i in range(2):
                    band = 2 * p + i
                    level = max(frames[band, n_frames] + emphasis[band], floor)
                    bands[n_frames % 3, 1 + i, p] = (level + np.float32(4.5)) * np.float32(0.2)
            for p in range(1, n_positions):
                bands[n_frames % 3, 0, p] = bands[n_frames % 3, 2, p - 1]
            n_frames += 1
        for c in range(n_channels):
            for p in range(n_positions):
                row[p] = bias[c]
            for j in range(3):
                for i in range(3):
                    for p in range(n_positions):
                        row[p] += weights[c, j, i] * bands[(last - 2 + j) % 3, i, p]
            for p in range(n_positions):
                column[c, p + 1] = _hard_swish(row[p])
        if t < 0:
            continue
        for c in range(n_channels):
            for p in range(n_positions):
                row[p] = depth_bias[c]
            for j in range(3):
                for i in range(3):
                    for p in range(n_positions):
                        row[p] += depthwise[c, j, i] * columns[(t + j) % 3, c, p + i]
            for p in range(n_positions):
                deep[c, p] = _rectified(row[p])
        for c in range(n_channels):
            for p in range(n_positions):
                row[p] = project_bias[c] + columns[(t + 1) % 3, c, p + 1]
            for i in range(n_channels):
                for p in range(n_positions):
                    row[p] += project[i, c] * deep[i, p]
            for p in range(n_positions):
                out[t, p, c] = row[p]
