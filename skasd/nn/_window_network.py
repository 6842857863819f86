"""Windows of frames as vectors, standardised and reconstructed."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class WindowError(nn.Module):
    """Distance of the windows' reconstruction errors from the errors that they should have.

    Parameters
    ----------
    n_classes : int
        1: all windows are of the machine; 2: other windows are trained on too.

    See Also
    --------
    WindowNetwork : Gives the errors.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import WindowError
    >>> WindowError(n_classes=2)(torch.tensor([0.25, 0.5]), torch.tensor([0.0, 1.0]))
    tensor(0.3750)
    """

    def __init__(self, n_classes):
        super().__init__()
        self.n_classes = n_classes

    def forward(self, error, wanted):
        """Return the mean of ``|wanted - error|``, both of shape (N,)."""
        return (wanted - error).abs().mean()


class WindowNetwork(nn.Module):
    """Standardise vectors of frames, reconstruct them, and return their errors.

    Parameters
    ----------
    backbone : DenseAutoencoder
        Reconstructs the vectors.
    objective : Module
        Training loss, as :class:`WindowError`.
    mean : float or array-like of shape (n_bins,), default=0.0
        Subtracted from every frame.
    scale : float or array-like of shape (n_bins,), default=1.0
        The difference is divided by it.
    n_frames : int, default=5
        Frames of a vector.

    Attributes
    ----------
    autocast : torch.dtype or None
        Precision of the backbone under autocast; None, as at first: that of its weights.

    See Also
    --------
    DenseAutoencoder : The network.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import DenseAutoencoder, WindowError, WindowNetwork
    >>> network = WindowNetwork(DenseAutoencoder(640), WindowError(n_classes=1)).eval()
    >>> network(torch.zeros(3, 640)).shape
    torch.Size([3])
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, backbone, objective, mean=0.0, scale=1.0, n_frames=5):
        super().__init__()
        self.backbone = backbone
        self.objective = objective
        self.autocast = None
        self.precision_roots = None
        for name, value in (("mean", mean), ("scale", scale)):
            value = np.tile(value, n_frames) if np.ndim(value) else value
            self.register_buffer(name, torch.as_tensor(value, dtype=torch.float32))
        self.is_standardized = bool((self.mean != 0).any() or (self.scale != 1).any())

    def standardize(self, x):
        """Return the standardised vectors."""
        return (x - self.mean) / self.scale if self.is_standardized else x

    def reconstruct(self, x):
        """Return the reconstruction of standardised vectors (N, n_frames * n_bins)."""
        with torch.autocast(x.device.type, dtype=self.autocast, enabled=self.autocast is not None):
            return self.backbone(x).float()

    def residual(self, x):
        """Return the reconstruction residuals of vectors (N, n_frames * n_bins)."""
        x = self.standardize(x)
        return x - self.reconstruct(x)

    def encode(self, x):
        """Return the bottlenecks (N, bottleneck)."""
        with torch.autocast(x.device.type, dtype=self.autocast, enabled=self.autocast is not None):
            return self.backbone.encode(self.standardize(x)).float()

    def forward(self, x):
        """Return the mean squared error (N,) of each vector."""
        x = self.standardize(x)
        return F.mse_loss(self.reconstruct(x), x, reduction="none").mean(1)
