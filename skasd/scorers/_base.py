"""Base class of the scorers: rows, domains, held-out scores and the threshold."""

from abc import ABCMeta
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .._metadata import as_domains, as_mask, warn_about_anomalies
from .._sklearn_compat import HasMethods, Interval, StrOptions, fit_context
from .._typing import ArrayLike
from .._unfitted import unfitted_on_failure
from ..labels import as_labels
from ._blocks import find_blocks
from ._docs import with_shared_docstring
from ._held_out import ALL, merge_small
from ._references import References
from ._rows import checked_rows, skipped_rows
from ._threshold_mixin import ThresholdMixin


@with_shared_docstring
class BaseScorer(References, ThresholdMixin, OutlierMixin, BaseEstimator, metaclass=ABCMeta):
    """Base class of the scorers: outlier detectors on one row of features per clip.

    The base drops skipped clips and proxies, keeps one reference per domain, takes the minimum of the anomaly
    scores over domains, and sets the threshold from scores of clips that are not in the reference. A subclass
    only defines the formula; see Notes.

    Parameters
    ----------
    calibration : {"cross", "train", "gamma"}, default="cross"
        Where the threshold comes from.

        - "cross": each training clip is scored against references that do not contain its recording. The
          threshold is the ``(n + 1) (1 - contamination)``-th smallest of these scores, interpolated
          (split-conformal quantile), so that the rate holds for clips of new recordings. See Notes.
        - "train": the percentile of the training clips' own scores, scikit-learn's convention. New normal
          clips score higher than clips that were learnt, so more of them are called anomalous.
        - "gamma": the ``1 - contamination`` quantile of a 3-parameter gamma distribution fitted to the
          scores of "cross", the rule of the DCASE Task 2 baselines. If all scores are equal or the fit fails,
          a warning is issued and the quantile of "cross" is used.

    domain_normalization : {"zscore"} or None, default=None
        "zscore" standardises the scores against each domain's reference by mean and standard deviation of
        that domain's own held-out training scores, before the minimum over domains is taken.

    augmenter : object with ``augment(X, y=None, **metadata)`` or None, default=None
        Adds synthetic rows to the reference, as :class:`~skasd.augment.MixupSMOTEAugmenter` does; it is called
        with the training rows and their `domain`. The threshold is set from the training clips alone: each fold is
        scored against references that were fitted and augmented without it.

    {shared}

    Attributes
    ----------
    references_ : dict
        What the formula keeps, by domain ("all" without domains).
    normalization_ : tuple of two ndarrays of shape (n_domains,) or None
        Mean and standard deviation of `domain_normalization`, by domain; None without it.

    {attributes}

    See Also
    --------
    LOFScorer : Density of a clip's neighbourhood against that of its neighbours.
    MahalanobisScorer : Distance in units of the training clips' spread.

    Notes
    -----
    A subclass defines `_score_reference`, the anomaly scores of rows against a reference; usually
    `_fit_reference`, which makes the reference from the rows of one domain; and `_leave_one_out`, if there is a
    formula that is faster than refitting ten times. It inherits the parameters above; if it has its own
    ``__init__``, that must repeat them and extend ``_parameter_constraints``.

    **Recordings.** Windows of one recording resemble each other more than windows of different recordings, so
    "cross" holds out whole recordings (``blocks_``). These are, in order of preference: the ``groups`` given to
    `fit`; recordings recognised by jumps in the order of the rows; at least five stretches of rows, each twice as
    long as the similarity between neighbouring rows reaches; and single rows, if neighbours are no more alike than
    other rows, as after shuffling.

    **Few recordings.** A reference without one of n recordings knows less than the reference with all n, so held-out
    scores are too high. They are lowered by an amount estimated from leaving out further recordings: let g be the
    mean rise of the logarithm of the scores when the nearest other recording is left out as well, and h the further
    rise without the second nearest. The logarithm is lowered by ``max(g - 2 h, 0) / 3 + min(g, 2 h) / n``. The second
    term is what one more recording brings if all are alike (then g = 2 h); the first applies to recordings that come
    in pairs (of a unit, a speed, a day), for a logarithm linear in 1 / (recordings of the unit + 1). Scores are lowered
    by at most a third, and their logarithm by at most its standard deviation.

    **Warnings.** With fewer than ``1 / contamination - 1`` recordings, in total or of one domain
    (``attainable_rate_`` above ``contamination``), a `FewClipsWarning` is issued.

    **Domains.** Target clips are few in training, but as many as source clips later on. If `fit` is given domains, and
    each has at least two recordings, the threshold is therefore the quantile of scores weighted so that both domains
    count equally. A domain with fewer rows than the formula needs (``_min_rows``) is merged with the other one.
    "zscore" needs three rows per domain.

    **Skipped clips** are rows that are NaN everywhere: they are left out of `fit`, score NaN and are predicted -1.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.scorers import BaseScorer
    >>> class MedianScorer(BaseScorer):
    ...     def _fit_reference(self, X):
    ...         return np.median(X, axis=0)
    ...     def _score_reference(self, X, reference):
    ...         return np.abs(X - reference).mean(axis=1)
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> scorer = MedianScorer(contamination=0.05).fit(X)
    >>> scorer.predict([[0, 0, 0, 0], [3, 3, 3, 3]])
    array([ 1, -1])
    """

    # a scorer without sections takes `section` and leaves it: one call of fit serves every pipeline
    __metadata_request__fit = {
        "section": True,
        "domain": True,
        "proxy": True,
        "groups": True,
        "origin": True,
    }

    _parameter_constraints: dict = {
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "calibration": [StrOptions({"cross", "train", "gamma"})],
        "domain_normalization": [StrOptions({"zscore"}), None],
        "augmenter": [HasMethods("augment"), None],
        "by_domain": ["boolean"],
    }

    def __init__(
        self,
        *,
        contamination: float = 0.1,
        calibration: Literal["cross", "train", "gamma"] = "cross",
        domain_normalization: Literal["zscore"] | None = None,
        augmenter: Any = None,
        by_domain: bool = True,
    ):
        self.contamination = contamination
        self.calibration = calibration
        self.domain_normalization = domain_normalization
        self.augmenter = augmenter
        self.by_domain = by_domain

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        section: Any = None,
        domain: Any = None,
        proxy: Any = None,
        groups: Any = None,
        origin: Any = None,
    ) -> Self:
        """Learn the references from normal clips and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features)
            One row per clip. Rows that are NaN everywhere are left out.
        y : array-like of shape (n_clips,), default=None
            Not learnt from. A warning is issued if it marks clips as anomalous (-1).
        section : sequence of hashables of length n_clips, default=None
            Ignored, but by `GammaSoftmaxScorer`: :class:`~skasd.compose.PerSection` keeps one scorer per section.
        domain : sequence of {"source", "target"} of length n_clips, default=None
            Each domain gets its own reference, unless ``by_domain=False``, and counts the same for the
            threshold. None: one reference from all clips.
        proxy : sequence of bool of length n_clips, default=None
            Clips of other machines; they are left out.
        groups : sequence of hashables of length n_clips, default=None
            The recording, day or unit that each clip comes from, where several clips come from one. With
            "cross" and "gamma" the held-out scores then leave whole groups out, so that the threshold holds
            for clips of new groups. None: groups are looked for in the order of the rows.
        origin : sequence of tuples of length n_clips, default=None
            The clips that each row comes from, by any names: ``("a",)`` is the recorded clip a, ``("a", "b")`` was
            made of a and b. Made rows join the references; the threshold is set from recorded clips, each held
            out with all that was made of it. A :class:`skasd.compose.Pipeline` with an augmenter says so itself.

        Returns
        -------
        self : object

        Warns
        -----
        FewClipsWarning
            If there are fewer than ``1 / contamination - 1`` recordings, or clips that resemble each other no
            more than others do, in all or in a domain.
        """
        with unfitted_on_failure(self):
            X = validate_data(self, X, dtype=np.float64, ensure_all_finite=False)
            warn_about_anomalies(y, self)
            n_rows = len(X)
            keep = ~skipped_rows(X)
            n_skipped = n_rows - int(keep.sum())
            if proxy is not None:
                keep &= ~as_mask("proxy", proxy, n_rows)
            n_left = int(keep.sum())
            if n_left < self._min_rows:
                raise ValueError(
                    f"{type(self).__name__} needs at least {self._min_rows} training clips, "
                    f"got n_samples={n_left} of {n_rows} rows ({n_skipped} NaN, "
                    f"{n_rows - n_skipped - n_left} proxies left out)."
                )
            if domain is not None:
                domain = as_domains(domain, n_rows)[keep]
            X = X[keep]
            blocks = find_blocks(X, domain, groups, origin, keep)
            n_recorded = int(blocks.recorded.sum())
            if n_recorded < self._min_rows:
                raise ValueError(
                    f"{type(self).__name__} needs at least {self._min_rows} recorded training clips, got "
                    f"{n_recorded} and {n_left - n_recorded} that were made of others."
                )

            sets = np.full(n_left, ALL, dtype=object)
            if domain is not None and self.by_domain:
                needed = self._min_rows if self.domain_normalization is None else max(self._min_rows, 3)
                if ALL not in set(merge_small(domain[blocks.recorded], needed)):
                    sets = domain
            section = None if section is None else as_labels("section", section, n_rows)[keep]
            self._learn(X, sets, blocks, domain, section)
        return self

    def anomaly_score(self, X: ArrayLike, *, section: Any = None) -> np.ndarray:
        """Return the anomaly score of each clip; higher is more anomalous.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features)
            One row per clip.
        section : sequence of hashables of length n_clips, default=None
            Ignored, but by `GammaSoftmaxScorer`.

        Returns
        -------
        ndarray of shape (n_clips,)
            NaN for rows that are NaN everywhere.

        Raises
        ------
        ValueError
            If a row lies so far from those of `fit` that its score overflows.
        """
        check_is_fitted(self)
        X = checked_rows(self, X)
        present = ~skipped_rows(X)
        section = None if section is None else as_labels("section", section, len(X))[present]
        scores = np.full(len(X), np.nan)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # what comes of it raises
            if present.any():
                scores[present] = self._score_known(X[present], section)
        broken = np.flatnonzero(present & ~np.isfinite(scores))
        if len(broken):
            raise ValueError(
                f"{type(self).__name__} has no finite score for row {broken[0]} ({len(broken)} such rows), of values "
                f"up to {np.abs(X[broken[0]]).max():.3g}: it lies too far from the rows of fit. Look for broken "
                "clips, and scale features alike before fit and before scoring."
            )
        return scores
