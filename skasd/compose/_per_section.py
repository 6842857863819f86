"""One detector per section behind one shared embedder."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.parallel import Parallel

from .._sklearn_compat import HasMethods, fit_context, num_samples
from .._typing import ArrayLike
from .._unfitted import unfitted_on_failure
from ..labels import as_labels, group_rows
from ..scorers import LOFScorer
from ._best_fitting import BestFittingDetector
from ._held_out import job_with_held_out, offset_of
from ._rows import check_lengths, not_proxies, route_metadata, routed_to, skipped_clips, take, take_rows


class PerSection(BestFittingDetector):
    r"""One detector per section behind one embedder that all sections share.

    The embedder is fitted once, on the clips of all sections, with the sections as its classes; then each section gets
    its own detector, fitted on the embeddings of that section's clips.

    Parameters
    ----------
    embedder : transformer, pipeline of transformers or None, default=None
        Fitted on all clips. None: `X` is passed to the detectors unchanged.

    estimator : estimator or None, default=None
        Any outlier detector with the scikit-learn interface, or a pipeline that ends in one; None: ``LOFScorer()``.

    n_jobs : int or None, default=None
        Number of detectors to fit in parallel.

    Attributes
    ----------
    embedder_ : estimator or None
        The fitted embedder.
    estimators_ : dict
        The fitted detector of each section; the key is None if no section was given.
    sections_ : list
        The known sections; empty if none was given.
    offset_ : float
        ``decision_function = score_samples - offset_`` if the section is not given.
    section_offset_ : float
        The offset if the section is given.
    threshold_ : float
        ``-offset_``.
    training_scores_ : ndarray of shape (n_training_clips,)
        Held-out anomaly scores of the training clips.
    n_features_in_ : int
        Number of features seen in `fit`, if the part that receives `X` first has this attribute.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if `X` has feature names that are all strings.

    See Also
    --------
    DomainDependent : One detector for each domain.
    PerMachine : A different detector for each machine.
    ScoreEnsemble : Several detectors that judge every clip together.

    Notes
    -----
    The systems of [1]_ (section 3.1: "We trained a CNN using 6 sections datasets in a Machine
    Type, and an anomaly detector using embedding vectors per section") and [2]_ (section 2.4) are built
    like this.

    With :math:`s_i(x)` and :math:`o_i` the score and the offset of section i's detector, and
    :math:`\bar o` the mean of the offsets,

    - if the section is known, the decision is that of its detector, :math:`s_i(x) - o_i`;
    - ``score_samples`` does not know the section: the score is that of the section that fits best when scores are
      compared relative to their thresholds, :math:`\max_i (s_i(x) - o_i) + \bar o`. Scores of a section that are high
      or low as a whole are no advantage or disadvantage. Scores with a known section, :math:`s_i(x) - o_i + \bar o`,
      are on the same scale.

    The best of several sections makes a clip look more normal than its own section does. `offset_` corrects for
    this: it is set so that as many training clips are called anomalous without the section as with it. This uses
    held-out scores: those that the scorers of this package keep (``training_scores_``); other detectors are
    fitted five more times to get them. The threshold of each detector, and with it the false-alarm rate, is the
    detector's own. `set_threshold` shifts `offset_` and `section_offset_` by the same amount.

    The embedder and the detectors are passed the metadata that they request, whether metadata routing is enabled or
    not; detectors that do not request `domain` do not get it. Clips with ``proxy=True`` are passed only to the
    embedder. Skipped clips (rows of NaN) are not passed to the detectors, and score NaN.

    `GammaSoftmaxScorer` finds the column of each section by itself: it does not need PerSection, but also works inside
    it.

    A detector may be a search: with ``estimator=GridSearchCV(NormalOnly(pipeline), ...)`` and a `y` that marks
    anomalous clips, each section has its own best parameters.

    References
    ----------
    .. [1] K. Morita, T. Yano and K. Q. Tran, "Anomalous sound detection using CNN-based features by self
       supervised learning", DCASE2021 Challenge, technical report.
    .. [2] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task2: batch mixing
       strategy based method with anomaly detector for anomalous sound detection", DCASE2022 Challenge,
       technical report.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skasd.compose import PerSection
    >>> from skasd.scorers import KNNScorer
    >>> X = np.random.default_rng(0).normal(size=(100, 2)) + np.repeat([[0, 0], [9, 9]], 50, axis=0)
    >>> section = np.repeat(["00", "01"], 50)
    >>> detector = PerSection(StandardScaler(), KNNScorer()).fit(X, section=section)
    >>> detector.predict([[0, 0], [9, 9]])
    array([1, 1])
    >>> detector.predict([[0, 0], [9, 9]], section=["01", "01"])
    array([-1,  1])
    """

    # scikit-learn mangles these names
    __metadata_request__fit = {"section": True, "domain": True, "proxy": True}

    _parameter_constraints: dict = {
        "embedder": [HasMethods("fit"), None],
        "estimator": [HasMethods(["fit", "score_samples", "decision_function"]), None],
        "n_jobs": [Integral, None],
    }

    def __init__(self, embedder: Any = None, estimator: Any = None, *, n_jobs: int | None = None):
        self.embedder = embedder
        self.estimator = estimator
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
        """Fit the embedder on all clips, and one detector on those of each section.

        Parameters
        ----------
        X : clips or features of n_clips
            Whatever the embedder takes, or the detector if there is no embedder.
        y : array-like of shape (n_clips,), default=None
            Ground truth; passed on, not learnt from.
        section : sequence of hashables of length n_clips, default=None
            None: one detector for all clips.
        domain : sequence of {"source", "target"} of length n_clips, default=None
            Passed to the parts that request it.
        proxy : sequence of bool of length n_clips, default=None
            Clips of other machines, for the embedder only.
        **params : dict
            Other metadata that a part requests.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If metadata does not have one entry per clip, or a section is too small for its detector; the message names
            it.
        TypeError
            If the embedder has no ``transform``.
        """
        if self.embedder is not None and not hasattr(self.embedder, "transform"):
            raise TypeError(
                f"embedder={self.embedder!r} has no transform: give a transformer, or None where the detectors take X "
                "as it is, as in PerSection(None, detector)."
            )
        n_rows = num_samples(X)
        check_lengths(n_rows, y=y, section=section, domain=domain, proxy=proxy, **params)
        with route_metadata(), unfitted_on_failure(self):
            routed = routed_to(self, "fit", section=section, domain=domain, proxy=proxy, **params)
            X = self._fit_embedder(X, y, routed["embedder"] if self.embedder is not None else None)
            keep = not_proxies(proxy, n_rows)
            self._keep_names_of(self.embedder_)
            rows = np.flatnonzero(keep & ~skipped_clips(X))
            if not len(rows):
                raise ValueError(
                    f"No clip to fit a detector on: n_samples={n_rows}, all of them skipped or proxies."
                )
            metadata = dict(routed["estimator"]["fit"])
            metadata.pop("proxy", None)
            metadata = take_rows(metadata, rows, n_rows)
            labels = as_labels("section", section, n_rows)[rows] if section is not None else None
            X, y = take(X, rows), take(y, rows)
            self._fit_detectors(X, y, labels, metadata)
        return self

    def _fit_embedder(self, X, y, routed):
        """Fit the embedder and return the embeddings."""
        self.embedder_ = None
        if self.embedder is None:
            return X
        self.embedder_ = clone(self.embedder)
        if hasattr(self.embedder_, "fit_transform"):  # a pipeline then runs its first steps only once
            return self.embedder_.fit_transform(X, y, **routed["fit_transform"])
        return self.embedder_.fit(X, y, **routed["fit"]).transform(X)

    def _fit_detectors(self, X, y, labels, metadata):
        n_clips = num_samples(X)
        groups = {None: np.arange(n_clips)} if labels is None else group_rows(labels)
        fits = Parallel(n_jobs=self.n_jobs)(
            job_with_held_out(
                self._detector(), X, y, metadata, rows, label="" if labels is None else f"Section {name!r}"
            )
            for name, rows in groups.items()
        )
        self.sections_ = [] if labels is None else list(groups)
        self.estimators_ = {name: fitted for name, (fitted, _) in zip(groups, fits, strict=True)}
        if self.embedder_ is None:
            self._keep_names_of(next(iter(self.estimators_.values())))
        offsets = {name: offset_of(fitted, X) for name, fitted in self.estimators_.items()}
        self._scales = dict.fromkeys(groups, 1.0)
        self._shift = self.section_offset_ = float(np.mean(list(offsets.values())))
        held_out = {name: -scores - offsets[name] for name, (_, scores) in zip(groups, fits, strict=True)}
        self._calibrate(X, held_out, groups)

    def _follow(self, change):
        super()._follow(change)
        self.section_offset_ += change

    def anomaly_score(self, X: Any, *, section: Any = None, **params) -> np.ndarray:
        """Return the anomaly score of each clip; higher is more anomalous.

        Parameters
        ----------
        X : clips or features
            Whatever was fitted on.
        section : sequence of hashables of length n_clips, default=None
            The section of each clip, where known.
        **params : dict
            Other metadata that the detectors request, such as `domain` by `DomainDependent`.

        Returns
        -------
        ndarray of shape (n_clips,)
            The opposite of the score; NaN for skipped clips.
        """
        return -self._uncorrected(X, section, **params) - self._shift

    def decision_function(self, X: Any, *, section: Any = None, **params) -> np.ndarray:
        """Return the signed distance to the threshold; negative means anomalous.

        Parameters
        ----------
        X : clips or features
            Whatever was fitted on.
        section : sequence of hashables of length n_clips, default=None
            The section of each clip, where known: its detector decides.
        **params : dict
            Other metadata that the detectors request, such as `domain` by `DomainDependent`.

        Returns
        -------
        ndarray of shape (n_clips,)
            NaN for skipped clips.

        Raises
        ------
        ValueError
            For a section that was not fitted; the message lists the known ones.
        """
        return self._decisions(X, section, **params)

    def predict(self, X: Any, *, section: Any = None, **params) -> np.ndarray:
        """Return +1 for clips that sound normal and -1 for anomalous and for skipped ones.

        Parameters
        ----------
        X : clips or features
            Whatever was fitted on.
        section : sequence of hashables of length n_clips, default=None
            As in `decision_function`.
        **params : dict
            As in `decision_function`.

        Returns
        -------
        ndarray of int of shape (n_clips,)
        """
        return np.where(self.decision_function(X, section=section, **params) >= 0, 1, -1)

    def p_value(self, X: Any, *, section: Any = None, **params) -> np.ndarray:
        """Return how rarely a healthy clip would score as high as each clip: the conformal p-value.

        Parameters
        ----------
        X : clips or features
            Whatever was fitted on.
        section : sequence of hashables of length n_clips, default=None
            The section of each clip, where known: the p-value is that of its detector.
        **params : dict
            As in `decision_function`.

        Returns
        -------
        ndarray of shape (n_clips,)
            In (0, 1]; NaN for skipped clips. After `set_threshold`, the scores of a known section's training clips are
            shifted as its threshold was.
        """
        if section is None:
            return super().p_value(X, **params)
        return self._own_p_values(X, section, **params)

    def get_metadata_routing(self) -> Any:
        """Return what metadata goes to which part.

        Returns
        -------
        MetadataRouter
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        if self.embedder is not None:
            method = "fit_transform" if hasattr(self.embedder, "fit_transform") else "fit"
            router.add(
                embedder=self.embedder, method_mapping=MethodMapping().add(caller="fit", callee=method)
            )
        mapping = MethodMapping().add(caller="fit", callee="fit")
        for method in ("predict", "decision_function"):
            mapping.add(caller=method, callee="decision_function")
        return router.add(estimator=self._detector(), method_mapping=mapping)

    def _detector(self):
        return LOFScorer() if self.estimator is None else self.estimator

    def _represent(self, X):
        return X if self.embedder_ is None else self.embedder_.transform(X)

    def _part(self, name):
        return "estimator"

    def _front(self):
        return self._detector() if self.embedder is None else self.embedder
