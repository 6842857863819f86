"""Cosine distance to the mean of the training clips."""

from ._base import BaseScorer
from ._cosine import cosine_distance, unit_rows
from ._docs import with_shared_docstring


@with_shared_docstring
class CosineMeanScorer(BaseScorer):
    r"""Cosine distance to the mean of the training clips.

    Parameters
    ----------
    calibration : {"cross", "train", "gamma"}, default="cross"
        How the threshold is set, see `BaseScorer`. "cross" leaves each clip out of its mean.

    {shared}

    Attributes
    ----------
    references_ : dict
        Unit vector of the mean, shape (n_features + 1,), and sum of the rows, by domain ("all" without domains). The
        last feature is 0 unless the mean is zero.

    {attributes}

    See Also
    --------
    KNNCosineScorer : Cosine distance to the nearest training clips.

    Notes
    -----
    The anomaly score is :math:`1 - \cos(x, \frac{1}{n} \sum_i x_i)`, in [0, 2], the "cosine distance" of [1]_ (section
    2.4), where the mean is that of all training clips of a section: put it in a :class:`~skasd.compose.PerSection`.
    Here, if `domain` is given, each domain has its own mean and the smaller distance counts; for the report's score set
    ``by_domain=False``. A row of zeros has the distance 1 to all others.

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task2: batch mixing
       strategy based method with anomaly detector for anomalous sound detection", DCASE2022 Challenge,
       technical report.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.scorers import CosineMeanScorer
    >>> scorer = CosineMeanScorer(contamination=0.5).fit([[1, 0.1], [1, -0.1]])
    >>> scorer.anomaly_score([[2, 0], [0, 2]]).round(3)
    array([0., 1.])
    """

    def _fit_reference(self, X):
        total = X.sum(axis=0)
        return unit_rows(total[None])[0], total

    def _score_reference(self, X, reference):
        return cosine_distance(unit_rows(X), reference[0])

    def _leave_one_out(self, X, reference):
        return cosine_distance(unit_rows(X), unit_rows(reference[1] - X))
