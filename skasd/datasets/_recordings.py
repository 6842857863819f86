"""One reader for all kinds of recordings: detects the layout of a folder, reports it, and loads the folder."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from .._csv_tables import read_text_csv
from .._typing import PathName
from ._dcase import challenge_table, check_year, chosen_machines, clip_folders
from ._folder import (
    csv_table,
    folder_table,
    is_anomalous_place,
    label_column,
    sections_of,
)
from ._names import (
    is_audio,
    is_hidden,
    is_unreadable,
    parse_clip_name,
    sound_files,
    warn_of,
    warn_of_unreadable,
)
from ._words import LABELS, as_word, has_meaning

_TABLES = (".csv", ".tsv", ".txt")


def find_recordings(where: Any) -> Sequence[str]:
    """Find sound files by path, wildcard or folder.

    Parameters
    ----------
    where : str, path-like or list of these
        Files, wildcards (``*``, ``?``, ``[...]``; ``**`` stands for folders at any depth) and folders, which are
        searched with all their subfolders. A file given by its path is returned whatever its type and even if it does
        not exist: reading it raises the error. A path that exists is not a wildcard, even if it looks like one
        (``a[1].wav``).

    Returns
    -------
    paths : list of str
        In the order given, and sorted within folders and wildcards; each file once. Hidden files and folders
        (``._x.wav``, ``.Trash``, ``__MACOSX``, ``$RECYCLE.BIN``, ``@eaDir``) are left out.

    Raises
    ------
    ValueError
        If there is no sound file in a folder.

    Warns
    -----
    UserWarning
        If sound files in a folder have a format that cannot be read, such as m4a. They are left out.

    See Also
    --------
    load_recordings : The same, with what is known about each recording.

    Examples
    --------
    >>> from skasd.datasets import find_recordings
    >>> find_recordings(["a.wav", "b.wav"])
    ['a.wav', 'b.wav']
    """
    found: dict[str, None] = {}
    for name in _expanded(where):
        inside = sound_files(name) if name.is_dir() else [name]
        if not inside:
            raise ValueError(f"There is no sound file in the folder {str(name)!r} or below.")
        found |= dict.fromkeys(map(str, inside))
    return list(found)


def load_recordings(
    where: Any,
    *,
    machine: str | Sequence[str] | None = None,
    section_from: Literal["parent"] | str | None = None,
    year: int | None = None,
    healthy: bool = False,
    ground_truth: str | PathName | None = None,
) -> pd.DataFrame:
    """Detect the layout of a folder of recordings, and load it as one table.

    Reads only file names and small CSV files. Pass the table's paths to an estimator, which reads the sound.

    Parameters
    ----------
    where : str, path-like or list of these
        A folder, a CSV file, or sound files, wildcards and folders, which are read as if their common parent folder
        held nothing else (a warning lists files that are not sound files). The layout is detected from the names in the
        folder:

        - *challenge*: the layout of the DCASE Challenge Task 2 of any year, 2020 to 2026, as unpacked: the root with
          ``dev_data`` or ``eval_data``, one of these, its ``raw``, the folder of one machine, just its ``train`` or
          ``test`` folder, or a folder of any name with such clips in it. Detected if in at least one folder called
          ``train``, ``test``, ``source_test``, ``target_test`` or ``supplemental`` at least half of the names are the
          challenge's; where there is no such folder, if at least half of the names in the folder itself are the
          challenge's and say ``normal`` or ``anomaly``, unless it is, or lies in, one called ``ng`` ... Recordings in
          other folders must not outnumber these names; if some of these say ``normal`` or ``anomaly``, those count
          alone that lie in folders called ``normal``, ``ng`` ... Read by :func:`load_dcase`.
        - *labelled*: recordings in folders called ``normal``, ``anomalous``, ``ok``, ``ng`` or another word that
          :func:`load_folder` knows. Read by :func:`load_folder`.
        - *plain*: everything else: healthy recordings of one machine. Read by :func:`load_folder`.
        - *csv*: a CSV file with a row per recording. Read by :func:`load_folder`.

    machine : str or list of str, default=None
        Machine(s) to load, as the challenge's folders or the CSV's column ``machine`` name them; None loads all.
    section_from : "parent" or str, default=None
        Where the sections come from, as in :func:`load_folder`. None: from the names if they are the challenge's;
        otherwise all recordings are one section.
    year : int, default=None
        Year of the challenge, 2020 to 2026: accepts only that year's names in the challenge's layout, and sets the
        rules by which `skasd.benchmark` evaluates.
    healthy : bool, default=False
        Treat all recordings as healthy, whatever the folders are called. Labels in the challenge's file names and in
        CSV files are kept.
    ground_truth : str or path-like, default=None
        Source of the labels of the challenge's evaluation clips, as in :func:`load_dcase`.

    Returns
    -------
    table : pandas.DataFrame
        As returned by :func:`load_dcase` and :func:`load_folder`, one row per clip: ``path``, ``machine``, ``section``,
        ``domain``, ``split`` ("train", "test", "supplemental"), ``set``, ``y`` (+1 normal, -1 anomalous, missing),
        ``attribute``, ``attributes``. The detected layout is in ``table.attrs["layout"]`` ("challenge", "labelled",
        "plain" or "csv") and, as a sentence, in ``table.attrs["decided"]``.

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    ValueError
        If there are no sound files or no such machine, and whenever the functions named above raise it.

    Warns
    -----
    UserWarning
        Once for all stray sound files in a challenge layout, by name (they are left out of the table), for recordings
        outside ``normal`` and ``anomalous`` folders, for sound files of formats that cannot be read, such as m4a, and
        for folders that cannot be read.

    See Also
    --------
    load_dcase : The challenge's layout alone, with the ground truth of evaluation clips.
    load_folder : Folders and CSV files of your own alone.
    find_recordings : Just the paths.

    Notes
    -----
    Recordings in a folder called ``ng``, ``nok``, ``faulty`` ... have y = -1 and the split "test", even if that folder
    itself or one of its subfolders is given: they are not used for training unless `healthy` is True. Supplemental
    clips of 2025 and later (clean machine or noise alone) have the split "supplemental".

    Examples
    --------
    >>> import tempfile
    >>> from skasd.datasets import load_recordings, write_machine_sounds
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_machine_sounds(folder, n_train=4, n_test=4, duration=0.1, random_state=0)
    ...     table = load_recordings(folder + "/dev_data")
    >>> table.attrs["layout"]
    'challenge'
    >>> table.attrs["decided"].partition("; ")[2]
    'machine gearbox; 4 train (4 healthy), 4 test (2 healthy, 2 anomalous).'
    """
    check_year(year)
    given = _expanded(where)
    if missing := [str(name) for name in given if not name.exists()]:
        listed = "\n  ".join(missing[:20])
        raise FileNotFoundError(
            f"{listed!r} is neither a folder nor a file"
            if len(missing) == 1
            else f"{len(missing)} of {len(given)} files do not exist:\n  {listed}"
        )
    label = str(given[0]) if len(given) == 1 else f"{len(given)} files and folders"
    if len(given) == 1 and given[0].is_file() and given[0].suffix.lower() in _TABLES:
        layout = "csv"
        table = csv_table(given[0], section_from=section_from, healthy=healthy)
        why = _why_csv(given[0])
    else:
        base, files = _files(given)
        layout = _layout(base, files)
        if layout == "challenge":
            table = challenge_table(base, files, machine, year, ground_truth)
            if section_from is not None:
                table["section"] = sections_of(table["path"], base, section_from)
            why = f"DCASE Challenge layout (names such as {Path(table['path'].iloc[0]).name})"
        else:
            table = folder_table(base, files, section_from=section_from, healthy=healthy)
            why = _why_folder(base, files, layout, section_from, healthy)
    if ground_truth is not None and layout != "challenge":
        raise ValueError(
            f"ground_truth={str(ground_truth)!r} is about the challenge's clips, and {label} holds none ({why})."
        )
    table = table[table["machine"].isin(chosen_machines(machine, set(table["machine"]), label))]
    table = table.reset_index(drop=True)
    if year is not None:
        table.attrs["year"] = int(year)
    table.attrs["layout"] = layout
    machines = sorted(set(table["machine"]))
    named = (
        f"machine {machines[0]}" if len(machines) == 1 else f"{len(machines)} machines: {', '.join(machines)}"
    )
    table.attrs["decided"] = f"{label}: {why}; {named}; {_counts(table)}."
    return table


def _expanded(where):
    """Return existing and missing paths, each once, with wildcards expanded."""
    if isinstance(where, (str, os.PathLike)):
        where = [where]
    names: dict[Path, None] = {}
    for pattern in where:
        path = Path(pattern).expanduser()
        fitting = [] if os.path.lexists(path) else map(Path, sorted(glob.glob(str(path), recursive=True)))
        names |= dict.fromkeys([name for name in fitting if not is_hidden(name.name)] or [path])
    if not names:
        raise ValueError(f"where={where!r} names nothing: give a path, a wildcard or a list of these.")
    return list(names)


def _files(given):
    """Return the common parent folder of the given paths, and their sound files; warn of other files."""
    if len(given) == 1 and given[0].is_dir():
        base = given[0]
    else:
        if len({name.is_absolute() for name in given}) > 1:
            given = [name.absolute() for name in given]
        base = Path(os.path.commonpath([name if name.is_dir() else name.parent for name in given]))
    others = [name for name in given if name.is_file() and not is_audio(name)]
    unreadable = list(filter(is_unreadable, others))
    warn_of_unreadable(unreadable)
    if len(others) == len(given):
        listed = ", ".join(map(str, others[:20]))
        raise ValueError(f"None of the files can be read as sound: {listed}; a CSV file is read by itself.")
    if others := [str(name) for name in others if name not in unreadable]:
        warn_of("files are no sound files and are left out", others)
    return base, [path for path in map(Path, find_recordings(given)) if is_audio(path)]


def _layout(base, files):
    """Decide: challenge, labelled or plain."""
    folders, outside = clip_folders(base, files)
    anomalous = is_anomalous_place(base)
    if anomalous and all(folder.split is None for folder in folders):
        return "labelled"  # whatever the files in it are called
    n_fitting, is_challenge, is_told = 0, False, False
    for folder in folders:
        names = [
            parse_clip_name(path.name, supplemental=folder.split == "supplemental") for path in folder.paths
        ]
        # in a folder of any name, id_01_0001.wav may be anybody's
        fitting = [name for name in names if name and (folder.split is not None or name.y is not None)]
        is_challenge |= 2 * len(fitting) >= len(names)
        is_told |= any(name.y is not None for name in fitting)
        n_fitting += len(fitting)
    n_sorted = sum(_has_label(base, path) for path in outside)
    n_others = n_sorted if is_told else len(outside)  # as it may be in one called test that lies among others
    if is_challenge and n_fitting >= n_others:
        return "challenge"
    return "labelled" if n_sorted or anomalous else "plain"


def _has_label(base, path):
    return any(as_word(part) in LABELS for part in path.relative_to(base).parts[:-1])


def _why_folder(base, files, layout, section_from, healthy):
    folders = {part for path in files for part in path.relative_to(base).parts[:-1]}
    if healthy:
        why = "taken as healthy, as asked for"
    elif layout == "plain":
        why = "no names of the challenge, no folders called normal, anomalous ...: taken as healthy"
        tables = sorted(path.name for path in base.glob("*.csv") if not is_hidden(path.name))
        if tables:
            why += f" (not looked at: {', '.join(tables[:5])}, which may know more and can be given instead)"
    elif labels := sorted(name for name in folders if as_word(name) in LABELS):
        why = f"labelled by folders called {', '.join(labels)}"
    else:
        name = is_anomalous_place(base)
        why = f"anomalous, as in a folder called {name} (healthy=True, --healthy: taken as healthy)"
    others = sorted(name for name in folders if not has_meaning(name))
    if len(others) > 1 and section_from is None:
        listed = ", ".join(others[:5]) + (" ..." if len(others) > 5 else "")
        why += f"; folders {listed} taken together (section_from, --section-from parent: told apart)"
    return why


def _why_csv(path):
    column = label_column(read_text_csv(path))
    told = f"labels in its column {column}" if column else "no column y or label: taken as healthy"
    return f"CSV file, {told}"


def _counts(table):
    """Return the numbers of recordings of each split and label, in words."""
    parts = []
    for split, rows in table.groupby("split", sort=False):
        kinds = {"healthy": 1, "anomalous": -1}
        numbers = {kind: int((rows["y"] == y).sum()) for kind, y in kinds.items()}
        numbers["without label"] = int(rows["y"].isna().sum())
        parts.append(f"{len(rows)} {split} ({', '.join(f'{n} {kind}' for kind, n in numbers.items() if n)})")
    return ", ".join(parts)
