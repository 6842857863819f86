"""``skasd benchmark``: systems x data sets x seeds."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from .._whole_file import check_output
from ..benchmark import as_systems
from ..benchmark import run as run_benchmark
from ..datasets import load_recordings
from . import _systems
from ._arguments import DEFAULT_SYSTEM

_FIGURES = {
    "official score": "official",
    "AUC": "AUC",
    "AUC (source)": "source",
    "AUC (target)": "target",
    "pAUC": "pAUC",
    "F1 score": "F1",
}


def split_names(text):
    """Split 'a,b:x=1,y=2,c' into names: a part with '=' but no ':' belongs to the name before it."""
    names: list[str] = []
    for part in map(str.strip, re.split("[,;]", text)):
        if "=" in part and ":" not in part.partition("=")[0] and names:
            names[-1] += f",{part}"
        elif part:
            names.append(part)
    return names


def run(args, console):
    """Run, print the summary."""
    names = split_names(args.systems)
    systems = {name: _systems.default_detector() if name == DEFAULT_SYSTEM else name for name in names}
    as_systems(systems, None)  # raises for an unknown name before anything is read
    data = {Path(folder).resolve().name: load_recordings(folder) for folder in args.folders}
    if len(data) < len(args.folders):
        data = {folder: load_recordings(folder) for folder in args.folders}
    for table in data.values():
        console.note(table.attrs["decided"])
    check_output(args.output, is_folder=True)
    result = run_benchmark(
        systems,
        data,
        seeds=args.seeds,
        year=args.year,
        out=args.output,
        n_jobs=args.n_jobs,
        verbose=int(console.shows_progress),
        on_error="record",
    )
    if not result.table.empty:
        over = "clips" if len(result.settings["seeds"]) == 1 else "seeds"
        rules = sorted({str(each["year"]) for each in result.settings["data"].values()})
        console.say(
            f"Rules of {', '.join(rules)}; means over seeds; ±: 95 % over {over}; source, target: AUC of each"
        )
        console.table(_overview(result), digits=3, gap=1, line_width=None)
    if unlabelled := sorted(set().union(*map(_unlabelled, data.values()))):
        console.note(f"no figures of {', '.join(unlabelled)}: no test clip there has a label")
    console.note(f"tables and score files: {args.output}")
    for failure in result.failures.to_dict("records"):
        console.trouble("skasd: failed: " + ", ".join(f"{key} {value}" for key, value in failure.items()))
    console.result(output=args.output, failures=result.failures, figures=result.table)
    return 2 if result.scores.empty else 1 if len(result.failures) else 0


def _unlabelled(table):
    """Return the machines of a table whose test clips have no label."""
    n_labels = table[table["split"] == "test"].groupby("machine")["y"].count()
    return n_labels.index[n_labels == 0]


def _overview(result):
    """Return means over seeds in few columns: figures first, then the names, which may be long."""
    summary = result.summary()
    table = pd.DataFrame(
        {title: summary[figure, "mean"] for figure, title in _FIGURES.items() if (figure, "mean") in summary}
    )
    if "official" in table:
        interval = summary["official score", "ci95"]
        if interval.isna().all():
            interval = summary.get(("official score", "jackknife"), np.nan)
        table.insert(1, "±", interval)
    table = table.reset_index()
    table["machine"] = table["machine"].replace("", "all")
    names = ["machine", *(["data"] if table["data"].nunique() > 1 else []), "system"]
    return table[[*table.columns.drop(["data", "system", "machine"]), *names]]
