"""An embedder of one's own: a network of two convolutions along time."""

from torch import nn

from skasd.embedders import BaseEmbedder

# the parameters every embedder has, with the values they are to have here
SHARED = {
    "loss": "cross_entropy",
    "loss_params": None,
    "patch_frames": 32,
    "patch_hop": None,
    "merge": "mean",
    "output": "embedding",
    "n_pseudo_classes": 10,
    "standardize": "bin",
    "mixing": "mixup",
    "domain_mixing": True,
    "augmenter": None,
    "crops_per_clip": 1,
    "lr_schedule": "onecycle",
    "optimizer": "adam",
    "weight_decay": 0.0,
    "early_stopping": None,
    "validation_fraction": 0.1,
    "checkpoint_dir": None,
    "warm_start": False,
    "precision": "auto",
    "callbacks": None,
}


class TemporalBackbone(nn.Sequential):
    """Patches (n, 1, n_bins, n_frames) to embeddings (n, embedding_dim)."""

    def __init__(self, n_bins, embedding_dim):
        super().__init__(nn.Flatten(1, 2), nn.Conv1d(n_bins, 64, 3, padding=1), nn.BatchNorm1d(64), nn.ReLU())
        self.extend([nn.Conv1d(64, embedding_dim, 3, padding=1), nn.AdaptiveAvgPool1d(1), nn.Flatten()])
        self.embedding_dim = embedding_dim


class TemporalEmbedder(BaseEmbedder):
    """Embed clips by two convolutions along time; the other parameters are those of SHARED."""

    def __init__(
        self, embedding_dim=32, *, max_epochs=10, batch_size=32, lr=1e-3, device="auto", random_state=None, verbose=0
    ):
        own = {"max_epochs": max_epochs, "batch_size": batch_size, "lr": lr, "device": device}
        super().__init__(**SHARED, **own, random_state=random_state, verbose=verbose)
        self.embedding_dim = embedding_dim

    def _make_backbone(self, n_bins, n_frames):
        return TemporalBackbone(n_bins, self.embedding_dim)
