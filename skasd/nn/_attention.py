"""Transformer parts that the patch-based networks share."""

import torch.nn.functional as F
from torch import nn


class EncoderLayer(nn.Module):
    r"""A pre-norm transformer encoder layer.

    Parameters
    ----------
    dim : int
        Width of a token.
    heads : int
        Attention heads; must divide `dim`.
    mlp_ratio : float, default=4
        Width of the feed-forward part, as a multiple of `dim`.
    dropout : float, default=0.0
        Dropout on both residual branches, in [0, 1).
    activation : type, default=torch.nn.GELU
        Module between the two linear maps of the feed-forward part.
    sequence_first : bool, default=False
        Whether tokens come as (length, batch, dim) instead of (batch, length, dim).

    Notes
    -----
    .. math:: x \leftarrow x + \mathrm{MSA}(\mathrm{LN}(x)), \qquad
              x \leftarrow x + \mathrm{MLP}(\mathrm{LN}(x))

    (Dosovitskiy et al. 2021, equations 2 and 3). Both layouts are read as views, without a copy.
    """

    def __init__(self, dim, heads, mlp_ratio=4, dropout=0.0, activation=nn.GELU, sequence_first=False):
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim={dim} is not a multiple of heads={heads}; choose heads that divide dim.")
        self.heads = heads
        self.sequence_first = sequence_first
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        hidden = int(dim * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), activation(), nn.Linear(hidden, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        """Map tokens to tokens of the same shape."""
        x = x + self.dropout(self._attention(self.norm1(x)))
        return x + self.dropout(self.mlp(self.norm2(x)))

    def _attention(self, x):
        # (3, batch, heads, length, dim per head): views only, whichever axis holds the sequence.
        order = (2, 1, 3, 0, 4) if self.sequence_first else (2, 0, 3, 1, 4)
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(order)
        out = F.scaled_dot_product_attention(*qkv.unbind(0))
        out = self.proj(out.transpose(1, 2).flatten(2))
        return out.transpose(0, 1) if self.sequence_first else out


def patchify(x, patch):
    """Cut (N, 1, n_bins, n_frames) into (N, rows, columns, patch size) patches, the last ones padded.

    Padding repeats the last bin or frame, so that a patch at the edge looks like its neighbours and
    not like silence.
    """
    if x.ndim != 4 or x.shape[1] != 1:
        raise ValueError(f"Expected an input of shape (N, 1, n_bins, n_frames), got {tuple(x.shape)}.")
    height, width = patch
    below, right = -x.shape[2] % height, -x.shape[3] % width
    if below or right:
        x = F.pad(x, (0, right, 0, below), mode="replicate")
    x = x[:, 0].unflatten(2, (-1, width)).unflatten(1, (-1, height))
    return x.transpose(2, 3).flatten(3)


def unpatchify(patches, patch, shape):
    """Put (N, rows, columns, patch size) patches together again, cropped to ``shape`` (n_bins, n_frames)."""
    x = patches.unflatten(3, patch).transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return x[:, None, : shape[0], : shape[1]]


def axis_positions(table, length, stretch):
    """Position embeddings (length, dim) from a learnt table (n, dim).

    A longer axis gets the table interpolated linearly. A shorter one gets its first rows, or, with
    `stretch`, the table interpolated as well (an axis of frequency: fewer bins span the same band).
    """
    n = len(table)
    if length == n:
        return table
    if length < n and not stretch:
        return table[:length]
    return F.interpolate(table.T[None], size=length, mode="linear", align_corners=False)[0].T
