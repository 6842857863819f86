"""Methods of all detectors made of detectors."""

from typing import Any

import numpy as np
from sklearn.base import MetaEstimatorMixin, OutlierMixin

from .._typing import ArrayLike
from ..scorers.thresholds import ThresholdMixin


class DetectionMixin(ThresholdMixin, MetaEstimatorMixin, OutlierMixin):
    """Scores, both ways round, and threshold; a subclass has ``anomaly_score(X)`` and ``offset_``."""

    def score_samples(self, X: Any) -> np.ndarray:
        """Return how normal each clip is, with nothing known about it; higher is more normal.

        Parameters
        ----------
        X : clips or features
            Whatever was fitted on.

        Returns
        -------
        ndarray of shape (n_clips,)
            NaN for skipped clips.
        """
        return -self.anomaly_score(X)

    def fit_predict(self, X: Any, y: ArrayLike | None = None, **metadata) -> np.ndarray:
        """Fit to the clips and predict them.

        Parameters
        ----------
        X : clips or features
            Whatever `fit` takes.
        y : array-like of shape (n_clips,), default=None
            Not learnt from.
        **metadata : dict
            Metadata for `fit`.

        Returns
        -------
        ndarray of int of shape (n_clips,)
        """
        return self.fit(X, y, **metadata).predict(X)

    def _keep_names_of(self, estimator):
        for attribute in ("n_features_in_", "feature_names_in_"):
            if hasattr(estimator, attribute):
                setattr(self, attribute, getattr(estimator, attribute))
