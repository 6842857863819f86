"""Tables as CSV files that spreadsheets open, and that are read back unchanged."""

import codecs
import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from ._whole_file import whole_file

_MARK = "\ufeff"
# what a spreadsheet takes for a formula, with the apostrophes that keep it from doing so
_FORMULA = re.compile(r"'*[=+\-@\t\r]", re.DOTALL)
_KEPT_FORMULA = re.compile(r"'+[=+\-@\t\r]", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def write_csv(table, path):
    """Write a table to a CSV file, whole or not at all.

    In UTF-8 with a byte-order mark, by which spreadsheets know it, with commas and decimal points. Text that a
    spreadsheet would run as a formula (it begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return, as names
    of files may, and is no number) gets an apostrophe in front; `read_csv` takes it away. Names of files that are no
    text keep their bytes.

    Parameters
    ----------
    table : DataFrame
    path : path-like

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from skasd._csv_tables import read_csv, write_csv
    >>> with tempfile.NamedTemporaryFile(suffix=".csv") as file:
    ...     write_csv(pd.DataFrame({"path": ["=1+1.wav"], "anomaly_score": [0.5]}), file.name)
    ...     print(Path(file.name).read_text(encoding="utf-8-sig").splitlines())
    ...     read_csv(file.name, text=["path"])
    ['path,anomaly_score', "'=1+1.wav,0.5"]
           path  anomaly_score
    0  =1+1.wav            0.5
    """
    table = table.map(lambda cell: _neutral(cell) if isinstance(cell, str) else cell)
    with (
        whole_file(path) as name,
        open(name, "w", encoding="utf-8-sig", errors="surrogateescape", newline="") as file,
    ):
        # a lone carriage return ends a line for many readers, but not for all versions of the csv module
        has_returns = table.map(lambda cell: isinstance(cell, str) and "\r" in cell).to_numpy().any()
        quoting = csv.QUOTE_NONNUMERIC if has_returns else csv.QUOTE_MINIMAL
        table.to_csv(file, index=False, lineterminator="\n", quoting=quoting)


def read_csv(path, text=()):
    """Read a table from a CSV file of `write_csv`, of a spreadsheet or of anybody.

    Separated by commas, semicolons or tabs; with or without byte-order mark; in UTF-8 or, as spreadsheets write it, in
    UTF-16 ("Unicode text", with its mark) or Windows-1252; where commas do not separate, with decimal points or commas.

    Parameters
    ----------
    path : path-like
    text : collection of str, default=()
        Columns that are text whatever is in them; their empty cells are "". Other columns are text if not all of their
        cells are numbers.

    Returns
    -------
    DataFrame
        Numbers as floats, or integers where none is missing; NaN in empty cells.

    Raises
    ------
    ValueError
        If it is no table.
    """
    cells, has_decimal_commas = _read_cells(path)
    return pd.DataFrame(
        {
            name: column if name in text else _as_numbers(column, has_decimal_commas)
            for name, column in cells.items()
        }
    )


def read_text_csv(path):
    """Read a table as `read_csv` does, all of it as text, with NaN in empty cells."""
    cells, _ = _read_cells(path)
    return cells.map(lambda cell: cell.lstrip(" ")).replace(["", "nan", "NaN", "<NA>"], np.nan)


def _read_cells(path):
    """Return a table of texts, and whether numbers in it may have decimal commas."""
    content = Path(path).read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", "replace").encode()
    try:
        content.decode("utf-8")
        is_utf8 = True
    except UnicodeDecodeError:
        is_utf8 = content.startswith(_MARK.encode())  # with names of files in it that are no text
    content = (
        content.decode("utf-8", "surrogateescape") if is_utf8 else content.decode("cp1252", "replace")
    ).removeprefix(_MARK)
    header = content.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    lines = csv.reader(io.StringIO(content, newline=""), delimiter=separator)
    rows = [(lines.line_num, row) for row in lines if any(row)]
    if not rows:
        raise ValueError(f"{path} is empty: a table with a line of column names is expected.")
    names = [name.strip() for name in rows[0][1]]
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise ValueError(f"{path} is no CSV table: it has two columns {twice[0]!r}.")
    for number, row in rows[1:]:
        if any(row[len(names) :]):
            raise ValueError(
                f"{path} is no CSV table: it has {len(row)} cells in line {number}, but {len(names)} columns."
            )
    width = len(names)
    table = pd.DataFrame(
        [[_restored(cell) for cell in (row + [""] * width)[:width]] for _, row in rows[1:]],
        columns=names,
        dtype=object,
    )
    return table.loc[:, [bool(name) or column.any() for name, column in table.items()]], separator != ","


def _neutral(cell):
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def _restored(cell):
    return cell[1:] if _KEPT_FORMULA.match(cell) else cell


def _as_numbers(column, has_decimal_commas):
    cells = column.str.strip()
    if has_decimal_commas:
        cells = cells.str.replace(",", ".")
    found = set(cells)
    if found and found <= {"True", "False"}:
        return cells == "True"
    for kind in (int, float):
        try:
            numbers = [kind(cell or "nan") for cell in cells]
            # Python reads "1_000" as a number, which a name may be
            return column if any("_" in cell for cell in found) else pd.Series(numbers, column.index, kind)
        except (ValueError, OverflowError):
            continue
    return column
