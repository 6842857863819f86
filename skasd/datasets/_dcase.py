"""The data sets of DCASE Challenge Task 2, every year in one table."""

import numbers
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from .._typing import PathName
from ._ground_truth import read_correspondence, read_ground_truth, rows_of
from ._names import AUDIO_EXTENSIONS, parse_attributes, parse_clip_name, sound_files, stem_of, warn_of

_SPLITS = {
    "train": "train",
    "test": "test",
    "source_test": "test",
    "target_test": "test",
    "supplemental": "supplemental",
}
_YEARS = range(2020, 2027)
COLUMNS = ("path", "machine", "section", "domain", "split", "set", "y", "attribute", "attributes")


def load_dcase(
    root: str | PathName,
    machine: str | Sequence[str] | None = None,
    year: int | None = None,
    *,
    ground_truth: str | PathName | None = None,
) -> pd.DataFrame:
    """Load the clips of a DCASE Challenge Task 2 data set (2020-2026) as one table.

    Reads only file names and small CSV files. Pass the table's paths to an estimator, which reads the sound.

    Parameters
    ----------
    root : str or path-like
        Folder of the data set: the one that holds ``dev_data`` and/or ``eval_data``, either of these (with or without
        the ``raw`` folder of the later baselines), the folder of one machine, one of its folders ``train``, ``test``,
        ``source_test``, ``target_test`` and ``supplemental``, or a folder of any name that contains such clips
        directly: the split then comes from the file names, and the folder is the machine.
    machine : str or list of str, default=None
        Machine type(s) to load, as the folders are named; ``None`` loads all.
    year : int, default=None
        Year of the challenge, 2020 to 2026. ``None`` infers the layout from the names. A year accepts only that year's
        names (2020: IDs, later: sections), and selects one of several lists in `ground_truth`.
    ground_truth : str or path-like, default=None
        Source of the labels of evaluation clips: a checkout of the official evaluator (``ground_truth_data``,
        ``ground_truth_domain`` and, 2023 and later, ``ground_truth_attributes``), the organisers'
        ``eval_data_list_<year>.csv`` or the folder with it, or a folder of
        ``<machine>/attributes_00_test_correspondence.csv`` (2024 and 2025).

    Returns
    -------
    table : pandas.DataFrame
        One row per clip, sorted by machine, set, split and name, with the columns

        - ``path`` : str;
        - ``machine`` : str, machine type;
        - ``section`` : str of digits, the machine ID in 2020. Unique within a machine only:
          ``table.machine + "_" + table.section`` tells the sections of several machines apart;
        - ``domain`` : "source" or "target"; "source" throughout in 2020, which had one domain; missing for
          evaluation clips without ground truth (2022 and later);
        - ``split`` : "train", "test" or "supplemental" (2025 and later: clean machine or noise alone);
        - ``set`` : "dev" or "eval";
        - ``y`` : nullable integer, +1 normal, -1 anomalous, missing if unknown (evaluation clips without ground truth,
          supplemental clips). It is missing rather than 0 so that it cannot be mistaken for a class;
        - ``attribute`` : str, the raw attribute string of the file name; "" if there is none or it is ``noAttribute``;
        - ``attributes`` : dict of str to str, the same, parsed as far as possible, or taken from the machine's
          ``attributes_NN.csv`` if there is one. Supplemental clips have the extra key "supplemental" ("machine" or
          "noise").

        ``table.attrs["year"]`` is the year, if given or shown by the folders (2021: ``source_test``, ``target_test``):
        the rules by which `skasd.benchmark` evaluates.

    Raises
    ------
    FileNotFoundError
        If `root` or `ground_truth` does not exist.
    ValueError
        If there are no sound files, no such machine, two copies of a clip, two folders of a machine (for example the
        data sets of two years side by side), or a ground truth that labels none of the clips.

    Warns
    -----
    UserWarning
        Once for all sound files whose names or folders match no pattern (they are left out of the table), and once if
        the ground truth lacks some of the unlabelled clips.

    See Also
    --------
    load_recordings : Detect the layout of a folder, and load it.
    load_folder : Load a folder of recordings of your own.
    make_machine_sounds : Synthetic machines, without any download.

    Notes
    -----
    The parser accepts what the published sets contain: names without ``_test_`` (RoboticArm, 2024), with a trailing
    ``_`` (2025), attributes that are not key-value pairs, wav and flac in upper or lower case, hidden files and folders
    (left out). For the evaluation clips of 2022, only labels and domains are taken from the evaluator: the attributes
    it publishes for ToyCar and ToyTrain are scrambled, and so are labels and domains in ``eval_data_list_2022.csv``,
    which is refused. Clips of 2026 have two channels (0 near, 1 far microphone); the official baseline uses channel 0,
    which is ``channel=0`` of the feature extractors.

    Examples
    --------
    >>> import tempfile
    >>> from skasd.datasets import load_dcase, write_machine_sounds
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_machine_sounds(folder, n_train=4, n_test=4, duration=0.1, random_state=0)
    ...     table = load_dcase(folder)
    >>> train = table.query("split == 'train'")
    >>> len(train), sorted(train.domain.unique())
    (4, ['source', 'target'])
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"root={str(root)!r} is not a folder")
    return challenge_table(root, sound_files(root), machine, year, ground_truth)


def challenge_table(base, files, machine=None, year=None, ground_truth=None):
    """Return the table of sound files at or below a folder; see `load_dcase`."""
    check_year(year)
    folders, outside = clip_folders(base, files)
    folders = _select(folders, machine, base)
    rows, unfit = [], []
    for place in dict.fromkeys(folder.machine for folder in folders):
        new_rows, new_unfit = _read_machine(place, [f for f in folders if f.machine == place], year)
        rows += new_rows
        unfit += new_unfit
    places = {folder.machine for folder in folders}
    unfit += [path for path in outside if machine is None or places & set(_place(base, path).parents)]
    if unfit:
        warn_of(
            "sound files fit no pattern of the challenge and are not in the table", sorted(map(str, unfit))
        )
    if not rows:
        what = "no sound file" if not unfit else "no sound file with a name of the challenge"
        raise ValueError(
            f"{what} in {base} (machine={machine!r}, year={year!r}): looked in it, dev_data and "
            f"eval_data for <machine>/{{{','.join(_SPLITS)}}}/*{{{','.join(AUDIO_EXTENSIONS)}}}"
        )
    _refuse_duplicates(rows)
    if ground_truth is not None:
        _apply_ground_truth(rows, read_ground_truth(ground_truth, year), ground_truth)
    rows.sort(
        key=lambda row: (row["machine"], row["set"], row["split"] != "train", row["split"], row["path"])
    )
    table = as_table([{name: row[name] for name in COLUMNS} for row in rows])
    if year is None and any(folder.domain is not None for folder in folders):
        year = 2021  # test clips lie in source_test and target_test, as in no other year
    if year is not None:
        table.attrs["year"] = int(year)
    return table


def check_year(year):
    """Raise unless there was a challenge that year; None passes."""
    if year is not None and (not isinstance(year, numbers.Integral) or year not in _YEARS):
        raise ValueError(f"year={year!r} is not one of 2020 to 2026 (None infers the layout from the names)")


def as_table(rows):
    """Make the table of a list of row dicts; ``y`` becomes a nullable integer."""
    table = pd.DataFrame(rows)
    return table.astype({"y": "Int64"})


class ClipFolder(NamedTuple):
    """A folder that holds clips of one split of one machine, judging by its position."""

    machine: Path  # the machine's folder, absolute
    split: str | None  # None: the names tell
    domain: str | None
    paths: list[Path]


def clip_folders(base, files):
    """Sort sound files at or below a folder by their position in the challenge's layout.

    Returns the folders called train, test ..., or the folder itself if there are none, and the files in other folders.
    """
    by_parent: dict[Path, list[Path]] = {}
    for path in files:
        by_parent.setdefault(path.parent, []).append(path)
    folders, outside = [], []
    for parent, paths in by_parent.items():
        place = _place(base, parent)
        split = _SPLITS.get(place.name.lower())
        if split is None:
            outside += paths
        else:
            domain = place.name.lower().removesuffix("_test") if place.name.lower() != split else None
            folders.append(ClipFolder(place.parent, split, domain, paths))
    if not folders and base in by_parent:
        folders = [ClipFolder(_place(base, base), None, None, by_parent[base])]
        outside = [path for path in outside if path.parent != base]
    return folders, outside


def _place(base, path):
    """Return the absolute path: `base` is resolved if it is a link, links below it are not."""
    return Path(os.path.abspath(base.resolve() / path.relative_to(base)))


def _select(folders, machine, root):
    if not folders:
        raise ValueError(
            f"no sound file in {root}: no folder with a train or test folder in it that holds "
            f"*{{{','.join(AUDIO_EXTENSIONS)}}} "
            "(expected <root>/{dev_data,eval_data}/[raw/]<machine>/{train,test}/); "
            "load_folder reads recordings in any other order"
        )
    chosen = chosen_machines(machine, {folder.machine.name for folder in folders}, root)
    return [folder for folder in folders if folder.machine.name in chosen]


def chosen_machines(machine, present, where):
    """Return the names of the requested machines; all for None."""
    if machine is None:
        return present
    chosen = {machine} if isinstance(machine, str) else set(machine)
    if unknown := sorted(chosen - present):
        raise ValueError(
            f"There is no machine {', '.join(map(repr, unknown))} in {where}; there are {', '.join(sorted(present))}."
        )
    return chosen


def _set_of(folder):
    """Tell dev from eval by the nearest folder of that name above the machine, if there is one."""
    for part in reversed(folder.parts[:-1]):
        if part.lower().startswith(("dev_data", "eval_data")):
            return "dev" if part.lower().startswith("dev") else "eval"
    return None


def _read_machine(place, folders, year):
    rows, unfit = [], []
    for folder in folders:
        for path in folder.paths:
            name = parse_clip_name(path.name, year=year, supplemental=folder.split == "supplemental")
            if name is None:
                unfit.append(path)
                continue
            attributes = parse_attributes(name.attribute)
            if name.kind is not None:
                attributes = {"supplemental": name.kind, **attributes}
            split = folder.split or name.split or ("train" if name.y == 1 else "test")
            row = {
                "path": str(path),
                "machine": place.name,
                "section": name.section,
                "domain": name.domain or folder.domain,
                "split": split,
                "set": _set_of(place),
                "y": name.y,
                "attribute": name.attribute,
                "attributes": attributes,
                "key": name.key,
                "place": place,
            }
            rows.append(row)
    # without a dev_data or eval_data folder: only evaluation sets have unlabelled test clips
    unlabelled = any(row["split"] == "test" and row["y"] is None for row in rows)
    for row in rows:
        row["set"] = row["set"] or ("eval" if unlabelled else "dev")
    _merge_attribute_files(place, rows)
    return rows, unfit


def _merge_attribute_files(folder, rows):
    """Fill in what ``attributes_NN.csv`` and ``attributes_NN_*_correspondence.csv`` say about the clips."""
    by_name = {(row["split"], stem_of(row["path"])): row for row in rows}
    for path in sorted(folder.glob("attributes_*.csv")):
        if path.stem.endswith("_correspondence"):
            split = "train" if "_train_" in path.name else "test"
            for full_name, released in read_correspondence(path):
                full, row = parse_clip_name(full_name), by_name.get((split, stem_of(released)))
                if full is None or row is None:
                    continue
                row["y"] = full.y if row["y"] is None else row["y"]
                row["domain"] = row["domain"] or full.domain
                if full.attribute:
                    row["attribute"], row["attributes"] = full.attribute, parse_attributes(full.attribute)
            continue
        for name, *cells in rows_of(path):
            split = _SPLITS.get(name.replace("\\", "/").split("/")[-2].lower()) if "/" in name else None
            candidates = [split] if split else ["train", "test"]
            pairs = {key: value for key, value in zip(cells[::2], cells[1::2], strict=False) if key}
            for candidate in candidates:
                row = by_name.get((candidate, stem_of(name)))
                # not for unlabelled clips: 2022 published scrambled attributes of them in this form
                if (
                    row is not None
                    and row["y"] is not None
                    and pairs
                    and not any(key.lower() == "noattribute" for key in pairs)
                ):
                    row["attributes"] = pairs
                    row["attribute"] = row["attribute"] or "_".join(
                        f"{k}_{v}" if v else k for k, v in pairs.items()
                    )


def _refuse_duplicates(rows):
    seen = {}
    for row in rows:
        identity = (row["machine"], row["set"], row["split"], stem_of(row["path"]))
        if identity in seen:
            raise ValueError(
                f"the same clip twice: {seen[identity]} and {row['path']}; "
                "remove one copy, or point root at one of the folders"
            )
        seen[identity] = row["path"]
    places: dict[tuple, Path] = {}
    for row in rows:
        kind = (row["machine"], row["set"], row["split"])
        if (place := places.setdefault(kind, row["place"])) != row["place"]:
            raise ValueError(
                f"two folders hold {row['split']} clips of a machine {row['machine']!r} ({row['set']}): {place} and "
                f"{row['place']}; point root at one of the data sets, or give the machines different names"
            )


def _apply_ground_truth(rows, truths, where):
    unlabelled = [row for row in rows if row["split"] == "test" and row["y"] is None]
    missing = []
    for row in unlabelled:
        section, domain, number = row["key"]
        truth = truths.get((row["machine"], row["key"])) or truths.get(
            (row["machine"], (section, row["domain"] if domain is None else None, number))
        )
        if truth is None:
            missing.append(row["path"])
            continue
        row["y"] = truth.y
        row["domain"] = row["domain"] or truth.domain
        if truth.attribute and not row["attribute"]:
            row["attribute"], row["attributes"] = truth.attribute, parse_attributes(truth.attribute)
    if unlabelled and len(missing) == len(unlabelled):
        machines = dict(Counter(machine for machine, _ in truths))
        raise ValueError(
            f"ground_truth={str(where)!r} labels none of the {len(missing)} unlabelled clips "
            f"(first: {missing[0]}); it has {machines}: is it of another year?"
        )
    if missing:
        warn_of("unlabelled clips are not in the ground truth and stay unlabelled", missing)
