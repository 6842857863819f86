"""Errors for parts of detectors that cannot be exported."""

from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import Any


class Converters:
    """Functions that add parts of detectors to a graph, by the type of the part.

    A subclass may compute something else than its parent, so that it needs a converter of its own.

    Parameters
    ----------
    refuse : callable
        Called, as a converter is, with parts that have none; raises `ExportError`.
    looser : tuple of types, default=()
        Types whose subclasses are converted as they are.
    """

    def __init__(self, refuse: Callable, looser: tuple = ()):
        self._dispatch = singledispatch(refuse)
        self._refuse, self._looser = refuse, looser
        self.register = self._dispatch.register

    @property
    def registry(self) -> Mapping:
        """The converters by type."""
        return self._dispatch.registry

    def __call__(self, part: Any, *args: Any) -> str:
        """Call the converter of a part, and return what it does: the name of a value in the graph."""
        is_known = type(part) in self.registry or isinstance(part, self._looser)
        return (self._dispatch if is_known else self._refuse)(part, *args)


class ExportError(TypeError):
    """A part of a detector has no form in ONNX that gives the same numbers.

    Raised before anything is written; the message names the part and the remedy.
    """


def check_setting(estimator, name, allowed):
    """Raise unless a parameter has one of the values that can be exported."""
    value = getattr(estimator, name)
    if value not in allowed:
        raise ExportError(
            f"{type(estimator).__name__}({name}={value!r}) cannot be exported: use "
            f"{name}={' or '.join(map(repr, allowed))} and fit again."
        )
