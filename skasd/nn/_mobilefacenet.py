"""MobileFaceNet."""

from typing import Literal

from torch import Tensor, nn

from ._inverted_residual import (
    ConvBlock,
    check_sizes,
    initialise,
    inverted_residual_stages,
    size_after,
)
from ._prelu import PReLU

# (expansion t, channels c, blocks n, stride s of the first block)
_STAGES = {
    "jless": [(2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1)],
    "secom": [(2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 2), (4, 128, 1, 2), (2, 128, 2, 1)],
}


class MobileFaceNet(nn.Module):
    """MobileFaceNet for time-frequency patches.

    Parameters
    ----------
    n_bins, n_frames : int
        Size of the patches; at least one bin and one frame. The global depthwise convolution is as
        large as the last feature map, so a network takes patches of this size only.
    in_channels : int, default=1
        Channels of a patch.
    embedding_dim : int, default=128
        Length of the embedding.
    table : {"jless", "secom"}, default="jless"
        Strides of the bottlenecks. "jless": table 1 of [2]_, drawn up for log-mel patches of 128 x 64.
        "secom": table 2 of [3]_, for spectrograms of 1024 x 32, which [2]_ uses for 512 x 32 as well;
        the stage t=2, c=128, n=6 has stride 2 instead of 1.

    Attributes
    ----------
    embedding_dim : int
        Length of the embedding.
    features : Sequential
        All layers up to the 1 x 1 convolution to 512 channels.
    gdconv : Sequential
        Linear global depthwise convolution and its batch normalisation.
    projection : Sequential
        Linear 1 x 1 convolution to ``embedding_dim`` channels and its batch normalisation.

    See Also
    --------
    MobileNetV2 : The other network of [3]_.

    Notes
    -----
    Every convolution is followed by batch normalisation and, unless it is linear, by a PReLU with one
    slope per channel, as in [1]_. A global depthwise convolution takes the place of average pooling: it weights each
    cell of the last feature map separately. The tables print its kernel as 4 x 8 of an 8 x 4 map and as 16 x 1 of a 32
    x 1 map; 16 x 1 is the map of a 512 x 32 input. Here it always covers the whole map. The last row of the first table
    (linear, 6 classes) belongs to the objective.

    Training needs batches of at least two patches, for the batch normalisation of the embedding.

    Weights are drawn from PyTorch's global generator: wrap the construction in
    :func:`torch.random.fork_rng` to leave that alone.

    References
    ----------
    .. [1] S. Chen, Y. Liu, X. Gao and Z. Han, "MobileFaceNets: efficient CNNs for accurate real-time face
       verification on mobile devices", CCBR 2018.
    .. [2] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task 2: batch
       mixing strategy based method with anomaly detector for anomalous sound detection", table 1.
    .. [3] K. Morita, T. Yano and K. Q. Tran, "Anomalous sound detection using CNN-based features by
       self supervised learning", DCASE2021 Challenge, table 2.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import MobileFaceNet
    >>> network = MobileFaceNet(n_bins=128, n_frames=64)
    >>> network(torch.zeros(2, 1, 128, 64)).shape
    torch.Size([2, 128])
    """

    def __init__(
        self,
        n_bins: int,
        n_frames: int,
        *,
        in_channels: int = 1,
        embedding_dim: int = 128,
        table: Literal["jless", "secom"] = "jless",
    ):
        super().__init__()
        check_sizes(n_bins=n_bins, n_frames=n_frames, in_channels=in_channels, embedding_dim=embedding_dim)
        if table not in _STAGES:
            raise ValueError(f"table={table!r}: must be one of {sorted(_STAGES)}")
        stages = _STAGES[table]
        self.embedding_dim = embedding_dim
        self.features = nn.Sequential(
            ConvBlock(in_channels, 64, 3, stride=2, activation=PReLU),
            ConvBlock(64, 64, 3, groups=64, activation=PReLU),
            *inverted_residual_stages(64, stages, PReLU),
            ConvBlock(128, 512, 1, activation=PReLU),
        )
        n_halvings = 1 + sum(stride == 2 for *_, stride in stages)
        size = (size_after(n_bins, n_halvings), size_after(n_frames, n_halvings))
        self.gdconv = nn.Sequential(nn.Conv2d(512, 512, size, groups=512, bias=False), nn.BatchNorm2d(512))
        self.projection = nn.Sequential(
            nn.Conv2d(512, embedding_dim, 1, bias=False), nn.BatchNorm2d(embedding_dim)
        )
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Embed patches.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, n_bins, n_frames)
            Patches, floating point.

        Returns
        -------
        Tensor of shape (N, embedding_dim)
            Embeddings, not normalised.
        """
        return self.projection(self.gdconv(self.features(x))).flatten(1)
