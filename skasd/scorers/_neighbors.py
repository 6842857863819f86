"""Distance to the nearest training clips: what the Euclidean and the cosine scorer share."""

from abc import abstractmethod
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from .._sklearn_compat import Interval, StrOptions
from ._base import BaseScorer
from ._contributions import scaled_to_sum

SMALLEST_DENSITY = 1e-12  # between duplicates the mean distance is zero


class NeighborReference(NamedTuple):
    """The rows of one reference set, ready to be searched."""

    index: NearestNeighbors  # over the centred rows
    center: np.ndarray
    n_neighbors: int
    density: np.ndarray | None  # mean distance of each row to its nearest others, times alpha for "variance"

    @property
    def rows(self):
        """The centred rows, shape (n_rows, n_features)."""
        return self.index._fit_X


class NeighborScorer(BaseScorer):
    """Base of the scorers by mean distance to the nearest rows, with or without normalisation by density."""

    _parameter_constraints: dict = {
        **BaseScorer._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "density_normalization": [StrOptions({"ratio", "difference", "variance"}), None],
        "n_density_neighbors": [Interval(Integral, 1, None, closed="left")],
        "density_decay": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(
        self,
        n_neighbors: int = 1,
        *,
        density_normalization: Literal["ratio", "difference", "variance"] | None = None,
        n_density_neighbors: int = 1,
        density_decay: float = 1.0,
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
        self.n_neighbors = n_neighbors
        self.density_normalization = density_normalization
        self.n_density_neighbors = n_density_neighbors
        self.density_decay = density_decay

    @abstractmethod
    def _represent(self, X):
        """Return the rows in the space whose Euclidean neighbours are wanted."""

    @abstractmethod
    def _distance(self, squared):
        """Turn squared Euclidean distances there into the scorer's distance."""

    @property
    def _min_rows(self):
        return 1 if self.density_normalization is None else 2

    @property
    def n_neighbors_(self):
        """Number of neighbours used, by domain ("all" without domains)."""
        return {name: reference.n_neighbors for name, reference in self.references_.items()}

    def _fit_reference(self, X):
        rows = self._represent(X)
        # neighbours are the same after a shift, and matrix products cancel less near the origin
        center = rows.mean(axis=0)
        rows = rows - center
        n_neighbors = max(1, min(self.n_neighbors, len(rows) - 1))
        index = NearestNeighbors(n_neighbors=n_neighbors).fit(rows)
        density = None
        if self.density_normalization is not None:
            distances, neighbors = self._nearest_others(index, self._n_density(len(rows)))
            density = distances @ self._density_weights(distances.shape[1])
            density = density * self._alpha(distances[:, 0], density[neighbors[:, 0]])
        return NeighborReference(index, center, n_neighbors, density)

    def _score_reference(self, X, reference):
        rows = self._represent(X) - reference.center
        if reference.density is None:
            neighbors = reference.index.kneighbors(rows, return_distance=False)
            return self._exact(rows, reference.rows, neighbors).mean(axis=1)

        def nearest(squared, start):
            normalized = self._normalize(self._distance(squared), reference.density)
            return _mean_of_smallest(normalized, reference.n_neighbors)

        return self._in_chunks(rows, reference, nearest)

    def _contributions(self, X, reference):
        """Return the shares of the features, those of ``X``, in the mean distance to the neighbours."""
        rows = self._represent(X) - reference.center
        others = reference.rows
        if reference.density is None:
            neighbors = reference.index.kneighbors(rows, return_distance=False)
        else:

            def nearest(squared, start):
                normalized = self._normalize(self._distance(squared), reference.density)
                return np.argsort(normalized, axis=1, kind="stable")[:, : reference.n_neighbors]

            neighbors = self._in_chunks(rows, reference, nearest)
        shares = np.zeros_like(rows)
        for column in range(neighbors.shape[1]):
            squares = (rows - others[neighbors[:, column]]) ** 2
            total = squares.sum(axis=1)
            shares += squares * scaled_to_sum(self._distance(total)[:, None], total)
        shares /= neighbors.shape[1]
        n_features = X.shape[1]
        # a dimension that the representation adds belongs to no feature, so to all of them
        return shares[:, :n_features] + shares[:, n_features:].sum(axis=1, keepdims=True) / n_features

    def _leave_one_out(self, X, reference):
        if reference.density is None:
            return self._nearest_others(reference.index, reference.n_neighbors)[0].mean(axis=1)
        rows = reference.rows
        n_density = self._n_density(len(rows))
        # a row leaves a gap among the nearest of its neighbours, which the next nearest fills
        nearest_others, neighbors = self._nearest_others(reference.index, n_density + 1)
        weights = self._density_weights(n_density)
        gone = neighbors[:, :n_density].ravel()
        of = np.repeat(np.arange(len(rows)), n_density)
        before = np.cumsum(weights * nearest_others[:, :n_density], axis=1)
        after = np.cumsum((weights * nearest_others[:, 1:])[:, ::-1], axis=1)[:, ::-1]
        refilled = after + np.pad(before[:, :-1], ((0, 0), (1, 0)))
        density = nearest_others[:, :n_density] @ weights
        # the weight of the density is kept as it is with all rows
        refilled = (refilled * self._alpha(nearest_others[:, 0], density[neighbors[:, 0]])).ravel()

        def nearest(squared, start):
            density = np.tile(reference.density, (len(squared), 1))
            here = (gone >= start) & (gone < start + len(squared))
            density[gone[here] - start, of[here]] = refilled[here]
            normalized = self._normalize(self._distance(squared), density)
            normalized[np.arange(len(squared)), np.arange(start, start + len(squared))] = np.inf
            return _mean_of_smallest(normalized, reference.n_neighbors)

        return self._in_chunks(rows, reference, nearest)

    def _n_density(self, n_rows):
        """Return the number of neighbours of the density, so few that one row can be left out."""
        return max(1, min(self.n_density_neighbors, n_rows - 2))

    def _density_weights(self, n_neighbors):
        """Return the weights of the nearest others, which add up to 1."""
        weights = self.density_decay ** np.arange(n_neighbors)
        return weights / weights.sum()

    def _alpha(self, distances, densities):
        """Return the factor of the densities, given each row's distance to the nearest other and that one's density."""
        if self.density_normalization != "variance":
            return 1.0
        spread = densities.std()
        if spread <= 1e-12 * densities.max(initial=0):
            return 0.0
        return float(np.mean((distances - distances.mean()) * (densities - densities.mean())) / spread**2)

    def _normalize(self, distances, density):
        if self.density_normalization == "ratio":
            return distances / np.maximum(density, SMALLEST_DENSITY)
        return distances - density

    def _nearest_others(self, index, n_neighbors):
        """Return distances and indices, shape (n_rows, n_neighbors), of each row's nearest other rows."""
        neighbors = index.kneighbors(n_neighbors=n_neighbors, return_distance=False)
        return self._exact(index._fit_X, index._fit_X, neighbors), neighbors

    def _exact(self, rows, others, neighbors):
        """Return the distances of rows to chosen others from differences, which do not cancel."""
        squared = np.empty(neighbors.shape)
        for column in range(neighbors.shape[1]):
            difference = rows - others[neighbors[:, column]]
            squared[:, column] = np.einsum("ij,ij->i", difference, difference)
        return self._distance(squared)

    def _in_chunks(self, rows, reference, reduce_func):
        # scipy's squared distances are sums of squared differences: zero between duplicates, as a density is
        return np.concatenate(
            list(
                pairwise_distances_chunked(
                    rows, reference.rows, metric="sqeuclidean", reduce_func=reduce_func
                )
            )
        )


def _mean_of_smallest(values, k):
    if k == 1:
        return values.min(axis=1)
    return np.partition(values, k - 1, axis=1)[:, :k].mean(axis=1)
