"""MobileFaceNet embeddings."""

from numbers import Integral
from typing import Any, Literal

import numpy as np

from .. import nn
from .._sklearn_compat import Interval, StrOptions
from ._base import BaseEmbedder
from ._docs import with_shared_docstring


@with_shared_docstring
class MFNEmbedder(BaseEmbedder):
    """Embed clips with a MobileFaceNet trained to classify sections with a margin loss.

    The network of JLESS 2022 (log-mel patches of 128 x 64) and SECOM 2021 (spectrogram patches of 1024 x 32): it learns
    to classify the machine, ID or section of healthy clips; embeddings of anomalous clips lie away from theirs.

    Parameters
    ----------
    embedding_dim : int, default=128
        Length of the embedding.

    architecture : {"jless", "secom"}, default="jless"
        Strides of the bottlenecks: table 1 of [1]_ or table 2 of [2]_. Use ``"secom"`` for spectrograms with 512 or
        more bins.

    {shared}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    MobileNetV2Embedder : The network of the official baseline.
    skasd.scorers.LOFScorer : The detector that both reports use.

    Notes
    -----
    Defaults that neither report states (epochs, learning rate, optimiser, margin and scale of the loss, mixing
    strength) were chosen on real recordings; ``benchmarks/embedders.py`` measures them.

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang, J. Chen, "JLESS submission to DCASE2022 Task 2", technical report, 2022.
    .. [2] K. Morita, T. Yano, K. Q. Tran, "Anomalous sound detection using CNN-based features by self supervised
       learning", DCASE2021 Challenge technical report, 2021.
    .. [3] S. Chen, Y. Liu, X. Gao, Z. Han, "MobileFaceNets: efficient CNNs for accurate real-time face verification on
       mobile devices", CCBR, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import MFNEmbedder
    >>> X = np.random.default_rng(0).normal(size=(12, 16, 20)).astype("float32")
    >>> embedder = MFNEmbedder(max_epochs=1, patch_frames=16, random_state=0)
    >>> embedder.fit_transform(X, section=["a", "b"] * 6).shape
    (12, 128)
    """

    _parameter_constraints: dict = {
        **BaseEmbedder._parameter_constraints,
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "architecture": [StrOptions({"jless", "secom"})],
    }

    def __init__(
        self,
        embedding_dim: int = 128,
        architecture: Literal["jless", "secom"] = "jless",
        *,
        loss: Any = "arcface",
        patch_frames: int = 64,
        patch_hop: int | None = None,
        merge: Any = "mean",
        output: Any = "embedding",
        n_pseudo_classes: int = 10,
        standardize_input: Literal["bin", "global"] | None = "bin",
        mixing: Any = "mixup",
        domain_mixing: bool = True,
        augmenter: Any = None,
        max_epochs: int = 30,
        batch_size: int = 32,
        lr: float = 1e-3,
        lr_schedule: Literal["onecycle", "constant"] = "onecycle",
        optimizer: Literal["adam", "adamw", "adamax", "sgd"] | type = "adamw",
        weight_decay: float = 1e-4,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        n_threads: int | None = None,
        callbacks: Any = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        super().__init__(
            loss=loss,
            patch_frames=patch_frames,
            patch_hop=patch_hop,
            merge=merge,
            output=output,
            n_pseudo_classes=n_pseudo_classes,
            standardize_input=standardize_input,
            mixing=mixing,
            domain_mixing=domain_mixing,
            augmenter=augmenter,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            lr_schedule=lr_schedule,
            optimizer=optimizer,
            weight_decay=weight_decay,
            device=device,
            precision=precision,
            n_threads=n_threads,
            callbacks=callbacks,
            random_state=random_state,
            verbose=verbose,
        )
        self.embedding_dim = embedding_dim
        self.architecture = architecture

    def _make_backbone(self, n_bins, n_frames):
        return nn.MobileFaceNet(n_bins, n_frames, embedding_dim=self.embedding_dim, table=self.architecture)
