"""Codecs of estimators and of their parts: networks, metadata requests, callbacks."""

from inspect import signature

from sklearn.neighbors import BallTree, KDTree

from .._sklearn_compat import SIMPLE_METHODS, MetadataRequest, openmp_effective_n_threads
from ._allowed import class_kind, find_class, public_name
from ._coding import Codec
from ._earlier import present_name, present_state
from ._fitting import check_support_vectors

_SEARCH_TREES = {"ball_tree": BallTree, "kd_tree": KDTree}


class Estimator(Codec):
    """Estimators: class, parameters and fitted attributes; the net of an embedder as its weights."""

    kind = "estimator"
    shared = True

    def takes(self, value, encoder):
        return class_kind(type(value), encoder.trusted) == "estimator"

    def encode(self, value, encoder, where):
        state = dict(vars(value))
        node = {"class": public_name(type(value))}
        if "net_" in state and hasattr(value, "_net_state"):
            for name in ("net_", "embedding_network_", "device_"):
                state.pop(name, None)
            node["net"] = encoder(value._net_state(), f"{where}.net_")
        if _has_search_tree(state):
            del state["_tree"]
        node["state"] = {name: encoder(item, f"{where}.{name}") for name, item in state.items()}
        return node

    def decode(self, node, decoder):
        value = decoder.register(node, _new(node, decoder, "estimator"))
        net = decoder(node["net"]) if "net" in node else None
        # files of version 1 contain search trees
        nodes = {name: item for name, item in node["state"].items() if name != "_tree" or item is None}
        state = {name: decoder(item) for name, item in nodes.items()}
        vars(value).update(present_state(type(value), state))
        for name, parameter in signature(type(value).__init__).parameters.items():
            if parameter.default is not parameter.empty:  # the file may be older than a parameter
                vars(value).setdefault(name, parameter.default)
        if "_n_threads" in vars(value):  # of KMeans: that of another machine, or any number
            value._n_threads = openmp_effective_n_threads()
        if _has_search_tree(vars(value)):
            _build_search_tree(value)
        check_support_vectors(value)
        if net is not None:
            value._set_net_state(net, decoder.device)
        return value


class PlainObject(Codec):
    """Splitters, mixings, scorers and the like: class and attributes."""

    kind = "object"
    shared = True

    def takes(self, value, encoder):
        return class_kind(type(value), encoder.trusted) == "plain"

    def encode(self, value, encoder, where):
        state = {name: encoder(item, f"{where}.{name}") for name, item in vars(value).items()}
        return {"class": public_name(type(value)), "state": state}

    def decode(self, node, decoder):
        value = decoder.register(node, _new(node, decoder, "plain"))
        vars(value).update({name: decoder(item) for name, item in node["state"].items()})
        return value


class NamedTuple(Codec):
    """Named tuples."""

    kind = "named tuple"

    def takes(self, value, encoder):
        return class_kind(type(value), encoder.trusted) == "named tuple"

    def encode(self, value, encoder, where):
        items = [encoder(item, f"{where}.{name}") for name, item in zip(value._fields, value, strict=True)]
        return {"class": public_name(type(value)), "items": items}

    def decode(self, node, decoder):
        return _class(node, decoder, "named tuple")._make(decoder(item) for item in node["items"])


class Callback(Codec):
    """Callbacks of skorch: their constructor arguments."""

    kind = "callback"
    shared = True

    def takes(self, value, encoder):
        return class_kind(type(value), encoder.trusted) == "callback"

    def encode(self, value, encoder, where):
        # attributes that end in _ belong to a training run
        params = {name: item for name, item in vars(value).items() if not name.endswith("_")}
        return {
            "class": public_name(type(value)),
            "params": {name: encoder(item, f"{where}.{name}") for name, item in params.items()},
        }

    def decode(self, node, decoder):
        params = {name: decoder(item) for name, item in node["params"].items()}
        return _class(node, decoder, "callback")(**params)


class MetadataRequests(Codec):
    """Metadata requests of an estimator, as set by ``set_fit_request`` and the like."""

    kind = "metadata_request"

    def takes(self, value, encoder):
        return type(value) is MetadataRequest

    def encode(self, value, encoder, where):
        requests = {name: getattr(value, name).requests for name in SIMPLE_METHODS}
        owner = value.owner if isinstance(value.owner, str) else type(value.owner).__name__  # for messages
        return {
            "owner": owner,
            "requests": {
                method: {name: encoder(alias, where) for name, alias in asked.items()}
                for method, asked in requests.items()
                if asked
            },
        }

    def decode(self, node, decoder):
        value = MetadataRequest(owner=node["owner"])
        for method, asked in node["requests"].items():
            if method in SIMPLE_METHODS:  # those of the installed scikit-learn
                getattr(value, method)._requests.update(
                    {name: decoder(alias) for name, alias in asked.items()}
                )
        return value


class Tensor(Codec):
    """Tensors of torch."""

    kind = "tensor"
    shared = True

    def takes(self, value, encoder):
        return type(value).__module__ == "torch" and type(value).__name__ == "Tensor"

    def encode(self, value, encoder, where):
        return {"name": encoder.put_tensor(value, where)}

    def decode(self, node, decoder):
        return decoder.tensors[node["name"]]


class TorchConstant(Codec):
    """Devices and data types of torch."""

    kind = "torch"

    def takes(self, value, encoder):
        return type(value).__module__ == "torch" and type(value).__name__ in ("device", "dtype")

    def encode(self, value, encoder, where):
        return {"class": type(value).__name__, "value": str(value).removeprefix("torch.")}

    def decode(self, node, decoder):
        import torch

        if node["class"] == "device":
            return torch.device(node["value"])
        if not isinstance(value := getattr(torch, node["value"]), torch.dtype):
            raise ValueError(f"torch.{node['value']} is no type of numbers")
        return value


def _has_search_tree(state):
    """Return whether the attributes are those of scikit-learn's nearest neighbours in a search tree."""
    return isinstance(state.get("_fit_method"), str) and state["_fit_method"] in _SEARCH_TREES


def _build_search_tree(neighbors):
    """Build the tree from its points, as ``fit`` does: a tree from a file could point anywhere in memory."""
    neighbors._tree = _SEARCH_TREES[neighbors._fit_method](
        neighbors._fit_X,
        neighbors.leaf_size,
        metric=neighbors.effective_metric_,
        **neighbors.effective_metric_params_,
    )


def _class(node, decoder, wanted):
    cls, kind = find_class(present_name(node["class"]), decoder.trusted)
    if kind != wanted:
        raise ValueError(f"{node['class']} is no {wanted}")
    return cls


def _new(node, decoder, wanted):
    cls = _class(node, decoder, wanted)
    return cls.__new__(cls)


OBJECTS = [
    Estimator(),
    NamedTuple(),
    PlainObject(),
    Callback(),
    MetadataRequests(),
    Tensor(),
    TorchConstant(),
]
