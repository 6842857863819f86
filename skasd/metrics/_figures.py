"""From a table of scored clips to figures: areas per section and domain, rates, official scores."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from ._auc import DOMAINS, harmonic_mean, partial_auc
from ._decisions import precision_recall_f1_by_domain
from ._official import official_score

_COLUMNS = ["machine", "section", "domain", "metric", "value"]


def year_of_rules(clips: pd.DataFrame) -> int:
    """Return the year of the challenge whose rules apply to clips, if none is named.

    Parameters
    ----------
    clips : DataFrame
        One row per clip that counts, with their ``domain`` ("source" or "target") where known.

    Returns
    -------
    year : int
        ``clips.attrs["year"]``, which loaders set, if it is there; else 2026, whose figures are those of all years
        since 2022, if the domain of every clip is known and some are of the target domain; else 2020.

    See Also
    --------
    score_figures : Figures by the rules of a year.

    Examples
    --------
    >>> import pandas as pd
    >>> from skasd.metrics import year_of_rules
    >>> year_of_rules(pd.DataFrame({"domain": ["source", "target"]}))
    2026
    >>> year_of_rules(pd.DataFrame({"path": ["a.wav", "b.wav"]}))
    2020
    """
    if clips.attrs.get("year") is not None:
        return int(clips.attrs["year"])
    domain = clips.get("domain", pd.Series(dtype=object))
    return 2026 if domain.notna().all() and (domain == "target").any() else 2020


def score_figures(scores: pd.DataFrame, year: int | None = None) -> tuple[pd.DataFrame, str]:
    """Return the figures of one detector on the clips of one or several machines.

    Parameters
    ----------
    scores : DataFrame
        One row per clip: ``path``, ``anomaly_score``, ``decision`` ("normal" or "anomalous"), ``machine``,
        ``section``, ``y`` (+1 normal, -1 anomalous) and, where known, ``domain`` ("source" or "target"). Clips without
        a finite score or without ``y`` do not count.
    year : int or None, default=None
        Year of the challenge whose rules apply, 2020 to 2026. None: by `year_of_rules` of the clips that count.

    Returns
    -------
    figures : DataFrame
        One row per figure: ``machine``, ``section``, ``domain``, ``metric`` and ``value``. ``section`` and ``domain``
        are "" for figures over all of them, ``machine`` is "" for those over all machines. Metrics: "AUC", "pAUC",
        "precision", "recall", "F1 score" per section, per section and domain, and their means per machine and over all
        machines (harmonic; arithmetic in 2020); "official score", and "official score ci95", the half-width of its
        jackknife interval over clips. A figure that the clips do not allow is left out.
    problem : str
        Why there is no official score over all machines; "" if there is one.

    Raises
    ------
    ValueError
        If a clip that counts has no machine or section.

    See Also
    --------
    official_score : The official score alone.
    year_of_rules : The year, if none is named.
    decision_figures : Rates of decisions.

    Examples
    --------
    >>> import pandas as pd
    >>> from skasd.metrics import score_figures
    >>> scores = pd.DataFrame(
    ...     {
    ...         "path": ["a.wav", "b.wav", "c.wav", "d.wav"],
    ...         "anomaly_score": [0.1, 0.4, 0.3, 0.9],
    ...         "decision": ["normal", "normal", "normal", "anomalous"],
    ...         "y": [1, 1, -1, -1],
    ...         "machine": "fan",
    ...         "section": "00",
    ...     }
    ... )
    >>> figures, problem = score_figures(scores, 2020)
    >>> figures.query("section == '00' and metric in ('AUC', 'recall')")[["metric", "value"]]
       metric  value
    0     AUC   0.75
    3  recall   0.50
    """
    clips = scores[scores["y"].notna() & np.isfinite(scores["anomaly_score"])]
    for name in ("machine", "section"):
        if (missing := clips["path"][clips[name].isna()]).size:
            raise ValueError(
                f"{name} is missing for {len(missing)} of {len(clips)} clips, among them {missing.iloc[0]}: give every "
                f"clip a {name}."
            )
    year = year_of_rules(clips) if year is None else year
    rows: list[dict] = []
    every: list[dict] = []
    problem = "" if len(clips) else "no test clip has both a label and a score"
    for machine, own in clips.groupby("machine", sort=False):
        sections: list[dict] = []
        for section, part in own.groupby("section", sort=True):
            sections += [{"section": section, **row} for row in _of_section(part, year)]
        means = _means(sections, year)
        found = [*sections, *means]
        every += means if year == 2020 else sections  # in 2020 means are over types of machine
        official, trouble = _official(own, year)
        rows += [{"machine": machine, **row} for row in [*found, *official]]
        problem = problem or trouble
    if not problem:
        official, problem = _official(clips, year)
        rows += [{"machine": "", **row} for row in [*_means(every, year), *official]]
    return pd.DataFrame(rows, columns=_COLUMNS), problem


def _of_section(clips, year):
    """Areas and rates of one section, as far as there are normal and anomalous clips for them."""
    y, score = clips["y"].to_numpy(int), clips["anomaly_score"].to_numpy()
    rows = []
    if len(set(y)) == 2:
        rows += [("", "AUC", roc_auc_score(y == -1, score)), ("", "pAUC", partial_auc(y, score))]
    domain = clips["domain"].to_numpy() if "domain" in clips else np.full(len(clips), "source")
    for name in DOMAINS if "target" in domain else ():
        # since 2022 anomalies of both domains count for each
        part = (domain == name) | ((y == -1) & (year >= 2022))
        if len(set(y[part])) == 2 and (domain[y == 1] == name).any():
            rows.append((name, "AUC", roc_auc_score(y[part] == -1, score[part])))
            if year == 2021:
                rows.append((name, "pAUC", partial_auc(y[part], score[part])))
    if -1 in y:
        decided = np.where(clips["decision"] == "anomalous", -1, 1)
        named = np.where(domain == "target", "target", "source")
        rates = precision_recall_f1_by_domain(y, decided, named)
        overall = precision_recall_f1_by_domain(y, decided, np.full(len(y), "source")).rename({"source": ""})
        for table in (overall, rates) if "target" in domain else (overall,):
            rows += [
                (name, metric, value) for name, line in table.iterrows() for metric, value in line.items()
            ]
    return [{"domain": d, "metric": metric, "value": float(value)} for d, metric, value in rows]


def _means(sections, year):
    """Means over sections: arithmetic in 2020, harmonic later, as the evaluators print them."""
    mean = np.mean if year == 2020 else harmonic_mean
    values: dict[tuple, list] = {}
    for row in sections:
        values.setdefault((row["domain"], row["metric"]), []).append(row["value"])
    return [
        {"section": "", "domain": domain, "metric": metric, "value": float(mean(found))}
        for (domain, metric), found in values.items()
    ]


def _official(clips, year):
    """Return the rows of the official score and its interval, and why there are none."""
    try:
        result = official_score(
            clips["y"].astype(int),
            clips["anomaly_score"],
            year=year,
            machine=clips["machine"],
            section=clips["section"],
            domain=clips["domain"] if "domain" in clips and year >= 2021 else None,
            clip=clips["path"],
        )
    except ValueError as error:
        return [], str(error)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant scores have an interval of width 0
        both = {"official score": result.score, "official score ci95": result.ci95}
    return [{"section": "", "domain": "", "metric": m, "value": float(v)} for m, v in both.items()], ""
