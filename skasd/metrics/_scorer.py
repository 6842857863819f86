"""The challenge's score as a scikit-learn scorer."""

from __future__ import annotations

from numbers import Real
from os import PathLike
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

from .._sklearn_compat import Interval
from ._auc import by_section, check_clips, harmonic_auc


class HarmonicAUCScorer(BaseEstimator):
    """Scorer: harmonic mean of AUC and pAUC over domains and sections.

    A callable ``scorer(estimator, X, y)`` for ``GridSearchCV(scoring=...)``, ``cross_validate`` and their
    like. It negates ``estimator.score_samples(X)`` and hands it to :func:`harmonic_auc`. The ready instance
    is ``harmonic_auc_scorer``.

    Parameters
    ----------
    max_fpr : float in (0, 1], default=0.1
        The false-positive rate up to which the pAUC is taken.

    tell : tuple of {"section", "domain"}, default=()
        Metadata passed to the detector with the clips that it scores: sections as in the challenges of 2020 to 2022,
        domains as in 2021. The detector receives what its ``decision_function`` requests. A detector that requests none
        of it is scored by ``score_samples``, as all are by default.

    See Also
    --------
    harmonic_auc : The metric, of scores instead of an estimator.
    skasd.model_selection.RecordingKFold : Folds that this scorer can evaluate.
    skasd.model_selection.FixedSplit : The challenge's own train/test split.

    Notes
    -----
    The metadata ``domain`` and ``section`` are requested without a call of :meth:`set_score_request`: with
    ``sklearn.set_config(enable_metadata_routing=True)`` it is enough to pass them to ``fit`` of the search.
    Without routing, or where one is not passed, all clips are of one domain, or one section.
    A domain without normal clips in a section of a fold contributes no AUC there.

    With ``tell=("section",)`` the scores are those of ``decision_function(X, section=section)``, relative to the
    section's own threshold; within a section they rank the clips as its scores do.

    Examples
    --------
    >>> import numpy as np
    >>> import sklearn
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.neighbors import LocalOutlierFactor
    >>> from skasd.metrics import harmonic_auc_scorer
    >>> from skasd.model_selection import RecordingKFold
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(size=(60, 4)), rng.normal(2, 1, size=(20, 4))])
    >>> y = np.repeat([1, -1], [60, 20])
    >>> domain = np.tile(["source", "target"], 40)
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     search = GridSearchCV(
    ...         LocalOutlierFactor(novelty=True),
    ...         {"n_neighbors": [1, 8]},
    ...         scoring=harmonic_auc_scorer,
    ...         cv=RecordingKFold(3),
    ...         refit=False,
    ...     ).fit(X, y, domain=domain)
    >>> search.best_params_
    {'n_neighbors': 8}
    """

    _parameter_constraints: dict = {
        "max_fpr": [Interval(Real, 0, 1, closed="right")],
        "tell": [tuple, list],
    }

    def __init__(self, max_fpr: float = 0.1, *, tell: Any = ()):
        self.max_fpr = max_fpr
        self.tell = tell

    def __call__(self, estimator, X, y_true, *, domain=None, section=None):
        """Score a fitted detector.

        Parameters
        ----------
        estimator : object
            Fitted detector with ``score_samples`` (higher = more normal).
        X : clips, time-frequency arrays or features
            Whatever the detector takes.
        y_true : array-like of shape (n_clips,)
            Ground truth, +1 normal and -1 anomalous.
        domain : array-like of shape (n_clips,), default=None
            "source" or "target"; None: one domain.
        section : array-like of shape (n_clips,), default=None
            Section labels; None: one section.

        Returns
        -------
        score : float
            In (0, 1], higher is better.
        """
        self._validate_params()
        table = check_clips(y_true, np.zeros(len(y_true)), section=section)
        parts = [(None, table)] if section is None else by_section(table)
        for name, part in parts:
            if part["y"].nunique() < 2:
                kind = "normal" if part["y"].iloc[0] == -1 else "anomalous"
                raise ValueError(
                    f"no {kind} clip among the {len(part)} to be scored"
                    + (f" of section {name!r}" if section is not None else "")
                    + "; split with skasd.model_selection.RecordingKFold, whose test folds hold both kinds, "
                    "or with skasd.model_selection.FixedSplit"
                )
        names = [str(x) for x in X if isinstance(x, (str, PathLike))] if np.ndim(X[:1]) == 1 else []
        return harmonic_auc(
            table["y"],
            -np.asarray(self._scores(estimator, X, domain=domain, section=section)),
            domain,
            section,
            max_fpr=self.max_fpr,
            clip=names if len(names) == len(table) else None,
        )

    def _scores(self, estimator, X, **metadata):
        """Return the scores of the clips, given the metadata in `tell` that the estimator requests."""
        for name in self.tell:
            if name not in metadata:
                raise ValueError(f"tell={self.tell!r}: a detector can be told {list(metadata)}.")
            if metadata[name] is None:
                raise ValueError(
                    f"tell={self.tell!r}, but the scorer was not given {name}: pass {name}= to the search or "
                    "cross-validation, with sklearn.set_config(enable_metadata_routing=True)."
                )
        told = get_routing_for_object(estimator).consumes("decision_function", self.tell)
        if not told:
            return estimator.score_samples(X)
        with config_context(enable_metadata_routing=True):  # in pipelines and wrappers
            return estimator.decision_function(X, **{name: metadata[name] for name in told})

    def get_metadata_routing(self) -> Any:
        """Return what metadata the scorer requests: ``domain`` and ``section``, unless set otherwise.

        Returns
        -------
        routing : MetadataRequest
            In the form that scikit-learn's meta-estimators expect.
        """
        # class-level requests hold for a method called "score", which a scorer does not have
        if not hasattr(self, "_metadata_request"):
            return self._request(domain=True, section=True)
        return get_routing_for_object(self._metadata_request)

    def set_score_request(
        self, *, domain: bool | str | None = True, section: bool | str | None = True
    ) -> Any:
        """Set which metadata to request, as in scikit-learn.

        Parameters
        ----------
        domain, section : bool, None or str, default=True
            True: used if given. False: not used. None: an error if given. str: requested by this name.

        Returns
        -------
        self : HarmonicAUCScorer
            The scorer.
        """
        self._metadata_request = self._request(domain=domain, section=section)
        return self

    def _request(self, **aliases):
        request = MetadataRequest(owner=self)
        for name, alias in aliases.items():
            request.score.add_request(param=name, alias=alias)
        return request


#: Scorer for ``GridSearchCV(scoring=harmonic_auc_scorer)``: see :class:`HarmonicAUCScorer`.
harmonic_auc_scorer = HarmonicAUCScorer()
