"""Sum of the scores of groups of features and of columns that are already scores."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np

from .._sklearn_compat import fit_context
from .._typing import ArrayLike
from ..labels import as_label, as_labels
from ._band import BandScorer
from ._docs import with_shared_docstring
from ._held_out import mean_and_spread


@with_shared_docstring
class TermScorer(BandScorer):
    r"""Sum of the scores of groups of features, as in `BandScorer`, and of columns that are already anomaly scores.

    For rows that contain both the scores of trained networks and features that need no training.

    Parameters
    ----------
    estimator : scorer of this package or None, default=None
        Gives a band's anomaly scores, as in `BandScorer`.

    bands : list of array-likes of int, default=()
        The features of each band.

    ready : array-like of int or dict of section to array-like of int, default=()
        Columns that are anomaly scores, higher for anomalies. A dict has the columns for each section: `fit` uses those
        of the section of its clips.

    weights : array-like of shape (n_bands + n_ready,) or None, default=None
        Factor of each band's score, then of each of these columns. None: all equal. They are scaled to a sum of 1.

    {shared}

    Attributes
    ----------
    bands_ : list of ndarray of int
        The features of each band, and each of the columns that are scores.
    weights_ : ndarray of shape (n_bands + n_ready,)
        The factors, which sum to 1.
    references_ : dict
        As of `BandScorer`.

    {attributes}

    See Also
    --------
    BandScorer : Without such columns.
    skasd.compose.SectionScores : Makes them.

    Notes
    -----
    The anomaly score is :math:`\sum_b w_b\, a_b(x) / \sigma_b`, as in `BandScorer`, where :math:`a_b` of a column that
    is a score is its value, and :math:`\sigma_b` the standard deviation of the values of the training clips. So these
    must be held-out scores.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.scorers import TermScorer
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> scorer = TermScorer(bands=[[0, 1]], ready=[2]).fit(X)
    >>> scorer.predict([[0, 0, 0], [0, 0, 9], [0, 0, -9]])
    array([ 1, -1,  1])
    """

    _parameter_constraints: dict = {
        **BandScorer._parameter_constraints,
        "bands": ["array-like", tuple],
        "ready": ["array-like", tuple, dict],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        bands: Any = (),
        ready: ArrayLike | Mapping[Any, ArrayLike] = (),
        weights: ArrayLike | None = None,
        contamination: float = 0.1,
        calibration: Literal["cross", "train", "gamma"] = "cross",
        domain_normalization: Literal["zscore"] | None = None,
        augmenter: Any = None,
        by_domain: bool = True,
    ):
        super().__init__(
            estimator,
            bands=bands,
            weights=weights,
            contamination=contamination,
            calibration=calibration,
            domain_normalization=domain_normalization,
            augmenter=augmenter,
            by_domain=by_domain,
        )
        self.ready = ready

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None, *, section: Any = None, **metadata) -> Self:
        """Learn the references of every band from normal clips and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features)
            One row per clip. Rows that are NaN everywhere are left out.
        y : array-like of shape (n_clips,), default=None
            Not learnt from. A warning is issued if it marks clips as anomalous (-1).
        section : sequence of hashables of length n_clips, default=None
            Required if `ready` is a dict: the section, the same for all clips.
        **metadata : dict
            `domain`, `proxy`, `groups` and `origin`, as in `BaseScorer`.

        Returns
        -------
        self : object
        """
        self._ready = self._find_ready(section)
        return super().fit(X, y, **metadata)

    def _find_ready(self, section):
        """Return the columns that are scores, of the section of all clips."""
        if not isinstance(self.ready, Mapping):
            return _as_columns(self.ready)
        found = [] if section is None else list(dict.fromkeys(as_labels("section", section, len(section))))
        known = {as_label(name): columns for name, columns in self.ready.items()}
        if len(found) != 1 or found[0] not in known:
            raise ValueError(
                f"ready says which columns are the scores against each of {list(known)}: fit needs clips of one of "
                f"them, and section=; got clips of {found if found else 'no section'}."
            )
        return _as_columns(known[found[0]])

    def _find_bands(self, n_features):
        if wrong := [column for column in self._ready if not 0 <= column < n_features]:
            raise ValueError(f"ready has the column {wrong[0]}, but X has {n_features} features.")
        bands = super()._find_bands(n_features) if len(self.bands) else []
        if twice := {column for band in bands for column in band.tolist()} & set(self._ready):
            raise ValueError(f"Column {min(twice)} is in ready and in a band: it is a score or a feature.")
        if not bands and not self._ready:
            raise ValueError("bands and ready are empty: there is nothing to score.")
        return [*bands, *(np.array([column]) for column in self._ready)]

    def _is_ready(self, columns):
        return len(columns) == 1 and columns[0] in self._ready

    def _references_of(self, columns, sets):
        if not self._is_ready(columns):
            return super()._references_of(columns, sets)
        values = np.concatenate([rows[:, columns[0]] for rows in sets.values()])
        return dict.fromkeys(sets), mean_and_spread(values)[1]

    def _score_band(self, X, columns, reference):
        return X[:, columns[0]] if self._is_ready(columns) else super()._score_band(X, columns, reference)

    def _contributions_of_band(self, X, columns, reference):
        if self._is_ready(columns):
            return X[:, columns]
        return super()._contributions_of_band(X, columns, reference)


def _as_columns(ready):
    """Return the columns that are scores as a list of int."""
    columns = np.asarray(ready)
    if columns.ndim != 1 or (len(columns) and columns.dtype.kind not in "iu"):
        raise ValueError(f"ready must hold positions of columns, integers from 0 on, got {ready!r}.")
    return columns.tolist()
