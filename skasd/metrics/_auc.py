"""Areas under the ROC curve, per domain, and the checks all metrics share."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import hmean
from sklearn.metrics import roc_auc_score

from .._metadata import check_ground_truth
from ..labels import as_labels, label_names

EPSILON = float(np.finfo(float).eps)  # 2.22e-16, the evaluators' clamp
DOMAINS = ("source", "target")
GROUPS = ("machine", "section")


def _column(name: str, values: ArrayLike, n_clips: int) -> np.ndarray:
    """One value per clip as a 1-D array; strings and mixed types stay what they are."""
    column = pd.Series(values).to_numpy() if not hasattr(values, "ndim") else np.asarray(values)
    if column.ndim != 1:
        raise ValueError(f"{name} must have one entry per clip, got an array of shape {column.shape}")
    if len(column) != n_clips:
        raise ValueError(f"{name} has {len(column)} entries, y_true has {n_clips}: one per clip is needed")
    return column


def _named(name: str, values: ArrayLike, n_clips: int) -> np.ndarray:
    """One label per clip as a column that pandas groups as Python tells labels apart; missing ones are a group."""
    column = _column(name, values, n_clips)
    if column.dtype.kind in "biu" or pd.isna(column).any():
        return column
    labels = as_labels(name, values, n_clips)
    if all(type(label) is str for label in labels):
        return labels
    names = label_names(labels)
    return np.array([names[label] for label in labels], dtype=object)


def check_labels(name: str, values: ArrayLike, n_clips: int | None = None) -> np.ndarray:
    """Return labels coded +1 normal / -1 anomalous as a 1-D int array."""
    labels = np.asarray(values)
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"{name} must be 1-D and not empty, got an array of shape {labels.shape}")
    labels = _column(name, labels, len(labels) if n_clips is None else n_clips)
    check_ground_truth(name, labels.tolist())
    return labels.astype(int)


def check_clips(
    y_true: ArrayLike, anomaly_score: ArrayLike, clip: ArrayLike | None = None, **columns: ArrayLike | None
) -> pd.DataFrame:
    """Check labels, scores and per-clip columns; return them as one table.

    ``columns`` that are None are left out; ``clip`` (names or paths) serves the error messages only.
    """
    y = check_labels("y_true", y_true)
    score = _column("anomaly_score", anomaly_score, len(y)).astype(float)
    if (bad := np.flatnonzero(~np.isfinite(score))).size:
        names = bad if clip is None else _column("clip", clip, len(y))[bad]
        shown = ", ".join(f"{name!s}: {score[i]}" for name, i in zip(names[:5], bad[:5], strict=True))
        raise ValueError(
            f"anomaly_score must be finite, but {bad.size} of {len(y)} clips are not "
            f"({'position' if clip is None else 'clip'} {shown}{', ...' if bad.size > 5 else ''}); "
            "leave these clips out or give them a score"
        )
    table = pd.DataFrame({"y": y, "score": score})
    for name, values in columns.items():
        if values is not None:
            table[name] = _named(name, values, len(y)) if name in GROUPS else _column(name, values, len(y))
    if "domain" in table and (
        unknown := sorted({str(d) for d in table["domain"].unique() if d not in DOMAINS})
    ):
        raise ValueError(f"domain must be 'source' or 'target', got {', '.join(map(repr, unknown[:5]))}")
    return table


def by_section(table: pd.DataFrame) -> list[tuple[Hashable, pd.DataFrame]]:
    """Return each section of a table of `check_clips` with its rows, in the order in which they appear."""
    # groupby fails on missing labels before version 3 of pandas
    codes, labels = pd.factorize(table["section"], use_na_sentinel=False)
    return [(label, table[codes == code]) for code, label in enumerate(labels)]


def roc_auc(y: np.ndarray, score: np.ndarray, where: str = "", max_fpr: float | None = None) -> float:
    """Area under the ROC curve of checked arrays; ``where`` completes the message for a single class."""
    for label, kind in ((1, "normal"), (-1, "anomalous")):
        if not np.any(y == label):
            raise ValueError(
                f"{where + ': ' if where else ''}no {kind} clip among the {len(y)} given; "
                "the area under the ROC curve needs normal and anomalous ones"
            )
    return float(roc_auc_score(y == -1, score, max_fpr=max_fpr))


def domain_auc(table: pd.DataFrame, domain: str, where: str = "", cross_domain: bool = True) -> float:
    """AUC of the normal clips of one domain against the anomalies of both (or of this domain only)."""
    keep = (table["domain"] == domain) | (cross_domain & (table["y"] == -1))
    label = f"domain {domain!r}"
    return roc_auc(
        table.loc[keep, "y"].to_numpy(),
        table.loc[keep, "score"].to_numpy(),
        f"{where}, {label}" if where else label,
    )


def harmonic_mean(values: ArrayLike, axis: int | None = None):
    """Harmonic mean of values clamped from below at 2.22e-16, as in the evaluators."""
    return hmean(np.maximum(np.asarray(values, dtype=float), EPSILON), axis=axis)


def partial_auc(y_true: ArrayLike, anomaly_score: ArrayLike, *, max_fpr: float = 0.1) -> float:
    """Partial area under the ROC curve at low false-positive rates (pAUC), standardised.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        Ground truth, +1 normal and -1 anomalous.
    anomaly_score : array-like of shape (n_clips,)
        Finite scores, higher = more anomalous: ``-detector.score_samples(X)``.
    max_fpr : float in (0, 1], default=0.1
        The false-positive rate up to which the area is taken; the challenge uses 0.1.

    Returns
    -------
    pauc : float
        In [0.4737, 1] for ``max_fpr=0.1``; 0.5 is chance.

    See Also
    --------
    auc_by_domain : The area under the whole curve, per domain.
    sklearn.metrics.roc_auc_score : Computes both.

    Notes
    -----
    With A the trapezoidal area of the ROC curve over false-positive rates 0..p, p = `max_fpr`, the value is that of
    McClish [1]_, ``(1 + (A - p**2 / 2) / (p - p**2 / 2)) / 2``; ties count one half. The curve is interpolated linearly
    at p. With fewer than ``1 / max_fpr`` normal clips the value is therefore pure interpolation, determined by the
    single highest score of a normal clip.

    References
    ----------
    .. [1] D. K. McClish, "Analyzing a portion of the ROC curve", Medical Decision Making, 9(3), 1989.

    Examples
    --------
    >>> from skasd.metrics import partial_auc
    >>> partial_auc([1, 1, 1, 1, -1, -1], [0.1, 0.4, 0.2, 0.3, 0.9, 0.35])
    0.736...
    """
    check_max_fpr(max_fpr)
    table = check_clips(y_true, anomaly_score)
    return roc_auc(table["y"].to_numpy(), table["score"].to_numpy(), max_fpr=max_fpr)


def auc_by_domain(
    y_true: ArrayLike, anomaly_score: ArrayLike, domain: ArrayLike, *, cross_domain: bool = True
) -> dict[str, float]:
    """Area under the ROC curve for each domain of one machine or section.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        Ground truth, +1 normal and -1 anomalous.
    anomaly_score : array-like of shape (n_clips,)
        Finite scores, higher = more anomalous: ``-detector.score_samples(X)``.
    domain : array-like of shape (n_clips,)
        "source" or "target".
    cross_domain : bool, default=True
        True: normal clips of the domain against the anomalies of both domains (the rule of the challenges
        since 2022). False: clips of the domain only (2021).

    Returns
    -------
    auc : dict
        ``{"source": float, "target": float}``, in [0, 1]; a domain without any clip is left out.

    Raises
    ------
    ValueError
        If a domain has no normal clip, or there is no anomaly to compare its normal clips with.

    See Also
    --------
    official_score : The challenge's table over machines and sections.

    References
    ----------
    .. [1] K. Dohi et al., "Description and Discussion on DCASE 2022 Challenge Task 2: Unsupervised Anomalous
       Sound Detection for Machine Condition Monitoring Applying Domain Generalization Techniques",
       DCASE Workshop, 2022.

    Examples
    --------
    >>> from skasd.metrics import auc_by_domain
    >>> domain = ["source", "source", "target", "target", "source", "target"]
    >>> auc_by_domain([1, 1, 1, 1, -1, -1], [0.1, 0.2, 0.3, 0.6, 0.5, 0.7], domain)
    {'source': 1.0, 'target': 0.75}
    """
    table = check_clips(y_true, anomaly_score, domain=domain)
    present = [d for d in DOMAINS if (table["domain"] == d).any()]
    return {d: domain_auc(table, d, cross_domain=cross_domain) for d in present}


def harmonic_auc(
    y_true: ArrayLike,
    anomaly_score: ArrayLike,
    domain: ArrayLike | None = None,
    section: ArrayLike | None = None,
    *,
    max_fpr: float = 0.1,
    clip: ArrayLike | None = None,
) -> float:
    """Harmonic mean of AUC and pAUC over domains and sections.

    Per section, the AUC of each domain (normal clips of that domain against all anomalies of the section)
    and the pAUC over all its clips enter the mean. With both domains in each section this is the official
    score of the challenges since 2022.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        Ground truth, +1 normal and -1 anomalous.
    anomaly_score : array-like of shape (n_clips,)
        Finite scores, higher = more anomalous: ``-detector.score_samples(X)``.
    domain : array-like of shape (n_clips,), default=None
        "source" or "target"; None: one domain. A domain without normal clips in a section contributes no
        AUC there.
    section : array-like of shape (n_clips,), default=None
        Label of the machine, ID or section, any hashable; None: one section.
    max_fpr : float in (0, 1], default=0.1
        The false-positive rate up to which the pAUC is taken.
    clip : array-like of shape (n_clips,), default=None
        Names or paths of the clips, for error messages.

    Returns
    -------
    score : float
        In (0, 1], higher is better; every value is clamped from below at 2.22e-16.

    See Also
    --------
    harmonic_auc_scorer : The same as a scikit-learn scorer.
    official_score : The challenges' scores with all their tables.

    Examples
    --------
    >>> from skasd.metrics import harmonic_auc
    >>> harmonic_auc([1, 1, 1, -1, -1], [0.1, 0.2, 0.4, 0.3, 0.5])
    0.782...
    """
    check_max_fpr(max_fpr)
    table = check_clips(y_true, anomaly_score, clip, domain=domain, section=section)
    values: list[float] = []
    parts: Sequence[tuple[Hashable, pd.DataFrame]] = [(None, table)]
    if section is not None:
        parts = by_section(table)
    for name, part in parts:
        where = f"section {name!r}" if section is not None else ""
        y, score = part["y"].to_numpy(), part["score"].to_numpy()
        pauc = roc_auc(y, score, where, max_fpr)
        if domain is None:
            values.append(roc_auc(y, score, where))
        else:
            values += [
                domain_auc(part, d, where) for d in DOMAINS if d in set(part.loc[part["y"] == 1, "domain"])
            ]
        values.append(pauc)
    return float(harmonic_mean(values))


def check_max_fpr(max_fpr: float) -> None:
    """Raise unless the false-positive rate is one."""
    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr must be in (0, 1], got {max_fpr!r}")
