"""Several fitted detectors; the best-fitting one judges a clip of unknown section or machine."""

from abc import ABCMeta, abstractmethod

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from .._sklearn_compat import num_samples
from ..labels import as_labels, group_rows
from ._detection import DetectionMixin
from ._last_step import last_step
from ._later_clips import with_threshold
from ._rows import route_metadata, routed_to, scores_of_present, take, take_rows


class BestFittingDetector(DetectionMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of the estimators that keep one detector per section or machine.

    All decisions are put on one scale: ``estimators_[name].decision_function(X) / _scales[name]``, so that every
    detector's threshold is at 0. If the name is not known, the greatest decision counts, minus a correction for the
    choice.

    A subclass sets ``estimators_``, ``_scales``, ``_shift`` and ``offset_`` in `fit`.
    """

    _named = "section"  # what tells which detector to use
    _known_correction = 0.0  # of decisions on clips of known name; other than 0 after `set_threshold`

    def _represent(self, X):
        """Return what the detectors take."""
        return X

    def _part(self, name):
        """Return the name that a detector goes by in the metadata routing."""
        return name

    @abstractmethod
    def _front(self):
        """Return the estimator that receives `X` first."""

    # decisions on one scale

    def _decide(self, X, name, metadata):
        """Return the decisions of one detector; NaN for skipped clips."""
        decisions = scores_of_present(self.estimators_[name].decision_function, X, **metadata)
        return decisions / self._scales[name]

    def _best(self, X, metadata):
        return np.max([self._decide(X, name, metadata[name]) for name in self.estimators_], axis=0)

    def _decisions(self, X, labels=None, **metadata):
        """Return decisions on the common scale, for clips of known or unknown name."""
        decisions = self._uncorrected(X, labels, **metadata)
        return decisions - (self._correction if labels is None else self._known_correction)

    def _uncorrected(self, X, labels=None, **metadata):
        """Return decisions on the common scale, without the correction for the choice of name."""
        check_is_fitted(self)
        with route_metadata():
            routed = routed_to(self, "decision_function", **metadata)
            metadata = {
                name: dict(routed[self._part(name)]["decision_function"]) for name in self.estimators_
            }
            if labels is None:
                return self._best(self._represent(X), metadata)
            n_rows = num_samples(X)
            groups = group_rows(as_labels(self._named, labels, n_rows))
            self._check_known(groups)
            X = self._represent(X)
            decisions = np.empty(n_rows)
            for name, rows in groups.items():
                part = take_rows(metadata[name], rows, n_rows)
                decisions[rows] = self._decide(take(X, rows), name, part)
            return decisions

    def _check_known(self, groups):
        unknown = [name for name in groups if name not in self.estimators_]
        if unknown:
            known = [name for name in self.estimators_ if name is not None]
            raise ValueError(
                f"Unknown {self._named} {', '.join(map(repr, unknown))}; known: {known}. "
                f"Fit with {self._named}= to teach them, or score without {self._named}."
            )

    def _own_p_values(self, X, labels, **metadata):
        """Return the p-values of clips of known name, by the scores from which their detector has its threshold."""
        decisions = self._decisions(X, labels, **metadata)
        p = np.empty(len(decisions))
        for name, rows in group_rows(as_labels(self._named, labels, len(p))).items():
            own = with_threshold(self.estimators_[name])
            p[rows] = own.p_value_of_scores(own.threshold_ - decisions[rows] * self._scales[name])
        return p

    # the threshold

    def _calibrate(self, X, held_out, groups):
        """Set the threshold for clips of unknown name.

        As many of the training clips X are to be called anomalous without the name as with it: the best of several
        decisions is greater than that of the clip's own detector, and the threshold is raised accordingly. By name,
        ``held_out`` has the held-out decisions (n_clips,) on the common scale, NaN for clips that the detector has not
        learnt, and ``groups`` the clips of that name.
        """
        n_rows = num_samples(X)
        own, best = np.full(n_rows, np.nan), np.full(n_rows, -np.inf)
        for name, decisions in held_out.items():
            own[groups[name]] = decisions[groups[name]]
            others = np.flatnonzero(np.isnan(decisions))
            decisions = decisions.copy()
            if len(others):
                decisions[others] = self._decide(take(X, others), name, {})
            best = np.maximum(best, decisions)
        best = best[~np.isnan(own)]
        n_below = int((own < 0).sum())
        ordered = np.sort(best)
        self._correction = self._known_correction = 0.0
        if n_below and ordered[n_below - 1] >= 0:
            self._correction = float(ordered[min(n_below, len(ordered) - 1)])
        self.training_scores_ = -(best + self._shift)
        self._keep_for_p_values(self.training_scores_, **self._rule_of_the_only_one())
        self.offset_ = self._shift + self._correction

    def _rule_of_the_only_one(self):
        """Return the rule that set the threshold of a single detector, so that p-values agree with it."""
        only = last_step(next(iter(self.estimators_.values())))
        weights = getattr(only, "calibration_weights_", None)
        if len(self.estimators_) > 1 or not hasattr(only, "calibration_scores_"):
            return {}
        if weights is not None and len(weights) != len(self.training_scores_):
            return {}
        names = {"rule": "calibration", "contamination": "contamination"}
        known = {
            name: getattr(only, attribute) for name, attribute in names.items() if hasattr(only, attribute)
        }
        return {"weights": weights, **known}

    def _follow(self, change):
        """Move all decisions along with `offset_`."""
        self._correction += change
        self._known_correction += change

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        front = get_tags(self._front())
        tags.input_tags = front.input_tags
        tags.non_deterministic = front.non_deterministic
        return tags
