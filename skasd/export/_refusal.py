"""Functions that export parts of detectors by their type, and errors for parts that cannot be exported."""

from functools import singledispatch
from typing import Any


class Converters:
    """Functions that add parts of detectors to a graph, by the type of the part.

    A subclass may compute something else than its parent, so that it needs a converter of its own.

    Parameters
    ----------
    kinds : str
        What the parts are, in the plural, for the error about a part without converter.
    looser : tuple of types, default=()
        Types whose subclasses are converted as they are.
    unnamed : tuple of types, default=()
        Types that the error does not name.
    """

    def __init__(self, kinds: str, looser: tuple = (), unnamed: tuple = ()):
        self._kinds, self._looser, self._unnamed = kinds, looser, unnamed
        self._dispatch = singledispatch(self._refuse)
        self.register = self._dispatch.register

    def __call__(self, part: Any, *args: Any) -> str:
        """Call the converter of a part, and return what it does: the name of a value in the graph."""
        is_known = type(part) in self._dispatch.registry or isinstance(part, self._looser)
        return (self._dispatch if is_known else self._refuse)(part, *args)

    def _refuse(self, part, *args):
        known = [kind.__name__ for kind in self._dispatch.registry if kind not in (object, *self._unnamed)]
        raise ExportError(
            f"{type(part).__name__} cannot be exported: {self._kinds} that can be are {', '.join(sorted(known))}."
        )


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
