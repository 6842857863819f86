"""Metrics of decisions and of the ease of deciding."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ._auc import DOMAINS, EPSILON, check_clips, check_labels


def decision_rates(y: np.ndarray, decision: np.ndarray) -> tuple[float, float, float]:
    """Precision, recall and F1 of anomalies, denominators clamped at 2.22e-16 as in the evaluators."""
    true_positive = np.sum((y == -1) & (decision == -1))
    precision = true_positive / max(np.sum(decision == -1), EPSILON)
    recall = true_positive / max(np.sum(y == -1), EPSILON)
    return float(precision), float(recall), float(2 * precision * recall / max(precision + recall, EPSILON))


def precision_recall_f1_by_domain(y_true: ArrayLike, y_pred: ArrayLike, domain: ArrayLike) -> pd.DataFrame:
    """Precision, recall and F1 score of the decisions in each domain, anomalies being the positives.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        Ground truth, +1 normal and -1 anomalous.
    y_pred : array-like of shape (n_clips,)
        Decisions as ``detector.predict`` returns them, +1 normal and -1 anomalous.
    domain : array-like of shape (n_clips,)
        "source" or "target". For each domain, only its own normal and anomalous clips count.

    Returns
    -------
    rates : DataFrame
        One row per domain present, columns "precision", "recall", "F1 score", all in [0, 1].

    Notes
    -----
    Denominators are clamped from below at 2.22e-16, as in the evaluators of the challenge: a domain in which
    nothing is called anomalous has precision 0, one without anomalies recall 0.

    Examples
    --------
    >>> from skasd.metrics import precision_recall_f1_by_domain
    >>> domain = ["source", "source", "target", "target"]
    >>> precision_recall_f1_by_domain([1, -1, 1, -1], [-1, -1, 1, -1], domain).round(3)
            precision  recall  F1 score
    source        0.5     1.0     0.667
    target        1.0     1.0     1.000
    """
    y = check_labels("y_true", y_true)
    decision = check_labels("y_pred", y_pred, len(y))
    column = check_clips(y, np.zeros(len(y)), domain=domain)["domain"].to_numpy()
    present = [d for d in DOMAINS if d in column]
    rates = [decision_rates(y[column == d], decision[column == d]) for d in present]
    return pd.DataFrame(rates, index=present, columns=["precision", "recall", "F1 score"])


def decision_figures(y_true: ArrayLike, y_pred: ArrayLike, domain: ArrayLike | None = None) -> pd.DataFrame:
    """Count false alarms and hits of decisions, over all clips and in each domain, with precision and F1 score.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        Ground truth, +1 normal and -1 anomalous; one class alone is enough.
    y_pred : array-like of shape (n_clips,)
        Decisions as ``detector.predict`` returns them, +1 normal and -1 anomalous.
    domain : array-like of shape (n_clips,), default=None
        "source" or "target". None: the figures over all clips alone.

    Returns
    -------
    figures : DataFrame
        A row "all" and, with `domain`, one for each domain present. Columns: "normal" and "anomalous", the numbers of
        clips; "false alarms", the share of the normal clips that are called anomalous; "hit rate" (recall), that of the
        anomalous clips; "precision" and "F1 score". NaN where there are no clips of the kind.

    See Also
    --------
    precision_recall_f1_by_domain : Three of these figures as the challenge's evaluators compute them.

    Notes
    -----
    Precision and F1 score depend on the share of anomalous clips: if nearly all are anomalous, a detector that calls
    everything anomalous reaches an F1 score near 1. The false-alarm rate and the hit rate do not.

    Examples
    --------
    >>> from skasd.metrics import decision_figures
    >>> decision_figures([1, 1, -1, -1], [-1, 1, -1, -1]).round(3)
         normal  anomalous  false alarms  hit rate  precision  F1 score
    all       2          2           0.5       1.0      0.667       0.8
    """
    y = check_labels("y_true", y_true)
    decision = check_labels("y_pred", y_pred, len(y))
    parts = {"all": np.ones(len(y), dtype=bool)}
    if domain is not None:
        column = check_clips(y, np.zeros(len(y)), domain=domain)["domain"].to_numpy()
        parts |= {name: column == name for name in DOMAINS if name in column}
    rows = []
    for part in parts.values():
        normal, anomalous = part & (y == 1), part & (y == -1)
        precision, recall, f1 = decision_rates(y[part], decision[part])
        has_anomalies = anomalous.any()
        rows.append(
            {
                "normal": int(normal.sum()),
                "anomalous": int(anomalous.sum()),
                "false alarms": float((decision[normal] == -1).mean()) if normal.any() else np.nan,
                "hit rate": recall if has_anomalies else np.nan,
                "precision": precision if has_anomalies else np.nan,
                "F1 score": f1 if has_anomalies else np.nan,
            }
        )
    return pd.DataFrame(rows, index=list(parts))


def f1_ev(y_true: ArrayLike, anomaly_score: ArrayLike, *, bounded: bool = True, margin: float = 0.2) -> float:
    """Average the F1 score over thresholds (F1-EV): how easy it is to set a good one.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        Ground truth, +1 normal and -1 anomalous.
    anomaly_score : array-like of shape (n_clips,)
        Finite scores, higher = more anomalous: ``-detector.score_samples(X)``.
    bounded : bool, default=True
        False: thresholds spread over the whole range of the scores, so that one outlying score stretches the range.
        True: only thresholds that one might plausibly set, see Notes.
    margin : float, default=0.2
        Width added on both sides of the bounded range, in standard deviations of the normal scores.

    Returns
    -------
    score : float
        In [0, 1].

    Notes
    -----
    F1(t) of the decisions ``anomaly_score > t`` is a step function of t; the value is its mean over thresholds spread
    uniformly: from the lowest to the highest score, or, bounded, from ``mean - margin * sd`` of the normal scores to
    ``t_opt + margin * sd``, where t_opt is the (lowest) score that maximises F1 [1]_. If the second bound is below the
    first, they are swapped.

    References
    ----------
    .. [1] K. Wilkinghoff and K. Imoto, "F1-EV Score: Measuring the Likelihood of Estimating a Good Decision
       Threshold for Semi-Supervised Anomaly Detection", ICASSP 2024.

    Examples
    --------
    >>> from skasd.metrics import f1_ev
    >>> f1_ev([1, 1, -1, -1], [0.0, 1.0, 4.0, 5.0], bounded=False)
    0.893...
    """
    table = check_clips(y_true, anomaly_score)
    y, score = table["y"].to_numpy(), table["score"].to_numpy()
    if len(set(y)) < 2:
        raise ValueError(f"f1_ev needs normal and anomalous clips, y_true holds only {y[0]:+d}")
    if margin < 0:
        raise ValueError(f"margin must not be negative, got {margin!r}")
    thresholds, place = np.unique(score, return_inverse=True)
    # above the k-th threshold lie the scores of the places k + 1 and up
    n_positive = np.bincount(place[y == -1], minlength=len(thresholds))
    true_positive = n_positive.sum() - np.cumsum(n_positive)
    called = len(y) - np.cumsum(np.bincount(place, minlength=len(thresholds)))
    f1 = 2 * true_positive / (called + n_positive.sum())
    low, high = thresholds[0], thresholds[-1]
    if bounded:
        sd = score[y == 1].std()
        low = score[y == 1].mean() - margin * sd
        high = thresholds[np.argmax(f1)] + margin * sd
        low, high = min(low, high), max(low, high)
    # F1 is constant between breaks; below the lowest score every clip is called anomalous
    breaks = np.concatenate([[low], thresholds[(thresholds > low) & (thresholds < high)], [high]])
    all_called = 2 * n_positive.sum() / (len(y) + n_positive.sum())
    steps = np.concatenate([[all_called], f1])[np.searchsorted(thresholds, breaks[:-1], side="right")]
    if high == low:
        return float(steps[0])
    return float(np.sum(steps * np.diff(breaks)) / (high - low))
