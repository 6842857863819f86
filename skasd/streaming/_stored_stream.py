"""Streams that are kept in files."""

from typing import Any, Self

import numpy as np

from .._typing import PathName
from ..compose import fitted_steps
from ._evidence import Evidence
from ._state_file import StreamStateError, read_state, write_state
from ._window_buffer import WindowBuffer


class StoredStream:
    """Methods of `StreamingDetector` that write its state and read it."""

    detector: Any
    sample_rate: int
    alarm: str
    confirm: tuple[int, int]
    alpha: float
    hours_per_false_alarm: float
    random_state: int
    _front: Any
    _buffer: WindowBuffer
    _evidence: Evidence
    _n_window: int
    _n_hop: int
    _learn_until: int
    _learn_from: int
    _hold_until: int | None  # samples of the stream; None: until `resume`
    _pending: list[tuple[np.ndarray, dict]]
    notes_: dict

    def save(self, path: PathName, *, sound: bool = True, notes: dict | None = None):
        """Write the state of the stream, with windows not yet learnt, to a file; the detector is not in it.

        Parameters
        ----------
        path : path-like
            Replaced in one step.
        sound : bool, default=True
            Whether to keep the samples of the incomplete window (4 bytes each), so that the stream can continue with
            the next sample. Without them, the file has a few kB, and a new window begins.
        notes : dict or None, default=None
            Anything else to keep, in JSON types: `restore` makes it `notes_`.
        """
        start, to_skip, samples = self._buffer.state(with_sound=sound)
        evidence, arrays = self._evidence.state()
        values = {
            "settings": self._settings(),
            "buffer": [start, to_skip],
            "learn": [self._learn_from, self._learn_until],
            "pending": [known for _, known in self._pending],
            "hold_until": self._hold_until,
            "notes": self.notes_ if notes is None else notes,
            **evidence,
        }
        windows = {f"pending {i}": window for i, (window, _) in enumerate(self._pending)}
        write_state(path, values, {"samples": samples, **arrays, **windows})

    def restore(self, path: PathName) -> Self:
        """Restore the state that `save` wrote.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        self : StreamingDetector

        Raises
        ------
        StreamStateError
            If the file holds no state, or the state of a stream with other settings or another detector.
        """
        values, arrays = read_state(path)
        try:
            saved, own = values["settings"], self._settings()
            if different := [name for name in own if saved.get(name) != own[name]]:
                raise StreamStateError(
                    f"{str(path)!r} is the state of another stream: it differs in "
                    + ", ".join(f"{name} ({saved.get(name)!r}, here {own[name]!r})" for name in different)
                    + ". Begin anew, or use the settings and the detector of then."
                )
            samples = arrays["samples"]
            if samples.dtype != np.float32 or samples.ndim != 1 or len(samples) >= self._n_window:
                raise ValueError("its samples do not fit")
            self._evidence.restore(values, arrays)
            start, to_skip = map(int, values["buffer"])
            self._buffer.restore(start, to_skip, samples)
            self._learn_from, self._learn_until = map(int, values["learn"])
            self._hold_until = values["hold_until"]
            known = values["pending"]
            self._pending = [(arrays[f"pending {i}"], dict(known[i])) for i in range(len(known))]
            self.notes_ = values["notes"]
        except StreamStateError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StreamStateError(f"{str(path)!r} holds no state of a stream ({error}).") from error
        self._front.reset()
        return self

    def _settings(self):
        """Return what a saved state must agree with, including the detector's calibration."""
        last = fitted_steps(self.detector)[-1]
        offset = getattr(last, "offset_", None)
        return {
            "window": self._n_window,
            "hop": self._n_hop,
            "sample_rate": self.sample_rate,
            "alarm": self.alarm,
            "confirm": list(self.confirm),
            "alpha": self.alpha,
            "hours_per_false_alarm": self.hours_per_false_alarm,
            "random_state": self.random_state,
            "threshold": None if offset is None else -float(offset),
            "calibrated_on": len(getattr(last, "calibration_scores_", ())),
        }
