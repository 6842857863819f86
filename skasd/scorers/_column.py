"""Features that are already anomaly scores."""

from numbers import Real
from typing import Literal

import numpy as np

from .._sklearn_compat import Interval, StrOptions
from .._typing import ArrayLike
from ._base import BaseScorer
from ._docs import with_shared_docstring


@with_shared_docstring
class ColumnScorer(BaseScorer):
    r"""Use features that are already anomaly scores as the score, and set the threshold.

    Parameters
    ----------
    weights : float or array-like of shape (n_features,), default=1.0
        Factors applied to the columns, which are then summed. Negative for a column that is higher for normal clips,
        such as the probability of the machine; 0 leaves a column out.

    contamination : float in (0, 0.5], default=0.1
        False-alarm rate that the threshold aims at; ignored with ``calibration="mean"``.

    calibration : {"cross", "train", "gamma", "mean"}, default="cross"
        Where the threshold comes from, see `BaseScorer`; "gamma" is that of the challenge's baselines. "mean" is
        :math:`(1 - margin)` times the mean score of the training clips.

    margin : float, default=0.04
        The margin of ``calibration="mean"``.

    {shared}

    Attributes
    ----------
    references_ : dict
        The factors of the columns, under "all".

    {attributes}

    See Also
    --------
    GammaSoftmaxScorer : Takes class log-probabilities.
    skasd.embedders.AutoencoderEmbedder : Passes reconstruction errors on.

    Notes
    -----
    There is no reference to leave a clip out of, so "cross" differs from "train" only by its quantile. If the columns
    come from a network that was trained on the same clips, their scores are lower than those of new clips, and more
    than `contamination` of the new clips exceed the threshold.

    With ``weights=-1`` on the probability p of the machine, "mean" is the rule of [1]_ (section 2.2, equation 2): a
    clip is anomalous if p is below :math:`(1 - \alpha)` times the mean p of the training clips, with :math:`\alpha =
    0.04`. It is meant for scores below 0: on positive ones it calls most clips anomalous.

    References
    ----------
    .. [1] S. Kazakova, A. Semenov, A. Surkov and S. Astapov, "Anomalous sound detection with autoencoder and
       image MobileNet using outlier exposure approach", DCASE2022 Challenge, technical report.

    Examples
    --------
    >>> from skasd.scorers import ColumnScorer
    >>> p = [[0.9], [0.8], [0.97], [0.93]]  # probability of the machine
    >>> scorer = ColumnScorer(weights=-1, calibration="mean").fit(p)
    >>> round(scorer.threshold_, 3)
    -0.864
    >>> scorer.predict([[0.88], [0.85]])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {
        "weights": [Real, "array-like"],
        "contamination": BaseScorer._parameter_constraints["contamination"],
        "calibration": [StrOptions({"cross", "train", "gamma", "mean"})],
        "margin": [Interval(Real, 0, 1, closed="left")],
    }

    by_domain = False  # no parameter here
    domain_normalization = None  # no parameter here: there is one score per clip, whatever the domain
    augmenter = None  # nor is there a reference to add rows to

    def __init__(
        self,
        weights: float | ArrayLike = 1.0,
        *,
        contamination: float = 0.1,
        calibration: Literal["cross", "train", "gamma", "mean"] = "cross",
        margin: float = 0.04,
    ):
        self.weights = weights
        self.contamination = contamination
        self.calibration = calibration  # type: ignore[assignment]  # one more than the others have
        self.margin = margin

    def _fit_reference(self, X):
        weights = np.asarray(self.weights, dtype=np.float64)
        if not np.isfinite(weights).all():
            raise ValueError(f"weights must be finite, got {self.weights!r}.")
        if weights.shape not in ((), (X.shape[1],)):
            raise ValueError(
                f"weights has shape {weights.shape}, but X has {X.shape[1]} columns: give one weight per column, or "
                "one for all."
            )
        return np.broadcast_to(weights, X.shape[1]).copy()

    def _score_reference(self, X, weights):
        return X @ weights

    def _calibrate(self, X, sets, blocks, domain):
        self._finish(self._score_rows(X), blocks, None)  # the same whatever was fitted on

    def _calibrate_on(self, scores, weights=None, rule=None, contamination=None):
        if rule is None and self.calibration == "mean":
            super()._calibrate_on(scores, rule="cross")  # for p-values
            self.offset_ = -float((1 - self.margin) * scores.mean())
        else:
            super()._calibrate_on(scores, weights, rule, contamination)
