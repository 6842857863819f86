"""The module that an embedder trains: input standardisation, a backbone, the objective's class weights."""

import contextlib

import numpy as np
import torch
from torch import nn


class Network(nn.Module):
    """Standardise patches and embed them; the objective travels along as a submodule.

    Parameters
    ----------
    backbone : nn.Module
        Maps (n, 1, n_bins, n_frames) to (n, embedding_dim).

    objective : nn.Module
        Training loss with its class weights; called by skorch as the criterion. It is registered here so that the
        network's state is complete: early stopping and checkpoints restore both.

    mean, scale : float or ndarray of shape (n_bins,)
        Input standardisation, ``(x - mean) / scale``.

    autocast : torch.dtype or None
        Precision of the backbone under autocast.
    """

    def __init__(self, backbone, objective, mean, scale, autocast=None):
        super().__init__()
        self.backbone = backbone
        self.objective = objective
        self.register_buffer("mean", torch.as_tensor(np.asarray(mean, dtype=np.float32)).reshape(1, -1, 1))
        self.register_buffer("scale", torch.as_tensor(np.asarray(scale, dtype=np.float32)).reshape(1, -1, 1))
        self.autocast = autocast

    def standardize(self, x):
        """Return patches (n, n_bins, n_frames) as a standardised image (n, 1, n_bins, n_frames)."""
        return ((x - self.mean) / self.scale).unsqueeze(1).contiguous(memory_format=torch.channels_last)

    def precision(self, device):
        """Return the autocast context of a device."""
        if self.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(device.type, dtype=self.autocast)

    def forward(self, x):
        """Return the embeddings (n, embedding_dim) of patches (n, n_bins, n_frames), as float32."""
        with self.precision(x.device):
            embedding = self.backbone(self.standardize(x))
        return embedding.float()


def clip_moments(clips, per_bin):
    """Return mean and standard deviation over all frames, per frequency bin or overall, accumulated in float64.

    Parameters
    ----------
    clips : ndarray of shape (n_clips, n_bins, n_frames) or list of ndarrays of shape (n_bins, n_frames_i)

    per_bin : bool

    Returns
    -------
    mean, std : ndarrays of shape (n_bins,) or floats
        A standard deviation of zero (a constant bin) is returned as 1.
    """
    count, total, square = 0, 0.0, 0.0
    first = np.asarray(clips[0], dtype=np.float64)
    shift = (
        first.mean(axis=1, keepdims=True) if per_bin else first.mean()
    )  # against cancellation in the squares
    for clip in clips:
        deviation = clip - shift
        count += clip.shape[1]
        total = total + deviation.sum(axis=1)
        square = square + np.einsum("bt,bt->b", deviation, deviation)
    if not per_bin:
        count, total, square = count * len(total), total.sum(), square.sum()
    mean = total / count
    std = np.sqrt(np.maximum(square / count - mean**2, 0.0))
    return np.squeeze(shift) + mean if not per_bin else shift[:, 0] + mean, np.where(std > 1e-6, std, 1.0)
