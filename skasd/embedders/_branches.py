"""Branches of a network on several features: what computes the features, the module and its objective."""

import numpy as np
import torch
from sklearn.base import clone

from ..features import PhaseTransformer, SpectrumTransformer, STFTTransformer

KINDS = ("stft", "spectrum", "phase")


def make_transformers(branches, n_samples, **params):
    """Return the transformer of each branch by name, with ``params`` set on all.

    A branch is a kind, or a kind and what computes its features in place of the default. Names are as in
    :class:`skasd.nn.MultiBranchNet`: the kind; a kind's second branch is "stft_2".
    """
    transformers: dict = {}
    for entry in branches:
        kind, transformer = (entry, None) if isinstance(entry, str) else entry
        if kind not in KINDS:
            raise ValueError(f"branches={branches!r}: {kind!r} is none of the kinds {KINDS}.")
        if transformer is not None:
            transformer = clone(transformer)
        elif kind == "spectrum":
            transformer = SpectrumTransformer(n_samples)
        else:
            transformer = (STFTTransformer if kind == "stft" else PhaseTransformer)(center=False)
        number = sum(kind_of(name) == kind for name in transformers) + 1
        transformers[kind if number == 1 else f"{kind}_{number}"] = transformer.set_params(**params)
    if not transformers:
        raise ValueError("branches is empty: name at least one.")
    return transformers


def kind_of(name):
    """Return the kind of a branch by its name."""
    return name.split("_")[0]


def features(transformers, waveforms):
    """Return the inputs of the branches, by name, for waveforms (n, 1, n_samples) on the CPU.

    Spectra are (n, n_bins); spectrograms (n, 1, n_bins, n_frames), channels last.
    """
    inputs = {}
    for name, transformer in transformers.items():
        x = torch.from_numpy(transformer.transform(waveforms[:, 0].numpy()))
        if kind_of(name) == "spectrum":
            inputs[name] = x.flatten(1)
        else:
            inputs[name] = x[:, None].contiguous(memory_format=torch.channels_last)
    return inputs


class Spectra:
    """The spectrograms (or else the spectra) of the first patches of clips, computed one by one while iterating."""

    def __init__(self, transformers, patches):
        self.patches = patches
        self.transformer = transformers[min(transformers, key=lambda name: KINDS.index(kind_of(name)))]

    def __len__(self):
        return len(self.patches)

    def __iter__(self):
        start = np.zeros(1, dtype=np.intp)
        for i in range(len(self)):
            yield self.transformer.transform(self.patches.cut(np.array([i]), start)[:, 0].numpy())[0]
