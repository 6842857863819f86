"""Healthy windows of the stream itself, from which its threshold comes instead of the detector's."""

import numpy as np

from ..scorers.thresholds import clips_needed, conformal_threshold, p_values


class OwnCalibration:
    """Scores of healthy windows that do not overlap, with the threshold and p-values that follow from them.

    Parameters
    ----------
    n_windows : int
        Number of windows to take.
    contamination : float
        Rate of anomalous windows that the threshold aims at.
    scores : iterable of float
        Of the windows so far.
    heard : iterable of (float, float)
        Score and share of new sound of all windows so far, including overlapping ones.
    """

    def __init__(self, n_windows, contamination, scores=(), heard=()):
        self.n_windows, self.contamination = n_windows, contamination
        self.scores = np.array(list(scores), dtype=float)
        self.heard = [(float(score), float(fresh)) for score, fresh in heard]

    @property
    def is_complete(self):
        """True if all windows have been taken."""
        return len(self.scores) >= self.n_windows

    @property
    def threshold(self):
        """Score above which a window is anomalous."""
        return conformal_threshold(self.scores, self.contamination)

    def p_value(self, score):
        """Return the expected share of healthy windows above a score."""
        return float(p_values([score], self.scores, self.contamination, "cross")[0])

    def add(self, score):
        """Count the score of a window."""
        self.scores = np.append(self.scores, score)


def too_few_windows(n_windows, contamination, seconds):
    """Return why windows, one every ``seconds``, are too few for a rate, and a remedy; None if they are enough."""
    needed = clips_needed(contamination)
    if n_windows >= needed:
        return None
    return (
        f"{n_windows} windows that do not overlap cannot hold the rate contamination={contamination:g}: about 1 in "
        f"{n_windows + 1} healthy windows scores higher than all of them. Calibrate for at least "
        f"{needed * seconds:g} s, or with contamination={1 / (n_windows + 1):.2g} or more."
    )
