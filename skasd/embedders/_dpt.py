"""Dual-path transformer embeddings."""

from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

from .. import nn
from .._sklearn_compat import Interval, StrOptions
from .._typing import PathName
from ._base import BaseEmbedder
from ._choices import OBJECTIVES
from ._docs import with_shared_parameters

_LOSSES = {"cross_entropy", "focal"}


@with_shared_parameters(BaseEmbedder)
class DPTEmbedder(BaseEmbedder):
    r"""Embed clips by a dual-path transformer that restores masked areas and tells sections apart.

    The DPT of JLESS 2022 (log-mel patches of 128 x 64): encoder layers along frequency and along time in turn,
    trained with two strategies at once.

    Parameters
    ----------
    patch : tuple of (int, int)
        Height (bins) and width (frames) of the pieces that become tokens.

    dim : int
        Width of a token.

    heads : int
        Attention heads; must divide ``dim``.

    blocks : int
        Number of blocks, each of an encoder layer along frequency and one along time.

    mlp_ratio : float
        Width of the feed-forward parts, as a multiple of ``dim``.

    dropout : float
        Dropout on the residual branches, in [0, 1).

    embedding_dim : int
        Length of the embedding.

    mask_ratio : float
        Share of the patch that is hidden while training, in (0, 1): one rectangle, drawn anew for each.

    reconstruction_weight : float
        Weight :math:`w` of the reconstruction beside the classification.

    loss : {"cross_entropy", "focal"}
        Objective of the classification of sections.

    output : {"embedding", "log_proba", "log_odds", "reconstruction_error"} or tuple of them
        What ``transform`` returns; several are concatenated. ``"log_proba"`` is the mean over patches of the log of
        the class probabilities, ``"log_odds"`` that of ``log p - log(1 - p)``. ``"reconstruction_error"`` is one
        column, the mean squared error in units of the standardised input: the higher, the less normal.

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
    MFNEmbedder : The other network of the same report.
    skasd.nn.DualPathTransformer : The network.

    Notes
    -----
    The loss of a patch :math:`x`, standardised, of which the pieces :math:`M` are hidden, is

    .. math:: L_\mathrm{class}(y, f(x_{\setminus M})) + \frac{w}{|M|} \sum_{i \in M} \mathrm{MSE}(x_i, \hat x_i)

    from one pass over the masked patch (the two strategies of [1]_, section 2.2; [2]_, [3]_). The report's score
    combines log-softmax and mean squared error: ``output=("log_proba", "reconstruction_error")`` hands both on.

    When embedding, nothing is hidden. For the reconstruction error the patch is cut into bands of frequencies, each as
    large as the share ``mask_ratio``; one after another is hidden, and the error is that of every piece while it was
    hidden. That tells whether the bands still sound as the others let expect, and costs a pass per band. (On four real
    toy cars, after 15 epochs, the AUC of this error alone was 0.70; with nothing hidden it was 0.65, with stretches of
    time hidden 0.61.)

    None of the sources prints sizes, mask ratio, weight or settings of the optimiser: those here are the library's,
    chosen on real recordings; ``benchmarks/embedders.py`` measures them.

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang, J. Chen, "JLESS submission to DCASE2022 Task 2", technical report, 2022.
    .. [2] J. Bai, M. Wang, J. Chen, "Dual-path transformer for machine condition monitoring", APSIPA ASC, 2021.
    .. [3] J. Bai, J. Chen, M. Wang, M. S. Ayub, Q. Yan, "SSDPT: self-supervised dual-path transformer for anomalous
       sound detection in machine condition monitoring", arXiv:2208.03421, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.embedders import DPTEmbedder
    >>> X = np.random.default_rng(0).normal(size=(12, 16, 20)).astype("float32")
    >>> embedder = DPTEmbedder(max_epochs=1, patch_frames=16, output=("log_proba", "reconstruction_error"))
    >>> embedder.fit_transform(X, section=["a", "b"] * 6).shape
    (12, 3)
    """

    _parameter_constraints: dict = {
        **BaseEmbedder._parameter_constraints,
        "loss": [StrOptions(_LOSSES)],
        "patch": [tuple, list],
        "dim": [Interval(Integral, 1, None, closed="left")],
        "heads": [Interval(Integral, 1, None, closed="left")],
        "blocks": [Interval(Integral, 1, None, closed="left")],
        "mlp_ratio": [Interval(Real, 0, None, closed="neither")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "mask_ratio": [Interval(Real, 0, 1, closed="neither")],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
    }

    _outputs = (*BaseEmbedder._outputs, "reconstruction_error")

    def __init__(
        self,
        patch: tuple[int, int] = (8, 8),
        dim: int = 64,
        heads: int = 2,
        blocks: int = 2,
        mlp_ratio: float = 4,
        dropout: float = 0.0,
        embedding_dim: int = 128,
        mask_ratio: float = 0.25,
        reconstruction_weight: float = 1.0,
        *,
        loss: Literal["cross_entropy", "focal"] = "cross_entropy",
        loss_params: dict | None = None,
        patch_frames: int = 64,
        patch_hop: int | None = None,
        merge: Any = "mean",
        output: Any = "embedding",
        n_pseudo_classes: int = 10,
        standardize: Literal["bin", "global"] | None = "bin",
        mixing: Any = "mixup",
        domain_mixing: bool = True,
        augmenter: Any = None,
        max_epochs: int = 30,
        crops_per_clip: int = 1,
        batch_size: int = 32,
        lr: float = 1e-3,
        lr_schedule: Literal["onecycle", "constant"] = "onecycle",
        optimizer: Literal["adam", "adamw", "adamax", "sgd"] | type = "adamw",
        weight_decay: float = 1e-4,
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
            loss=loss,
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
        self.heads = heads
        self.blocks = blocks
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout
        self.embedding_dim = embedding_dim
        self.mask_ratio = mask_ratio
        self.reconstruction_weight = reconstruction_weight

    def _make_backbone(self, n_bins, n_frames):
        return nn.DualPathTransformer(
            n_bins,
            n_frames,
            patch=self.patch,
            dim=self.dim,
            heads=self.heads,
            blocks=self.blocks,
            mlp_ratio=self.mlp_ratio,
            dropout=self.dropout,
            embedding_dim=self.embedding_dim,
        )

    def _make_network(self, backbone, mean, scale, n_classes):
        objective = OBJECTIVES[self.loss](backbone.embedding_dim, n_classes, **(self.loss_params or {}))
        joint = nn.JointObjective(objective, self.reconstruction_weight)
        return nn.MaskedNetwork(backbone, joint, mean, scale, n_bands=max(2, round(1 / self.mask_ratio)))

    def _make_batch(self, x, targets, generator):
        # drawn here, not in the network: all chance of a run comes from its own generator
        mask = self.net_.module_.backbone.random_mask(len(x), self.mask_ratio, generator)
        return {"x": x, "mask": mask}, targets["label"]

    def _patch_outputs(self, network, x, names):
        rest = [name for name in names if name != "reconstruction_error"]
        outputs = super()._patch_outputs(network, x, rest) if rest else {}
        if "reconstruction_error" in names:
            outputs["reconstruction_error"] = network.reconstruction_error(x)
        return {name: outputs[name] for name in names}
