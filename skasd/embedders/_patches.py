"""Patches of clips: where they begin, and how they are cut.

`ClipPatches` are images of some frames, `ClipSegments` a fixed number of them in each clip, `FrameStacks` windows of
few frames as vectors. All have ``n_starts``, the number of places in each clip where a patch may begin.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch


class Patches(ABC):
    """Base of the classes that cut patches out of clips; a subclass sets ``n_starts`` and defines ``cut``."""

    n_starts: np.ndarray

    def __len__(self):
        return len(self.n_starts)

    @abstractmethod
    def cut(self, index, start):
        """Return the patches that begin at frame ``start`` of the clips ``index``, as float32."""

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


class ClipPatches(Patches):
    """Cut patches of ``patch_frames`` frames out of time-frequency clips, as views where possible.

    Clips are an array (n_clips, n_bins, n_frames) or a list of arrays (n_bins, n_frames_i) of any floating-point dtype;
    patches, (n, n_bins, patch_frames), come out as float32. A shorter clip is repeated in time until it is long enough.
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

    def cut(self, index, start):
        """Return the patches that begin at frame ``start`` of the clips ``index``: (n, n_bins, patch_frames)."""
        if self._windows is not None:
            patches = self._windows[index, :, start]
        else:
            end = start + self.patch_frames
            patches = np.stack([self._clips[i][:, s:e] for i, s, e in zip(index, start, end, strict=True)])
        return torch.from_numpy(np.ascontiguousarray(patches, dtype=np.float32))


class ClipSegments(ClipPatches):
    """Patches whose regular grid has ``n_segments`` of them in each clip, from its beginning to its end.

    Fewer where a clip does not have as many different ones.
    """

    def __init__(self, clips, patch_frames, n_segments):
        super().__init__(clips, patch_frames)
        self.n_segments = n_segments

    def grid(self, hop):
        """Return (index, start) of all segments; ``hop`` plays no part."""
        starts = {
            n: np.unique(np.rint(np.linspace(0, n - 1, self.n_segments)).astype(np.intp))
            for n in np.unique(self.n_starts)
        }
        each = [starts[n] for n in self.n_starts]
        return np.repeat(np.arange(len(self)), [len(s) for s in each]), np.concatenate(each)


class FrameStacks(Patches):
    """Windows of ``patch_frames`` consecutive frames of clips as vectors, gathered from a cache of frames.

    All frames lie one after the other in memory, (n_frames, n_bins), so that a window is a contiguous stretch of it:
    vectors that overlap by all but one frame are never copied but for those of a batch. The cache keeps the clips'
    dtype; a shorter clip is repeated in time until it is long enough.
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

    def cut(self, index, start):
        """Return the vectors that begin at frame ``start`` of the clips ``index``, frame by frame."""
        return torch.from_numpy(self._vectors[self._first[index] + start].astype(np.float32, copy=False))


def average_windows(windows, n_frames):
    """Put overlapping windows of one clip back in their places, and average them: (n_bins, n_frames), float32.

    ``windows`` yields values (n, patch_frames, n_bins) and first frames of some windows at a time, no frame twice among
    these.
    """
    total, count = 0.0, np.zeros((n_frames, 1))
    for values, start in windows:
        if np.ndim(total) == 0:
            total = np.zeros((n_frames, values.shape[2]))
        for offset in range(values.shape[1]):  # the starts differ, so no frame is met twice
            total[start + offset] += values[:, offset]
            count[start + offset] += 1
    return (total / count).T.astype(np.float32)
