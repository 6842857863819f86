"""For each machine, the detector that performs best on validation clips."""

import inspect
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import check_cv, cross_validate
from sklearn.utils.metadata_routing import MethodMapping, get_routing_for_object

from .._sklearn_compat import StrOptions, num_samples
from ..model_selection import RecordingKFold
from ._by_machine import ByMachine
from ._normal_only import NormalOnly
from ._rows import take, take_rows


class SelectBest(ByMachine):
    """Select for each machine the detector that performs best on validation clips.

    Parameters
    ----------
    estimators : list of (str, estimator) tuples
        Detectors, or pipelines that end in one, by name.

    scoring : scorer name or callable
        Such as ``skasd.metrics.harmonic_auc_scorer`` or "roc_auc". Each estimator is cross-validated on the machine's
        clips, and the one with the highest mean score is fitted to all normal ones. Most scorers need `y` with
        anomalous clips in it; a callable is called as ``scoring(estimator, X, y)``, without `y` as ``scoring(estimator,
        X)``.

    cv : cross-validation splitter, iterable of splits or None, default=None
        Splits all clips at once, by row. None: ``RecordingKFold()``. `skasd.model_selection.FixedSplit` uses a given
        validation set.

    n_jobs : int or None, default=None
        Number of fits in parallel: of machines, and of folds.

    Attributes
    ----------
    choice_ : dict
        Name of the estimator by machine.
    scores_ : dict
        For each machine, the mean score of each estimator by name.
    estimators_ : dict
        The fitted estimator of each machine.
    scale_ : dict
        Standard deviation of each estimator's held-out training scores, by machine.
    offset_ : float
        ``decision_function = score_samples - offset_``; 0.
    threshold_ : float
        ``-offset_``.
    training_scores_ : ndarray of shape (n_training_clips,)
        Held-out anomaly scores of the training clips, by the estimator of their machine.
    n_features_in_ : int
        Number of features seen in `fit`, if the estimators have this attribute.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if `X` has feature names that are all strings.

    See Also
    --------
    PerMachine : With a given choice.
    sklearn.model_selection.GridSearchCV : Makes one choice for all clips.

    Notes
    -----
    Scores of clips, with and without their machine, are those of `PerMachine`.

    For clips of a single machine a search does the same:
    ``GridSearchCV(NormalOnly(a), {"estimator": [a, b]}, scoring=harmonic_auc_scorer, cv=RecordingKFold())``.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.compose import SelectBest
    >>> from skasd.scorers import KNNScorer, MahalanobisScorer
    >>> rng = np.random.default_rng(0)
    >>> normal, anomalous = rng.normal(size=(60, 2)) * [9, 0.1], rng.normal(size=(20, 2)) * [9, 0.1] + [0, 1]
    >>> X, y = np.concatenate([normal, anomalous]), np.repeat([1, -1], [60, 20])
    >>> estimators = [("knn", KNNScorer()), ("mahalanobis", MahalanobisScorer())]
    >>> SelectBest(estimators, "roc_auc").fit(X, y, machine=["fan"] * 80).choice_
    {'fan': 'mahalanobis'}
    """

    _parameter_constraints: dict = {
        "estimators": [list],
        "scoring": [StrOptions(set(get_scorer_names())), callable],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self, estimators: Any, scoring: str | Callable, *, cv: Any = None, n_jobs: int | None = None
    ):
        self.estimators = estimators
        self.scoring = scoring
        self.cv = cv
        self.n_jobs = n_jobs

    def _estimator(self, name):
        return NormalOnly(super()._estimator(name))

    def _choose(self, names, X, y, groups, metadata, routed):
        scorer = get_scorer(self.scoring)
        if y is None and _needs_y(scorer):
            raise ValueError(
                f"scoring={self.scoring!r} needs y, the ground truth, to compare the estimators."
            )
        n_rows = num_samples(X)
        metadata = {name: values for name, values in metadata.items() if values is not None}
        splitter = self._splitter()
        if n_rows < (n_splits := getattr(splitter, "n_splits", 2)):
            raise ValueError(
                f"cv={self.cv}: n_samples={n_rows} clips cannot be split into {n_splits} folds; give more clips."
            )
        splits = list(splitter.split(np.zeros((n_rows, 1)), y, **routed["cv"]["split"]))
        self.scores_ = {}
        for machine, rows in groups.items():
            place = np.full(n_rows, -1)
            place[rows] = np.arange(len(rows))
            own_splits = [[part[part >= 0] for part in (place[train], place[test])] for train, test in splits]
            if lacking := [k for k, parts in enumerate(own_splits) if not min(map(len, parts))]:
                raise ValueError(
                    f"Split {lacking[0]} of cv={self.cv} has no clips of {machine!r} to learn from, or none to score: "
                    f"of its {len(rows)} clips too few are in other folds. Give more, or another cv."
                )
            self.scores_[machine] = {}
            for name in names:
                estimator = self._estimator(name)
                wanted = get_routing_for_object(estimator).consumes("fit", metadata)
                wanted |= get_routing_for_object(scorer).consumes("score", metadata)
                results = cross_validate(
                    estimator,
                    take(X, rows),
                    take(y, rows),
                    scoring=scorer,
                    cv=own_splits,
                    n_jobs=self.n_jobs,
                    params=take_rows({key: metadata[key] for key in wanted}, rows, n_rows),
                    error_score="raise",
                )
                self.scores_[machine][name] = float(results["test_score"].mean())
                if np.isnan(self.scores_[machine][name]):
                    raise ValueError(
                        f"scoring={self.scoring!r} is NaN for {name!r} on clips of {machine!r}: most need normal and "
                        "anomalous clips in every fold, as RecordingKFold gives."
                    )
        return {machine: max(scores, key=scores.get) for machine, scores in self.scores_.items()}

    def _splitter(self):
        return RecordingKFold() if self.cv is None else check_cv(self.cv)

    def get_metadata_routing(self) -> Any:
        """Return what metadata goes to which part.

        Returns
        -------
        MetadataRouter
        """
        scoring = MethodMapping().add(caller="fit", callee="score")
        splitting = MethodMapping().add(caller="fit", callee="split")
        router = super().get_metadata_routing()
        router.add(scoring=get_scorer(self.scoring), method_mapping=scoring)
        return router.add(cv=self._splitter(), method_mapping=splitting)


def _needs_y(scorer):
    """Tell whether a scorer cannot be called without the ground truth."""
    third = list(inspect.signature(scorer).parameters.values())[2:3]
    return any(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in third)
