"""An embedder of one's own: a network of two convolutions along time."""

from inspect import signature
from numbers import Integral

from sklearn.utils._param_validation import Interval
from torch import nn

from skasd.embedders import BaseEmbedder, DPTEmbedder

# Parameters that every embedder has, here with the defaults of another one. Those that users are to change
# stand in the __init__ below.
DEFAULTS = DPTEmbedder().get_params()
SHARED = {name: DEFAULTS[name] for name in signature(BaseEmbedder).parameters}


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

    max_epochs, lr, device, random_state : object
        See :class:`skasd.embedders.BaseEmbedder`.
    """

    _parameter_constraints: dict = {
        **BaseEmbedder._parameter_constraints,
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, embedding_dim=32, *, max_epochs=10, lr=1e-2, device="auto", random_state=None):
        own = {"max_epochs": max_epochs, "lr": lr, "device": device, "random_state": random_state}
        super().__init__(**{**SHARED, **own})
        self.embedding_dim = embedding_dim

    def _make_backbone(self, n_bins, n_frames):
        return TemporalBackbone(n_bins, self.embedding_dim)
