"""Rows of ``X``: checked, and those that are skipped clips."""

import numpy as np
from sklearn.utils.validation import validate_data

LARGEST = 1e152  # squares of more, summed over features, overflow


def checked_rows(scorer, X):
    """Return the rows that a fitted scorer is given, as float64; they may be NaN."""
    # windows of a stream come one by one: to look for anything else takes half as long as the score
    plain = type(X) is np.ndarray and X.dtype in (np.float32, np.float64) and X.size
    if plain and X.shape[1:] == (scorer.n_features_in_,) and not hasattr(scorer, "feature_names_in_"):
        return X.astype(np.float64, copy=False)
    return validate_data(scorer, X, dtype=np.float64, ensure_all_finite=False, reset=False)


def skipped_rows(X):
    """Return the mask of the rows that are NaN everywhere (skipped clips).

    Raises ValueError if a row is only partly NaN or holds an infinity or a number beyond 1e152.
    """
    if X.min(initial=0) >= -LARGEST and X.max(initial=0) <= LARGEST:  # false with NaN
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
    largest = np.abs(X).max(axis=1)
    if (largest > LARGEST).any():
        row = np.flatnonzero(largest > LARGEST)[0]
        raise ValueError(
            f"X has values up to {largest[row]:.3g} in row {row}: beyond {LARGEST:g} distances overflow. Look for "
            "broken clips, or scale the features down."
        )
    return skipped
