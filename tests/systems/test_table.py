"""The page of systems has a row for every row of the reports' tables, and every call in it is one."""

import re
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

from skasd import systems
from skasd.systems import ITMO_OUTLIERS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "systems.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("| paper |")[2].partition("\n\n")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines()[2:]]
CALLS = sorted({call for row in ROWS for call in re.findall(r"`(\w+\(.*?\))`", row[2])})


def rows_of(paper):
    """Return the rows from the one that names the paper to the next that names one."""
    first = next(i for i, row in enumerate(ROWS) if row[0].startswith(paper))
    rest = [i for i, row in enumerate(ROWS) if i > first and row[0]]
    return ROWS[first : rest[0] if rest else None]


@pytest.mark.parametrize("call", CALLS)
def test_every_call_gives_an_estimator(call):
    assert isinstance(eval(call, {name: getattr(systems, name) for name in systems.__all__}), BaseEstimator)


@pytest.mark.parametrize(
    ("paper", "n_rows"),
    [
        ("SECOM", 1 + 8 + 1 + 3),  # tables 3 to 6, which have the same rows, and 7
        ("JLESS", 6 + 7 + 4),  # tables 2 (detectors of the second and third row apart), 3 and 4
        ("CQUPT", 10),  # tables 4 to 6
        ("SCU", 1 + 3 + 1),  # section 3.1, table 1, section 4.1
        ("ITMO", 2 + 7 + 7 + 3),  # tables 1 (six machines in one row), 2 and 3, submissions
    ],
)
def test_no_row_is_missing(paper, n_rows):
    found = rows_of(paper)
    assert len(found) == n_rows
    assert len({(row[1]) for row in found}) == n_rows
    assert all(len(row) == 5 and all(row[1:]) for row in found)


def test_itmos_outliers_are_those_of_the_package():
    for table, system in ((2, "autoencoder"), (3, "image")):
        rows = [row for row in rows_of("ITMO") if row[1].startswith(f"table {table},")]
        found = {row[1].split(", ")[1]: re.search(r", (\w+) as `proxy`", row[2])[1] for row in rows}
        assert found == ITMO_OUTLIERS[system]


def test_every_system_has_a_row():
    assert {re.match(r"\w+", call)[0] for call in CALLS} == set(systems.__all__)
