"""Confidence interval of the AUC by the jackknife."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import trapezoid
from scipy.stats import t as student_t

from ._auc import check_clips, check_max_fpr


class JackknifeInterval(NamedTuple):
    """Jackknife estimate of a metric and its confidence interval."""

    estimate: float  #: the bias-corrected estimate, mean of the pseudo-values
    half_width: float  #: the interval is estimate -/+ half_width

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.estimate - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.estimate + self.half_width


def _area(normal: np.ndarray, anomalous: np.ndarray, max_fpr: float | None) -> float:
    """Area under the ROC curve from the class counts at each distinct score, highest first."""
    fpr = np.concatenate([[0.0], np.cumsum(normal)]) / normal.sum()
    tpr = np.concatenate([[0.0], np.cumsum(anomalous)]) / anomalous.sum()
    if max_fpr is None or max_fpr == 1:
        return float(trapezoid(tpr, fpr))
    stop = np.searchsorted(fpr, max_fpr, side="right")
    end = np.interp(max_fpr, fpr[stop - 1 : stop + 1], tpr[stop - 1 : stop + 1])
    area = trapezoid(np.append(tpr[:stop], end), np.append(fpr[:stop], max_fpr))
    chance = max_fpr**2 / 2
    return float((1 + (area - chance) / (max_fpr - chance)) / 2)


def jackknife_interval(
    y_true: ArrayLike, anomaly_score: ArrayLike, *, max_fpr: float | None = None, confidence: float = 0.95
) -> JackknifeInterval:
    """Confidence interval of the AUC or pAUC by the jackknife over clips.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        Ground truth, +1 normal and -1 anomalous, at least two of each.
    anomaly_score : array-like of shape (n_clips,)
        Finite scores, higher = more anomalous: ``-detector.score_samples(X)``.
    max_fpr : float in (0, 1], default=None
        None: interval of the AUC. 0.1: of the challenge's pAUC.
    confidence : float in (0, 1), default=0.95
        Confidence level of the two-sided interval.

    Returns
    -------
    interval : JackknifeInterval
        Named tuple ``(estimate, half_width)`` with the properties ``low`` and ``high``.

    See Also
    --------
    OfficialScore.ci95 : Mean of the half-widths of AUC and pAUC over all clips of a submission.

    Notes
    -----
    With the leave-one-out values T_i of the N clips, the value T on all of them and the pseudo-values
    ``P_i = N T - (N - 1) T_i``, the estimate is the mean of the P_i, its variance
    ``sum((P_i - mean(P))**2) / (N (N - 1))``
    and the half-width the Student quantile with N - 1 degrees of freedom times its root (section IV of [1]_).
    The official evaluators since 2022 put the T_i in the place of the P_i in that variance, so that
    the "official score ci95" they print is N - 1 times too narrow (of the order 1e-5).

    References
    ----------
    .. [1] A. Mesaros et al., "Sound Event Detection in the DCASE 2017 Challenge", IEEE/ACM Transactions on
       Audio, Speech, and Language Processing, 27(6), 2019, doi:10.1109/TASLP.2019.2907016.

    Examples
    --------
    >>> from skasd.metrics import jackknife_interval
    >>> interval = jackknife_interval([1] * 6 + [-1] * 4, [1, 2, 3, 4, 5, 8, 6, 7, 9, 10])
    >>> round(interval.estimate, 3), round(interval.half_width, 3)
    (0.917, 0.229)
    """
    if max_fpr is not None:
        check_max_fpr(max_fpr)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence!r}")
    table = check_clips(y_true, anomaly_score)
    y, score = table["y"].to_numpy(), table["score"].to_numpy()
    n_normal, n_anomalous = np.sum(y == 1), np.sum(y == -1)
    if min(n_normal, n_anomalous) < 2:
        raise ValueError(
            f"the jackknife needs two clips of each kind, got {n_normal} normal, {n_anomalous} anomalous"
        )
    place = np.unique(-score, return_inverse=True)[1]
    normal = np.bincount(place[y == 1], minlength=place.max() + 1)
    anomalous = np.bincount(place[y == -1], minlength=place.max() + 1)
    whole = _area(normal, anomalous, max_fpr)
    # clips of one class and one score are interchangeable: leaving out any of them gives the same value
    values, weights = [], []
    for counts in (normal, anomalous):
        for i in np.flatnonzero(counts):
            counts[i] -= 1
            values.append(_area(normal, anomalous, max_fpr))
            counts[i] += 1
            weights.append(counts[i])
    n = len(y)
    pseudo = n * whole - (n - 1) * np.array(values)
    estimate = np.average(pseudo, weights=weights)
    sd = np.sqrt(np.sum(weights * (pseudo - estimate) ** 2) / (n * (n - 1)))
    return JackknifeInterval(float(estimate), float(student_t.ppf((1 + confidence) / 2, n - 1) * sd))
