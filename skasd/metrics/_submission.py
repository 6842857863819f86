"""Score files as submitted to the challenge: reading, evaluating, writing."""

from __future__ import annotations

import csv
import re
from collections import Counter
from contextlib import ExitStack
from os import PathLike
from pathlib import Path, PurePosixPath

import pandas as pd

from .._whole_file import whole_file
from ._auc import DOMAINS, check_clips, check_labels
from ._official import OfficialScore, check_year, official_score

_KINDS = {0: 1, 1: -1}  # the challenge's codes of normal and anomalous, and ours
# a file is known by (machine, section, domain in its name); domain is None except in 2021
_Key = tuple[str, str, str | None]
_FILE = re.compile(
    r"(?P<kind>anomaly_score|decision_result|ground_truth)_(?:DCASE\d{4}T2)?(?P<machine>.+?)_(?:id|section)_(?P<section>\d\d)"
    r"(?:_(?P<domain>source|target))?(?:_test)?(?:_seed.*)?\.csv"
)


def evaluate_submission(folder: str | PathLike, ground_truth: str | PathLike, year: int) -> OfficialScore:
    """Evaluate a submission to DCASE Challenge Task 2 by the official rules.

    Clips are paired with the ground truth by their names; the official evaluators sort both lists and pair
    them by position, so that a missing and a surplus clip can go unnoticed.

    Parameters
    ----------
    folder : str or PathLike
        Folder of score files without header, rows ``name,score``: ``anomaly_score_<machine>_section_NN_test.csv`` (or
        without ``_test``), 2021 ``..._section_NN_{source,target}_test.csv``, 2020 ``..._id_NN.csv``. Decisions (0
        normal, 1 anomalous) in ``decision_result_...`` files of the same names are used if present. Other files are
        ignored.
    ground_truth : str or PathLike
        Checkout of that year's official evaluator: folder with ``ground_truth_data/`` and, since 2022,
        ``ground_truth_domain/``. From 2023 on, names that carry attributes are resolved by its
        ``ground_truth_attributes/``, if present. For 2020: the file ``eval_data_list.csv``.
    year : int
        2020 to 2026.

    Returns
    -------
    result : OfficialScore
        The score and the evaluator's tables.

    Raises
    ------
    FileNotFoundError
        If a folder, or the scores or decisions of a machine and section are missing.
    ValueError
        If clips are missing, unknown or duplicated, or an entry is not a number; the message names files and clips.

    See Also
    --------
    write_submission : Writes such files.
    official_score : The same from arrays.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> from skasd.metrics import evaluate_submission, write_submission
    >>> names = [f"section_00_{i:04d}.wav" for i in range(4)]
    >>> table = pd.DataFrame({"path": names, "machine": "fan", "section": 0, "anomaly_score": [1, 2, 4, 3]})
    >>> with TemporaryDirectory() as folder:
    ...     written = write_submission(Path(folder, "mine"), table, year=2023)
    ...     for kind, values in {"data": [0, 0, 1, 1], "domain": [0, 1, 0, 1]}.items():
    ...         truth = Path(folder, f"ground_truth_{kind}", "ground_truth_fan_section_00_test.csv")
    ...         truth.parent.mkdir()
    ...         pd.DataFrame({"name": names, "value": values}).to_csv(truth, header=False, index=False)
    ...     result = evaluate_submission(Path(folder, "mine"), folder, year=2023)
    >>> result
    OfficialScore(year=2023, score=1.000000, 1 machine, 4 clips)
    """
    check_year(year)
    folder = Path(folder)
    truth, aliases = _read_truth(Path(ground_truth), year)
    score_files = _files(folder, "anomaly_score")
    decision_files = _files(folder, "decision_result")
    _compare(f"{folder}: anomaly scores", truth, score_files)
    if decision_files:
        _compare(f"{folder}: decisions", truth, decision_files)
    for key, clips in truth.items():
        clips["anomaly_score"] = _values(score_files[key], clips, year, aliases.get(key))
        if decision_files:
            decision = _values(decision_files[key], clips, year, aliases.get(key))
            clips["y_pred"] = decision.map(_KINDS)
            if (wrong := decision[clips["y_pred"].isna()]).size:
                where = f"{decision_files[key]}: {wrong.index[0]}"
                raise ValueError(f"{where} has the decision {wrong.iloc[0]:g}, 0 or 1 is needed")
    table = pd.concat(truth.values()).rename_axis("clip").reset_index()
    return official_score(
        table["y"],
        table["anomaly_score"],
        year=year,
        machine=table["machine"],
        section=table["section"],
        domain=table["domain"] if year >= 2021 else None,
        y_pred=table["y_pred"] if decision_files else None,
        clip=table["machine"] + "/" + table["clip"],
    )


def write_submission(folder: str | PathLike, table: pd.DataFrame, *, year: int) -> list[Path]:
    """Write scores, and decisions if there are any, as files for submission to the challenge.

    Parameters
    ----------
    folder : str or PathLike
        Where to write; created if missing. Files of the same names are replaced once all are written; if writing fails,
        none is.
    table : DataFrame
        One row per clip with the columns ``path`` (the file's name is written), ``machine``, ``section``
        ("03", 3 or "section_03"; in 2020 the machine ID), ``anomaly_score`` (higher = more anomalous), for
        2021 ``domain``, and optionally ``y_pred`` (decisions as ``predict`` returns them, +1 normal and -1
        anomalous).
    year : int
        2020 to 2026: decides on the names of the files.

    Returns
    -------
    files : list of Path
        The files written.

    See Also
    --------
    evaluate_submission : Reads them.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> from skasd.metrics import write_submission
    >>> clip = {"path": "section_00_0000.wav", "machine": "fan", "section": 0}
    >>> clip |= {"anomaly_score": 0.5, "y_pred": 1}
    >>> with TemporaryDirectory() as folder:
    ...     for file in write_submission(folder, pd.DataFrame([clip]), year=2024):
    ...         print(file.name, file.read_text().strip())
    anomaly_score_fan_section_00_test.csv section_00_0000.wav,0.5
    decision_result_fan_section_00_test.csv section_00_0000.wav,0
    """
    check_year(year)
    needed = ["path", "machine", "section", "anomaly_score"] + ["domain"] * (year == 2021)
    if missing := [name for name in needed if name not in table]:
        raise ValueError(
            f"table lacks the column(s) {', '.join(missing)}; it has {', '.join(map(str, table.columns))}"
        )
    if table.empty:
        raise ValueError("table has no rows: there is nothing to submit")
    clips = table[needed].reset_index(drop=True)
    clips["path"] = [_clip_name(str(path), year) for path in clips["path"]]
    clips["section"] = clips["section"].map(_two_digits)
    if strange := sorted({str(m) for m in clips["machine"] if re.search(r"[\x00-\x1f/\\:*?\"<>|]", str(m))}):
        raise ValueError(f"machine must be a name that a file may have, got {strange[0]!r}")
    check_clips([1] * len(clips), clips["anomaly_score"], clips["path"], domain=clips.get("domain"))
    by = ["machine", "section"] + ["domain"] * (year == 2021)
    if (twice := clips[clips.duplicated([*by, "path"])]).size:
        raise ValueError(f"{len(twice)} clip(s) stand in the table twice, among them {twice['path'].iloc[0]}")
    columns = {"anomaly_score": "anomaly_score"}
    if "y_pred" in table:
        clips["decision"] = (check_labels("y_pred", table["y_pred"], len(clips)) == -1).astype(int)
        columns["decision_result"] = "decision"
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with ExitStack() as written:
        for key, part in clips.groupby(by, sort=True):
            for kind, column in columns.items():
                unit = "id" if year == 2020 else "section"
                tail = {2020: "", 2021: f"_{key[-1]}_test"}.get(year, "_test")
                files.append(folder / f"{kind}_{key[0]}_{unit}_{key[1]}{tail}.csv")
                name = written.enter_context(whole_file(files[-1]))
                part[["path", column]].to_csv(name, header=False, index=False, lineterminator="\n")
    return files


def _two_digits(section) -> str:
    digits = re.fullmatch(r"(?:section_|id_)?(\d{1,2})", str(section))
    if digits is None:
        raise ValueError(f"section must be a number such as 3, '03' or 'section_03', got {section!r}")
    return f"{int(digits[1]):02d}"


def _clip_name(name: str, year: int) -> str:
    """Name under which a clip is known: without folders, and without the "_test" of some lists since 2022."""
    name = PurePosixPath(name.strip().replace("\\", "/")).name
    return re.sub(r"^(section_\d\d)_test_(\d+\.\w+)$", r"\1_\2", name) if year >= 2022 else name


def _files(folder: Path, kind: str) -> dict[_Key, Path]:
    """Files of one kind in a folder by machine, section and domain."""
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    files: dict[_Key, Path] = {}
    for path in sorted(folder.glob(f"{kind}_*.csv")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise ValueError(
                f"{path}: the name does not tell machine and section, as in {kind}_fan_section_03_test.csv"
            )
        key = (match["machine"], match["section"], match["domain"])
        if key in files:
            raise ValueError(
                f"{files[key].name} and {path.name} in {folder} are for the same machine and section"
            )
        files[key] = path
    return files


def _compare(what: str, expected: dict, found: dict) -> None:
    """Raise unless there is one file for each machine and section of the ground truth, and no other."""
    names = {key: " ".join(filter(None, key)) for key in {*expected, *found}}
    if lacking := sorted(names[key] for key in expected.keys() - found.keys()):
        raise FileNotFoundError(
            f"{what} are missing for {len(lacking)} of {len(expected)}: {', '.join(lacking[:5])}"
        )
    if surplus := sorted(names[key] for key in found.keys() - expected.keys()):
        raise ValueError(f"{what} for {', '.join(surplus[:5])}, which the ground truth does not know")


def _read_pairs(path: Path, year: int, aliases: dict[str, str] | None = None) -> pd.Series:
    """Read a headerless file of ``name,number`` rows, indexed by the clips' names."""
    names, values = [], []
    with path.open(newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if not row:
                continue
            try:
                names.append(_clip_name(row[0], year))
                values.append(float(row[1]))
            except (ValueError, IndexError):
                raise ValueError(
                    f"{path}, line {number}: expected a name and a number, got {','.join(row)!r}"
                ) from None
    names = [(aliases or {}).get(name, name) for name in names]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{path}: {len(twice)} clip(s) occur more than once, among them {twice[0]}")
    return pd.Series(values, index=names, dtype=float)


def _values(path: Path, clips: pd.DataFrame, year: int, aliases: dict[str, str] | None = None) -> pd.Series:
    """Read a file in the order of the ground truth's clips."""
    found = _read_pairs(path, year, aliases)
    for what, names in {
        "missing": clips.index.difference(found.index),
        "not in the ground truth": found.index.difference(clips.index),
    }.items():
        if len(names):
            raise ValueError(f"{path}: {len(names)} clip(s) {what}: {', '.join(names[:5])}")
    return found.loc[clips.index]


def _read_truth(root: Path, year: int) -> tuple[dict[_Key, pd.DataFrame], dict[_Key, dict[str, str]]]:
    """Read labels (+1/-1) and domains, one table per file of the submission, indexed by the clips' names.

    The second result maps, where known, names with attributes to plain ones.
    """
    if year == 2020:
        return _read_truth_2020(root), {}
    data = root / "ground_truth_data"
    labels = _files(data, "ground_truth")
    if not labels:
        raise FileNotFoundError(f"no ground_truth_<machine>_section_NN_test.csv in {data}")
    domains = _files(root / "ground_truth_domain", "ground_truth") if year >= 2022 else {}
    if year >= 2022:
        _compare(f"{root}: domains", labels, domains)
    truth: dict[_Key, pd.DataFrame] = {}
    aliases: dict[_Key, dict[str, str]] = {}
    for key, path in labels.items():
        if (key[2] is None) != (year >= 2022):
            raise ValueError(
                f"{path}: not a file of {year}; only those of 2021 are per domain, by their names"
            )
        label = _read_pairs(path, year)
        clips = pd.DataFrame({"y": label.map(_KINDS), "domain": key[2]}, index=label.index)
        clips[["machine", "section"]] = key[:2]
        if year >= 2022:
            clips["domain"] = _values(domains[key], clips, year).map(dict(enumerate(DOMAINS)))
        if (bad := clips[clips[["y", "domain"]].isna().any(axis=1)]).size:
            raise ValueError(f"{path}: {bad.index[0]} has a label or domain other than 0 and 1")
        full_names = root / "ground_truth_attributes" / path.name
        if year >= 2023 and full_names.is_file():
            with full_names.open(newline="", encoding="utf-8-sig") as file:
                aliases[key] = {f"{row[1]}.wav": row[0] for row in csv.reader(file) if len(row) > 1}
        truth[key] = clips
    return truth, aliases


def _read_truth_2020(root: Path) -> dict[_Key, pd.DataFrame]:
    """Read the list of 2020: a line for each machine, then its clips as ``name,name with label,label``."""
    path = root
    if root.is_dir():
        found = sorted(root.glob("eval_data_list*.csv"))
        if len(found) != 1:
            raise FileNotFoundError(
                f"one eval_data_list.csv is needed, {root} has {len(found)}: give its path"
            )
        path = found[0]
    rows: list[tuple[str, str, str, int]] = []
    machine = None
    with path.open(newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if len(row) == 1:
                machine = row[0].strip()
            elif row:
                match = re.fullmatch(
                    r"(id_(\d\d)_\d+\.\w+),.*,([01])", ",".join(cell.strip() for cell in row)
                )
                if machine is None or match is None:
                    raise ValueError(
                        f"{path}, line {number}: expected id_NN_NNNNNNNN.wav,<name with label>,0 or 1 below "
                        f"a line with the machine, got {','.join(row)!r}"
                    )
                rows.append((match[1], machine, match[2], _KINDS[int(match[3])]))
    clips = pd.DataFrame(rows, columns=["clip", "machine", "section", "y"]).set_index("clip")
    return {(m, s, None): part.copy() for (m, s), part in clips.groupby(["machine", "section"], sort=False)}
