"""Layers of networks published in Keras, whose "same" padding PyTorch does not offer with a stride."""

import torch.nn.functional as F
from torch import nn

from ._prelu import PReLU


def same_padding(length, kernel, stride):
    """Return the zeros (before, after) with which a layer gives ``ceil(length / stride)`` values.

    An odd zero goes to the end, as in TensorFlow.
    """
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


class _SameConv:
    def forward(self, x):
        sizes = zip(x.shape[2:], self.kernel_size, self.stride, strict=True)
        pads = [same_padding(*size) for size in sizes]
        if all(before == after for before, after in pads):
            padding = [before for before, _ in pads]
        else:
            x = F.pad(x, [zeros for pad in reversed(pads) for zeros in pad])
            padding = [0] * len(pads)
        convolve = F.conv1d if len(pads) == 1 else F.conv2d
        return convolve(x, self.weight, self.bias, self.stride, padding)


class SameConv1d(_SameConv, nn.Conv1d):
    """Convolution with "same" padding at any stride: ``ceil(length / stride)`` values."""


class SameConv2d(_SameConv, nn.Conv2d):
    """Convolution with "same" padding at any stride: ``ceil(length / stride)`` values on each axis."""


class SqueezeExcitation(nn.Module):
    """Weigh the channels by a gate that sees the mean of each, without biases.

    Parameters
    ----------
    n_channels : int
        Number of channels.
    ratio : int, default=16
        Reduction in the gate's hidden layer, which has one unit at least.
    activation : {"relu", "prelu"}, default="relu"
        Activation of the gate's hidden layer.
    """

    def __init__(self, n_channels, ratio=16, activation="relu"):
        super().__init__()
        hidden = max(n_channels // ratio, 1)
        self.gate = nn.Sequential(
            nn.Linear(n_channels, hidden, bias=False),
            activation_layer(activation, hidden),
            nn.Linear(hidden, n_channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        """Map (N, n_channels, ...) to the same shape."""
        gate = self.gate(x.flatten(2).mean(2))
        return x * gate.reshape(*gate.shape, *[1] * (x.ndim - 2))


def activation_layer(name, n_channels):
    """Return a new layer for ``name``: "relu", or "prelu" with one slope per channel."""
    if name == "relu":
        return nn.ReLU()
    if name == "prelu":
        return PReLU(n_channels)
    raise ValueError(f"activation={name!r}: must be 'relu' or 'prelu'")


def initialise(module):
    """Draw the weights of a convolution or dense layer as Keras does by default (Glorot, uniform)."""
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
