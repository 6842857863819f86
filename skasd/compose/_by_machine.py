"""Base of the estimators that fit one estimator per machine."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.parallel import Parallel

from .._sklearn_compat import fit_context, num_samples
from .._typing import ArrayLike
from .._unfitted import unfitted_on_failure
from ..labels import as_labels, group_rows
from ._best_fitting import BestFittingDetector
from ._combination import spread
from ._held_out import job_with_held_out, offset_of
from ._named_estimators import NamedEstimators, check_detectors
from ._rows import check_lengths, route_metadata, routed_to, take


class ByMachine(BestFittingDetector, NamedEstimators):
    """Base of the compositions that fit one of several estimators for each machine.

    A subclass says which in `_choose`.
    """

    # scikit-learn mangles these names
    __metadata_request__fit = {"machine": True, "section": True, "domain": True, "proxy": True}
    __metadata_request__decision_function = {"machine": True, "section": True}
    __metadata_request__predict = {"machine": True, "section": True}

    _named = "machine"

    @abstractmethod
    def _choose(self, names, X, y, groups, metadata, routed):
        """Return the name of the estimator by machine; `groups` has the rows of each machine."""

    def _estimator(self, name):
        """Return the unfitted estimator of a name, as it is fitted."""
        return dict(self.estimators)[name]

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        machine: Any = None,
        section: Any = None,
        domain: Any = None,
        proxy: Any = None,
        **params,
    ) -> Self:
        """Fit the estimator chosen for each machine to the clips of that machine.

        Parameters
        ----------
        X : clips or features of n_clips
            Whatever the estimators take.
        y : array-like of shape (n_clips,), default=None
            Ground truth, +1 normal and -1 anomalous. `SelectBest` validates on anomalous clips and fits without them;
            others ignore it.
        machine : sequence of hashables of length n_clips, default=None
            None: `section` is used instead; without both, all clips are of one machine.
        section, domain, proxy : sequence of length n_clips, default=None
            Passed to the estimators that request them.
        **params : dict
            Other metadata that an estimator, the scorer or the splitter requests.

        Returns
        -------
        self : object
        """
        names = self._check_names()
        check_detectors(self.estimators, "fit", "score_samples", "decision_function")
        n_rows = num_samples(X)
        metadata = {"section": section, "domain": domain, "proxy": proxy, **params}
        check_lengths(n_rows, y=y, machine=machine, **metadata)
        if not n_rows:
            raise ValueError(f"No clip to fit {type(self).__name__} on: n_samples=0.")
        self._named = "machine" if machine is not None or section is None else "section"
        labels = machine if machine is not None else section
        groups = {None: np.arange(n_rows)}
        if labels is not None:
            groups = group_rows(as_labels(self._named, labels, n_rows))
        with route_metadata(), unfitted_on_failure(self):
            routed = routed_to(self, "fit", **metadata)
            self.choice_ = self._choose(names, X, y, groups, metadata, routed)
            fits = Parallel(n_jobs=self.n_jobs)(
                job_with_held_out(
                    self._estimator(self.choice_[name]),
                    X,
                    y,
                    dict(routed[self.choice_[name]]["fit"]),
                    rows,
                    label="" if name is None else f"{self._named.capitalize()} {name!r}",
                )
                for name, rows in groups.items()
            )
        self.estimators_ = {name: fitted for name, (fitted, _) in zip(groups, fits, strict=True)}
        self._keep_names_of(next(iter(self.estimators_.values())))
        self.scale_ = {name: spread(scores) for name, (_, scores) in zip(groups, fits, strict=True)}
        own = np.empty(n_rows)
        for (name, rows), (fitted, scores) in zip(groups.items(), fits, strict=True):
            own[rows] = (scores[rows] + offset_of(fitted, take(X, rows))) / self.scale_[name]
        self.training_scores_ = own[~np.isnan(own)]
        self._keep_for_p_values(self.training_scores_)
        self._scales, self._shift, self.offset_ = self.scale_, 0.0, 0.0
        self._correction = self._known_correction = 0.0
        return self

    def _follow(self, change):
        super()._follow(change)
        # scores are decisions, whose threshold stays at 0
        self.calibration_scores_ = self.calibration_scores_ + self.offset_
        self.offset_ = 0.0

    def anomaly_score(self, X: Any, *, machine: Any = None, section: Any = None, **params) -> np.ndarray:
        """Return the anomaly score of each clip; higher is more anomalous.

        Parameters
        ----------
        X : clips or features
            Whatever the estimators take.
        machine : sequence of hashables of length n_clips, default=None
            The machine of each clip, where known.
        section : sequence of hashables of length n_clips, default=None
            Passed to the estimators that request it; the machine, if `fit` was given only sections.
        **params : dict
            Other metadata that the estimators request.

        Returns
        -------
        ndarray of shape (n_clips,)
            The opposite of the decision; NaN for skipped clips.
        """
        return -self._decisions(X, self._labels(machine, section), section=section, **params)

    def decision_function(self, X: Any, *, machine: Any = None, section: Any = None, **params) -> np.ndarray:
        """Return the signed distance to the threshold; negative means anomalous.

        Parameters
        ----------
        X : clips or features
            Whatever the estimators take.
        machine : sequence of hashables of length n_clips, default=None
            The machine of each clip, where known: its estimator decides.
        section : sequence of hashables of length n_clips, default=None
            As in `anomaly_score`.
        **params : dict
            Other metadata that the estimators request.

        Returns
        -------
        ndarray of shape (n_clips,)
            In standard deviations of the estimator's held-out training scores; NaN for skipped clips.
        """
        return -self.anomaly_score(X, machine=machine, section=section, **params)

    def predict(self, X: Any, *, machine: Any = None, section: Any = None, **params) -> np.ndarray:
        """Return +1 for clips that sound normal and -1 for anomalous and for skipped ones.

        Parameters
        ----------
        X : clips or features
            Whatever the estimators take.
        machine, section : sequence of hashables of length n_clips, default=None
            As in `decision_function`.
        **params : dict
            As in `decision_function`.

        Returns
        -------
        ndarray of int of shape (n_clips,)
        """
        return np.where(self.decision_function(X, machine=machine, section=section, **params) >= 0, 1, -1)

    def p_value(self, X: Any, *, machine: Any = None, section: Any = None, **params) -> np.ndarray:
        """Return how rarely a healthy clip would score as high as each clip: the conformal p-value.

        Parameters
        ----------
        X : clips or features
            Whatever the estimators take.
        machine : sequence of hashables of length n_clips, default=None
            The machine of each clip, where known: the p-value is that of its estimator.
        section : sequence of hashables of length n_clips, default=None
            As in `anomaly_score`.
        **params : dict
            As in `anomaly_score`.

        Returns
        -------
        ndarray of shape (n_clips,)
            In (0, 1]; NaN for skipped clips. After `set_threshold`, the scores of a known machine's training clips are
            shifted as its threshold was.
        """
        labels = self._labels(machine, section)
        if labels is None:
            return super().p_value(X, section=section, **params)
        return self._own_p_values(X, labels, section=section, **params)

    def _labels(self, machine, section):
        """Return what names the estimator of each clip."""
        return section if machine is None and self._named == "section" else machine

    def get_metadata_routing(self) -> Any:
        """Return what metadata goes to which part.

        Returns
        -------
        MetadataRouter
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = MethodMapping().add(caller="fit", callee="fit")
        for method in ("predict", "decision_function"):
            mapping.add(caller=method, callee="decision_function")
        router.add(**{name: self._estimator(name) for name, _ in self.estimators}, method_mapping=mapping)
        return router

    def _part(self, name):
        return self.choice_[name]

    def _front(self):
        return self.estimators[0][1]
