"""The false-alarm rate to expect of a fitted detector."""

from typing import Any, NamedTuple

import numpy as np

from ..scorers import ThresholdMixin
from ..scorers.thresholds import FEWEST, expected_rate
from ._last_step import last_step


class ExpectedRate(NamedTuple):
    """False-alarm rate to expect, and what it is based on; see `expected_rate_of`.

    Parameters
    ----------
    rate : float
        Expected share of healthy clips of new recordings above the threshold.
    wanted : float
        The share that the detector's own threshold aims at.
    n : int
        Number of recordings, or clips, whose scores the threshold comes from.
    what : str
        What these are.
    is_known : bool
        False with fewer than three recordings, which do not show how much healthy sound varies; `rate` is then the
        lowest possible rate.
    set_later : bool
        Whether the threshold comes from clips that were not learnt from.
    """

    rate: float
    wanted: float
    n: int
    what: str
    is_known: bool
    set_later: bool


def expected_rate_of(detector: Any, threshold: float | None = None) -> ExpectedRate | None:
    """Return the share of healthy clips of new recordings to expect above a threshold.

    At the detector's own threshold this is the rate it aims at; at another one, the p-value of that score. With the
    scores of n recordings, neither can be less than one in n + 1.

    Parameters
    ----------
    detector : estimator
        Fitted, with a detector of this package at its end: a pipeline, a search, a wrapper.
    threshold : float, default=None
        An anomaly score; None or NaN: the detector's own threshold.

    Returns
    -------
    ExpectedRate or None
        None if the detector at the end keeps no scores of healthy clips.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import KNNScorer
    >>> from skasd.compose import expected_rate_of
    >>> detector = KNNScorer().fit(np.random.default_rng(0).normal(size=(99, 2)))
    >>> expected_rate_of(detector).rate, expected_rate_of(detector, threshold=99.0).rate
    (0.1, 0.01)
    """
    last = last_step(detector)
    scores = getattr(last, "calibration_scores_", None)
    if not isinstance(last, ThresholdMixin) or scores is None:
        return None
    wanted, is_known = last.calibration_rate_, True
    set_later = not np.array_equal(scores, getattr(last, "training_scores_", []))
    n = (last.n_later_recordings_ if set_later else None) or len(scores)
    what = f"{'healthy clips' if n == len(scores) else 'recordings'} that it was set from later"
    least = expected_rate(0, n)
    if not set_later:
        parts = getattr(last, "estimators_", None)
        parts = list(parts.values()) if isinstance(parts, dict) else [last]
        parts = [part for part in parts if hasattr(part, "n_recordings_")]
        n_recordings = sum(part.n_recordings_ for part in parts)
        n, what = (
            (n_recordings, "recordings") if parts and n_recordings < n else (n, "clips learnt from, held out")
        )
        least = max([part.attainable_rate_ for part in parts], default=least)
        is_known = all(part.n_recordings_ >= FEWEST for part in parts)
        wanted = getattr(detector, "contamination", None) or wanted
    own = (
        threshold is None or np.isnan(threshold) or np.isclose(threshold, last.threshold_, rtol=1e-6, atol=0)
    )
    rate = wanted if own else float(last.p_value_of_scores([threshold])[0])
    return ExpectedRate(max(rate, least), wanted, n, what, is_known, set_later)
