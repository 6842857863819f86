"""Errors for parts of detectors that cannot be exported."""


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
