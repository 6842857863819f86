"""Rules that start and end alarms from the judgements of single windows."""

from collections import deque

from ._martingale import RestartedPowerMartingale


class AlarmRule:
    """An alarm that ends after enough normal windows in a row; subclasses decide when it begins.

    Parameters
    ----------
    release : int
        Normal windows in a row.
    """

    def __init__(self, release):
        self.release = release
        self.clear()

    def clear(self):
        """End an alarm and begin anew."""
        self.alarm = False
        self.interrupt()

    def interrupt(self):
        """Forget how many windows in a row were normal: the next ones do not follow them. An alarm continues."""
        self.normal_in_a_row = 0

    def _count(self, anomalous):
        """Add a window; return whether enough in a row are normal."""
        self.normal_in_a_row = 0 if anomalous else self.normal_in_a_row + 1
        return self.normal_in_a_row >= self.release

    def state(self):
        """Return what `restore` needs, in JSON types."""
        return {"alarm": self.alarm, "normal_in_a_row": self.normal_in_a_row}

    def restore(self, state):
        """Restore the state of another rule of the same kind."""
        self.alarm, self.normal_in_a_row = bool(state["alarm"]), int(state["normal_in_a_row"])


class Confirmation(AlarmRule):
    """An alarm when k of the last n windows are anomalous.

    Parameters
    ----------
    k, n : int
    release : int
        Normal windows in a row that end an alarm.
    """

    def __init__(self, k, n, release):
        self.k = k
        self.recent = deque(maxlen=n)
        super().__init__(release)

    @property
    def evidence(self):
        """Number of anomalous windows among the last n."""
        return float(sum(self.recent))

    def step(self, anomalous, p):
        """Add a window; p-values are not used."""
        self.recent.append(int(anomalous))
        may_end = self._count(anomalous)
        if not self.alarm:
            self.alarm = sum(self.recent) >= self.k
        elif may_end:
            self.clear()

    def interrupt(self):
        """Forget the previous windows: the next ones do not follow them. An alarm continues."""
        super().interrupt()
        self.recent.clear()

    def state(self):
        """Return what `restore` needs, in JSON types."""
        return {**super().state(), "recent": list(self.recent)}

    def restore(self, state):
        """Restore the state of another rule of the same kind."""
        super().restore(state)
        self.recent = deque((int(x) for x in state["recent"]), maxlen=self.recent.maxlen)


class MartingaleAlarm(AlarmRule):
    """An alarm when the capital of a test martingale reaches ``1 / alpha``.

    It ends when enough windows in a row are normal and the capital, capped at ``1 / alpha``, is back at 1.

    Parameters
    ----------
    alpha : float
    release : int
        Normal windows in a row.
    """

    def __init__(self, alpha, release):
        self.alpha = alpha
        self.martingale = RestartedPowerMartingale()
        super().__init__(release)

    @property
    def evidence(self):
        """The capital."""
        return self.martingale.capital

    def step(self, anomalous, p):
        """Add a window; p is None if it is not bet on."""
        may_end = self._count(anomalous)
        if p is not None:
            self.martingale.bet(p)
        if not self.alarm:
            self.alarm = self.evidence >= 1 / self.alpha
        if self.alarm:
            self.martingale.cap(1 / self.alpha)
            if may_end and self.evidence <= 1:
                self.clear()

    def clear(self):
        """End an alarm and begin anew."""
        super().clear()
        self.martingale.reset()

    def state(self):
        """Return what `restore` needs, in JSON types."""
        return {**super().state(), **self.martingale.state()}

    def restore(self, state):
        """Restore the state of another rule of the same kind."""
        super().restore(state)
        self.martingale.restore(state)
