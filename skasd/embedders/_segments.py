"""Segments of clips: a fixed number of patches that cover each clip, in batches that balance machine and proxies."""

import numpy as np

from ..nn import BalancedBatchSampler
from ._batches import ClipPatches, TrainingBatches


class ClipSegments(ClipPatches):
    """Patches whose regular grid has ``n_segments`` of them in each clip, from its beginning to its end.

    Parameters
    ----------
    clips : ndarray of shape (n_clips, n_bins, n_frames) or list of ndarrays of shape (n_bins, n_frames_i)
        Clips of any floating-point dtype.

    patch_frames : int
        Length of a segment. A shorter clip is repeated in time until it is long enough.

    n_segments : int
        Segments of a clip; fewer where it does not have as many different ones.
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


class BalancedBatches(TrainingBatches):
    """Iterate over mini-batches of which one half is clips of the machine and the other proxies.

    An epoch is every clip of the machine once (``crops_per_clip`` times); proxies are drawn by going through shuffled
    lists of all of them. Where the target ``"label"`` is not one number per clip, 1 for the machine, there are no
    proxies, and an epoch is every clip.
    """

    def __init__(self, dataset, batch_size):
        super().__init__(dataset, batch_size)
        label = dataset.targets["label"][dataset.rows]
        if label.ndim == 1 and 0 < (label == 1).sum() < len(label):
            self.sampler = BalancedBatchSampler(label == 1, max(2, batch_size), dataset.generator)
