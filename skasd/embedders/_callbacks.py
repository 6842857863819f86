"""skorch callbacks of the embedders: learning-rate schedule, progress bar, checkpoint to resume from."""

import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping
from torch.optim.lr_scheduler import OneCycleLR
from tqdm.auto import tqdm


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

    # what skorch's EarlyStopping keeps between epochs
    _EARLY_STOPPING = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")

    def __init__(self, path, generator):
        self.path = Path(path)
        self.generator = generator
        self._state = None

    def load(self, net):
        """Give the net the history of an earlier run, if there is one; weights follow when training begins."""
        if self.path.exists():
            self._state = torch.load(self.path, map_location=net.device, weights_only=True)
            net.history.extend(self._state["history"])

    def on_train_begin(self, net, **kwargs):
        if self._state is None:
            return
        net.module_.load_state_dict(self._state["module"])
        net.optimizer_.load_state_dict(self._state["optimizer"])
        self.generator.set_state(self._state["generator"].cpu())
        for _, callback in net.callbacks_:
            if isinstance(callback, EarlyStopping):
                vars(callback).update(self._state["early_stopping"])
            elif isinstance(callback, OneCycle):
                callback.scheduler_.load_state_dict(self._state["schedule"])
        self._state = None

    def on_epoch_end(self, net, **kwargs):
        state = {
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "generator": self.generator.get_state(),
            # without NumPy's scalars, so that the file loads without running code
            "history": [
                {k: v.item() if isinstance(v, np.generic) else v for k, v in row.items()}
                for row in net.history
            ],
        }
        for _, callback in net.callbacks_:
            if isinstance(callback, EarlyStopping):
                state["early_stopping"] = {name: getattr(callback, name) for name in self._EARLY_STOPPING}
                state["early_stopping"]["dynamic_threshold_"] = float(callback.dynamic_threshold_)
            elif isinstance(callback, OneCycle):
                state["schedule"] = callback.scheduler_.state_dict()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.path.parent, suffix=".part", delete=False) as file:
            torch.save(state, file)
        os.replace(file.name, self.path)

    def on_train_end(self, net, **kwargs):
        self.generator = None  # a fitted net carries no generator about
