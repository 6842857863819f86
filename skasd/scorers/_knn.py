"""Euclidean distance to the nearest training clips."""

import numpy as np

from ._contributions import ContributionMixin
from ._neighbors import NeighborScorer


class KNNScorer(ContributionMixin, NeighborScorer):
    r"""Mean Euclidean distance to the nearest training clips.

    Parameters
    ----------
    n_neighbors : int, default=1
        Number of neighbours; a domain with fewer other clips uses those it has, see `n_neighbors_`.

    density_normalization : {"ratio", "difference", "variance"} or None, default=None
        Local-density normalisation of the distances, see Notes. It serves domain shift without knowing the
        domains, so leave `domain` out.

    n_density_neighbors : int, default=1
        Number of neighbours K of a training clip that its density is taken from.

    density_decay : float in (0, 1], default=1.0
        Factor of the weight in the density from each neighbour to the next: 1 for the plain mean of the K nearest. With
        less, and `n_density_neighbors` as large as the number of clips, the weighted ranking of [2]_.

    contamination : float in (0, 0.5], default=0.1
        False-alarm rate that the threshold aims at.

    calibration : {"cross", "train", "gamma"}, default="cross"
        Where the threshold comes from, see `BaseScorer`. "cross" is the exact leave-one-out. With "train"
        and one neighbour the threshold is 0, as every training clip is its own nearest: almost every new
        clip lies above.

    domain_normalization : {"zscore"} or None, default=None
        Whether to standardise the scores per domain before the minimum over domains, see `BaseScorer`.

    augmenter : object with ``augment(X, y=None, **metadata)`` or None, default=None
        Adds made rows to the reference, see `BaseScorer`.

    by_domain : bool, default=True
        Whether each `domain` that `fit` gets has a reference of its own.

    Attributes
    ----------
    references_ : dict
        The search index over the training rows, by domain ("all" without domains).
    n_neighbors_ : dict
        Number of neighbours used, by domain.
    offset_ : float
        ``decision_function = score_samples - offset_``.
    threshold_ : float
        ``-offset_``.
    training_scores_ : ndarray of shape (n_training_clips,)
        The anomaly scores the threshold was set from.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where `X` had names that are all strings.

    See Also
    --------
    KNNCosineScorer : The same with cosine distance.
    LOFScorer : Weighs the distance by the density of the neighbourhood.

    Notes
    -----
    The anomaly score is the mean of the Euclidean distances to the `n_neighbors` nearest training clips, as
    in [1]_ (section 4.2, with 1, 2 and 4 neighbours).

    With :math:`\mathrm{dens}_K(y)`, the mean distance of the training clip y to its K nearest other ones,
    local-density normalisation replaces :math:`D(x, y)` by :math:`D(x, y) / \mathrm{dens}_K(y)` ("ratio")
    or by :math:`D(x, y) - \mathrm{dens}_K(y)` ("difference") before the nearest are chosen, which is the
    difference to LOF [2]_. The density is at least 1e-12, for duplicates. It needs two clips per domain.
    "variance" takes :math:`D(x, y) - \alpha\, \mathrm{dens}_K(y)` with the factor that leaves the scores the least
    variance, :math:`\alpha = \mathrm{Cov}(d, b) / \mathrm{Var}(b)`: d is the distance of a training clip to the
    nearest other one, b the density of that one; 0 where all densities are equal. K = 4 (`n_density_neighbors`) is
    a usual choice for it.

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
