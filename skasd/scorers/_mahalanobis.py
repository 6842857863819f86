"""Mahalanobis distance to the mean of each domain."""

import warnings
from numbers import Real

import numpy as np
from scipy import linalg
from sklearn.covariance import empirical_covariance, ledoit_wolf, oas, shrunk_covariance
from sklearn.utils._param_validation import Interval, StrOptions

from ._base import BaseScorer


class MahalanobisScorer(BaseScorer):
    r"""Mahalanobis distance to the nearest domain mean, with one covariance for all domains.

    Parameters
    ----------
    shrinkage : {"ledoit_wolf", "oas"}, float in [0, 1] or None, default="ledoit_wolf"
        Shrinkage of the covariance towards a multiple of the identity. A float is the weight of the
        identity. None: the empirical covariance and its pseudo-inverse, blind to deviations in directions
        in which the training clips do not vary.

    contamination : float in (0, 0.5], default=0.1
        False-alarm rate that the threshold aims at.

    calibration : {"cross", "train", "gamma"}, default="cross"
        Where the threshold comes from, see `BaseScorer`. "cross" refits mean and covariance in 10 folds.

    domain_normalization : {"zscore"} or None, default=None
        Whether to standardise the scores per domain before the minimum over domains, see `BaseScorer`.

    Attributes
    ----------
    covariance_ : ndarray of shape (n_features, n_features)
        The covariance, after shrinkage.
    location_ : dict
        Mean by domain ("all" without domains), each of shape (n_features,).
    references_ : dict
        ``references_[None]`` holds mean, covariance and whitening matrix, by domain.
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
    sklearn.covariance.LedoitWolf : The default estimate of the covariance.
    sklearn.covariance.EllipticEnvelope : A robust covariance, for training data with outliers.

    Notes
    -----
    The anomaly score is

    .. math:: \min_d \sqrt{(x - \mu_d)^\top \Sigma^{-1} (x - \mu_d)}

    with one mean per domain and a covariance from the clips of all domains ([1]_, section 2.3, eq. 3). The
    covariance is that of the deviations from the domain's own mean: the distance between the domains is no
    part of it. A single target clip is its domain's mean and adds nothing to the covariance. Where training
    clips do not vary at all (one clip, duplicates) the distance is Euclidean, and a warning says so.

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
    }

    def __init__(
        self,
        *,
        shrinkage="ledoit_wolf",
        contamination=0.1,
        calibration="cross",
        domain_normalization=None,
    ):
        super().__init__(
            contamination=contamination, calibration=calibration, domain_normalization=domain_normalization
        )
        self.shrinkage = shrinkage

    @property
    def covariance_(self):
        """The covariance, after shrinkage."""
        return next(iter(self.references_[None].values()))[1]

    @property
    def location_(self):
        """Mean by domain."""
        return {name: mean for name, (mean, _, _) in self.references_[None].items()}

    def _fit_references(self, banks):
        means = {name: X.mean(axis=0) for name, X in banks.items()}
        deviations = np.concatenate([X - means[name] for name, X in banks.items()])
        covariance, whitening = self._covariance(deviations)
        return {name: (mean, covariance, whitening) for name, mean in means.items()}

    def _covariance(self, deviations):
        """Return the covariance of centred rows and the matrix that makes it the identity."""
        n_features = deviations.shape[1]
        # rows near the rounding error of their mean are no variation
        scale = np.abs(deviations).max()
        if scale == 0:
            warnings.warn(
                f"The {len(deviations)} training clips do not vary within their domains, so there is no "
                "covariance: MahalanobisScorer uses the Euclidean distance to their mean.",
                UserWarning,
            )
            return np.eye(n_features), np.eye(n_features)
        deviations = deviations / scale
        if self.shrinkage == "ledoit_wolf":
            covariance = ledoit_wolf(deviations, assume_centered=True)[0]
        elif self.shrinkage == "oas":
            covariance = oas(deviations, assume_centered=True)[0]
        else:
            covariance = empirical_covariance(deviations, assume_centered=True)
            if self.shrinkage is not None:
                covariance = shrunk_covariance(covariance, shrinkage=self.shrinkage)
        variance, directions = linalg.eigh(covariance)
        kept = variance > n_features * np.finfo(float).eps * variance[-1]
        whitening = directions[:, kept] / np.sqrt(variance[kept])
        return covariance * scale**2, whitening / scale

    def _score_reference(self, X, reference):
        mean, _, whitening = reference
        return np.linalg.norm((X - mean) @ whitening, axis=1)
