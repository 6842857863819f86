"""MobileNetV2 embeddings."""

import sys
from numbers import Integral, Real
from os import PathLike
from typing import Any, Literal

import numpy as np

from .. import nn
from .._sklearn_compat import Interval, StrOptions
from .._typing import PathName
from ._base import BaseEmbedder
from ._docs import with_shared_docstring
from ._pretrained import (
    input_scaling,
    load_panns_mobilenetv2,
    panns_front_end,
    read_state,
)


@with_shared_docstring
class MobileNetV2Embedder(BaseEmbedder):
    """Embed clips with a MobileNetV2 trained to classify sections.

    The network of SECOM 2021 (spectrogram patches of 1024 x 32, ArcFace), of CQUPT 2023 (64 mels, 3 s patches,
    cross-entropy) and, with ``width=0.5``, of the challenge's baseline of 2021 and 2022.

    Parameters
    ----------
    embedding_dim : int or None, default=128
        Length of the embedding; None: the pooled channels of the last convolution (1280).

    width : float, default=1.0
        Multiplier of the numbers of channels.

    variant : {"secom", "cqupt", "official"}, default="secom"
        Strides and position of the embedding, as in table 1 of [1]_, table 1 of [2]_, or the baseline [3]_.

    in_channels : int, default=1
        Channels of the first convolution; the patch is copied to all of them (3 in the baseline).

    pretrained : path-like or None, default=None
        Checkpoint of the MobileNetV2 that PANNs [4]_ trained on AudioSet, to start training from; for
        ``variant="cqupt"`` with ``in_channels=1`` and patches of at least 32 x 32. See Notes.

    {shared}

    Attributes
    ----------
    {attributes}

    pretrained_report_ : tuple of lists of str, or None
        ``(loaded, left_out, mismatched, front_end)``: how the entries of ``pretrained`` were used, and the log-mels
        they were trained on; ``verbose`` prints it.

    See Also
    --------
    MFNEmbedder : A network derived from this one, with learnt pooling.
    ViTEmbedder : The other network of CQUPT 2023.

    Notes
    -----
    For sound event detection [2]_, with several machines sounding at once or none, take
    ``loss="binary_cross_entropy", mixing="sound_events"`` on power spectra in dB: the batches hold sums of clips, and
    each class has a sigmoid of its own. ``predict_log_proba`` is then the log-sigmoid of each class.

    The default ``lr`` is for training from random weights (four real toy cars, 15 epochs, Mahalanobis distance: AUC
    0.88 with 1e-2, 0.62 with 1e-3); with ``pretrained`` weights use 1e-3.

    The published PANNs weights are ``MobileNetV2_mAP=0.383.pth`` of https://zenodo.org/records/3987831 (also as
    https://doi.org/10.5281/zenodo.3987831); compare the checksum on that page with that of your download. All
    convolutions and batch normalisations before the last are loaded, with ``embedding_dim=None`` also the last; ``fc1``
    and ``fc_audioset``, which classify 527 sounds, and the fixed filters of its own log-mels (64 mels) are left out.
    The network then pools after convolutions instead of striding, as the published one does. With 64 bins the
    checkpoint's input normalisation follows ``standardize_input``, or replaces it if that is None.

    References
    ----------
    .. [1] K. Morita, T. Yano, K. Q. Tran, "Anomalous sound detection using CNN-based features by self supervised
       learning", DCASE2021 Challenge technical report, 2021.
    .. [2] Y. Zeng, H. Liu, Y. Zhou, "General anomalous sound detection using sound event classification and
       detection", DCASE2023 Challenge technical report, 2023.
    .. [3] K. Dohi et al., "Description and discussion on DCASE 2022 Challenge Task 2", arXiv:2206.05876, 2022.
    .. [4] Q. Kong et al., "PANNs: large-scale pretrained audio neural networks for audio pattern recognition",
       IEEE/ACM Transactions on Audio, Speech, and Language Processing 28, 2020.

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
        "pretrained": [str, PathLike, None],
    }

    def __init__(
        self,
        embedding_dim: int | None = 128,
        width: float = 1.0,
        variant: Literal["secom", "cqupt", "official"] = "secom",
        in_channels: int = 1,
        pretrained: PathName | None = None,
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
        lr: float = 1e-2,
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
        self.width = width
        self.variant = variant
        self.in_channels = in_channels
        self.pretrained = pretrained

    def _make_backbone(self, n_bins, n_frames):
        backbone = nn.MobileNetV2(
            n_bins,
            n_frames,
            in_channels=self.in_channels,
            embedding_dim=self.embedding_dim,
            width=self.width,
            variant=self.variant,
        )
        if self.pretrained is not None:
            self._check_fit_of_pretrained()
            backbone.pool_instead_of_strides()
        return backbone

    def _load_pretrained(self, backbone, mean, scale):
        self.pretrained_report_ = None
        if self.pretrained is not None:
            state = read_state(self.pretrained)
            front_end = panns_front_end(state)
            if "bn0.weight" in state and len(state["bn0.weight"]) != self.n_features_in_:
                raise ValueError(
                    f"pretrained={str(self.pretrained)!r} is of {len(state['bn0.weight'])} mel bands, X has "
                    f"{self.n_features_in_}. The published network goes with LogMelTransformer(sample_rate=32000, "
                    "n_fft=1024, hop_length=320, n_mels=64, fmin=50.0, fmax=14000.0)"
                    + (f"; the file was made for {front_end}." if front_end else ".")
                )
            report = load_panns_mobilenetv2(backbone, state)._replace(front_end=front_end)
            if "bn0.weight" in state:
                mean, scale, used = input_scaling(state, mean, scale, self.standardize_input)
                report = report.also(used)
            self.pretrained_report_ = report
            if self.verbose:
                print(report, file=sys.stderr)
        return mean, scale

    def _check_fit_of_pretrained(self):
        for name, wanted in (("variant", "cqupt"), ("in_channels", 1)):
            if getattr(self, name) != wanted:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} does not go with pretrained weights: use {name}={wanted!r}."
                )
        if min(self.n_features_in_, self.patch_frames_) < 32:
            raise ValueError(
                f"Patches of {self.n_features_in_} bins x {self.patch_frames_} frames are too small for pretrained "
                "weights, whose network halves them five times: 32 x 32 at least (64 bins are what it was trained on)."
            )
