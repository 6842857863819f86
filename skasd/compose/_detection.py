"""Base classes of detectors that contain detectors."""

from typing import Any, Self

import numpy as np
from sklearn.base import MetaEstimatorMixin, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from .._typing import ArrayLike
from ..scorers import ThresholdMixin
from ._rows import keep_names


class DetectionMixin(ThresholdMixin, MetaEstimatorMixin, OutlierMixin):
    """Scores, both ways round, and threshold; a subclass has ``anomaly_score(X)`` and ``offset_``."""

    _keep_names_of = keep_names


class StepsMixin(DetectionMixin):
    """Scores and threshold of the last of ``steps_``, a `PerSection`, on the rows that ``_rows(X)`` makes of clips."""

    steps_: list
    _rows: Any

    @property
    def offset_(self) -> float:
        """``decision_function = score_samples - offset_`` if the section is not given."""
        return self.steps_[-1].offset_

    @property
    def calibration_rate_(self) -> float:
        """False-alarm rate that the threshold aims at: `contamination`, or that given to `set_threshold`."""
        return self.steps_[-1].calibration_rate_

    @property
    def calibration_rule_(self) -> str:
        """Rule that made the threshold: "cross", "train" or "gamma", see `BaseScorer`."""
        return self.steps_[-1].calibration_rule_

    @property
    def n_later_recordings_(self) -> int | None:
        """Number of recordings that `set_threshold` set the threshold from; None if it was not called."""
        return self.steps_[-1].n_later_recordings_

    def anomaly_score(self, X: Any, *, section: Any = None) -> np.ndarray:
        """Return the anomaly score of each clip; higher is more anomalous.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Clips or features of the kind that was fitted on.
        section : sequence of hashables of length n_clips, default=None
            The section of each clip, where known.

        Returns
        -------
        ndarray of shape (n_clips,)
            NaN for skipped clips.
        """
        check_is_fitted(self)
        return self.steps_[-1].anomaly_score(self._rows(X), section=section)

    def decision_function(self, X: Any, *, section: Any = None) -> np.ndarray:
        """Return the signed distance to the threshold; negative means anomalous.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Clips or features of the kind that was fitted on.
        section : sequence of hashables of length n_clips, default=None
            The section of each clip, where known: its scorer decides.

        Returns
        -------
        ndarray of shape (n_clips,)
            NaN for skipped clips.
        """
        check_is_fitted(self)
        return self.steps_[-1].decision_function(self._rows(X), section=section)

    def p_value(self, X: Any, *, section: Any = None) -> np.ndarray:  # type: ignore[override]
        """Return how rarely a healthy clip would score as high as each clip: the conformal p-value.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Clips or features of the kind that was fitted on.
        section : sequence of hashables of length n_clips, default=None
            The section of each clip, where known: the p-value is that of its scorer, see `PerSection`.

        Returns
        -------
        ndarray of shape (n_clips,)
            In (0, 1]; NaN for skipped clips. ``predict`` is -1 where it is below ``contamination``.
        """
        check_is_fitted(self)
        return self.steps_[-1].p_value(self._rows(X), section=section)

    def p_value_of_scores(self, scores: ArrayLike) -> np.ndarray:
        """Return the p-values of anomaly scores, if the section is not given.

        Parameters
        ----------
        scores : array-like of shape (n_clips,)
            Anomaly scores; higher is more anomalous.

        Returns
        -------
        ndarray of shape (n_clips,)
            In (0, 1]; NaN for NaN.
        """
        check_is_fitted(self)
        return self.steps_[-1].p_value_of_scores(scores)

    def set_threshold_from_scores(
        self, scores: ArrayLike, *, contamination: float | None = None, groups: Any = None
    ) -> Self:
        """Set the threshold from anomaly scores of healthy clips of later recordings.

        Parameters
        ----------
        scores : array-like of shape (n_clips,)
            Anomaly scores; NaN is left out.
        contamination : float in (0, 0.5], default=None
            False-alarm rate that the threshold aims at; None: the parameter `contamination`.
        groups : sequence of hashables of length n_clips, default=None
            The recording, day or unit that each clip comes from.

        Returns
        -------
        self : object
        """
        check_is_fitted(self)
        rate = self.contamination if contamination is None else contamination
        self.steps_[-1].set_threshold_from_scores(scores, contamination=rate, groups=groups)
        return self
