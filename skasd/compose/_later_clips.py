"""P-values of any fitted detector, and its threshold from later recordings."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..scorers import ThresholdMixin
from ._last_step import last_step


def p_value_of(detector: Any, X: Any) -> np.ndarray:
    """Return how rarely a healthy clip would score as high as each clip: the conformal p-value.

    Parameters
    ----------
    detector : estimator
        Fitted, with a detector of this package at its end: a pipeline, a search, a wrapper.
    X : clips or features
        Of the kind that it was fitted on.

    Returns
    -------
    ndarray of shape (n_clips,)
        In (0, 1]; NaN for skipped clips. See `skasd.scorers.BaseScorer.p_value`.

    Raises
    ------
    TypeError
        If the detector at the end is not one of this package, and so keeps no held-out scores.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skasd import KNNScorer
    >>> from skasd.compose import p_value_of
    >>> X = np.random.default_rng(0).normal(size=(99, 2))
    >>> detector = make_pipeline(StandardScaler(), KNNScorer()).fit(X)
    >>> p_value_of(detector, [[9, 9]])
    array([0.01])
    """
    return with_threshold(detector).p_value_of_scores(-detector.score_samples(X))


def set_threshold(detector: Any, X: Any, *, contamination: float | None = None, groups: Any = None) -> Any:
    """Set the threshold of a fitted detector from healthy clips of later recordings; nothing else is learnt.

    Parameters
    ----------
    detector : estimator
        Fitted, with a detector of this package at its end: a pipeline, a search, a wrapper. It is changed.
    X : clips or features
        Healthy clips not used for fitting, from as many recordings as possible.
    contamination : float in (0, 0.5], default=None
        False-alarm rate that the threshold aims at; None: that of the detector.
    groups : sequence of hashables of length n_clips, default=None
        The recording, day or unit that each clip comes from; None: each clip is a recording of its own. The rate to
        expect, and the warning, are by their number.

    Returns
    -------
    estimator
        The detector.

    Raises
    ------
    TypeError
        If the detector at the end is not one of this package.

    Warns
    -----
    FewClipsWarning
        If there are fewer than ``1 / contamination - 1`` clips, or groups.

    See Also
    --------
    threshold_for : The threshold for another rate, from the same scores.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skasd import KNNScorer
    >>> from skasd.compose import set_threshold
    >>> rng = np.random.default_rng(0)
    >>> detector = make_pipeline(StandardScaler(), KNNScorer()).fit(rng.normal(size=(99, 2)))
    >>> later = 1.5 * rng.normal(size=(99, 2))
    >>> float((detector.predict(later) == -1).mean().round(2))
    0.21
    >>> float((set_threshold(detector, later).predict(later) == -1).mean().round(2))
    0.09
    """
    with_threshold(detector).set_threshold_from_scores(
        -detector.score_samples(X), contamination=contamination, groups=groups
    )
    return detector


class LaterClipsMixin:
    """Methods of an estimator that may end in a detector."""

    def p_value(self, X):
        """Return how rarely a healthy clip would score as high as each clip: the conformal p-value.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Clips or features of the kind that was fitted on.

        Returns
        -------
        ndarray of shape (n_clips,)
            See :func:`skasd.compose.p_value_of`.
        """
        check_is_fitted(self)
        return p_value_of(self, X)

    def set_threshold(self, X, *, contamination=None, groups=None):
        """Set the threshold from healthy clips of later recordings; nothing else is learnt.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Healthy clips not used for fitting.

        contamination : float in (0, 0.5], default=None
            False-alarm rate that the threshold aims at; None: that of the detector.

        groups : sequence of hashables of length n_clips, default=None
            The recording, day or unit that each clip comes from.

        Returns
        -------
        self : object
        """
        check_is_fitted(self)
        return set_threshold(self, X, contamination=contamination, groups=groups)


def with_threshold(detector):
    """Return the detector of this package at the end of a fitted one; TypeError if it is another."""
    last = last_step(detector)
    if not isinstance(last, ThresholdMixin):
        raise TypeError(
            f"{type(last).__name__} keeps no scores of healthy clips that a p-value or a threshold could come from; "
            "the detectors of skasd do."
        )
    return last
