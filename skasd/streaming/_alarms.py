"""Rules that start and end alarms from the judgements of single windows."""

from collections import deque

from ._martingale import RestartedPowerMartingale


class Confirmation:
    """An alarm when k of the last n windows are anomalous; it ends after enough normal ones in a row.

    Parameters
    ----------
    k, n : int
    release : int
        Normal windows in a row that end an alarm.
    """

    def __init__(self, k, n, release):
        self.k, self.release = k, release
        self.recent = deque(maxlen=n)
        self.normal_in_a_row = 0
        self.alarm = False

    @property
    def evidence(self):
        """Number of anomalous windows among the last n."""
        return float(sum(self.recent))

    def step(self, anomalous, p):
        """Add a window; p-values are not used."""
        self.recent.append(int(anomalous))
        self.normal_in_a_row = 0 if anomalous else self.normal_in_a_row + 1
        if not self.alarm:
            self.alarm = sum(self.recent) >= self.k
        elif self.normal_in_a_row >= self.release:
            self.clear()

    def clear(self):
        """End an alarm and forget the windows before."""
        self.alarm = False
        self.interrupt()

    def interrupt(self):
        """Forget the previous windows: the next ones do not follow them. An alarm continues."""
        self.recent.clear()
        self.normal_in_a_row = 0

    def state(self):
        """Return what `restore` needs, in JSON types."""
        return {
            "alarm": self.alarm,
            "recent": list(self.recent),
            "normal_in_a_row": self.normal_in_a_row,
        }

    def restore(self, state):
        """Restore the state of another rule of the same kind."""
        self.alarm = bool(state["alarm"])
        self.recent = deque((int(x) for x in state["recent"]), maxlen=self.recent.maxlen)
        self.normal_in_a_row = int(state["normal_in_a_row"])


class MartingaleAlarm:
    """An alarm when the capital of a test martingale reaches ``1 / alpha``.

    It ends when enough windows in a row are normal and the capital, capped at ``1 / alpha``, is back at 1.

    Parameters
    ----------
    alpha : float
    release : int
        Normal windows in a row.
    """

    def __init__(self, alpha, release):
        self.alpha, self.release = alpha, release
        self.martingale = RestartedPowerMartingale()
        self.normal_in_a_row = 0
        self.alarm = False

    @property
    def evidence(self):
        """The capital."""
        return self.martingale.capital

    def step(self, anomalous, p):
        """Add a window; p is None if it is not bet on."""
        self.normal_in_a_row = 0 if anomalous else self.normal_in_a_row + 1
        if p is not None:
            self.martingale.bet(p)
        if not self.alarm:
            self.alarm = self.evidence >= 1 / self.alpha
        if self.alarm:
            self.martingale.cap(1 / self.alpha)
            if self.normal_in_a_row >= self.release and self.evidence <= 1:
                self.clear()

    def clear(self):
        """End an alarm and begin anew."""
        self.alarm = False
        self.normal_in_a_row = 0
        self.martingale.reset()

    def interrupt(self):
        """Forget how many windows in a row were normal: the next ones do not follow them."""
        self.normal_in_a_row = 0

    def state(self):
        """Return what `restore` needs, in JSON types."""
        return {
            "alarm": self.alarm,
            "normal_in_a_row": self.normal_in_a_row,
            "n_bets": self.martingale.n_bets,
            "at_work": self.martingale.at_work.tolist(),
        }

    def restore(self, state):
        """Restore the state of another rule of the same kind."""
        self.alarm = bool(state["alarm"])
        self.normal_in_a_row = int(state["normal_in_a_row"])
        restore_martingale(self.martingale, state)


def restore_martingale(martingale, state):
    """Set a martingale to a state with ``n_bets`` and ``at_work``."""
    at_work = martingale.at_work.copy()
    at_work[:] = state["at_work"]
    martingale.n_bets, martingale.at_work = int(state["n_bets"]), at_work
