"""Euclidean distance to the nearest training clips."""

import numpy as np

from ._contributions import ContributionMixin
from ._docs import with_neighbor_docstring
from ._neighbors import NeighborScorer


@with_neighbor_docstring
class KNNScorer(ContributionMixin, NeighborScorer):
    r"""Mean Euclidean distance to the nearest training clips.

    Parameters
    ----------
    {shared}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    KNNCosineScorer : The same with cosine distance.
    LOFScorer : Weighs the distance by the density of the neighbourhood.

    Notes
    -----
    The anomaly score is the mean of the Euclidean distances to the `n_neighbors` nearest training clips, as
    in [1]_ (section 4.2, with 1, 2 and 4 neighbours).

    With :math:`\mathrm{dens}_K(y)`, the mean distance of the training clip y to its K nearest other ones, local-density
    normalisation replaces :math:`D(x, y)` by :math:`D(x, y) / \mathrm{dens}_K(y)` ("ratio") or by :math:`D(x, y) -
    \mathrm{dens}_K(y)` ("difference") before the nearest are chosen, which is the difference from LOF [2]_. The density
    is at least 1e-12, for duplicates. Normalisation needs two clips per domain. "variance" uses :math:`D(x, y) -
    \alpha\, \mathrm{dens}_K(y)` with the factor that minimises the variance of the scores, :math:`\alpha =
    \mathrm{Cov}(d, b) / \mathrm{Var}(b)`: d is the distance of a training clip to the nearest other one, b the density
    of that one; 0 if all densities are equal. K = 4 (`n_density_neighbors`) is a usual choice for it.

    `feature_contributions` gives feature j the share :math:`(x_j - y_j)^2 / D(x, y)`, averaged over the neighbours y.

    References
    ----------
    .. [1] J. Hai, D. Zhou, R. Liu and Y. I. Wu, "Anomalous sound detection by self-supervised learning of
       VAE with domain shift techniques", DCASE2024 Challenge, technical report.
    .. [2] K. Wilkinghoff et al., "Local density-based anomaly score normalization for domain
       generalization", arXiv:2509.10951, 2025.

    Examples
    --------
    >>> from skasd.scorers import KNNScorer
    >>> scorer = KNNScorer(n_neighbors=2, contamination=0.2).fit([[0, 0], [0, 1], [0, 2], [0, 3]])
    >>> scorer.anomaly_score([[0, 5]])
    array([2.5])
    """

    def _represent(self, X):
        return X

    def _distance(self, squared):
        return np.sqrt(squared)
