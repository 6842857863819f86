"""Rows and their metadata: lengths, skipped clips, selection."""

from contextlib import contextmanager

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.utils.metadata_routing import process_routing

from .._metadata import as_mask
from .._sklearn_compat import num_samples, safe_indexing
from .._unfitted import forget_features


@contextmanager
def route_metadata():
    """Within this context, route metadata to the estimators that request it, whatever the global setting."""
    with config_context(enable_metadata_routing=True):
        yield


def routed_to(owner, method, **metadata):
    """Return the `metadata` that is not None, by part and method of `owner` that get it: ``routed[part][method]``."""
    given = {name: value for name, value in metadata.items() if value is not None}
    return process_routing(owner, method, **given)


def check_lengths(n_rows, **metadata):
    """Raise if a sequence in `metadata` does not have one entry per clip; None means not given."""
    for name, values in metadata.items():
        if values is None:
            continue
        if isinstance(values, (str, bytes)):
            raise TypeError(f"{name} must hold one entry per clip, got the single string {values!r}.")
        if num_samples(values) != n_rows:
            raise ValueError(
                f"{name} has {num_samples(values)} entries for {n_rows} clips: give one entry per clip."
            )


def one_per_row(value, n_rows):
    """Tell whether `value` is metadata with one entry per row."""
    try:
        return not isinstance(value, (str, bytes, dict)) and num_samples(value) == n_rows
    except TypeError:
        return False


def take_rows(values, rows, n_rows):
    """Return `values`, a dict of metadata, for some of the rows only."""
    return {
        name: safe_indexing(value, rows) if one_per_row(value, n_rows) else value
        for name, value in values.items()
    }


def take(X, rows):
    """Return some of the rows of `X`; `X` itself for all of them in order; None for None."""
    if X is None or np.array_equal(rows, np.arange(num_samples(X))):
        return X
    if issparse(X):
        raise TypeError("X is sparse, which is not supported: give X.toarray().")
    return safe_indexing(X if hasattr(X, "__getitem__") else np.asarray(X), rows)


def not_proxies(proxy, n_rows):
    """Return the mask of the clips that are not proxies for anomalies."""
    if proxy is None:
        return np.ones(n_rows, dtype=bool)
    return ~as_mask("proxy", proxy, n_rows)


def skipped_clips(X):
    """Return the mask of rows that are NaN everywhere, where `X` is an array or a table of floats."""
    values = X.to_numpy() if hasattr(X, "iloc") and getattr(X, "ndim", 0) == 2 else X
    skipped = np.zeros(num_samples(X), dtype=bool)
    if isinstance(values, np.ndarray) and values.ndim > 1 and values.dtype.kind == "f" and values.size:
        flat = values.reshape(len(values), -1)
        candidates = np.flatnonzero(np.isnan(flat[:, 0]))  # few: spares a mask as large as X
        skipped[candidates] = np.isnan(flat[candidates]).all(axis=1)
    return skipped


def scores_of_present(score, X, **metadata):
    """Return ``score(X, **metadata)``, NaN for skipped clips, which are not passed to `score`."""
    n_rows = num_samples(X)
    present = np.flatnonzero(~skipped_clips(X))
    scores = np.full(n_rows, np.nan)
    if len(present) or not n_rows:
        scores[present] = score(take(X, present), **take_rows(metadata, present, n_rows))
    return scores


def keep_names(owner, estimator):
    """Copy the number and the names of the features that an estimator has seen."""
    forget_features(owner)
    for attribute in ("n_features_in_", "feature_names_in_"):
        if hasattr(estimator, attribute):
            setattr(owner, attribute, getattr(estimator, attribute))
