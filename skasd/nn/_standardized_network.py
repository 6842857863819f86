"""A backbone behind the standardisation of its input, with its objective."""

import contextlib

import numpy as np
import torch
from torch import nn


class StandardizedNetwork(nn.Module):
    """Standardise patches and embed them; the objective is a submodule, so that its weights are in the state.

    Parameters
    ----------
    backbone : Module
        Maps (N, 1, n_bins, n_frames) to (N, embedding_dim).
    objective : Module
        Training loss with its class weights.
    mean : float or array-like of shape (n_bins,), default=0.0
        Subtracted from the input.
    scale : float or array-like of shape (n_bins,), default=1.0
        The difference is divided by it.

    Attributes
    ----------
    autocast : torch.dtype or None
        Precision of the backbone under autocast; None, as at first: that of its weights.

    See Also
    --------
    MaskedNetwork : Restores hidden pieces of its input as well.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import CrossEntropy, MobileNetV2, StandardizedNetwork
    >>> backbone = MobileNetV2(16, 20, embedding_dim=8, width=0.25)
    >>> network = StandardizedNetwork(backbone, CrossEntropy(8, 3), mean=-40.0, scale=10.0)
    >>> network(torch.zeros(2, 16, 20)).shape
    torch.Size([2, 8])
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, backbone, objective, mean=0.0, scale=1.0):
        super().__init__()
        self.backbone = backbone
        self.objective = objective
        for name, value in (("mean", mean), ("scale", scale)):
            value = torch.as_tensor(np.asarray(value, dtype=np.float32))
            self.register_buffer(name, value.reshape(1, -1, 1))
        self.autocast = None

    def standardize(self, x):
        """Return patches (N, n_bins, n_frames) as a standardised image (N, 1, n_bins, n_frames)."""
        return ((x - self.mean) / self.scale).unsqueeze(1).contiguous(memory_format=torch.channels_last)

    def precision(self, device):
        """Return the autocast context of a device."""
        if self.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(device.type, dtype=self.autocast)

    def forward(self, x):
        """Return the embeddings (N, embedding_dim) of patches (N, n_bins, n_frames), as float32."""
        with self.precision(x.device):
            embedding = self.backbone(self.standardize(x))
        return embedding.float()
