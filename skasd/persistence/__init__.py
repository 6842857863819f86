"""Model files: fitted detectors saved and loaded without pickle."""

from ._container import ModelFileError
from ._model_file import load, save

__all__ = ["ModelFileError", "load", "save"]
