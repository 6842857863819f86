"""Tables of scored clips: read, checked, joined with the ground truth."""

import os
from itertools import takewhile
from pathlib import Path

import numpy as np
import pandas as pd

from .._csv_tables import read_csv
from .._metadata import check_ground_truth
from .._shards import COLUMN, joined
from ..labels import as_label, as_labels, label_names
from ._settings import without_home

_TEXT = ("path", COLUMN, "decision", "remark", "time", "machine", "section", "domain", "attribute", "error")
_TRUTH = ("y", "machine", "section", "domain", "attribute")


def scores_table(scores, ground_truth=None):
    """Return a checked copy of a table of scored clips, joined with the ground truth.

    Parameters
    ----------
    scores : DataFrame, path-like or list of path-like
        Needs ``path`` and ``anomaly_score``. Several files, such as those of ``skasd score --shard``, become one table;
        of shards each must be there once.
    ground_truth : DataFrame, path-like or None, default=None
        Needs ``path`` and ``y``; joined by path, else by the name of the file.

    Returns
    -------
    table : DataFrame
        With all text columns as text, ``y`` nullable, ``file`` (the path of the sound file, None if it does not exist)
        and ``name`` (the path below the common folder of all clips).
    """
    table, folder = _read(scores, "scores")
    table["anomaly_score"] = pd.to_numeric(table["anomaly_score"], errors="raise").astype(float)
    if (infinite := np.isinf(table["anomaly_score"])).any():
        raise ValueError(
            f"The anomaly score of {table.loc[infinite, 'path'].iloc[0]!r} is infinite ({infinite.sum()} such clips)."
        )
    if ground_truth is not None:
        table = _joined(table, _read(ground_truth, "ground_truth")[0])
    if "threshold" in table:
        table["threshold"] = pd.to_numeric(table["threshold"]).astype(float)
    else:
        table["threshold"] = np.nan
    for column, default in (("machine", "machine"), ("section", "00"), ("decision", ""), ("error", "")):
        if column not in table:
            table[column] = default
        table[column] = table[column].mask(table[column] == "", default)
    if "domain" in table and (table["domain"] == "").any():
        table = table.drop(columns="domain")
    table["y"] = _labels(table["y"]) if "y" in table else pd.array([pd.NA] * len(table), dtype="Int64")
    undecided = (table["decision"] == "") & table["anomaly_score"].notna() & table["threshold"].notna()
    above = np.where(table["anomaly_score"] > table["threshold"], "anomalous", "normal")
    table["decision"] = table["decision"].mask(undecided, pd.Series(above, index=table.index))
    table["file"] = [_found(path, folder) for path in table["path"]]
    table["name"] = names_below_common_folder(table["path"])
    return table.reset_index(drop=True)


def names_below_common_folder(paths):
    """Return paths without their common folders."""
    paths = [str(path) for path in paths]
    parts = [path.replace("\\", "/").split("/") for path in paths]
    folders = zip(*(part[:-1] for part in parts), strict=False)
    shared = len(list(takewhile(lambda level: len(set(level)) == 1, folders)))
    return [without_home("/".join(part[shared:])) for part in parts]


def _read(table, what):
    """Return a table with its text columns as text, and the folder of its file (None for a DataFrame)."""
    folder = None
    if not isinstance(table, pd.DataFrame):
        files = [table] if isinstance(table, (str, os.PathLike)) else table
        folder = Path(files[0]).resolve().parent
        tables = {str(file): read_csv(file, text=_TEXT) for file in files}
        if lacking := [name for name, each in tables.items() if "path" not in each]:
            raise ValueError(f"{lacking[0]} lacks the column 'path'; it has {', '.join(tables[lacking[0]])}.")
        table = joined(tables)
    table = table.copy().reset_index(drop=True)
    needed = ("path", "anomaly_score") if what == "scores" else ("path", "y")
    if missing := [column for column in needed if column not in table]:
        raise ValueError(
            f"{what} lacks the column {missing[0]!r}; it has {', '.join(map(str, table.columns))}."
        )
    if table.empty:
        raise ValueError(f"{what} holds no clip.")
    for column in set(_TEXT) & set(table):
        values = table[column].astype(object).where(table[column].notna(), "")
        names = label_names(as_labels(column, values, len(table)))  # 1 and "1" stay apart
        table[column] = [names[as_label(value)] for value in values]
    return table, folder


def _joined(table, truth):
    """Return a table with the columns of the ground truth, which replace its own."""
    for key in (os.path.abspath, lambda path: Path(path.replace("\\", "/")).name):
        left, right = table["path"].map(key), truth["path"].map(key)
        if right.duplicated().any() or left.duplicated().any() or not left.isin(right).any():
            continue
        for column in [name for name in _TRUTH if name in truth]:
            values = left.map(truth[column].set_axis(right))
            if column in table:
                values = values.where(values.notna(), table[column])
            if column in _TEXT:
                values = values.astype(object).where(values.notna(), "").astype(str)
            table[column] = values
        table.attrs |= {name: truth.attrs[name] for name in {"year"} & set(truth.attrs)}
        return table
    raise ValueError(
        f"None of the {len(table)} scored clips is among the {len(truth)} of the ground truth, neither by path nor by "
        f"a file name that is unique: {table['path'].iloc[0]!r} against {truth['path'].iloc[0]!r}, for instance."
    )


def _labels(y):
    y = pd.to_numeric(y)
    check_ground_truth("y", y.dropna().tolist())
    return y.astype("Int64")


def _found(path, folder):
    """Return the path of a clip's file, None if there is none."""
    places = [Path(path)] if folder is None else [Path(path), folder / path]
    try:
        return next((str(place) for place in places if place.is_file()), None)
    except (OSError, ValueError):  # a path that no file system takes
        return None
