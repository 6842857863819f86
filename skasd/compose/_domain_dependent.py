"""One detector for clips of the source domain and another for those of the target domain."""

from functools import partial
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.parallel import Parallel
from sklearn.utils.validation import check_is_fitted

from .._metadata import DOMAINS, as_domains
from .._sklearn_compat import HasMethods, fit_context, num_samples
from .._typing import ArrayLike
from .._unfitted import unfitted_on_failure
from ..labels import group_rows
from ..scorers import BaseScorer, KNNCosineScorer, LOFScorer
from ..scorers.thresholds import p_values, set_threshold, warn_about_few_clips
from ._combination import spread
from ._detection import DetectionMixin
from ._held_out import anomaly_scores_of, job_with_held_out, offset_if_any
from ._rows import (
    check_lengths,
    not_proxies,
    route_metadata,
    routed_to,
    scores_of_present,
    skipped_clips,
    take,
    take_rows,
)


class DomainDependent(DetectionMixin, BaseEstimator):
    r"""Domain-dependent scoring: one detector for source clips, another for target clips.

    The source detector is fitted on the training clips of the source domain. The target detector is fitted on those of
    both domains together, because there are too few target clips.

    Parameters
    ----------
    source : estimator or None, default=None
        Outlier detector for clips of the source domain; None: ``LOFScorer()``, with 4 neighbours.

    target : estimator or None, default=None
        Outlier detector for clips of the target domain; None: ``KNNCosineScorer()``, with 1 neighbour.

    contamination : float in (0, 0.5], default=0.1
        False-alarm rate that the thresholds aim at.

    calibration : {"cross", "train", "gamma"}, default="cross"
        How the thresholds are set, see `skasd.scorers.BaseScorer`. The detectors' own thresholds are not used.

    n_jobs : int or None, default=None
        2 fits both in parallel.

    Attributes
    ----------
    estimators_ : dict
        The fitted detectors by domain.
    mean_, scale_ : dict
        Mean and standard deviation of each detector's held-out training scores, by domain.
    offset_ : float
        ``decision_function = score_samples - offset_`` if the domain is not given.
    domain_offset_ : dict
        The offset if the domain is given, by domain.
    threshold_ : float
        ``-offset_``.
    training_scores_ : ndarray of shape (n_training_clips,)
        The anomaly scores, without the domain, that the threshold was set from.
    n_features_in_ : int
        Number of features seen in `fit`, if the detectors have this attribute.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if `X` has feature names that are all strings.

    See Also
    --------
    PerSection : Takes this as its detector, to fit one for each section.
    skasd.scorers.LOFScorer : One formula with a reference for each domain.

    Notes
    -----
    [1]_ (sections 2.3 and 3.1) scores source clips by LOF, with training clips of the source domain, and target clips
    by the cosine distance to the nearest training clip of either domain. There the domain of a test clip is known, as
    in ``decision_function(X, domain=...)``: with the anomaly score :math:`a_d` of domain d's detector, a clip scores

    .. math:: z_d(x) = \frac{a_d(x) - \mu_d}{\sigma_d}

    where mean and standard deviation are those of the detector's held-out training scores. Within a domain this keeps
    the detector's order; clips of both domains can be ranked together.

    If the domain is not known (every challenge since 2022; the report leaves this open) the anomaly score is the
    smaller one, :math:`\min_d z_d(x)`: a clip that is normal in either domain is normal.

    The thresholds come from held-out scores of the training clips. If the domain is given, these are the scores of that
    domain's clips (with three target clips, the highest of three); otherwise the smaller score of every clip, most of
    which are usually source clips. Scorers of this package keep held-out scores; other detectors are fitted five more
    times to get them.

    References
    ----------
    .. [1] K. Morita, T. Yano and K. Q. Tran, "Anomalous sound detection using CNN-based features by self
       supervised learning", DCASE2021 Challenge, technical report.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.compose import DomainDependent
    >>> X = np.random.default_rng(0).normal([5, 0], size=(110, 2))
    >>> X[100:] += [-5, 5]
    >>> domain = ["source"] * 100 + ["target"] * 10
    >>> detector = DomainDependent().fit(X, domain=domain)
    >>> detector.predict([[0, 5], [0, 5]], domain=["source", "target"])
    array([-1,  1])
    >>> detector.predict([[5, 0], [-5, -5]])
    array([ 1, -1])
    """

    # scikit-learn mangles these names
    __metadata_request__fit = {"section": True, "domain": True, "proxy": True}
    __metadata_request__decision_function = {"section": True, "domain": True}
    __metadata_request__predict = {"section": True, "domain": True}

    _parameter_constraints: dict = {
        "source": [HasMethods(["fit", "score_samples"]), None],
        "target": [HasMethods(["fit", "score_samples"]), None],
        "contamination": BaseScorer._parameter_constraints["contamination"],
        "calibration": BaseScorer._parameter_constraints["calibration"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        source: Any = None,
        target: Any = None,
        *,
        contamination: float = 0.1,
        calibration: Literal["cross", "train", "gamma"] = "cross",
        n_jobs: int | None = None,
    ):
        self.source = source
        self.target = target
        self.contamination = contamination
        self.calibration = calibration
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: ArrayLike | None = None, *, domain: Any = None, proxy: Any = None, **params
    ) -> Self:
        """Fit both detectors.

        Parameters
        ----------
        X : clips or features of n_clips
            Whatever the detectors take.
        y : array-like of shape (n_clips,), default=None
            Ground truth; passed on, not learnt from.
        domain : sequence of {"source", "target"} of length n_clips, default=None
            Not passed to the detectors. None: both are fitted on all clips.
        proxy : sequence of bool of length n_clips, default=None
            Clips of other machines; they are left out.
        **params : dict
            Other metadata that a detector requests.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If there is no source clip, or metadata does not have one entry per clip.
        """
        n_rows = num_samples(X)
        check_lengths(n_rows, y=y, domain=domain, proxy=proxy, **params)
        rows = np.flatnonzero(not_proxies(proxy, n_rows) & ~skipped_clips(X))
        if not len(rows):
            raise ValueError(f"No clip to fit on: n_samples={n_rows}, all of them skipped or proxies.")
        is_source = np.ones(len(rows), dtype=bool)
        if domain is not None:
            is_source = as_domains(domain, n_rows)[rows] == "source"
            if not is_source.any():
                raise ValueError(
                    f"domain marks none of the {len(rows)} clips as 'source', so the source detector has "
                    "nothing to learn; for clips of one domain use a single detector."
                )
        X, y = take(X, rows), take(y, rows)
        fitted_on = {"source": np.flatnonzero(is_source), "target": np.arange(len(rows))}
        with route_metadata(), unfitted_on_failure(self):
            routed = routed_to(self, "fit", **params)
            fits = Parallel(n_jobs=self.n_jobs)(
                job_with_held_out(
                    detector,
                    X,
                    y,
                    take_rows(dict(routed[name]["fit"]), rows, n_rows),
                    fitted_on[name],
                    own_threshold=False,
                )
                for name, detector in self._parts().items()
            )
            self.estimators_ = {name: fitted for name, (fitted, _) in zip(fitted_on, fits, strict=True)}
            self.mean_ = {
                name: float(np.nanmean(scores)) for name, (_, scores) in zip(fitted_on, fits, strict=True)
            }
            self.scale_ = {name: spread(scores) for name, (_, scores) in zip(fitted_on, fits, strict=True)}
            self._offsets = {name: offset_if_any(fitted, X) for name, fitted in self.estimators_.items()}
            self._keep_names_of(self.estimators_["target"])
            self._calibrate(X, is_source, [scores for _, scores in fits])
        return self

    def _calibrate(self, X, is_source, held_out):
        """Set the thresholds for known and for unknown domain."""
        z = np.column_stack(
            [(a - self.mean_[name]) / self.scale_[name] for name, a in zip(DOMAINS, held_out, strict=True)]
        )
        learnt = ~np.isnan(z[:, 1])  # what the target detector learnt from
        for column, name in enumerate(DOMAINS):
            foreign = np.flatnonzero(learnt & (np.isnan(z[:, column]) | (self.calibration == "train")))
            if len(foreign):
                z[foreign, column] = self._standardized(take(X, foreign), name)
        own = {"source": z[learnt & is_source, 0], "target": z[learnt & ~is_source, 1]}
        if not len(own["target"]):  # no target clips
            own["target"] = z[learnt, 1]
        self.training_scores_ = z[learnt].min(axis=1)
        self._calibrate_on(self.training_scores_)
        self.domain_offset_ = {
            name: -set_threshold(scores, self.contamination, self.calibration) for name, scores in own.items()
        }
        self._domain_scores, self._shift = own, 0.0
        if self.calibration != "train":
            for name, scores in own.items():
                of = "" if is_source.all() else f" of the {name} domain"
                warn_about_few_clips(len(scores), self.contamination, of)

    def _follow(self, change):
        """Shift the thresholds for known domains with `offset_`."""
        self.domain_offset_ = {name: offset + change for name, offset in self.domain_offset_.items()}
        self._shift += change

    def _standardized(self, X, name, **metadata):
        score = partial(anomaly_scores_of, self.estimators_[name], offset=self._offsets[name])
        return (scores_of_present(score, X, **metadata) - self.mean_[name]) / self.scale_[name]

    def anomaly_score(self, X: Any, *, domain: Any = None, **params) -> np.ndarray:
        """Return the anomaly score of each clip; higher is more anomalous.

        Parameters
        ----------
        X : clips or features
            Whatever was fitted on.
        domain : sequence of {"source", "target"} of length n_clips, default=None
            The domain of each clip, where known.
        **params : dict
            Other metadata that a detector requests, such as `section`.

        Returns
        -------
        ndarray of shape (n_clips,)
            In standard deviations of the detector's held-out training scores; NaN for skipped clips.
        """
        check_is_fitted(self)
        n_rows = num_samples(X)
        check_lengths(n_rows, **params)
        with route_metadata():
            routed = routed_to(self, "decision_function", **params)
            metadata = {name: dict(routed[name]["decision_function"]) for name in DOMAINS}
            if domain is None:
                return np.minimum(*(self._standardized(X, name, **metadata[name]) for name in DOMAINS))
            domain = as_domains(domain, n_rows)
            scores = np.empty(n_rows)
            for name in DOMAINS:
                rows = np.flatnonzero(domain == name)
                if len(rows):
                    own = take_rows(metadata[name], rows, n_rows)
                    scores[rows] = self._standardized(take(X, rows), name, **own)
            return scores

    def decision_function(self, X: Any, *, domain: Any = None, **params) -> np.ndarray:
        """Return the signed distance to the threshold; negative means anomalous.

        Parameters
        ----------
        X : clips or features
            Whatever was fitted on.
        domain : sequence of {"source", "target"} of length n_clips, default=None
            The domain of each clip, where known: its detector and its threshold decide.
        **params : dict
            Other metadata that a detector requests, such as `section`.

        Returns
        -------
        ndarray of shape (n_clips,)
            ``score_samples(X) - offset_`` if `domain` is not given; NaN for skipped clips.
        """
        scores = -self.anomaly_score(X, domain=domain, **params)
        if domain is None:
            return scores - self.offset_
        return scores - np.array([self.domain_offset_[name] for name in domain])

    def predict(self, X: Any, *, domain: Any = None, **params) -> np.ndarray:
        """Return +1 for clips that sound normal and -1 for anomalous and for skipped ones.

        Parameters
        ----------
        X : clips or features
            Whatever was fitted on.
        domain : sequence of {"source", "target"} of length n_clips, default=None
            As in `decision_function`.
        **params : dict
            As in `decision_function`.

        Returns
        -------
        ndarray of int of shape (n_clips,)
        """
        return np.where(self.decision_function(X, domain=domain, **params) >= 0, 1, -1)

    def p_value(self, X: Any, *, domain: Any = None, **params) -> np.ndarray:
        """Return how rarely a healthy clip would score as high as each clip: the conformal p-value.

        Parameters
        ----------
        X : clips or features
            Whatever was fitted on.
        domain : sequence of {"source", "target"} of length n_clips, default=None
            The domain of each clip, where known: the p-value is from the scores that its threshold is from.
        **params : dict
            As in `decision_function`.

        Returns
        -------
        ndarray of shape (n_clips,)
            In (0, 1]; NaN for skipped clips. After `set_threshold`, the scores of a known domain's training clips are
            shifted as its threshold was.
        """
        scores = self.anomaly_score(X, domain=domain, **params)
        if domain is None:
            return self.p_value_of_scores(scores)
        scores += self._shift
        p = np.empty(len(scores))
        for name, rows in group_rows(as_domains(domain, len(scores))).items():
            p[rows] = p_values(scores[rows], self._domain_scores[name], self.contamination, self.calibration)
        return p

    def get_metadata_routing(self) -> Any:
        """Return what metadata goes to which part.

        Returns
        -------
        MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        for method in ("predict", "decision_function"):
            mapping.add(caller=method, callee="decision_function")
        return MetadataRouter(owner=self).add_self_request(self).add(**self._parts(), method_mapping=mapping)

    def _parts(self):
        return {
            "source": LOFScorer() if self.source is None else self.source,
            "target": KNNCosineScorer() if self.target is None else self.target,
        }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self._parts()["target"]).input_tags
        return tags
