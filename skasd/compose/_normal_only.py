"""Fit on healthy clips only, whatever the cross-validation hands over."""

from typing import Any, Self

import numpy as np

from .._metadata import warn_about_zero_and_one
from .._sklearn_compat import fit_context, num_samples, safe_indexing
from .._typing import ArrayLike
from ._fit_wrapper import FitWrapper
from ._rows import check_lengths, take_rows

METADATA = {"section", "domain", "attribute", "proxy", "groups", "machine", "origin"}


class NormalOnly(FitWrapper):
    """Drop clips known to be anomalous before fitting an estimator.

    In cross-validation the training folds contain anomalous clips, and so does the ``X`` of the refit after a search.
    An anomaly detector must not learn from them. This meta-estimator drops the rows with ``y == -1`` together with
    their metadata and then fits the estimator; everything else is delegated to it.

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
        That of the fitted detector, or of a pipeline's last step, if it has one.

    See Also
    --------
    skasd.metrics.harmonic_auc_scorer : Scores a detector over domains and sections.

    Notes
    -----
    Metadata (``section``, ``domain``, ...) may be passed with or without metadata routing enabled. Every value passed
    to ``fit`` that has as many entries as ``X`` is indexed along with it.

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

    def __init__(self, estimator: Any):
        self.estimator = estimator

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: ArrayLike | None = None, **params) -> Self:
        """Fit the estimator on the rows that ``y`` does not mark as anomalous.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Whatever the estimator takes: clips, time-frequency arrays, embeddings, file paths.

        y : array-like of shape (n_clips,) or None, default=None
            +1 normal, -1 anomalous; with other classes no row is left out, and they are passed to the estimator. None:
            all rows are taken as normal.

        **params : dict
            Metadata; passed to the estimator for the rows that are kept.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If no normal row is left, or ``y`` or metadata does not have one entry per clip.

        Warns
        -----
        UserWarning
            If ``y`` holds 0 and 1, or False and True: then no row is left out.
        """
        params = self._routed_to_fit(params)
        n_dropped = 0
        if y is not None:
            n_rows = num_samples(X)
            known = {name: value for name, value in params.items() if name.rpartition("__")[2] in METADATA}
            check_lengths(n_rows, y=y, **known)
            labels = np.asarray(y)
            warn_about_zero_and_one(labels, self)
            if labels.dtype.kind in "ifO":  # labels of other kinds are classes, not the ground truth
                anomalous = labels == -1
                if anomalous.all():
                    raise ValueError(
                        f"y marks all {n_rows} rows as anomalous (-1): there is nothing left to fit on."
                    )
                n_dropped = int(np.count_nonzero(anomalous))
            if n_dropped:
                rows = np.flatnonzero(~anomalous)
                params = take_rows(params, rows, n_rows)
                X, y = safe_indexing(X, rows), safe_indexing(y, rows)
        return self._fit_inner(X, y, params, n_dropped_=n_dropped)
