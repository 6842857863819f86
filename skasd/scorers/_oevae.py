"""The score of the outlier-exposed variational autoencoder."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval

from ._base import BaseScorer
from ._neighbors import NeighborScorer


class OEVAEScorer(NeighborScorer):
    r"""Weighted sum of a score that comes in and the distance to the nearest embeddings.

    The first column of the input is the anomaly score alpha, the others are the embedding, as an
    :class:`skasd.embedders.OEVAEEmbedder` with ``output=("alpha", "embedding")`` gives them.

    Parameters
    ----------
    omega : float in [0, 1], default=0.5
        Weight of alpha.

    n_neighbors : int, default=1
        Number of neighbours; a domain with fewer other clips uses those it has.

    contamination : float in (0, 0.5], default=0.1
        False-alarm rate that the threshold aims at.

    calibration : {"cross", "train", "gamma"}, default="cross"
        Where the threshold comes from, see `BaseScorer`. "cross" leaves each clip out of its neighbours.

    domain_normalization : {"zscore"} or None, default=None
        Whether to standardise the scores per domain before the minimum over domains, see `BaseScorer`.

    augmenter : object with ``augment(X, y=None, **metadata)`` or None, default=None
        Adds made rows to the reference, see `BaseScorer`.

    Attributes
    ----------
    references_ : dict
        ``references_[None]`` holds the search index over the training rows, by domain ("all" without
        domains).
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
    KNNScorer : The distance alone.
    skasd.compose.ScoreEnsemble : Weighs any detectors, after standardisation.

    Notes
    -----
    Equation 6 of [1]_, :math:`\omega \alpha + (1 - \omega) \beta`, with :math:`\beta` the mean Euclidean distance to
    the nearest 1, 2 or 4 training clips. Neither is standardised. The report does not print its
    :math:`\omega`: search over it.

    References
    ----------
    .. [1] J. Hai, D. Zhou, R. Liu and Y. I. Wu, "Anomalous sound detection by self-supervised learning of
       VAE with domain shift techniques", DCASE2024 Challenge, technical report.

    Examples
    --------
    >>> from skasd.scorers import OEVAEScorer
    >>> X = [[10, 0, 0], [10, 0, 1], [10, 0, 2], [10, 0, 3]]  # alpha, embedding
    >>> OEVAEScorer(omega=0.25).fit(X).anomaly_score([[20, 0, 5]])
    array([6.5])
    """

    _parameter_constraints: dict = {
        **BaseScorer._parameter_constraints,
        "omega": [Interval(Real, 0, 1, closed="both")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    density_normalization = None  # no parameter here

    def __init__(
        self,
        omega=0.5,
        n_neighbors=1,
        *,
        contamination=0.1,
        calibration="cross",
        domain_normalization=None,
        augmenter=None,
    ):
        self.omega = omega
        self.n_neighbors = n_neighbors
        self.contamination = contamination
        self.calibration = calibration
        self.domain_normalization = domain_normalization
        self.augmenter = augmenter

    def _fit_reference(self, X):
        if X.shape[1] < 2:
            raise ValueError(
                f"Found array with {X.shape[1]} feature(s) while a minimum of 2 is required: the first column is "
                "alpha, the others are the embedding (output=('alpha', 'embedding'))."
            )
        return super()._fit_reference(X)

    def _represent(self, X):
        return X[:, 1:]

    def _distance(self, squared):
        return squared**0.5

    def _score_reference(self, X, reference):
        return self._weigh(X, super()._score_reference(X, reference))

    def _leave_one_out(self, X, reference):
        return self._weigh(X, super()._leave_one_out(X, reference))

    def _weigh(self, X, beta):
        return self.omega * X[:, 0] + (1 - self.omega) * beta
