"""Test martingales: betting against the hypothesis that nothing has changed."""

import math

import numpy as np

_N_POWERS = 20
_LEAST_P = 1e-280
_MOST_CAPITAL = 1e12


class RestartedPowerMartingale:
    r"""Test martingale that bets on small p-values and can begin to win at any time.

    Notes
    -----
    A bettor of power :math:`\epsilon` multiplies the capital by :math:`\epsilon p^{\epsilon-1}`, which has the mean 1
    for uniform p and at most 1 for p-values that are larger (Vovk, Nouretdinov and Gammerman, "Testing exchangeability
    on-line", ICML 2003). The capital is spread over 20 powers, (j + 1/2) / 20. As the capital of a bettor melts while
    nothing happens, the share :math:`1/(1+\log_2 k) - 1/(1+\log_2(k+1))` of it is kept back until bet k: a mixture of
    martingales that begin at k, hence a martingale. By Ville's inequality it ever reaches :math:`1/\alpha` with a
    probability of at most :math:`\alpha`, if nothing changes, however long the stream.

    Attributes
    ----------
    n_bets : int
    at_work : ndarray of shape (20,)
        Capital in play, by power.
    """

    powers = (np.arange(_N_POWERS) + 0.5) / _N_POWERS

    def __init__(self):
        self.reset()

    def reset(self):
        """Begin with a capital of 1."""
        self.n_bets = 0
        self.at_work = np.zeros(_N_POWERS)

    @property
    def capital(self):
        """The capital, 1 before the first bet."""
        return float(self.at_work.sum()) + _kept_back(self.n_bets)

    def bet(self, p):
        """Bet on a p-value in (0, 1]; return the capital."""
        self.n_bets += 1
        entering = (_kept_back(self.n_bets - 1) - _kept_back(self.n_bets)) / _N_POWERS
        # both bounds prevent overflow; winning less keeps the martingale valid
        self.at_work = (self.at_work + entering) * self.powers * max(p, _LEAST_P) ** (self.powers - 1)
        self.cap(_MOST_CAPITAL)
        return self.capital

    def cap(self, most):
        """Reduce the capital to `most`, so that a long anomaly is forgotten as soon as a short one."""
        if (capital := self.capital) > most:
            self.at_work *= (most - _kept_back(self.n_bets)) / (capital - _kept_back(self.n_bets))

    def state(self):
        """Return what `restore` needs, in JSON types."""
        return {"n_bets": self.n_bets, "at_work": self.at_work.tolist()}

    def restore(self, state):
        """Restore the state of another martingale."""
        at_work = np.zeros(_N_POWERS)
        at_work[:] = state["at_work"]  # raises for another number of powers
        self.n_bets, self.at_work = int(state["n_bets"]), at_work


def _kept_back(n_bets):
    """Return the share of the capital that has not entered after so many bets."""
    return 1 / (1 + math.log2(n_bets + 1))


class ConformalRanks:
    r"""P-values of scores by their rank among all scores before.

    Notes
    -----
    The smoothed p-value of the n-th score, :math:`(|\{i: a_i > a_n\}| + u |\{i \le n: a_i = a_n\}|) / n` with u uniform
    on (0, 1], is uniform and independent of those before, if the scores are exchangeable (Vovk, Gammerman and Shafer,
    "Algorithmic learning in a random world", 2005, section 2.2 and proposition 2.8). Scores are sorted into at most
    some 400 classes first, a fixed function of them, so that counts are all there is to keep, and the statement holds
    for any length. The classes are those between the calibration scores, and finer than these are wide beyond them.

    Parameters
    ----------
    calibration : ndarray of shape (n,)
        Scores of healthy clips that were not learnt.
    """

    _n_inner = 256
    _n_outer = 64

    def __init__(self, calibration):
        scores = np.sort(np.asarray(calibration, dtype=float))
        scores = scores[np.isfinite(scores)]
        shares = np.linspace(0, 1, min(len(scores), self._n_inner))
        inner = np.unique(np.quantile(scores, shares))
        spread = float(scores.std()) or max(abs(float(scores[0])), 1.0)
        beyond = spread * 0.02 * 2.0 ** (np.arange(self._n_outer) / 4)
        self.edges = np.concatenate([inner[0] - beyond[::-1], inner, inner[-1] + beyond])
        self.counts = np.bincount(self._class_of(scores), minlength=len(self.edges) + 1)

    def _class_of(self, scores):
        return np.searchsorted(self.edges, scores, side="left")

    def p_value(self, score, u):
        """Return the p-value of a score, given a uniform random number in (0, 1] that ranks it among equal ones."""
        place = int(self._class_of(score))
        above = int(self.counts[place + 1 :].sum())
        return (above + u * (int(self.counts[place]) + 1)) / (int(self.counts.sum()) + 1)

    def add(self, score):
        """Count a score."""
        self.counts[int(self._class_of(score))] += 1
