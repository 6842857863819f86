"""Files that are pieces of the same recording, judging by their names."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Any

from ._names import parse_clip_name, stem_of

_GAP = timedelta(minutes=5)
_FEWEST_FOLDERS = 5  # fewer folders may be machines, settings or years as well
# words before a number that names a recording, and before one that counts its pieces
_RECORDING = {
    *(
        "day",
        "experiment",
        "exp",
        "flight",
        "meas",
        "measurement",
        "rec",
        "record",
        "recording",
        "run",
        "sess",
    ),
    *("session", "take", "tape", "track", "trial"),
}
_PIECE = {
    *(
        "chunk",
        "clip",
        "excerpt",
        "frame",
        "idx",
        "index",
        "off",
        "offset",
        "part",
        "piece",
        "pos",
        "seg",
        "segment",
    ),
    *("slice", "snippet", "split", "start", "end", "win", "window", "sec", "ms", "t"),
}
_CHANNEL = {"ch", "chan", "channel", "mic", "microphone"}
_STAMP = re.compile(
    r"(?<!\d)(20\d\d|19\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])"  # date
    r"(?:[T _.-]{1,2}|at)([01]\d|2[0-3])[-_.:h]?([0-5]\d)(?:[-_.:m]?([0-5]\d))?(?:[.,]\d{1,6})?[sZ]?(?!\d)"
)
_EPOCH = re.compile(r"(?<!\d)(1[0-9]{9})([0-9]{3})?(?!\d)")
_NUMBER = re.compile(r"([0-9]+(?:[.,][0-9]+(?=m?s(?![A-Za-z])))?)(?:m?s(?![A-Za-z]))?")
_SIDE = re.compile(r"(?i)(?<![A-Za-z0-9])(?:left|right|[lr])$")


def recordings_of(paths: Sequence[Any]) -> list[str] | None:
    """Find out which files are pieces of the same recording, from their names alone.

    Windows of one recording resemble each other more than windows of different recordings. A threshold that is to hold
    for new recordings therefore needs whole recordings held out (``groups`` of the scorers).

    Parameters
    ----------
    paths : sequence of str or path-like
        Sound files; they need not exist.

    Returns
    -------
    recordings : list of str or None
        The recording of each path, named after its folder and file name. None if the names do not show it: files that
        are merely numbered, as in the challenge of 2020, may each be a recording or all be pieces of one.

    See Also
    --------
    load_recordings : A table of recordings, whose column ``path`` can be passed.
    skasd.model_selection.RecordingKFold : Splits by recording.

    Notes
    -----
    Files belong to one recording if they are in the same folder and their names differ only in

    - a counter: ``rec3_0012.wav``, ``0012_session_2.wav``, ``fan_seg004.wav``. A number after a word such as ``rec``,
      ``session``, ``run``, ``take`` names a recording; one after ``seg``, ``part``, ``window`` ... counts pieces, as
      does the last number if there is no such word;
    - an offset: ``run1_10.0s.wav``, ``run1_start20_end30.wav``;
    - a channel: ``run1_ch2.wav``, ``run1_mic_1.wav``, ``run1_left.wav``;
    - a time stamp within five minutes of the next: ``2024-05-01_12-00-03.wav``, ``20240501T120003.wav``, seconds since
      1970.

    The challenge's names show it by their attributes, if one is called ``rec``, ``session`` ...:
    ``section_00_source_train_normal_0032_car_02_rec_1.wav``.

    Without time stamps, the result is None if fewer than two recordings have several files each. It is also None if the
    names differ only in their folder and there are fewer than five folders.

    Examples
    --------
    >>> from skasd.datasets import recordings_of
    >>> recordings_of(["a/run1_000.wav", "a/run1_001.wav", "a/run2_000.wav", "a/run2_001.wav"])
    ['a/run1_*', 'a/run1_*', 'a/run2_*', 'a/run2_*']
    >>> recordings_of(["normal_id_00_00000000.wav", "normal_id_00_00000001.wav"]) is None
    True
    """
    places = [PurePath(str(path).replace("\\", "/")) for path in paths]
    folders = [place.parent.as_posix() for place in places]
    stems = [stem_of(place.name) for place in places]
    challenge = [parse_clip_name(place.name) for place in places]
    if challenge and all(challenge):
        keys = [_attributes_key(stem, clip) for stem, clip in zip(stems, challenge, strict=True)]
        stamped = False
    else:
        keys, stamped = _keys(folders, stems)
    if None in keys:
        return None
    names = [f"{folder}/{key}" if folder != "." else key for folder, key in zip(folders, keys, strict=True)]
    n_recordings = len(set(names))
    if not stamped and sum(n > 1 for n in Counter(names).values()) < 2:
        return None  # numbered files and some others: each of these may be a recording
    if len(set(keys)) < 2 and n_recordings < _FEWEST_FOLDERS:
        return None
    if n_recordings < 2:
        return None
    return names


def _attributes_key(stem, clip):
    """Return a challenge clip's name without its number; None if no attribute names a recording."""
    if not any(word.lower() in _RECORDING for word in re.findall(r"[A-Za-z]+", clip.attribute)):
        return None
    before, _, after = stem.rpartition(clip.attribute)
    return re.sub(r"\d+_$", "*_", before) + clip.attribute + after


def _keys(folders, stems):
    """Return each name without counters, offsets, channels and times, and whether there were times."""
    times, rests = zip(*map(_without_time, stems), strict=True) if stems else ((), ())
    fields = [_fields(rest) for rest in rests]
    alike = defaultdict(list)  # files whose names differ only in numbers
    for place, (folder, (skeleton, _)) in enumerate(zip(folders, fields, strict=True)):
        alike[folder, skeleton].append(place)
    keys = [""] * len(stems)
    for (_, skeleton), members in alike.items():
        counters = _counters(skeleton, [fields[place][1] for place in members])
        for place in members:
            numbers = iter(fields[place][1])
            at = iter(range(skeleton.count("\0")))
            keys[place] = re.sub(
                "\0",
                lambda _, at=at, numbers=numbers, counters=counters: _kept(next(at), next(numbers), counters),
                skeleton,
            )
    stamped = any(time is not None for time in times)
    if stamped:
        keys = _cluster(folders, keys, times)
    return keys, stamped


def _kept(at, number, counters):
    return "*" if at in counters else number


def _without_time(stem):
    """Return the time in a name, or None, and the name without it."""
    if match := _STAMP.search(stem):
        year, _, month, day, hour, minute, second = match.groups()
        try:
            time = datetime(*map(int, (year, month, day, hour, minute, second or 0)), tzinfo=UTC)
        except ValueError:  # 31 February
            return None, stem
    elif match := _EPOCH.search(stem):
        time = datetime.fromtimestamp(int(match[1]), UTC)
    else:
        return None, stem
    return time, stem[: match.start()] + "@" + stem[match.end() :]


def _fields(stem):
    """Return a name with its numbers replaced and without left/right of a channel, and the numbers."""
    if side := _SIDE.search(stem):
        stem = stem[: side.start()] + "*"
    return _NUMBER.sub("\0", stem), [match[1] for match in _NUMBER.finditer(stem)]


def _counters(skeleton, rows):
    """Return the positions of the numbers that count pieces of a recording, among names that differ only in numbers."""
    words = [re.search(r"([A-Za-z]*)[-_ .]*$", text)[1].lower() for text in skeleton.split("\0")[:-1]]
    counters = {at for at, word in enumerate(words) if word in _CHANNEL}
    pieces = {at for at, word in enumerate(words) if word in _PIECE}
    if pieces:
        return counters | pieces
    n_values = [len(set(column)) for column in zip(*rows, strict=True)]
    unnamed = [
        at
        for at, word in enumerate(words)
        if at not in counters and word not in _RECORDING and n_values[at] > 1
    ]
    if unnamed:
        last = len(words) - 1
        counted = [at for at in range(len(words)) if at not in counters]
        # a name that ends in its counter, or else the number with the most values
        ends = counted and counted[-1] in unnamed and (counted[-1] == last or words[last] in _CHANNEL)
        counters.add(counted[-1] if ends else max(unnamed, key=lambda at: n_values[at]))
    return counters


def _cluster(folders, keys, times):
    """Extend the keys by the time at which the recording began: time stamps of one recording are close together."""
    keys = list(keys)
    together = defaultdict(list)
    for place, time in enumerate(times):
        if time is not None:
            together[folders[place], keys[place]].append(place)
    for (_, key), members in together.items():
        members = sorted(members, key=lambda place: times[place])
        start = before = times[members[0]]
        for place in members:
            if times[place] - before > _GAP:
                start = times[place]
            before = times[place]
            keys[place] = key.replace("@", f"{start:%Y-%m-%dT%H:%M:%S}", 1)
    return keys
