"""Labels of evaluation clips, from a checkout of an official evaluator or from the organisers' lists."""

import csv
import re
import warnings
from pathlib import Path
from typing import NamedTuple

from ._names import parse_clip_name

_TABLE = re.compile(
    r"ground_truth_(?:DCASE\d{4}T2)?(.+)_(?:section|id)_(\d+)(?:_(source|target))?(?:_test)?\.csv"
)
_LABELS = {"0": 1, "1": -1}  # the challenge's 0 normal / 1 anomalous, to scikit-learn's coding
_DOMAINS = {"0": "source", "1": "target"}


class Truth(NamedTuple):
    """Ground truth of one evaluation clip."""

    y: int
    domain: str | None
    attribute: str


def rows_of(path):
    """Yield the rows of a small CSV file, stripped, without empty ones."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.reader(file):
            row = [cell.strip() for cell in row]
            if any(row):
                yield row


def read_ground_truth(where, year=None):
    """Read the ground truth of evaluation clips: ``{(machine, ClipName.key): Truth}``.

    ``where`` is a checkout of an official evaluator (with ``ground_truth_data`` in it), that folder itself, a folder of
    ``<machine>/attributes_00_test_correspondence.csv`` files, or an ``eval_data_list_<year>.csv`` or its folder;
    ``year`` chooses among the lists of several years.
    """
    where = Path(where)
    if where.is_file():
        return _read_list(where)
    if not where.is_dir():
        raise FileNotFoundError(f"ground_truth={str(where)!r} is neither a folder nor a file")
    data = where / "ground_truth_data"
    if not data.is_dir():
        data = where
    tables = [(path, match) for path in sorted(data.glob("*.csv")) if (match := _TABLE.fullmatch(path.name))]
    if tables:
        return _read_tables(tables, data.parent)
    lists = [
        path for folder in (where, where / "datasets") for path in sorted(folder.glob("eval_data_list*.csv"))
    ]
    if year is not None and len(lists) > 1:
        lists = [path for path in lists if path.name == f"eval_data_list_{year}.csv"]
    if len(lists) == 1:
        return _read_list(lists[0])
    if len(lists) > 1:
        names = ", ".join(path.name for path in lists)
        raise ValueError(
            f"{where} holds several lists ({names}): name one of them as ground_truth, or pass year="
        )
    correspondences = sorted(where.rglob("attributes_*_test_correspondence.csv"))
    if correspondences:
        return _read_correspondences(correspondences)
    raise ValueError(
        f"no ground truth in {where}: looked for "
        "ground_truth_data/ground_truth_<machine>_section_NN_test.csv, eval_data_list[_<year>].csv "
        "and <machine>/attributes_NN_test_correspondence.csv"
    )


def _label(cell, path, name):
    try:
        return _LABELS[str(int(float(cell)))]
    except (KeyError, ValueError):
        raise ValueError(
            f"{path}: the label of {name!r} is {cell!r}, expected 0 (normal) or 1 (anomalous)"
        ) from None


def _key(name, path):
    parsed = parse_clip_name(name)
    if parsed is None:
        raise ValueError(f"{path}: {name!r} is not the name of a challenge clip")
    return parsed


def _read_tables(tables, checkout):
    truths = {}
    for path, match in tables:
        machine, _, domain_of_file = match.groups()
        labels = {row[0]: _label(row[1], path, row[0]) for row in rows_of(path)}
        domain_path = checkout / "ground_truth_domain" / path.name
        domains = {}
        if domain_path.is_file():
            for name, cell in ((row[0], row[1]) for row in rows_of(domain_path)):
                if cell not in _DOMAINS:
                    raise ValueError(f"{domain_path}: the domain of {name!r} is {cell!r}, expected 0 or 1")
                domains[name] = _DOMAINS[cell]
        attributes = _read_attributes(checkout / "ground_truth_attributes" / path.name, labels, domains)
        for name, y in labels.items():
            parsed = _key(name, path)
            domain = domains.get(name) or domain_of_file or parsed.domain
            truths[machine, parsed.key] = Truth(y, domain, attributes.get(name, ""))
    return truths


def _read_attributes(path, labels, domains):
    """Read the full names of 2023 and later; use them only if they agree with labels and domains throughout.

    The 2022 evaluator keeps its attributes elsewhere
    (``ground_truth_attributes/<machine>/attributes_NN.csv``). Those of ToyCar and ToyTrain are scrambled, so
    none of that year is read.
    """
    if not path.is_file():
        return {}
    attributes, wrong = {}, []
    for row in rows_of(path):
        full = [parse_clip_name(cell) for cell in row[1:]]
        full = [name for name in full if name is not None and name.domain is not None]
        if any(
            (name.y, name.domain) != (labels.get(row[0]), domains.get(row[0], name.domain)) for name in full
        ):
            wrong.append(row[0])
        # 2024's hidden attributes: a second full name, added later, reveals what noAttribute hid
        attributes[row[0]] = next((name.attribute for name in reversed(full) if name.attribute), "")
    if wrong:
        warnings.warn(
            f"{path} disagrees with the labels or domains of the ground truth for {len(wrong)} clips "
            f"(first: {wrong[0]}); its attributes are not used",
            UserWarning,
        )
        return {}
    return attributes


def _read_list(path):
    """Read ``eval_data_list_<year>.csv``: a line per machine, then ``released name,full name[,label]``."""
    truths, machine, seen_2022 = {}, None, False
    for row in rows_of(path):
        if len([cell for cell in row if cell]) == 1:
            machine = row[0]
            continue
        if machine is None:
            raise ValueError(f"{path}: the first line should name a machine, got {','.join(row)!r}")
        released, full = _key(row[0], path), _key(row[1], path)
        # only 2022 released clips of sections 03-05 under names without a domain
        seen_2022 |= released.domain is None and released.section in ("03", "04", "05")
        y = _label(row[2], path, row[0]) if len(row) > 2 and row[2] else full.y
        if y is None or (full.y is not None and y != full.y):
            raise ValueError(f"{path}: the label of {row[0]!r} and the name {row[1]!r} do not agree")
        truths[machine, released.key] = Truth(y, full.domain, full.attribute)
    if seen_2022:
        raise ValueError(
            f"{path}: the published list of 2022 has wrong labels and domains for ToyCar and ToyTrain; pass "
            "a checkout of that year's official evaluator (ground_truth_data, ground_truth_domain) instead"
        )
    return truths


def _read_correspondences(paths):
    truths = {}
    for path in paths:
        for full_name, released_name in read_correspondence(path):
            full, released = _key(full_name, path), _key(released_name, path)
            if full.y is not None:
                truths[path.parent.name, released.key] = Truth(full.y, full.domain, full.attribute)
    return truths


def read_correspondence(path):
    """Yield (full name, released name) pairs of an ``attributes_NN_{train|test}_correspondence.csv``."""
    for row in rows_of(path):
        if row[0] != "source_file_name" and len(row) > 1:
            yield row[0], row[1]
