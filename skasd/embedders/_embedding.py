"""Embedding clips: patches on a regular grid, through the network, merged into one row per clip."""

from numbers import Integral

import numpy as np
import torch
from tqdm.auto import tqdm

from .. import nn

_STEP = 16  # patches at a time: so few that activations stay in the cache and in memory that malloc keeps


def embedding_dim_of(backbone, n_bins, n_frames, name):
    """Return the length of the embeddings that a backbone, the network of an embedder ``name``, makes of patches.

    Raises TypeError or ValueError where it is not what ``_make_backbone`` has to return.
    """
    dim = getattr(backbone, "embedding_dim", None)
    if not isinstance(backbone, torch.nn.Module) or not isinstance(dim, Integral):
        raise TypeError(
            f"_make_backbone of {name} returned an object of class {type(backbone).__name__} whose embedding_dim is "
            f"{dim!r}: it must be a torch.nn.Module with the length of its embeddings in embedding_dim."
        )
    is_training, patch = backbone.training, (1, 1, n_bins, n_frames)
    try:
        with torch.no_grad():
            shape = tuple(backbone.eval()(torch.zeros(patch)).shape)
    except RuntimeError as error:
        raise ValueError(f"The network of {name} fails for a patch of shape {patch}: {error}") from error
    backbone.train(is_training)
    if shape != (1, dim):
        raise ValueError(
            f"The network of {name} makes {shape} of a patch of shape {patch}; with embedding_dim={dim} it must be "
            f"{(1, dim)}."
        )
    return dim


def fold(network, precision="auto"):
    """Return the network for embedding: batch normalisation folded into the convolutions."""
    folded = nn.fold_batch_norm(network)
    if precision == "bfloat16":
        folded.autocast = torch.bfloat16
    return folded


def embed(network, patches, hop, outputs, *, verbose=0):
    """Put the patches of clips, on a regular grid with a hop of ``hop`` frames, through a network in evaluation mode.

    ``outputs(network, x)`` returns tensors by name, each with a row for each patch. Returned are these as arrays of
    float32, and the clip of each patch, in ascending order.
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
    """Merge the values (n_patches, n_features) of patches into one row per clip; ``index`` ascends and names the clip.

    Several ways are concatenated. "segments" puts ``n_segments`` of a clip's patches side by side, of fewer each
    several times.
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
    """Return by name those of "embedding", "log_proba" and "log_odds" that ``names`` holds, for embeddings of patches.

    The log-odds are ``log p - log(1 - p)``, with p and 1 - p of at least the epsilon of float64, as in the official
    baseline.
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

    ``positions`` are the places of the clips in X; ``name`` and ``lr`` are the embedder's.
    """
    bad = positions[~np.isfinite(rows).all(axis=1)]
    if len(bad):
        some = ", ".join(map(str, bad[:10])) + (", ..." if len(bad) > 10 else "")
        raise ValueError(
            f"{name} has no finite output for {len(bad)} of {len(positions)} clips ({some}): their features are far "
            f"larger than those it was trained on, or training diverged. Scale the clips, or train with a smaller lr "
            f"than {lr:g}."
        )
