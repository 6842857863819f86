"""Methods of all detectors: scores, decisions, threshold and p-values."""

from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._typing import ArrayLike
from ..labels import as_labels, group_rows
from .thresholds import p_values, set_threshold, warn_about_few_clips


class ThresholdMixin:
    """Scores of both signs, decisions, and threshold and p-values from scores of healthy clips that were not learnt.

    A subclass has ``fit``, ``anomaly_score(X)``, the parameters `contamination` and `calibration`, and calls
    `_calibrate_on`.
    """

    # scikit-learn mangles these names
    __metadata_request__decision_function = {"section": True}
    __metadata_request__predict = {"section": True}

    fit: Any
    anomaly_score: Any
    contamination: float
    calibration: Any

    def score_samples(self, X: Any) -> np.ndarray:
        """Return how normal each clip is, without metadata; higher is more normal.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Clips or features of the kind that was fitted on.

        Returns
        -------
        ndarray of shape (n_clips,)
            The opposite of the anomaly score; NaN for skipped clips (rows that are NaN everywhere).
        """
        return -self.anomaly_score(X)

    def decision_function(self, X: Any, *, section: Any = None) -> np.ndarray:
        """Return the signed distance to the threshold; negative means anomalous.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Clips or features of the kind that was fitted on.
        section : sequence of hashables of length n_clips, default=None
            The section of each clip, where known; ignored by scorers but `GammaSoftmaxScorer`.

        Returns
        -------
        ndarray of shape (n_clips,)
            ``score_samples(X) - offset_`` if `section` is not given; NaN for skipped clips.
        """
        return -self.anomaly_score(X, section=section) - self.offset_

    def predict(self, X: Any, *, section: Any = None) -> np.ndarray:
        """Return +1 for clips that sound normal and -1 for anomalous and for skipped ones.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Clips or features of the kind that was fitted on.
        section : sequence of hashables of length n_clips, default=None
            As in `decision_function`.

        Returns
        -------
        ndarray of int of shape (n_clips,)
        """
        return np.where(self.decision_function(X, section=section) >= 0, 1, -1)

    def fit_predict(self, X: Any, y: ArrayLike | None = None, **metadata) -> np.ndarray:
        """Fit to the clips and predict them; too many are predicted normal, because they were learnt.

        Parameters
        ----------
        X : array-like or list of n_clips items
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

    def p_value(self, X: Any, **metadata) -> np.ndarray:
        """Return how rarely a healthy clip would score as high as each clip: the conformal p-value.

        Parameters
        ----------
        X : clips or features
            Of the kind that was fitted on.
        **metadata : dict
            What `anomaly_score` takes, such as `section`.

        Returns
        -------
        ndarray of shape (n_clips,)
            In (0, 1], with ``calibration="train"`` in [0, 1]; NaN for skipped clips. ``predict`` is -1 where it is
            below ``contamination``. With fewer than ``1 / contamination - 1`` scores, ``predict`` is -1 where the score
            is above all of them; the p-value there is ``1 / (n + 1)``, the lowest possible.

        Notes
        -----
        The expected share of new healthy clips above the score, interpolated between the scores of healthy clips that
        the threshold was also set from (``calibration_scores_``).
        """
        return self.p_value_of_scores(self.anomaly_score(X, **metadata))

    def p_value_of_scores(self, scores: ArrayLike) -> np.ndarray:
        """Return the p-values of anomaly scores; for detectors that come after other steps.

        Parameters
        ----------
        scores : array-like of shape (n_clips,)
            Anomaly scores; higher is more anomalous.

        Returns
        -------
        ndarray of shape (n_clips,)
        """
        check_is_fitted(self)
        return p_values(
            scores, self.calibration_scores_, self._asked_for, self._rule, self.calibration_weights_
        )

    def set_threshold(self, X: Any, *, contamination: float | None = None, groups: Any = None) -> Self:
        """Set the threshold from healthy clips of later recordings; nothing else is learnt.

        Parameters
        ----------
        X : clips or features
            Healthy clips not used for fitting, from as many recordings as possible.
        contamination : float in (0, 0.5], default=None
            False-alarm rate that the threshold aims at; None: the parameter `contamination` (0.1 if there is none).
        groups : sequence of hashables of length n_clips, default=None
            The recording, day or unit that each clip comes from; None: each clip is a recording of its own
            (`AnomalousSoundDetector`: unless the file names show recordings). The rate to expect, and the warning, are
            by their number.

        Returns
        -------
        self : object

        Warns
        -----
        FewClipsWarning
            If there are fewer than ``1 / contamination - 1`` clips, or groups.
        """
        check_is_fitted(self)
        groups = self._recordings_of(X) if groups is None else groups
        return self.set_threshold_from_scores(
            self.anomaly_score(X), contamination=contamination, groups=groups
        )

    def set_threshold_from_scores(
        self, scores: ArrayLike, *, contamination: float | None = None, groups: Any = None
    ) -> Self:
        """Set the threshold from anomaly scores of healthy clips of later recordings.

        Parameters
        ----------
        scores : array-like of shape (n_clips,)
            Anomaly scores; NaN is left out.
        contamination : float in (0, 0.5], default=None
            False-alarm rate that the threshold aims at; None: the parameter `contamination` (0.1 if there is none).
        groups : sequence of hashables of length n_clips, default=None
            As in `set_threshold`.

        Returns
        -------
        self : object
        """
        check_is_fitted(self)
        contamination = getattr(self, "contamination", 0.1) if contamination is None else contamination
        if not (isinstance(contamination, Real) and 0 < float(contamination) <= 0.5):
            raise ValueError(f"contamination must be above 0 and at most 0.5, got {contamination!r}.")
        scores = np.asarray(scores, dtype=float)
        if scores.ndim != 1 or np.isinf(scores).any():
            raise ValueError(
                "scores must be 1-D, one for each clip, and finite or NaN (left out), got an array of shape "
                f"{scores.shape} with {np.isinf(scores).sum()} infinite entries."
            )
        scored = ~np.isnan(scores)
        if groups is not None:
            groups = as_labels("groups", groups, len(scores))[scored]
        scores = scores[scored]
        if not len(scores):
            raise ValueError("A threshold takes the score of one healthy clip at least; got none.")
        n = len(scores) if groups is None else len(group_rows(groups))
        warn_about_few_clips(n, contamination, what="healthy clips" if n == len(scores) else "recordings")
        before = self.offset_
        self._calibrate_on(
            scores, rule="gamma" if self._rule == "gamma" else "cross", contamination=contamination
        )
        self._n_later = n
        self._follow(self.offset_ - before)
        return self

    def _recordings_of(self, X):
        """Return the recording of each clip as far as X shows it, else None."""

    def _follow(self, change):
        """Change what depends on `offset_`, which has gone up by `change`; here nothing."""

    @property
    def threshold_(self):
        """Anomaly score above which a clip is called anomalous: ``-offset_``."""
        return -self.offset_

    @property
    def calibration_rate_(self):
        """False-alarm rate that the threshold aims at: `contamination`, or that given to `set_threshold`."""
        return self._asked_for

    @property
    def calibration_rule_(self):
        """Rule that made the threshold of `calibration_scores_`: "cross", "train" or "gamma", see `BaseScorer`."""
        return self._rule

    @property
    def n_later_recordings_(self):
        """Number of recordings that `set_threshold` set the threshold from; None if it was not called."""
        return self._n_later

    def _calibrate_on(self, scores, weights=None, rule=None, contamination=None):
        """Set `offset_`, and keep what it comes from."""
        self._keep_for_p_values(
            scores,
            weights,
            self.calibration if rule is None else rule,
            self.contamination if contamination is None else contamination,
        )
        self.offset_ = -set_threshold(scores, self._asked_for, self._rule, weights)

    def _keep_for_p_values(self, scores, weights=None, rule="cross", contamination=0.1):
        self.calibration_scores_, self.calibration_weights_ = scores, weights
        self._rule, self._asked_for, self._n_later = rule, contamination, None
