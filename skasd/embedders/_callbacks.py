"""The run through the epochs and its callbacks: divergence, learning-rate schedule, progress bar, checkpoint."""

import glob
import math
import os
import pickle
import time
import uuid
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import suppress
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
        # nothing was trained, a warm start, or held-out clips have told the best epoch
        if not losses or self.n_before_ or net.train_split is not None:
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
            "where that does not help, scale the features down, or see whether the clips are all alike."
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
    """Write everything a training run needs to go on, after every epoch, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file. Its name identifies parameters and data, so that different runs never meet.

    generator : torch.Generator
        The generator of the run's batches; its state is saved and restored.
    """

    _CONTENT = {"module", "optimizer", "generator", "history", "callbacks", "stopped"}
    _OLD = 3600  # seconds after which a file that is being written has lost its writer

    def __init__(self, path, generator):
        self.path = Path(path)
        self.generator = generator
        self._state = None
        self._n_written = 0

    def load(self, net):
        """Bring the net to where an earlier run was, if there is one; its callbacks follow when training begins.

        A damaged file is told and counts as none.

        Returns
        -------
        bool
            Whether that run was at its end before its last epoch, because its patience was.
        """
        self._remove_lost_parts()
        try:
            state = self._read(net)
        except FileNotFoundError:
            return False
        except Exception as error:  # whatever a damaged file makes zipfile and torch raise
            warnings.warn(
                f"The checkpoint {self.path} is damaged ({error}); it is ignored, and training begins anew.",
                UserWarning,
            )
            return False
        self._state = state
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        net.history.clear()
        net.history.extend(state["history"])
        self._n_written = len(net.history)
        return state["stopped"]

    def _read(self, net):
        with zipfile.ZipFile(self.path) as archive:  # torch does not look at the checksums that it writes
            if (damaged := archive.testzip()) is not None:
                raise ValueError(f"the checksum of {damaged} does not fit")
        try:
            state = torch.load(self.path, map_location=net.device, weights_only=True)
        except pickle.UnpicklingError as error:
            raise ValueError("there is more in it than tensors and numbers") from error
        if not isinstance(state, dict) or set(state) != self._CONTENT:
            raise ValueError("it is no checkpoint of an embedder")
        found, wanted = (
            {name: value.shape for name, value in tensors.items()}
            for tensors in (state["module"], net.module_.state_dict())
        )
        if found != wanted:
            raise ValueError("it is of another network")
        return state

    def on_train_begin(self, net, **kwargs):
        if self._state is None:
            return
        net.optimizer_.load_state_dict(
            self._state["optimizer"]
        )  # again: schedules that begin have set its rates
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
        part = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.part")
        try:
            torch.save(state, part)
            os.replace(part, self.path)
        finally:
            part.unlink(missing_ok=True)
        self._n_written = len(net.history)

    def _remove_lost_parts(self):
        """Remove what killed writers of this very checkpoint left, but nothing that may still be written."""
        for part in self.path.parent.glob(f"{glob.escape(self.path.name)}.*.part"):
            with suppress(OSError):  # another process was quicker
                if time.time() - part.stat().st_mtime > self._OLD:
                    part.unlink()


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
