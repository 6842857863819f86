"""Callbacks of every training run: divergence, learning-rate schedule, progress bar."""

import math
import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback
from torch.optim.lr_scheduler import OneCycleLR
from tqdm.auto import tqdm


class Divergence(Callback):
    """Raise ValueError as soon as a loss, or after an epoch a weight, is not finite; warn where the loss has grown."""

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

    The learning rate reaches ``max_lr`` after 30 % of ``total_steps``, the batches of the whole run.
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
