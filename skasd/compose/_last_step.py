"""Where the detector is in pipelines and other wrappings."""

from sklearn.base import MetaEstimatorMixin
from sklearn.pipeline import Pipeline

from .._sklearn_compat import BaseSearchCV


def last_step(detector):
    """Return the fitted detector inside pipelines, searches and meta-estimators of one estimator."""
    if isinstance(detector, Pipeline):
        return last_step(detector.steps[-1][1])
    if isinstance(detector, BaseSearchCV):
        return last_step(detector.best_estimator_)
    if isinstance(detector, MetaEstimatorMixin) and hasattr(detector, "estimator_"):
        return last_step(detector.estimator_)
    return detector
