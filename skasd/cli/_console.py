"""Output of the commands: results to standard output, all else to standard error."""

import json
import math
import os
import shutil
import sys

import numpy as np
import pandas as pd
from tqdm import tqdm


class Console:
    """Print for people, or with ``as_json`` one JSON object for programs; with ``quiet`` problems only."""

    def __init__(self, quiet=False, as_json=False):
        self.quiet = quiet
        self.as_json = as_json
        self._warned: set[str] = set()

    @property
    def shows_progress(self):
        """True if a person watches a terminal, so that progress bars make sense."""
        return not self.quiet and not self.as_json and sys.stderr.isatty()

    def say(self, text):
        """Print a result for people."""
        if not self.quiet and not self.as_json:
            _print(text, sys.stdout)

    def note(self, text):
        """Print to standard error what goes on, for people."""
        if not self.quiet and not self.as_json:
            _print(text, sys.stderr)

    def table(self, table, digits=4, gap=2, **options):
        """Print a DataFrame for people, without its index, with ``gap`` spaces between columns."""
        if not self.quiet and not self.as_json:
            # all cells as text: pandas misplaces the headings of numbers; one of the spaces is its own
            more = " " * (gap - 1)
            table = pd.DataFrame(
                {f"{name}{more}": _aligned(column, digits, more) for name, column in table.items()}
            )
            # columns that do not fit into the terminal continue below
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            options = {"line_width": width, "justify": "left", "index": False, **options}
            self.say("\n".join(line.rstrip() for line in table.to_string(**options).splitlines()))

    def result(self, **values):
        """Print the result for programs."""
        if self.as_json:
            print(json.dumps(_plain(values), indent=2, allow_nan=False), flush=True)

    def trouble(self, text):
        """Print a line to standard error."""
        _print(text, sys.stderr)

    def fail(self, error):
        """Print the error that ended the command."""
        self.trouble(f"skasd: error: {error}")

    def show_warning(self, message, category, filename, lineno, file=None, line=None):
        """Print a warning once, without its place in the code; replaces `warnings.showwarning`."""
        # Python forgets what it has shown whenever filters change, as in most detectors
        if (text := str(message)) not in self._warned:
            self._warned.add(text)
            self.trouble(f"skasd: warning: {text}")


def drop_output():
    """Discard further standard output, because its reader, such as head, has closed the pipe."""
    # otherwise Python would report the broken pipe when it ends
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text):
    r"""Return text with unprintable characters escaped as in Python, ESC as ``\x1b``.

    File names may contain line breaks, sequences that move a terminal's cursor or turn the direction of writing, and
    bytes that are no text.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _aligned(column, digits, more):
    """Return the cells of a column as text of one width, numbers to the right."""
    cells = [_cell(value, digits) for value in column]
    width = max(map(len, cells), default=0)
    is_text = any(isinstance(value, str) for value in column)
    return [(cell.ljust(width) if is_text else cell.rjust(width)) + more for cell in cells]


def _cell(value, digits):
    if isinstance(value, str):
        return printable(value)
    if pd.isna(value):
        return ""
    return f"{value:.{digits}f}" if isinstance(value, (float, np.floating)) else str(value)


def _print(text, stream):
    lines = "\n".join(map(printable, text.split("\n")))
    encoding = stream.encoding or "utf-8"
    lines = lines.encode(encoding, "backslashreplace").decode(encoding)  # the encoding may lack letters
    tqdm.write(lines, file=stream)  # above a progress bar, if one is shown
    stream.flush()


def _plain(value):
    """Turn tables, arrays and numbers of NumPy into JSON types; numbers that are not finite become None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, pd.DataFrame):
        return [_plain(row) for row in value.to_dict("records")]
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (int, np.integer)):
        return int(value)
    return None if value is None or value is pd.NA else str(value)
