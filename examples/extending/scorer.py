"""A scorer of one's own: distance to the median in units of the median absolute deviation."""

from numbers import Real
from typing import Literal

import numpy as np
from sklearn.utils._param_validation import Interval

from skasd.scorers import BaseScorer


class MedianScorer(BaseScorer):
    """Robust z-score: a few faulty clips among the training clips do not move it.

    Parameters
    ----------
    floor : float, default=1e-6
        Least deviation of a feature, for features that never change.

    contamination, calibration, domain_normalization, augmenter : object
        See :class:`skasd.scorers.BaseScorer`.

    Notes
    -----
    With the median m and the median absolute deviation s of each feature in the training clips of a domain the anomaly
    score is the mean of ``abs(x - m) / max(s, floor)`` over features.
    """

    _parameter_constraints: dict = {
        **BaseScorer._parameter_constraints,
        "floor": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        floor=1e-6,
        *,
        contamination=0.1,
        calibration: Literal["cross", "train", "gamma"] = "cross",
        domain_normalization=None,
        augmenter=None,
    ):
        super().__init__(
            contamination=contamination,
            calibration=calibration,
            domain_normalization=domain_normalization,
            augmenter=augmenter,
        )
        self.floor = floor

    def _fit_reference(self, X):
        """Return what is kept of the training rows of one domain."""
        median = np.median(X, axis=0)
        return median, np.maximum(np.median(np.abs(X - median), axis=0), self.floor)

    def _score_reference(self, X, reference):
        """Return the anomaly scores of rows against what `_fit_reference` returned."""
        median, deviation = reference
        return np.mean(np.abs(X - median) / deviation, axis=1)
