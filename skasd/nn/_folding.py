"""Batch normalisation folded into the layer before it."""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """Copy a network for inference, batch normalisation folded into the convolutions before it.

    Parameters
    ----------
    module : Module
        A network. Left as it is.

    Returns
    -------
    Module
        A copy in evaluation mode. Each batch normalisation that directly follows a convolution or a
        linear layer in a :class:`torch.nn.Sequential` is an :class:`torch.nn.Identity` there, its
        statistics, scale and shift being part of the layer's weights. The outputs agree with those of
        ``module.eval()`` to rounding.

    Notes
    -----
    In evaluation mode batch normalisation is a fixed affine map of each channel, and so is its
    composition with the layer before. Only the order within a ``Sequential`` is known without running
    the network, so a batch normalisation elsewhere (before its layer, after a pooling, or in a module
    with a ``forward`` of its own) stays, as does one without running statistics. In
    :class:`MobileFaceNet` and :class:`MobileNetV2` all are folded.

    The copy is not meant for training and its state dict does not fit the original network.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import MobileFaceNet, fold_batch_norm
    >>> folded = fold_batch_norm(MobileFaceNet(16, 8))
    >>> any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    False
    """
    folded = copy.deepcopy(module).eval()
    for sequence in [m for m in folded.modules() if isinstance(m, nn.Sequential)]:
        for i in range(len(sequence) - 1):
            layer, norm = sequence[i], sequence[i + 1]
            if getattr(norm, "running_mean", None) is None:
                continue
            if isinstance(layer, _CONVOLUTIONS) and isinstance(norm, _BATCH_NORMS):
                sequence[i] = fuse_conv_bn_eval(layer, norm)
            elif isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
                sequence[i] = fuse_linear_bn_eval(layer, norm)
            else:
                continue
            sequence[i + 1] = nn.Identity()
    return folded
