"""Codecs of estimators and of what they hold: networks, trees, callbacks."""

from inspect import signature

import numpy as np
from sklearn.linear_model import _sgd_fast
from sklearn.metrics import DistanceMetric, _dist_metrics
from sklearn.neighbors import BallTree, KDTree
from sklearn.tree import _tree
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from .._sklearn_compat import SIMPLE_METHODS, MetadataRequest
from ._allowed import class_kind, find_class, public_name
from ._coding import Codec
from ._earlier import present_name, present_state
from ._fitting import check_parts

_SEARCH_TREES = {cls.__name__: cls for cls in (KDTree, BallTree)}
# but for those that call a function of the user's
_METRICS = {
    name: cls
    for name, cls in vars(_dist_metrics).items()
    if isinstance(cls, type) and issubclass(cls, DistanceMetric) and "PyFunc" not in name
}
_LOSSES = {
    name: getattr(_sgd_fast, name)
    for name in ("EpsilonInsensitive", "Hinge", "ModifiedHuber", "SquaredEpsilonInsensitive", "SquaredHinge")
}


class Estimator(Codec):
    """Estimators: their class, parameters and fitted attributes; of an embedder's net the weights."""

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
        node["state"] = {name: encoder(item, f"{where}.{name}") for name, item in state.items()}
        return node

    def decode(self, node, decoder):
        value = decoder.register(node, _new(node, decoder, "estimator"))
        net = decoder(node["net"]) if "net" in node else None
        state = {name: decoder(item) for name, item in node["state"].items()}
        vars(value).update(present_state(type(value), state))
        for name, parameter in signature(type(value).__init__).parameters.items():
            if parameter.default is not parameter.empty:  # the file may be older than a parameter
                vars(value).setdefault(name, parameter.default)
        if "_n_threads" in vars(value):  # of the machine that KMeans was fitted on, or any number
            value._n_threads = _openmp_effective_n_threads()
        check_parts(value)
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
    """Callbacks of skorch: what their constructors were given."""

    kind = "callback"
    shared = True

    def takes(self, value, encoder):
        return class_kind(type(value), encoder.trusted) == "callback"

    def encode(self, value, encoder, where):
        # what ends in _ belongs to a training run
        params = {name: item for name, item in vars(value).items() if not name.endswith("_")}
        return {
            "class": public_name(type(value)),
            "params": {name: encoder(item, f"{where}.{name}") for name, item in params.items()},
        }

    def decode(self, node, decoder):
        params = {name: decoder(item) for name, item in node["params"].items()}
        return _class(node, decoder, "callback")(**params)


class MetadataRequests(Codec):
    """What an estimator was told to ask for by ``set_fit_request`` and the like."""

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
            if method in SIMPLE_METHODS:  # of the version installed
                getattr(value, method)._requests.update(
                    {name: decoder(alias) for name, alias in asked.items()}
                )
        return value


class SearchTree(Codec):
    """KD and ball trees, which are grown again from their points."""

    kind = "search_tree"
    shared = True

    def takes(self, value, encoder):
        return type(value) in _SEARCH_TREES.values()

    def encode(self, value, encoder, where):
        data, _, _, _, leaf_size, *_, metric, weight = value.__getstate__()
        return {
            "class": type(value).__name__,
            "data": encoder.put_array(np.asarray(data)),
            "leaf_size": leaf_size,
            "metric": encoder(metric, f"{where} (metric)"),
            "sample_weight": None if weight is None else encoder.put_array(np.asarray(weight)),
        }

    def decode(self, node, decoder):
        weight = node["sample_weight"]
        return _SEARCH_TREES[node["class"]](
            decoder.get_array(node["data"]),
            leaf_size=node["leaf_size"],
            metric=decoder(node["metric"]),
            sample_weight=None if weight is None else decoder.get_array(weight),
        )


class Metric(Codec):
    """Metrics of scikit-learn's trees."""

    kind = "metric"

    def takes(self, value, encoder):
        return type(value) in _METRICS.values()

    def encode(self, value, encoder, where):
        p, vec, mat = value.__getstate__()
        return {
            "class": type(value).__name__,
            "p": encoder(float(p), where),
            "vec": encoder.put_array(np.asarray(vec)),
            "mat": encoder.put_array(np.asarray(mat)),
        }

    def decode(self, node, decoder):
        value = (cls := _METRICS[node["class"]]).__new__(cls)
        vec, mat = decoder.get_array(node["vec"]), decoder.get_array(node["mat"])
        if vec.ndim != 1 or mat.ndim != 2 or mat.shape[0] != mat.shape[1]:  # compiled code counts on it
            raise ValueError(f"a metric with a vector of shape {vec.shape} and a matrix of shape {mat.shape}")
        value.__setstate__((decoder(node["p"]), vec, mat))
        return value


class LinearLoss(Codec):
    """Losses of scikit-learn's stochastic gradient descent, which are a class and a number."""

    kind = "loss"

    def takes(self, value, encoder):
        return type(value) in _LOSSES.values()

    def encode(self, value, encoder, where):
        return {"class": type(value).__name__, "args": [float(number) for number in value.__reduce__()[1]]}

    def decode(self, node, decoder):
        return _LOSSES[node["class"]](*node["args"])


class DecisionTree(Codec):
    """The trees in scikit-learn's tree estimators and forests."""

    kind = "decision_tree"
    shared = True

    def takes(self, value, encoder):
        return type(value) is _tree.Tree

    def encode(self, value, encoder, where):
        _, (n_features, n_classes, n_outputs), state = value.__reduce__()
        return {
            "n_features": int(n_features),
            "n_outputs": int(n_outputs),
            "max_depth": int(state["max_depth"]),
            "n_classes": encoder.put_array(n_classes),
            "nodes": encoder.put_array(state["nodes"]),
            "values": encoder.put_array(state["values"]),
        }

    def decode(self, node, decoder):
        nodes, values = decoder.get_array(node["nodes"]), decoder.get_array(node["values"])
        n_classes = decoder.get_array(node["n_classes"])
        max_depth = self._depth(nodes, node["n_features"])
        if n_classes.shape != (node["n_outputs"],):
            raise ValueError(
                f"a decision tree of {node['n_outputs']} outputs with classes for {n_classes.shape}"
            )
        value = _tree.Tree(node["n_features"], n_classes, node["n_outputs"])
        value.__setstate__(
            {"max_depth": max_depth, "node_count": len(nodes), "nodes": nodes, "values": values}
        )
        return value

    def _depth(self, nodes, n_features):
        """Check that every way down ends, and return how deep: compiled code follows the numbers unseen."""
        left, right = nodes["left_child"], nodes["right_child"]
        inner = np.flatnonzero(left != -1)
        children = np.stack([left[inner], right[inner]])
        feature = nodes["feature"][inner]
        if (
            not len(nodes)
            or (right[left == -1] != -1).any()
            or (children <= inner).any()
            or (children >= len(nodes)).any()
            or (feature < 0).any()
            or (feature >= n_features).any()
        ):
            raise ValueError("a decision tree whose nodes do not make a tree")
        depth = [0] * len(nodes)
        for parent, *below in zip(inner.tolist(), *children.tolist(), strict=True):
            for child in below:
                depth[child] = max(depth[child], depth[parent] + 1)
        return max(depth)


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


class TorchWord(Codec):
    """Torch's devices and types of numbers."""

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
    SearchTree(),
    Metric(),
    LinearLoss(),
    DecisionTree(),
    Tensor(),
    TorchWord(),
]
