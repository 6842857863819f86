"""The score of the outlier-exposed variational autoencoder."""

from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

from .._sklearn_compat import Interval, StrOptions
from ._base import BaseScorer
from ._docs import with_neighbor_docstring
from ._held_out import mean_and_spread, own_statistics
from ._neighbors import NeighborScorer


@with_neighbor_docstring
class OEVAEScorer(NeighborScorer):
    r"""Weighted sum of an incoming score and the distance to the nearest embeddings.

    The first column of the input is the anomaly score alpha, the others are the embedding, as an
    :class:`skasd.embedders.OEVAEEmbedder` with ``output=("alpha", "embedding")`` gives them.

    Parameters
    ----------
    omega : "auto" or float in [0, 1], default="auto"
        Weight of alpha. "auto": alpha counts only by how far it exceeds the largest alpha of the training clips; see
        Notes.

    n_segments : int, default=1
        Segments of a clip whose embeddings are side by side in a row (``merge="segments"`` of the embedder). Each is
        compared with the segments of other clips, and beta is the mean over the segments of a clip.

    standardize_beta : bool, default=True
        Whether beta is standardised before weighting, by mean and standard deviation of the held-out scores of the
        training clips. Alpha is used unchanged: the embedder, which knows the held-out clips of the network,
        standardises it by them (``standardize_alpha``). False: exactly equation 6 of [1]_, if the embedder does not
        standardise either.

    calibration : {"cross", "train", "gamma"}, default="cross"
        How the threshold is set, see `BaseScorer`. "cross" leaves each clip, with all its segments, out of its
        neighbours.

    domain_normalization : {"zscore"} or None, default=None
        Whether to standardise beta per domain before the minimum over domains, see `BaseScorer`.

    {shared}

    Attributes
    ----------
    held_out_scores_ : ndarray of shape (n_training_clips, 2)
        Alpha and beta of the training clips; beta is computed against references without the clip.
    mean_, scale_ : float
        Mean and standard deviation that standardise beta; 0 and 1 without `standardize_beta`.
    alpha_limit_ : float
        The largest alpha of the training clips.

    {attributes}

    See Also
    --------
    KNNScorer : The distance alone.
    skasd.compose.ScoreEnsemble : Weighs any detectors, after standardisation.

    Notes
    -----
    Equation 6 of [1]_ is :math:`\omega \alpha + (1 - \omega) \beta`, with :math:`\beta` the mean Euclidean distance to
    the nearest 1, 2 or 4 training clips (segments, with `n_segments`). The report neither standardises the two nor
    states its :math:`\omega`, and training clips cannot determine it: healthy clips show how the two scores vary, not
    which of them faults raise. If alpha is the larger and faults lower it, any fixed weight drowns beta.

    "auto" therefore uses only what healthy clips can show. With z for the standardised beta and n training clips, the
    anomaly score is

    .. math:: z_\beta + \max(0, \alpha - \max_{i \le n} \alpha_i)

    An alpha in the range of healthy clips, or below it, leaves beta as it is. If alpha of new healthy clips is
    distributed as that of the training clips, it counts for one healthy clip in n + 1, the lowest p-value that n clips
    can give. A network has learnt its training clips, so its alpha of new ones is somewhat higher: if the embedder has
    held out m of them, alpha counts for one new healthy clip in m + 1 at most.

    References
    ----------
    .. [1] J. Hai, D. Zhou, R. Liu and Y. I. Wu, "Anomalous sound detection by self-supervised learning of
       VAE with domain shift techniques", DCASE2024 Challenge, technical report.

    Examples
    --------
    >>> from skasd.scorers import OEVAEScorer
    >>> X = [[-1, 0, 0], [-1, 0, 1], [1, 0, 2], [1, 0, 4]]  # alpha, embedding
    >>> OEVAEScorer(omega=0.25, standardize_beta=False, contamination=0.2).fit(X).anomaly_score([[9, 0, 7]])
    array([4.5])
    >>> OEVAEScorer(contamination=0.2).fit(X).anomaly_score([[-2, 0, 7], [1, 0, 7], [2, 0, 7]]).round(1)
    array([4., 4., 5.])
    """

    _parameter_constraints: dict = {
        **BaseScorer._parameter_constraints,
        "omega": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_segments": [Interval(Integral, 1, None, closed="left")],
        "standardize_beta": ["boolean"],
    }

    density_normalization = None  # no parameter here

    def __init__(
        self,
        omega: Literal["auto"] | float = "auto",
        n_neighbors: int = 1,
        *,
        n_segments: int = 1,
        standardize_beta: bool = True,
        contamination: float = 0.1,
        calibration: Literal["cross", "train", "gamma"] = "cross",
        domain_normalization: Literal["zscore"] | None = None,
        augmenter: Any = None,
        by_domain: bool = True,
    ):
        self.omega = omega
        self.n_neighbors = n_neighbors
        self.n_segments = n_segments
        self.standardize_beta = standardize_beta
        self.contamination = contamination
        self.calibration = calibration
        self.domain_normalization = domain_normalization
        self.augmenter = augmenter
        self.by_domain = by_domain

    def _fit_reference(self, X):
        n_columns = X.shape[1] - 1
        if n_columns < self.n_segments or n_columns % self.n_segments:
            if self.n_segments == 1:
                raise ValueError(
                    f"Found array with {X.shape[1]} feature(s) while a minimum of 2 is required: the first column is "
                    "alpha, the others are the embedding (output=('alpha', 'embedding'))."
                )
            raise ValueError(
                f"n_segments={self.n_segments} does not divide the {n_columns} columns after alpha: set it to the "
                "n_segments of the embedder, and the embedder's merge='segments'."
            )
        return super()._fit_reference(X)

    def _represent(self, X):
        """Return the embeddings of all segments, those of a clip one below the other."""
        return X[:, 1:].reshape(len(X) * self.n_segments, -1)

    def _distance(self, squared):
        return squared**0.5

    def _score_reference(self, X, reference):
        return self._mean_of_segments(super()._score_reference(X, reference))

    def _leave_one_out(self, X, reference):
        """Return beta of each clip against the segments of the others."""
        n = self.n_segments
        n_others = (len(X) - 1) * n
        rows = reference.index._fit_X
        # of its n - 1 + k nearest others at most n - 1 are a segment's own clip's
        n_neighbors = min(reference.n_neighbors, n_others)
        distances, neighbors = self._nearest_others(reference.index, min(n - 1 + n_neighbors, len(rows) - 1))
        own = neighbors // n == (np.arange(len(rows)) // n)[:, None]
        distances = np.sort(np.where(own, np.inf, distances), axis=1)[:, :n_neighbors]
        return self._mean_of_segments(distances.mean(axis=1))

    def _mean_of_segments(self, values):
        return values.reshape(-1, self.n_segments).mean(axis=1)

    def _score_rows(self, X):
        return self._weigh(X[:, 0], super()._score_rows(X))

    def _calibrate(self, X, sets, blocks, domain):
        if self.omega == "auto" and not self.standardize_beta:
            raise ValueError(
                'omega="auto" compares standardised scores: give omega a number, or standardize_beta=True.'
            )
        held_out = self._as_new(X, sets, blocks)
        self.normalization_ = None
        if self.domain_normalization is not None:
            self.normalization_ = own_statistics(held_out, sets, self.references_)
        recorded = blocks.recorded
        betas = self._over_domains(held_out)[recorded]
        alphas = X[recorded, 0]
        self.held_out_scores_ = np.column_stack([alphas, betas])
        self.mean_, self.scale_ = 0.0, 1.0
        if self.standardize_beta:  # without its block a clip may have no reference
            self.mean_, self.scale_ = mean_and_spread(betas[np.isfinite(betas)])
        self.alpha_limit_ = float(alphas.max())
        scores = np.empty(len(X))
        scores[recorded] = self._weigh(alphas, betas)
        if self.calibration == "train":
            scores = self._score_rows(X)
        self._finish(scores, blocks, domain)

    def _weigh(self, alpha, beta):
        beta = (beta - self.mean_) / self.scale_
        if self.omega == "auto":
            return beta + np.maximum(0, alpha - self.alpha_limit_)
        return self.omega * alpha + (1 - self.omega) * beta
