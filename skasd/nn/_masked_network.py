"""Joint training of classification and reconstruction of hidden pieces."""

import torch
from torch import nn

from ._standardized_network import StandardizedNetwork


class JointObjective(nn.Module):
    """Loss of a classification plus a weighted reconstruction error.

    Parameters
    ----------
    classification : Module
        Objective of the classes, as :class:`CrossEntropy`.
    weight : float
        Weight of the reconstruction error.

    See Also
    --------
    MaskedNetwork : Gives embeddings and errors.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import CrossEntropy, JointObjective
    >>> objective = JointObjective(CrossEntropy(4, 2), weight=0.5)
    >>> objective((torch.zeros(3, 4), torch.ones(3)), torch.tensor([0, 1, 1])).shape
    torch.Size([])
    """

    def __init__(self, classification, weight):
        super().__init__()
        self.classification = classification
        self.weight = weight
        self.n_classes = classification.n_classes

    def forward(self, outputs, target):
        """Return the loss of ``(embedding, error)``, of shapes (N, embedding_dim) and (N,)."""
        embedding, error = outputs
        return self.classification(embedding, target) + self.weight * error.mean()

    def log_proba(self, embedding):
        """Return the log-probabilities (N, n_classes) of embeddings (N, embedding_dim)."""
        return self.classification.log_proba(embedding)


class MaskedNetwork(StandardizedNetwork):
    """Network that, given a mask, also returns how well it restores what the mask hides.

    Parameters
    ----------
    backbone : DualPathTransformer
        Embeds and restores patches.
    objective : Module
        Training loss with its class weights, as :class:`JointObjective`.
    mean : float or array-like of shape (n_bins,), default=0.0
        Subtracted from the input.
    scale : float or array-like of shape (n_bins,), default=1.0
        The difference is divided by it.
    n_bands : int, default=4
        Number of bands of frequencies that are hidden in turn for the reconstruction error.

    See Also
    --------
    JointObjective : Its loss.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import CrossEntropy, DualPathTransformer, JointObjective, MaskedNetwork
    >>> backbone = DualPathTransformer(16, 16, dim=8, embedding_dim=4)
    >>> network = MaskedNetwork(backbone, JointObjective(CrossEntropy(4, 2), 1.0))
    >>> network.reconstruction_error(torch.zeros(2, 16, 16)).shape
    torch.Size([2])
    """

    def __init__(self, backbone, objective, mean=0.0, scale=1.0, n_bands=4):
        super().__init__(backbone, objective, mean, scale)
        self.n_bands = n_bands

    def forward(self, x, mask=None):
        """Return embeddings; with a mask (N, n_patches), also the mean squared error (N,) over hidden pieces."""
        if mask is None:
            return super().forward(x)
        image = self.standardize(x)
        with self.precision(x.device):
            embedding, restored = self.backbone.forward_both(image, mask)
        errors = self.backbone.patch_errors(image, restored.float())
        return embedding.float(), (errors * mask).sum(1) / mask.sum(1).clamp(min=1)

    def reconstruction_error(self, x):
        """Return the mean squared error (N,) of patches, of which one band of frequencies after another is hidden."""
        image = self.standardize(x)
        rows, columns = self.backbone.grid(*image.shape[2:])
        row = torch.arange(rows, device=x.device).repeat_interleave(columns)
        n_bands = min(self.n_bands, rows)
        error = 0.0
        for band in range(n_bands):
            mask = (row * n_bands // rows == band).expand(len(x), -1)
            with self.precision(x.device):
                restored = self.backbone.reconstruct(image, mask)
            error = error + self.backbone.patch_errors(image, restored.float()) * mask
        return error.mean(1)
