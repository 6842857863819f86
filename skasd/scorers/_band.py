"""Scores of groups of features added up."""

from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if

from .._sklearn_compat import Interval, fit_context
from .._threads import fixed_threads, resolve_threads
from .._typing import ArrayLike
from ._base import BaseScorer
from ._contributions import ContributionMixin
from ._docs import with_shared_docstring
from ._gamma_softmax import GammaSoftmaxScorer
from ._held_out import mean_and_spread
from ._mahalanobis import MahalanobisScorer
from ._oevae import OEVAEScorer

_FEW = 10  # rows; the spreads of fewer jump from one number of rows to the next
_N_BLOCKS = 5  # the spread of a band's scores is that of rows whose neighbours in time are left out as well


def _has_contributions(scorer):
    return scorer.estimator is None or isinstance(scorer.estimator, ContributionMixin)


@with_shared_docstring
class BandScorer(ContributionMixin, BaseScorer):
    r"""Sum of the scores that a scorer gives to each of several groups of features.

    A fault that shows in one frequency band is lost among many features that do not change. Scored band by band, it
    counts as much as if there were no other features.

    Parameters
    ----------
    estimator : scorer of this package or None, default=None
        Gives a band's anomaly scores: `MahalanobisScorer`, `KNNScorer`, `KNNCosineScorer`, ... Only its formula is
        used; threshold and calibration are this estimator's. Not `BandScorer`, `TermScorer`, `GammaSoftmaxScorer` or
        `OEVAEScorer`, to which columns mean different things. None: ``MahalanobisScorer()``.

    bands : int, array-like of shape (n_features,) or list of array-likes of int, default=8
        The features of each band. An int: that many contiguous bands of (nearly) equal width, or one per feature if
        there are fewer features. An array: the label of the band of each feature, such as ``bands_`` of a
        :class:`~skasd.embedders.PretrainedEmbedder`. A list of lists: the positions of the features of each band;
        bands may overlap.

    weights : array-like of shape (n_bands,) or None, default=None
        Non-negative weight of each band's score, in the order of `bands` (labels: in the order in which they appear).
        None: all equal. They are scaled to a sum of 1.

    {shared}

    Attributes
    ----------
    bands_ : list of ndarray of int
        The features of each band.
    weights_ : ndarray of shape (n_bands,)
        The factors, which sum to 1.
    references_ : dict
        By domain ("all" without domains): the reference of each band and the spread of its scores.

    {attributes}

    See Also
    --------
    MahalanobisScorer : All features at once.
    skasd.compose.ScoreEnsemble : Several detectors, each with a threshold of its own.

    Notes
    -----
    The anomaly score is :math:`\sum_b w_b\, a_b(x) / \sigma_b` with the anomaly score :math:`a_b` of band b and
    the standard deviation :math:`\sigma_b` of the scores of the training clips (1 if they do not vary). For it the
    clips are divided, in their order, into fifths, each scored against a reference without it: clips that follow each
    other are often windows of one recording, and the spread is to be that between recordings as well.

    With one row the spreads are 1. When clips are held out, the spreads are computed from the others, like everything
    that is learnt; otherwise held-out clips would be scored in other units than new recordings. With fewer than ten
    rows the spreads of all rows are used, because those of so few change too much with their number.

    `feature_contributions`, if the formula has it, gives each feature :math:`w_b / \sigma_b` times its share in
    :math:`a_b`, summed over the bands that contain it.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.scorers import BandScorer
    >>> X = np.random.default_rng(0).normal(size=(100, 6))
    >>> scorer = BandScorer(bands=[0, 0, 1, 1, 2, 2]).fit(X)
    >>> scorer.predict([[0, 0, 0, 0, 0, 0], [0, 0, 5, -5, 0, 0]])
    array([ 1, -1])
    """

    _spreads: Any = None  # those that refits keep

    _parameter_constraints: dict = {
        **BaseScorer._parameter_constraints,
        "estimator": [BaseScorer, None],
        "bands": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "weights": ["array-like", None],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        bands: int | ArrayLike | list = 8,
        weights: ArrayLike | None = None,
        contamination: float = 0.1,
        calibration: Literal["cross", "train", "gamma"] = "cross",
        domain_normalization: Literal["zscore"] | None = None,
        augmenter: Any = None,
        by_domain: bool = True,
    ):
        super().__init__(
            contamination=contamination,
            calibration=calibration,
            domain_normalization=domain_normalization,
            augmenter=augmenter,
            by_domain=by_domain,
        )
        self.estimator = estimator
        self.bands = bands
        self.weights = weights

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None, **metadata) -> Self:
        """Learn the references of every band from normal clips and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features)
            One row per clip. Rows that are NaN everywhere are left out.
        y : array-like of shape (n_clips,), default=None
            Not learnt from. A warning is issued if it marks clips as anomalous (-1).
        **metadata : dict
            `section`, `domain`, `proxy`, `groups` and `origin`, as in `BaseScorer`.

        Returns
        -------
        self : object
        """
        self._formula = MahalanobisScorer() if self.estimator is None else clone(self.estimator)
        if isinstance(self._formula, (BandScorer, GammaSoftmaxScorer, OEVAEScorer)):
            raise TypeError(
                f"estimator={self.estimator!r}: columns mean different things to a {type(self._formula).__name__}, so "
                "it cannot score bands of them. Give MahalanobisScorer(), KNNScorer() or another scorer of embeddings."
            )
        self._formula._validate_params()
        # thousands of small matrices: threads that share one take three times as long as one alone
        with fixed_threads(resolve_threads(None)):
            return super().fit(X, y, **metadata)

    @available_if(_has_contributions)
    def feature_contributions(self, X: ArrayLike) -> np.ndarray:
        """Return how much each feature adds to a clip's anomaly score.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features)
            One row per clip.

        Returns
        -------
        ndarray of shape (n_clips, n_features)
            Each row sums to the clip's anomaly score (with `domain_normalization`: before normalisation). NaN for rows
            that are NaN everywhere.
        """
        return super().feature_contributions(X)

    @property
    def _min_rows(self):
        return (MahalanobisScorer() if self.estimator is None else self.estimator)._min_rows

    def _fit_references(self, sets):
        """Fit the references of all bands to the rows of each domain."""
        self.bands_ = self._find_bands(self.n_features_in_)
        self.weights_ = self._find_weights()
        by_band = [self._references_of(columns, sets) for columns in self.bands_]
        if self._spreads is not None:
            by_band = [
                (references, spread) for (references, _), spread in zip(by_band, self._spreads, strict=True)
            ]
        return {
            name: ([references[name] for references, _ in by_band], np.array([s for _, s in by_band]))
            for name in sets
        }

    def _held_out(self, X, sets, references, blocks):
        # the references are the same without any of their equal rows, but for rounding
        if len(X) > 1 and not np.ptp(X, axis=0).any():
            return np.column_stack([self._score_reference(X, reference) for reference in references.values()])
        return super()._held_out(X, sets, references, blocks)

    def _as_new(self, X, sets, blocks):
        if len(X) < _FEW:
            self._spreads = next(iter(self.references_.values()))[1]
        try:
            return super()._as_new(X, sets, blocks)
        finally:
            self.__dict__.pop("_spreads", None)

    def _references_of(self, columns, sets):
        parts = {name: rows[:, columns] for name, rows in sets.items()}
        held_out = []
        for block in range(_N_BLOCKS):
            rest, left_out = {}, {}
            for name, rows in parts.items():
                here = np.arange(len(rows)) * _N_BLOCKS // len(rows) == block
                if (~here).sum() >= self._min_rows and here.any():
                    rest[name], left_out[name] = rows[~here], rows[here]
            if sum(map(len, rest.values())) > 1:  # one row has no spread of its own
                held_out += self._formula._score_left_out(rest, left_out).values()
        spread = mean_and_spread(np.concatenate(held_out))[1] if held_out else 1.0
        return self._formula._fit_references(parts), spread

    def _score_reference(self, X, reference):
        references, spreads = reference
        scores = [
            self._score_band(X, columns, each) for columns, each in zip(self.bands_, references, strict=True)
        ]
        return np.transpose(scores) @ (self.weights_ / spreads)

    def _score_band(self, X, columns, reference):
        return self._formula._score_reference(X[:, columns], reference)

    def _contributions(self, X, reference):
        references, spreads = reference
        shares = np.zeros_like(X)
        for columns, each, factor in zip(self.bands_, references, self.weights_ / spreads, strict=True):
            shares[:, columns] += factor * self._contributions_of_band(X, columns, each)
        return shares

    def _contributions_of_band(self, X, columns, reference):
        return self._formula._contributions(X[:, columns], reference)

    def _find_bands(self, n_features):
        bands = self.bands
        if isinstance(bands, Integral):
            return np.array_split(np.arange(n_features), min(bands, n_features))
        if all(np.ndim(band) == 0 for band in bands):
            if len(bands) != n_features:
                raise ValueError(f"bands has {len(bands)} labels, but X has {n_features} features: one each.")
            labels = np.asarray(bands)
            return [np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist())]
        found = [np.asarray(band) for band in bands]
        for number, band in enumerate(found):
            if band.ndim != 1 or not len(band) or band.dtype.kind not in "iu":
                raise ValueError(
                    f"bands[{number}]={bands[number]!r}: must be a list of positions of features."
                )
            if len(set(band.tolist())) < len(band):
                raise ValueError(f"bands[{number}]={bands[number]!r}: has a position more than once.")
            if band.min() < 0 or band.max() >= n_features:
                raise ValueError(
                    f"bands[{number}] has the position {band.max() if band.min() >= 0 else band.min()}, but X has "
                    f"{n_features} features: must be in 0 to {n_features - 1}."
                )
        return found

    def _find_weights(self):
        n_bands = len(self.bands_)
        if self.weights is None:
            return np.full(n_bands, 1 / n_bands)
        weights = np.asarray(self.weights, dtype=float)
        if weights.shape != (n_bands,):
            raise ValueError(f"weights has shape {weights.shape}; each of the {n_bands} bands needs one.")
        if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
            raise ValueError(f"weights must be finite, not negative and not all 0, got {self.weights!r}.")
        return weights / weights.sum()
