"""Recordings as the commands need them, beyond :func:`skasd.datasets.load_recordings`."""

import re
from pathlib import Path


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
