"""Finished cells and shared features on disk, written atomically: safe if killed or if others write too."""

import hashlib
import json
import math
import os
import shutil
import uuid
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._whole_file import whole_file

_FEATURES = "features.json"  # written last


@dataclass
class Features:
    """Clips between steps: their features, and which of them are left."""

    train: Any
    test: Any
    kept_train: np.ndarray  # positions within task.train
    kept_test: np.ndarray
    causes: dict  # of unreadable clips, by row of the data set
    timings: list


class Store:
    """Folder of computed results by key, created if missing; finished cells are kept only if ``keeps_cells``."""

    def __init__(self, folder, keeps_cells=True):
        self.folder = Path(folder).absolute()
        self.keeps_cells = keeps_cells
        if any((self.folder / "shared").glob("*.joblib")):
            warnings.warn(
                f"{self.folder / 'shared'} holds *.joblib files of an earlier version. To read them could run code, so "
                "they are left alone, and what is in them is computed anew; you may remove them.",
                UserWarning,
            )

    def cell_path(self, key):
        """Return the path of a cell, whether it exists or not."""
        return self.folder / f"{key}.json"

    def read_cell(self, key):
        """Return a finished cell, None if there is none; a damaged one is reported and counts as none."""
        path = self.cell_path(key)
        if not self.keeps_cells or not path.is_file():
            return None
        try:
            text = path.read_text(encoding="utf-8")
            checksum, _, content = text.partition("\n")
            if hashlib.sha256(content.encode()).hexdigest() != checksum:
                raise ValueError("its checksum does not fit")
            return json.loads(content)
        except (OSError, ValueError) as error:
            warnings.warn(f"{path} is damaged ({error}); that cell is computed anew.", UserWarning)
            return None

    def write_cell(self, key, cell):
        """Store a finished cell."""
        if self.keeps_cells:
            content = json.dumps(cell)
            checksum = hashlib.sha256(content.encode()).hexdigest()
            _replace(self.cell_path(key), lambda path: path.write_text(f"{checksum}\n{content}", "utf-8"))

    def features_path(self, key):
        """Return the folder where features that several cells share are, or would be."""
        return self.folder / "shared" / key

    def has_features(self, key):
        """Tell whether shared features are there."""
        return (self.features_path(key) / _FEATURES).is_file()

    def read_features(self, key):
        """Return shared features, arrays mapped from their files, or None."""
        folder = self.features_path(key)
        try:
            content = json.loads((folder / _FEATURES).read_text("utf-8"))
            train, test = (_read_clips(folder / f"{name}.npy", content[name]) for name in ("train", "test"))
            kept_train, kept_test = (
                np.array(content[f"kept_{name}"], dtype=int) for name in ("train", "test")
            )
            return Features(train, test, kept_train, kept_test, dict(content["causes"]), content["timings"])
        except FileNotFoundError:
            return None
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            warnings.warn(f"{folder} is damaged ({error!r}); its features are computed anew.", UserWarning)
            shutil.rmtree(folder, ignore_errors=True)
            return None

    def write_features(self, key, features):
        """Store features for the cells that share them, if they are arrays; each cell computes others itself."""
        if not (_is_stored(features.train) and _is_stored(features.test)):
            return

        def write(folder):
            content = {
                "kept_train": features.kept_train.tolist(),
                "kept_test": features.kept_test.tolist(),
                "causes": list(features.causes.items()),
                "timings": features.timings,
                "train": _write_clips(folder / "train.npy", features.train),
                "test": _write_clips(folder / "test.npy", features.test),
            }
            (folder / _FEATURES).write_text(json.dumps(content), "utf-8")

        _replace_folder(self.features_path(key), write)

    def drop_features(self, keys):
        """Remove shared features; those of other runs stay."""
        for key in keys:
            shutil.rmtree(self.features_path(key), ignore_errors=True)
        with suppress(OSError):  # another run's features are in it, or it never existed
            (self.folder / "shared").rmdir()


def _is_stored(clips):
    """Tell whether these are numbers in an array, or in a list of arrays of one type."""
    arrays = clips if isinstance(clips, list) else [clips]
    return all(
        type(array) in (np.ndarray, np.memmap) and array.dtype.kind in "biufc" for array in arrays
    ) and (len({array.dtype for array in arrays}) == 1)


def _write_clips(path, clips):
    """Write an array, or the arrays of a list one after the other; return their shapes, None for an array."""
    if not isinstance(clips, list):
        np.save(path, clips, allow_pickle=False)
        return None
    np.save(path, np.concatenate([clip.ravel() for clip in clips]), allow_pickle=False)
    return [clip.shape for clip in clips]


def _read_clips(path, shapes):
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    if shapes is None:
        return values
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    if ends[-1] != len(values):
        raise ValueError(f"{path.name} has {len(values)} values in place of {ends[-1]}")
    return [part.reshape(shape) for part, shape in zip(np.split(values, ends[:-1]), shapes, strict=True)]


def _replace(path, write):
    """Write a file atomically, in a folder that another run may remove meanwhile because it is empty."""
    for attempt in range(3):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with whole_file(path) as name:
                write(Path(name))
            break
        except FileNotFoundError:
            if attempt == 2:
                raise


def _replace_folder(path, write):
    """Write a folder atomically; an existing one stays."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        for attempt in range(3):
            try:
                part.mkdir(parents=True)
                break
            except FileNotFoundError:  # another run has just removed the empty folder
                if attempt == 2:
                    raise
        write(part)
        os.replace(part, path)
    except OSError:
        if not path.is_dir():  # an equally good one, of a faster run
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_text(path, text):
    """Write a text file atomically."""
    _replace(Path(path), lambda other: other.write_text(text, encoding="utf-8"))
