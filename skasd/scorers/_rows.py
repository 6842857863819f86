"""Checks of what describes the rows of ``X``: skipped clips, section, domain, proxy."""

import numpy as np

from .._metadata import DOMAINS


def skipped_rows(X):
    """Return the mask of the rows that are NaN everywhere (skipped clips).

    Parameters
    ----------
    X : ndarray of shape (n_clips, n_features)

    Returns
    -------
    ndarray of bool of shape (n_clips,)

    Raises
    ------
    ValueError
        If a row is only partly NaN or holds an infinity.
    """
    if np.isfinite(X.sum()):  # one pass over clean data; a sum that overflows takes the slow road
        return np.zeros(len(X), dtype=bool)
    nan = np.isnan(X)
    skipped = nan.all(axis=1)
    for bad, what in ((np.isinf(X).any(axis=1), "infinity"), (nan.any(axis=1) & ~skipped, "NaN")):
        if bad.any():
            rows = np.flatnonzero(bad)
            raise ValueError(
                f"X contains {what} in row {rows[0]} ({len(rows)} such rows). A row must be finite, or NaN "
                "everywhere to mark a skipped clip: look for silent or broken clips before this step."
            )
    return skipped


def as_labels(name, values, n_rows):
    """Return per-clip metadata as a 1-D object array, one hashable label per row.

    Parameters
    ----------
    name : str
        The parameter's name, for the messages.
    values : iterable of hashables
        One entry per clip; tuples are labels, not rows.
    n_rows : int
        Number of clips.

    Returns
    -------
    ndarray of object of shape (n_rows,)
    """
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{name} must hold one entry per clip, got the single string {values!r}.")
    entries = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if len(entries) != n_rows:
        raise ValueError(
            f"{name} has {len(entries)} entries but X has {n_rows} rows; it needs one entry per clip."
        )
    labels = np.empty(n_rows, dtype=object)
    for row, entry in enumerate(entries):
        if isinstance(entry, list):
            entry = tuple(entry)
        if entry is None or entry != entry:  # NaN, pandas.NaT
            raise ValueError(f"{name} is missing in row {row}: {entry!r}. Give every clip a {name}.")
        labels[row] = entry
    return labels


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


def group_rows(labels):
    """Return the dict label -> row indices, labels in sorted order where they can be sorted."""
    rows: dict = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    try:
        names = sorted(rows)
    except TypeError:  # labels of several kinds
        names = sorted(rows, key=lambda label: (type(label).__name__, repr(label)))
    return {name: np.asarray(rows[name]) for name in names}
