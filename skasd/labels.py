"""Labels of clips - sections, machines, attributes, recordings - as classes, columns and names.

A label is any hashable. Two labels are the same class if Python says so, ``a == b`` with equal hashes: 1, 1.0 and True
are one class, 1 and "1" are two, and so are 2**53 and 2**53 + 1, which NumPy takes for equal beside floats. The order
of classes depends on nothing but the labels: neither on the order of the clips nor on the seed of Python's hashes.
Estimators find columns and classes through this module, never by a rule of their own.
"""

import dataclasses
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Set
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from numbers import Complex
from pathlib import PurePath, PureWindowsPath

import numpy as np

__all__ = [
    "as_label",
    "as_labels",
    "column_names",
    "encode",
    "file_names",
    "find_columns",
    "group_rows",
    "label_names",
    "natural_array",
    "sort_labels",
]


def as_label(value):
    """Return a label in its stored form: hashable, and equal to all values that Python considers the same.

    Parameters
    ----------
    value : hashable or list
        NumPy's scalars become Python's (dates and durations pandas'), since those of other precision are equal without
        having the same hash; lists become tuples.

    Returns
    -------
    hashable

    Raises
    ------
    TypeError
        For values that cannot be hashed, such as dicts and sets.
    ValueError
        For a missing value: None, NaN, ``pandas.NA`` and the like.
    """
    if value is None:
        raise ValueError(f"missing: {value!r}")
    return _label(value)


def _label(value):
    if isinstance(value, np.generic):
        if value.dtype.kind in "mM" and not np.isnat(value):
            import pandas as pd  # here, for it is slow to import and such labels are rare

            value = (pd.Timestamp if value.dtype.kind == "M" else pd.Timedelta)(value)
        elif value.dtype.kind not in "mM":
            value = value.item()
    if type(value) in (list, tuple):
        return tuple(_label(part) for part in value)
    if type(value) is frozenset:
        return frozenset(_label(part) for part in value)
    try:
        hash(value)
    except TypeError as error:
        raise TypeError(f"of type {type(value).__name__}, which cannot be hashed: {value!r}") from error
    try:
        missing = bool(value != value)  # NaN, pandas.NaT
    except TypeError:  # pandas.NA
        missing = True
    if missing:
        raise ValueError(f"missing: {value!r}")
    return value


def as_labels(name, values, n_rows):
    """Return per-clip metadata as a 1-D object array, one hashable label per row.

    Parameters
    ----------
    name : str
        The parameter's name, for the messages.
    values : iterable of hashables
        One entry per clip; tuples, and the rows of a 2-D array, are labels.
    n_rows : int
        Number of clips.

    Returns
    -------
    ndarray of object of shape (n_rows,)
        Labels as `as_label` returns them.
    """
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{name} must hold one entry per clip, got the single string {values!r}.")
    if isinstance(values, (Set, Mapping)):
        raise TypeError(f"{name} must hold one entry per clip, in order; a {type(values).__name__} has none.")
    # of dates it would make integers
    is_array = isinstance(values, np.ndarray) and values.dtype.kind not in "mM"
    entries = values.tolist() if is_array else list(values)
    if len(entries) != n_rows:
        hint = (
            " Clips that a sampler of imbalanced-learn's pipeline made have none: make the pipeline by "
            "skasd.compose.make_pipeline, which extends metadata."
        )
        raise ValueError(
            f"{name} has {len(entries)} entries for {n_rows} clips: give one entry per clip."
            + (hint if n_rows > len(entries) else "")
        )
    labels = np.empty(n_rows, dtype=object)
    for row, entry in enumerate(entries):
        try:
            labels[row] = as_label(entry)
        except ValueError:
            raise ValueError(
                f"{name} is missing in row {row}: {entry!r}. Give every clip a {name}."
            ) from None
        except TypeError as error:
            raise TypeError(
                f"{name} in row {row} is {error}. Give hashables, such as strings, numbers, tuples or frozensets."
            ) from None
    return labels


def sort_labels(labels):
    """Return the different labels in their one order: by kind, then by value.

    Parameters
    ----------
    labels : iterable of hashables
        As `as_label` returns them.

    Returns
    -------
    list of hashables
        Numbers by value, then strings, bytes, tuples, frozensets, dates, paths, and all others by type and what they
        are printed as; labels that print the same keep their order. Of equal labels, the first is returned.
    """
    return sorted(dict.fromkeys(labels), key=_place)


def encode(labels):
    """Return the classes of labels, in order, and the class of each label by number.

    Parameters
    ----------
    labels : iterable of hashables of length n_clips
        As `as_label` returns them.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        As `natural_array` makes it.
    codes : ndarray of int of shape (n_clips,)
    """
    labels = list(labels)
    classes = sort_labels(labels)
    number = {label: code for code, label in enumerate(classes)}
    return natural_array(classes), np.array([number[label] for label in labels], dtype=np.intp)


def group_rows(labels):
    """Return the dict label -> row indices, in the order of `sort_labels`.

    Parameters
    ----------
    labels : iterable of hashables of length n_clips
        As `as_label` returns them.

    Returns
    -------
    dict of hashable to ndarray of int
    """
    rows: dict = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    return {label: np.asarray(rows[label]) for label in sort_labels(rows)}


def natural_array(labels):
    """Return labels as a 1-D array of numbers or strings if nothing is lost, otherwise of objects.

    Parameters
    ----------
    labels : list of hashables
        As `as_label` returns them.

    Returns
    -------
    ndarray of shape (n_labels,)
    """
    if all(type(label) in (bool, int, float, str) for label in labels):
        array = np.array(labels)
        if array.tolist() == labels:
            return array
    return np.fromiter(labels, dtype=object, count=len(labels))


def label_names(labels):
    """Return a name for each of the different labels, no two the same.

    Parameters
    ----------
    labels : iterable of hashables
        As `as_label` returns them.

    Returns
    -------
    dict of hashable to str
        In the order of `sort_labels`. A string is its own name, and ``str(label)`` that of others; of different labels
        that would have the same name, as 1 and "1", each is named by its ``repr``.
    """
    labels = sort_labels(labels)
    names = [_spelled(label) for label in labels]
    taken = Counter(names)
    names = [_repr(label) if taken[name] > 1 else name for label, name in zip(labels, names, strict=True)]
    return dict(zip(labels, _numbered(names), strict=True))


def file_names(labels):
    """Return a name for each of the different labels that is valid and unique on any file system.

    Parameters
    ----------
    labels : iterable of hashables
        As `as_label` returns them.

    Returns
    -------
    dict of hashable to str
        The label's name with all but letters, digits and a few marks replaced by ``_``, at most 100 characters.
        Where two labels would share a file, also on systems that ignore case, a piece of the SHA-256 of the
        label's name tells them apart.
    """
    names = label_names(labels)
    safe = {label: _safe(name) for label, name in names.items()}
    taken = Counter(name.casefold() for name in safe.values())
    return {
        label: name if taken[name.casefold()] == 1 else f"{name}-{_digest(names[label])}"
        for label, name in safe.items()
    }


def column_names(prefix, labels):
    """Return the names of columns with one value per class, as ``mfnembedder_log_proba[fan]``.

    Parameters
    ----------
    prefix : str
        What the columns hold, as ``mfnembedder_log_proba``.
    labels : iterable of hashables
        As `as_label` returns them.

    Returns
    -------
    list of str
        In the order of `sort_labels`.
    """
    return [f"{prefix}[{name}]" for name in label_names(labels).values()]


def find_columns(columns, prefix, labels):
    """Return the place of each label's column among columns that `column_names` has named.

    Parameters
    ----------
    columns : iterable of str or None
        Names of all columns, None where they have none.
    prefix : str
        What the names end in before the label, such as ``log_proba``.
    labels : iterable of hashables
        As `as_label` returns them.

    Returns
    -------
    dict of hashable to int, or None
        None if no label has a column of its name.

    Raises
    ------
    ValueError
        If only some of the labels have a column.
    """
    pattern = re.compile(rf".*{re.escape(prefix)}\[(.*)\]", re.DOTALL)
    matches = [pattern.fullmatch(str(column)) for column in ([] if columns is None else columns)]
    places = {match[1]: place for place, match in enumerate(matches) if match}
    names = label_names(labels)
    missing = [label for label, name in names.items() if name not in places]
    if len(missing) == len(names):
        return None
    if missing:
        raise ValueError(
            f"There is no column {prefix}[...] of {missing[0]!r}; there are those of {list(places)}."
        )
    return {label: places[name] for label, name in names.items()}


def _place(label):
    """Return what a label is ordered by, equal for equal labels: tuples that begin with the number of their kind."""
    if label is None:  # within a tuple
        return (0,)
    if isinstance(label, (Complex, Decimal)):
        return (1, _exact(label.real), _exact(label.imag))
    if isinstance(label, str):
        return (2, str.__str__(label))  # of a member of an Enum of strings: its value
    if isinstance(label, bytes):
        return (3, bytes(label))
    if isinstance(label, tuple):
        return (4, *map(_place, label))
    if isinstance(label, frozenset):
        return (5, *sorted(map(_place, label)))
    if isinstance(label, datetime):
        moment = label if label.utcoffset() is None else label.astimezone(UTC)
        fields = (*moment.timetuple()[:6], moment.microsecond, getattr(moment, "nanosecond", 0))
        return (6, 1 + (label.utcoffset() is not None), *fields)
    if isinstance(label, date):
        return (6, 0, *label.timetuple()[:3])
    if isinstance(label, PurePath):
        is_windows = isinstance(label, PureWindowsPath)  # knows no case
        return (7, is_windows, str(label).lower() if is_windows else str(label))
    return (8, f"{type(label).__module__}.{type(label).__qualname__}", *_details(label))


def _details(label):
    if isinstance(label, Enum):
        return (_place(label.name),)
    if dataclasses.is_dataclass(label) and not isinstance(label, type):
        return tuple(_place(getattr(label, field.name)) for field in dataclasses.fields(label))
    return () if _prints_its_address(label) else (_place(repr(label)),)


def _exact(number):
    """Return a real number as what compares exactly, whatever its type."""
    if number in (float("inf"), float("-inf")):
        return (1 if number > 0 else -1, Fraction(0))
    return (0, Fraction(*number.as_integer_ratio()))


def _spelled(label):
    if isinstance(label, str):
        return str.__str__(label)
    # an object without a str of its own is spelled by its repr
    return _repr(label) if type(label).__str__ is object.__str__ else str(label)


def _repr(label):
    """Return ``repr(label)``, but the same in every process."""
    if type(label) is tuple:
        parts = [_repr(part) for part in label]
        return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
    if type(label) is frozenset:
        return f"frozenset({{{', '.join(_repr(part) for part in sort_labels(label))}}})"
    if dataclasses.is_dataclass(label) and not isinstance(label, type):
        parts = [f"{field.name}={_repr(getattr(label, field.name))}" for field in dataclasses.fields(label)]
        return f"{type(label).__qualname__}({', '.join(parts)})"
    return type(label).__qualname__ if _prints_its_address(label) else repr(label)


def _prints_its_address(label):
    return type(label).__repr__ is object.__repr__


def _numbered(names):
    """Return names, each that has come before with a number that makes it different."""
    seen: set[str] = set()
    for name in names:
        unique, number = name, 1
        while unique in seen:
            number += 1
            unique = f"{name}#{number}"
        seen.add(unique)
        yield unique


_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # of Windows


def _safe(name):
    name = unicodedata.normalize("NFKC", name)
    safe = re.sub(r"[^\w.=,()+-]+", "_", name).strip("._") or "_"
    if len(safe.encode()) > 100:
        safe = f"{safe.encode()[:90].decode(errors='ignore')}-{_digest(name)}"
    return f"_{safe}" if _RESERVED.fullmatch(safe) else safe


def _digest(name):
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
