"""The official autoencoder."""

from itertools import pairwise

from torch import nn


class DenseAutoencoder(nn.Module):
    """The dense autoencoder of the DCASE Task 2 baselines.

    Parameters
    ----------
    input_dim : int, default=640
        Length of a vector: 5 frames of 128 mel bands.
    hidden : int, default=128
        Width of the four hidden layers on either side of the bottleneck.
    bottleneck : int, default=8
        Width of the bottleneck, and length of the embedding.
    bn_momentum : float, default=0.01
        Weight of a batch in the running statistics of batch normalisation.
    bn_eps : float, default=1e-3
        Added to the variances of the batch normalisation.

    Attributes
    ----------
    embedding_dim : int
        Length of the embedding, `bottleneck`.

    See Also
    --------
    SelectiveCovariance : Residual covariances of the Mahalanobis score.

    Notes
    -----
    640-128-128-128-128-8-128-128-128-128-640, batch normalisation and ReLU after each layer but the last;
    momentum 0.01 and epsilon 1e-3 as in the baselines since 2023 [1]_ (Keras, in which those until 2022 were
    written, calls this momentum 0.99). The loss is the mean squared error.

    References
    ----------
    .. [1] N. Harada, D. Niizumi, Y. Ohishi, D. Takeuchi, M. Yasuda. First-shot anomaly sound detection for
       machine condition monitoring: a domain generalization baseline. EUSIPCO 2023, 191-195.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import DenseAutoencoder
    >>> net = DenseAutoencoder()
    >>> x = torch.randn(4, 640)
    >>> net(x).shape, net.encode(x).shape
    (torch.Size([4, 640]), torch.Size([4, 8]))
    """

    def __init__(self, input_dim=640, hidden=128, bottleneck=8, bn_momentum=0.01, bn_eps=1e-3):
        super().__init__()
        self.embedding_dim = bottleneck

        def layers(*widths):
            modules: list[nn.Module] = []
            for n_in, n_out in pairwise(widths):
                batch_norm = nn.BatchNorm1d(n_out, eps=bn_eps, momentum=bn_momentum)
                modules += [nn.Linear(n_in, n_out), batch_norm, nn.ReLU()]
            return modules

        self.encoder = nn.Sequential(*layers(input_dim, hidden, hidden, hidden, hidden, bottleneck))
        self.decoder = nn.Sequential(
            *layers(bottleneck, hidden, hidden, hidden, hidden), nn.Linear(hidden, input_dim)
        )

    def forward(self, x):
        """Reconstruct vectors of shape (N, input_dim)."""
        return self.decoder(self.encoder(x))

    def encode(self, x):
        """Map vectors of shape (N, input_dim) to bottlenecks of shape (N, bottleneck)."""
        return self.encoder(x)
