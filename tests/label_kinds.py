"""Labels of all kinds: of each some that Python tells apart, and what is no label."""

import datetime
import enum
import uuid
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import numpy as np
import pandas as pd


class Machine(enum.Enum):
    FAN = "fan"
    PUMP = "pump"
    VALVE = ["no", "hash"]


class Word(str, enum.Enum):  # noqa: UP042 - the kind that NumPy cuts to its first letter
    FAN = "fan"
    FLYWHEEL = "flywheel"
    FLANGE = "flange"


class Number(enum.IntEnum):
    TEN = 10
    TWO = 2
    ONE = 1


@dataclass(frozen=True)
class Unit:
    hall: str
    parts: frozenset = frozenset("xy")


class Place(NamedTuple):
    hall: str
    number: int


class Plain:
    """Hashable, with neither order nor a print of its own."""


ONE_PLAIN, TWO_PLAIN, THREE_PLAIN = Plain(), Plain(), Plain()

KINDS = {
    "strings": ["10", "9", "", "fan"],
    "strings that end in zeros": ["a", "a\0", "a\0\0"],
    "unicode forms": ["\u00e9", "e\u0301", "E\u0301"],
    "strings with slashes": ["../a", "..\\a", "/a", "_a"],
    "NumPy strings": list(np.array(["b", "a", "c"])),
    "bytes": [b"b", b"a", b"a\0"],
    "bool": [True, False],
    "int": [10, 9, -1],
    "big ints": [2**53, 2**53 + 1, 2**100],
    "big ints and floats": [2**53, 2**53 + 1, 0.5],
    "float": [0.1, float("inf"), -0.5],
    "NumPy int64": list(np.array([10, 9, 2**62 + 1])),
    "NumPy float32 and float64": [np.float32(0.1), np.float64(0.1), np.float32(0.5)],
    "complex": [1 + 2j, 1 + 1j, 2j],
    "Decimal": [Decimal("0.1"), Decimal("10"), Decimal("9")],
    "Fraction and float": [Fraction(1, 3), 1 / 3, Fraction(2, 3)],
    "tuples": [("fan", 1), ("fan", "1"), ("fan", 10)],
    "tuples of other lengths": [(), ("fan",), ("fan", None), (("fan",), 1)],
    "lists": [["fan", 1], ["fan", "1"], ["fan", [1]]],
    "frozensets": [frozenset("ab"), frozenset("abc"), frozenset("cd"), frozenset()],
    "Enum": list(Machine),
    "Enum of strings": list(Word),
    "IntEnum": list(Number),
    "Path": [Path("/a/b"), Path("a"), Path("a b")],
    "Path and str": [Path("a"), "a", PureWindowsPath("a")],
    "datetime": [datetime.datetime(2026, 1, 10), datetime.datetime(2026, 1, 9, tzinfo=datetime.UTC)],
    "date and datetime": [
        datetime.date(2026, 1, 10),
        datetime.datetime(2026, 1, 10),
        datetime.date(2026, 1, 9),
    ],
    "NumPy dates": list(np.array(["2026-01-10", "2026-01-09"], dtype="datetime64[ns]")),
    "NumPy durations": list(np.array([10, 9], dtype="timedelta64[s]")),
    "Timestamp": [pd.Timestamp("2026-01-10"), pd.Timestamp("2026-01-10T00:00:00.000000001")],
    "UUID": [uuid.UUID(int=10), uuid.UUID(int=9)],
    "1 and its print": [1, "1", b"1", (1,)],
    "mixed": ["fan", 3, ("fan", 3), 2.5, frozenset({3})],
    "dataclass": [Unit("b"), Unit("a"), Unit("a", frozenset("x"))],
    "namedtuple": [Place("a", 10), Place("a", 9), Place("A", 9)],
    "no print": [ONE_PLAIN, TWO_PLAIN, THREE_PLAIN],
    "type": [int, str, Plain],
}

MISSING = {
    "None": None,
    "NaN": float("nan"),
    "NumPy NaN": np.float32("nan"),
    "complex NaN": complex(1, float("nan")),
    "NaN in a tuple": ("fan", float("nan")),
    "NA": pd.NA,
    "NaT": pd.NaT,
    "NumPy NaT": np.datetime64("NaT"),
    "Decimal NaN": Decimal("NaN"),
}

NOT_HASHABLE = {
    "dict": {"a": 1},
    "set": {1, 2},
    "set in a tuple": ("fan", {1}),
    "array": np.arange(3),
    "bytearray": bytearray(b"a"),
}


def rows_of(kind, n_rows):
    """Return labels of a kind for rows, and the place of each among the different ones in order."""
    from skasd.labels import as_labels, encode

    different = KINDS[kind]
    rows = [different[row % len(different)] for row in range(n_rows)]
    classes, codes = encode(as_labels("section", rows, n_rows))
    assert len(classes) == len(different)
    return rows, codes.tolist()
