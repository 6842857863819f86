"""Names of recordings, and parsing of those of DCASE Challenge Task 2 (2020-2026)."""

import os
import re
import warnings
from pathlib import Path
from typing import NamedTuple

AUDIO_EXTENSIONS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64")
# What telephones and recorders also write, and libsndfile does not read.
_UNREADABLE_EXTENSIONS = (".m4a", ".mp4", ".aac", ".3gp", ".amr", ".wma", ".webm")
_LISTED = 50  # names in one warning
# What macOS, Windows and network disks add to folders, in upper or lower case.
_SYSTEM_FOLDERS = ("__macosx", "$recycle.bin", "system volume information", "@eadir")

# The train|test token is optional: the labelled names of 2024's RoboticArm lack it.
_LABELLED = re.compile(r"section_(\d+)_(source|target)(?:_(train|test))?_(normal|anomaly)_(\d+)(?:_(.*))?")
# Evaluation clips: section_03_0000 (2022 and later), section_03_test_0000 (in the README of 2022),
# section_05_target_test_0000 (2021).
_UNLABELLED = re.compile(r"section_(\d+)(?:_(source|target))?(?:_test)?_(\d+)(?:_(.*))?")
_ID = re.compile(r"(?:(normal|anomaly)_)?id_(\d+)_(\d+)")
_SUPPLEMENTAL = re.compile(r"section_(\d+)_([A-Za-z]+)(?:_(source|target))?(?:_(\d+))?(?:_(.*))?")

_HIDDEN = "noattribute"  # stands in a name whose attributes are withheld
_Y = {"normal": 1, "anomaly": -1, None: None}


class ClipName(NamedTuple):
    """Parts of one file name; ``None`` for those that it lacks."""

    section: str
    domain: str | None
    y: int | None
    number: int | None
    attribute: str
    kind: str | None = None  # "machine" or "noise" of a supplemental clip
    split: str | None = None

    @property
    def key(self):
        """Identity of an unlabelled clip within its machine, whichever spelling its name has."""
        return self.section, self.domain, self.number


def is_audio(path):
    """Tell whether a path looks like a sound file; hidden files (``._x.wav`` of macOS) do not."""
    return path.suffix.lower() in AUDIO_EXTENSIONS and not is_hidden(path.name)


def is_unreadable(path):
    """Tell whether a path looks like a sound file of a format that cannot be read, such as m4a."""
    return path.suffix.lower() in _UNREADABLE_EXTENSIONS and not is_hidden(path.name)


def sound_files(folder):
    """Return the sound files of a folder and all folders below as sorted paths.

    Hidden files and folders, including those of the system, are left out. Links are followed, and each folder is read
    once. Warnings list folders that cannot be read, and sound files of formats that cannot be read.
    """
    found, unreadable, seen = [], [], set()
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_warn_unread):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        paths = [Path(place, name) for name in files]
        found += filter(is_audio, paths)
        unreadable += filter(is_unreadable, paths)
    warn_of_unreadable(unreadable)
    return sorted(found)


def is_hidden(name):
    """Tell whether a file or folder is hidden or the system's own, by its name."""
    return name.startswith(".") or name.lower() in _SYSTEM_FOLDERS


def warn_of_unreadable(paths):
    """Warn of sound files of formats that cannot be read, if there are any."""
    if paths:
        what = "sound file(s) left out, whose format cannot be read: convert them to WAV or FLAC"
        warn_of(what, sorted(map(str, paths)))


def warn_of(what, paths):
    """Warn of files: how many and `what` they are, and their names."""
    listed = "\n  ".join(paths[:_LISTED])
    more = f"\n  and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    warnings.warn(f"{len(paths)} {what}:\n  {listed}{more}", UserWarning)


def _warn_unread(error):
    warnings.warn(f"{error.filename} cannot be read and is left out: {error.strerror}", UserWarning)


def stem_of(name):
    """Strip folders and a sound file's extension from a name; other dots stay."""
    name = re.split(r"[/\\]", str(name))[-1]
    head, dot, tail = name.rpartition(".")
    return head if dot and f".{tail.lower()}" in AUDIO_EXTENSIONS else name


def clean_attribute(text):
    """Return the raw attribute string; empty if there is none or it is withheld."""
    text = (text or "").strip("_")
    return "" if text.lower() == _HIDDEN else text


def parse_clip_name(name, *, year=None, supplemental=False):
    """Parse a clip's section, domain, label, number and attributes from its file name.

    Parameters
    ----------
    name : str
        File name, with or without folders and extension.
    year : int, default=None
        2020 accepts only that year's names, any later year only names with sections; ``None`` accepts both.
    supplemental : bool, default=False
        Whether the clip lies in a ``supplemental`` folder (2025 and later).

    Returns
    -------
    ClipName or None
        ``None`` if the name matches no pattern.

    Examples
    --------
    >>> from skasd.datasets._names import parse_clip_name
    >>> parse_clip_name("section_00_source_normal_0035_weight15_BckgF.wav")
    ClipName(section='00', domain='source', y=1, number=35, attribute='weight15_BckgF', kind=None, split=None)
    """
    stem = stem_of(name)
    if supplemental:
        if match := _SUPPLEMENTAL.fullmatch(stem):
            section, kind, domain, number, attribute = match.groups()
            number = None if number is None else int(number)
            return ClipName(section, domain, None, number, clean_attribute(attribute), kind)
        return None
    if year is None or year > 2020:
        if match := _LABELLED.fullmatch(stem):
            section, domain, split, label, number, attribute = match.groups()
            return ClipName(section, domain, _Y[label], int(number), clean_attribute(attribute), split=split)
        if match := _UNLABELLED.fullmatch(stem):
            section, domain, number, attribute = match.groups()
            return ClipName(section, domain, None, int(number), clean_attribute(attribute))
    if (year is None or year == 2020) and (match := _ID.fullmatch(stem)):
        label, section, number = match.groups()
        return ClipName(section, "source", _Y[label], int(number), "")  # 2020 has a single domain
    return None


def _looks_like_value(token):
    return bool(re.search(r"\d", token)) or bool(re.fullmatch(r"[A-Z]{1,2}", token))


def _add(attributes, key, value):
    unique, n = key, 1
    while unique in attributes:  # nothing is lost if a key comes twice: the second is numbered
        n += 1
        unique = f"{key}#{n}"
    attributes[unique] = value


def parse_attributes(raw):
    """Split a raw attribute string into a dict of strings, as far as possible.

    The challenge joins keys and values with underscores and without a grammar. Plain pairs (``spd_31V_mic_1``), values
    first (``25_mm_2000_mV``, 2021's gearbox), glued pairs (``weight15_BckgF``) and keys of several words
    (``mic_pos_A``) are understood; a word left over maps to ``""``.

    Examples
    --------
    >>> from skasd.datasets._names import parse_attributes
    >>> parse_attributes("mic_imp34dt05_mic_pos_A_grind_100_bkg_A")
    {'mic': 'imp34dt05', 'mic_pos': 'A', 'grind': '100', 'bkg': 'A'}
    >>> parse_attributes("weight15_BckgF")
    {'weight': '15', 'Bckg': 'F'}
    """
    tokens = [token for token in clean_attribute(raw).split("_") if token]
    attributes: dict[str, str] = {}
    keys, values = tokens[::2], tokens[1::2]
    if len(keys) == len(values) and len(set(keys)) == len(keys) and not any(map(_looks_like_value, keys)):
        return dict(zip(keys, values, strict=True))
    if tokens and re.fullmatch(r"[\d.]+", tokens[0]):
        for value, unit in zip(keys, values, strict=False):
            _add(attributes, unit, value)
        if len(keys) > len(values):
            _add(attributes, keys[-1], "")
        return attributes
    pending: list[str] = []
    for token in tokens:
        glued = re.fullmatch(r"([A-Za-z][a-z-]+)(\d.*|[A-Z])", token)
        if pending and _looks_like_value(token):
            _add(attributes, "_".join(pending), token)
            pending = []
        elif glued and not pending:
            _add(attributes, *glued.groups())
        else:
            pending.append(token)
    if len(pending) == 2:
        _add(attributes, *pending)
    elif pending:
        _add(attributes, "_".join(pending), "")
    return attributes
