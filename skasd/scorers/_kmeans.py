"""Cosine distance to cluster centres of the source domain and to all target clips."""

from numbers import Integral
from typing import Any, Literal

import numpy as np
from sklearn.cluster import KMeans

from .._sklearn_compat import Interval
from ._base import BaseScorer
from ._cosine import unit_rows
from ._docs import with_shared_docstring


@with_shared_docstring
class KMeansScorer(BaseScorer):
    r"""Cosine distance to the nearest of the source domain's cluster centres and the target domain's clips.

    Parameters
    ----------
    n_clusters : int, default=16
        Number of clusters of the source clips; at most the number of distinct clips.

    calibration : {"cross", "train", "gamma"}, default="cross"
        How the threshold is set, see `BaseScorer`. "cross" clusters again in 10 folds.

    random_state : int, RandomState instance or None, default=None
        Seeds the clustering. Pass an int for reproducible results.

    {shared}

    Attributes
    ----------
    references_ : dict
        The centres or clips, each of shape (n_references, n_features + 1), by domain ("all" without domains). The last
        feature is 0 except for rows of zeros.

    {attributes}

    See Also
    --------
    KNNCosineScorer : All clips are references.

    Notes
    -----
    Rows are scaled to length one. With M the centres of k-means on the source clips and all target clips the anomaly
    score is :math:`\min_{m \in M} (1 - x^\top m)`; the centres, means of unit vectors, are not scaled again, as in [1]_
    and [2]_ (section 3.1). Without `domain` all clips are clustered.

    References
    ----------
    .. [1] K. Wilkinghoff, "Design choices for learning embeddings from auxiliary tasks for domain
       generalization in anomalous sound detection", ICASSP 2023.
    .. [2] J. Hai, D. Zhou, R. Liu and Y. I. Wu, "Anomalous sound detection by self-supervised learning of
       VAE with domain shift techniques", DCASE2024 Challenge, technical report.

    Examples
    --------
    >>> from skasd.scorers import KMeansScorer
    >>> X = [[1, 0], [2, 0], [0, 1], [0, 3], [-1, 0]]
    >>> domain = ["source", "source", "source", "source", "target"]
    >>> scorer = KMeansScorer(n_clusters=2, contamination=0.5, random_state=0).fit(X, domain=domain)
    >>> scorer.anomaly_score([[4, 0], [-2, 0], [0, -1]])
    array([0., 0., 1.])
    """

    _parameter_constraints: dict = {
        **BaseScorer._parameter_constraints,
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_clusters: int = 16,
        *,
        contamination: float = 0.1,
        calibration: Literal["cross", "train", "gamma"] = "cross",
        domain_normalization: Literal["zscore"] | None = None,
        augmenter: Any = None,
        by_domain: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ):
        super().__init__(
            contamination=contamination,
            calibration=calibration,
            domain_normalization=domain_normalization,
            augmenter=augmenter,
            by_domain=by_domain,
        )
        self.n_clusters = n_clusters
        self.random_state = random_state

    def _fit_references(self, sets):
        return {
            name: unit_rows(X) if name == "target" else self._fit_reference(X) for name, X in sets.items()
        }

    def _fit_reference(self, X):
        units = unit_rows(X)
        n_distinct = len(np.unique(units, axis=0))
        n_clusters = min(self.n_clusters, n_distinct)
        return KMeans(n_clusters, random_state=self.random_state).fit(units).cluster_centers_

    def _score_reference(self, X, reference):
        distance = 1 - (unit_rows(X) @ reference.T).max(axis=1)
        return np.where(distance < 8 * np.finfo(float).eps, 0, distance)  # no more than rounding
