"""Short names of everything that determines a result: estimators with their parameters, clips, versions."""

import hashlib
import json
import os
from functools import cache
from importlib import metadata
from numbers import Number
from types import CodeType

import joblib
import numpy as np
from sklearn.frozen import FrozenEstimator

from .._sklearn_compat import SIMPLE_METHODS

FORMAT = 1  # of what is stored; part of every key
_PACKAGES = ("skasd", "numpy", "scipy", "scikit-learn", "torch", "skorch", "librosa", "soxr", "soundfile")


@cache
def versions():
    """Return the versions of the packages that results depend on, by name."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found


def digest(*parts):
    """Return a key made of JSON-like parts, the same in every process."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def describe(value):
    """Describe a parameter's value as JSON-like data that is the same in every process.

    An estimator is described by its class, parameters and metadata requests; fitted attributes count only if it is
    frozen.
    """
    if isinstance(value, (type(None), bool, int, str)):
        return value
    if isinstance(value, Number):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, os.PathLike):
        return {"path": clip_identity([value])[0]}
    if isinstance(value, type):
        return f"class {value.__module__}.{value.__qualname__}"
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *(describe(item) for item in value)]
    if isinstance(value, (set, frozenset)):  # their order differs from process to process
        return ["set", *sorted((describe(item) for item in value), key=json.dumps)]
    if isinstance(value, dict):
        return {"dict": [[describe(key), describe(item)] for key, item in value.items()]}
    if isinstance(value, FrozenEstimator):
        return {"frozen": joblib.hash(value.estimator)}
    if hasattr(value, "get_params"):
        return {
            "class": f"{type(value).__module__}.{type(value).__qualname__}",
            "parameters": {k: describe(v) for k, v in value.get_params(deep=False).items()},
            "requests": describe(_requests(value)),
        }
    if hasattr(value, "__code__"):
        kept = [cell.cell_contents for cell in value.__closure__ or ()]
        return {
            "function": f"{value.__module__}.{value.__qualname__}",
            "code": describe(value.__code__),
            "kept": [describe(item) for item in (*(value.__defaults__ or ()), *kept)],
            "of": describe(getattr(value, "__self__", None)),
        }
    if isinstance(value, CodeType):
        return [value.co_code.hex(), value.co_names, [describe(constant) for constant in value.co_consts]]
    try:
        return {"pickle": joblib.hash(value)}
    except Exception as error:  # whatever its pickling raises
        raise ValueError(
            f"{value!r} among the parameters of a system cannot be told from others of its kind, since it cannot be "
            f"pickled ({error}): define it at the top of a module."
        ) from error


def _requests(estimator):
    """Return the metadata requests that were set on this estimator, by method."""
    own = getattr(estimator, "_metadata_request", None)
    if own is None:
        return None
    return {method: sorted(getattr(own, method).requests.items()) for method in SIMPLE_METHODS}


def clip_identity(clips):
    """Return one entry per clip: path, size and time of change of a file, a hash of the samples of an array."""
    entries = []
    for clip in clips:
        if isinstance(clip, (str, os.PathLike)):
            try:
                found = os.stat(clip)
                entries.append([os.fspath(clip), found.st_size, found.st_mtime_ns])
            except OSError:  # the reader finds and reports a missing file
                entries.append([os.fspath(clip), None, None])
        else:
            samples = np.ascontiguousarray(clip)
            entries.append([str(samples.dtype), samples.shape, hashlib.sha1(samples.tobytes()).hexdigest()])
    return entries
