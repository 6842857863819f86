"""The evidence of a stream, on which alarms and drift are based."""

import math
from numbers import Integral

import numpy as np

from ..compose import fitted_steps
from ._alarms import Confirmation, MartingaleAlarm
from ._checks import check_whole_number, why_no_ranks
from ._drift import DriftWatch
from ._ewma import MIN_WINDOWS, Chart, MovingAverageAlarm
from ._martingale import ConformalRanks
from ._own_calibration import OwnCalibration


class Evidence:
    """Evidence of a stream: the rule of alarms, the ranks of scores, and the watch over drift.

    Parameters
    ----------
    detector : estimator
        Fitted.
    alarm, confirm, alpha, release, random_state
        As in `StreamingDetector`.
    n_window, n_hop : int
        Samples.
    n_per_alarm : float
        Mean number of samples until a false alarm of the moving average.
    """

    def __init__(self, detector, alarm, confirm, alpha, release, random_state, n_window, n_hop, n_per_alarm):
        self.detector, self.alpha, self.random_state = detector, alpha, random_state
        self.n_window, self.n_per_alarm = n_window, n_per_alarm
        self.rule = _make_rule(alarm, confirm, alpha, release, math.ceil(n_window / n_hop))
        self.rank_from = 0  # earliest begin of the next window that is ranked
        self.heard_until = 0  # end of the last window that counted or was taken as healthy
        self.own = None  # calibration on windows of the stream, in progress or complete
        self.held_out = self._held_out()
        self._begin_anew()

    def begin_anew_if_changed(self):
        """Forget everything except a current alarm, if the detector's scores have changed their meaning."""
        if (held_out := self._held_out()) is not self.held_out:
            self.held_out = held_out
            if self.own is not None:
                again = OwnCalibration(self.own.n_windows, self.own.contamination)
                self.own = again if self.is_calibrating else None
            self._begin_anew()

    def _held_out(self):
        return getattr(fitted_steps(self.detector)[-1], "calibration_scores_", None)

    def _begin_anew(self):
        known = self.held_out if self.calibration is None else self.calibration.scores
        self.ranks = None if known is None or not len(known) else ConformalRanks(known)
        if self.ranks is None and isinstance(self.rule, MartingaleAlarm):
            raise TypeError(f"{why_no_ranks(self.detector)}; alarm='confirm' needs none.")
        if isinstance(self.rule, MovingAverageAlarm):
            self.rule.chart = None
            if self.calibration is not None:
                scores, fresh = zip(*self.calibration.heard, strict=True)
                self.rule.chart = Chart(scores, fresh, self.n_per_alarm / self.n_window)
        self.drift = DriftWatch(self.alpha)
        if not self.rule.alarm:
            self.rule.clear()

    @property
    def is_calibrating(self):
        """True while windows are taken for the stream's own calibration."""
        return self.own is not None and not self.own.is_complete

    @property
    def calibration(self):
        """The stream's own calibration, if there is a complete one."""
        return None if self.is_calibrating else self.own

    @property
    def lacks_calibration(self):
        """True if the rule cannot judge, because the stream has no calibration and none is in progress."""
        return isinstance(self.rule, MovingAverageAlarm) and self.own is None

    def check_length(self, n_windows):
        """Raise an error if a calibration on so many windows is too short for the rule."""
        if isinstance(self.rule, MovingAverageAlarm) and n_windows < MIN_WINDOWS:
            raise ValueError(
                f"{n_windows} windows that do not overlap are too few for the limit of alarm='ewma': calibrate on at "
                f"least {MIN_WINDOWS}, better on hundreds."
            )

    def calibrate(self, n_windows, contamination, position):
        """Start to take windows from that position on, without overlap, as healthy."""
        self.own, self.rank_from = OwnCalibration(n_windows, contamination), position
        self.heard_until = max(self.heard_until, position)
        self._begin_anew()

    def _fresh(self, start, end):
        """Return the share of a window of the usual length that no previous window contained."""
        fresh = min((end - max(start, self.heard_until)) / self.n_window, 1.0)
        self.heard_until = end
        return fresh

    def take_as_healthy(self, score, start, end):
        """Add a window while calibrating; after the last one start again."""
        if isinstance(self.rule, MovingAverageAlarm) and (self.own.heard or start >= self.rank_from):
            self.own.heard.append((score, self._fresh(start, end)))
        if start >= self.rank_from:
            self.rank_from = end
            self.own.add(score)
            if self.own.is_complete:
                self._begin_anew()

    def end_calibration(self):
        """Use the windows so far; without any, the detector's calibration."""
        self.own.n_windows = len(self.own.scores)
        if not self.own.n_windows:
            self.own = None
        self._begin_anew()

    def count(self, score, decision, start, end):
        """Add a window: for the alarm, and if it does not overlap the last one that was ranked, for drift.

        Returns
        -------
        bool
            Whether it was ranked and there was no alarm.
        """
        p = None
        fresh = self._fresh(start, end)
        if self.ranks is not None and start >= self.rank_from:
            self.rank_from = end
            # a generator for each position, so that no state is kept between windows
            u = 1 - np.random.default_rng([self.random_state, start]).random()
            p = self.ranks.p_value(score, u)
        self.rule.step(decision < 0, (score, fresh) if isinstance(self.rule, MovingAverageAlarm) else p)
        if p is None or self.rule.alarm:
            return False
        self.drift.bet(p, end)
        self.ranks.add(score)
        return True

    def state(self):
        """Return what `restore` needs: values in JSON types, and arrays by name."""
        values = {
            "rule": self.rule.state(),
            "rank_from": self.rank_from,
            "heard_until": self.heard_until,
            "drift": self.drift.state(),
            "calibrate": None if self.own is None else [self.own.n_windows, self.own.contamination],
        }
        return values, {
            "counts": np.zeros(0, int) if self.ranks is None else self.ranks.counts,
            "calibration": np.zeros(0) if self.own is None else self.own.scores,
            "heard": np.zeros((0, 2)) if self.own is None else np.array(self.own.heard).reshape(-1, 2),
        }

    def restore(self, values, arrays):
        """Restore the state of a stream with the same settings and detector."""
        wanted, counts = values.get("calibrate"), arrays["counts"]
        self.own = None if wanted is None else OwnCalibration(*wanted, arrays["calibration"], arrays["heard"])
        self._begin_anew()
        if self.ranks is not None:
            if counts.shape != self.ranks.counts.shape or counts.dtype.kind not in "iu" or counts.min() < 0:
                raise ValueError("its counts do not fit")
            self.ranks.counts = counts.astype(int)
        self.rule.restore(values["rule"])
        self.drift.restore(values["drift"])
        self.rank_from, self.heard_until = int(values["rank_from"]), int(values["heard_until"])


def _make_rule(alarm, confirm, alpha, release, n_overlapping):
    if alarm not in ("confirm", "martingale", "ewma"):
        raise ValueError(f'alarm={alarm!r} must be "confirm", "martingale" or "ewma".')
    try:
        k, n = confirm
    except (TypeError, ValueError):
        k = n = None
    if not all(isinstance(x, Integral) and not isinstance(x, bool) for x in (k, n)) or not 1 <= k <= n:
        raise ValueError(f"confirm={confirm!r} must be (k, n), whole numbers with 1 <= k <= n.")
    release = max(n, n_overlapping) if release is None else release
    check_whole_number("release", release)
    if alarm == "confirm":
        return Confirmation(k, n, release)
    return MartingaleAlarm(alpha, release) if alarm == "martingale" else MovingAverageAlarm(release)
