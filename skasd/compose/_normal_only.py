"""Fit on healthy clips only, whatever the cross-validation hands over."""

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context, clone
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, _routing_enabled, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from ._last_step import last_step
from ._rows import check_lengths, take_rows

METADATA = {"section", "domain", "attribute", "proxy"}


def _estimator_has(method):
    def check(self):
        estimator = getattr(self, "estimator_", self.estimator)
        getattr(estimator, method)  # raises the AttributeError that names the inner estimator
        return True

    return check


class NormalOnly(MetaEstimatorMixin, BaseEstimator):
    """Drop clips known to be anomalous before fitting an estimator.

    In cross-validation the training folds hold anomalous clips too, and so does the refit on all of ``X``
    that follows a search. An anomaly detector must learn from none of them. This meta-estimator leaves out
    the rows with ``y == -1`` together with their metadata, and then fits the estimator; everything else is
    the estimator's.

    Parameters
    ----------
    estimator : estimator
        Detector, embedder or pipeline to be fitted on the normal clips.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.

    n_dropped_ : int
        Number of anomalous clips that were left out.

    offset_ : float
        The fitted detector's, where it has one; that of a pipeline's last step.

    See Also
    --------
    skasd.metrics.harmonic_auc_scorer : Scores a detector over domains and sections.

    Notes
    -----
    Metadata (``section``, ``domain``, ...) may be passed with metadata routing enabled, or
    without it if every entry has one value per clip: each value passed to ``fit`` that has as many entries
    as ``X`` is cut with it.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import KNNScorer, NormalOnly
    >>> X = np.r_[np.random.default_rng(0).normal(size=(50, 4)), np.full((5, 4), 9.0)]
    >>> y = np.r_[np.ones(50), -np.ones(5)]
    >>> detector = NormalOnly(KNNScorer()).fit(X, y)
    >>> detector.n_dropped_
    5
    >>> detector.predict(X[-2:])
    array([-1, -1])
    """

    _parameter_constraints: dict = {"estimator": "no_validation"}

    def __init__(self, estimator):
        self.estimator = estimator

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Fit the estimator on the rows that ``y`` does not mark as anomalous.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Whatever the estimator takes: clips, time-frequency arrays, embeddings, file paths.

        y : array-like of shape (n_clips,) or None
            +1 normal, -1 anomalous. None: all rows are taken to be normal.

        **params : dict
            Metadata; handed on to the estimator row by row.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If no normal row is left, or ``y`` or metadata has not one entry per clip.
        """
        if _routing_enabled():
            params = process_routing(self, "fit", **params).estimator.fit
        self.n_dropped_ = 0
        if y is not None:
            n_rows = _num_samples(X)
            known = {name: value for name, value in params.items() if name.rpartition("__")[2] in METADATA}
            check_lengths(n_rows, y=y, **known)
            labels = np.asarray(y)
            if labels.dtype.kind in "ifO":  # labels of other kinds are classes, not the ground truth
                anomalous = labels == -1
                if anomalous.all():
                    raise ValueError(
                        f"y marks all {n_rows} rows as anomalous (-1): there is nothing left to fit on."
                    )
                self.n_dropped_ = int(np.count_nonzero(anomalous))
            if self.n_dropped_:
                rows = np.flatnonzero(~anomalous)
                params = take_rows(params, rows, n_rows)
                X, y = _safe_indexing(X, rows), _safe_indexing(y, rows)
        self.estimator_ = clone(self.estimator).fit(X, y, **params)
        if hasattr(self.estimator_, "n_features_in_"):
            self.n_features_in_ = self.estimator_.n_features_in_
        if hasattr(self.estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.estimator_.feature_names_in_
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")

    def _call(self, method, X, **params):
        check_is_fitted(self)
        if params and _routing_enabled():
            params = process_routing(self, method, **params).estimator[method]
        return getattr(self.estimator_, method)(X, **params)

    @property
    def offset_(self):
        """Offset of the fitted detector: ``decision_function = score_samples - offset_``."""
        return last_step(self.estimator_).offset_

    @available_if(_estimator_has("predict"))
    def fit_predict(self, X, y=None, **params):
        """Fit on the normal rows and predict all rows.

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
            Metadata, handed on.

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
            Metadata, handed on.

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
        """Return the score with the sign turned: higher is more anomalous.

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
            Metadata, handed on.

        Returns
        -------
        ndarray of n_clips rows
        """
        return self._call("transform", X, **params)

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X, **params):
        """Return log-probabilities of the classes.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Whatever the estimator takes.

        **params : dict
            Metadata, handed on.

        Returns
        -------
        ndarray of shape (n_clips, n_classes)
        """
        return self._call("predict_log_proba", X, **params)

    def get_metadata_routing(self):
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
