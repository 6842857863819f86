"""Training a network through skorch, in functions that know no estimator."""

import threading

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from skorch import NeuralNet, callbacks
from skorch.helper import predefined_split

from ._batches import TrainingBatches, ValidationBatches
from ._callbacks import Divergence, EpochProgress, OneCycle
from ._checkpoint import Checkpoint, callback_identity
from ._choices import OPTIMIZERS
from ._early_stopping import EarlyStopping, out_of_patience

# torch modules draw their first weights from torch's global generator: one network at a time
_INITIALISATION = threading.Lock()


def initialise(make, seed=0):
    """Return the module that ``make()`` makes, its first weights by this seed and no other."""
    with _INITIALISATION, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def make_net(
    network,
    *,
    device="cpu",
    precision="auto",
    optimizer="adamw",
    weight_decay=0.0,
    lr=1e-3,
    batch_size=32,
    batches=TrainingBatches,
    fused=False,
):
    """Return the skorch net, initialised, that trains a network whose ``objective`` is the criterion.

    But for ``precision="float32"`` training on CUDA is under bfloat16 autocast. ``optimizer`` is a name or a class.
    ``batches(dataset, batch_size)`` iterates over an epoch. With ``fused`` Adam and AdamW make their steps in one
    kernel: for dense layers a tenth of the time of an epoch.
    """
    if precision != "float32" and torch.device(device).type == "cuda":
        network.autocast = torch.bfloat16
    options = {"optimizer__fused": True} if fused and optimizer in ("adam", "adamw") else {}
    net = NeuralNet(
        network.to(memory_format=torch.channels_last),
        criterion=network.objective,
        optimizer=OPTIMIZERS.get(optimizer, optimizer),
        optimizer__weight_decay=weight_decay,
        lr=lr,
        batch_size=batch_size,
        iterator_train=batches,
        iterator_valid=ValidationBatches,
        train_split=None,
        device=device,
        verbose=0,
        callbacks__print_log=None,
        **options,
    )
    return net.initialize()


def train(
    net,
    dataset,
    *,
    max_epochs,
    lr_schedule="constant",
    callbacks=None,
    labels=None,
    run=None,
    name="network",
    verbose=0,
):
    """Train a net of :func:`make_net`, which is changed in place, for ``max_epochs`` passes over a `PatchDataset`.

    Of ``callbacks`` `EarlyStopping` holds clips out, stratified by ``labels``, of shape (n_clips,); `Checkpoint` keeps
    the state after every epoch. ``run`` is what besides callbacks and data set makes the run what it is, for
    `Checkpoint`; ``name`` stands in messages and beside the progress bar.
    """
    stopping, checkpoint = (_only(cls, callbacks) for cls in (EarlyStopping, Checkpoint))
    own = [callback for callback in callbacks or [] if _object(callback) is not checkpoint]
    if stopping is not None:
        dataset, held_out = hold_out(dataset, labels, stopping.validation_fraction)
        net.train_split = predefined_split(held_out)
    first = [Divergence(name)]
    if lr_schedule == "onecycle" and max_epochs:
        first.append(OneCycle(net.lr, max_epochs * len(net.iterator_train(dataset, net.batch_size))))
    last = [EpochProgress(max_epochs, name)] if verbose else []
    if checkpoint is not None:
        identities = [callback_identity(callback) for callback in own]
        targets = {key: value.numpy() for key, value in dataset.targets.items()}
        checkpoint = checkpoint._for_run(
            name, [run, identities, targets, dataset.is_target], dataset.generator
        )
        last.append(checkpoint)
    net.callbacks = [*first, *own, *last]
    net.initialize_callbacks()
    _check_callbacks(net)
    finished = not max_epochs
    if checkpoint is not None:
        finished = checkpoint.load(net) or finished
    if len(net.history) or not finished:
        _run_epochs(net, dataset, 0 if finished else max_epochs - len(net.history))
    # a fitted net holds neither data nor the best weights a second time
    net.train_split = None
    for _, callback in net.callbacks_:
        if hasattr(callback, "best_model_weights_"):
            callback.best_model_weights_ = None


def hold_out(dataset, labels, fraction):
    """Return the data sets of the clips to train on and of those to validate on, stratified where possible."""
    counts = np.bincount(labels)
    n_held_out = max(1, round(fraction * len(labels)))
    stratify = labels if counts.min() >= 2 and n_held_out >= len(counts) else None
    train, held_out = train_test_split(
        np.arange(len(labels)),
        test_size=n_held_out,
        stratify=stratify,
        random_state=int(torch.randint(2**31 - 1, (1,), generator=dataset.generator)),
    )
    return dataset.take(train), dataset.take(held_out)


def _run_epochs(net, dataset, epochs):
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


def _object(callback):
    """Return a callback without the name that skorch allows beside it."""
    return callback[1] if isinstance(callback, tuple) else callback


def _only(cls, given):
    """Return the one callback of a class; None if there is none."""
    found = [callback for callback in map(_object, given or []) if isinstance(callback, cls)]
    if len(found) > 1:
        raise ValueError(f"callbacks has {len(found)} of {cls.__name__}: give one.")
    return found[0] if found else None


def _check_callbacks(net):
    """Raise ValueError for two schedules, and where skorch's EarlyStopping waits for clips that nobody holds out."""
    kinds = [type(callback) for _, callback in net.callbacks_]
    if OneCycle in kinds and any(issubclass(kind, callbacks.LRScheduler) for kind in kinds):
        raise ValueError(
            "callbacks has a LRScheduler, but lr_schedule='onecycle' sets the learning rate of every batch: set "
            "lr_schedule='constant'."
        )
    for _, callback in net.callbacks_:
        waits = isinstance(callback, callbacks.EarlyStopping) and callback.monitor == "valid_loss"
        if waits and net.train_split is None:
            raise ValueError(
                "skorch's EarlyStopping(monitor='valid_loss') needs held-out clips: use "
                "skasd.embedders.EarlyStopping, which holds some out, or monitor='train_loss'."
            )
