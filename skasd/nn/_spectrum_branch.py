"""The branch on the spectrum of a whole clip."""

import math

from torch import nn

from ._same_padding import SameConv1d, SqueezeExcitation, activation_layer, initialise


class SpectrumBranch(nn.Module):
    """Convolutional network on the magnitude spectrum of a whole clip.

    Parameters
    ----------
    n_bins : int, default=80000
        Bins of the spectrum: 80,000 for 10 s, 144,000 for 18 s at 16 kHz. Every input must have as many.
    embedding_dim : int, default=128
        Length of the embedding.
    activation : {"relu", "prelu"}, default="relu"
        Activation of all layers; "prelu" has a learnt slope per channel [2]_.
    squeeze_excitation : bool, default=False
        Whether each convolution is followed by squeeze-and-excitation (ratio 16).
    bn_momentum : float, default=0.1
        Weight of a batch in the running statistics of batch normalisation. The authors' Keras has 0.01, which takes
        some 300 batches to forget the initial values: too many for few clips and epochs.

    Attributes
    ----------
    embedding_dim : int
        Length of the embedding.

    See Also
    --------
    STFTBranch : The branch on spectrograms.
    MultiBranchNet : Branches side by side.

    Notes
    -----
    Three convolutions of 128 channels (kernel 256 stride 64, 64 / 32, 16 / 4, "same" padding), flattened to
    10 x 128 values for 80,000 bins and 18 x 128 for 144,000, four times [dense 128, batch normalisation,
    activation], and a dense layer [1]_. No layer has a bias.

    References
    ----------
    .. [1] K. Wilkinghoff. Self-supervised learning for anomalous sound detection. ICASSP 2024, 276-280.
    .. [2] J. Hai, D. Zhou, R. Liu, Y. I. Wu. Anomalous sound detection by self-supervised learning of VAE
       with domain shift techniques. Technical report, DCASE2024 Challenge Task 2, section 3.1.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import SpectrumBranch
    >>> SpectrumBranch(n_bins=8000)(torch.rand(4, 8000)).shape
    torch.Size([4, 128])
    """

    def __init__(
        self, n_bins=80_000, embedding_dim=128, activation="relu", squeeze_excitation=False, bn_momentum=0.1
    ):
        super().__init__()
        self.n_bins = n_bins
        self.embedding_dim = embedding_dim
        layers: list[nn.Module] = []
        length, n_in = n_bins, 1
        for kernel, stride in ((256, 64), (64, 32), (16, 4)):
            layers += [
                SameConv1d(n_in, 128, kernel, stride, bias=False),
                activation_layer(activation, 128),
            ]
            if squeeze_excitation:
                layers.append(SqueezeExcitation(128, activation=activation))
            length, n_in = math.ceil(length / stride), 128
        self.convolutions = nn.Sequential(*layers)
        layers, n_in = [], 128 * length
        for _ in range(4):
            layers += [
                nn.Linear(n_in, 128, bias=False),
                nn.BatchNorm1d(128, eps=1e-3, momentum=bn_momentum),
                activation_layer(activation, 128),
            ]
            n_in = 128
        self.dense = nn.Sequential(*layers, nn.Linear(128, embedding_dim, bias=False))
        self.apply(initialise)

    def forward(self, x):
        """Embed spectra of shape (N, n_bins), (N, 1, n_bins) or (N, 1, n_bins, 1) as (N, embedding_dim)."""
        shape = tuple(x.shape)
        x = x.flatten(1)
        if x.shape[1] != self.n_bins:
            raise ValueError(f"Expected spectra of {self.n_bins} bins, got an input of shape {shape}.")
        return self.dense(self.convolutions(x[:, None]).flatten(1))
