"""Mahalanobis distance to the mean of each domain."""

import warnings
from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.linalg import lapack

from .._sklearn_compat import Interval, StrOptions
from ._base import BaseScorer
from ._contributions import ContributionMixin, scaled_to_sum
from ._docs import with_shared_docstring

EPS = np.finfo(float).eps
_MANY = 4  # features per row, from which on scores are found sooner in the directions in which the rows vary
EXACT_BELOW = 100  # rows; above, what is kept in leave-one-out changes the false-alarm rate by less than 0.01


class MahalanobisReference(NamedTuple):
    """Mean of one domain and what all domains share."""

    mean: np.ndarray
    covariance: np.ndarray
    whitening: np.ndarray
    shrinkage: float


@with_shared_docstring
class MahalanobisScorer(ContributionMixin, BaseScorer):
    r"""Mahalanobis distance to the nearest domain mean, with one covariance for all domains.

    Parameters
    ----------
    shrinkage : {"ledoit_wolf", "oas"}, float in [0, 1] or None, default="ledoit_wolf"
        Shrinkage of the covariance towards a multiple of the identity. A float is the weight of the identity;
        "ledoit_wolf" is 1 for two clips, which vary in only one direction. None: the empirical covariance and its
        pseudo-inverse, which ignore deviations in directions in which the training clips do not vary.

    standardize_features : bool, default=True
        Whether to divide each feature by its standard deviation before the covariance is estimated, so that
        the shrinkage is towards a diagonal matrix of the features' variances and does not depend on their
        units. Without shrinkage, and with more clips than features, it makes no difference.

    calibration : {"cross", "train", "gamma"}, default="cross"
        How the threshold is set, see `BaseScorer`. "cross" is the exact leave-one-out; from 100 clips on, the shrinkage
        weight and standard deviations are those of all clips.

    {shared}

    Attributes
    ----------
    covariance_ : ndarray of shape (n_features, n_features)
        The covariance, after shrinkage.
    location_ : dict
        Mean by domain ("all" without domains), each of shape (n_features,).
    shrinkage_ : float
        Weight of the identity in the covariance.
    references_ : dict
        Mean, covariance and whitening matrix, by domain ("all" without domains).

    {attributes}

    See Also
    --------
    sklearn.covariance.LedoitWolf : The default estimate of the covariance.
    sklearn.covariance.EllipticEnvelope : A robust covariance, for training data with outliers.

    Notes
    -----
    The anomaly score is

    .. math:: \min_d \sqrt{(x - \mu_d)^\top \Sigma^{-1} (x - \mu_d)}

    with one mean per domain and a covariance from the clips of all domains ([1]_, section 2.3, eq. 3). The covariance
    is that of the deviations from the domain's own mean, so it does not include the distance between the domains. A
    single target clip is its domain's mean and adds nothing to the covariance. If training clips do not vary at all
    (one clip, duplicates), the distance is Euclidean, and a warning says so.

    `feature_contributions` gives feature j the share :math:`\delta_j (\Sigma^{-1} \delta)_j / \|\delta\|_\Sigma` of the
    distance :math:`\|\delta\|_\Sigma`, with :math:`\delta = x - \mu_d`. The shares sum to the distance. A share is
    negative if the feature deviates as expected from the features that it is correlated with.

    References
    ----------
    .. [1] Y. Zeng, H. Liu and Y. Zhou, "General anomalous sound detection using sound event classification
       and detection", DCASE2023 Challenge, technical report.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.scorers import MahalanobisScorer
    >>> X = np.random.default_rng(0).normal(scale=[1, 10], size=(500, 2))
    >>> scorer = MahalanobisScorer(shrinkage=None).fit(X)
    >>> scorer.anomaly_score([[5, 0], [0, 5]]).round()
    array([5., 1.])
    """

    _parameter_constraints: dict = {
        **BaseScorer._parameter_constraints,
        "shrinkage": [StrOptions({"ledoit_wolf", "oas"}), Interval(Real, 0, 1, closed="both"), None],
        "standardize_features": ["boolean"],
    }

    def __init__(
        self,
        *,
        shrinkage: Literal["ledoit_wolf", "oas"] | float | None = "ledoit_wolf",
        standardize_features: bool = True,
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
        self.shrinkage = shrinkage
        self.standardize_features = standardize_features

    @property
    def covariance_(self):
        """The covariance, after shrinkage."""
        return next(iter(self.references_.values())).covariance

    @property
    def location_(self):
        """Mean by domain."""
        return {name: reference.mean for name, reference in self.references_.items()}

    @property
    def shrinkage_(self):
        """Weight of the identity in the covariance."""
        return next(iter(self.references_.values())).shrinkage

    def _fit_references(self, sets):
        shared = self._covariance(np.concatenate([_deviations(X) for X in sets.values()]))
        return {name: MahalanobisReference(X.mean(axis=0), *shared) for name, X in sets.items()}

    def _covariance(self, deviations):
        """Return the covariance of centred rows, the matrix that makes it the identity, and the shrinkage."""
        if not deviations.any():
            if len(deviations) > 1:  # of one there is nothing to expect
                warnings.warn(
                    f"The {len(deviations)} training clips do not vary within their domains, so there is no "
                    "covariance: MahalanobisScorer uses the Euclidean distance to their mean.",
                    UserWarning,
                )
            identity = np.eye(deviations.shape[1])
            return identity, identity, 1.0
        scale = self._scale(deviations)
        deviations = deviations / scale
        square = np.outer(scale, scale)
        covariance = deviations.T @ deviations / len(deviations)
        if self.shrinkage is None:
            spread, directions = _principal(deviations)
            return covariance * square, directions / spread / scale[:, None], 0.0
        shrinkage = self._shrinkage(deviations, covariance)
        floor = shrinkage * np.trace(covariance) / len(covariance)
        covariance *= 1 - shrinkage
        covariance[np.diag_indices_from(covariance)] += floor
        return covariance * square, _whitening(covariance, floor) / scale[:, None], shrinkage

    def _shrinkage(self, deviations, covariance=None):
        """Return the weight of the identity in the covariance of centred and scaled rows."""
        if self.shrinkage == "ledoit_wolf":
            return _ledoit_wolf(deviations, covariance)
        if self.shrinkage == "oas":
            return _oas(deviations, covariance)
        return float(self.shrinkage or 0)

    def _scale(self, deviations):
        """Return what each feature is divided by before its covariance is estimated."""
        largest = np.abs(deviations).max()
        if not self.standardize_features:
            return np.full(deviations.shape[1], largest)
        spread = np.sqrt(np.mean((deviations / largest) ** 2, axis=0))
        # a feature that does not vary is taken to be of the kind of the others
        spread[spread == 0] = spread[spread > 0].mean()
        return spread * largest

    def _score_reference(self, X, reference):
        whitened = (X - reference.mean) @ reference.whitening
        return np.sqrt(np.einsum("ij,ij->i", whitened, whitened))  # of one row in half the time of norm

    def _contributions(self, X, reference):
        deviations = X - reference.mean
        whitened = deviations @ reference.whitening
        return scaled_to_sum(
            deviations * (whitened @ reference.whitening.T), np.linalg.norm(whitened, axis=1)
        )

    def _held_out(self, X, sets, references, blocks):
        """Leave each row out of all that is learnt; of many rows, out of their mean and covariance.

        From `EXACT_BELOW` rows on by the formula of Sherman and Morrison: in the axes of the deviations D the
        covariance without row d of a set of m rows is diagonal but for the rank-one term ``-m / (m - 1) d d^T``,
        whatever the shrinkage. Its weight and the features' scales are then kept as they are with all rows.
        """
        if self.augmenter is not None or not blocks.are_rows:
            return super()._held_out(X, sets, references, blocks)
        n, n_features = X.shape
        shrinkage = next(iter(references.values())).shrinkage
        size = np.array([np.count_nonzero(sets == name) for name in sets])
        deviations = np.empty_like(X)
        for name in references:
            deviations[sets == name] = _deviations(X[sets == name])
        varies = deviations.any()
        if n == 1 or (n == 2 and varies):  # no row or one row would be left, without a covariance
            return super()._held_out(X, sets, references, blocks)
        lone = size == 1  # leaves no set behind
        if not varies:  # the references are the same without any of their equal rows
            scores = np.column_stack(
                [self._score_reference(X, reference) for reference in references.values()]
            )
            scores[np.column_stack([lone & (sets == name) for name in references])] = np.inf
            return scores
        if n < EXACT_BELOW:
            scores = self._refitted(X, sets, references)
            return super()._held_out(X, sets, references, blocks) if scores is None else scores
        scale = self._scale(deviations)
        deviations /= scale
        spread, directions = _principal(deviations, all_directions=shrinkage > 0)
        scatter = n * spread**2
        growth = size / np.maximum(size - 1, 1)  # the mean moves away from a row that leaves it
        squares = np.einsum("ij,ij->i", deviations, deviations)
        trace = np.maximum(scatter.sum() - growth * squares, 0) / (n - 1)
        diagonal = (1 - shrinkage) * scatter / (n - 1) + shrinkage * (trace / n_features)[:, None]
        weight = (1 - shrinkage) * growth / (n - 1)
        own = deviations @ directions
        if np.any(diagonal.min(axis=1) <= n_features * EPS * diagonal.max(axis=1)):
            return super()._held_out(X, sets, references, blocks)
        slack = 1 - weight * (own**2 / diagonal).sum(axis=1)
        if np.any(slack < 1e-8):  # a direction that a single clip spans: the rank falls without it
            return super()._held_out(X, sets, references, blocks)
        scores = np.empty((n, len(references)))
        for column, (name, reference) in enumerate(references.items()):
            away = ((X - reference.mean) / scale) @ directions
            away[sets == name] *= growth[sets == name, None]
            cross = (away * own / diagonal).sum(axis=1)
            squared = (away**2 / diagonal).sum(axis=1) + weight * cross**2 / slack
            scores[:, column] = np.sqrt(squared)
            scores[lone & (sets == name), column] = np.inf
        return scores

    def _refitted(self, X, sets, references):
        """Return each row's scores against references made without it; None where no covariance is left."""
        scores = np.full((len(X), len(references)), np.inf)
        for row in range(len(X)):
            others = np.arange(len(X)) != row
            rest = {
                name: X[others & (sets == name)] for name in references if (others & (sets == name)).any()
            }
            own = self._score_by_directions(rest, dict.fromkeys(rest, X[row : row + 1]))
            if own is None:
                return None
            scores[row, [name in own for name in references]] = np.concatenate(list(own.values()))
        return scores

    def _score_left_out(self, rest, left_out):
        n, n_features = sum(map(len, rest.values())), next(iter(rest.values())).shape[1]
        few = self._score_by_directions(rest, left_out) if n * _MANY < n_features else None
        return super()._score_left_out(rest, left_out) if few is None else few

    def _score_by_directions(self, rest, new):
        """Return the scores of new rows, by set, against references made of the rest; None without a covariance.

        As `_fit_references` and `_score_reference`, but in the few directions in which few rows vary: in all others the
        covariance is a multiple of the identity.
        """
        deviations = np.concatenate([_deviations(rows) for rows in rest.values()])
        if not deviations.any():
            return None
        n_features = deviations.shape[1]
        scale = self._scale(deviations)
        deviations /= scale
        shrinkage = self._shrinkage(deviations)
        spread, directions = _principal(deviations)
        floor = shrinkage * (spread**2).sum() / n_features
        variance = (1 - shrinkage) * spread**2 + floor
        scores = {}
        for name, rows in rest.items():
            away = (new[name] - rows.mean(axis=0)) / scale
            inside = away @ directions
            squared = (inside**2 / variance).sum(axis=1)
            if floor > n_features * EPS * variance.max():
                squared += ((away - inside @ directions.T) ** 2).sum(axis=1) / floor
            scores[name] = np.sqrt(squared)
        return scores


def _deviations(X):
    """Return the rows less their mean, exactly zero where they differ from it by no more than rounding."""
    deviations = X - X.mean(axis=0)
    deviations -= deviations.mean(axis=0)  # the mean of equal numbers may be off by a rounding
    deviations[np.abs(deviations) <= 4 * EPS * np.abs(X).max(axis=0)] = 0
    return deviations


def _ledoit_wolf(deviations, covariance=None):
    """Return the shrinkage of Ledoit and Wolf (2004) for centred rows, as `sklearn.covariance.ledoit_wolf_shrinkage`.

    Thousands of references of bands are made where clips are held out; checks of each would take longer than its sums.
    """
    n, n_features = deviations.shape
    if n <= 2:  # one direction, which says nothing of how the others vary; the estimate would be 0
        return 1.0
    squares = np.einsum("ij,ij->i", deviations, deviations)
    mean = squares.sum() / n / n_features
    products = _sum_of_squares(deviations, covariance)
    distance = (products - n_features * mean**2) / n_features
    noise = min((np.vdot(squares, squares) / n - products) / (n_features * n), distance)
    return float(noise / distance) if noise > 0 else 0.0


def _oas(deviations, covariance=None):
    """Return the shrinkage of Chen et al. (2010) for centred rows, as `sklearn.covariance.oas` without an inverse."""
    n, n_features = deviations.shape
    if n_features == 1:  # there is nothing to shrink
        return 0.0
    mean = np.vdot(deviations, deviations) / n / n_features
    square, products = mean**2, _sum_of_squares(deviations, covariance) / n_features**2
    spread = products - square / n_features
    return float(min((products + square) / ((n + 1) * spread), 1)) if spread > 0 else 1.0


def _sum_of_squares(deviations, covariance):
    """Return the sum of the squared entries of the covariance of centred rows, which may be at hand."""
    if covariance is not None:
        return np.vdot(covariance, covariance)
    n, n_features = deviations.shape
    gram = deviations @ deviations.T if n < n_features else deviations.T @ deviations
    return np.vdot(gram, gram) / n**2


def _whitening(covariance, floor):
    """Return the matrix that makes a covariance, none of whose eigenvalues is below `floor`, the identity."""
    if floor > np.sqrt(EPS) * np.trace(covariance):  # then the factor of Cholesky is exact enough
        factor, failed = lapack.dpotrf(covariance.T, lower=1)  # symmetric: LAPACK reads columns
        if not failed:
            return lapack.dtrtri(factor, lower=1, overwrite_c=1)[0].T
    variance, directions = np.linalg.eigh(covariance)
    kept = variance > len(variance) * EPS * variance[-1]
    return directions[:, kept] / np.sqrt(variance[kept])


def _principal(deviations, all_directions=False):
    """Return standard deviations and directions (as columns) of centred rows, best determined by an SVD.

    Singular values tell rounding from variation where the covariance, their square, no longer does.
    """
    n, n_features = deviations.shape
    _, spread, directions = np.linalg.svd(deviations, full_matrices=all_directions and n < n_features)
    spread = spread / np.sqrt(n)
    kept = spread > max(n, n_features) * EPS * spread[0]
    if not all_directions:
        return spread[kept], directions[kept].T
    return np.pad(np.where(kept, spread, 0), (0, n_features - len(spread))), directions.T
