"""Values of parameters, and objects that they choose by name: objectives, mixings, optimisers, outputs."""

from numbers import Integral, Real

import torch

from .. import nn
from .._sklearn_compat import Interval, StrOptions

OBJECTIVES = {
    "arcface": nn.ArcFace,
    "adacos": nn.AdaCos,
    "subcluster_adacos": nn.SubclusterAdaCos,
    "focal": nn.FocalLoss,
    "cross_entropy": nn.CrossEntropy,
    "binary_cross_entropy": nn.BinaryCrossEntropy,
}
MIXINGS = {"mixup": nn.Mixup, "fmix": nn.FMix, "sound_events": nn.SoundEventMixing}
OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
}
# of the parameters that embedders share
CONSTRAINTS: dict = {
    "loss": [StrOptions(set(OBJECTIVES)), callable],
    "patch_frames": [Interval(Integral, 1, None, closed="left")],
    "patch_hop": [Interval(Integral, 1, None, closed="left"), None],
    "merge": [str, tuple, list],
    "output": [str, tuple, list],
    "n_pseudo_classes": [Interval(Integral, 1, None, closed="left")],
    "standardize_input": [StrOptions({"bin", "global"}), None],
    "mixing": [StrOptions(set(MIXINGS)), tuple, list, callable, None],
    "domain_mixing": ["boolean"],
    "augmenter": [None, object],
    "max_epochs": [Interval(Integral, 0, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "lr_schedule": [StrOptions({"onecycle", "constant"})],
    "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "device": [str],
    "precision": [StrOptions({"auto", "float32", "bfloat16"})],
    "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    "callbacks": [list, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def make_objective(loss, embedding_dim, n_classes):
    """Return the objective of a name, or of a factory ``loss(embedding_dim, n_classes)``."""
    if isinstance(loss, torch.nn.Module):
        raise TypeError(
            f"loss={loss!r} is an objective that has been made: pass its class, or functools.partial of it with its "
            "arguments. An embedder makes the objective in fit, when it knows the number of classes."
        )
    factory = loss if callable(loss) else OBJECTIVES[loss]
    is_other_class = isinstance(factory, type) and not hasattr(factory, "log_proba")
    objective = factory if is_other_class else factory(embedding_dim, n_classes)
    if not isinstance(objective, torch.nn.Module) or not hasattr(objective, "log_proba"):
        raise TypeError(
            f"loss={loss!r} made {objective!r}: an objective is a torch.nn.Module with forward(embedding, target) and "
            "log_proba(embedding), as skasd.nn.ArcFace."
        )
    if not hasattr(objective, "n_classes"):
        objective.n_classes = n_classes
    return objective


def make_mixing(mixing, loss):
    """Return the mixing of a name, of one of several names drawn for each batch, or the callable itself."""
    names = [mixing] if isinstance(mixing, str) else mixing
    if names is not None and not callable(names):
        unknown = set(names) - set(MIXINGS)
        if unknown or not names:
            raise ValueError(f"mixing={mixing!r}: unknown {sorted(unknown)}; known are {sorted(MIXINGS)}.")
        mixings = [MIXINGS[name]() for name in names]
        mixing = mixings[0] if len(mixings) == 1 else nn.OneOf(tuple(mixings))
    if isinstance(mixing, nn.SoundEventMixing) and isinstance(loss, str) and loss != "binary_cross_entropy":
        raise ValueError(
            f"With mixing='sound_events' several classes may sound at once, but loss={loss!r} has one class per clip: "
            "use loss='binary_cross_entropy'."
        )
    return mixing


def names_of(parameter, value, known):
    """Return one or several names as a list; raise ValueError for those that are not known."""
    names = [value] if isinstance(value, str) else list(value)
    if not names or any(name not in known for name in names):
        raise ValueError(f"{parameter}={value!r}: use one or several of {known}.")
    return names
