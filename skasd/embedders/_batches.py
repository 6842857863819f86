"""Patches of time-frequency clips: random crops in whole batches for training, a regular grid for embedding."""

import copy

import numpy as np
import torch
from torch.utils.data import Dataset

from ..nn import DomainBatchSampler, domain_partners


class ClipPatches:
    """Cut patches of ``patch_frames`` frames out of time-frequency clips, as views where possible.

    Parameters
    ----------
    clips : ndarray of shape (n_clips, n_bins, n_frames) or list of ndarrays of shape (n_bins, n_frames_i)
        Clips of any floating-point dtype; patches come out as float32.

    patch_frames : int
        Length of a patch. A shorter clip is repeated in time until it is long enough.
    """

    def __init__(self, clips, patch_frames):
        self.patch_frames = patch_frames
        if isinstance(clips, np.ndarray):
            if clips.shape[2] < patch_frames:
                clips = clips[:, :, np.arange(patch_frames) % clips.shape[2]]
            # (n_clips, n_bins, n_starts, patch_frames), a view
            self._windows = np.lib.stride_tricks.sliding_window_view(clips, patch_frames, axis=2)
            self._clips = None
            self.n_starts = np.full(len(clips), self._windows.shape[2])
        else:
            self._windows = None
            self._clips = [
                clip if clip.shape[1] >= patch_frames else clip[:, np.arange(patch_frames) % clip.shape[1]]
                for clip in clips
            ]
            self.n_starts = np.array([clip.shape[1] - patch_frames + 1 for clip in self._clips])

    def __len__(self):
        return len(self.n_starts)

    def cut(self, index, start):
        """Return the patches that begin at frame ``start`` of the clips ``index``: (n, n_bins, patch_frames)."""
        if self._windows is not None:
            patches = self._windows[index, :, start]
        else:
            end = start + self.patch_frames
            patches = np.stack([self._clips[i][:, s:e] for i, s, e in zip(index, start, end, strict=True)])
        return torch.from_numpy(np.ascontiguousarray(patches, dtype=np.float32))

    def random_starts(self, index, generator):
        """Return a random start for one patch of each of the clips ``index``."""
        draw = torch.rand(len(index), generator=generator, dtype=torch.float64).numpy()
        return (draw * self.n_starts[index]).astype(np.intp)

    def grid(self, hop):
        """Return (index, start) of all patches on a regular grid with ``hop`` frames between starts."""
        counts = (self.n_starts - 1) // hop + 1
        index = np.repeat(np.arange(len(self)), counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        return index, (np.arange(len(index)) - first) * hop


class PatchDataset(Dataset):
    """What the batches of a training run are drawn from; an item is a clip.

    It carries the whole plan of a run, so that a fitted net keeps no reference to data or generators.

    Parameters
    ----------
    patches : ClipPatches

    targets : dict of str to ndarray, each of n_clips rows
        Per-clip targets; ``"label"`` holds class weights of shape (n_clips, n_classes).

    make_batch : callable
        ``make_batch(x, targets, generator) -> (inputs, targets)``: what the embedder makes of a batch.

    generator : torch.Generator
        The one source of chance: order, crops, mixing.

    is_target : ndarray of bool of shape (n_clips,) or None
        Clips of the target domain where mini-batches are to hold both domains.

    mixing : callable or None
        ``mixing(x, y, generator=..., partner=...) -> (x, y)``.

    crops_per_clip : int
        Random crops of each clip in one epoch.

    patch_hop : int
        Hop of the regular grid on which held-out clips are looked at.
    """

    def __init__(
        self,
        patches,
        targets,
        make_batch,
        generator,
        *,
        is_target=None,
        mixing=None,
        crops_per_clip=1,
        patch_hop=1,
    ):
        self.patches = patches
        self.targets = {name: torch.as_tensor(value) for name, value in targets.items()}
        self.make_batch = make_batch
        self.generator = generator
        self.is_target = is_target
        self.mixing = mixing
        self.crops_per_clip = crops_per_clip
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


class TrainingBatches:
    """Iterate over one epoch of mini-batches, each cut, mixed and labelled as a whole.

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
        return len(self.sampler) * self.dataset.crops_per_clip

    def __iter__(self):
        data = self.dataset
        for _ in range(data.crops_per_clip):
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


class ValidationBatches:
    """Iterate over the regular grid of patches of held-out clips, labelled and unmixed."""

    def __init__(self, dataset, batch_size):
        self.dataset = dataset
        self.batch_size = batch_size
        index, start = dataset.patches.grid(dataset.patch_hop)
        mine = np.isin(index, dataset.rows)
        self.index, self.start = index[mine], start[mine]

    def __len__(self):
        return -(-len(self.index) // self.batch_size)

    def __iter__(self):
        generator = torch.Generator().manual_seed(0)  # the same validation batches after every epoch
        for first in range(0, len(self.index), self.batch_size):
            chunk = slice(first, first + self.batch_size)
            yield self.dataset.make_batch(
                *self.dataset.batch(self.index[chunk], self.start[chunk]), generator
            )


def check_single_precision(clips):
    """Raise ValueError for finite values that float32, the precision of networks, does not hold."""
    for i, clip in enumerate(clips):
        if clip.dtype == np.float64 and (largest := np.abs(clip).max()) > np.finfo(np.float32).max:
            raise ValueError(
                f"X[{i}] has values up to {largest:.3g}, but networks work in float32, which ends at 3.4e38: scale the "
                "features down."
            )


def take_rows(clips, metadata, keep):
    """Return the clips and metadata of the rows ``keep`` (a mask or slice)."""
    if isinstance(keep, np.ndarray) and keep.all():
        return clips, metadata
    if isinstance(clips, list):
        clips = (
            clips[keep]
            if isinstance(keep, slice)
            else [clip for clip, k in zip(clips, keep, strict=True) if k]
        )
    else:
        clips = clips[keep]
    return clips, {name: value if value is None else value[keep] for name, value in metadata.items()}
