"""Classes and functions that a model file may name."""

import importlib
import re
import sys
from types import FunctionType

import numpy as np
from sklearn.base import BaseEstimator

PACKAGES = ("skasd", "sklearn", "imblearn")

# parts of those packages that have side effects on import, or are not their own code
_CLOSED = {"__main__", "conftest", "externals", "setup", "tests"}

# classes, other than estimators, whose objects consist of their attributes alone
PLAIN = {
    "skasd.compose._combination.Standardization",
    "skasd.nn.FMix",
    "skasd.nn.Mixup",
    "skasd.nn.OneOf",
    "skasd.nn.SoundEventMixing",
    "sklearn.metrics._scorer._MultimetricScorer",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
}

# stored by their constructor arguments alone: each training run resets them
CALLBACKS = {
    "skasd.embedders.Checkpoint",
    "skasd.embedders.EarlyStopping",
    "skorch.callbacks.EarlyStopping",
    "skorch.callbacks.EpochScoring",
    "skorch.callbacks.GradientNormClipping",
    "skorch.callbacks.LRScheduler",
    "skorch.callbacks.WarmRestartLR",
}

# functions of numbers; none of them reads or writes files
_FUNCTIONS = {
    "builtins": "print",  # targets that skorch's callbacks write to
    "numpy": "all amax amin any argmax argmin average clip cumprod cumsum diff linalg.norm max mean median min "
    "nan_to_num nanmax nanmean nanmedian nanmin nanstd nansum nanvar percentile prod ptp quantile ravel "
    "real round sort squeeze std sum trapezoid transpose unwrap var",
    "skasd.metrics": "auc_by_domain f1_ev harmonic_auc jackknife_interval official_score partial_auc "
    "precision_recall_f1_by_domain",
    "skasd.nn": "domain_gain domain_partners feature_exchange",
}
_FUNCTION_MODULES = (
    "sklearn.feature_selection",
    "sklearn.metrics",
    "sklearn.metrics.pairwise",
    "sklearn.preprocessing",
)
_UFUNC_MODULES = ("numpy", "scipy.special")

_HEAP_TYPE = 1 << 9  # flag of classes defined in Python


class NotAllowed(ValueError):
    """A name that a model file may not hold."""


def is_within(name, packages):
    """Return whether a dotted name is one of the packages or lies in one of them."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def public_name(thing):
    """Return the shortest dotted name under which a class or function can be imported."""
    module, name = thing.__module__, thing.__qualname__
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        place = ".".join(parts[:end])
        if getattr(sys.modules.get(place), name, None) is thing:
            return f"{place}.{name}"
    return f"{module}.{name}"


def find_class(name, trusted=()):
    """Return the class of a name in a model file, if it is allowed, and how its objects are stored.

    That is "estimator", "plain", "callback" or "named tuple". ``trusted`` are packages besides our own.
    """
    cls = _import(name, trusted)
    kind = class_kind(cls, trusted) if isinstance(cls, type) else None
    if kind is None:
        raise NotAllowed(f"{name} is not of a class that a model file may hold")
    return cls, kind


def class_kind(cls, trusted=()):
    """Return how the objects of a class are stored; None if they are not."""
    name = public_name(cls)
    if name in CALLBACKS:
        return "callback"
    ours = is_within(cls.__module__, PACKAGES)
    if not ours and not is_within(cls.__module__, trusted):
        return None
    if "." in cls.__qualname__:  # defined inside a function or class: cannot be found by name
        return None
    if issubclass(cls, BaseEstimator):
        return "estimator"
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return "named tuple"
    if name in PLAIN or (ours and _is_splitter(cls)):
        return "plain"
    return "plain" if not ours and _is_its_attributes(cls) else None


def _is_splitter(cls):
    return "model_selection" in cls.__module__ and hasattr(cls, "split") and hasattr(cls, "get_n_splits")


def _is_its_attributes(cls):
    """Return whether the objects of a class consist of their ``__dict__`` alone."""
    methods = ("__reduce_ex__", "__reduce__", "__getstate__")
    return (
        cls.__dictoffset__ != 0
        and all(getattr(cls, name) is getattr(object, name) for name in methods)
        and not hasattr(cls, "__setstate__")
        and not any(vars(base).get("__slots__") for base in cls.__mro__)
        # built-in bases, such as lists and numbers, have content of their own
        and all(base is object or base.__flags__ & _HEAP_TYPE for base in cls.__mro__)
    )


def function_name(function, trusted=()):
    """Return the name of a function that a model file may hold; None for any other."""
    name = getattr(function, "__name__", "")
    if isinstance(function, np.ufunc):
        candidates = [f"{module}.{name}" for module in _UFUNC_MODULES]
    else:
        module = getattr(function, "__module__", None) or ""
        candidates = [f"{place}.{known}" for place, names in _FUNCTIONS.items() for known in names.split()]
        candidates = [known for known in candidates if known.rpartition(".")[2] == name]
        candidates += [f"{place}.{name}" for place in _FUNCTION_MODULES if is_within(module, ("sklearn",))]
        if is_within(module, trusted) and getattr(function, "__qualname__", None) == name:
            candidates.append(f"{module}.{name}")
    for candidate in candidates:
        try:
            if find_function(candidate, trusted) is function:
                return candidate
        except NotAllowed:
            continue
    return None


def find_function(name, trusted=()):
    """Return the function of a name in a model file, if it is allowed."""
    for module, names in _FUNCTIONS.items():
        within = name.removeprefix(f"{module}.")
        if within != name and within in names.split():
            return _attribute(module, within)
    place, _, last = name.rpartition(".")
    if is_within(place, trusted):
        found = _import(name, trusted)
        if callable(found):
            return found
    elif place in _FUNCTION_MODULES and not last.startswith("_"):
        found = getattr(importlib.import_module(place), last, None)
        if isinstance(found, FunctionType) and is_within(found.__module__, (place, "sklearn.metrics")):
            return found
    elif place in _UFUNC_MODULES:
        found = getattr(importlib.import_module(place), last, None)
        if isinstance(found, np.ufunc):
            return found
    raise NotAllowed(f"{name} is not a function that a model file may name")


def _attribute(module, name):
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise NotAllowed(f"{module}.{name} does not exist in the version installed")
    return found


def _import(name, trusted):
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", name, re.ASCII):
        raise NotAllowed(f"{name!r} is no name of a class or function")
    module, _, last = name.rpartition(".")
    known = name in CALLBACKS or (is_within(module, PACKAGES) and not _CLOSED & set(module.split(".")))
    if not known and not is_within(module, trusted):
        raise NotAllowed(
            f"{name} is in none of {', '.join((*PACKAGES, *trusted))}, and other code is not touched unless "
            "trusted= names it"
        )
    try:
        return getattr(importlib.import_module(module), last)
    except (ImportError, AttributeError) as error:
        raise NotAllowed(f"{name} does not exist in the version installed ({error})") from error
