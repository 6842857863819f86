"""Results of a benchmark."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from .._csv_tables import read_csv
from .._typing import PathName

_FIGURES = {
    ("", "official score"): "official score",
    ("source", "AUC"): "AUC (source)",
    ("target", "AUC"): "AUC (target)",
    ("", "AUC"): "AUC",
    ("", "pAUC"): "pAUC",
    ("", "F1 score"): "F1 score",
}
_TEXT = (
    "data",
    "system",
    "machine",
    "section",
    "domain",
    "set",
    "metric",
    "step",
    "stage",
    "path",
    "attribute",
    "error",
    "decision",
)


@dataclass(repr=False)
class BenchmarkResult:
    """Results of :func:`run`: tables of figures, of scored clips, of times and of failures.

    Attributes
    ----------
    table : DataFrame
        One row per figure: ``data``, ``system``, ``seed``, ``machine``, ``section``, ``domain``, ``metric``,
        ``value``. ``section`` and ``domain`` are "" for figures over all of them, ``machine`` is "" for those
        over all machines. Metrics: "AUC", "pAUC", "precision", "recall", "F1 score" per section, per
        section and domain, and their means per machine and over all machines (harmonic; arithmetic in 2020);
        "official score", and "official score ci95", the half-width of its jackknife interval over clips.
    scores : DataFrame
        One row per scored clip: ``data``, ``system``, ``seed``, ``path``, ``anomaly_score`` (higher = more
        anomalous, NaN for an unreadable clip), ``decision`` ("normal", "anomalous" or ""), ``threshold``,
        ``machine``, ``section``, ``domain``, ``y``, ``attribute``, ``error``; ``set`` if there are test clips of both.
    timings : DataFrame
        One row per step of a detector and stage ("fit": learning from and transforming the training clips, "score":
        the test clips): ``data``, ``system``, ``seed``, ``machine``, ``step``, ``stage``, ``seconds``, ``peak_mb``
        (largest resident memory of the whole process meanwhile) and ``shared``: whether the result was computed once
        and used by other cells too.
    failures : DataFrame
        Cells without result: ``data``, ``system``, ``seed``, ``machine``, ``error``.
    settings : dict
        Arguments, years, versions.
    out : Path or None
        The folder of all these files.

    See Also
    --------
    run : Computes it.
    """

    table: pd.DataFrame
    scores: pd.DataFrame
    timings: pd.DataFrame
    failures: pd.DataFrame
    settings: dict
    out: Path | None = None

    @classmethod
    def from_folder(cls, out: PathName) -> Any:
        """Read what :func:`run` wrote.

        Parameters
        ----------
        out : path-like
            Its folder.

        Returns
        -------
        BenchmarkResult
        """
        out = Path(out)
        if not (out / "run.json").is_file():
            raise FileNotFoundError(f"{out} holds no finished benchmark: it has no run.json.")
        settings = json.loads((out / "run.json").read_text(encoding="utf-8"))
        scores = []
        for entry in settings["scores"]:
            part = _read(out / entry["file"])
            for place, column in enumerate(("data", "system", "seed")):
                part.insert(place, column, entry[column])
            scores.append(part)
        tables = [_read(out / f"{name}.csv") for name in ("results", "timings", "failures")]
        found = pd.concat(scores, ignore_index=True) if scores else pd.DataFrame()
        results, timings, failures = tables
        return cls(results, found, timings, failures, settings, out)

    def summary(self) -> pd.DataFrame:
        r"""Return means over seeds, their spread and intervals.

        Returns
        -------
        DataFrame
            One row per ``data``, ``system`` and ``machine`` ("" for all machines together). Columns are pairs of a
            figure ("official score", "AUC (source)", ...) and a statistic: "mean" and "std" over seeds; "ci95",
            half the width of the 95 % interval of the mean over seeds by Student's t; for the official score also
            "jackknife", the half-width of the interval over clips, mean over seeds.

        Notes
        -----
        With n seeds and standard deviation s, ci95 is :math:`t_{0.975, n-1} s / \sqrt{n}`: the uncertainty due to
        seeds. It says nothing about other clips; the jackknife covers clips, but not seeds. Systems without randomness
        have no spread.
        """
        machines = self.table[self.table["section"] == ""]
        half = machines[machines["metric"] == "official score ci95"]
        by = ["data", "system", "machine"]
        keys = list(zip(machines["domain"], machines["metric"], strict=True))
        known = machines.assign(figure=[_FIGURES.get(key, "") for key in keys])
        known = known[known["figure"] != ""]
        grouped = known.groupby([*by, "figure"], sort=False)["value"].agg(["mean", "std", "count"])
        n = grouped.pop("count").to_numpy()
        quantile = student_t.ppf(0.975, np.maximum(n - 1, 1))
        grouped["ci95"] = np.where(n > 1, quantile * grouped["std"] / np.sqrt(n), np.nan)
        wide = grouped.unstack("figure").swaplevel(axis=1)
        wide["official score", "jackknife"] = half.groupby(by)["value"].mean()
        order = [
            name for name in dict.fromkeys(_FIGURES.values()) if name in wide.columns.get_level_values(0)
        ]
        statistics = ("mean", "std", "ci95", "jackknife")
        columns = [(name, s) for name in order for s in statistics if (name, s) in wide.columns]
        wide.columns.names = ["figure", "statistic"]
        rows = known[by].drop_duplicates()
        # all machines together come before single machines
        rows = rows.assign(place=np.arange(len(rows)) - len(rows) * (rows["machine"] == ""))
        first = {name: place for place, name in enumerate(dict.fromkeys(rows["data"]))}
        systems = {name: place for place, name in enumerate(dict.fromkeys(rows["system"]))}
        rows = rows.assign(first=rows["data"].map(first), second=rows["system"].map(systems))
        rows = rows.sort_values(["first", "second", "place"])
        return wide.loc[
            pd.MultiIndex.from_frame(rows[by]), pd.MultiIndex.from_tuples(columns, names=wide.columns.names)
        ]

    def __repr__(self):
        systems, data, seeds = (len(self.settings[name]) for name in ("systems", "data", "seeds"))
        failed = f", {len(self.failures)} cells failed" if len(self.failures) else ""
        return f"BenchmarkResult({systems} systems, {data} data sets, {seeds} seeds, {len(self.scores)} scores{failed})"

    def _repr_html_(self):
        if self.table.empty:
            return f"<p>{self!r}</p>"
        summary = self.summary()
        official = [c for c in summary.columns if c[1] in ("mean", "ci95", "jackknife")]
        text = summary[official].map(lambda value: "" if pd.isna(value) else f"{value:.3f}")
        failed = ""
        if len(self.failures):
            listed = self.failures.to_html(index=False)
            failed = f"<details><summary>{len(self.failures)} cells failed</summary>{listed}</details>"
        return f"<p>Means over {len(self.settings['seeds'])} seeds</p>{text.to_html()}{failed}"


def _read(path):
    """Read a table; empty cells of text are "", others NaN."""
    table = read_csv(path, text=_TEXT)
    return table.astype({"y": "Int64"}) if "y" in table else table
