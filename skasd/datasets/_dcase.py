"""The data sets of DCASE Challenge Task 2, every year in one table."""

import numbers
import warnings
from collections import Counter
from pathlib import Path

import pandas as pd

from ._ground_truth import read_correspondence, read_ground_truth, rows_of
from ._names import AUDIO_EXTENSIONS, is_audio, parse_attributes, parse_clip_name, stem_of

_SPLITS = {
    "train": "train",
    "test": "test",
    "source_test": "test",
    "target_test": "test",
    "supplemental": "supplemental",
}
_YEARS = range(2020, 2027)
_LISTED = 50  # names in one warning


def load_dcase(root, machine=None, year=None, *, ground_truth=None):
    """Load the clips of a DCASE Challenge Task 2 data set (2020-2026) as one table.

    Nothing is read but names and small CSV files: the table's paths go to an estimator, which reads the
    sound.

    Parameters
    ----------
    root : str or path-like
        Folder of the data set: the one that holds ``dev_data`` and/or ``eval_data``, either of these (with or
        without the ``raw`` folder of the later baselines), or the folder of one machine.
    machine : str or list of str, default=None
        Machine type(s) to load, as the folders are named; ``None`` loads all.
    year : int, default=None
        Year of the challenge, 2020 to 2026. ``None`` infers the layout from the names; a year restricts them
        to that year's (2020: IDs, later: sections), and chooses among several lists in `ground_truth`.
    ground_truth : str or path-like, default=None
        Where the labels of evaluation clips are: a checkout of the official evaluator (``ground_truth_data``,
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
        - ``y`` : nullable integer, +1 normal, -1 anomalous, missing where not known (evaluation clips without
          ground truth, supplemental clips). It is missing rather than 0 so that it cannot pass for a class;
        - ``attribute`` : str, the raw attribute string of the name; "" where there is none or
          ``noAttribute``;
        - ``attributes`` : dict of str to str, the same taken apart as well as that can be done, or from the
          machine's ``attributes_NN.csv`` where there is one. Supplemental clips have the extra key
          "supplemental" ("machine" or "noise").

        ``table.attrs["year"]`` is the year, if given: the rules by which `skasd.benchmark` evaluates.

    Raises
    ------
    FileNotFoundError
        If `root` or `ground_truth` does not exist.
    ValueError
        If there are no sound files, no such machine, two copies of a clip, or a ground truth that labels none
        of the clips.

    Warns
    -----
    UserWarning
        Once for all sound files whose names fit no pattern (they are not in the table), and once if the
        ground truth lacks some of the unlabelled clips.

    See Also
    --------
    load_folder : Load a folder of recordings of your own.
    make_machine_sounds : Synthetic machines, without any download.

    Notes
    -----
    The parser accepts what the published sets contain: names without ``_test_`` (RoboticArm, 2024), with a
    trailing ``_`` (2025), attributes that are no key-value pairs, wav and flac in any case, hidden files. The
    evaluation clips of 2022 take only labels and domains from the evaluator: the attributes it publishes for
    ToyCar and ToyTrain are scrambled, and so are labels and domains in ``eval_data_list_2022.csv``, which is
    refused. Clips of 2026 have two channels (0 near, 1 far microphone); the official baseline listens to
    channel 0, which is ``channel=0`` of the feature extractors.

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
    if year is not None and (not isinstance(year, numbers.Integral) or year not in _YEARS):
        raise ValueError(f"year={year!r} is not one of 2020 to 2026 (None infers the layout from the names)")

    rows, unfit = [], []
    for folder in _select(list(_machine_folders(root)), machine, root):
        new_rows, new_unfit = _read_machine(folder, year)
        rows += new_rows
        unfit += new_unfit
    if unfit:
        _warn_of("sound files fit no pattern of the challenge and are not in the table", unfit)
    if not rows:
        what = "no sound file" if not unfit else "no sound file with a name of the challenge"
        raise ValueError(
            f"{what} in {root} (machine={machine!r}, year={year!r}): looked in it, dev_data and "
            f"eval_data for <machine>/{{{','.join(_SPLITS)}}}/*{{{','.join(AUDIO_EXTENSIONS)}}}"
        )
    _refuse_duplicates(rows)
    if ground_truth is not None:
        _apply_ground_truth(rows, read_ground_truth(ground_truth, year), ground_truth)
    rows.sort(
        key=lambda row: (row["machine"], row["set"], row["split"] != "train", row["split"], row["path"])
    )
    table = as_table([{name: value for name, value in row.items() if name != "key"} for row in rows])
    if year is not None:
        table.attrs["year"] = int(year)
    return table


def as_table(rows):
    """Make the table of a list of row dicts; ``y`` becomes a nullable integer."""
    table = pd.DataFrame(rows)
    return table.astype({"y": "Int64"})


def _subfolders(folder):
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _machine_folders(folder, depth=4):
    """Yield machines: the folders that hold a train, test ... folder, down to a depth."""
    children = _subfolders(folder)
    if any(child.name in _SPLITS for child in children):
        yield folder
    elif depth:
        for child in children:
            yield from _machine_folders(child, depth - 1)


def _select(folders, machine, root):
    if not folders:
        raise ValueError(
            f"no sound file in {root}: no folder with a train or test folder in it "
            "(expected <root>/{dev_data,eval_data}/[raw/]<machine>/{train,test}/); "
            "load_folder reads recordings in any other order"
        )
    if machine is None:
        return folders
    wanted = [machine] if isinstance(machine, str) else list(machine)
    present = sorted({_machine_name(folder) for folder in folders})
    unknown = [name for name in wanted if name not in present]
    if unknown:
        raise ValueError(f"machine={machine!r}: no {unknown} in {root}, which has {present}")
    return [folder for folder in folders if _machine_name(folder) in wanted]


def _machine_name(folder):
    return folder.resolve().name


def _set_of(folder):
    """Tell dev from eval by the nearest folder of that name above the machine, if there is one."""
    for part in reversed(folder.resolve().parts[:-1]):
        if part.lower().startswith(("dev_data", "eval_data")):
            return "dev" if part.lower().startswith("dev") else "eval"
    return None


def _read_machine(folder, year):
    rows, unfit = [], []
    for split_folder in _subfolders(folder):
        split = _SPLITS.get(split_folder.name)
        if split is None:
            continue
        for path in sorted(split_folder.iterdir()):
            if not is_audio(path):
                continue
            name = parse_clip_name(path.name, year=year, supplemental=split == "supplemental")
            if name is None:
                unfit.append(str(path))
                continue
            attributes = parse_attributes(name.attribute)
            if name.kind is not None:
                attributes = {"supplemental": name.kind, **attributes}
            row = {
                "path": str(path),
                "machine": _machine_name(folder),
                "section": name.section,
                "domain": name.domain,
                "split": split,
                "set": _set_of(folder),
                "y": name.y,
                "attribute": name.attribute,
                "attributes": attributes,
                "key": name.key,
            }
            if row["domain"] is None and split_folder.name != "test" and split == "test":
                row["domain"] = split_folder.name.removesuffix("_test")
            rows.append(row)
    # without a dev_data or eval_data folder: only evaluation sets have unlabelled test clips
    unlabelled = any(row["split"] == "test" and row["y"] is None for row in rows)
    for row in rows:
        row["set"] = row["set"] or ("eval" if unlabelled else "dev")
    _merge_attribute_files(folder, rows)
    return rows, unfit


def _merge_attribute_files(folder, rows):
    """Fill in what ``attributes_NN.csv`` and ``attributes_NN_*_correspondence.csv`` know of the clips."""
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
            split = _SPLITS.get(name.replace("\\", "/").split("/")[-2]) if "/" in name else None
            candidates = [split] if split else ["train", "test"]
            pairs = {key: value for key, value in zip(cells[::2], cells[1::2], strict=False) if key}
            for candidate in candidates:
                row = by_name.get((candidate, stem_of(name)))
                # not for unlabelled clips: of those 2022 published scrambled attributes in this form
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
        _warn_of("unlabelled clips are not in the ground truth and stay unlabelled", missing)


def _warn_of(what, paths):
    listed = "\n  ".join(paths[:_LISTED])
    more = f"\n  and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    warnings.warn(f"{len(paths)} {what}:\n  {listed}{more}", UserWarning)
