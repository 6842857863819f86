"""Vision transformer embeddings."""

from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

from .. import nn
from .._sklearn_compat import Interval
from .._typing import PathName
from ._docs import with_shared_parameters
from ._target import SoundEventTarget


@with_shared_parameters(SoundEventTarget)
class ViTEmbedder(SoundEventTarget):
    """Embed clips by a shallow vision transformer trained on sound event classification or detection.

    The ViT of CQUPT 2023 on log-mels of 64 bins (STFT of 512 with a hop of 160 at 16 kHz): 16 x 16 pieces, one
    encoder layer, 3 s patches every 0.5 s.

    Parameters
    ----------
    patch : int or tuple of (int, int)
        Height (bins) and width (frames) of the pieces that become tokens.

    dim : int
        Width of a token, and length of the embedding.

    depth : int
        Number of encoder layers.

    heads : int
        Attention heads; must divide ``dim``.

    mlp_ratio : float
        Width of the feed-forward parts, as a multiple of ``dim``.

    dropout : float
        Dropout on the residual branches, in [0, 1).

    {shared}

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained network; ``net_.history`` holds the losses.

    classes_ : ndarray of shape (n_classes,)
        Classes of the auxiliary task, sorted.

    pseudo_labels_ : ndarray of int of shape (n_clips,) or None
        Cluster of each training clip where clusters stood in for sections.

    patch_frames_ : int
        Frames of the patches that the network takes.

    device_ : str
        Where the network is.

    n_features_in_ : int
        Number of frequency bins.

    See Also
    --------
    MobileNetV2Embedder : The other network of the same report (``variant="cqupt"``).
    skasd.nn.ViT : The network.
    skasd.scorers.MahalanobisScorer : The report's detector.

    Notes
    -----
    ``loss="auto"`` with ``target="sec"`` is the cross-entropy, ``mixing="auto"`` mixup. Sizes, patches, optimiser
    (Adam, 1e-3) and batches of 32 are the report's [1]_ (section 2.2, table 2, section 3.2). It mixes nothing with
    ``target="sec"`` (``mixing=None``) and trains for 40,000 batches, some 90 passes over its data. On four real toy
    cars (one seed, local outlier factor) the AUC was 0.78 without mixup, 0.82 with it, and 0.90 with patches of 64
    frames besides; ``benchmarks/embedders.py`` measures more.

    References
    ----------
    .. [1] Y. Zeng, H. Liu, Y. Zhou, "General anomalous sound detection using sound event classification and
       detection", DCASE2023 Challenge technical report, 2023.
    .. [2] A. Dosovitskiy et al., "An image is worth 16x16 words: transformers for image recognition at scale",
       ICLR, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.embedders import ViTEmbedder
    >>> X = np.random.default_rng(0).normal(size=(12, 16, 20)).astype("float32")
    >>> ViTEmbedder(max_epochs=1, random_state=0).fit_transform(X, section=["a", "b"] * 6).shape
    (12, 128)
    """

    _parameter_constraints: dict = {
        **SoundEventTarget._parameter_constraints,
        "patch": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "dim": [Interval(Integral, 1, None, closed="left")],
        "depth": [Interval(Integral, 1, None, closed="left")],
        "heads": [Interval(Integral, 1, None, closed="left")],
        "mlp_ratio": [Interval(Real, 0, None, closed="neither")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        patch: int | tuple[int, int] = 16,
        dim: int = 128,
        depth: int = 1,
        heads: int = 8,
        mlp_ratio: float = 4,
        dropout: float = 0.0,
        *,
        target: Literal["sec", "sed"] = "sec",
        loss: Literal[
            "auto", "arcface", "adacos", "subcluster_adacos", "focal", "cross_entropy", "binary_cross_entropy"
        ] = "auto",
        loss_params: dict | None = None,
        patch_frames: int = 301,
        patch_hop: int | None = 50,
        merge: Any = "mean",
        output: Any = "embedding",
        n_pseudo_classes: int = 10,
        standardize: Literal["bin", "global"] | None = "bin",
        mixing: Any = "auto",
        domain_mixing: bool = True,
        augmenter: Any = None,
        max_epochs: int = 30,
        crops_per_clip: int = 1,
        batch_size: int = 32,
        lr: float = 1e-3,
        lr_schedule: Literal["onecycle", "constant"] = "onecycle",
        optimizer: Literal["adam", "adamw", "adamax", "sgd"] | type = "adam",
        weight_decay: float = 0.0,
        early_stopping: int | None = None,
        validation_fraction: float = 0.1,
        checkpoint_dir: PathName | None = None,
        warm_start: bool = False,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        n_threads: int | None = None,
        callbacks: Any = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        super().__init__(
            loss=loss,  # type: ignore[arg-type]  # "auto" is resolved before the base looks at it
            loss_params=loss_params,
            patch_frames=patch_frames,
            patch_hop=patch_hop,
            merge=merge,
            output=output,
            n_pseudo_classes=n_pseudo_classes,
            standardize=standardize,
            mixing=mixing,
            domain_mixing=domain_mixing,
            augmenter=augmenter,
            max_epochs=max_epochs,
            crops_per_clip=crops_per_clip,
            batch_size=batch_size,
            lr=lr,
            lr_schedule=lr_schedule,
            optimizer=optimizer,
            weight_decay=weight_decay,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            checkpoint_dir=checkpoint_dir,
            warm_start=warm_start,
            device=device,
            precision=precision,
            n_threads=n_threads,
            callbacks=callbacks,
            random_state=random_state,
            verbose=verbose,
        )
        self.patch = patch
        self.dim = dim
        self.depth = depth
        self.heads = heads
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout
        self.target = target

    def _make_backbone(self, n_bins, n_frames):
        return nn.ViT(
            n_bins,
            n_frames,
            patch=self.patch,
            dim=self.dim,
            depth=self.depth,
            heads=self.heads,
            mlp_ratio=self.mlp_ratio,
            dropout=self.dropout,
        )
