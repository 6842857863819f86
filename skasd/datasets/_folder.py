"""Recordings of your own: a folder or a CSV file, loaded as the same table as the challenge's."""

import re
import warnings
from pathlib import Path
from typing import Literal

import pandas as pd

from .._csv_tables import read_text_csv
from .._typing import PathName
from ._dcase import COLUMNS, as_table
from ._names import AUDIO_EXTENSIONS, parse_attributes, parse_clip_name, sound_files
from ._words import ANOMALOUS, DOMAINS, HEALTHY, LABELS, SPLITS, as_word, has_meaning, innermost

_ABOVE = 3  # a folder's own name and those of the two above it
_PATH_COLUMNS = ("path", "file", "filename", "file_name")


def load_folder(
    folder_or_csv: str | PathName,
    *,
    machine: str | None = None,
    section_from: Literal["parent"] | str | None = None,
    healthy: bool = False,
) -> pd.DataFrame:
    """Load recordings of your own machines as one table.

    Reads only file names (and the CSV file). Pass the table's paths to an estimator, which reads the sound.

    Parameters
    ----------
    folder_or_csv : str or path-like
        Either a folder, searched with all its subfolders, or a CSV file with a row per clip.

        In a folder, these names of subfolders, at any depth and in any case, have a meaning:

        - normal: ``normal``, ``healthy``, ``good``, ``ok``;
        - anomalous: ``anomalous``, ``anomaly``, ``anomalies``, ``abnormal``, ``faulty``, ``fault``, ``broken``,
          ``defective``, ``failed``, ``bad``, ``ng``, ``nok``;
        - some words for either in Chinese, French, German, Italian, Japanese and Spanish, which the user guide on data
          sets lists;
        - split: ``train``, ``test``, ``supplemental``; domain: ``source``, ``target``.

        The innermost name counts. An anomalous name also counts if it belongs to the given folder or to one of the two
        folders above it, so that a subfolder means the same whether it or the whole tree is loaded. Hidden files and
        folders are left out.

        A folder without any subfolder of the first two kinds holds healthy recordings only, except for clips in
        ``test`` and ``supplemental`` folders, which stay unlabelled. What the folders do not say is taken from the file
        names if these are the challenge's labelled names.

        A CSV file has a header and a column ``path`` (or ``file``, ``filename``, ``file_name``; relative to the CSV
        file). Optional columns: ``y`` (+1 normal, -1 anomalous), or ``label`` (one of the words above, or the
        challenge's 0 normal / 1 anomalous), an empty cell meaning unknown; ``machine``, ``section``, ``domain``,
        ``split``, ``attribute``. Without ``y`` and ``label``, all clips are healthy except those of split "test"
        (unlabelled) and those in folders with an anomalous name. Other columns are passed on unchanged.
    machine : str, default=None
        Value of the column ``machine``. ``None`` takes the folder's name or, if that has a meaning as above, the name
        of the next folder above it. A column in the CSV file has precedence.
    section_from : "parent" or str, default=None
        Where the sections come from. ``None``: there is one section, "00". ``"parent"``: the folder that holds the clip
        (folders whose names have a meaning are skipped). Any other string: a regular expression searched for in the
        path relative to the folder (with ``/``); the section is its group named ``section``, else its first group, else
        the whole match. A column ``section`` in the CSV file has precedence.
    healthy : bool, default=False
        Treat all recordings as healthy, whatever the folders are called. Labels in the challenge's file names and in
        CSV files are kept.

    Returns
    -------
    table : pandas.DataFrame
        One row per clip with the columns of :func:`load_dcase`: ``path``, ``machine``, ``section``, ``domain``
        ("source" by default), ``split``, ``set`` ("dev"), ``y`` (nullable integer), ``attribute`` and ``attributes``.
        If no split is given, normal clips are "train" and all others "test". To measure a false-alarm rate, hold out
        normal clips, for instance with :func:`sklearn.model_selection.train_test_split`.

    Raises
    ------
    FileNotFoundError
        If the folder or CSV file does not exist, or the CSV file lists files that do not exist.
    ValueError
        If there are no sound files, a label is none of the above, or `section_from` fails to match a path.

    Warns
    -----
    UserWarning
        If some clips lie outside the normal and anomalous folders; their ``y`` is missing. If sound files have a format
        that cannot be read, such as m4a; they are left out.

    See Also
    --------
    load_recordings : Detect the layout of a folder, and load it.
    load_dcase : Load a data set of the DCASE Challenge.

    Examples
    --------
    >>> import tempfile, soundfile, numpy as np
    >>> from pathlib import Path
    >>> from skasd.datasets import load_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ["pump/normal/1.wav", "pump/normal/2.wav", "pump/anomalous/1.wav"]:
    ...         path = Path(folder, name)
    ...         path.parent.mkdir(parents=True, exist_ok=True)
    ...         soundfile.write(path, np.zeros(160), 16000)
    ...     table = load_folder(folder, section_from="parent")
    >>> table[["section", "split", "y"]]
      section  split  y
    0    pump   test -1
    1    pump  train  1
    2    pump  train  1
    """
    where = Path(folder_or_csv).expanduser()
    if where.is_dir():
        return folder_table(where, sound_files(where), machine, section_from, healthy)
    if where.is_file():
        return csv_table(where, machine, section_from, healthy)
    raise FileNotFoundError(f"{str(where)!r} is neither a folder nor a CSV file")


def folder_table(base, files, machine=None, section_from=None, healthy=False):
    """Return the table of sound files at or below a folder; see `load_folder`."""
    table = _from_folder(base, files, healthy)
    if section_from is not None:
        table["section"] = sections_of(table["path"], base, section_from)
    return _completed(table, base, machine, None)


def csv_table(path, machine=None, section_from=None, healthy=False):
    """Return the table of a CSV file; see `load_folder`."""
    return _completed(_from_csv(path, healthy), path.parent, machine, section_from)


def _completed(table, base, machine, section_from):
    """Fill in the columns that are still missing."""
    if "machine" not in table:
        table["machine"] = machine or next(
            (part for part in reversed(base.resolve().parts[1:]) if not has_meaning(part)), "machine"
        )
    if "section" not in table:
        table["section"] = sections_of(table["path"], base, section_from)
    if "domain" not in table:
        table["domain"] = "source"
    if "split" not in table:
        table["split"] = [None] * len(table)
    default_split = pd.Series(["train" if y == 1 else "test" for y in table.y.fillna(0)], index=table.index)
    table["split"] = table.split.where(table.split.notna(), default_split).astype(str)
    if "attribute" not in table:
        table["attribute"] = ""
    table["attribute"] = table.attribute.fillna("").astype(str)
    table["attributes"] = [parse_attributes(raw) for raw in table.attribute]
    table["set"] = "dev"
    others = [name for name in table.columns if name not in COLUMNS]
    return table[[*COLUMNS, *others]]


def _compile(section_from):
    try:
        return re.compile(section_from)
    except (re.error, TypeError) as error:
        raise ValueError(
            f"section_from={section_from!r} is neither 'parent' nor a regular expression: {error}"
        ) from error


def is_anomalous_place(folder):
    """Return the name that marks a folder as anomalous: its own or that of one of the two above it; else None."""
    label = innermost(folder.resolve().parts[-_ABOVE:], LABELS)
    return label if LABELS.get(label) == -1 else None


def _from_folder(folder, files, healthy):
    above = is_anomalous_place(folder)
    rows, sorted_in = [], False
    for path in files:
        folders = path.relative_to(folder).parts[:-1]
        label = None if healthy else innermost(folders, LABELS) or above
        sorted_in |= label is not None
        name = parse_clip_name(path.name)
        if name is not None and name.y is None:
            name = None  # id_01_0001.wav may be anybody's
        rows.append(
            {
                "path": str(path),
                "y": LABELS[label] if label else name and name.y,
                "domain": innermost(folders, DOMAINS) or (name.domain if name else "source"),
                "split": innermost(folders, SPLITS) or (name and name.split),
                "attribute": name.attribute if name else "",
                "section": name.section if name else "00",
            }
        )
    if not rows:
        raise ValueError(f"no sound file in {folder} or below: looked for *{{{','.join(AUDIO_EXTENSIONS)}}}")
    unlabelled = [row for row in rows if row["y"] is None]
    if not sorted_in:
        for row in unlabelled:
            row["y"] = 1 if healthy or row["split"] in (None, "train") else None
    elif unlabelled:
        warnings.warn(
            f"{len(unlabelled)} of {len(rows)} clips lie neither in a normal nor in an anomalous folder; "
            f"they stay unlabelled (first: {unlabelled[0]['path']})",
            UserWarning,
        )
    return as_table(rows)


def _from_csv(path, healthy):
    table = read_text_csv(path)
    column = next((name for name in _PATH_COLUMNS if name in table), None)
    if column is None:
        raise ValueError(
            f"{path} has no column 'path' (or {', '.join(_PATH_COLUMNS[1:])}); it has {list(table.columns)}"
        )
    if table.empty:
        raise ValueError(f"{path} has no clips")
    table = table.rename(columns={column: "path"})
    for name in [name for name in ("path", "machine", "section") if name in table]:
        if empty := list(table.index[table[name].isna()] + 2):
            raise ValueError(f"{path} has no {name} in line(s) {empty}")
    table["path"] = [str(path.parent / Path(name.strip()).expanduser()) for name in table.path]
    missing = [name for name in table.path if not Path(name).is_file()]
    if missing:
        listed = "\n  ".join(missing[:20])
        raise FileNotFoundError(f"{path} lists {len(missing)} files that do not exist:\n  {listed}")
    return (
        table.assign(y=_labels(table, path, healthy))
        .astype({"y": "Int64"})
        .drop(columns=["label"], errors="ignore")
    )


def label_column(table):
    """Return the name of the label column of a CSV file's table, or None."""
    return next((name for name in ("y", "label") if name in table), None)


def _labels(table, path, healthy):
    column = label_column(table)
    if column == "y":
        allowed = {"1": 1, "+1": 1, "1.0": 1, "-1": -1, "-1.0": -1}
        expected = "+1 (normal), -1 (anomalous; for 0 and 1 call the column 'label')"
    elif column == "label":
        allowed = {"0": 1, "0.0": 1, "1": -1, "1.0": -1, **LABELS}
        words = ", ".join((*HEALTHY["English"], *ANOMALOUS["English"]))
        expected = f"0 (normal), 1 (anomalous) or one of {words} (or the like in another language)"
    else:
        tested = table.split == "test" if "split" in table else [False] * len(table)
        folders = [Path(clip).parent for clip in table.path]
        anomalous = set() if healthy else {folder for folder in set(folders) if is_anomalous_place(folder)}
        return [
            -1 if folder in anomalous else None if is_test else 1
            for is_test, folder in zip(tested, folders, strict=True)
        ]
    cells = table[column].str.strip().map(as_word, na_action="ignore")
    wrong = sorted(set(cells.dropna()) - set(allowed))
    if wrong:
        raise ValueError(f"{path}: column {column!r} has {wrong}, expected {expected} or an empty cell")
    return [None if pd.isna(cell) else allowed[cell] for cell in cells]


def sections_of(paths, base, section_from):
    """Return the section of each path; see `load_folder`."""
    if section_from is None:
        return ["00"] * len(paths)
    pattern = None if section_from == "parent" else _compile(section_from)
    sections, unmatched = [], []
    for path in map(Path, paths):
        relative = path.relative_to(base) if path.is_relative_to(base) else path
        if pattern is None:
            sections.append(next((p for p in reversed(relative.parts[:-1]) if not has_meaning(p)), "00"))
            continue
        match = pattern.search(relative.as_posix())
        if match is None:
            unmatched.append(str(path))
        elif "section" in pattern.groupindex:
            sections.append(match["section"])
        else:
            sections.append(match[1] if pattern.groups else match[0])
    if unmatched:
        listed = "\n  ".join(unmatched[:20])
        raise ValueError(
            f"section_from={section_from!r} matches nothing in {len(unmatched)} of the paths:\n  {listed}"
        )
    return sections
