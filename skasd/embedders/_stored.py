"""What of a trained network goes into a model file, and how the network is made from it again."""

import warnings

import torch

from ..nn import resolve_device
from ._training import INITIALISATION


class StoredNetMixin:
    """How an embedder gives away the state of its net and takes it back.

    The net itself is never stored: parameters and fitted attributes say how to build it, and the weights
    (standardisation and objective among them) are put into it.
    """

    def _net_state(self):
        """Return what has to be stored of ``net_``: weights, losses and, for ``warm_start``, the optimiser.

        Raises
        ------
        ValueError
            If the parameters, changed since ``fit``, describe another network than the one that was trained.
        """
        weights = {name: value.detach().cpu() for name, value in self.net_.module_.state_dict().items()}
        self._build_network(weights)
        # of each epoch, not of each of its batches
        history = [{**row, "batches": []} for row in self.net_.history]
        state = {"weights": weights, "history": history}
        if self.warm_start:
            state["optimizer"] = self.net_.optimizer_.state_dict()
        return state

    def _set_net_state(self, state, device=None):
        """Make ``net_`` from what `_net_state` returned, on ``device`` or where the parameters say."""
        try:
            self.device_ = resolve_device(self.device if device is None else device)
        except ValueError:
            self.device_ = "cpu"
            warnings.warn(
                f"{type(self).__name__} has device={self.device!r}, which is not there: its network is on the CPU. "
                "Load with device='cpu' to silence this.",
                UserWarning,
            )
        self.net_ = self._wrap(self._build_network(state["weights"]))
        self.net_.history.extend(state["history"])
        if "optimizer" in state:
            self.net_.optimizer_.load_state_dict(state["optimizer"])
        self._prepare_embedding()

    def _build_network(self, weights):
        """Return the network that the parameters describe, with these weights."""
        n_bins = getattr(self, "n_features_in_", 1)  # of waveforms it is not known, and not asked for
        mean, scale = (
            _per_bin(weights.get(name), n_bins, value) for name, value in (("mean", 0), ("scale", 1))
        )
        with INITIALISATION, torch.random.fork_rng(devices=[]):  # its first weights do not matter
            backbone = self._make_backbone(n_bins, self.patch_frames_)
            network = self._make_network(backbone, mean, scale, len(self.classes_))
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(
                f"The parameters of {type(self).__name__} describe another network than the one that was trained: "
                "they were changed after fit. Fit again, or set them back."
            ) from error
        return network


def _per_bin(stored, n_bins, default):
    """Return the standardisation that a network's constructor was given, from what it made of it."""
    if stored is None or stored.ndim == 0:
        return float(default if stored is None else stored)
    return stored.flatten()[:n_bins].numpy()  # of vectors of several frames it is repeated
