"""Contribution of each feature to a clip's distance from the training clips."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._typing import ArrayLike
from ._rows import checked_rows, skipped_rows


class ContributionMixin:
    """Adds `feature_contributions` to a scorer whose distance is a sum over features.

    The scorer writes `_contributions(X, reference)`: rows of shares, of the shape of ``X``, that sum to
    ``_score_reference(X, reference)``.
    """

    # what the scorer beside it brings
    references_: dict
    _score_reference: Any
    _normalized: Any
    _contributions: Any

    def feature_contributions(self, X: ArrayLike) -> np.ndarray:
        """Return how much each feature adds to the distance that a clip's anomaly score is based on.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features)
            One row per clip.

        Returns
        -------
        ndarray of shape (n_clips, n_features)
            Each row sums to the clip's distance to the reference that gives its score. This is `anomaly_score` itself,
            unless normalised (`domain_normalization`, `density_normalization`: the shares are of the distance before
            normalisation). NaN for rows that are NaN everywhere.
        """
        check_is_fitted(self)
        X = checked_rows(self, X)
        present = ~skipped_rows(X)
        shares = np.full(X.shape, np.nan)
        rows = X[present]
        if not len(rows):
            return shares
        references = self.references_
        scores = [self._score_reference(rows, reference) for reference in references.values()]
        nearest = self._normalized(np.column_stack(scores)).argmin(axis=1)
        parts = np.empty_like(rows)
        for column, reference in enumerate(references.values()):
            mine = nearest == column
            if mine.any():
                parts[mine] = self._contributions(rows[mine], reference)
        shares[present] = parts
        return shares


def scaled_to_sum(shares, total):
    """Return non-negative or signed shares of ``total ** 2`` as shares of ``total``; zero where that is."""
    return np.divide(shares, total[..., None], out=np.zeros_like(shares), where=total[..., None] > 0)
