"""What is known about clips besides their sound: one entry per clip, checked in one place."""

import warnings

import numpy as np
from sklearn.utils import column_or_1d

DOMAINS = ("source", "target")


def check_metadata(n_clips, **metadata):
    """Return metadata as arrays of one entry per clip; entries that are None stay None.

    Parameters
    ----------
    n_clips : int

    **metadata : array-like of shape (n_clips,) or None
        By name: ``section``, ``domain``, ``attribute``, ``proxy``. ``domain`` holds "source" and "target" only,
        ``proxy`` is returned as bool.

    Returns
    -------
    dict of str to ndarray of shape (n_clips,) or None

    Raises
    ------
    ValueError
        If a length differs from ``n_clips``, or a domain is neither "source" nor "target".
    """
    checked = {}
    for name, values in metadata.items():
        if values is None:
            checked[name] = None
            continue
        values = column_or_1d(np.asarray(values), dtype=bool if name == "proxy" else None)
        if len(values) != n_clips:
            raise ValueError(f"{name} has {len(values)} entries for {n_clips} clips: give one entry per clip.")
        if name == "domain":
            values = values.astype(str)
            unknown = sorted(set(values) - set(DOMAINS))
            if unknown:
                raise ValueError(f"Unknown domain {', '.join(map(repr, unknown))}: use 'source' and 'target'.")
        checked[name] = values
    return checked


def warn_about_anomalies(y, estimator):
    """Warn if the ground truth ``y`` (+1 normal, -1 anomalous) marks clips to be fitted on as anomalous."""
    if y is None:
        return
    values = np.asarray(y)
    if values.dtype.kind in "iuf" and set(np.unique(values).tolist()) in ({-1}, {-1, 1}):
        warnings.warn(
            f"{type(estimator).__name__} is fitted on {np.count_nonzero(values == -1)} clips that y marks as anomalous "
            "(-1). Only healthy clips are to be learnt from: wrap the estimator in skasd.compose.NormalOnly, which "
            "drops them.",
            UserWarning,
        )
