"""Codecs of Python's and NumPy's values."""

import datetime
import math
import pathlib
import uuid
from decimal import Decimal
from fractions import Fraction
from functools import partial

import numpy as np
from sklearn.utils import Bunch

from ._allowed import find_function, function_name, public_name
from ._coding import Codec

_BUILTIN_TYPES = {cls.__name__: cls for cls in (bool, int, float, complex, str, bytes, object)}
_WIDEST_TYPE = 1 << 16  # bytes: a type such as "U999999999" in a file must not allocate any amount of memory
_PURE_PATHS = {cls.__name__: cls for cls in (pathlib.PurePosixPath, pathlib.PureWindowsPath)}
_BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


class NotFiniteFloat(Codec):
    """NaN and the infinities, which JSON lacks."""

    kind = "float"

    def takes(self, value, encoder):
        return type(value) is float

    def encode(self, value, encoder, where):
        return {"value": repr(value)}

    def decode(self, node, decoder):
        return float(node["value"])


class OtherScalar(Codec):
    """Complex numbers, bytes, ellipsis, slices and ranges."""

    kind = "builtin"

    def takes(self, value, encoder):
        return type(value) in (complex, bytes, slice, range) or value is ...

    def encode(self, value, encoder, where):
        parts = {
            complex: lambda: (value.real, value.imag),
            bytes: lambda: tuple(value),
            type(...): lambda: (),
        }.get(type(value), lambda: (value.start, value.stop, value.step))()
        return {"class": type(value).__name__, "parts": [encoder(part, where) for part in parts]}

    def decode(self, node, decoder):
        parts = [decoder(part) for part in node["parts"]]
        return {
            "complex": lambda: complex(*parts),
            "bytes": lambda: bytes(parts),
            "ellipsis": lambda: ...,
            "slice": lambda: slice(*parts),
            "range": lambda: range(*parts),
        }[node["class"]]()


class ListLike(Codec):
    """Lists, tuples, sets and frozen sets."""

    def __init__(self, cls):
        self.cls = cls
        self.kind = cls.__name__
        self.shared = cls in (list, set)

    def takes(self, value, encoder):
        return type(value) is self.cls

    def encode(self, value, encoder, where):
        items = value if self.cls in (list, tuple) else sorted(value, key=repr)  # sets have no order
        return {"items": [encoder(item, f"{where}[{i}]") for i, item in enumerate(items)]}

    def decode(self, node, decoder):
        if not self.shared:
            return self.cls([decoder(item) for item in node["items"]])
        value = decoder.register(node, self.cls())
        add = value.append if self.cls is list else value.add
        for item in node["items"]:
            add(decoder(item))
        return value


class DictLike(Codec):
    """Dicts with any keys, and scikit-learn's bunches."""

    shared = True

    def __init__(self, kind, cls):
        self.kind = kind
        self.cls = cls

    def takes(self, value, encoder):
        return type(value) is self.cls

    def encode(self, value, encoder, where):
        return {
            "items": [
                [encoder(key, f"{where} (key {key!r})"), encoder(item, f"{where}[{key!r}]")]
                for key, item in value.items()
            ]
        }

    def decode(self, node, decoder):
        value = decoder.register(node, self.cls())
        for key, item in node["items"]:
            value[decoder(key)] = decoder(item)
        return value


class Text(Codec):
    """Exact numbers, identifiers and dates, such as labels of sections, stored as text."""

    kind = "text"

    def takes(self, value, encoder):
        return self._name(type(value)) is not None

    def encode(self, value, encoder, where):
        name = self._name(type(value))
        return {"class": name, "value": _TEXTS[name][0](value)}

    def decode(self, node, decoder):
        return _TEXTS[node["class"]][1](node["value"])

    def _name(self, cls):
        name = f"{cls.__module__.partition('.')[0]}.{cls.__name__}"
        return name if name in _TEXTS else None


def _pandas(name):
    """Return a function that makes an object of pandas from text, importing pandas only then: it is slow to import."""

    def parse(text):
        import pandas as pd

        return getattr(pd, name)(text)

    return parse


def _fraction(text):
    """Return the fraction of a text; the constructor would also read 1e999999999."""
    return Fraction(*map(int, text.split("/")))


# functions to text and back, by class
_TEXTS = {
    "decimal.Decimal": (str, Decimal),
    "fractions.Fraction": (str, _fraction),
    "uuid.UUID": (str, uuid.UUID),
    "datetime.date": (datetime.date.isoformat, datetime.date.fromisoformat),
    "datetime.datetime": (datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "pandas.Timestamp": (lambda value: value.isoformat(), _pandas("Timestamp")),
    "pandas.Timedelta": (lambda value: value.isoformat(), _pandas("Timedelta")),
}


class PathLike(Codec):
    """Paths of pathlib."""

    kind = "path"

    def takes(self, value, encoder):
        return isinstance(value, pathlib.PurePath)

    def encode(self, value, encoder, where):
        node = {"value": str(value)}
        if type(value).__name__ in _PURE_PATHS:
            node["class"] = type(value).__name__
        return node

    def decode(self, node, decoder):
        return _PURE_PATHS.get(node.get("class"), pathlib.Path)(node["value"])


class NumpyScalar(Codec):
    """NumPy's scalars."""

    kind = "scalar"

    def takes(self, value, encoder):
        return isinstance(value, np.generic) and not value.dtype.hasobject

    def encode(self, value, encoder, where):
        if (value.dtype.kind in "biufU" and value.dtype.itemsize <= 8) or value.dtype.kind == "U":
            return {"dtype": value.dtype.str, "value": encoder(value.item(), where)}
        return {"array": encoder.put_array(np.asarray(value))}

    def decode(self, node, decoder):
        if "array" in node:
            return decoder.get_array(node["array"])[()]
        value = decoder(node["value"])
        if isinstance(value, str):  # whatever length its type claims
            return np.str_(value)
        return np.asarray(value, dtype=_dtype(node["dtype"]))[()]


class Array(Codec):
    """Arrays; in those of objects element by element."""

    kind = "array"
    shared = True

    def takes(self, value, encoder):
        return type(value) in (np.ndarray, np.memmap) and (
            value.dtype == object or not (value.dtype.hasobject or value.dtype.kind == "T")
        )

    def encode(self, value, encoder, where):
        if value.dtype != object:
            return {"array": encoder.put_array(value)}
        return {
            "shape": list(value.shape),
            "items": [encoder(item, f"{where}[{i}]") for i, item in enumerate(value.ravel())],
        }

    def decode(self, node, decoder):
        if "array" in node:
            return decoder.get_array(node["array"])
        if math.prod(node["shape"]) != len(node["items"]):
            raise ValueError(f"an array of shape {node['shape']} with {len(node['items'])} items")
        value = np.empty(len(node["items"]), dtype=object)
        value = decoder.register(node, value.reshape(node["shape"]))
        for i, item in enumerate(node["items"]):
            value.reshape(-1)[i] = decoder(item)
        return value


class MaskedArray(Codec):
    """Masked arrays, as grid searches have them."""

    kind = "masked_array"

    def takes(self, value, encoder):
        return type(value) is np.ma.MaskedArray

    def encode(self, value, encoder, where):
        return {"data": encoder(value.data, where), "mask": encoder(np.ma.getmaskarray(value), where)}

    def decode(self, node, decoder):
        return np.ma.MaskedArray(decoder(node["data"]), decoder(node["mask"]))


class DType(Codec):
    """Data types of arrays other than records."""

    kind = "dtype"

    def takes(self, value, encoder):
        return isinstance(value, np.dtype) and value.kind in "biufcmMSUO"

    def encode(self, value, encoder, where):
        return {"value": value.str}

    def decode(self, node, decoder):
        return _dtype(node["value"])


class RandomState(Codec):
    """NumPy's random generators, with their state."""

    kind = "random_state"
    shared = True

    def takes(self, value, encoder):
        bits = getattr(value, "bit_generator", getattr(value, "_bit_generator", None))
        return (
            type(value) in (np.random.RandomState, np.random.Generator)
            and type(bits).__name__ in _BIT_GENERATORS
        )

    def encode(self, value, encoder, where):
        if isinstance(value, np.random.RandomState):
            return {"class": "RandomState", "state": encoder(value.get_state(legacy=False), where)}
        return {"class": "Generator", "state": encoder(value.bit_generator.state, where)}

    def decode(self, node, decoder):
        state = decoder(node["state"])
        if state["bit_generator"] not in _BIT_GENERATORS:
            raise ValueError(f"an unknown bit generator {state['bit_generator']!r}")
        bits = getattr(np.random, state["bit_generator"])()
        if node["class"] == "Generator":
            bits.state = state
            return np.random.Generator(bits)
        generator = np.random.RandomState(bits)
        generator.set_state(state)
        return generator


class Type(Codec):
    """Types of numbers, optimisers of torch and objectives of networks."""

    kind = "type"

    def takes(self, value, encoder):
        return isinstance(value, type) and self._name(value) is not None

    def encode(self, value, encoder, where):
        return {"name": self._name(value)}

    def decode(self, node, decoder):
        package, _, name = node["name"].rpartition(".")
        if package == "builtins":
            return _BUILTIN_TYPES[name]
        if package == "numpy" and issubclass(found := getattr(np, name), np.generic):
            return found
        if package == "torch.optim":
            import torch

            if issubclass(found := getattr(torch.optim, name), torch.optim.Optimizer):
                return found
        if package == "skasd.nn":
            from .. import nn

            if isinstance(found := getattr(nn, name), type) and hasattr(found, "log_proba"):
                return found
        raise ValueError(f"{node['name']} is no type that a model file may name")

    def _name(self, value):
        name = value.__name__
        if _BUILTIN_TYPES.get(name) is value:
            return f"builtins.{name}"
        if issubclass(value, np.generic) and getattr(np, name, None) is value:
            return f"numpy.{name}"
        public = public_name(value)
        objective = public == f"skasd.nn.{name}" and hasattr(value, "log_proba")
        return public if objective or public == f"torch.optim.{name}" else None


class Function(Codec):
    """Functions by their names."""

    kind = "function"

    def takes(self, value, encoder):
        return callable(value) and function_name(value, encoder.trusted) is not None

    def encode(self, value, encoder, where):
        return {"name": function_name(value, encoder.trusted)}

    def decode(self, node, decoder):
        return find_function(node["name"], decoder.trusted)


class Partial(Codec):
    """Functions with some of their arguments."""

    kind = "partial"

    def takes(self, value, encoder):
        return type(value) is partial

    def encode(self, value, encoder, where):
        parts = (value.func, value.args, value.keywords)
        return {
            name: encoder(part, f"{where}.{name}")
            for name, part in zip(("func", "args", "keywords"), parts, strict=True)
        }

    def decode(self, node, decoder):
        return partial(decoder(node["func"]), *decoder(node["args"]), **decoder(node["keywords"]))


def _dtype(name):
    dtype = np.dtype(name)
    if not isinstance(name, str) or dtype.fields is not None or dtype.itemsize > _WIDEST_TYPE:
        raise ValueError(f"{name!r} is no type of array")
    return dtype


VALUES = [
    NotFiniteFloat(),
    OtherScalar(),
    *(ListLike(cls) for cls in (list, tuple, set, frozenset)),
    DictLike("dict", dict),
    DictLike("bunch", Bunch),
    Text(),
    PathLike(),
    NumpyScalar(),
    Array(),
    MaskedArray(),
    DType(),
    RandomState(),
    Type(),
    Partial(),
    Function(),
]
