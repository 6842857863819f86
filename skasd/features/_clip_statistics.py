"""Statistics over the frames of each clip."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .._sklearn_compat import check_feature_names_in
from .._typing import ArrayLike
from ._time_frequency import check_time_frequency

_STATISTICS = {
    "mean": lambda S: S.mean(axis=1, dtype=np.float64),
    "std": lambda S: S.std(axis=1, dtype=np.float64),
    "max": lambda S: S.max(axis=1),
    "min": lambda S: S.min(axis=1),
    "median": lambda S: np.median(S, axis=1),
}


class ClipStatistics(TransformerMixin, BaseEstimator):
    """Summarise each clip's spectrogram by statistics over its frames.

    With these statistics, a classical outlier detector needs no network: the mean and standard deviation of log-mel
    energies are a strong embedding of stationary machine sound.

    Parameters
    ----------
    statistics : tuple of str or float, default=("mean", "std")
        Any of "mean", "std" (population standard deviation), "max", "min", "median", and numbers q in
        [0, 100] for the q-th percentile.

    bin_names : array-like of str of shape (n_bins,) or None, default=None
        Names of the bins, for the names of the columns: ``LogMelTransformer().get_feature_names_out()``. None: those
        that a pipeline passes on in ``get_feature_names_out``, the columns of a data frame, or x0, x1, ...

    Attributes
    ----------
    n_features_in_ : int
        Number of bins of the spectrograms.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the bins, if X was a data frame with one frame per clip.

    See Also
    --------
    LogMelTransformer : Makes the spectrograms.
    skasd.scorers.MahalanobisScorer : Scores the statistics.

    Notes
    -----
    Column ``s * n_bins + b`` is statistic s of bin b, as "mean 1.2 kHz" or, for the tenth percentile, "p10 1.2 kHz".
    The arrays that a front end returns do not name their bins. A pipeline combines both in
    ``pipeline[:-1].get_feature_names_out()``; the tables of ``set_output(transform="pandas")`` need `bin_names`.

    Means and standard deviations are accumulated in float64 whatever the type of X, and the result is float64.
    Clips that are NaN everywhere (skipped by ``on_error="skip"``) give rows of NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import ClipStatistics
    >>> spectrograms = [np.array([[1.0, 3.0], [2.0, 2.0]]), np.array([[4.0], [5.0]])]
    >>> ClipStatistics().fit_transform(spectrograms)
    array([[2., 2., 1., 0.],
           [4., 5., 0., 0.]])

    Columns named in Hz:

    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import LogMelTransformer
    >>> features = make_pipeline(LogMelTransformer(n_mels=8), ClipStatistics()).fit(np.zeros((1, 8000)))
    >>> features.get_feature_names_out()[[0, 7, 15]]
    array(['mean 340 Hz', 'mean 5.7 kHz', 'std 5.7 kHz'], dtype=object)
    """

    _parameter_constraints: dict = {"statistics": ["array-like", tuple], "bin_names": ["array-like", None]}

    def __init__(
        self, statistics: Sequence[str | float] = ("mean", "std"), *, bin_names: ArrayLike | None = None
    ):
        self.statistics = statistics
        self.bin_names = bin_names

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters and the data, and remember the number of bins.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_bins, n_frames), or list of arrays (n_bins, n_frames_i)
            Spectrograms; an array of shape (n_clips, n_bins) holds one frame per clip.

        y : Ignored, default=None
            Not used, present for API consistency.

        Returns
        -------
        self : object
            The transformer itself.
        """
        self._validate_params()
        self._functions()
        check_time_frequency(self, X)
        if self.bin_names is not None and len(self.bin_names) != self.n_features_in_:
            raise ValueError(
                f"bin_names has {len(self.bin_names)} names for spectrograms of {self.n_features_in_} bins: "
                "give get_feature_names_out() of the front end that made them."
            )
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute the statistics of every clip.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_bins, n_frames), or list of arrays (n_bins, n_frames_i)
            Spectrograms with as many bins as in `fit`.

        Returns
        -------
        features : ndarray of shape (n_clips, n_statistics * n_bins)
            One row per clip, float64.
        """
        check_is_fitted(self)
        X, missing = check_time_frequency(self, X, reset=False)
        functions = self._functions()
        features = np.full((len(X), len(functions), self.n_features_in_), np.nan)
        for i in np.flatnonzero(~missing):
            for row, function in zip(features[i], functions, strict=True):
                row[:] = function(X[i])
        return features.reshape(len(X), -1)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Name the columns: statistic and bin.

        Parameters
        ----------
        input_features : array-like of shape (n_bins,), default=None
            Names of the bins where `bin_names` gives none; by default those seen in `fit`, else x0, x1, ...

        Returns
        -------
        names : ndarray of shape (n_statistics * n_bins,)
        """
        check_is_fitted(self)
        bins = check_feature_names_in(self, input_features) if self.bin_names is None else self.bin_names
        prefixes = [name if isinstance(name, str) else f"p{name:g}" for name in self.statistics]
        return np.array([f"{prefix} {name}" for prefix in prefixes for name in bins], dtype=object)

    def _functions(self):
        if isinstance(self.statistics, str) or len(self.statistics) == 0:
            raise ValueError(f"statistics must be a tuple of at least one name, got {self.statistics!r}.")
        functions = []
        for name in self.statistics:
            if isinstance(name, str) and name in _STATISTICS:
                functions.append(_STATISTICS[name])
            elif isinstance(name, Real) and not isinstance(name, bool) and 0 <= name <= 100:
                functions.append(lambda S, q=float(name): np.percentile(S, q, axis=1))
            else:
                allowed = ", ".join(map(repr, _STATISTICS))
                raise ValueError(
                    f"statistics contains {name!r}; allowed are {allowed} and numbers from 0 to 100 for "
                    "percentiles."
                )
        return functions

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags
