"""Several detectors that judge every clip together."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.parallel import Parallel
from sklearn.utils.validation import check_is_fitted

from .._metadata import as_domains
from .._sklearn_compat import StrOptions, fit_context, num_samples
from .._typing import ArrayLike
from .._unfitted import unfitted_on_failure
from ..scorers import BaseScorer
from ..scorers.thresholds import warn_about_few_clips, warn_about_small_domains
from ._combination import COMBINE, Standardization, combine_scores
from ._detection import DetectionMixin
from ._held_out import anomaly_scores_of, job_with_held_out, offset_if_any, shuffled_folds
from ._named_estimators import NamedEstimators, check_detectors
from ._rows import check_lengths, not_proxies, route_metadata, routed_to


class ScoreEnsemble(DetectionMixin, NamedEstimators):
    r"""Combine the anomaly scores of several detectors.

    Parameters
    ----------
    estimators : list of (str, estimator) tuples
        Outlier detectors, or pipelines that end in one, by name. "drop" in place of an estimator leaves it out.

    combine : {"sum", "product", "max", "min"} or callable, default="sum"
        How the anomaly scores of a clip become one. A callable gets an array of shape
        (n_clips, n_detectors) and returns shape (n_clips,).

    weights : array-like of shape (n_detectors,) or None, default=None
        Factors applied to the standardised scores; exponents for "product". None: all 1.

    standardize_scores : {"zscore", "rank"} or None, default="zscore"
        How each detector's scores are brought to one scale, using its held-out scores of the training clips. None: not
        at all.

    cv : int or cross-validation splitter, default=5
        Folds for detectors that have no held-out scores of their own. An int: that many shuffled folds.

    contamination : float in (0, 0.5], default=0.1
        False-alarm rate that the threshold aims at. The detectors' own thresholds are not used.

    calibration : {"cross", "train", "gamma"}, default="cross"
        How the threshold is set, see `skasd.scorers.BaseScorer`.

    n_jobs : int or None, default=None
        Number of detectors to fit in parallel.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted detectors, without dropped ones.
    named_estimators_ : Bunch
        The fitted detectors by name.
    held_out_scores_ : ndarray of shape (n_clips, n_detectors)
        Each detector's held-out anomaly scores of the training clips, before standardisation. NaN for clips that were
        not learnt.
    offset_ : float
        ``decision_function = score_samples - offset_``.
    threshold_ : float
        ``-offset_``.
    training_scores_ : ndarray of shape (n_training_clips,)
        The combined anomaly scores that the threshold was set from.
    n_features_in_ : int
        Number of features seen in `fit`, if the first detector has this attribute.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if `X` has feature names that are all strings.

    See Also
    --------
    PerSection : One detector per section; takes an ensemble as its `estimator`.
    PerMachine : One detector per machine instead of all together.

    Notes
    -----
    With the anomaly scores :math:`a_j` of detector j, standardised to :math:`z_j`, and weights
    :math:`w_j`, the anomaly score is :math:`\sum_j w_j z_j`, :math:`\prod_j z_j^{w_j}`, :math:`\max_j w_j
    z_j` or :math:`\min_j w_j z_j`.

    - "zscore" is :math:`(a_j - \mu_j) / \sigma_j` with mean and standard deviation of the held-out scores.
    - "rank" is the share of held-out scores below :math:`a_j`, interpolated between them. Beyond the greatest one it
      continues to grow by 1 per standard deviation, so that anomalies are not tied; its minimum is :math:`1 / (n + 1)`.
    - None is what [1]_ (section 4) does: "We simply add or multiply the anomaly scores output from different models".
      There the scores are Mahalanobis distances, which are positive. "product" needs scores that are not negative, so
      it is used with None or "rank".

    A detector has learnt its training clips, so its own scores of them are too low for standardisation. Held-out scores
    are those that the scorers of this package keep (``training_scores_``), whether the scorer stands alone, at the end
    of a pipeline or inside other compositions. Detectors of other packages are refitted `cv` times. Steps before the
    scorer in a pipeline, such as a network, have still seen the clips.

    To share fitted parts, put them before the ensemble: in ``make_pipeline(LogMelTransformer(), ClipStatistics(),
    ScoreEnsemble([...]))`` the clips are transformed once. For detectors on different columns of the input, such as the
    embeddings of two networks side by side (`sklearn.pipeline.FeatureUnion`), let each detector begin with a
    `sklearn.compose.ColumnTransformer` that selects its columns. To use an estimator that is already fitted, wrap it in
    `sklearn.frozen.FrozenEstimator`.

    If a section or domain is known, ``decision_function(X, section=...)`` passes it to the detectors that request it;
    each one's anomaly score is then its threshold minus its decision. For one threshold per section, put the ensemble
    in a `PerSection`.

    References
    ----------
    .. [1] Y. Zeng, H. Liu and Y. Zhou, "General anomalous sound detection using sound event classification
       and detection", DCASE2023 Challenge, technical report.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.compose import ScoreEnsemble
    >>> from skasd.scorers import LOFScorer, MahalanobisScorer
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> ensemble = ScoreEnsemble([("lof", LOFScorer()), ("mahalanobis", MahalanobisScorer())]).fit(X)
    >>> ensemble.predict([[0, 0, 0], [5, 5, 5]])
    array([ 1, -1])
    >>> ensemble.set_params(lof__n_neighbors=8, mahalanobis="drop").fit(X).named_estimators_.keys()
    dict_keys(['lof'])
    """

    # scikit-learn mangles these names
    __metadata_request__fit = {"section": True, "domain": True, "proxy": True}

    _parameter_constraints: dict = {
        "estimators": [list],
        "combine": [StrOptions(set(COMBINE)), callable],
        "weights": ["array-like", None],
        "standardize_scores": [StrOptions({"zscore", "rank"}), None],
        "cv": ["cv_object"],
        "contamination": BaseScorer._parameter_constraints["contamination"],
        "calibration": BaseScorer._parameter_constraints["calibration"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimators: Any,
        *,
        combine: Literal["sum", "product", "max", "min"] | Callable = "sum",
        weights: ArrayLike | None = None,
        standardize_scores: Literal["zscore", "rank"] | None = "zscore",
        cv: Any = 5,
        contamination: float = 0.1,
        calibration: Literal["cross", "train", "gamma"] = "cross",
        n_jobs: int | None = None,
    ):
        self.estimators = estimators
        self.combine = combine
        self.weights = weights
        self.standardize_scores = standardize_scores
        self.cv = cv
        self.contamination = contamination
        self.calibration = calibration
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        section: Any = None,
        domain: Any = None,
        proxy: Any = None,
        **params,
    ) -> Self:
        """Fit the detectors, learn how their scores are distributed and set the threshold.

        Parameters
        ----------
        X : clips or features of n_clips
            Whatever the detectors take.
        y : array-like of shape (n_clips,), default=None
            Ground truth; passed on, not learnt from.
        section, domain, proxy : sequence of length n_clips, default=None
            Passed to the detectors that request them. The other detectors do not get clips with ``proxy=True``.
        **params : dict
            Other metadata that a detector, or the splitter `cv`, requests.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If names or weights do not match, metadata does not have one entry per clip, or "product" gets negative
            scores.
        """
        n_rows = num_samples(X)
        check_lengths(n_rows, y=y, section=section, domain=domain, proxy=proxy, **params)
        present = np.flatnonzero(not_proxies(proxy, n_rows))
        with route_metadata(), unfitted_on_failure(self):
            self._kept = self._check_estimators()
            self._weights = self._check_weights()
            routed = routed_to(self, "fit", section=section, domain=domain, proxy=proxy, **params)
            splits = self._splits(n_rows, y, routed["cv"]["split"])
            jobs = []
            for name, detector in self._kept:
                metadata = dict(routed[name]["fit"])
                rows = np.arange(n_rows) if "proxy" in metadata else present
                jobs.append(job_with_held_out(detector, X, y, metadata, rows, splits, own_threshold=False))
            fits = Parallel(n_jobs=self.n_jobs)(jobs)
            self.estimators_ = [fitted for fitted, _ in fits]
            self.named_estimators_ = Bunch(
                **{name: fitted for (name, _), fitted in zip(self._kept, self.estimators_, strict=True)}
            )
            self._keep_names_of(self.estimators_[0])
            self.held_out_scores_ = np.column_stack([scores for _, scores in fits])
            self._calibrate(X)
        plays_a_part = any("domain" in routed[name]["fit"] for name, _ in self._kept)
        if domain is not None and plays_a_part and self.calibration != "train":
            learnt = ~np.isnan(self.held_out_scores_).any(axis=1)
            warn_about_small_domains(as_domains(domain, n_rows)[learnt], self.contamination)
        return self

    def _calibrate(self, X):
        held_out = self.held_out_scores_
        learnt = ~np.isnan(held_out).any(axis=1)
        if not learnt.any():
            names = [name for name, _ in self._kept]
            raise ValueError(f"No training clip has a held-out score from each of the detectors {names}.")
        self._offsets = np.array([offset_if_any(detector, X) for detector in self.estimators_])
        self._standardizations = [Standardization(self.standardize_scores, scores) for scores in held_out.T]
        scores = self._anomaly_scores(X)[learnt] if self.calibration == "train" else held_out[learnt]
        self.training_scores_ = self._combine(scores)
        self._calibrate_on(self.training_scores_)
        if self.calibration != "train":
            warn_about_few_clips(len(self.training_scores_), self.contamination)

    def anomaly_score(self, X: Any, **params) -> np.ndarray:
        """Return the anomaly score of each clip; higher is more anomalous.

        Parameters
        ----------
        X : clips or features
            Whatever the detectors take.
        **params : dict
            Metadata that detectors request, such as `section` by `PerSection`.

        Returns
        -------
        ndarray of shape (n_clips,)
            NaN for skipped clips.
        """
        check_is_fitted(self)
        with route_metadata():
            return self._combine(self._anomaly_scores(X, **params))

    def decision_function(self, X: Any, **params) -> np.ndarray:
        """Return the signed distance to the threshold; negative means anomalous.

        Parameters
        ----------
        X : clips or features
            Whatever the detectors take.
        **params : dict
            Metadata that detectors request, such as `section` by `PerSection`.

        Returns
        -------
        ndarray of shape (n_clips,)
            ``score_samples(X) - offset_`` if no metadata is given; NaN for skipped clips.
        """
        return -self.anomaly_score(X, **params) - self.offset_

    def predict(self, X: Any, **params) -> np.ndarray:
        """Return +1 for clips that sound normal and -1 for anomalous and for skipped ones.

        Parameters
        ----------
        X : clips or features
            Whatever the detectors take.
        **params : dict
            As in `decision_function`.

        Returns
        -------
        ndarray of int of shape (n_clips,)
        """
        return np.where(self.decision_function(X, **params) >= 0, 1, -1)

    # the detectors' scores

    @property
    def standardizations_(self):
        """Functions that bring the scores of each of `estimators_` to one scale."""
        return self._standardizations

    @property
    def weights_(self):
        """Factor of each of `estimators_`, shape (n_detectors,); 1 if none were given."""
        return self._weights

    def _anomaly_scores(self, X, **metadata):
        """Return the scores of shape (n_clips, n_detectors), not standardised."""
        routed = routed_to(self, "decision_function", **metadata)
        columns = zip(self._kept, self.estimators_, self._offsets, strict=True)
        return np.column_stack(
            [
                anomaly_scores_of(detector, X, offset, **routed[name]["decision_function"])
                for (name, _), detector, offset in columns
            ]
        )

    def _combine(self, scores):
        columns = zip(self._standardizations, scores.T, strict=True)
        scores = np.column_stack([standardization(column) for standardization, column in columns])
        return combine_scores(scores, self.combine, self._weights, [name for name, _ in self._kept])

    # parameters

    def _check_estimators(self):
        self._check_names()
        kept = [(name, detector) for name, detector in self.estimators if not isinstance(detector, str)]
        for name, detector in self.estimators:
            if isinstance(detector, str) and detector != "drop":
                raise ValueError(f"The detector {name!r} is {detector!r}: give an estimator or 'drop'.")
        check_detectors(kept, "fit", "score_samples")
        if not kept:
            raise ValueError(f"There is no detector left in estimators={self.estimators!r}.")
        if self.combine == "product" and self.standardize_scores == "zscore":
            raise ValueError(
                "combine='product' needs anomaly scores that are not negative, but standardize_scores='zscore' "
                "centres them at 0. Use standardize_scores=None for scores that are distances, else 'rank'."
            )
        return kept

    def _check_weights(self):
        if self.weights is None:
            return np.ones(len(self._kept))
        weights = np.asarray(self.weights, dtype=float)
        if weights.shape != (len(self.estimators),):
            raise ValueError(
                f"weights has shape {weights.shape}; each of the {len(self.estimators)} detectors needs one."
            )
        weights = weights[[not isinstance(detector, str) for _, detector in self.estimators]]
        if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
            raise ValueError(f"weights must be finite, not negative and not all 0, got {self.weights!r}.")
        return weights

    def _splits(self, n_rows, y, metadata):
        """Return the folds; None for one clip."""
        if not isinstance(self.cv, Integral):
            return list(check_cv(self.cv).split(np.zeros((n_rows, 1)), y, **metadata))
        return shuffled_folds(n_rows, self.cv)

    def get_metadata_routing(self) -> Any:
        """Return what metadata goes to which detector.

        Returns
        -------
        MetadataRouter
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = MethodMapping().add(caller="fit", callee="fit")
        for method in ("predict", "decision_function"):
            mapping.add(caller=method, callee="decision_function")
        detectors = {name: detector for name, detector in self.estimators if not isinstance(detector, str)}
        router.add(**detectors, method_mapping=mapping)
        splitting = MethodMapping().add(caller="fit", callee="split")
        return router.add(cv=check_cv(self.cv), method_mapping=splitting)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inputs = [get_tags(part).input_tags for _, part in self.estimators if not isinstance(part, str)]
        if inputs:
            tags.input_tags = inputs[0]
            tags.input_tags.allow_nan = all(each.allow_nan for each in inputs)
            tags.input_tags.sparse = all(each.sparse for each in inputs)
        return tags
