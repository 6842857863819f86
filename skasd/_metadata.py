"""Metadata of clips: one entry per clip, checked in one place."""

import warnings

import numpy as np

from .labels import as_labels, natural_array

DOMAINS = ("source", "target")
_RECODE = "labels coded 0 (normal) and 1 (anomalous) become np.where(labels == 1, -1, 1)"


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


def check_ground_truth(name, values):
    """Raise unless all labels are +1 (normal) or -1 (anomalous)."""
    wrong = sorted({str(label) for label in values if label not in (1, -1)})
    if wrong:
        raise ValueError(
            f"{name} must be coded +1 (normal) and -1 (anomalous), got {', '.join(wrong[:5])}; {_RECODE}"
        )


def warn_about_zero_and_one(y, estimator):
    """Warn if labels, of which those of -1 are to be left out, are 0 and 1 alone (or False and True), with a 0."""
    if y.dtype.kind in "bif" and set(np.unique(y).tolist()) in ({0}, {0, 1}):
        warnings.warn(
            f"{type(estimator).__name__} leaves out clips with y = -1, and y holds {np.unique(y).tolist()}: none is "
            f"left out. If y tells anomalous clips, {_RECODE}; if sections, pass them as section=.",
            UserWarning,
        )


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


def warn_about_labels(y, estimator):
    """Warn if ``y`` holds anything but 1, for an estimator whose sections are not to be taken from it."""
    if y is None:
        return
    labels = np.asarray(y, dtype=object).ravel().tolist()
    others = [label for label in labels if label != 1]
    if not others:
        return
    if all(label == -1 for label in others):
        warn_about_anomalies(labels, estimator)
        return
    warnings.warn(
        f"{type(estimator).__name__} does not look at y, which holds {others[0]!r}: all {len(labels)} clips are learnt "
        "as healthy. Leave anomalous clips out; pass sections as section=.",
        UserWarning,
    )
