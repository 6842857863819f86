"""Batches of an epoch of training: whole mini-batches, cut, mixed and labelled as tensors."""

import copy

import numpy as np
import torch
from torch.utils.data import Dataset

from ..nn import BalancedBatchSampler, DomainBatchSampler, domain_partners


class PatchDataset(Dataset):
    """Data that the batches of a training run are drawn from; an item is a clip.

    It carries the whole plan of a run, so that a fitted net keeps no reference to data or generators.

    Parameters
    ----------
    patches : Patches
        What cuts patches out of the clips.
    targets : dict of str to ndarray, each of n_clips rows
        Per-clip targets; ``"label"`` holds class weights of shape (n_clips, n_classes).
    make_batch : callable
        ``make_batch(x, targets, generator) -> (inputs, targets)``: what the embedder makes of a batch.
    generator : torch.Generator
        The random generator of the run: order, crops, mixing.
    is_target : ndarray of bool of shape (n_clips,) or None
        Clips of the target domain where mini-batches are to hold both domains.
    mixing : callable or None
        ``mixing(x, y, generator=..., partner=...) -> (x, y)``.
    patch_hop : int
        Hop of the regular grid on which held-out clips are looked at.
    """

    def __init__(self, patches, targets, make_batch, generator, *, is_target=None, mixing=None, patch_hop=1):
        self.patches = patches
        self.targets = {name: torch.as_tensor(value) for name, value in targets.items()}
        self.make_batch = make_batch
        self.generator = generator
        self.is_target = is_target
        self.mixing = mixing
        self.patch_hop = patch_hop
        self.rows = np.arange(len(patches))  # the clips that belong to this data set

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):  # skorch looks at single items only for its checks; batches never pass here
        x, targets = self.batch(self.rows[i : i + 1], np.zeros(1, dtype=np.intp))
        return x[0], {name: value[0] for name, value in targets.items()}

    def take(self, positions):
        """Return the data set of some of the clips; clips and targets are shared, not copied."""
        part = copy.copy(self)
        part.rows = self.rows[positions]
        return part

    def batch(self, index, start):
        """Return the patches at ``start`` of the clips ``index`` and their targets."""
        return self.patches.cut(index, start), {name: value[index] for name, value in self.targets.items()}

    def grid(self, hop):
        """Return (index, start) of the patches of these clips on a regular grid."""
        index, start = self.patches.grid(hop)
        mine = np.isin(index, self.rows)
        return index[mine], start[mine]


class TrainingBatches:
    """Iterate over one epoch: a random patch of every clip, in mini-batches cut, mixed and labelled as a whole.

    With ``dataset.is_target`` given, every batch holds clips of both domains, and mixing partners come from the
    other domain (batch mixing strategy of JLESS 2022). A batch never has fewer than two patches: batch normalisation
    needs two.
    """

    def __init__(self, dataset, batch_size):
        self.dataset = dataset
        is_target = np.zeros(len(dataset), dtype=bool)
        if dataset.is_target is not None:
            is_target = dataset.is_target[dataset.rows]
        self.sampler = DomainBatchSampler(is_target, max(2, batch_size), dataset.generator)

    def __len__(self):
        return len(self.sampler)

    def __iter__(self):
        data = self.dataset
        for positions in self.sampler:
            index = data.rows[positions.numpy()]
            index = np.repeat(index, 2) if len(index) == 1 else index
            x, targets = data.batch(index, data.patches.random_starts(index, data.generator))
            if data.mixing is not None:
                partner = None
                if data.is_target is not None:
                    partner = domain_partners(torch.from_numpy(data.is_target[index]), data.generator)
                label = targets["label"]
                x, targets["label"] = data.mixing(x, label, generator=data.generator, partner=partner)
            yield data.make_batch(x, targets, data.generator)


class BalancedBatches(TrainingBatches):
    """Iterate over mini-batches of which one half is clips of the machine and the other proxies.

    An epoch is every clip of the machine once; proxies are drawn by going through shuffled lists of all of them. Where
    the target ``"label"`` is not one number per clip, 1 for the machine, there are no proxies, and an epoch is every
    clip.
    """

    def __init__(self, dataset, batch_size):
        super().__init__(dataset, batch_size)
        label = dataset.targets["label"][dataset.rows]
        if label.ndim == 1 and 0 < (label == 1).sum() < len(label):
            self.sampler = BalancedBatchSampler(label == 1, max(2, batch_size), dataset.generator)


class AllWindows:
    """Iterate over all patches of all clips in a shuffled order: one epoch of the official autoencoder.

    Batches are of equal size, but for one patch: the last is not a short one.
    """

    def __init__(self, dataset, batch_size):
        self.dataset = dataset
        self.index, self.start = dataset.grid(1)
        self.batch_size = max(2, batch_size)

    def __len__(self):
        return -(-len(self.index) // self.batch_size)

    def __iter__(self):
        data = self.dataset
        order = torch.randperm(len(self.index), generator=data.generator).numpy()
        for rows in np.array_split(order, len(self)):
            rows = np.repeat(rows, 2) if len(rows) == 1 else rows  # batch normalisation needs two
            yield data.make_batch(*data.batch(self.index[rows], self.start[rows]), data.generator)


class ValidationBatches:
    """Iterate over the regular grid of patches of held-out clips, labelled and unmixed."""

    def __init__(self, dataset, batch_size):
        self.dataset = dataset
        self.batch_size = batch_size
        self.index, self.start = dataset.grid(dataset.patch_hop)

    def __len__(self):
        return -(-len(self.index) // self.batch_size)

    def __iter__(self):
        data = self.dataset
        generator = torch.Generator().manual_seed(0)  # the same validation batches after every epoch
        for first in range(0, len(self.index), self.batch_size):
            chunk = slice(first, first + self.batch_size)
            yield data.make_batch(*data.batch(self.index[chunk], self.start[chunk]), generator)
