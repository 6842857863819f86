"""Streams that learn further sound, or are calibrated on their own."""

import math
import warnings
from datetime import UTC, datetime
from numbers import Real
from typing import Any

import numpy as np

from .._typing import ArrayLike
from ..compose import fitted_steps
from ..scorers import FewClipsWarning
from ._checks import checked_samples, seconds_above_zero, status_of, why_no_ranks
from ._drift import Drift
from ._evidence import Evidence
from ._own_calibration import too_few_windows
from ._window_buffer import WindowBuffer


class LearningStream:
    """Methods of `StreamingDetector` on healthy sound: for the detector's reference, or the threshold; drift."""

    detector: Any
    sample_rate: int
    max_clipped: float
    learn_batch: int
    window_: float
    _n_window: int
    _n_hop: int
    _buffer: WindowBuffer
    _evidence: Evidence
    _learn_until: int
    _learn_from: int  # where the next window that `learn` takes may begin
    _pending: list[tuple[np.ndarray, dict]]

    def learn_one(self, window: ArrayLike | None = None, *, section: Any = None, domain: Any = None) -> bool:
        """Add sound that is known to be healthy to the reference of the detector.

        Windows are collected and learnt `learn_batch` at a time, because the threshold is recomputed each time.

        Parameters
        ----------
        window : array-like of shape (n_samples,) or None, default=None
            Its samples, as many as in the detector's clips; None: the window that `process` judged last.
        section : hashable or None, default=None
            The section of the window; required if the detector was fitted with sections.
        domain : {"source", "target"} or None, default=None
            The domain of the window; required if the detector was fitted with domains.

        Returns
        -------
        bool
            Whether the detector has changed.

        Raises
        ------
        TypeError
            If the detector has no method ``update``, which keeps its reference in bounded memory.
        RuntimeError
            If there is an alarm: `acknowledge` ends a false one.
        ValueError
            If there is no window yet, or it cannot be judged either.

        Notes
        -----
        See :meth:`skasd.detector.AnomalousSoundDetector.update`. Windows that are learnt together count as one
        recording. With the detector's new threshold and calibration scores, `drift` and the martingale start again.
        """
        self._check_can_learn()
        if window is None and (window := self._buffer.last_window) is None:
            raise ValueError("No window has been judged yet: there is none to learn.")
        samples = checked_samples(window)
        if not len(samples) or (status := status_of(samples, self.max_clipped)) != "ok":
            raise ValueError(f"The window cannot be learnt: it is {status if len(samples) else 'empty'}.")
        known = {"section": section, "domain": domain}
        self._pending.append((samples.copy(), {name: x for name, x in known.items() if x is not None}))
        return len(self._pending) >= self.learn_batch and self.learn_pending()

    def learn_pending(self) -> bool:
        """Learn the windows that `learn_one` has collected, however few there are.

        Returns
        -------
        bool
            Whether there were any.
        """
        if not self._pending:
            return False
        self._check_can_learn()
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
        """Take all sound as healthy for some time: the state is "learning", no alarm is raised.

        Parameters
        ----------
        seconds : float
            Duration from now on. Its windows that do not overlap are passed to `learn_one`, and learnt at the end.

        Raises
        ------
        TypeError
            If the detector has no method ``update``.
        RuntimeError
            If there is an alarm.
        """
        self._check_can_learn()
        self._learn_from = self._buffer.position
        self._learn_until = self._learn_from + self._n_samples(seconds)

    def calibrate(self, seconds: float, *, contamination: float | None = None):
        """Set threshold and ranks from the sound from now on, known to be healthy: the state is "learning".

        The detector itself, which other streams may use, does not change.

        Parameters
        ----------
        seconds : float
            As many windows are taken as fit into it without overlap; it takes longer if windows cannot be judged, or
            something was not heard. `learn` takes its windows first.
        contamination : float in (0, 0.5] or None, default=None
            Share of healthy windows that may lie above the threshold; None: that of the detector's threshold (0.1 if
            unknown).

        Raises
        ------
        RuntimeError
            If there is an alarm: `acknowledge` ends a false one.
        ValueError
            If no window fits into `seconds` (90 with `alarm="ewma"`), or `contamination` is out of range.

        Warns
        -----
        FewClipsWarning
            If there are fewer than ``1 / contamination - 1`` windows that do not overlap.

        See Also
        --------
        learn : Changes the reference of the detector.
        skasd.compose.set_threshold : Changes the threshold of the detector.

        Notes
        -----
        Afterwards `threshold_`, and decisions and p-values of events, come from the scores of these windows
        (split-conformal quantile), and alarms and `drift` start again, with windows ranked among them. The limit of
        `alarm="ewma"` comes from all windows, including overlapping ones. The calibration lasts until the detector's
        scores change their meaning, such as by `learn_one`. `resume` ends calibrating early, with the windows so far.
        """
        self._check_no_alarm()
        n_samples = self._n_samples(seconds)
        if n_samples < self._n_window:
            raise ValueError(f"seconds={seconds!r} is less than a window, {self.window_:g} s.")
        if contamination is None:
            contamination = getattr(fitted_steps(self.detector)[-1], "calibration_rate_", 0.1)
        if not isinstance(contamination, Real) or not 0 < float(contamination) <= 0.5:
            raise ValueError(f"contamination must be above 0 and at most 0.5, got {contamination!r}.")
        step = math.ceil(self._n_window / self._n_hop) * self._n_hop
        n_windows = 1 + (n_samples - self._n_window) // step
        self._evidence.check_length(n_windows)
        if few := too_few_windows(n_windows, contamination, step / self.sample_rate):
            warnings.warn(few, FewClipsWarning, stacklevel=2)
        self._evidence.calibrate(n_windows, float(contamination), self._buffer.position)

    def drift(self) -> Drift:
        """Test whether healthy sound has moved since the detector learnt it, or since `calibrate`.

        Returns
        -------
        Drift

        Raises
        ------
        TypeError
            If the detector keeps no scores of healthy clips to compare with.

        Notes
        -----
        Two test martingales, on small and on large p-values, with half of the capital each, bet on the windows that the
        martingale of alarms ranks (see the class): those that do not overlap, in times without alarm, whatever `alarm`
        is. The capital ever reaches `1 / alpha` with a probability of at most `alpha` if nothing changes (Ville's
        inequality), so it may be looked at as often as one likes. What to do is left to the user: `learn_one` if the
        machine is known to be healthy.
        """
        if self._evidence.ranks is None:
            raise TypeError(f"{why_no_ranks(self.detector)}, so drift cannot be told.")
        return self._evidence.drift.answer(self.sample_rate)

    @property
    def threshold_(self) -> float | None:
        """Score above which windows are anomalous; None if the detector has no threshold."""
        if (own := self._evidence.calibration) is not None:
            return own.threshold
        offset = getattr(fitted_steps(self.detector)[-1], "offset_", None)
        return None if offset is None else -float(offset)

    @property
    def calibration_progress_(self) -> tuple[int, int] | None:
        """Number of windows that `calibrate` has taken, and total to take; None if it is not in progress."""
        own = self._evidence.own
        return (len(own.scores), own.n_windows) if self._evidence.is_calibrating else None

    @property
    def calibration_scores_(self) -> np.ndarray | None:
        """Scores of the windows that `calibrate` has taken so far; None without calibration."""
        own = self._evidence.own
        return None if own is None else own.scores.copy()

    def _n_samples(self, seconds):
        return round(seconds_above_zero("seconds", seconds) * self.sample_rate)

    def _learn_on(self, start, end, window, score):
        """Learn a window of the state "learning", or calibrate on it."""
        if end > self._learn_until:
            self._evidence.take_as_healthy(score, start, end)
        elif start >= self._learn_from:
            self._learn_from = end
            self.learn_one(window)

    def _end_learning(self):
        """End `learn`; its windows are neither ranked nor taken for a calibration."""
        self._learn_until = 0
        self._evidence.rank_from = max(self._evidence.rank_from, self._learn_from)
        self.learn_pending()

    def _check_can_learn(self):
        if not callable(getattr(self.detector, "update", None)):
            raise TypeError(
                f"{type(self.detector).__name__} cannot learn on: it has no method update, which "
                "skasd.AnomalousSoundDetector has. Fit it again with the new clips, or set its threshold."
            )
        self._check_no_alarm()

    def _check_can_judge(self):
        if self._evidence.lacks_calibration:
            raise RuntimeError(
                "alarm='ewma' takes its limit from healthy sound of the stream, and has none for this detector as it "
                "is: call calibrate(3600) first, and again after the detector has learnt."
            )

    def _check_no_alarm(self):
        if self._evidence.rule.alarm:
            raise RuntimeError(
                "An alarm stands: what is heard now is not learnt. acknowledge() ends an alarm that was false."
            )
