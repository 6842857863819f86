"""Thresholds on anomaly scores from the scores of normal clips."""

import math
import warnings
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from scipy import stats

from ..labels import group_rows

__all__ = [
    "FEWEST",
    "FewClipsWarning",
    "are_few_clips_told",
    "clips_needed",
    "conformal_threshold",
    "domain_weights",
    "expected_rate",
    "gamma_threshold",
    "no_word_on_few_clips",
    "p_values",
    "set_threshold",
    "tell_of_few_clips",
    "warn_about_few_clips",
    "warn_about_small_domains",
]


FEWEST = 3  # clips or recordings: with one of two left out, the other does not tell how much they differ


class FewClipsWarning(UserWarning):
    """There are too few training clips for the requested false-alarm rate.

    Even the highest of n scores is exceeded by one in n + 1 new healthy clips on average, so a rate of
    ``contamination`` needs at least ``1 / contamination - 1`` clips, in each domain in which it should hold. Silenced
    by ``warnings.filterwarnings("ignore", category=FewClipsWarning)``.

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


_told = ContextVar("told", default=True)


@contextmanager
def no_word_on_few_clips(silent=True):
    """Issue no `FewClipsWarning` in this thread while thresholds are set that nobody will use.

    The filters of ``warnings`` belong to all threads: what one sets aside, another would miss or bring back. Jobs in
    other threads and processes are given ``not are_few_clips_told()``.
    """
    token = _told.set(_told.get() and not silent)
    try:
        yield
    finally:
        _told.reset(token)


def are_few_clips_told():
    """Tell whether a `FewClipsWarning` would be issued here, by `no_word_on_few_clips`."""
    return _told.get()


def tell_of_few_clips(message):
    """Issue a `FewClipsWarning`, but for where there is to be `no_word_on_few_clips`."""
    if _told.get():
        warnings.warn(message, FewClipsWarning)


def set_threshold(scores, contamination, calibration, weights=None):
    """Return the threshold on held-out anomaly scores (n_clips,) of healthy clips; ``weights`` are for "cross"."""
    if calibration == "train":
        return -float(np.percentile(-scores, 100 * contamination))
    if calibration == "gamma":
        return gamma_threshold(scores, contamination)
    return conformal_threshold(scores, contamination, weights)


def p_values(new, scores, contamination, calibration, weights=None):
    r"""Return the p-values of anomaly scores ``new``, NaN for NaN, given the scores that a threshold was set from.

    In (0, 1]. "cross": the expected share of new healthy clips above the score, :math:`(1 + \sum_i [a_i > a]) / (n +
    1)` at one of the n scores (the p-value of Vovk, Gammerman and Shafer, "Algorithmic learning in a random world",
    2005, section 2.2, but for ties) and interpolated between them, as `conformal_threshold` is; at least 1 / (n + 1).
    "gamma": the tail of the fitted distribution. "train": the share of the training clips above, interpolated.
    """
    new = np.asarray(new, dtype=float)
    ordered = np.sort(scores)
    n = len(ordered)
    distribution = _fitted_gamma(scores, contamination)[0] if calibration == "gamma" else None
    if distribution is not None:
        p = distribution.sf(new)
    elif calibration == "train":
        p = (
            1 - np.interp(new, ordered, np.linspace(0, 1, n))
            if n > 1
            else np.where(new > ordered[0], 0.0, 1.0)
        )
    else:
        knots, above = _shares_above(scores, weights)
        finite = max(np.isfinite(knots).sum(), 1)
        p = np.interp(new, knots[:finite], above[:finite], left=1.0)
    return np.where(np.isnan(new), np.nan, p)


def _shares_above(scores, weights):
    """Return the distinct scores in order, and the expected share of new healthy clips above each."""
    n = len(scores)
    knots, of = np.unique(scores, return_inverse=True)
    if weights is None:
        at_or_below = np.cumsum(np.bincount(of))
        return knots, (1 + n - at_or_below) / (n + 1)
    above = np.append(np.cumsum(np.bincount(of, weights)[::-1])[::-1][1:], 0.0)
    return knots, (1 + n * above) / (n + 1)


def domain_weights(domain, blocks):
    """Return weights (n_clips,) by which each domain counts the same, with a sum of 1.

    None with one domain, or where a domain has one block alone.
    """
    if domain is None:
        return None
    members = list(group_rows(domain).values())
    if len(members) < 2 or min(len(set(blocks[rows])) for rows in members) < 2:
        return None
    weights = np.empty(len(domain))
    for rows in members:
        weights[rows] = 1 / (len(members) * len(rows))
    return weights


def warn_about_small_domains(domain, contamination, blocks=None, what="training clips"):
    """Warn of each domain with too few clips, given the domain of each training clip, for a false-alarm rate.

    With `blocks`, the block of each clip, it is blocks that are counted; `what` they are.
    """
    for name, rows in group_rows(domain).items():
        n_blocks = len(rows) if blocks is None else len(set(blocks[rows]))
        warn_about_few_clips(
            n_blocks,
            contamination,
            f" of the {name} domain",
            what if n_blocks < len(rows) else "training clips",
        )


def warn_about_few_clips(n, contamination, of="", what="training clips", *, all_there_is=False):
    """Warn if `n` clips or recordings (`of` a domain, `what` they are) are too few for a false-alarm rate.

    `all_there_is`: nothing but these, each left out in turn, tells how much healthy sound differs.
    """
    needed = clips_needed(contamination)
    if n >= needed:
        return
    one, _, more = what.partition(" of ")
    one = (one[:-1] if n == 1 else one) + (f" of {more}" if more else "")
    new = "clips" if what in ("training clips", "healthy clips") else "recordings"
    cannot = f"{n} {one}{of} cannot hold the false-alarm rate contamination={contamination:g}: "
    tell_of_few_clips(
        f"{cannot}about 1 in {n + 1} new healthy {new}{of} scores higher than all of them. Give at least {needed}, or "
        f"set contamination to {1 / (n + 1):.2g} or more."
        if n >= FEWEST or not all_there_is
        else f"{cannot}how much healthy {new} differ cannot be seen in fewer than {FEWEST}, and all new ones may be "
        f"called anomalous. Give at least {needed}."
    )


def clips_needed(contamination):
    """Return the minimum number of clips for a false-alarm rate."""
    return math.ceil(1 / contamination - 1 - 1e-9)


def expected_rate(contamination, n):
    """Return the false-alarm rate to expect with n clips: the one wanted, or the lowest that they allow."""
    return max(contamination, 1 / (n + 1))


def conformal_threshold(scores, contamination, weights=None):
    r"""Return the ``(n + 1) (1 - contamination)``-th smallest of ``n`` held-out scores, interpolated.

    A new normal clip, exchangeable with those that gave the scores, exceeds their k-th smallest with a probability of
    ``1 - k / (n + 1)`` (split-conformal quantile); the plain percentile would exceed the wanted rate in small sets.
    Between two of them the threshold is interpolated, so that the rate is the wanted one on average, and not the next
    smaller one of the form ``k / (n + 1)``. If ``n`` is too small for the rate (``n < 1 / contamination - 1``), it is
    the largest score.

    ``weights`` say how much each score counts, with a sum of 1; None: all the same. With them a new clip is expected to
    exceed score i with a probability of :math:`(1 + n \sum_j w_j [a_j > a_i]) / (n + 1)`.
    """
    knots, above = _shares_above(scores, weights)
    # the small term keeps shares that equal the wanted one up to rounding
    low_enough = np.flatnonzero(above <= contamination + 1e-12)
    if not len(low_enough):
        return float(knots[-1])
    at = low_enough[0]
    if at == 0 or above[at] >= contamination - 1e-12 or not np.isfinite(knots[at - 1 : at + 1]).all():
        return float(knots[at])
    share = (above[at - 1] - contamination) / (above[at - 1] - above[at])
    return float(knots[at - 1] + share * (knots[at] - knots[at - 1]))


def gamma_threshold(scores, contamination):
    """Return the ``1 - contamination`` quantile of a 3-parameter gamma distribution fitted to the scores.

    Shape, location and scale are free (``scipy.stats.gamma.fit``), as in the challenge's baselines. Where
    the fit is degenerate (equal scores, or a share of scores above the threshold that a binomial test at
    1e-4 rules out) a warning says so and `conformal_threshold` is returned.
    """
    distribution, reason = _fitted_gamma(scores, contamination)
    if distribution is not None:
        return float(distribution.ppf(1 - contamination))
    warnings.warn(
        f"No gamma distribution could be fitted to the training scores ({reason}); the threshold is their "
        "empirical quantile instead, as with calibration='cross'.",
        UserWarning,
    )
    return conformal_threshold(scores, contamination)


def _fitted_gamma(scores, contamination):
    """Return the gamma distribution of scores, or None and the reason why there is none."""
    low, high = scores.min(), scores.max()
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        return None, f"all {len(scores)} scores are equal"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # overflow on the optimiser's way
            shape, loc, scale = stats.gamma.fit(scores)
            threshold = float(stats.gamma.ppf(1 - contamination, shape, loc, scale))
    except (stats.FitError, FloatingPointError) as error:
        return None, str(error)
    above = int((scores > threshold).sum())
    # maximum likelihood with a free location has no maximum for some data and stops anywhere
    if np.isfinite(threshold) and stats.binomtest(above, len(scores), contamination).pvalue > 1e-4:
        return stats.gamma(shape, loc, scale), ""
    return None, (
        f"shape {shape:.3g}, loc {loc:.3g}, scale {scale:.3g} leave {above} of {len(scores)} scores "
        f"above the threshold {threshold:.4g}"
    )
