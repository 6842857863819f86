"""Recordings: the challenge's data sets, anybody's folder, and synthetic machines."""

from ._dcase import load_dcase
from ._folder import load_folder
from ._machine_sounds import make_machine_sounds, write_machine_sounds
from ._machine_stream import make_machine_stream
from ._random_sounds import make_random_sounds
from ._recordings import find_recordings, load_recordings
from ._recordings_of import recordings_of

__all__ = [
    "find_recordings",
    "load_dcase",
    "load_folder",
    "load_recordings",
    "make_machine_sounds",
    "make_machine_stream",
    "make_random_sounds",
    "recordings_of",
    "write_machine_sounds",
]
