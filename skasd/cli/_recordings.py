"""Recordings named on the command line: files, wildcards, folders, tables."""

import glob
import re
from pathlib import Path

import pandas as pd

from ..datasets import load_folder
from ..datasets._names import is_audio, parse_clip_name

_SPLITS = ("train", "test", "supplemental")


def find(patterns):
    """Return the sound files that files, wildcards and folders stand for, in order, each once.

    A file that is named outright is taken whatever its kind, so that a missing one is reported like a bad one.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        names = sorted(glob.glob(pattern, recursive=True)) or [pattern]
        for name in names:
            if Path(name).is_dir():
                inside = [str(path) for path in sorted(Path(name).rglob("*")) if is_audio(path)]
                if not inside:
                    raise ValueError(f"There is no sound file in the folder {name!r} or below.")
                found |= dict.fromkeys(inside)
            else:
                found[name] = None
    return list(found)


def load(where, section_from=None, machine=None):
    """Return the table of a folder or CSV file; names as in the challenge are understood.

    Parameters
    ----------
    where : str
        Folder of recordings, or CSV file, as for :func:`skasd.datasets.load_folder`.
    section_from : str or None
        As there. None: the sections that names as in the challenge tell, else one.
    machine : str or None
        The only machine wanted; None: all.
    """
    table = load_folder(where, section_from=section_from)
    said = [parse_clip_name(path) for path in table["path"]] if Path(where).is_dir() else [None]
    if all(said):
        names = pd.DataFrame(said, columns=said[0]._fields, index=table.index)
        table["domain"], table["attribute"] = names["domain"], names["attribute"]
        table["y"] = names["y"].astype("Int64").fillna(table["y"].mask(table["split"] != "train"))
        if section_from is None:
            table["section"] = names["section"]
        parents = [Path(path).resolve().parent for path in table["path"]]
        table["machine"] = [p.parent.name if p.name in _SPLITS else p.name for p in parents]
    if machine is None:
        return table
    own = table[table["machine"] == machine]
    if own.empty:
        known = ", ".join(sorted(set(table["machine"])))
        raise ValueError(f"There is no machine {machine!r} in {where!r}; there are {known}.")
    return own.reset_index(drop=True)


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


def one_machine(table, where):
    """Raise unless the table is about one machine."""
    machines = sorted(set(table["machine"]))
    if len(machines) > 1:
        raise ValueError(
            f"{where!r} holds {len(machines)} machines ({', '.join(machines)}), and a model is about one: choose with "
            "--machine, or give the folder of one machine."
        )
