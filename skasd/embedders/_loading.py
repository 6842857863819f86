"""Encoders by name, with their weights."""

import os
from functools import lru_cache
from numbers import Integral
from typing import Any, NamedTuple

import torch

from ..nn import resolve_device
from ..weights import CHECKPOINTS, fetch, sha256_of, shipped_file
from ._audio_taggers import EfficientAT, PannsCnn14
from ._hidden_states import HiddenStates
from ._machine_sounds import MachineSounds


class _Kind(NamedTuple):
    make: Any
    params: dict
    default: str | None  # layer; None: the model's own


ENCODERS = {
    "skasd": _Kind(MachineSounds, {}, "9"),
    "efficientat_mn04": _Kind(EfficientAT, {"width": 0.4}, "9"),
    "efficientat_mn10": _Kind(EfficientAT, {"width": 1.0}, "9"),
    "panns_cnn14_16k": _Kind(PannsCnn14, {}, "4"),
    "transformers": _Kind(HiddenStates, {}, None),
}


def load_encoder(encoder, weights, layer, sample_rate, device, verbose):
    """Return an encoder and the SHA-256 of its weights, which are read anew only where the file has changed."""
    names = _layer_names(encoder, layer)
    path = _own_file(encoder, verbose) if weights is None else weights
    if not os.path.exists(path):
        raise FileNotFoundError(f"weights={os.fspath(path)!r}: there is no such file.")
    path = os.path.abspath(path)
    files = [entry.path for entry in os.scandir(path)] if os.path.isdir(path) else [path]
    stats = tuple((file, os.stat(file).st_mtime_ns, os.stat(file).st_size) for file in sorted(files))
    return _loaded(encoder, path, stats, names, sample_rate, resolve_device(device))


@lru_cache(maxsize=8)
def _loaded(encoder, path, stats, names, sample_rate, device):
    kind = ENCODERS[encoder]
    # glibc hands blocks larger than any that was freed before back to the system, and their first touch costs a third
    # of the network's time; having seen 16 MiB come and go, untouched, it keeps the memory of activations
    torch.empty(1 << 22)
    made = kind.make(path, names, sample_rate=sample_rate, **kind.params)
    return made.to(device), sha256_of(path)


def _layer_names(encoder, layer):
    """Return the names of the layers asked for; none where it is left to the model."""
    kind = ENCODERS[encoder]
    asked = kind.default if layer is None else layer
    if asked is None:
        return ()
    names = [str(name) for name in ([asked] if isinstance(asked, (str, Integral)) else asked)]
    known = kind.make.names
    if not names or len(set(names)) < len(names) or (known and set(names) - set(known)):
        raise ValueError(
            f"layer={layer!r}: encoder={encoder!r} has {', '.join(known) or 'the numbers of its hidden states'}; give "
            "one of them, or several that differ."
        )
    return tuple(names)


def _own_file(encoder, verbose):
    """Return the file of weights of an encoder where the user gave none."""
    if encoder == "skasd":
        return shipped_file()
    checkpoint = CHECKPOINTS.get(encoder)
    if checkpoint is None or checkpoint.url is None:
        what = (
            f"the file {checkpoint.file} ({checkpoint.source})" if checkpoint else "the folder of the model"
        )
        raise ValueError(f"encoder={encoder!r} needs weights=, the path of {what}.")
    return fetch(encoder, verbose=verbose)
