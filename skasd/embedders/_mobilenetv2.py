"""MobileNetV2 embeddings."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

from .. import nn
from ._base import BaseEmbedder
from ._docs import with_shared_parameters


@with_shared_parameters(BaseEmbedder)
class MobileNetV2Embedder(BaseEmbedder):
    """Embed clips by a MobileNetV2 trained to tell sections apart.

    The network of SECOM 2021 (spectrogram patches of 1024 x 32, ArcFace), of CQUPT 2023 (64 mels, 3 s patches,
    cross-entropy) and, with ``width=0.5``, of the challenge's baseline of 2021 and 2022.

    Parameters
    ----------
    embedding_dim : int or None
        Length of the embedding; None: the pooled channels of the last convolution (1280).

    width : float
        Multiplier of the numbers of channels.

    variant : {"secom", "cqupt", "official"}
        Strides and position of the embedding, as in table 1 of [1]_, table 1 of [2]_, or the baseline [3]_.

    in_channels : int
        Channels of the first convolution; the patch is copied to all of them (3 in the baseline).

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
    MFNEmbedder : A network derived from this one, with learnt pooling.

    References
    ----------
    .. [1] K. Morita, T. Yano, K. Q. Tran, "Anomalous sound detection using CNN-based features by self supervised
       learning", DCASE2021 Challenge technical report, 2021.
    .. [2] Y. Zeng, H. Liu, Y. Zhou, "General anomalous sound detection using sound event classification and
       detection", DCASE2023 Challenge technical report, 2023.
    .. [3] K. Dohi et al., "Description and discussion on DCASE 2022 Challenge Task 2", arXiv:2206.05876, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import MobileNetV2Embedder
    >>> X = np.random.default_rng(0).normal(size=(12, 16, 20)).astype("float32")
    >>> embedder = MobileNetV2Embedder(width=0.25, max_epochs=1, patch_frames=16, random_state=0)
    >>> embedder.fit_transform(X, section=["a", "b"] * 6).shape
    (12, 128)
    """

    _parameter_constraints: dict = {
        **BaseEmbedder._parameter_constraints,
        "embedding_dim": [Interval(Integral, 1, None, closed="left"), None],
        "width": [Interval(Real, 0, None, closed="neither")],
        "variant": [StrOptions({"secom", "cqupt", "official"})],
        "in_channels": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        embedding_dim=128,
        width=1.0,
        variant="secom",
        in_channels=1,
        *,
        loss="arcface",
        loss_params=None,
        patch_frames=64,
        patch_hop=None,
        merge="mean",
        output="embedding",
        n_pseudo_classes=10,
        standardize="bin",
        mixing="mixup",
        domain_mixing=True,
        augmenter=None,
        max_epochs=30,
        crops_per_clip=1,
        batch_size=32,
        lr=1e-3,
        lr_schedule="onecycle",
        optimizer="adamw",
        weight_decay=1e-4,
        early_stopping=None,
        validation_fraction=0.1,
        checkpoint_dir=None,
        warm_start=False,
        device="auto",
        precision="auto",
        callbacks=None,
        random_state=None,
        verbose=0,
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
            callbacks=callbacks,
            random_state=random_state,
            verbose=verbose,
        )
        self.embedding_dim = embedding_dim
        self.width = width
        self.variant = variant
        self.in_channels = in_channels

    def _make_backbone(self, n_bins, n_frames):
        return nn.MobileNetV2(
            n_bins,
            n_frames,
            in_channels=self.in_channels,
            embedding_dim=self.embedding_dim,
            width=self.width,
            variant=self.variant,
        )
