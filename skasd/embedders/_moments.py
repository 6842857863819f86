"""Mean and spread of the training clips."""

import numpy as np


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
