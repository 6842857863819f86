"""From finished cells to tables."""

import warnings

import numpy as np
import pandas as pd

from ..metrics import score_figures
from ._result import BenchmarkResult

_CELL = ["data", "system", "seed", "machine"]
_TABLE = [*_CELL, "section", "domain", "metric", "value"]
_SCORES = ["path", "anomaly_score", "decision", "threshold"]
_LISTED = 20


def assemble(cells, done, errors, data_sets, settings):
    """Put the tables together."""
    scores, timings, failures, causes = [], [], [], {}
    for cell in cells:
        place = {"data": cell.data.name, "system": cell.system, "seed": cell.seed, "machine": cell.machine}
        key = cell.task.key
        if key in errors:
            failures.append({**place, "error": errors[key]})
            continue
        found = done[key]
        known = {cell.data.table["path"][row]: cause for row, cause in found["causes"]}
        causes |= {(cell.data.name, path): cause for path, cause in known.items()}
        scores.append(_scores_table(place, cell, found, known))
        timings += [{**place, **row} for row in found["timings"]]
    table = pd.concat(scores, ignore_index=True) if scores else pd.DataFrame(columns=[*_CELL, *_SCORES])
    figures, problems, mixed = [], {}, set()
    years = {data.name: data.year for data in data_sets}
    for (data, system, seed), clips in table.groupby(["data", "system", "seed"], sort=False):
        found, problem = score_figures(clips, years[data])
        figures += [{"data": data, "system": system, "seed": seed, **row} for row in found.to_dict("records")]
        if problem:
            problems[data] = problem
        elif "set" in clips and clips.loc[clips["y"].notna(), "set"].nunique() > 1:
            mixed.add(data)
    if mixed:
        names = ", ".join(map(repr, sorted(mixed)))
        warnings.warn(
            f"Figures over all machines of {names} are over development and evaluation clips together, which no "
            'published ones are. For those leave test clips out: table[(table["split"] != "test") | (table["set"] == '
            '"eval")].',
            UserWarning,
        )
    for data, problem in problems.items():
        warnings.warn(
            f"No official score of {years[data]} over all machines of {data!r}: {problem}", UserWarning
        )
    if causes:
        lines = [f"  {path}: {cause}" for (_, path), cause in list(causes.items())[:_LISTED]]
        lines += [f"  ... and {len(causes) - _LISTED} more"] * (len(causes) > _LISTED)
        warnings.warn(
            f"{len(causes)} clips could not be used; they are left out of training and have no score:\n"
            + "\n".join(lines),
            UserWarning,
        )
    return BenchmarkResult(
        pd.DataFrame(figures, columns=_TABLE),
        table,
        pd.DataFrame(timings, columns=[*_CELL, "step", "stage", "seconds", "peak_mb", "shared"]),
        pd.DataFrame(failures, columns=[*_CELL, "error"]),
        settings,
    )


def _scores_table(place, cell, found, causes):
    clips = cell.data.scores_table(cell.task.test)
    score = np.array(found["anomaly_score"], dtype=float)
    table = pd.DataFrame({"path": clips.pop("path"), "anomaly_score": score})
    table["decision"] = np.where(score > found["threshold"], "anomalous", "normal")
    table.loc[np.isnan(score), "decision"] = ""
    table["threshold"] = found["threshold"]
    table = table.join(clips)
    table["error"] = [causes.get(path, "") for path in table["path"]]
    unexplained = ~np.isfinite(score) & (table["error"] == "")
    table.loc[unexplained, "error"] = "no finite score from the detector"
    for position, column in enumerate(("data", "system", "seed")):
        table.insert(position, column, place[column])
    return table
