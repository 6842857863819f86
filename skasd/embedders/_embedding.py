"""Embedding clips: patches on a regular grid, through the network, merged into one row per clip."""

import numpy as np
import torch
from tqdm.auto import tqdm

from .. import nn

_STEP = 16  # patches at a time: so few that activations stay in the cache and in memory that malloc keeps


def fold(network, precision="auto"):
    """Return the network for embedding: batch normalisation folded into the convolutions."""
    folded = nn.fold_batch_norm(network)
    if precision == "bfloat16":
        folded.autocast = torch.bfloat16
    return folded


def embed(network, patches, hop, outputs, *, verbose=0):
    """Put the patches on a regular grid through a network.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode, on any device.

    patches : Patches
        What cuts patches out of the clips.

    hop : int
        Frames between the patches of a clip.

    outputs : callable
        ``outputs(network, x)`` returns tensors by name, each with a row for each patch.

    verbose : int, default=0
        Whether there is a progress bar.

    Returns
    -------
    values : dict of str to ndarray of shape (n_patches, ...), float32
        What ``outputs`` names.

    index : ndarray of int of shape (n_patches,)
        The clip of each patch, in ascending order.
    """
    index, start = patches.grid(hop)
    device = next(network.parameters()).device
    parts: dict[str, list] = {}
    bar = tqdm(total=len(patches), desc="embedding", unit="clip", disable=not verbose)
    with torch.inference_mode(), bar:
        for first in range(0, len(index), _STEP):
            chunk = slice(first, first + _STEP)
            x = patches.cut(index[chunk], start[chunk]).to(device)
            for name, value in outputs(network, x).items():
                parts.setdefault(name, []).append(value.float().reshape(len(value), -1).cpu().numpy())
            bar.update(index[chunk][-1] + 1 - bar.n)
    return {name: np.concatenate(values) for name, values in parts.items()}, index


def merge(values, index, ways="mean", n_segments=1):
    """Merge the values of patches into one row per clip.

    Parameters
    ----------
    values : ndarray of shape (n_patches, n_features)
        Clip by clip.

    index : ndarray of int of shape (n_patches,)
        The clip of each patch, in ascending order.

    ways : {"mean", "std", "segments"} or sequence of them, default="mean"
        "segments": ``n_segments`` of a clip's patches side by side, of fewer each several times. Several ways are
        concatenated.

    n_segments : int, default=1
        For "segments".

    Returns
    -------
    ndarray of shape (n_clips, n_columns)
    """
    first = np.flatnonzero(np.diff(index, prepend=-1))
    count = np.diff(np.append(first, len(index)))[:, None]
    mean = np.add.reduceat(values, first, dtype=np.float64) / count

    def spread():
        return np.sqrt(np.add.reduceat((values - mean[index]) ** 2, first) / count)

    def side_by_side():
        places = np.arange(n_segments) * count // n_segments
        return values[first[:, None] + places].reshape(len(first), -1)

    make = {"mean": lambda: mean, "std": spread, "segments": side_by_side}
    return np.concatenate([make[way]() for way in ([ways] if isinstance(ways, str) else ways)], axis=1)


def class_outputs(objective, embedding, names):
    """Return an embedding and what an objective says of its classes.

    Parameters
    ----------
    objective : torch.nn.Module
        With ``log_proba(embedding)``.

    embedding : torch.Tensor of shape (n, embedding_dim)
        Of patches.

    names : sequence of {"embedding", "log_proba", "log_odds"}
        Which are asked for; ``"log_odds"`` is ``log p - log(1 - p)``, with p and 1 - p of at least the epsilon of
        float64, as in the official baseline.

    Returns
    -------
    dict of str to torch.Tensor
    """
    outputs = {"embedding": embedding}
    if {"log_proba", "log_odds"} & set(names):
        log_p = objective.log_proba(embedding)
        smallest = np.finfo(np.float64).eps
        log_1_p = torch.log(torch.clamp(-torch.expm1(log_p), min=smallest))
        log_odds = torch.clamp(log_p, min=float(np.log(smallest))) - log_1_p
        outputs |= {"log_proba": log_p, "log_odds": log_odds}
    return {name: outputs[name] for name in names}


def check_finite(rows, positions, name, lr):
    """Raise ValueError for rows that are not finite: NaN is for skipped clips alone.

    Parameters
    ----------
    rows : ndarray of shape (n_clips, n_columns)
        What an embedder makes of clips.

    positions : ndarray of int of shape (n_clips,)
        Places of these clips in X.

    name : str
        Of the embedder.

    lr : float
        Its learning rate.
    """
    bad = positions[~np.isfinite(rows).all(axis=1)]
    if len(bad):
        some = ", ".join(map(str, bad[:10])) + (", ..." if len(bad) > 10 else "")
        raise ValueError(
            f"{name} has no finite output for {len(bad)} of {len(positions)} clips ({some}): their features are far "
            f"larger than those it was trained on, or training diverged. Scale the clips, or train with a smaller lr "
            f"than {lr:g}."
        )
