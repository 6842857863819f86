"""The shallow vision transformer."""

import math

import torch
from torch import nn

from ._attention import EncoderLayer, axis_positions, patchify


class ViT(nn.Module):
    """Vision transformer on log-mel patches.

    Parameters
    ----------
    n_bins : int, default=64
        Number of frequency bins of the input.
    n_frames : int, default=301
        Number of frames that the position table covers; 301 frames are 3 s at a hop of 10 ms. Inputs may have any
        number: fewer use the first columns of the table; for more it is interpolated.
    patch : int or tuple of (int, int), default=16
        Height (bins) and width (frames) of a patch.
    dim : int, default=128
        Width of a token, and the length of the embedding.
    depth : int, default=1
        Number of encoder layers.
    heads : int, default=8
        Attention heads; must divide `dim`.
    mlp_ratio : float, default=4
        Width of the feed-forward parts, as a multiple of `dim`.
    dropout : float, default=0.0
        Dropout on the residual branches, in [0, 1).

    Attributes
    ----------
    embedding_dim : int
        Length of the embedding, `dim`.

    See Also
    --------
    DualPathTransformer : Attends along frequency and along time in turn.

    Notes
    -----
    The defaults are those of [1]_, section 2.2: 16 x 16 patches mapped linearly from 256 to 128
    dimensions, depth 1, 8 heads, MLP of 4 times the width. The report does not say how tokens become one
    embedding; as in [2]_ (section 3.1) it is the class token after the last normalisation. The table of
    positions has two axes, so that it can be interpolated along time alone (or along frequency, for
    another number of bins).

    References
    ----------
    .. [1] Y. Zeng, H. Liu, Y. Zhou. General anomalous sound detection using sound event
       classification and detection. Technical report, DCASE2023 Challenge Task 2.
    .. [2] A. Dosovitskiy et al. An image is worth 16x16 words: transformers for image recognition at scale.
       ICLR 2021.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import ViT
    >>> net = ViT()
    >>> net(torch.randn(2, 1, 64, 301)).shape, net(torch.randn(2, 1, 64, 998)).shape
    (torch.Size([2, 128]), torch.Size([2, 128]))
    """

    def __init__(
        self, n_bins=64, n_frames=301, patch=16, dim=128, depth=1, heads=8, mlp_ratio=4, dropout=0.0
    ):
        super().__init__()
        self.n_bins, self.n_frames = n_bins, n_frames
        self.patch = (patch, patch) if isinstance(patch, int) else tuple(patch)
        self.embedding_dim = dim
        rows, columns = -(-n_bins // self.patch[0]), -(-n_frames // self.patch[1])
        self.patch_embedding = nn.Linear(math.prod(self.patch), dim)
        self.class_token = nn.Parameter(torch.empty(dim))
        self.positions = nn.Parameter(torch.empty(rows, columns, dim))
        for parameter in (self.class_token, self.positions):
            nn.init.trunc_normal_(parameter, std=0.02)
        self.layers = nn.Sequential(*(EncoderLayer(dim, heads, mlp_ratio, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        """Embed a batch.

        Parameters
        ----------
        x : torch.Tensor of shape (N, 1, n_bins, n_frames)
            Log-mels.

        Returns
        -------
        torch.Tensor of shape (N, dim)
            Embeddings.
        """
        patches = patchify(x, self.patch)
        tokens = self.patch_embedding(patches) + self._positions(*patches.shape[1:3])
        # The class token's own position is part of it: both are learnt constants.
        tokens = torch.cat([self.class_token.expand(len(x), 1, -1), tokens.flatten(1, 2)], dim=1)
        return self.norm(self.layers(tokens)[:, 0])

    def _positions(self, rows, columns):
        table = self.positions
        if table.shape[:2] == (rows, columns):
            return table
        table = axis_positions(table.flatten(1), rows, stretch=True).unflatten(1, table.shape[1:])
        table = axis_positions(table.transpose(0, 1).flatten(1), columns, stretch=False)
        return table.unflatten(1, (rows, -1)).transpose(0, 1)
