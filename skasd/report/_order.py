"""The order in which clips were recorded, as far as it is known."""

import re
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from ._healthy import sound_info

_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])")
_HOUR, _SIXTY = r"(?<!\d)([01]\d|2[0-3])", r"([0-5]\d)"
# a time directly behind the date may lack the seconds; further behind it must have them
_NEAR = re.compile(rf"(?:[-_T/ .]{{1,2}}|(?<=\d))([01]\d|2[0-3])([-_:.h]?){_SIXTY}(?:\2{_SIXTY})?(?!\d)")
_FAR = re.compile(rf"\D*?{_HOUR}([-_:.h]?){_SIXTY}\2{_SIXTY}(?!\d)")


def time_stamp(path):
    """Return the last date, with the time where one follows, that a path holds; NaT without one.

    Examples
    --------
    >>> time_stamp("fan/2024-03-01/14-05-33_mic1.wav"), time_stamp("2024-03-01/fan_140533.wav")
    (Timestamp('2024-03-01 14:05:33'), Timestamp('2024-03-01 14:05:33'))
    >>> time_stamp("fan_20240301T1405Z.flac"), time_stamp("fan_20240301140533.wav")
    (Timestamp('2024-03-01 14:05:00'), Timestamp('2024-03-01 14:05:33'))
    >>> time_stamp("2024-03-01_fan_12.wav"), time_stamp("section_00_source_test_normal_0007.wav")
    (Timestamp('2024-03-01 00:00:00'), NaT)
    """
    text = str(path).replace("\\", "/")
    for date in reversed(list(_DATE.finditer(text))):
        rest = text[date.end() :]
        time = _NEAR.match(text, date.end()) or _FAR.match(rest)
        if time is None and rest[:1].isdigit():
            continue  # more digits follow: no date
        year, _, month, day = date.groups()
        hour, _, minute, second = time.groups() if time else ("0", "", "0", "0")
        try:
            return pd.Timestamp(datetime(*map(int, (year, month, day, hour, minute, second or 0))))
        except ValueError:  # the 31st of February
            continue
    return pd.NaT


def in_order(table):
    """Return a `scores_table` in the order of recording, with ``when``, the time of each clip or NaT, and its source.

    The source, in words, is the column ``time``, time stamps in the names of nine clips in ten or more, the times at
    which the files were last modified, if these are as far apart as sounds of that length must be, or the table.
    """
    sources = (
        ("over time, from the column time of the table", _from_column),
        ("over time, from the time stamps in the file names", _from_names),
        ("over time, from when the files were last modified", _from_files),
    )
    said = "in the order of the table, as nothing tells when the clips were recorded"
    when = pd.Series(pd.NaT, index=table.index, dtype="datetime64[ns]")
    for words, source in sources:
        found = source(table)
        if found is not None and found.notna().mean() >= 0.9 and found.nunique() >= min(len(table), 2):
            when, said = found.astype("datetime64[ns]"), words
            break
    return table.assign(when=when).sort_values("when", kind="stable", na_position="last"), said


def _from_column(table):
    if "time" not in table:
        return None
    return pd.to_datetime(table["time"], errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)


def _from_names(table):
    return pd.Series([time_stamp(path) for path in table["path"]], index=table.index)


def _from_files(table):
    """Return the times of modification in local time; None if they cannot be the times of recording."""
    if table["file"].isna().any() or len(table) < 2:
        return None
    seconds = np.array([Path(file).stat().st_mtime for file in table["file"]])
    some = table["file"].iloc[np.unique(np.linspace(0, len(table) - 1, 20).astype(int))]
    try:
        length = np.median([sound_info(file).duration for file in some])
    except (OSError, soundfile.LibsndfileError):
        return None
    # files that were copied or unpacked were written faster than they were recorded
    if np.ptp(seconds) < 0.5 * length * (len(table) - 1):
        return None
    local = [datetime.fromtimestamp(int(second)) for second in seconds]
    return pd.Series(pd.to_datetime(local), index=table.index)
