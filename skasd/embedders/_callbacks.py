"""The run through the epochs and its callbacks: divergence, learning-rate schedule, progress bar, checkpoint."""

import math
import os
import tempfile
import warnings
from collections.abc import Mapping
from numbers import Number
from pathlib import Path
from types import NoneType

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, EarlyStopping
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from tqdm.auto import tqdm


def run_epochs(net, dataset, epochs):
    """Train an initialised net, as its ``partial_fit`` does, but let an interrupt from outside through.

    skorch's ``partial_fit`` swallows every KeyboardInterrupt, because that is how its `EarlyStopping` ends the loop;
    one from the keyboard would leave a half-trained net that passes for a trained one.
    """
    net.notify("on_train_begin", X=dataset, y=None)
    try:
        with np.errstate(all="ignore"):  # what is not finite is told by `Divergence`
            net.fit_loop(dataset, epochs=epochs)
    except KeyboardInterrupt:
        if not out_of_patience(net):
            raise
    net.notify("on_train_end", X=dataset, y=None)


def out_of_patience(net):
    """Tell whether an `EarlyStopping` among the callbacks of a net has ended the training."""
    stopping = [callback for _, callback in net.callbacks_ if isinstance(callback, EarlyStopping)]
    return any(callback.misses_ >= callback.patience for callback in stopping)


class Divergence(Callback):
    """Raise ValueError as soon as a loss, or after an epoch a weight, is not finite; warn where the loss has grown.

    Parameters
    ----------
    name : str
        Of the embedder, for the message.
    """

    def __init__(self, name):
        self.name = name

    def on_train_begin(self, net, **kwargs):
        self.n_before_ = len(net.history)

    def on_batch_end(self, net, training=False, **kwargs):
        loss = net.history[-1, "batches", -1, "train_loss" if training else "valid_loss"]
        if not math.isfinite(loss):
            self._fail(net, f"the loss is {loss}")

    def on_epoch_end(self, net, **kwargs):
        for name, value in net.module_.state_dict().items():
            if not torch.isfinite(value).all():
                self._fail(net, f"{name} of the network is not finite")

    def on_train_end(self, net, **kwargs):
        losses = [row["train_loss"] for row in net.history]
        if self.n_before_ or not losses:  # a warm start, or nothing was trained
            return
        first = net.history[0]["batches"][0]["train_loss"]
        if losses[-1] > 10 * abs(first):
            warnings.warn(
                f"Training of {self.name} made the loss grow from {first:.3g} in the first batch to {losses[-1]:.3g} "
                f"in epoch {len(losses)}. Set a smaller lr than {net.lr:g}.",
                ConvergenceWarning,
            )

    def _fail(self, net, what):
        raise ValueError(
            f"Training of {self.name} diverged in epoch {len(net.history)}: {what}. Set a smaller lr than {net.lr:g}; "
            "where that does not help, scale the features down."
        )


class OneCycle(Callback):
    """Torch's one-cycle schedule, one step a batch, that can be resumed in the middle.

    Parameters
    ----------
    max_lr : float
        Learning rate at the top of the cycle, reached after 30 % of the steps.

    total_steps : int
        Number of batches of the whole training run.
    """

    def __init__(self, max_lr, total_steps):
        self.max_lr = max_lr
        self.total_steps = total_steps

    def on_train_begin(self, net, **kwargs):
        self.scheduler_ = OneCycleLR(net.optimizer_, max_lr=self.max_lr, total_steps=self.total_steps)

    def on_batch_end(self, net, training=False, **kwargs):
        if training and self.scheduler_.last_epoch < self.total_steps - 1:
            self.scheduler_.step()


class EpochProgress(Callback):
    """A progress bar over epochs that shows the losses."""

    def __init__(self, total, description):
        self.total = total
        self.description = description

    def on_train_begin(self, net, **kwargs):
        self.bar_ = tqdm(total=self.total, initial=len(net.history), desc=self.description, unit="epoch")

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        losses = {name: f"{row[name]:.4g}" for name in ("train_loss", "valid_loss") if name in row}
        self.bar_.set_postfix(losses)
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        self.bar_.close()
        del self.bar_  # it holds an open stream, which cannot be pickled


class Checkpoint(Callback):
    """Write everything a training run needs to go on, after every epoch, atomically.

    Parameters
    ----------
    path : path-like
        The file. Its name identifies parameters and data, so that different runs never meet.

    generator : torch.Generator
        The generator of the run's batches; its state is saved and restored.
    """

    def __init__(self, path, generator):
        self.path = Path(path)
        self.generator = generator
        self._state = None
        self._n_written = 0

    def load(self, net):
        """Give the net the history of an earlier run, if there is one; weights follow when training begins.

        Returns
        -------
        bool
            Whether that run was at its end before its last epoch, because its patience was.
        """
        if not self.path.exists():
            return False
        self._state = torch.load(self.path, map_location=net.device, weights_only=True)
        net.history.clear()
        net.history.extend(self._state["history"])
        self._n_written = len(net.history)
        return self._state["stopped"]

    def on_train_begin(self, net, **kwargs):
        if self._state is None:
            return
        net.module_.load_state_dict(self._state["module"])
        net.optimizer_.load_state_dict(self._state["optimizer"])
        self.generator.set_state(self._state["generator"].cpu())
        for name, callback in net.callbacks_:
            _restore(callback, self._state["callbacks"].get(name, {}))
        self._state = None

    def on_epoch_end(self, net, **kwargs):
        self._write(net)

    def on_train_end(self, net, **kwargs):
        if (
            len(net.history) > self._n_written
        ):  # the callback that stopped the training let no other see its end
            self._write(net)
        self.generator = None  # a fitted net carries no generator about

    def _write(self, net):
        state = {
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "generator": self.generator.get_state(),
            # without NumPy's scalars, so that the file loads without running code
            "history": [{key: _plain(value) for key, value in row.items()} for row in net.history],
            "callbacks": {name: _state_of(callback) for name, callback in net.callbacks_},
            "stopped": out_of_patience(net),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.path.parent, suffix=".part", delete=False) as file:
            torch.save(state, file)
        os.replace(file.name, self.path)
        self._n_written = len(net.history)


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def _state_of(callback):
    """Return what a callback keeps between epochs, in attributes whose names end in an underscore."""
    state = {}
    for name, value in vars(callback).items():
        if isinstance(value, LRScheduler):
            state[name] = value.state_dict()
        elif name.endswith("_") and isinstance(value, (NoneType, Number, np.generic, str, Mapping)):
            state[name] = _plain(value)
    return state


def _restore(callback, state):
    for name, value in state.items():
        if isinstance(vars(callback).get(name), LRScheduler):
            vars(callback)[name].load_state_dict(value)
        else:
            setattr(callback, name, value)
