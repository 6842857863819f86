"""Model files: fitted detectors saved and loaded without pickle."""

from ._container import ModelFileError
from ._model_file import describe, load, save

__all__ = ["ModelFileError", "describe", "load", "save"]
