"""An embedder of one's own: a network of two convolutions along time."""

from torch import nn

from skasd.embedders import BaseEmbedder


class TemporalBackbone(nn.Sequential):
    """Patches (n, 1, n_bins, n_frames) to embeddings (n, embedding_dim)."""

    def __init__(self, n_bins, embedding_dim):
        super().__init__(nn.Flatten(1, 2), nn.Conv1d(n_bins, 64, 3, padding=1), nn.BatchNorm1d(64), nn.ReLU())
        self.extend([nn.Conv1d(64, embedding_dim, 3, padding=1), nn.AdaptiveAvgPool1d(1), nn.Flatten()])
        self.embedding_dim = embedding_dim


class TemporalEmbedder(BaseEmbedder):
    """Embed clips by two convolutions along time, trained to tell sections apart.

    Parameters
    ----------
    embedding_dim : int, default=32
        Length of an embedding.

    max_epochs : int, default=10
        Passes over the training clips.

    lr : float, default=0.01
        Learning rate.

    device : str, default="auto"
        Where the network is.

    random_state : int, RandomState instance or None, default=None
        First weights, order, crops and mixing.
    """

    def __init__(self, embedding_dim=32, *, max_epochs=10, lr=1e-2, device="auto", random_state=None):
        super().__init__(max_epochs=max_epochs, lr=lr, device=device, random_state=random_state)
        self.embedding_dim = embedding_dim

    def _make_backbone(self, n_bins, n_frames):
        return TemporalBackbone(n_bins, self.embedding_dim)
