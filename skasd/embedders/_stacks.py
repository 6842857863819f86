"""Windows of a few frames as vectors, for networks that look at every one of them."""

import numpy as np
import torch

from ._batches import TrainingBatches


class FrameStacks:
    """Windows of ``patch_frames`` consecutive frames of clips as vectors, gathered from a cache of frames.

    It stands where :class:`ClipPatches` does. All frames lie one after the other in memory, (n_frames, n_bins), so
    that a window is a contiguous stretch of it: vectors that overlap by all but one frame are never copied but
    for those of a batch.

    Parameters
    ----------
    clips : ndarray of shape (n_clips, n_bins, n_frames) or list of ndarrays of shape (n_bins, n_frames_i)
        Clips of any floating-point dtype, which the cache keeps.

    patch_frames : int
        Frames of a window. A shorter clip is repeated in time until it is long enough.
    """

    def __init__(self, clips, patch_frames):
        lengths = np.array([max(clip.shape[1], patch_frames) for clip in clips])
        self._first = np.cumsum(lengths) - lengths
        frames = np.empty((lengths.sum(), clips[0].shape[0]), dtype=clips[0].dtype)
        for clip, first, length in zip(clips, self._first, lengths, strict=True):
            rows = frames[first : first + length]
            rows[...] = clip.T if clip.shape[1] == length else clip.T[np.arange(length) % clip.shape[1]]
        n_bins, stride = frames.shape[1], frames.strides[0]
        # (n_frames - patch_frames + 1, patch_frames * n_bins), a view
        self._vectors = np.lib.stride_tricks.as_strided(
            frames,
            (len(frames) - patch_frames + 1, patch_frames * n_bins),
            (stride, frames.itemsize),
            writeable=False,
        )
        self.n_starts = lengths - patch_frames + 1

    def __len__(self):
        return len(self.n_starts)

    def cut(self, index, start):
        """Return the vectors that begin at frame ``start`` of the clips ``index``, frame by frame."""
        return torch.from_numpy(self._vectors[self._first[index] + start].astype(np.float32, copy=False))

    def grid(self, hop):
        """Return (index, start) of all windows, or of every ``hop``-th."""
        counts = (self.n_starts - 1) // hop + 1
        index = np.repeat(np.arange(len(self)), counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        return index, (np.arange(len(index)) - first) * hop


class AllWindows(TrainingBatches):
    """Iterate over all windows of all clips in a shuffled order: one epoch of the official autoencoder.

    Batches are of equal size, but for one window: the last is not a short one.
    """

    def __init__(self, dataset, batch_size):
        self.dataset = dataset
        index, start = dataset.patches.grid(1)
        mine = np.isin(index, dataset.rows)
        self.index, self.start = index[mine], start[mine]
        self.batch_size = max(2, batch_size)

    def __len__(self):
        return -(-len(self.index) // self.batch_size)

    def __iter__(self):
        data = self.dataset
        order = torch.randperm(len(self.index), generator=data.generator).numpy()
        for rows in np.array_split(order, len(self)):
            rows = np.repeat(rows, 2) if len(rows) == 1 else rows  # batch normalisation needs two
            yield data.make_batch(*data.batch(self.index[rows], self.start[rows]), data.generator)


class FrameSums:
    """Values of overlapping windows of one clip, put back in their places and averaged.

    Parameters
    ----------
    n_frames, n_bins : int
        Size of the clip.
    """

    def __init__(self, n_frames, n_bins):
        self.total = np.zeros((n_frames, n_bins))
        self.count = np.zeros((n_frames, 1))

    def add(self, values, start):
        """Add windows of shape (n, patch_frames, n_bins) that begin at the frames ``start``."""
        for offset in range(values.shape[1]):  # the starts differ, so no frame is met twice
            self.total[start + offset] += values[:, offset]
            self.count[start + offset] += 1

    def mean(self):
        """Return the mean over windows, (n_bins, n_frames)."""
        return (self.total / self.count).T.astype(np.float32)
