"""An estimator around another one that only changes what it is fitted on."""

from typing import Any

from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._unfitted import unfitted_on_failure
from ._last_step import last_step
from ._later_clips import LaterClipsMixin
from ._rows import keep_names


def _estimator_has(method):
    def check(self):
        estimator = getattr(self, "estimator_", self.estimator)
        getattr(estimator, method)  # raises the AttributeError that names the inner estimator
        return True

    return check


class FitWrapper(LaterClipsMixin, MetaEstimatorMixin, BaseEstimator):
    """Base of the estimators that prepare what the inner estimator is fitted on; everything else is the inner one's.

    A subclass has the parameter ``estimator`` and a ``fit`` that ends in ``_fit_inner``, which gets what else was
    learnt, by the names of the fitted attributes.
    """

    def _routed_to_fit(self, params):
        """Return the metadata that the inner estimator's ``fit`` gets."""
        if get_config()["enable_metadata_routing"]:
            return process_routing(self, "fit", **params).estimator.fit
        if isinstance(self.estimator, Pipeline) and (lost := [name for name in params if "__" not in name]):
            raise ValueError(
                f"{', '.join(lost)} cannot reach the steps of the pipeline in {type(self).__name__} while metadata "
                "routing is off: call sklearn.set_config(enable_metadata_routing=True) before."
            )
        return params

    def _fit_inner(self, X, y, params, **learnt):
        with unfitted_on_failure(self):
            self.estimator_ = clone(self.estimator).fit(X, y, **params)
            vars(self).update(learnt)
            keep_names(self, self.estimator_)
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")

    def _call(self, method, X, **params):
        check_is_fitted(self)
        if params and get_config()["enable_metadata_routing"]:
            params = process_routing(self, method, **params).estimator[method]
        return getattr(self.estimator_, method)(X, **params)

    @property
    def offset_(self):
        """Offset of the fitted detector: ``decision_function = score_samples - offset_``."""
        return last_step(self.estimator_).offset_

    @available_if(_estimator_has("predict"))
    def fit_predict(self, X, y=None, **params):
        """Fit and predict all rows.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Whatever the estimator takes.

        y : array-like of shape (n_clips,) or None
            As in ``fit``.

        **params : dict
            As in ``fit``.

        Returns
        -------
        ndarray of shape (n_clips,)
        """
        return self.fit(X, y, **params).predict(X)

    @available_if(_estimator_has("predict"))
    def predict(self, X, **params):
        """Predict +1 (normal) or -1 (anomalous).

        Parameters
        ----------
        X : array-like or list of n_clips items
            Whatever the estimator takes.

        **params : dict
            Metadata, passed on.

        Returns
        -------
        ndarray of shape (n_clips,)
        """
        return self._call("predict", X, **params)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X, **params):
        """Return the score above the threshold: positive is normal.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Whatever the estimator takes.

        **params : dict
            Metadata, passed on.

        Returns
        -------
        ndarray of shape (n_clips,)
        """
        return self._call("decision_function", X, **params)

    @available_if(_estimator_has("score_samples"))
    def score_samples(self, X):
        """Return the score: higher is more normal.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Whatever the estimator takes.

        Returns
        -------
        ndarray of shape (n_clips,)
        """
        return self._call("score_samples", X)

    @available_if(_estimator_has("score_samples"))
    def anomaly_score(self, X):
        """Return the score with opposite sign: higher is more anomalous.

        Pipelines and detectors of other packages, which have no such method, get it here.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Whatever the estimator takes.

        Returns
        -------
        ndarray of shape (n_clips,)
        """
        return -self.score_samples(X)

    @available_if(_estimator_has("transform"))
    def transform(self, X, **params):
        """Transform clips with the fitted estimator.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Whatever the estimator takes.

        **params : dict
            Metadata, passed on.

        Returns
        -------
        ndarray of n_clips rows
        """
        return self._call("transform", X, **params)

    @available_if(_estimator_has("set_output"))
    def set_output(self, *, transform=None):
        """Set the container of what ``transform`` returns.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            As in scikit-learn; None changes nothing.

        Returns
        -------
        self : object
        """
        self.estimator.set_output(transform=transform)
        if hasattr(self, "estimator_"):
            self.estimator_.set_output(transform=transform)
        return self

    @available_if(_estimator_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that ``transform`` returns.

        Parameters
        ----------
        input_features : array-like of shape (n_features,), default=None
            Names of the columns or bins of X, if the estimator uses them.

        Returns
        -------
        ndarray of str of shape (n_features_out,)
        """
        check_is_fitted(self)
        return self.estimator_.get_feature_names_out(input_features)

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X, **params):
        """Return log-probabilities of the classes.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Whatever the estimator takes.

        **params : dict
            Metadata, passed on.

        Returns
        -------
        ndarray of shape (n_clips, n_classes)
        """
        return self._call("predict_log_proba", X, **params)

    def get_metadata_routing(self) -> Any:
        """Return the routing of metadata to the estimator.

        Returns
        -------
        MetadataRouter
        """
        mapping = MethodMapping()
        for method in ("fit", "predict", "decision_function", "transform", "predict_log_proba"):
            mapping.add(caller=method, callee=method)
        return MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.input_tags = inner.input_tags
        tags.transformer_tags = inner.transformer_tags
        tags.non_deterministic = inner.non_deterministic
        return tags
