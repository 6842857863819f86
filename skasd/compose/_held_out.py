"""Anomaly scores of training clips from detectors that have not learnt them."""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import delayed

from .._sklearn_compat import BaseSearchCV, num_samples
from ..scorers import ThresholdMixin
from ..scorers.thresholds import (
    are_few_clips_told,
    no_word_on_few_clips,
    set_threshold,
    warn_about_few_clips,
)
from ._last_step import last_step
from ._normal_only import NormalOnly
from ._rows import not_proxies, take, take_rows


def job_with_held_out(*args, own_threshold=True, **kwargs):
    """Return the call of `fit_with_held_out` for ``sklearn.utils.parallel.Parallel``.

    Without ``own_threshold`` the estimator's threshold is not used, and there is no word on too few clips for it.
    """
    return delayed(fit_with_held_out)(*args, told=own_threshold and are_few_clips_told(), **kwargs)


def fit_with_held_out(estimator, X, y, metadata, rows, splits=None, label="", told=True):
    """Fit a clone of an estimator to some rows of X, and score these as if it had not learnt them.

    Scorers of this package carry such scores (``training_scores_``), which are used unchanged. Other detectors are
    fitted again on the training clips of each of ``splits``, folds by rows of X; None: five shuffled ones. ``metadata``
    is what is routed to ``fit``, for all rows; ``label`` says where an error came from; ``told``, whether there is a
    warning if clips are too few for the estimator's threshold.

    Returns the fitted estimator and anomaly scores (n_clips,): NaN for clips that were not learnt from - rows left out,
    skipped clips, proxies, those that `NormalOnly` dropped - and for augmented ones.
    """
    n_rows = num_samples(X)
    metadata = take_rows(metadata, rows, n_rows)
    X, y = take(X, rows), take(y, rows)
    try:
        with no_word_on_few_clips(not told):
            fitted = clone(estimator).fit(X, y, **metadata)
    except ValueError as error:
        if not label:
            raise
        raise ValueError(f"{label}: {error}") from error
    if splits is None:
        splits = shuffled_folds(len(rows))
    else:
        place = np.full(n_rows, -1)
        place[rows] = np.arange(len(rows))
        splits = [tuple(kept[kept >= 0] for kept in (place[train], place[test])) for train, test in splits]
    scores = np.full(n_rows, np.nan)
    scores[rows] = _held_out_scores(estimator, fitted, X, y, metadata, splits)
    return fitted, scores


def _held_out_scores(estimator, fitted, X, y, metadata, splits):
    n_rows = num_samples(X)
    learnt = not_proxies(metadata.get("proxy"), n_rows)
    if metadata.get("origin") is not None:
        learnt &= [len(clips) == 1 for clips in metadata["origin"]]
    if y is not None and _drops_anomalies(fitted):
        learnt &= np.asarray(y) != -1
    scores = np.full(n_rows, np.nan)
    last = last_step(fitted)
    own = getattr(last, "training_scores_", None)
    if own is not None and getattr(last, "calibration", None) != "train":  # "train": they are in-sample
        if learnt.sum() != len(own):  # some clips were skipped: to know which costs a pass over all
            learnt &= ~np.isnan(fitted.score_samples(X))
        if learnt.sum() == len(own):
            scores[learnt] = own
            return scores
    trained = np.zeros(n_rows, dtype=bool)
    for train, test in splits:
        if len(test) and len(train):
            with no_word_on_few_clips():
                again = clone(estimator).fit(
                    take(X, train), take(y, train), **take_rows(metadata, train, n_rows)
                )
            scores[test] = -again.score_samples(take(X, test))
            trained[train] = True
    scores[~(learnt & trained)] = np.nan
    return scores


def shuffled_folds(n_rows, n_folds=5):
    """Return shuffled folds, which spread clips sorted by section or domain; for one clip, that clip."""
    if n_rows < 2:
        return [(np.arange(n_rows), np.arange(n_rows))]
    folds = KFold(min(n_folds, n_rows), shuffle=True, random_state=0)
    return list(folds.split(np.zeros((n_rows, 1))))


def _drops_anomalies(detector):
    """Tell whether there is a `NormalOnly` in a fitted detector."""
    if isinstance(detector, NormalOnly):
        return True
    if isinstance(detector, Pipeline):
        return _drops_anomalies(detector.steps[-1][1])
    if isinstance(detector, BaseSearchCV):
        return _drops_anomalies(detector.best_estimator_)
    parts = getattr(detector, "estimators_", [])
    return any(_drops_anomalies(part) for part in (parts.values() if isinstance(parts, dict) else parts))


def offset_of(detector: Any, X: Any):
    """Return ``score_samples - decision_function``, a constant, of a fitted detector; by X if it has no ``offset_``."""
    offset = getattr(last_step(detector), "offset_", None)
    if offset is None:
        first = take(X, np.array([0]))
        offset = detector.score_samples(first) - detector.decision_function(first)
    return float(np.ravel(offset)[0])


def offset_if_any(detector, X):
    """Return `offset_of`; 0 for an estimator of densities, such as a Gaussian mixture, that makes no decisions."""
    return offset_of(detector, X) if hasattr(detector, "decision_function") else 0.0


def anomaly_scores_of(detector, X: Any, offset, **metadata):
    """Return the anomaly scores of a fitted detector, with what is known about the clips.

    ``score_samples`` takes no metadata. With metadata, the score is the detector's threshold minus its decision.
    """
    if not metadata:
        return -detector.score_samples(X)
    return -(detector.decision_function(X, **metadata) + offset)


def threshold_for(detector: Any, false_alarms: float) -> float:
    """Return the threshold of a fitted detector for another false-alarm rate.

    It is set by the same rule and from the same scores as the detector's own: held-out scores of its training clips, or
    after `set_threshold` scores of the later clips.

    Parameters
    ----------
    detector : estimator
        Fitted; may be a pipeline or another wrapper around one detector.
    false_alarms : float in (0, 0.5]
        The share of healthy clips that may be called anomalous.

    Returns
    -------
    float
        Clips with an anomaly score above it are called anomalous at that rate.

    Raises
    ------
    ValueError
        If the rate is not in this range, or the detector has no held-out scores: because it is not one of this package,
        or was fitted with ``calibration="train"``.

    Warns
    -----
    UserWarning
        If there are too few scores for such a rate (fewer than ``1 / false_alarms - 1``): the threshold is then the
        greatest of them.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import KNNScorer
    >>> from skasd.compose import threshold_for
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = KNNScorer().fit(X)
    >>> threshold_for(detector, 0.1) == detector.threshold_ < threshold_for(detector, 0.01)
    True
    """
    if not 0 < false_alarms <= 0.5:
        raise ValueError(f"The rate of false alarms must be above 0 and at most 0.5, got {false_alarms!r}.")
    last = last_step(detector)
    why = "" if isinstance(last, ThresholdMixin) else "keeps no scores of its training"
    if not why and last.calibration_rule_ == "train" == getattr(last, "calibration", None):
        why = "was fitted with calibration='train'"
    if why:
        raise ValueError(
            f"No threshold for a rate of false alarms can be told: {type(last).__name__} {why}. Give a threshold, or "
            f"fit with contamination={false_alarms:g}."
        )
    scores = last.calibration_scores_
    warn_about_few_clips(len(scores), false_alarms)
    return set_threshold(scores, false_alarms, last.calibration_rule_, last.calibration_weights_)
