"""Checkpoints of a training run."""

import glob
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

import joblib
import numpy as np
import torch
from skorch.callbacks import Callback
from torch.optim.lr_scheduler import LRScheduler

from .. import __version__
from .._whole_file import check_output
from ._early_stopping import out_of_patience

_CONTENT = {"module", "optimizer", "generator", "history", "callbacks", "stopped"}
_OLD = 3600  # age in seconds after which an unfinished file is taken as abandoned by its writer


class Checkpoint(Callback):
    """Save everything that a training run needs to resume, after every epoch, atomically.

    For ``callbacks=`` of an embedder. ``fit`` with the same parameters, including callbacks, and the same data resumes
    from the last checkpoint and ends with the weights of an uninterrupted run, to the last bit. Different runs have
    separate files, so one folder serves them all.

    Parameters
    ----------
    folder : path-like
        Folder of the files, created if missing.

    See Also
    --------
    EarlyStopping : Its state is in the checkpoint, like that of skorch's callbacks.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from skasd.embedders import Checkpoint, ViTEmbedder
    >>> X = np.random.default_rng(0).normal(size=(12, 16, 20)).astype("float32")
    >>> with TemporaryDirectory() as folder:
    ...     embedder = ViTEmbedder(max_epochs=1, random_state=0, callbacks=[Checkpoint(folder)])
    ...     first = embedder.fit(X, section=["a", "b"] * 6).transform(X)
    ...     again = embedder.fit(X, section=["a", "b"] * 6).transform(X)  # nothing is left to train
    >>> bool((first == again).all())
    True
    """

    def __init__(self, folder):
        self.folder = folder

    def _for_run(self, name, run, generator):
        """Return the checkpoint of one training run of an embedder of this name; this object stays as it is.

        ``run`` is all that identifies the run: parameters, callbacks, data.
        """
        check_output(self.folder, is_folder=True)
        return RunCheckpoint(Path(self.folder) / f"{name}-{self._fingerprint(name, run)}.pt", generator)

    def _fingerprint(self, name, run):
        try:
            return joblib.hash([name, __version__, run])[:16]
        except Exception as error:  # whatever their pickling raises; joblib adds a print of all there is
            cause = error.args[0] if error.args else type(error).__name__
            raise ValueError(
                f"Checkpoint({str(self.folder)!r}) needs parameters that can be told from others of their kind, and "
                f"one of {name} cannot be pickled ({cause}): define its class or function at the top of a module."
            ) from error


def callback_identity(callback):
    """Return what identifies a skorch callback: name, class and parameters, not its state during training."""
    name, callback = callback if isinstance(callback, tuple) else ("", callback)
    if isinstance(callback, type):
        return name, callback, {}
    return name, type(callback), callback.get_params(deep=False)


class RunCheckpoint(Callback):
    """The checkpoint of one training run, whose name identifies parameters and data, so that different runs never meet.

    The state of the generator of the run's batches is saved and restored.
    """

    def __init__(self, path, generator):
        self.path = Path(path)
        self.generator = generator
        self._state = None
        self._n_written = 0

    def load(self, net):
        """Restore the net from an earlier run, if there is one; its callbacks follow when training begins.

        A damaged file gives a warning and is ignored. Returns whether that run ended early because its patience ran
        out.
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
        if not isinstance(state, dict) or set(state) != _CONTENT:
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
        )  # again: schedules have set its learning rates when they began
        for name, callback in net.callbacks_:
            _restore(callback, self._state["callbacks"].get(name, {}))
        self._state = None

    def on_epoch_end(self, net, **kwargs):
        self._write(net)

    def on_train_end(self, net, **kwargs):
        if (
            len(net.history) > self._n_written
        ):  # the callback that stopped the training kept the others from being called
            self._write(net)
        self.generator = None  # a fitted net keeps no generator

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
        """Remove files that killed writers of this checkpoint left, but none that may still be being written."""
        for part in self.path.parent.glob(f"{glob.escape(self.path.name)}.*.part"):
            with suppress(OSError):  # another process was quicker
                if time.time() - part.stat().st_mtime > _OLD:
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
