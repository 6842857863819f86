"""Streams whose detector learns on."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from .._typing import ArrayLike
from ._checks import checked_samples, seconds_above_zero, status_of
from ._evidence import Evidence
from ._window_buffer import WindowBuffer


class LearningStream:
    """Methods of `StreamingDetector` that add healthy sound to the detector's reference."""

    detector: Any
    sample_rate: int
    max_clipped: float
    learn_batch: int
    _buffer: WindowBuffer
    _evidence: Evidence
    _learn_until: int
    _learn_from: int  # where the next window that `learn` takes may begin
    _pending: list[tuple[np.ndarray, dict]]

    def learn_one(self, window: ArrayLike | None = None, *, section: Any = None, domain: Any = None) -> bool:
        """Add sound that is known to be healthy to the reference of the detector.

        Windows are gathered, and learnt `learn_batch` at a time, because the threshold is computed anew each time.

        Parameters
        ----------
        window : array-like of shape (n_samples,) or None, default=None
            Its samples, as many as the detector's clips have; None: the window that `process` judged last.
        section : hashable or None, default=None
            The section of the window; to be given if the detector was fitted with sections.
        domain : {"source", "target"} or None, default=None
            The domain of the window; to be given if the detector was fitted with domains.

        Returns
        -------
        bool
            Whether the detector has changed.

        Raises
        ------
        TypeError
            If the detector has no method ``update``, which keeps its reference in bounded memory.
        RuntimeError
            If an alarm stands: `acknowledge` ends one that was false.
        ValueError
            If there is no window yet, or it cannot be judged either.

        Notes
        -----
        See :meth:`skasd.AnomalousSoundDetector.update`. Windows that are learnt together count as one recording. With
        the detector's new threshold and calibration scores `drift` and the martingale begin anew.
        """
        self._check_that_it_may_learn()
        if window is None and (window := self._buffer.last_window) is None:
            raise ValueError("No window has been judged yet: there is none to learn.")
        samples = checked_samples(window)
        if not len(samples) or (status := status_of(samples, self.max_clipped)) != "ok":
            raise ValueError(f"The window cannot be learnt: it is {status if len(samples) else 'empty'}.")
        known = {"section": section, "domain": domain}
        self._pending.append((samples.copy(), {name: x for name, x in known.items() if x is not None}))
        return len(self._pending) >= self.learn_batch and self.learn_pending()

    def learn_pending(self) -> bool:
        """Learn the windows that `learn_one` has gathered, however few there are.

        Returns
        -------
        bool
            Whether there were any.
        """
        if not self._pending:
            return False
        self._check_that_it_may_learn()
        windows = [samples for samples, _ in self._pending]
        names = {name for _, known in self._pending for name in known}
        metadata = {name: [known.get(name) for _, known in self._pending] for name in names}
        name = f"learnt from a stream at {datetime.now(UTC).isoformat()}"
        try:
            self.detector.update(windows, groups=[name] * len(windows), **metadata)
        finally:
            self._pending.clear()  # what could not be learnt once cannot be learnt later
        self._evidence.begin_anew_if_changed()
        return True

    def learn(self, seconds: float):
        """Take all that is heard for so long as healthy: the state is "learning", no alarm is raised.

        Parameters
        ----------
        seconds : float
            From now on. Windows within them that do not overlap are given to `learn_one`, and learnt at the end.

        Raises
        ------
        TypeError
            If the detector has no method ``update``.
        RuntimeError
            If an alarm stands.
        """
        self._check_that_it_may_learn()
        self._learn_from = self._buffer.position
        self._learn_until = self._learn_from + round(
            seconds_above_zero("seconds", seconds) * self.sample_rate
        )

    def _learn_on(self, start, end, window, state):
        """Learn a window of the state "learning", and end that state behind its last window."""
        if state == "learning":
            if start >= self._learn_from:
                self._learn_from = end
                self.learn_one(window)
        elif self._learn_until and end > self._learn_until:
            self._learn_until = 0
            self.learn_pending()

    def _check_that_it_may_learn(self):
        if not callable(getattr(self.detector, "update", None)):
            raise TypeError(
                f"{type(self.detector).__name__} cannot learn on: it has no method update, which "
                "skasd.AnomalousSoundDetector has. Fit it again with the new clips, or set its threshold."
            )
        if self._evidence.rule.alarm:
            raise RuntimeError(
                "An alarm stands: what is heard now is not learnt. acknowledge() ends an alarm that was false."
            )
