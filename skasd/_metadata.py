"""Metadata of clips: one entry per clip, checked in one place."""

import warnings

import numpy as np

from .labels import as_labels, natural_array

DOMAINS = ("source", "target")


def as_domains(values, n_rows):
    """Return the ``domain`` metadata as an object array of ``"source"`` / ``"target"``."""
    labels = as_labels("domain", values, n_rows)
    unknown = sorted({repr(label) for label in labels if label not in DOMAINS})
    if unknown:
        raise ValueError(f"domain must be 'source' or 'target' for every clip, got {', '.join(unknown)}.")
    return labels


def as_mask(name, values, n_rows):
    """Return boolean per-clip metadata as an array of bool."""
    labels = as_labels(name, values, n_rows)
    unknown = sorted({repr(label) for label in labels if label not in (True, False)})
    if unknown:
        raise ValueError(f"{name} must be True or False for every clip, got {', '.join(unknown)}.")
    return labels.astype(bool)


def check_metadata(n_rows, **metadata):
    """Return metadata by name as arrays of one entry per clip; entries that are None stay None.

    ``domain`` and ``proxy`` are checked for their values, others only for their length. Sections come back as objects,
    numbers (``y``, ``attribute``) as numbers.
    """
    checked = {}
    for name, values in metadata.items():
        if values is None:
            checked[name] = None
        elif name == "domain":
            checked[name] = as_domains(values, n_rows)
        elif name == "proxy":
            checked[name] = as_mask(name, values, n_rows)
        elif name == "section":
            checked[name] = as_labels(name, values, n_rows)
        else:  # numbers stay numbers
            checked[name] = natural_array(as_labels(name, values, n_rows).tolist())
    return checked


def warn_about_anomalies(y, estimator):
    """Warn if the ground truth ``y`` (+1 normal, -1 anomalous) marks clips to be fitted on as anomalous."""
    if y is None:
        return
    values = np.asarray(y)
    if values.dtype.kind in "iufO" and set(values.ravel().tolist()) in ({-1}, {-1, 1}):
        warnings.warn(
            f"{type(estimator).__name__} is fitted on {np.count_nonzero(values == -1)} clips that y marks as anomalous "
            "(-1). Only healthy clips are to be learnt from: wrap the estimator in skasd.compose.NormalOnly, which "
            "drops them.",
            UserWarning,
        )
