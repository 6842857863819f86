"""A loss of one's own: classes are subspaces, and a clip belongs to the one that it is nearest to."""

import torch
from torch import nn
from torch.nn import functional as F


class AdaProj(nn.Module):
    r"""Cross-entropy of the cosines between embeddings and their projections onto the subspaces of the classes.

    Parameters
    ----------
    embedding_dim : int
        Length of an embedding.

    n_classes : int
        Number of classes.

    subspace_dim : int, default=8
        Directions that span the subspace of a class; they stay as they are drawn.

    scale : float, default=16.0
        Scale of the cosines. The paper adapts it from batch to batch.

    References
    ----------
    .. [1] K. Wilkinghoff, "AdaProj: adaptively scaled angular margin subspace projections for anomalous sound
       detection with auxiliary classification tasks", DCASE Workshop, 2024.
    """

    def __init__(self, embedding_dim, n_classes, subspace_dim=8, scale=16.0):
        super().__init__()
        self.scale = scale
        self.basis = nn.Parameter(torch.randn(n_classes, subspace_dim, embedding_dim), requires_grad=False)

    def log_proba(self, embedding):
        """Return the log-probabilities (n, n_classes) of the classes, which `predict_log_proba` is made of."""
        x, basis = F.normalize(embedding), F.normalize(self.basis, dim=2)
        onto = torch.einsum("nd,ckd->nck", x, basis)
        projection = F.normalize(torch.einsum("nck,ckd->ncd", onto, basis), dim=2)
        return F.log_softmax(self.scale * torch.einsum("nd,ncd->nc", x, projection), dim=1)

    def forward(self, embedding, target):
        """Return the mean loss of a batch; `target` holds the weights (n, n_classes) of mixed labels."""
        return -(target * self.log_proba(embedding)).sum(dim=1).mean()
