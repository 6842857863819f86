"""From power to level: the logarithms of the field."""

from numbers import Real

import numpy as np

from .._sklearn_compat import Interval, StrOptions

LEVEL_CONSTRAINTS = {
    "power": [Interval(Real, 0, None, closed="neither")],
    "log": [StrOptions({"db", "natural"}), None],
    "amin": [Interval(Real, 0, None, closed="neither")],
}


def to_power(squared, power):
    """Turn squared magnitudes into magnitudes to that power, in place."""
    if power == 1:
        np.sqrt(squared, out=squared)
    elif power != 2:
        np.power(squared, power / 2, out=squared)
    return squared


def write_level(values, out, *, log, amin, power):
    """Write the logarithm of `values` (overwritten) to `out`, of any floating point type."""
    if log is None:
        out[...] = values
        return
    np.maximum(values, amin, out=values)
    if log == "db":
        np.log10(values, out=values)
        np.multiply(values, 20 / power, out=out, casting="unsafe")
    else:
        np.log(values, out=values)
        out[...] = values


def check_amin(amin, log, dtype):
    """Raise if `amin` vanishes in that precision, so that silence would be minus infinity."""
    if log is not None and np.dtype(dtype).type(amin) == 0:
        raise ValueError(
            f"amin={amin} is zero in {np.dtype(dtype)}: choose a greater one, or fft_dtype='float64'."
        )
