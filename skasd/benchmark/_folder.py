"""The folder of a benchmark: tables, scores, submissions, settings."""

import json
from pathlib import Path, PurePosixPath

import numpy as np

from .._csv_tables import write_csv
from ..labels import file_names
from ..metrics import write_submission
from ._store import write_text


def write_folder(result, out, years):
    """Write all results, replacing those of an earlier run; ``result.settings`` gets a list of the files."""
    earlier = _files_of(out)
    settings = result.settings
    settings["scores"], settings["submissions"], settings["no_submission"] = [], [], []
    tables = {
        f"{name}.csv": table
        for name, table in (
            ("results", result.table),
            ("timings", result.timings),
            ("failures", result.failures),
        )
    }
    if len(result.table):
        summary = result.summary()
        summary.columns = [" ".join(names) for names in summary.columns]
        tables["summary.csv"] = summary.reset_index()
    several = result.scores["data"].nunique() > 1
    folder_of, data_of, file_of = (file_names(result.scores[name]) for name in ("system", "data", "machine"))
    for (data, system, seed), clips in result.scores.groupby(["data", "system", "seed"], sort=False):
        inner = PurePosixPath(folder_of[system], f"seed_{seed}", *([data_of[data]] if several else []))
        for machine, own in clips.groupby("machine", sort=False):
            name = str("scores" / inner / f"{file_of[machine]}.csv")
            tables[name] = own.drop(columns=["data", "system", "seed"])
            entry = {"data": data, "system": system, "seed": int(seed), "machine": machine, "file": name}
            settings["scores"].append(entry)
        sets = dict(tuple(clips.groupby("set"))) if "set" in clips else {}
        for place, part in sets.items() or [("", clips)]:
            settings["submissions"] += _submit(
                out, "submissions" / inner / place, part, years[data], settings
            )
    for name, table in tables.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_csv(table, out / name)
    written = {*tables, *settings["submissions"]}
    for name in earlier - written:
        (out / name).unlink(missing_ok=True)
        _remove_empty((out / name).parent, out)
    settings["files"] = sorted(written)
    write_text(out / "run.json", json.dumps(settings, indent=1) + "\n")


def _submit(out, inner, clips, year, settings):
    """Write the challenge's files; return their names."""
    scored = clips[np.isfinite(clips["anomaly_score"])]
    table = scored.assign(y_pred=np.where(scored["decision"] == "anomalous", -1, 1))
    try:
        files = write_submission(out / inner, table, year=year)
    except ValueError as error:  # own recordings have sections that the challenge's names cannot express
        settings["no_submission"].append({"folder": str(inner), "why": str(error)})
        return []
    return [path.relative_to(out).as_posix() for path in files]


def _files_of(out):
    """Return the files that an earlier run recorded as written here, none outside the folder."""
    try:
        names = json.loads((out / "run.json").read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return set()
    return {name for name in names if not Path(name).is_absolute() and ".." not in PurePosixPath(name).parts}


def _remove_empty(folder, out):
    while folder != out and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
