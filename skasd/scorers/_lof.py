"""Local outlier factor."""

from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from sklearn.neighbors import LocalOutlierFactor

from .._sklearn_compat import Interval, StrOptions
from ._base import BaseScorer
from ._docs import with_shared_docstring

# distances that a shift of all rows does not change
SHIFT_INVARIANT = {"minkowski", "euclidean", "l1", "l2", "manhattan", "cityblock", "chebyshev", "sqeuclidean"}
_SCIKIT_LEARNS = 1e-10


def _least_distance(distances):
    """Return what is added to mean distances against duplicates, given those of the rows to their neighbours.

    scikit-learn adds 1e-10 as it stands, which changes scores where features are small numbers.
    """
    return _SCIKIT_LEARNS * (distances.mean() or 1.0)


@with_shared_docstring
class LOFScorer(BaseScorer):
    r"""Local outlier factor: a clip's neighbourhood is sparser than its neighbours' neighbourhoods.

    Parameters
    ----------
    n_neighbors : int, default=4
        Number of neighbours; a domain with fewer other clips uses those it has, see `n_neighbors_`.

    metric : str, default="minkowski"
        Distance: "minkowski", "euclidean", "l1", "l2", "manhattan", "cityblock", "chebyshev",
        "sqeuclidean", "cosine", "correlation", "braycurtis" or "canberra".

    p : float, default=2
        Order of the Minkowski distance; 2 is the Euclidean distance.

    calibration : {"cross", "train", "gamma"}, default="cross"
        How the threshold is set, see `BaseScorer`. "cross" is the exact leave-one-out.

    {shared}

    Attributes
    ----------
    references_ : dict
        The fitted `sklearn.neighbors.LocalOutlierFactor` and the point its rows were shifted by, by domain ("all"
        without domains).
    n_neighbors_ : dict
        Number of neighbours used, by domain.

    {attributes}

    See Also
    --------
    sklearn.neighbors.LocalOutlierFactor : The estimator underneath, with ``novelty=True``.
    KNNScorer : Distance to the neighbours, regardless of their density.

    Notes
    -----
    The anomaly score is the local outlier factor [1]_, about 1 for a clip inside the data and greater
    outside:

    .. math:: \frac{1}{k} \sum_{o \in N_k(x)} \frac{\mathrm{lrd}(o)}{\mathrm{lrd}(x)}

    where :math:`\mathrm{lrd}(x)` is the inverse mean of :math:`\max(d(x, o), d_k(o))` over the k
    neighbours. Used on embeddings with k = 4 in [2]_ (section 2.3) and [3]_ (section 2.4).

    For the held-out scores of "cross" each clip is left out everywhere, also of its neighbours' neighbourhoods, where
    the next nearest clip takes its place. (`negative_outlier_factor_` of scikit-learn keeps it there.)

    A domain needs two clips; a single target clip joins the source clips. A reference row with more than k duplicates
    has a density of 1e10 over the mean distance between neighbours, and clips near it have accordingly high scores.
    (scikit-learn has 1e10 whatever the unit of the features; by ours a factor on all features changes no score.)

    References
    ----------
    .. [1] M. M. Breunig, H.-P. Kriegel, R. T. Ng and J. Sander, "LOF: identifying density-based local
       outliers", Proc. ACM SIGMOD, pp. 93-104, 2000.
    .. [2] K. Morita, T. Yano and K. Q. Tran, "Anomalous sound detection using CNN-based features by self
       supervised learning", DCASE2021 Challenge, technical report.
    .. [3] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task2: batch mixing
       strategy based method with anomaly detector for anomalous sound detection", DCASE2022 Challenge,
       technical report.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.scorers import LOFScorer
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> LOFScorer().fit(X).predict([[0, 0], [9, 9]])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {
        **BaseScorer._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [StrOptions(SHIFT_INVARIANT | {"cosine", "correlation", "braycurtis", "canberra"})],
        "p": [Interval(Real, 0, None, closed="neither")],
    }

    _min_rows = 2

    def __init__(
        self,
        n_neighbors: int = 4,
        *,
        metric: str = "minkowski",
        p: float = 2,
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
        self.metric = metric
        self.p = p

    @property
    def n_neighbors_(self):
        """Number of neighbours used, by domain ("all" without domains)."""
        return {name: lof.n_neighbors_ for name, (lof, _) in self.references_.items()}

    def _fit_reference(self, X):
        # matrix products cancel less near the origin
        center = X.mean(axis=0) if self.metric in SHIFT_INVARIANT else np.zeros(X.shape[1])
        lof = LocalOutlierFactor(
            n_neighbors=min(self.n_neighbors, len(X) - 1), metric=self.metric, p=self.p, novelty=True
        )
        return lof.fit(X - center), center

    def _score_reference(self, X, reference):
        lof, center = reference
        others = lof._distances_fit_X_
        least = _least_distance(others)
        densities = 1 / (np.maximum(1 / lof._lrd - _SCIKIT_LEARNS, 0) + least)
        distances, neighbors = lof.kneighbors(X - center)
        reach = np.maximum(distances, others[neighbors, -1]).mean(axis=1) + least
        return densities[neighbors].mean(axis=1) * reach

    def _leave_one_out(self, X, reference):
        lof = reference[0]
        n = len(X)
        k = min(self.n_neighbors, n - 2)
        # one neighbour more than needed: it steps in where a row is left out of another's neighbourhood
        distances, neighbors = lof.kneighbors(n_neighbors=k + 1)
        least = _least_distance(lof._distances_fit_X_)
        is_neighbor = np.sort((np.arange(n)[:, None] * n + neighbors[:, :k]).ravel())

        def reach(of, distance, without):
            """Return max(distance, distance of `of` to its k-th neighbour but for `without`)."""
            pair = of * n + without
            at = np.minimum(np.searchsorted(is_neighbor, pair), len(is_neighbor) - 1)
            return np.maximum(distance, distances[of, k - (is_neighbor[at] != pair)])

        def density(reaches):
            return 1 / (reaches.mean(axis=-1) + least)

        scores = np.empty(n)
        chunk = max(1, 2**20 // k**2)
        for start in range(0, n, chunk):
            row = np.arange(start, min(start + chunk, n))
            near = neighbors[row, :k]
            own = density(reach(near, distances[row, :k], row[:, None]))
            # the neighbours of each neighbour: all k + 1 but for the row itself or the last
            further = neighbors[near]
            hit = further == row[:, None, None]
            gap = np.where(hit.any(axis=-1), hit.argmax(axis=-1), k)
            kept = np.arange(k) + (np.arange(k) >= gap[..., None])
            further = np.take_along_axis(further, kept, axis=-1)
            distance = np.take_along_axis(distances[near], kept, axis=-1)
            theirs = density(reach(further, distance, row[:, None, None]))
            scores[row] = theirs.mean(axis=1) / own
        return scores
