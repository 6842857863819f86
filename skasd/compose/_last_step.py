"""The steps of fitted detectors, in pipelines and other wrappers."""

from typing import Any

from sklearn.base import MetaEstimatorMixin
from sklearn.ensemble import BaseEnsemble
from sklearn.pipeline import Pipeline

from .._sklearn_compat import BaseSearchCV


def fitted_steps(detector: Any) -> list:
    """Return the fitted estimators of a detector in the order in which clips pass through them.

    Parameters
    ----------
    detector : estimator
        Fitted. Pipelines, including nested ones, searches, meta-estimators of one estimator, and estimators that keep
        their fitted steps in ``steps_`` are unwrapped.

    Returns
    -------
    list of estimators
        Transformers, then the detector. Samplers, which are not used after training, are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import ClipStatistics, KNNScorer, NormalOnly
    >>> from skasd.compose import fitted_steps
    >>> detector = make_pipeline(ClipStatistics(), NormalOnly(KNNScorer())).fit(np.zeros((4, 3, 2)))
    >>> [type(step).__name__ for step in fitted_steps(detector)]
    ['ClipStatistics', 'KNNScorer']
    """
    if isinstance(detector, Pipeline):
        *front, last = [step for _, step in detector.steps if step not in (None, "passthrough")]
        return [*(step for step in front if hasattr(step, "transform")), *fitted_steps(last)]
    if isinstance(getattr(detector, "steps_", None), list):
        *front, last = detector.steps_
        return [*front, *fitted_steps(last)]
    if isinstance(detector, BaseSearchCV):
        return fitted_steps(detector.best_estimator_)
    # in an ensemble of one kind `estimator_` is what its many members are made from
    one = isinstance(detector, MetaEstimatorMixin) and not isinstance(detector, BaseEnsemble)
    if one and hasattr(detector, "estimator_"):
        return fitted_steps(detector.estimator_)
    return [detector]


def last_step(detector):
    """Return the fitted detector inside pipelines, searches and meta-estimators of one estimator."""
    return fitted_steps(detector)[-1]
