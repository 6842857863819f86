"""The state of a stream in a file: numbers and samples, no code."""

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from .._whole_file import whole_file

_FORMAT = "skasd stream"
_VERSION = 2


class StreamStateError(ValueError):
    """A file that holds no state of a stream, or that of another one."""


def write_state(path, values, arrays):
    """Write values in JSON types, and arrays by name, whole or not at all."""
    header = json.dumps({"format": _FORMAT, "version": _VERSION, **values}, allow_nan=False)
    stream = io.BytesIO()
    np.savez(stream, header=np.frombuffer(header.encode(), np.uint8), **arrays)
    with whole_file(path) as name:
        Path(name).write_bytes(stream.getvalue())


def read_state(path):
    """Return the values and the arrays of `write_state`."""
    name = os.fspath(path)
    if not os.path.isfile(name):
        if os.path.exists(name):
            raise StreamStateError(f"{name!r} is no file.")
        raise FileNotFoundError(f"{name!r}: there is no such file.")
    try:
        # np.load does not close files that are no archives
        with np.load(io.BytesIO(Path(name).read_bytes()), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        values = json.loads(arrays.pop("header").tobytes())
        if values["format"] != _FORMAT:
            raise ValueError("it has another format")
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        OSError,
        zipfile.BadZipFile,
    ) as error:
        raise StreamStateError(f"{name!r} holds no state of a stream ({error}).") from error
    if (version := values.get("version")) != _VERSION:
        raise StreamStateError(
            f"{name!r} was written by another version of skasd (format {version!r}, this one reads "
            f"{_VERSION}): begin anew."
        )
    return values, arrays
