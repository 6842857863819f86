"""Spectrograms as pictures: an image network classifies the machine against others."""

import sys
from numbers import Integral, Real
from os import PathLike
from typing import Any, Literal

import numpy as np
import torch

from .. import nn
from .._sklearn_compat import Interval
from .._typing import PathName
from ._base import BaseEmbedder
from ._docs import with_shared_docstring
from ._pretrained import load_torchvision_mobilenetv2, read_state


@with_shared_docstring
class ImageMobileNetV2Embedder(BaseEmbedder):
    r"""Distinguish spectrogram pictures of a machine from those of others with an image MobileNetV2.

    The second system of ITMO 2022 [1]_: each clip is one picture, clips of other machines (``proxy=``) are the outlier
    class, and the probability of the machine separates normal from anomalous clips.
    ``make_pipeline(SpectrogramImageTransformer(), ImageMobileNetV2Embedder(), ColumnScorer(weights=-1,
    calibration="mean"))`` is that system.

    Parameters
    ----------
    embedding_dim : int or None, default=None
        Length of the embedding; None: the pooled channels of the last convolution (1280).

    width : float, default=1.0
        Multiplier of the numbers of channels.

    in_channels : int, default=3
        Channels of the first convolution; the picture is copied to all of them.

    pretrained : path-like or None, default=None
        Checkpoint of torchvision's ``mobilenet_v2``, to start training from: ``.safetensors``, or a file of
        :func:`torch.save` that holds its state dict (no code in it is run). All convolutions and batch normalisations
        are loaded, ``classifier.*`` is left out. With ``in_channels`` other than 3 the first kernel is averaged and
        repeated.

    output : {"proba", "embedding", "log_proba", "log_odds"} or tuple of them, default="proba"
        What ``transform`` returns; several are concatenated. ``"proba"``: the probability of the machine, one column
        (without proxies: that of the most probable class).

    max_epochs : int, default=20
        Passes over the training clips.

    augmenter : object with ``augment(X, y=None, **metadata)`` or None, default=None
        Creates additional pictures before training. The augmentation of [1]_ works on waveforms
        (:class:`skasd.augment.WaveformAugmenter`), before the pictures are made.

    {shared}

    Attributes
    ----------
    {attributes}

    classes_ : ndarray of shape (n_classes,)
        ``["proxy", "target"]``; without proxies the sections, or clusters that replace them.

    patch_frames_ : int
        Width of the pictures.

    n_features_in_ : int
        Height of the pictures.

    pretrained_report_ : tuple of lists of str, or None
        ``(loaded, left_out, mismatched)``: how the entries of ``pretrained`` were used; ``verbose`` prints it.

    See Also
    --------
    skasd.features.SpectrogramImageTransformer : Makes the pictures.
    skasd.scorers.ColumnScorer : Has the threshold of [1]_, ``(1 - 0.04)`` times the mean probability.
    MobileNetV2Embedder : The same network on patches, trained to classify sections.

    Notes
    -----
    The loss is the cross-entropy of two classes, machine and outliers. [1]_ starts from a network trained on pictures,
    states no optimiser, epochs or learning rate, and uses one other machine as outliers; which one is part of its
    results (table 3).

    The published weights are ``mobilenet_v2-b0353104.pth`` and ``mobilenet_v2-7ebf99e0.pth`` of
    https://download.pytorch.org/models; the name ends with the beginning of the file's SHA-256.

    References
    ----------
    .. [1] S. Kazakova, A. Semenov, A. Surkov, S. Astapov, "Anomalous sound detection with autoencoder and image
       MobileNet using outlier exposure approach", DCASE2022 Challenge technical report, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.embedders import ImageMobileNetV2Embedder
    >>> X = np.random.default_rng(0).normal(size=(12, 32, 32)).astype("float32")
    >>> embedder = ImageMobileNetV2Embedder(width=0.25, max_epochs=1, random_state=0)
    >>> embedder.fit_transform(X, proxy=[False, True] * 6).shape
    (12, 1)
    """

    _parameter_constraints: dict = {
        **BaseEmbedder._parameter_constraints,
        "embedding_dim": [Interval(Integral, 1, None, closed="left"), None],
        "width": [Interval(Real, 0, None, closed="neither")],
        "in_channels": [Interval(Integral, 1, None, closed="left")],
        "pretrained": [str, PathLike, None],
    }

    _outputs = ("proba", *BaseEmbedder._outputs)
    uses_proxies = True

    def __init__(
        self,
        embedding_dim: int | None = None,
        width: float = 1.0,
        in_channels: int = 3,
        pretrained: PathName | None = None,
        *,
        loss: Any = "cross_entropy",
        output: Any = "proba",
        n_pseudo_classes: int = 10,
        standardize_input: Literal["bin", "global"] | None = "global",
        mixing: Any = None,
        augmenter: Any = None,
        max_epochs: int = 20,
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
            output=output,
            n_pseudo_classes=n_pseudo_classes,
            standardize_input=standardize_input,
            mixing=mixing,
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
            domain_mixing=False,
        )
        self.embedding_dim = embedding_dim
        self.width = width
        self.in_channels = in_channels
        self.pretrained = pretrained

    def _choose_patch_frames(self, lengths):
        return max(lengths)

    def _learn_classes(self, clips, metadata, seed):
        proxy = metadata.get("proxy")
        if proxy is None or not proxy.any():
            return super()._learn_classes(clips, metadata, seed)
        if proxy.all():
            raise ValueError(
                f"No clip to train {type(self).__name__} on: all n_samples={len(proxy)} clips are proxies."
            )
        self.pseudo_labels_ = None
        self.classes_ = np.array(["proxy", "target"])
        return (~proxy).astype(int)

    def _make_backbone(self, n_bins, n_frames):
        return nn.MobileNetV2(
            n_bins, n_frames, in_channels=self.in_channels, embedding_dim=self.embedding_dim, width=self.width
        )

    def _load_pretrained(self, backbone, mean, scale):
        self.pretrained_report_ = None
        if self.pretrained is not None:
            self.pretrained_report_ = load_torchvision_mobilenetv2(backbone, read_state(self.pretrained))
            if self.verbose:
                print(self.pretrained_report_, file=sys.stderr)
        return mean, scale

    def _patch_outputs(self, network, x, names):
        rest = [name for name in names if name != "proba"]
        outputs = super()._patch_outputs(network, x, [*rest, "log_proba"])
        # the machine is the last class; the log is clipped, as float32 may round it up to just above 0
        log_p = outputs["log_proba"].clamp(max=0)
        best = log_p[:, -1] if list(self.classes_) == ["proxy", "target"] else log_p.amax(1)
        outputs["proba"] = torch.exp(best)
        return {name: outputs[name] for name in names}
