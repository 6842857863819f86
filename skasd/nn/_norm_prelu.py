"""Batch normalisation and PReLU in one step, for training on the CPU."""

import numpy as np
import torch
from torch import nn

from ._prelu import PReLU

# below this size the calls themselves take longer than the passes over memory that are saved
_LEAST_BYTES = 1 << 16


def can_join(x, norm, activation):
    """Tell whether `norm_prelu` computes what the two layers, one after the other, would.

    That is: batch normalisation by the batch's own statistics with learnt scale and shift, then a PReLU with a slope
    per channel, on a channels-last tensor in the memory of the CPU, while gradients are recorded.
    """
    return (
        x.device.type == "cpu"
        and type(norm) is nn.BatchNorm2d
        and type(activation) is PReLU
        and norm.training
        and torch.is_grad_enabled()
        and norm.affine
        and norm.momentum is not None
        and x.dtype == norm.weight.dtype == activation.weight.dtype
        and x.dtype in (torch.float32, torch.float64)
        and activation.weight.numel() == x.shape[1]
        and x.numel() > x.shape[1]
        and x.nbytes >= _LEAST_BYTES
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in (norm, activation))
    )


def norm_prelu(x, norm, activation):
    """Return ``activation(norm(x))`` and update the running statistics, where `can_join` allows it.

    One thread: a second one of ours would compete with PyTorch's, which wait actively, and lose more than it gains.
    """
    out, mean, variance = _NormPReLU.apply(x, norm.weight, norm.bias, activation.weight, norm.eps)
    if norm.track_running_stats:
        n = x.numel() // x.shape[1]
        with torch.no_grad():
            norm.num_batches_tracked += 1
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * (n / (n - 1)), norm.momentum)
    return out


class _NormPReLU(torch.autograd.Function):
    """``prelu((x - mean) / sqrt(variance + eps) * weight + bias)`` by the statistics of the batch."""

    @staticmethod
    def forward(ctx, x, weight, bias, slope, eps):
        from ._kernels import normalise_and_rectify, sum_moments

        rows, dtype = _rows(x), _rows(x).dtype
        gamma, beta = weight.detach().numpy(), bias.detach().numpy()
        shift = rows[0].copy()  # some value of each channel: squares of deviations from it do not cancel
        total, squares = np.zeros((2, rows.shape[1]))
        sum_moments(rows, shift, total, squares)
        total /= len(rows)
        variance = np.maximum(squares / len(rows) - total**2, 0)
        mean = shift + total
        inverse = 1 / np.sqrt(variance + eps)
        scale = (gamma * inverse).astype(dtype)
        offset = (beta - mean * gamma * inverse).astype(dtype)
        out = torch.empty_like(x)  # keeps the memory format
        normalise_and_rectify(rows, scale, offset, slope.detach().numpy(), _rows(out))
        ctx.save_for_backward(x, slope)
        ctx.statistics = scale, offset, mean, inverse
        mean, variance = (torch.from_numpy(a.astype(dtype)) for a in (mean, variance))
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad, *_):
        from ._kernels import input_gradient, sum_gradients

        x, slope = ctx.saved_tensors
        scale, offset, mean, inverse = ctx.statistics
        rows, grads = _rows(x), _rows(grad.contiguous(memory_format=torch.channels_last))
        dtype, slopes = rows.dtype, slope.detach().numpy()
        d_bias, d_weight, d_slope = np.zeros((3, rows.shape[1]))
        sum_gradients(rows, grads, scale, offset, slopes, mean.astype(dtype), d_bias, d_weight, d_slope)
        d_weight *= inverse
        out = None
        if ctx.needs_input_grad[0]:
            # Ioffe and Szegedy (2015), section 3: the gradient less its mean and its part along the normalised input
            factor = -scale * d_weight * inverse / len(rows)
            constant = -scale * d_bias / len(rows) - factor * mean
            out = torch.empty_like(x)
            along = scale, offset, slopes, factor.astype(dtype), constant.astype(dtype)
            input_gradient(rows, grads, *along, _rows(out))
        gradients = (torch.from_numpy(a.astype(dtype)) for a in (d_weight, d_bias, d_slope))
        return out, *gradients, None


def _rows(x):
    """Return the memory of a channels-last tensor as an array (positions, channels)."""
    return x.detach().permute(0, 2, 3, 1).reshape(-1, x.shape[1]).numpy()
