"""Compiled passes of batch normalisation and PReLU in one, over rows of channels.

In the large tensors of a convolutional network these two layers are bound by memory: each of PyTorch's operations
reads and writes tensors of tens of megabytes anew, and the first touch of a new one costs more than the arithmetic.
Done together they take two passes forwards and two backwards and allocate one tensor each way. Imported only
when a network trains on the CPU.
"""

import numba
import numpy as np

# rows summed in the tensor's own precision before they are added to sums in double precision
_ROWS = 64


@numba.njit(cache=True, nogil=True)
def sum_moments(x, shift, total, squares):
    """Add the sums over rows of ``x - shift`` and of its square to `total` and `squares` (float64)."""
    n_rows, n_channels = x.shape
    part, part_squares = np.empty(n_channels, x.dtype), np.empty(n_channels, x.dtype)
    for first in range(0, n_rows, _ROWS):
        part[:] = 0
        part_squares[:] = 0
        for i in range(first, min(first + _ROWS, n_rows)):
            row = x[i]
            for c in range(n_channels):
                deviation = row[c] - shift[c]
                part[c] += deviation
                part_squares[c] += deviation * deviation
        for c in range(n_channels):
            total[c] += part[c]
            squares[c] += part_squares[c]


@numba.njit(cache=True, nogil=True)
def normalise_and_rectify(x, scale, offset, slope, out):
    """Write ``prelu(scale x + offset)``."""
    n_rows, n_channels = x.shape
    for i in range(n_rows):
        row, target = x[i], out[i]
        for c in range(n_channels):
            z = row[c] * scale[c] + offset[c]
            target[c] = z if z > 0 else slope[c] * z


@numba.njit(cache=True, nogil=True)
def sum_gradients(x, grad, scale, offset, slope, mean, d_offset, d_scale, d_slope):
    """Add the sums over rows that the gradients of offset, of scale (times the deviation) and of slope are made of."""
    n_rows, n_channels = x.shape
    part = np.empty(n_channels, x.dtype)
    part_scale, part_slope = np.empty(n_channels, x.dtype), np.empty(n_channels, x.dtype)
    for first in range(0, n_rows, _ROWS):
        part[:] = 0
        part_scale[:] = 0
        part_slope[:] = 0
        for i in range(first, min(first + _ROWS, n_rows)):
            row, row_grad = x[i], grad[i]
            for c in range(n_channels):
                z = row[c] * scale[c] + offset[c]
                g = row_grad[c]
                d = g if z > 0 else slope[c] * g
                part[c] += d
                part_scale[c] += d * (row[c] - mean[c])
                part_slope[c] += g * min(z, 0)
        for c in range(n_channels):
            d_offset[c] += part[c]
            d_scale[c] += part_scale[c]
            d_slope[c] += part_slope[c]


@numba.njit(cache=True, nogil=True)
def input_gradient(x, grad, scale, offset, slope, factor, constant, out):
    """Write ``scale d + factor x + constant``, d being the gradient of the normalised input."""
    n_rows, n_channels = x.shape
    for i in range(n_rows):
        row, row_grad, target = x[i], grad[i], out[i]
        for c in range(n_channels):
            z = row[c] * scale[c] + offset[c]
            g = row_grad[c]
            d = g if z > 0 else slope[c] * g
            target[c] = scale[c] * d + factor[c] * row[c] + constant[c]
