"""The train/test split that comes with the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator

from .._typing import ArrayLike


class FixedSplit(BaseCrossValidator):
    """The train/test split that comes with the data, as the one fold of a cross-validation.

    Parameters
    ----------
    subset : array-like of shape (n_clips,)
        "train", "test" or "supplemental" for each clip, such as the ``split`` column of a table of clips. Supplemental
        recordings (clean machine sounds or pure noise) are in neither set.

    See Also
    --------
    RecordingKFold : Folds that keep recordings whole.
    sklearn.model_selection.PredefinedSplit : Several predefined folds, training on all other clips.

    Notes
    -----
    The final refit of a search is on all clips, test clips included, as with every splitter:
    ``skasd.compose.NormalOnly`` drops the anomalous ones there, ``refit=False`` leaves the refit out.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.model_selection import FixedSplit
    >>> cv = FixedSplit(["train", "train", "test", "train", "test"])
    >>> for train, test in cv.split(np.zeros((5, 1))):
    ...     print(train, test)
    [0 1 3] [2 4]
    """

    def __init__(self, subset: ArrayLike):
        self.subset = subset

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits, 1.

        Parameters
        ----------
        X, y, groups : object, default=None
            Not looked at; here as in scikit-learn.

        Returns
        -------
        n_splits : int
            1.
        """
        return 1

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Generate the one pair of training and test indices.

        Parameters
        ----------
        X : sequence of n_clips
            Clips, features or anything else with one entry per clip; only its length is looked at.
        y, groups : object, default=None
            Not looked at.

        Yields
        ------
        train : ndarray
            Indices of the training clips, ascending.
        test : ndarray
            Indices of the test clips, ascending.
        """
        subset = np.asarray(self.subset)
        if subset.ndim != 1:
            raise ValueError(f"subset must have one entry per clip, got an array of shape {subset.shape}")
        n_clips = X.shape[0] if hasattr(X, "shape") else len(X)
        if len(subset) != n_clips:
            raise ValueError(f"subset has {len(subset)} entries, X has {n_clips}: one per clip is needed")
        if unknown := set(map(str, subset)) - {"train", "test", "supplemental"}:
            raise ValueError(
                f"subset must be 'train', 'test' or 'supplemental', got {', '.join(sorted(unknown)[:5])}"
            )
        train, test = (np.flatnonzero(subset == name) for name in ("train", "test"))
        if not (train.size and test.size):
            raise ValueError(
                f"subset has {train.size} clips to train on and {test.size} to test on: both are needed"
            )
        yield train, test
