"""A moving average of normal scores, whose limit comes from healthy sound of the stream."""

import numpy as np
from scipy.special import ndtri

from ._alarms import AlarmRule

_WEIGHT = 0.2  # of a window that shares no sound with those before
_TAIL = 0.05  # share of the healthy windows to whose scores the tail is fitted
_LEAST_P = 1e-15
_HIGHEST = 0.25  # share of the excursions to whose heights their tail is fitted
_MIN_HIGHEST = 5
_HIGHEST_LIMIT = 5.0  # sound far beyond all healthy sound raises an alarm, however short the calibration

MIN_WINDOWS = 90  # without overlap: some eight excursions


class NormalScores:
    r"""Scores as quantiles of the normal distribution, so that those of healthy windows are normally distributed.

    Notes
    -----
    :math:`z = -\Phi^{-1}(p)` with p the share of healthy scores above (ranks of ties are their mean; linear between
    scores). From the 95 % quantile u on p goes on as :math:`0.05\, e^{-(a - u) / b}`, b the mean excess over u
    (peaks over threshold: A. C. Davison and R. L. Smith, "Models for exceedances over high thresholds", Journal of the
    Royal Statistical Society B 52, 1990, with the shape 0), so that what is higher than all healthy scores counts by
    how much it is higher.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Of healthy windows.
    """

    def __init__(self, scores):
        scores = np.asarray(scores, dtype=float)
        self.scores, counts = np.unique(scores, return_counts=True)
        self.below = (np.cumsum(counts) - counts / 2) / len(scores)
        self.u = float(np.quantile(scores, 1 - _TAIL))
        excess = scores[scores > self.u] - self.u
        self.scale = float(excess.mean() if len(excess) else 0) or float(scores.std()) or 1.0
        self.p_at_u = 1 - float(np.interp(self.u, self.scores, self.below))

    def __call__(self, scores):
        """Return the normal scores of scores."""
        scores = np.asarray(scores, dtype=float)
        p = 1 - np.interp(scores, self.scores, self.below)
        beyond = np.maximum(scores - self.u, 0) / self.scale
        return -ndtri(np.maximum(np.where(beyond > 0, self.p_at_u * np.exp(-beyond), p), _LEAST_P))


class Chart:
    r"""Exponentially weighted moving average of normal scores, and the limit that healthy sound rarely reaches.

    Notes
    -----
    :math:`E \leftarrow E + (1 - 0.8^f)(z - E)` for a window of normal score z of whose sound the share f is new (S. W.
    Roberts, "Control chart tests based on geometric moving averages", Technometrics 1, 1959), so that every second
    counts once, whatever the hop. The weight 0.2 is that of textbooks, good for a shift of 1 to 1.5 standard deviations
    (J. M. Lucas and M. S. Saccucci, "Exponentially weighted moving average control schemes", Technometrics 32, 1990). A
    sum such as Page's (CUSUM) accumulates slow drift; the average forgets. Because windows depend on each other, the
    limit comes from the averages of healthy sound themselves (N. F. Zhang, "A statistical control chart for stationary
    process data", Technometrics 40, 1998).

    A false alarm is an excursion of the average above 0 that reaches the limit. Heights of the excursions of a Gaussian
    process are Rayleigh distributed in the end (D. E. Cartwright and M. S. Longuet-Higgins, Proceedings of the Royal
    Society A 237, 1956): their squares have an exponential tail. With n squares, of which m (a quarter, at least five)
    exceed the next one by :math:`\Sigma` in all, the next excursion is expected to exceed that one by x with the
    probability :math:`\frac{m + 1}{n + 1} (1 + x / \Sigma)^{-m}`, with the chance in the m taken into account (J.
    Aitchison and I. R. Dunsmore, "Statistical prediction analysis", 1975): a short calibration has a high limit. The
    limit is where this is the stated rate of false alarms, in sound that is as that of the calibration, and at most 5.

    Parameters
    ----------
    scores, fresh : array-like of shape (n_windows,)
        Of healthy windows in their order: scores, and shares of new sound.
    n_windows_per_alarm : float
        Mean number of windows without overlap until a false alarm.
    """

    def __init__(self, scores, fresh, n_windows_per_alarm):
        self.normal_scores = NormalScores(scores)
        averages = self.averages(scores, fresh)
        above = averages > 0
        begins = np.flatnonzero(above & ~np.append(False, above[:-1]))
        heights = np.maximum.reduceat(averages, begins) if len(begins) else np.zeros(0)
        if not len(heights):  # equal scores: the standard deviation, if windows were independent
            heights = np.array([np.sqrt(_WEIGHT / (2 - _WEIGHT))])
        squares = np.sort(heights**2)[::-1]
        n = len(squares)
        m = min(max(int(_HIGHEST * n), _MIN_HIGHEST), n)
        highest, base = squares[:m], squares[m] if m < n else 0.0
        expected = (m + 1) * n / (n + 1) * n_windows_per_alarm / np.sum(fresh)
        limit = np.sqrt(base + (highest - base).sum() * max(expected ** (1 / m) - 1, 0))
        self.limit = min(float(limit), _HIGHEST_LIMIT)

    def averages(self, scores, fresh):
        """Return the average after each of many windows, from 0 on."""
        averages = [0.0]
        for z, share in zip(self.normal_scores(scores), fresh, strict=True):
            averages.append(_moved(averages[-1], z, share))
        return np.array(averages[1:])


def _moved(average, z, fresh):
    """Return the average after a window of normal score z, of whose sound the share ``fresh`` is new."""
    return average + (1 - (1 - _WEIGHT) ** fresh) * (z - average)


class MovingAverageAlarm(AlarmRule):
    """An alarm when the moving average of normal scores reaches its limit.

    It ends when enough windows in a row are normal and the average, capped at the limit, is back at 0.

    Parameters
    ----------
    release : int
        Normal windows in a row.
    """

    def __init__(self, release):
        self.chart = None  # until the stream is calibrated
        super().__init__(release)

    @property
    def evidence(self):
        """The average, as a share of its limit."""
        return self.average / self.chart.limit if self.chart is not None else 0.0

    def step(self, anomalous, window):
        """Add a window: its score, and the share of its sound that is new."""
        score, fresh = window
        may_end = self._count(anomalous)
        z = float(self.chart.normal_scores(score))
        self.average = _moved(self.average, z, fresh)
        if not self.alarm:
            self.alarm = self.average >= self.chart.limit
        if self.alarm:
            self.average = min(self.average, self.chart.limit)
            if may_end and self.average <= 0:
                self.clear()

    def clear(self):
        """End an alarm and begin anew."""
        super().clear()
        self.average = 0.0

    def state(self):
        """Return what `restore` needs, in JSON types; the chart comes from the calibration."""
        return {**super().state(), "average": self.average}

    def restore(self, state):
        """Restore the state of another rule of the same kind."""
        super().restore(state)
        self.average = float(state["average"])
