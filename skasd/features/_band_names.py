"""Names of bands."""

import numpy as np


def band_names(frequencies):
    """Return the names of bands in Hz, rounded to as few digits, two or more, as tell them apart.

    Parameters
    ----------
    frequencies : array-like of shape (n_bins,)
        Their centres in Hz.

    Returns
    -------
    ndarray of object of shape (n_bins,)

    Examples
    --------
    >>> from skasd.features import band_names
    >>> band_names([0.0, 62.5, 1234.0, 7800.0])
    array(['0 Hz', '62 Hz', '1.2 kHz', '7.8 kHz'], dtype=object)
    >>> band_names([1234.0, 1250.0])
    array(['1.23 kHz', '1.25 kHz'], dtype=object)
    """
    for n_digits in range(2, 18):
        names = [_name(frequency, n_digits) for frequency in frequencies]
        if len(set(names)) == len(names):
            break
    return np.array(names, dtype=object)


def _name(frequency, n_digits):
    unit, factor = ("kHz", 1000) if frequency >= 1000 else ("Hz", 1)
    value = np.format_float_positional(
        frequency / factor, precision=n_digits, unique=False, fractional=False, trim="-"
    )
    return f"{value} {unit}"
