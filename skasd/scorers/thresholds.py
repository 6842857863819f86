"""Thresholds on anomaly scores from the scores of normal clips."""

import math
import warnings

import numpy as np
from scipy import stats

from ..labels import group_rows


class FewClipsWarning(UserWarning):
    """There are fewer training clips than the false-alarm rate that is asked for takes.

    Of n clips' scores even the greatest is exceeded by one in n + 1 of new healthy clips, on average; so a rate of
    ``contamination`` takes ``1 / contamination - 1`` clips, in each domain that it is to hold in.
    Silenced by ``warnings.filterwarnings("ignore", category=FewClipsWarning)``.

    Examples
    --------
    >>> import warnings
    >>> from skasd.scorers import FewClipsWarning, KNNScorer
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     scorer = KNNScorer(contamination=0.1).fit([[0], [1], [2]])
    >>> caught[0].category is FewClipsWarning
    True
    """


def set_threshold(scores, contamination, calibration, of=""):
    """Return the threshold on anomaly scores of training clips.

    Parameters
    ----------
    scores : ndarray of shape (n_clips,)
        Held-out scores; those of the fitted detector for "train".
    contamination : float in (0, 0.5]
        Wanted false-alarm rate.
    calibration : {"cross", "train", "gamma"}
        As in `BaseScorer`.
    of : str
        Which clips these are, for the warning, as " of the target domain".

    Returns
    -------
    float

    Warns
    -----
    FewClipsWarning
        If there are too few scores for the rate; not for "train", which promises none.
    """
    if calibration == "train":
        return -float(np.percentile(-scores, 100 * contamination))
    warn_about_few_clips(len(scores), contamination, of)
    return (gamma_threshold if calibration == "gamma" else conformal_threshold)(scores, contamination)


def warn_about_small_domains(domain, contamination):
    """Warn of each domain with too few clips, given the domain of each training clip, for a false-alarm rate."""
    for name, rows in group_rows(domain).items():
        warn_about_few_clips(len(rows), contamination, f" of the {name} domain")


def warn_about_few_clips(n, contamination, of=""):
    """Warn if `n` clips (`of` what) are too few for a false-alarm rate."""
    needed = math.ceil(1 / contamination - 1 - 1e-9)
    if n < needed:
        warnings.warn(
            f"{n} training clip{'s' * (n != 1)}{of} cannot hold the false-alarm rate contamination={contamination:g}: "
            f"about 1 in {n + 1} new healthy clips{of} scores higher than all of them. Give at least {needed}, or set "
            f"contamination to {1 / (n + 1):.2g} or more.",
            FewClipsWarning,
        )


def conformal_threshold(scores, contamination):
    """Return the ``ceil((n + 1) (1 - contamination))``-th smallest of ``n`` held-out scores.

    A new normal clip, exchangeable with those that gave the scores, exceeds this order statistic with a
    probability of at most ``contamination`` (split-conformal quantile); the plain percentile would exceed
    the wanted rate in small sets. Where ``n`` is too small for the rate (``n < 1 / contamination - 1``)
    it is the largest score.

    Parameters
    ----------
    scores : ndarray of shape (n_clips,)
        Anomaly scores of normal clips.
    contamination : float in (0, 0.5]
        Wanted false-alarm rate.

    Returns
    -------
    float
    """
    n = len(scores)
    # the small term keeps products that are whole numbers but for rounding from being rounded up
    rank = math.ceil((n + 1) * (1 - contamination) - 1e-9)
    return float(np.sort(scores)[min(rank, n) - 1])


def gamma_threshold(scores, contamination):
    """Return the ``1 - contamination`` quantile of a 3-parameter gamma distribution fitted to the scores.

    Shape, location and scale are free (``scipy.stats.gamma.fit``), as in the challenge's baselines. Where
    the fit is degenerate (equal scores, or a share of scores above the threshold that a binomial test at
    1e-4 rules out) a warning says so and `conformal_threshold` is returned.

    Parameters
    ----------
    scores : ndarray of shape (n_clips,)
        Anomaly scores of normal clips.
    contamination : float in (0, 0.5]
        Wanted false-alarm rate.

    Returns
    -------
    float
    """
    low, high = scores.min(), scores.max()
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        reason = f"all {len(scores)} scores are equal"
    else:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # overflow on the optimiser's way
                shape, loc, scale = stats.gamma.fit(scores)
                threshold = float(stats.gamma.ppf(1 - contamination, shape, loc, scale))
        except (stats.FitError, FloatingPointError) as error:
            reason = str(error)
        else:
            above = int((scores > threshold).sum())
            # maximum likelihood with a free location has no maximum for some data and stops anywhere
            if np.isfinite(threshold) and stats.binomtest(above, len(scores), contamination).pvalue > 1e-4:
                return threshold
            reason = (
                f"shape {shape:.3g}, loc {loc:.3g}, scale {scale:.3g} leave {above} of {len(scores)} scores "
                f"above the threshold {threshold:.4g}"
            )
    warnings.warn(
        f"No gamma distribution could be fitted to the training scores ({reason}); the threshold is their "
        "empirical quantile instead, as with calibration='cross'.",
        UserWarning,
    )
    return conformal_threshold(scores, contamination)
