"""The residual branch on a spectrogram."""

import torch.nn.functional as F
from torch import nn

from ._same_padding import SameConv2d, SqueezeExcitation, activation_layer, initialise


class STFTBranch(nn.Module):
    """Small residual network on a magnitude (or phase) spectrogram.

    Parameters
    ----------
    n_bins : int, default=513
        Frequency bins; every input must have as many. Any number of frames will do.
    embedding_dim : int, default=128
        Length of the embedding.
    activation : {"relu", "prelu"}, default="relu"
        Activation of all layers; "prelu" has a learnt slope per channel [2]_.
    squeeze_excitation : bool, default=False
        Whether each residual path ends with squeeze-and-excitation (ratio 16).
    bn_momentum : float, default=0.1
        Weight of a batch in the running statistics of batch normalisation. The authors' Keras has 0.01, which takes
        some 300 batches to forget the initial values: too many for few clips and epochs.

    Attributes
    ----------
    embedding_dim : int
        Length of the embedding.

    See Also
    --------
    SpectrumBranch : The branch on spectra of whole clips.
    MultiBranchNet : Branches side by side.

    Notes
    -----
    The network of [1]_. The mean over time is subtracted from each bin, then each bin is batch-normalised.
    A 7 x 7 convolution of stride 2 (batch normalisation, activation, max pooling 3 of stride 2) leads to
    four stages of two residual units with 16, 32, 64 and 128 channels:

    ======= ============= =============
    stage   10 s, 513x311 18 s, 513x561
    ======= ============= =============
    stem    128 x 77      128 x 140
    1       128 x 77      128 x 140
    2       64 x 39       64 x 70
    3       32 x 20       32 x 35
    4       16 x 10       16 x 18
    ======= ============= =============

    and the maximum over time, flattened (16 x 128 = 2048), is batch-normalised and mapped linearly to the
    embedding. A unit is [batch normalisation, activation, 3 x 3 convolution, batch normalisation,
    activation, 3 x 3 convolution], its shortcut starting behind the first normalisation; the very first
    unit, behind the stem's normalisation, has none of its own. Stages 2 to 4 begin with a unit of stride 2,
    whose shortcut is max pooling 2 and a 1 x 1 convolution. "Same" padding but for the stem's pooling;
    no layer has a bias.

    References
    ----------
    .. [1] K. Wilkinghoff. Self-supervised learning for anomalous sound detection. ICASSP 2024, 276-280.
    .. [2] J. Hai, D. Zhou, R. Liu, Y. I. Wu. Anomalous sound detection by self-supervised learning of VAE
       with domain shift techniques. Technical report, DCASE2024 Challenge Task 2, section 3.1.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import STFTBranch
    >>> STFTBranch(n_bins=65)(torch.rand(4, 1, 65, 40)).shape
    torch.Size([4, 128])
    """

    def __init__(
        self, n_bins=513, embedding_dim=128, activation="relu", squeeze_excitation=False, bn_momentum=0.1
    ):
        super().__init__()
        self.n_bins = n_bins
        self.embedding_dim = embedding_dim
        settings = (activation, squeeze_excitation, bn_momentum)
        self.input_norm = nn.BatchNorm1d(n_bins, eps=1e-3, momentum=bn_momentum)
        self.stem = nn.Sequential(
            SameConv2d(1, 16, 7, 2, bias=False),
            nn.BatchNorm2d(16, eps=1e-3, momentum=bn_momentum),
            activation_layer(activation, 16),
            nn.MaxPool2d(3, 2),
        )
        self.stages = nn.Sequential(
            nn.Sequential(_Unit(16, 16, 1, *settings, first=True), _Unit(16, 16, 1, *settings)),
            *(
                nn.Sequential(_Unit(n // 2, n, 2, *settings), _Unit(n, n, 1, *settings))
                for n in (32, 64, 128)
            ),
        )
        rows = (-(-max(n_bins, 5) // 2) - 3) // 2 + 1
        for _ in range(3):
            rows = -(-rows // 2)
        self.output = nn.Sequential(
            nn.BatchNorm1d(128 * rows, eps=1e-3, momentum=bn_momentum),
            nn.Linear(128 * rows, embedding_dim, bias=False),
        )
        self.apply(initialise)

    def forward(self, x):
        """Embed spectrograms of shape (N, 1, n_bins, n_frames) as (N, embedding_dim)."""
        if x.ndim != 4 or x.shape[1:3] != (1, self.n_bins):
            raise ValueError(
                f"Expected spectrograms of shape (N, 1, {self.n_bins}, n_frames), got {tuple(x.shape)}."
            )
        x = x[:, 0]
        x = self.input_norm(x - x.mean(2, keepdim=True))[:, None]
        # The stem's pooling needs 3 x 3 values, that is 5 x 5 of the input.
        missing = [max(5 - n, 0) for n in x.shape[2:]]
        if any(missing):
            x = F.pad(x, (0, missing[1], 0, missing[0]), mode="replicate")
        x = self.stages(self.stem(x))
        return self.output(x.amax(3).flatten(1))


class _Unit(nn.Module):
    """A residual unit; see the notes of STFTBranch."""

    def __init__(self, n_in, n_out, stride, activation, squeeze_excitation, bn_momentum, first=False):
        super().__init__()
        self.norm = nn.Identity() if first else nn.BatchNorm2d(n_in, eps=1e-3, momentum=bn_momentum)
        self.residual = nn.Sequential(
            activation_layer(activation, n_in),
            SameConv2d(n_in, n_out, 3, stride, bias=False),
            nn.BatchNorm2d(n_out, eps=1e-3, momentum=bn_momentum),
            activation_layer(activation, n_out),
            SameConv2d(n_out, n_out, 3, bias=False),
            SqueezeExcitation(n_out, activation=activation) if squeeze_excitation else nn.Identity(),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1
            else nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(n_in, n_out, 1, bias=False))
        )

    def forward(self, x):
        x = self.norm(x)
        return self.shortcut(x) + self.residual(x)
