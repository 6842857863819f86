"""What the commands print, and where: results and progress to standard output, troubles to standard error."""

import json
import math
import sys

import numpy as np
import pandas as pd


class Console:
    """Print for people, or one JSON object for programs, or nothing.

    Parameters
    ----------
    quiet : bool
        Print troubles only.
    as_json : bool
        Print the result as JSON, and nothing else to standard output.
    """

    def __init__(self, quiet=False, as_json=False):
        self.quiet = quiet
        self.as_json = as_json

    @property
    def verbose(self):
        """Whether progress bars make sense: 1 where a person watches, else 0."""
        return int(not self.quiet and not self.as_json and sys.stderr.isatty())

    def say(self, text):
        """Print a line for people."""
        if not self.quiet and not self.as_json:
            print(text, flush=True)

    def table(self, table, **options):
        """Print a DataFrame for people."""
        self.say(table.to_string(float_format="{:.4f}".format, na_rep="", **options))

    def result(self, **values):
        """Print the result for programs."""
        if self.as_json:
            print(json.dumps(_plain(values), indent=2, allow_nan=False), flush=True)

    def trouble(self, text):
        """Print a line to standard error."""
        print(text, file=sys.stderr, flush=True)

    def fail(self, error):
        """Print why nothing could be done."""
        self.trouble(f"skasd: error: {error}")

    def show_warning(self, message, category, filename, lineno, file=None, line=None):
        """Print a warning without the place in the code where it arose."""
        self.trouble(f"skasd: warning: {message}")


def _plain(value):
    """Turn tables, arrays and numbers of NumPy into what JSON has; numbers that are not finite become null."""
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
