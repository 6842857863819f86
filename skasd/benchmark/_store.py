"""Finished cells and shared features on disk: whole files or none, whoever is killed and whoever else writes."""

import hashlib
import json
import warnings
from contextlib import suppress
from pathlib import Path

import joblib

from .._whole_file import whole_file


class Store:
    """Folder of what has been computed, by key.

    Parameters
    ----------
    folder : path-like
        Made if need be.

    keeps_cells : bool
        Whether finished cells are kept; shared features always are.
    """

    def __init__(self, folder, keeps_cells=True):
        self.folder = Path(folder).absolute()
        self.keeps_cells = keeps_cells

    def cell_path(self, key):
        """Return where a cell is, or would be."""
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
        """Keep a finished cell."""
        if self.keeps_cells:
            content = json.dumps(cell)
            checksum = hashlib.sha256(content.encode()).hexdigest()
            _replace(self.cell_path(key), lambda path: path.write_text(f"{checksum}\n{content}", "utf-8"))

    def features_path(self, key):
        """Return where features that several cells share are, or would be."""
        return self.folder / "shared" / f"{key}.joblib"

    def has_features(self, key):
        """Tell whether shared features are there."""
        return self.features_path(key).is_file()

    def read_features(self, key):
        """Return shared features, arrays mapped from the file, or None."""
        path = self.features_path(key)
        try:
            return joblib.load(path, mmap_mode="r")
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever a damaged file makes the unpickler do
            warnings.warn(f"{path} is damaged ({error!r}); its features are computed anew.", UserWarning)
            return None

    def write_features(self, key, features):
        """Keep features for the cells that share them."""
        _replace(self.features_path(key), lambda path: joblib.dump(features, path))

    def drop_features(self, keys):
        """Remove shared features; those of other runs stay."""
        for key in keys:
            self.features_path(key).unlink(missing_ok=True)
        with suppress(OSError):  # another run's are in it, or there never was one
            (self.folder / "shared").rmdir()


def _replace(path, write):
    """Write a file whole or not at all, in a folder that another run may remove meanwhile because it is empty."""
    for attempt in range(3):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with whole_file(path) as name:
                write(Path(name))
            break
        except FileNotFoundError:
            if attempt == 2:
                raise


def write_text(path, text):
    """Write a text file, whole or not at all."""
    _replace(Path(path), lambda other: other.write_text(text, encoding="utf-8"))
