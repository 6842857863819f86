"""The official scores of DCASE Challenge Task 2, 2020 to 2026."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ._auc import DOMAINS, check_clips, check_labels, domain_auc, harmonic_mean, roc_auc
from ._decisions import decision_rates
from ._jackknife import jackknife_interval

YEARS = tuple(range(2020, 2027))
_MAX_FPR = 0.1
_AREAS = ["AUC", "pAUC"]
_RATES = ["precision", "recall", "F1 score"]
_OVER_ALL = "mean over all machine types, sections, and domains"


def check_year(year: int) -> None:
    """Raise for a year without known rules."""
    if year not in YEARS:
        raise ValueError(f"year must be one of {', '.join(map(str, YEARS))}, got {year!r}")


@dataclass(frozen=True, eq=False, repr=False)
class OfficialScore:
    """Official score of one system with the evaluator's tables; made by :func:`official_score`.

    Attributes
    ----------
    year : int
        The year whose rules were applied.
    score : float
        2022 to 2026: Omega, the harmonic mean of the AUC of the source domain, that of the target domain
        and the pAUC of all machines and sections. 2021: that of AUC and pAUC of all machines, sections and
        domains. 2020, when the challenge ranked by machine and had no single score: the arithmetic mean
        over machine types of the mean of AUC and pAUC over the machine's IDs, which is ASDKit's convention.
    table : DataFrame
        The evaluator's columns, one row per machine and section (2021: machine, domain and section). Without
        decisions the columns of precision, recall and F1 are left out.
    machine_means : DataFrame
        Arithmetic and harmonic means per machine, index (machine, mean).
    means : DataFrame
        The same over all machines. In 2020 means are over machine types; later over all rows of the table.
    y_true, anomaly_score : ndarray of shape (n_clips,)
        What was evaluated.

    Notes
    -----
    In the means since 2022 the pAUC of a section counts for both domains; `score` counts it once. The means over source
    and target since 2022 are those of the domain; the evaluator of 2022 used, per machine, the wrong slices (with three
    sections "source" is the first section's source domain and "target" everything else). :meth:`to_csv` writes its file
    as it is, this error included.
    """

    year: int
    score: float
    table: pd.DataFrame
    machine_means: pd.DataFrame
    means: pd.DataFrame
    y_true: np.ndarray = field(repr=False)
    anomaly_score: np.ndarray = field(repr=False)

    def __repr__(self) -> str:
        machines = self.table["machine"].nunique()
        return (
            f"OfficialScore(year={self.year}, score={self.score:.6f}, "
            f"{machines} machine{'s' * (machines != 1)}, {len(self.y_true)} clips)"
        )

    @cached_property
    def ci95(self) -> float:
        """Half-width of the 95 % confidence interval: mean of those of AUC and pAUC over all clips pooled.

        By the jackknife, see :func:`jackknife_interval`; NaN with fewer than two clips of a class.
        The evaluators since 2022 print a value that is too small by the factor ``n_clips - 1``.
        """
        if min(np.sum(self.y_true == 1), np.sum(self.y_true == -1)) < 2:
            return float("nan")
        halves = [
            jackknife_interval(self.y_true, self.anomaly_score, max_fpr=f).half_width
            for f in (None, _MAX_FPR)
        ]
        return float(np.mean(halves))

    def to_csv(self, path: str | PathLike | None = None) -> str | None:
        """Write the result file of that year's official evaluator.

        Every line is what the evaluator prints, errors included: see the class's Notes on 2022 and
        :func:`jackknife_interval` on "official score ci95".

        Parameters
        ----------
        path : str or PathLike, default=None
            The file to write; None: return the text.

        Returns
        -------
        text : str or None
            The file's text if `path` is None.
        """
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows(self._official_rows())
        if path is None:
            return stream.getvalue()
        Path(path).write_text(stream.getvalue(), encoding="utf-8")
        return None

    def _official_rows(self) -> list[list[Any]]:
        columns = list(self.table.columns[1:])
        header = ["id", *columns[1:]] if self.year == 2020 else columns
        measures = list(self.means.columns)
        rows: list[list[Any]] = []
        for machine, part in self.table.groupby("machine", sort=False):
            rows += [[machine], header, *part[columns].to_numpy(dtype=object).tolist()]
            if self.year >= 2022:
                rows.append(["", "", *measures])
            split = len(part) // 2 if self.year == 2022 else len(part)
            for line, values in _means(part, self.year, split).iterrows():
                rows.append(["Average", *values] if self.year == 2020 else [line, "", *values])
            rows.append([])
        if self.year == 2020:
            return rows
        rows.append(["", "", *measures])
        for line, values in self.means.iterrows():
            rows.append([str(line).replace("mean", _OVER_ALL), "", *values])
        rows.append([])
        if self.year >= 2022:
            rows.append(["official score", "", self.score])
            rows.append(["official score ci95", "", self.ci95 / (len(self.y_true) - 1)])
            rows.append([])
        return rows


def official_score(
    y_true: ArrayLike,
    anomaly_score: ArrayLike,
    *,
    year: int,
    machine: ArrayLike | None = None,
    section: ArrayLike | None = None,
    domain: ArrayLike | None = None,
    y_pred: ArrayLike | None = None,
    clip: ArrayLike | None = None,
) -> OfficialScore:
    """Official score of DCASE Challenge Task 2 by the rules of a year.

    Parameters
    ----------
    y_true : array-like of shape (n_clips,)
        Ground truth, +1 normal and -1 anomalous.
    anomaly_score : array-like of shape (n_clips,)
        Finite scores, higher = more anomalous: ``-detector.score_samples(X)``.
    year : int
        2020 to 2026.
    machine : array-like of shape (n_clips,), default=None
        Machine type; None: one machine.
    section : array-like of shape (n_clips,), default=None
        Section, in 2020 the machine ID; None: one section.
    domain : array-like of shape (n_clips,), default=None
        "source" or "target"; required from 2021 on, ignored for 2020.
    y_pred : array-like of shape (n_clips,), default=None
        Decisions, +1 normal and -1 anomalous, for precision, recall and F1 (from 2021 on). They do not
        enter the score.
    clip : array-like of shape (n_clips,), default=None
        Names or paths of the clips, for error messages.

    Returns
    -------
    result : OfficialScore
        ``result.score`` is the number, ``result.table`` the evaluator's table, ``result.to_csv()`` its file.

    Raises
    ------
    ValueError
        If a score is not finite (the message names the clip), or a machine, section or domain has no normal or no
        anomalous clip (the message names it).

    See Also
    --------
    evaluate_submission : From the files of a submission.
    harmonic_auc_scorer : For model selection.

    Notes
    -----
    Values clamped from below at 2.22e-16 enter harmonic means, so a single AUC of 0 makes the score
    practically 0.

    - 2022 to 2026 [3]_: per machine and section AUC (source) and AUC (target), normal clips of that domain
      against the anomalies of both domains; pAUC (up to a false-positive rate of 0.1) over all clips.
    - 2021 [2]_: AUC and pAUC per machine, section and domain, over the clips of that domain only.
    - 2020 [1]_: AUC and pAUC per machine ID and their arithmetic means per machine type.

    References
    ----------
    .. [1] Y. Koizumi et al., "Description and Discussion on DCASE2020 Challenge Task 2", DCASE Workshop,
       2020.
    .. [2] Y. Kawaguchi et al., "Description and Discussion on DCASE 2021 Challenge Task 2", DCASE Workshop,
       2021.
    .. [3] K. Dohi et al., "Description and Discussion on DCASE 2022 Challenge Task 2", DCASE Workshop, 2022.

    Examples
    --------
    >>> from skasd.metrics import official_score
    >>> domain = ["source", "source", "target", "target", "source", "target"]
    >>> result = official_score([1, 1, 1, 1, -1, -1], [1, 2, 3, 6, 5, 7], domain=domain, year=2023)
    >>> result
    OfficialScore(year=2023, score=0.812903, 1 machine, 6 clips)
    >>> result.table[["AUC (source)", "AUC (target)", "pAUC"]].round(3)
       AUC (source)  AUC (target)   pAUC
    0           1.0          0.75  0.737
    """
    check_year(year)
    if year >= 2021 and domain is None:
        raise ValueError(f"domain is needed for {year}: the score is per domain since 2021")
    clips = check_clips(
        y_true, anomaly_score, clip, machine=machine, section=section, domain=None if year == 2020 else domain
    )
    for name, default in (("machine", "machine"), ("section", "00")):
        if name not in clips:
            clips[name] = default
    if y_pred is not None and year >= 2021:
        clips["decision"] = check_labels("y_pred", y_pred, len(clips))

    # the evaluators sort machines by name; that of 2020 keeps the order of its list
    by = ["machine", "domain", "section"] if year == 2021 else ["machine", "section"]
    groups = clips.groupby(by, sort=True, dropna=False)
    records = [_record(dict(zip(by, key, strict=True)), part, year) for key, part in groups]
    table = pd.DataFrame(records)
    if year == 2020:
        order = {m: i for i, m in enumerate(clips["machine"].unique())}
        table = table.sort_values("machine", key=lambda c: c.map(order), kind="stable", ignore_index=True)

    machine_means = pd.concat(
        {machine: _means(part, year, len(part)) for machine, part in table.groupby("machine", sort=False)},
        names=["machine", "mean"],
    )
    if year == 2020:
        means = machine_means.groupby("mean").mean()
        score = float(means.loc["arithmetic mean", _AREAS].mean())
    else:
        means = _means(table, year, len(table))
        areas = _AREAS if year == 2021 else ["AUC (source)", "AUC (target)", "pAUC"]
        score = float(harmonic_mean(table[areas].to_numpy().T))
    return OfficialScore(
        year, score, table, machine_means, means, clips["y"].to_numpy(), clips["score"].to_numpy()
    )


def _record(key: dict[str, Any], clips: pd.DataFrame, year: int) -> dict[str, Any]:
    """One row of the evaluator's table."""
    where = ", ".join(f"{name} {value!r}" for name, value in key.items())
    y, score = clips["y"].to_numpy(), clips["score"].to_numpy()
    pauc = roc_auc(y, score, where, _MAX_FPR)
    if year <= 2021:
        record: dict[str, Any] = {name: key[name] for name in ("machine", "section", "domain") if name in key}
        record |= {"AUC": roc_auc(y, score, where), "pAUC": pauc}
        if "decision" in clips:
            record |= dict(zip(_RATES, decision_rates(y, clips["decision"].to_numpy()), strict=True))
        return record
    record = {**key, "AUC (all)": roc_auc(y, score, where)}
    record |= {f"AUC ({d})": domain_auc(clips, d, where) for d in DOMAINS}
    record["pAUC"] = pauc
    if "decision" in clips:
        parts = {d: clips[clips["domain"] == d] for d in DOMAINS}
        rates = {d: decision_rates(p["y"].to_numpy(), p["decision"].to_numpy()) for d, p in parts.items()}
        record |= {f"{name} ({d})": rates[d][i] for i, name in enumerate(_RATES) for d in DOMAINS}
    return record


def _means(table: pd.DataFrame, year: int, split: int) -> pd.DataFrame:
    """Mean lines of rows of the table; ``split`` parts the values of the source domain from the target's."""
    if year <= 2021:
        measures = [c for c in _AREAS + _RATES if c in table]
        values = table[measures].to_numpy(dtype=float).T
    else:
        measures = _AREAS + [r for r in _RATES if f"{r} (source)" in table]
        halves = {m: ["pAUC", "pAUC"] if m == "pAUC" else [f"{m} ({d})" for d in DOMAINS] for m in measures}
        values = np.array([np.concatenate([table[h] for h in halves[m]]) for m in measures])
    lines = {"arithmetic mean": np.mean(values, axis=1)}
    if year >= 2021:
        lines["harmonic mean"] = harmonic_mean(values, axis=1)
    if year >= 2022:
        for name, part in (("source", values[:, :split]), ("target", values[:, split:])):
            # the evaluator of 2022 has nothing left for "source" when there is a single section
            mean = harmonic_mean(part, axis=1) if part.size else np.full(len(values), np.nan)
            lines[f"{name} harmonic mean"] = mean
    return pd.DataFrame(lines, index=measures).T
