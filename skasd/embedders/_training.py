"""Training through skorch: the net, its callbacks, held-out clips, checkpoints."""

import threading
from pathlib import Path

import joblib
import numpy as np
import torch
from sklearn.model_selection import train_test_split
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping
from skorch.helper import predefined_split

from .. import __version__, nn
from .._whole_file import check_output
from ._batches import PatchDataset, ValidationBatches
from ._callbacks import Checkpoint, Divergence, EpochProgress, OneCycle, run_epochs
from ._choices import MIXINGS, OPTIMIZERS
from ._moments import clip_moments

# torch modules draw their first weights from torch's global generator: one network at a time
INITIALISATION = threading.Lock()

# parameters that do not change what is learnt
_NEUTRAL = {
    "verbose",
    "checkpoint_dir",
    "callbacks",
    "device",
    "n_threads",
    "output",
    "merge",
    "patch_hop",
    "warm_start",
}


class TrainingMixin:
    """How an embedder trains its network."""

    def _make_dataset(self, clips, targets, metadata, patch_frames, generator):
        is_target = None
        if self.domain_mixing and metadata.get("domain") is not None:
            is_target = metadata["domain"] == "target"
            is_target = is_target if 0 < is_target.sum() < len(is_target) else None
        return PatchDataset(
            self._make_patches(clips, patch_frames),
            targets,
            self._make_batch,
            generator,
            is_target=is_target,
            mixing=self._make_mixing(),
            crops_per_clip=self.crops_per_clip,
            patch_hop=self._patch_hop(patch_frames),
        )

    def _make_mixing(self):
        if self.mixing is None or callable(self.mixing):
            return self.mixing
        names = [self.mixing] if isinstance(self.mixing, str) else list(self.mixing)
        unknown = set(names) - set(MIXINGS)
        if unknown:
            raise ValueError(
                f"mixing={self.mixing!r}: unknown {sorted(unknown)}; known are {sorted(MIXINGS)}."
            )
        mixings = [MIXINGS[name]() for name in names]
        return mixings[0] if len(mixings) == 1 else nn.OneOf(tuple(mixings))

    def _make_net(self, clips, seed):
        mean, scale = 0.0, 1.0
        if self.standardize is not None:
            mean, scale = clip_moments(clips, per_bin=self.standardize == "bin")
        with INITIALISATION, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            backbone = self._make_backbone(clips[0].shape[0], self.patch_frames_)
            mean, scale = self._load_pretrained(backbone, mean, scale)
            network = self._make_network(backbone, mean, scale, len(self.classes_))
        return self._wrap(network)

    def _load_pretrained(self, backbone, mean, scale):
        """Give the backbone published weights, if asked for; return the standardisation that goes with them."""
        return mean, scale

    def _wrap(self, network):
        """Return the skorch net that trains a network."""
        if self.precision != "float32" and torch.device(self.device_).type == "cuda":
            network.autocast = torch.bfloat16
        optimizer = OPTIMIZERS.get(self.optimizer, self.optimizer)
        net = NeuralNet(
            network.to(memory_format=torch.channels_last),
            criterion=network.objective,
            optimizer=optimizer,
            optimizer__weight_decay=self.weight_decay,
            lr=self.lr,
            batch_size=self.batch_size,
            iterator_train=self._training_batches,
            iterator_valid=ValidationBatches,
            train_split=None,
            device=self.device_,
            verbose=0,
            callbacks__print_log=None,
        )
        return net.initialize()

    def _train(self, dataset, clips, labels):
        net, done = self.net_, len(self.net_.history)
        callbacks = [Divergence(type(self).__name__), *(self.callbacks or [])]
        if self.early_stopping is not None:
            dataset, held_out = self._hold_out(dataset, labels)
            net.train_split = predefined_split(held_out)
            callbacks.insert(1, EarlyStopping(patience=self.early_stopping, load_best=True, sink=_quiet))
        if self.lr_schedule == "onecycle" and self.max_epochs:
            n_batches = len(self._training_batches(dataset, self.batch_size))
            callbacks.insert(1, OneCycle(self.lr, self.max_epochs * n_batches))
        if self.verbose:
            callbacks.append(EpochProgress(done + self.max_epochs, type(self).__name__))
        finished = not self.max_epochs
        checkpoint = None
        if self.checkpoint_dir is not None:
            check_output(self.checkpoint_dir, is_folder=True)
            name = f"{type(self).__name__}-{self._fingerprint(clips, dataset)}.pt"
            checkpoint = Checkpoint(Path(self.checkpoint_dir) / name, dataset.generator)
            callbacks.append(checkpoint)
        net.callbacks = callbacks
        net.initialize_callbacks()
        if checkpoint is not None:
            finished = checkpoint.load(net) or finished
        if len(net.history) or not finished:
            run_epochs(net, dataset, 0 if finished else self.max_epochs - (len(net.history) - done))
        # a fitted net holds neither data nor the best weights a second time
        net.train_split = None
        for _, callback in net.callbacks_:
            if isinstance(callback, EarlyStopping):
                callback.best_model_weights_ = None

    def _hold_out(self, dataset, labels):
        counts = np.bincount(labels)
        n_held_out = max(1, round(self.validation_fraction * len(labels)))
        stratify = labels if counts.min() >= 2 and n_held_out >= len(counts) else None
        train, held_out = train_test_split(
            np.arange(len(labels)),
            test_size=n_held_out,
            stratify=stratify,
            random_state=int(torch.randint(2**31 - 1, (1,), generator=dataset.generator)),
        )
        return dataset.take(train), dataset.take(held_out)

    def _fingerprint(self, clips, dataset):
        """Identify a training run: class, parameters that matter, data, start, library version."""
        parameters = {name: value for name, value in self.get_params().items() if name not in _NEUTRAL}
        parameters["callbacks"] = [_callback_identity(callback) for callback in self.callbacks or []]
        targets = {name: value.numpy() for name, value in dataset.targets.items()}
        start = None
        if n_before := len(self.net_.history):  # a warm start is from where the last one ended
            weights = self.net_.module_.state_dict()
            start = n_before, {name: value.cpu().numpy() for name, value in weights.items()}
        run = [type(self).__name__, __version__, parameters, clips, targets, dataset.is_target, start]
        try:
            return joblib.hash(run)[:16]
        except Exception as error:  # whatever their pickling raises
            raise ValueError(
                f"checkpoint_dir={str(self.checkpoint_dir)!r} needs parameters that can be told from others of their "
                f"kind, and one of {type(self).__name__} cannot be pickled ({error}): define its class or function at "
                "the top of a module."
            ) from error

    def _resolve_device(self):
        return nn.resolve_device(self.device)


def _callback_identity(callback):
    """Return what tells a skorch callback from others: name, class and parameters, not what it keeps while training."""
    name, callback = callback if isinstance(callback, tuple) else ("", callback)
    if isinstance(callback, type):
        return name, callback, {}
    return name, type(callback), callback.get_params(deep=False)


def _quiet(text):
    """Take skorch's remarks without printing them."""
