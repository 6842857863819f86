"""Conversion between objects and JSON with separate arrays and tensors."""

import hashlib
import io
import math
from abc import ABC, abstractmethod

import numpy as np

from ._allowed import is_within


class Codec(ABC):
    """Encoding of the values of one kind as JSON objects, and back."""

    kind: str  # the JSON object's "type"
    shared = False  # whether an object in two places is stored once

    @abstractmethod
    def takes(self, value, encoder):
        """Return whether this codec is for the value."""

    @abstractmethod
    def encode(self, value, encoder, where):
        """Return the entries of the JSON object besides "type"."""

    @abstractmethod
    def decode(self, node, decoder):
        """Return the value; one that may contain itself calls ``decoder.register(node, value)`` before its content."""


class Encoder:
    """Turn a value into JSON; arrays (as .npy files, equal ones once) and tensors are stored separately.

    The first of the ``codecs`` that takes a value encodes it. ``trusted`` are packages whose classes and functions are
    allowed.
    """

    def __init__(self, codecs, trusted=()):
        self.codecs = codecs
        self.trusted = trusted
        self.arrays = []
        self.tensors = {}
        self._array_numbers = {}
        self._known = {}  # by id: the object, so that its id is not reused, and its JSON
        self._n_ids = 0

    def __call__(self, value, where):
        """Return the JSON of a value; its place ``where``, such as ``"Pipeline.steps[1]"``, is for messages."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float and math.isfinite(value):
            return value
        if id(value) in self._known:
            node = self._known[id(value)][1]
            if "id" not in node:
                node["id"] = self._n_ids
                self._n_ids += 1
            return {"type": "ref", "id": node["id"]}
        for codec in self.codecs:
            if codec.takes(value, self):
                node = {"type": codec.kind}
                if codec.shared:
                    self._known[id(value)] = value, node
                node.update(codec.encode(value, self, where))
                return node
        raise TypeError(
            f"{where} is {_describe(value)}, which a model file cannot hold. {_remedy(value, self.trusted)}"
        )

    def put_array(self, array):
        """Store an array and return its number."""
        file = io.BytesIO()
        np.lib.format.write_array(file, array, allow_pickle=False)
        content = file.getvalue()
        digest = hashlib.sha256(content).digest()
        if digest not in self._array_numbers:
            self._array_numbers[digest] = len(self.arrays)
            self.arrays.append(content)
        return self._array_numbers[digest]

    def put_tensor(self, tensor, name):
        """Store a tensor under a name, made unique, which is returned."""
        if name in self.tensors:
            name = f"{name}#{len(self.tensors)}"
        # a copy, because the format has neither strides nor shared memory
        self.tensors[name] = tensor.detach().cpu().clone().contiguous()
        return name


class Decoder:
    """Turn the output of an `Encoder` into values again.

    ``device`` is that of the networks; None: that of the parameter ``device`` of each estimator.
    """

    def __init__(self, codecs, trusted, device, arrays, tensors):
        self.codecs = {codec.kind: codec for codec in codecs}
        self.trusted = trusted
        self.device = device
        self.tensors = tensors
        self._arrays = arrays
        self._known = {}

    def __call__(self, node):
        """Return the value of a JSON value."""
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        if not isinstance(node, dict):
            raise ValueError(f"a {type(node).__name__} where a value is expected")
        if node["type"] == "ref":
            return self._known[node["id"]]
        if node["type"] not in self.codecs:
            raise ValueError(
                f"it holds something of type {node['type']!r}, which this version of skasd does not read: load it with "
                "the version that wrote it, or fit again"
            )
        value = self.codecs[node["type"]].decode(node, self)
        return self.register(node, value)

    def register(self, node, value):
        """Note the value of a JSON object that others refer to, and return it."""
        if "id" in node:
            self._known[node["id"]] = value
        return value

    def get_array(self, number):
        """Return a new array of the .npy file of that number."""
        content = self._arrays[number]
        file = io.BytesIO(content)
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read_header(file)
        n_items, there = math.prod(shape), len(content) - file.tell()
        # checked before numpy allocates memory; it makes items of size 0 one character wide
        fits = n_items * dtype.itemsize == there and (n_items == 0 or dtype.itemsize > 0)
        if dtype.hasobject or min(shape, default=0) < 0 or not fits:
            raise ValueError(f"array {number} of shape {shape} and type {dtype} does not fit its size")
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)


def _describe(value):
    cls = type(value)
    if getattr(value, "__qualname__", None):
        return f"{cls.__name__} {value.__module__}.{value.__qualname__}"
    return f"of class {cls.__module__}.{cls.__qualname__}"


def _remedy(value, trusted):
    thing = value if getattr(value, "__qualname__", None) else type(value)
    package = str(thing.__module__).partition(".")[0]
    if package == "sklearn" and "._" in str(thing.__module__):
        return (
            "It is an inner part of scikit-learn, as forests have, and could not be checked in a file: use another "
            "detector, as LOFScorer, KNNScorer or OneClassSVM, or another format, as that of skops.io."
        )
    if "<" in getattr(thing, "__qualname__", ""):
        return "Only functions and classes that can be imported by name can be stored: define it in a module."
    if is_within(str(thing.__module__), trusted):
        return "It is trusted, but is more than its attributes: leave it out, or make it an estimator."
    if package in ("builtins", "skasd", "sklearn", "imblearn", "numpy", "scipy", "torch", "skorch"):
        return "Leave it out, or replace it by numbers, strings or objects of skasd and scikit-learn."
    return (
        f"If its code is yours or you trust it, give trusted=({package!r},) to skasd.save and to skasd.load; "
        "otherwise leave it out."
    )
