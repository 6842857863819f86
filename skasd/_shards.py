"""Shards: parts of the work on many recordings that are done separately and put together again."""

import re

import pandas as pd

COLUMN = "shard"
_WANTED = re.compile(r"(\d+)/(\d+)")
_LABEL = re.compile(r"(\d+)/(\d+) of (\d+)")


def take_shard(items, wanted):
    """Return every n-th of some items, from the k-th on.

    Parameters
    ----------
    items : list
    wanted : str
        As "3/10": k and n.

    Returns
    -------
    part : list
    label : str
        As "3/10 of 1234", from which `joined` knows whether parts belong together.

    Examples
    --------
    >>> from skasd._shards import take_shard
    >>> take_shard(["a", "b", "c", "d", "e"], "2/3")
    (['b', 'e'], '2/3 of 5')
    """
    match = _WANTED.fullmatch(wanted.strip())
    number, n = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= n:
        raise ValueError(f"shard {wanted!r}: must be two numbers as 3/10, the first from 1 to the second.")
    if n > len(items):
        raise ValueError(f"shard {wanted!r}: there are only {len(items)} recordings, too few for {n} shards.")
    return items[number - 1 :: n], f"{number}/{n} of {len(items)}"


def joined(tables):
    """Return one table of the tables of several files, each of which may be a shard, in the order of the whole.

    The column that tells shards is left out. Raises ValueError if shards are missing, or there twice, or of different
    wholes; if a recording is there twice.
    """
    labels = {name: table[COLUMN].unique().tolist() for name, table in tables.items() if COLUMN in table}
    if labels:
        _check(labels, tables)
        parts = []
        for name, table in tables.items():
            number, n, _ = _numbers(labels[name][0])
            parts.append(table.drop(columns=COLUMN).set_index(pd.RangeIndex(len(table)) * n + number - 1))
        whole = pd.concat(parts).sort_index().reset_index(drop=True)
    else:
        whole = pd.concat(tables.values(), ignore_index=True)
    if len(tables) > 1 and (twice := whole["path"].duplicated()).any():
        path = whole.loc[twice, "path"].iloc[0]
        places = [name for name, table in tables.items() if path in set(table["path"])]
        raise ValueError(f"{path!r} is scored more than once, in {', '.join(places)}: give each table once.")
    return whole


def _check(labels, tables):
    """Raise unless tables are all shards of one whole."""
    if others := [name for name in tables if name not in labels]:
        raise ValueError(
            f"{others[0]} is no shard, while {next(iter(labels))} is: give the shards of one whole."
        )
    owners: dict = {}
    for name, found in labels.items():
        if len(found) != 1 or not _LABEL.fullmatch(str(found[0])):
            raise ValueError(
                f"{name}: the column {COLUMN!r} must say one thing, as '3/10 of 1234', not {found[:3]}."
            )
        owners.setdefault(found[0], []).append(name)
    wholes = {_numbers(label)[1:]: label for label in owners}
    if len(wholes) > 1:
        said = ", ".join(f"{owners[label][0]} is {label}" for label in wholes.values())
        raise ValueError(f"Shards of different wholes: {said}. Score all shards of the same recordings.")
    if double := {label: names for label, names in owners.items() if len(names) > 1}:
        said = "; ".join(
            f"{label.partition(' ')[0]} in {' and '.join(names)}" for label, names in double.items()
        )
        raise ValueError(f"Shards that are there more than once: {said}. Give each once.")
    ((n, n_items),) = wholes
    known = {_numbers(label)[0] for label in owners}
    if missing := [f"{number}/{n}" for number in range(1, n + 1) if number not in known]:
        raise ValueError(
            f"Missing shards: {', '.join(missing)}, of {n_items} recordings in all. Score these as well."
        )
    for label, (name,) in owners.items():
        expected = len(range(_numbers(label)[0] - 1, n_items, n))
        if len(tables[name]) != expected:
            raise ValueError(
                f"{name} has {len(tables[name])} rows, but shard {label} has {expected}: score it again."
            )


def _numbers(label):
    return tuple(map(int, _LABEL.fullmatch(label).groups()))
