"""Cnn14 of PANNs."""

from collections.abc import Iterable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class _ConvBlock(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.bn2 = nn.BatchNorm2d(n_out)

    def forward(self, x):
        return self.bn2(self.conv2(self.bn1(self.conv1(x)).relu_())).relu_()


class Cnn14(nn.Module):
    """The convolutional blocks of PANNs' Cnn14, an audio tagger [1]_.

    The names in its state dict are those of the published checkpoints. These hold more: the front end, and two dense
    layers behind the mean over frequency, which this network does not have.

    Parameters
    ----------
    n_mels : int, default=64
        Number of mel bands.

    channels : sequence of int, default=(64, 128, 256, 512, 1024, 2048)
        Channels of each block.

    References
    ----------
    .. [1] Q. Kong, Y. Cao, T. Iqbal, Y. Wang, W. Wang, M. D. Plumbley, "PANNs: large-scale pretrained audio neural
       networks for audio pattern recognition", IEEE/ACM Transactions on Audio, Speech, and Language Processing 28,
       2020.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import Cnn14
    >>> network = Cnn14(channels=(4, 8, 16)).eval()
    >>> [tuple(map.shape) for map in network.maps(torch.zeros(2, 1, 64, 100), (1, 3))]
    [(2, 4, 32, 50), (2, 16, 8, 12)]
    """

    def __init__(self, n_mels: int = 64, channels: Sequence[int] = (64, 128, 256, 512, 1024, 2048)):
        super().__init__()
        self.bn0 = nn.BatchNorm2d(n_mels)
        self.n_blocks = len(channels)
        n_in = 1
        for number, n_out in enumerate(channels, 1):
            self.add_module(f"conv_block{number}", _ConvBlock(n_in, n_out))
            n_in = n_out

    def forward(self, x: Tensor) -> Tensor:
        """Map log-mels (N, 1, n_mels, n_frames) in dB to the outputs of the last block."""
        return self.maps(x, [self.n_blocks])[0]

    def maps(self, x: Tensor, blocks: Iterable[int]) -> list[Tensor]:
        """Return the outputs of blocks, counted from 1, of shape (N, C, n_mels / s, n_frames / s).

        Blocks 1 to 5 are averaged over 2 x 2 behind, so that s = 2 ** block; for block 6 it is 32.
        """
        wanted = list(blocks)
        found = {}
        # images of the published network have time along their rows
        x = self.bn0(x.transpose(1, 2)).permute(0, 2, 3, 1)
        for number in range(1, max(wanted) + 1):
            x = self.get_submodule(f"conv_block{number}")(x)
            if number < 6:
                x = F.avg_pool2d(x, 2)
            if number in wanted:
                found[number] = x.transpose(2, 3)
        return [found[number] for number in wanted]
