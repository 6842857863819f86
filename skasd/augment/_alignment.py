"""Keep what is known about clips beside the clips that are added."""

import numpy as np


def is_ground_truth(y):
    """Tell whether labels are +1 (normal) and -1 (anomalous)."""
    y = np.asarray(y)
    return y.dtype.kind in "iuf" and set(np.unique(y).tolist()) <= {-1, 1}


def healthy_rows(y, proxy, n_clips):
    """Return which clips may be multiplied: neither proxies nor anomalous (y = -1, where y is +1 / -1)."""
    healthy = np.ones(n_clips, dtype=bool)
    if proxy is not None:
        healthy &= ~proxy
    if y is not None and is_ground_truth(y):
        healthy &= y == 1
    return healthy


def append_metadata(metadata, origin, weight):
    """Return metadata, by name, with the entries of the new clips appended.

    Each lies between the two clips of its row of ``origin`` (n_new, 2), of which the second has this weight. A numeric
    ``attribute`` is interpolated; all else is that of the nearer clip.
    """
    first, second = origin.T
    nearer = np.where(weight > 0.5, second, first)
    appended = {}
    for name, values in metadata.items():
        if values is None:
            appended[name] = None
            continue
        new = values[nearer]
        if name == "attribute":
            values, new = _interpolate(values, first, second, weight, new)
        appended[name] = np.concatenate([values, new])
    return appended


def _interpolate(values, first, second, weight, nearer):
    if values.dtype.kind not in "iuf":
        return values, nearer
    numbers = values.astype(float)
    return numbers, (1 - weight) * numbers[first] + weight * numbers[second]
