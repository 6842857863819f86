"""Another system for each machine."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import check_cv, cross_validate
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed

from .._sklearn_compat import BaseComposition, StrOptions, fit_context, num_samples
from .._typing import ArrayLike
from .._unfitted import unfitted_on_failure
from ..labels import as_labels, group_rows
from ..model_selection import RecordingKFold
from ._best_fitting import BestFittingDetector
from ._combination import spread
from ._held_out import fit_with_held_out, offset_of
from ._normal_only import NormalOnly
from ._rows import check_lengths, route_metadata, routed_to, take, take_rows


class SelectBest(BestFittingDetector, BaseComposition):
    """For each machine the system that suits it: by a fixed choice, or by a criterion on validation clips.

    Parameters
    ----------
    systems : list of (str, estimator) tuples
        Detectors, or pipelines that end in one, by name.

    by : dict, scorer name or callable
        - A dict from machine to the name of its system. The key None is for clips given without machine.
        - A scorer, as ``skasd.metrics.harmonic_auc_scorer`` or "roc_auc": each system is cross-validated on
          the machine's clips, and the one with the greatest mean is taken and fitted to all normal ones. This
          needs `y` with anomalous clips in it.

    cv : cross-validation splitter, iterable of splits or None, default=None
        For the criterion; splits all clips at once, by row. None: ``RecordingKFold()``.
        `skasd.model_selection.FixedSplit` keeps to a given validation set.

    n_jobs : int or None, default=None
        Number of fits in parallel: of machines, and of systems and folds for the criterion.

    Attributes
    ----------
    choice_ : dict
        Name of the system by machine.
    scores_ : dict
        By machine, the mean of the criterion by name of the system; with a criterion only.
    detectors_ : dict
        The fitted system of each machine.
    scale_ : dict
        Standard deviation of each system's held-out training scores, by machine.
    offset_ : float
        ``decision_function = score_samples - offset_``; 0.
    threshold_ : float
        ``-offset_``.
    training_scores_ : ndarray of shape (n_training_clips,)
        Held-out anomaly scores of the training clips, by the system of their machine.
    n_features_in_ : int
        Number of features seen in `fit`, where the systems have one.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where `X` had names that are all strings.

    See Also
    --------
    PerSection : The same detector for every section, behind one embedder.
    ScoreEnsemble : All systems together for every clip.
    sklearn.model_selection.GridSearchCV : Chooses for all clips alike.

    Notes
    -----
    [1]_ (Table 3) and [2]_ (the third submission, section 2) submit for each type of machine
    the system that did best on the development set: "a single model can not show good detection performance
    on all machines".

    Every system is fitted to the clips of its machines only. The decision is that of the system divided by
    `scale_`, which keeps sign and order within a machine and makes units alike: one system may give
    distances, another log-probabilities. Where the machine is not known the greatest decision counts. A
    clip that may choose among machines looks more normal than in its own, so fewer clips are called
    anomalous.

    With ``section=`` and no ``machine=`` the sections are taken for machines. Metadata is handed to the
    systems as they request it, whether metadata routing is enabled or not.

    For clips of a single machine a search does the same:
    ``GridSearchCV(NormalOnly(a), {"estimator": [a, b]}, scoring=harmonic_auc_scorer, cv=RecordingKFold())``.

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task2: batch mixing
       strategy based method with anomaly detector for anomalous sound detection", DCASE2022 Challenge,
       technical report.
    .. [2] S. Kazakova, A. Semenov, A. Surkov and S. Astapov, "Anomalous sound detection with autoencoder
       and image MobileNet using outlier exposure approach", DCASE2022 Challenge, technical report.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.compose import SelectBest
    >>> from skasd.scorers import LOFScorer, MahalanobisScorer
    >>> X = np.random.default_rng(0).normal(size=(100, 3)) + np.repeat([[0], [9]], 50, axis=0)
    >>> machine = np.repeat(["fan", "valve"], 50)
    >>> systems = [("lof", LOFScorer()), ("mahalanobis", MahalanobisScorer())]
    >>> best = SelectBest(systems, by={"fan": "lof", "valve": "mahalanobis"}).fit(X, machine=machine)
    >>> best.predict([[0, 0, 0], [9, 9, 9]], machine=["fan", "fan"])
    array([ 1, -1])
    """

    # scikit-learn mangles these names
    __metadata_request__fit = {"machine": True, "section": True, "domain": True, "proxy": True}
    __metadata_request__decision_function = {"machine": True, "section": True}
    __metadata_request__predict = {"machine": True, "section": True}

    _named = "machine"

    _parameter_constraints: dict = {
        "systems": [list],
        "by": [Mapping, StrOptions(set(get_scorer_names())), callable],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
    }

    def __init__(self, systems: Any, by: Any, *, cv: Any = None, n_jobs: int | None = None):
        self.systems = systems
        self.by = by
        self.cv = cv
        self.n_jobs = n_jobs

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
        """Choose a system for each machine and fit it to the machine's clips.

        Parameters
        ----------
        X : clips or features of n_clips
            Whatever the systems take.
        y : array-like of shape (n_clips,), default=None
            Ground truth. With a criterion, clips with -1 are for validation only.
        machine : sequence of hashables of length n_clips, default=None
            None: `section` instead; without both, all clips are of one machine.
        section, domain, proxy : sequence of length n_clips, default=None
            Handed on to the systems that request them.
        **params : dict
            Other metadata that a system, the scorer or the splitter requests.

        Returns
        -------
        self : object
        """
        self._check_systems()
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
            if isinstance(self.by, Mapping):
                self.choice_ = {name: self._mapped(name) for name in groups}
            else:
                self._validate(X, y, groups, metadata, routed)
            fits = Parallel(n_jobs=self.n_jobs)(
                delayed(fit_with_held_out)(
                    self._system(self.choice_[name]),
                    X,
                    y,
                    dict(routed[self.choice_[name]]["fit"]),
                    rows,
                    label="" if name is None else f"{self._named.capitalize()} {name!r}",
                )
                for name, rows in groups.items()
            )
        self.detectors_ = {name: fitted for name, (fitted, _) in zip(groups, fits, strict=True)}
        self._keep_names_of(next(iter(self.detectors_.values())))
        self.scale_ = {name: spread(scores) for name, (_, scores) in zip(groups, fits, strict=True)}
        own = np.empty(n_rows)
        for (name, rows), (fitted, scores) in zip(groups.items(), fits, strict=True):
            own[rows] = (scores[rows] + offset_of(fitted, take(X, rows))) / self.scale_[name]
        self.training_scores_ = own[~np.isnan(own)]
        self._scales, self._shift, self._correction, self.offset_ = self.scale_, 0.0, 0.0, 0.0
        return self

    def _mapped(self, machine):
        if machine in self.by:
            return self.by[machine]
        if machine is None:
            raise ValueError(
                "by chooses a system for each machine, but neither machine= nor section= was given to fit; "
                "by={None: name} is for clips without machine."
            )
        raise ValueError(f"by has no system for {self._named} {machine!r}; it has {list(self.by)}.")

    def _validate(self, X, y, groups, metadata, routed):
        """Cross-validate every system on every machine and choose the best ones."""
        if y is None:
            raise ValueError(f"by={self.by!r} needs y, the ground truth, to compare the systems.")
        n_rows = num_samples(X)
        metadata = {name: values for name, values in metadata.items() if values is not None}
        scorer = get_scorer(self.by)
        splits = list(self._splitter().split(np.zeros((n_rows, 1)), y, **routed["cv"]["split"]))
        self.scores_ = {}
        for machine, rows in groups.items():
            place = np.full(n_rows, -1)
            place[rows] = np.arange(len(rows))
            own_splits = [[part[part >= 0] for part in (place[train], place[test])] for train, test in splits]
            self.scores_[machine] = {}
            for name, _ in self.systems:
                system = self._system(name)
                wanted = get_routing_for_object(system).consumes("fit", metadata)
                wanted |= get_routing_for_object(scorer).consumes("score", metadata)
                results = cross_validate(
                    system,
                    take(X, rows),
                    take(y, rows),
                    scoring=scorer,
                    cv=own_splits,
                    n_jobs=self.n_jobs,
                    params=take_rows({key: metadata[key] for key in wanted}, rows, n_rows),
                    error_score="raise",
                )
                self.scores_[machine][name] = float(results["test_score"].mean())
        self.choice_ = {machine: max(scores, key=scores.get) for machine, scores in self.scores_.items()}

    def anomaly_score(self, X: Any, *, machine: Any = None, section: Any = None, **params) -> np.ndarray:
        """Return the anomaly score of each clip; higher is more anomalous.

        Parameters
        ----------
        X : clips or features
            Whatever the systems take.
        machine : sequence of hashables of length n_clips, default=None
            The machine of each clip, where known.
        section : sequence of hashables of length n_clips, default=None
            Handed on to the systems that request it; the machine, if there were only sections in `fit`.
        **params : dict
            Other metadata that the systems request.

        Returns
        -------
        ndarray of shape (n_clips,)
            The opposite of the decision; NaN for skipped clips.
        """
        labels = section if machine is None and self._named == "section" else machine
        return -self._decisions(X, labels, section=section, **params)

    def decision_function(self, X: Any, *, machine: Any = None, section: Any = None, **params) -> np.ndarray:
        """Return the signed distance to the threshold; negative means anomalous.

        Parameters
        ----------
        X : clips or features
            Whatever the systems take.
        machine : sequence of hashables of length n_clips, default=None
            The machine of each clip, where known: its system decides.
        section : sequence of hashables of length n_clips, default=None
            As in `anomaly_score`.
        **params : dict
            Other metadata that the systems request.

        Returns
        -------
        ndarray of shape (n_clips,)
            In standard deviations of the system's held-out training scores; NaN for skipped clips.
        """
        return -self.anomaly_score(X, machine=machine, section=section, **params)

    def predict(self, X: Any, *, machine: Any = None, section: Any = None, **params) -> np.ndarray:
        """Return +1 for clips that sound normal and -1 for anomalous and for skipped ones.

        Parameters
        ----------
        X : clips or features
            Whatever the systems take.
        machine, section : sequence of hashables of length n_clips, default=None
            As in `decision_function`.
        **params : dict
            As in `decision_function`.

        Returns
        -------
        ndarray of int of shape (n_clips,)
        """
        return np.where(self.decision_function(X, machine=machine, section=section, **params) >= 0, 1, -1)

    # parameters

    def _check_systems(self):
        for item in self.systems:
            if not isinstance(item, (tuple, list)) or len(item) != 2 or not isinstance(item[0], str):
                raise ValueError(f"systems must be a list of (name, estimator) tuples, got {item!r} in it.")
        names = [name for name, _ in self.systems]
        self._validate_names(names)
        if not names:
            raise ValueError("systems is empty: there is nothing to choose from.")
        if isinstance(self.by, Mapping):
            unknown = sorted({repr(name) for name in self.by.values() if name not in names})
            if unknown:
                raise ValueError(f"by names the unknown system {', '.join(unknown)}; systems has {names}.")

    def _system(self, name):
        system = dict(self.systems)[name]
        return system if isinstance(self.by, Mapping) else NormalOnly(system)

    def _splitter(self):
        return RecordingKFold() if self.cv is None else check_cv(self.cv)

    def set_params(self, **params) -> Any:
        """Set parameters of this estimator and of its systems, as ``lof__n_neighbors=8``.

        Parameters
        ----------
        **params : dict
            By name.

        Returns
        -------
        self : object
        """
        self._set_params("systems", **params)
        return self

    def get_params(self, deep: bool = True) -> dict:
        """Return the parameters of this estimator and of its systems.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the systems and their parameters.

        Returns
        -------
        dict
        """
        return self._get_params("systems", deep=deep)

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
        router.add(**{name: self._system(name) for name, _ in self.systems}, method_mapping=mapping)
        if not isinstance(self.by, Mapping):
            scoring = MethodMapping().add(caller="fit", callee="score")
            router.add(by=get_scorer(self.by), method_mapping=scoring)
            splitting = MethodMapping().add(caller="fit", callee="split")
            router.add(cv=self._splitter(), method_mapping=splitting)
        return router

    def _part(self, name):
        return self.choice_[name]

    def _front(self):
        return self.systems[0][1]
