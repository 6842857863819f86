"""The clips that an embedder learns from."""

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from .._metadata import check_metadata
from ..labels import natural_array


def training_rows(name, clips, missing, y, metadata, uses_proxies):
    """Check what is known of the clips, and leave out those that are not learnt from.

    ``name`` is the embedder's, for messages; ``missing`` a mask of skipped clips. Proxies are left out unless
    ``uses_proxies``. Returns the clips kept, and their metadata, arrays or None, with those of ``"y"`` among them.
    """
    metadata = check_metadata(len(missing), **metadata)
    if y is not None:
        if isinstance(y, list) and any(isinstance(label, str) for label in y):
            y = natural_array(y)  # NumPy would make 1 and "1" the same
        y = column_or_1d(y)
        check_consistent_length(clips, y)
    keep = ~missing
    if metadata.get("proxy") is not None and not uses_proxies:
        keep &= ~metadata["proxy"]
    if not keep.any():
        raise ValueError(f"No clip to train {name} on: all {len(keep)} are skipped or proxies.")
    metadata["y"] = y
    return (
        take_rows(clips, keep),
        {key: value if value is None else value[keep] for key, value in metadata.items()},
    )


def target_clips(domain):
    """Return which clips are of the target domain; None unless there are some of both."""
    if domain is None:
        return None
    is_target = domain == "target"
    return is_target if 0 < is_target.sum() < len(is_target) else None


def take_rows(clips, keep):
    """Return the clips of the rows ``keep``, a mask; all of them without a copy."""
    if keep.all():
        return clips
    return (
        [clip for clip, k in zip(clips, keep, strict=True) if k] if isinstance(clips, list) else clips[keep]
    )


def check_single_precision(clips):
    """Raise ValueError for finite values that float32, the precision of networks, does not hold."""
    for i, clip in enumerate(clips):
        if clip.dtype == np.float64 and (largest := np.abs(clip).max()) > np.finfo(np.float32).max:
            raise ValueError(
                f"X[{i}] has values up to {largest:.3g}, but networks work in float32, which ends at 3.4e38: scale the "
                "features down."
            )


def moments(clips, per_bin):
    """Return mean and standard deviation over all frames of clips, accumulated in float64.

    They are arrays (n_bins,) with ``per_bin``, else numbers. A standard deviation of zero (a constant bin) is returned
    as 1.
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
