"""Drift of healthy sound."""

from dataclasses import dataclass
from typing import Literal

from ._martingale import RestartedPowerMartingale


@dataclass(frozen=True, slots=True)
class Drift:
    """Result of :meth:`StreamingDetector.drift`.

    Attributes
    ----------
    moved : bool
        Whether the capital has ever reached ``1 / alpha`` since the stream began, was calibrated, or the
        reference was last changed.
    direction : {"up", "down"} or None
        Whether the scores went up or down; None if nothing moved.
    since : float or None
        Time in the stream, in seconds, at which the capital reached it; None if nothing moved.
    capital : float
        What a bettor with a capital of 1 has now.
    n_windows : int
        Windows that were bet on.
    """

    moved: bool
    direction: Literal["up", "down"] | None
    since: float | None
    capital: float
    n_windows: int


class DriftWatch:
    """Two bettors with half of the capital each, one on small p-values, one on large ones.

    Parameters
    ----------
    alpha : float
        The capital that counts is ``1 / alpha``.
    """

    def __init__(self, alpha):
        self.alpha = alpha
        self.bettors = {"up": RestartedPowerMartingale(), "down": RestartedPowerMartingale()}
        self.since = self.direction = None

    @property
    def capital(self):
        """Capital of both together."""
        return sum(bettor.capital for bettor in self.bettors.values()) / 2

    def bet(self, p, end):
        """Bet on the p-value of a window that ends at sample ``end`` of the stream."""
        self.bettors["up"].bet(p)
        self.bettors["down"].bet(1 - p)  # as uniform as p
        if self.since is None and self.capital >= 1 / self.alpha:
            self.since = end
            self.direction = max(self.bettors, key=lambda name: self.bettors[name].capital)

    def answer(self, sample_rate):
        """Return the result so far."""
        since = None if self.since is None else self.since / sample_rate
        n_windows = self.bettors["up"].n_bets
        return Drift(since is not None, self.direction, since, self.capital, n_windows)

    def state(self):
        """Return what `restore` needs, in JSON types."""
        bettors = {name: bettor.state() for name, bettor in self.bettors.items()}
        return {"since": self.since, "direction": self.direction, "bettors": bettors}

    def restore(self, state):
        """Restore the state of another watch."""
        self.since, self.direction = state["since"], state["direction"]
        for name, bettor in self.bettors.items():
            bettor.restore(state["bettors"][name])
