"""Parts of a trained network that go into a model file, and how the network is made from it again.

The net itself is never stored: parameters and fitted attributes of an embedder say how to build it, and the weights
(standardisation and objective among them) are put into it.
"""

import warnings

from ..nn import resolve_device
from ._training import initialise


def net_state(embedder):
    """Return what has to be stored of ``net_``: weights and losses.

    Raises ValueError if the parameters, changed since ``fit``, describe another network than the one that was trained.
    """
    net = embedder.net_
    weights = {name: value.detach().cpu() for name, value in net.module_.state_dict().items()}
    build_network(embedder, weights)
    # of each epoch, not of each of its batches
    return {"weights": weights, "history": [{**row, "batches": []} for row in net.history]}


def restore_net(embedder, state, device=None):
    """Make ``net_`` from what `net_state` returned, on ``device`` or where the parameters say."""
    name = type(embedder).__name__
    # what the constructor of a class sets once for all, where the file is older than that
    vars(embedder).update({**vars(type(embedder)(**embedder.get_params(deep=False))), **vars(embedder)})
    try:
        embedder.device_ = resolve_device(embedder.device if device is None else device)
    except ValueError:
        embedder.device_ = "cpu"
        warnings.warn(
            f"{name} has device={embedder.device!r}, which is not there: its network is on the CPU. "
            "Load with device='cpu' to silence this.",
            UserWarning,
        )
    embedder.net_ = embedder._make_net(build_network(embedder, state["weights"]))
    embedder.net_.history.extend(state["history"])
    embedder._prepare_embedding()


def build_network(embedder, weights):
    """Return the network that the parameters of a fitted embedder describe, with these weights."""
    n_bins = getattr(embedder, "n_features_in_", 1)  # of waveforms it is not known, and not asked for
    mean, scale = (_per_bin(weights.get(name), n_bins, value) for name, value in (("mean", 0), ("scale", 1)))

    def make():
        backbone = embedder._make_backbone(n_bins, embedder.patch_frames_)
        return embedder._make_network(backbone, mean, scale, len(embedder.classes_))

    network = initialise(make)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"The parameters of {type(embedder).__name__} describe another network than the one that was trained: "
            "they were changed after fit. Fit again, or set them back."
        ) from error
    return network


def _per_bin(stored, n_bins, default):
    """Return the standardisation that a network's constructor was given, from what it made of it."""
    if stored is None or stored.ndim == 0:
        return float(default if stored is None else stored)
    return stored.flatten()[:n_bins].numpy()  # of vectors of several frames it is repeated
