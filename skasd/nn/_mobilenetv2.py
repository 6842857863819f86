"""MobileNetV2."""

from typing import Any, Literal

from torch import Tensor, nn

from ._inverted_residual import ConvBlock, check_sizes, initialise, inverted_residual_stages, multiple_of_8

# (expansion t, channels c, blocks n, stride s of the first block). The paper's own table is that of
# SECOM and of Keras; PANNs and the report that fine-tunes them halve the map one stage earlier.
_STAGES = {
    "secom": [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ],
    "cqupt": [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 2),
        (6, 160, 3, 1),
        (6, 320, 1, 1),
    ],
}
_STAGES["official"] = _STAGES["secom"]


class MobileNetV2(nn.Module):
    """MobileNetV2 for time-frequency patches.

    Parameters
    ----------
    n_bins, n_frames : int
        Size of the patches; at least one bin and one frame. Average pooling lets the network take patches
        of any size, these included.
    in_channels : int, default=1
        Channels of a patch. With more than one, patches of a single channel are accepted as
        well and copied to all of them.
    embedding_dim : int or None, default=128
        Length of the embedding. None: the pooled 1280 channels.
    width : float, default=1.0
        Multiplier of the numbers of channels (alpha), rounded to multiples of 8; the last convolution
        keeps 1280 channels where it is below 1.
    variant : {"secom", "cqupt", "official"}, default="secom"
        "secom": table 1 of [2]_; the embedding is a 1 x 1 convolution of the pooled channels.
        "cqupt": table 1 of [3]_: the stage of 96 channels has stride 2 and that of 160 stride 1, and the
        last convolution, before pooling, has ``embedding_dim`` channels (section 2.1.2).
        "official": the challenge's baseline of 2021 and 2022 [4]_, strides as in "secom" with
        the batch normalisation of Keras (epsilon 1e-3, momentum 0.999). Its settings are
        ``in_channels=3, embedding_dim=None, width=0.5`` on 128 bins x 64 frames.

    Attributes
    ----------
    embedding_dim : int
        Length of the embedding.
    features : Sequential
        All convolutions up to pooling.
    projection : Linear or Identity
        From the pooled channels to the embedding.

    See Also
    --------
    MobileFaceNet : A derived network with a learnt pooling.

    Notes
    -----
    Inverted residual blocks with linear bottlenecks and ReLU6 [1]_; batch normalisation after every
    convolution but the projection. SECOM's table prints the average pooling as 16 x 1 of a 32 x 1 map;
    here it covers the whole map.

    Weights are drawn from PyTorch's global generator: wrap the construction in
    :func:`torch.random.fork_rng` to leave that alone.

    References
    ----------
    .. [1] M. Sandler, A. Howard, M. Zhu, A. Zhmoginov and L.-C. Chen, "MobileNetV2: inverted residuals
       and linear bottlenecks", CVPR 2018.
    .. [2] K. Morita, T. Yano and K. Q. Tran, "Anomalous sound detection using CNN-based features by
       self supervised learning", DCASE2021 Challenge, table 1.
    .. [3] Y. Zeng, H. Liu and Y. Zhou, "General anomalous sound detection using sound event
       classification and detection", DCASE2023 Challenge, table 1.
    .. [4] K. Dohi et al., "Description and discussion on DCASE 2022 Challenge Task 2: unsupervised
       anomalous sound detection for machine condition monitoring applying domain generalization
       techniques", arXiv:2206.05876.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import MobileNetV2
    >>> baseline = MobileNetV2(128, 64, in_channels=3, embedding_dim=None, width=0.5, variant="official")
    >>> baseline(torch.zeros(2, 1, 128, 64)).shape
    torch.Size([2, 1280])
    """

    # Names of parameters are those of torchvision's mobilenet_v2: `features.*` fits key by key (width 1,
    # embedding_dim=None, in_channels=3; sum the first kernel over its inputs for in_channels=1), its
    # `classifier.1` is an objective's linear layer. PANNs' MobileNetV2 keeps one flat list per block:
    # features.0 = (conv, pool, bn, act), features.i.conv = (conv, bn, act, conv, pool, bn, act, conv, bn);
    # its strides are average pools, so its weights fit variant="cqupt" but for that.

    def __init__(
        self,
        n_bins: int,
        n_frames: int,
        *,
        in_channels: int = 1,
        embedding_dim: int | None = 128,
        width: float = 1.0,
        variant: Literal["secom", "cqupt", "official"] = "secom",
    ):
        super().__init__()
        check_sizes(n_bins=n_bins, n_frames=n_frames, in_channels=in_channels, embedding_dim=embedding_dim)
        if variant not in _STAGES:
            raise ValueError(f"variant={variant!r}: must be one of {sorted(_STAGES)}")
        if not width > 0:
            raise ValueError(f"width={width!r}: must be above 0")
        self.in_channels = in_channels
        last = multiple_of_8(1280 * max(1.0, width))
        if variant == "cqupt" and embedding_dim is not None:
            last = embedding_dim
        self.embedding_dim = last if embedding_dim is None else embedding_dim

        stages = [(t, multiple_of_8(width * c), n, s) for t, c, n, s in _STAGES[variant]]
        first = multiple_of_8(width * 32)
        self.features = nn.Sequential(
            ConvBlock(in_channels, first, 3, stride=2, activation=_relu6),
            *inverted_residual_stages(first, stages, _relu6),
            ConvBlock(stages[-1][1], last, 1, activation=_relu6),
        )
        self.projection: nn.Module = (
            nn.Identity() if self.embedding_dim == last else nn.Linear(last, self.embedding_dim)
        )
        if variant == "official":
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eps, module.momentum = 1e-3, 1e-3  # PyTorch's momentum is one minus Keras'
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Embed patches.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels or 1, n_bins, n_frames)
            Patches, floating point.

        Returns
        -------
        Tensor of shape (N, embedding_dim)
            Embeddings, not normalised.
        """
        x = x.expand(-1, self.in_channels, -1, -1)
        return self.projection(self.features(x).mean(dim=(2, 3)))

    def pool_instead_of_strides(self) -> None:
        """Let every strided convolution step by 1 and average its output over 2 x 2 instead, as in PANNs' network."""
        for block in self.modules():
            if isinstance(block, ConvBlock):
                convolution: Any = block[0]
                if convolution.stride != (1, 1):
                    block.insert(1, nn.AvgPool2d(convolution.stride))
                    convolution.stride = (1, 1)


def _relu6(_channels: int) -> nn.Module:
    return nn.ReLU6(inplace=True)
