"""Cosine distance to the nearest training clips."""

from ._contributions import ContributionMixin
from ._cosine import unit_rows
from ._docs import with_neighbor_docstring
from ._neighbors import NeighborScorer


@with_neighbor_docstring
class KNNCosineScorer(ContributionMixin, NeighborScorer):
    r"""Mean cosine distance to the nearest training clips.

    Parameters
    ----------
    {shared}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    KNNScorer : The same with Euclidean distance.
    CosineMeanScorer : Cosine distance to the mean of the training clips.
    KMeansScorer : Cosine distance to cluster centres of the source domain and to all target clips.

    Notes
    -----
    The anomaly score is the mean of :math:`1 - \cos(x, y)` over the `n_neighbors` nearest training clips y,
    in [0, 2]; [1]_ (section 2.3) uses one neighbour for the target domain. A row of zeros has the distance
    1 to all others and 0 to another row of zeros.

    Local-density normalisation [2]_ is that of `KNNScorer`, with cosine distances.

    `feature_contributions` gives feature j the share :math:`(u_j - v_j)^2 / 2`, averaged over the
    neighbours y; u and v are x and y scaled to length one.

    References
    ----------
    .. [1] K. Morita, T. Yano and K. Q. Tran, "Anomalous sound detection using CNN-based features by self
       supervised learning", DCASE2021 Challenge, technical report.
    .. [2] K. Wilkinghoff et al., "Local density-based anomaly score normalization for domain
       generalization", arXiv:2509.10951, 2025.

    Examples
    --------
    >>> from skasd.scorers import KNNCosineScorer
    >>> scorer = KNNCosineScorer(contamination=0.2).fit([[1, 0], [1, 1], [0, 2], [0, 3]])
    >>> scorer.anomaly_score([[5, 0], [-1, 0]])
    array([0., 1.])
    """

    def _represent(self, X):
        return unit_rows(X)

    def _distance(self, squared):
        return squared / 2  # 1 - cos of unit vectors
