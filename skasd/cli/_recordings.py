"""Recordings as the commands need them, beyond :func:`skasd.datasets.load_recordings`."""

import glob
import os
import re
from pathlib import Path

import numpy as np

from ..clips import leave_out_bad
from ..datasets import load_recordings, recordings_of
from ._console import printable


def parts(paths, pattern):
    """Return what a regular expression finds in each path: its first group, if it has one, else all of it."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    found = [expression.search(Path(path).as_posix()) for path in paths]
    if None in found:
        raise ValueError(f"{pattern!r} matches nothing in {paths[found.index(None)]!r}.")
    return [match[1] if expression.groups else match[0] for match in found]


def tables(names):
    """Return the files that names and wildcards stand for; the name of an existing file is no wildcard."""
    found = []
    for name in names:
        fitting = [name] if os.path.lexists(name) else sorted(glob.glob(name))
        if not fitting:
            raise FileNotFoundError(f"There is neither a table nor a folder {name!r}.")
        found += fitting
    if len(found) > 1 and (folders := [name for name in found if os.path.isdir(name)]):
        raise ValueError(f"{folders[0]!r} is a folder, which must be given alone.")
    return found


def of_one_machine(args, section_from=None):
    """Return the table of the recordings that the arguments name, and words for where they are."""
    table = load_recordings(
        args.recordings, machine=args.machine, section_from=section_from, healthy=args.healthy
    )
    where = args.recordings[0] if len(args.recordings) == 1 else f"{len(args.recordings)} files and folders"
    check_one_machine(table, where)
    return table, where


def to_learn_from(table):
    """Return the rows of a table that `fit` learns from: healthy ones of split train."""
    rows = table[(table["split"] == "train") & (table["y"].fillna(1) == 1)]
    if rows.empty:
        raise ValueError(
            f"There is no recording to learn from (healthy, of split train). {table.attrs['decided']}"
        )
    return rows


def healthy_ones(args, section_from=None):
    """Return the table of the healthy recordings of one machine that the arguments name, and say what they are."""
    table, _ = of_one_machine(args, section_from)
    healthy = (table["y"].fillna(1) == 1) & (table["split"] != "supplemental")
    if not healthy.any():
        raise ValueError(f"There is no healthy recording. {table.attrs['decided']}")
    return table[healthy].reset_index(drop=True), table.attrs["decided"]


def new_ones(table, detector, console):
    """Return the recordings of a table that a detector has not learnt from."""
    learnt = set(getattr(detector, "training_paths_", []))
    new = np.array([os.path.abspath(path) not in learnt for path in table["path"]])
    if not new.any():
        raise ValueError(f"The model was fitted on all {len(table)} recordings already: give others.")
    if not new.all():
        console.note(f"{int((~new).sum())} recordings left out, which the model was fitted on")
    return table[new].reset_index(drop=True)


def use(paths, function, console):
    """Call a function with the recordings that can be used, as `leave_out_bad` does, and say which are left out."""
    result, kept, bad = leave_out_bad(function, paths)
    say_left_out(paths, bad, console)
    return result, kept, bad


def say_left_out(paths, bad, console):
    """Say which recordings could not be used, and why."""
    for position, cause in bad.items():
        console.trouble(f"skasd: left out {printable(paths[position])}: {cause}")


def metadata(table, columns=("section", "domain")):
    """Return the columns of a table that have a value for every recording, and different ones, as arrays by name."""
    return {
        name: table[name].to_numpy(dtype=object)
        for name in columns
        if table[name].notna().all() and table[name].nunique() > 1
    }


def groups(paths, pattern):
    """Return the recording that each file belongs to, by a regular expression or else by the names; None if unknown."""
    found = recordings_of(paths) if pattern is None else parts(paths, pattern)
    return None if found is None else np.array(found, dtype=object)


def check_one_machine(table, where):
    """Raise unless the table is about one machine."""
    machines = sorted(set(table["machine"]))
    if len(machines) > 1:
        raise ValueError(
            f"{where!r} holds {len(machines)} machines ({', '.join(machines)}), and a model is about one: choose with "
            "--machine, or give the folder of one machine."
        )
