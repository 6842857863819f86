"""Folds that train on normal clips only and keep recordings whole."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from numbers import Integral
from typing import Any, Literal

import numpy as np
from sklearn.model_selection import BaseCrossValidator, GroupKFold, StratifiedGroupKFold
from sklearn.utils import check_random_state

from .._metadata import check_ground_truth
from .._sklearn_compat import Interval, StrOptions, validate_parameter_constraints
from .._typing import ArrayLike
from ..labels import as_labels


def _codes(name, values, n_clips):
    """Integer codes of one label per clip, in the order in which labels come."""
    codes: dict = {}
    return np.array([codes.setdefault(label, len(codes)) for label in as_labels(name, values, n_clips)])


class RecordingKFold(BaseCrossValidator):
    """K folds with normal clips in training and both kinds in each test fold, recordings kept whole.

    Normal clips are split as in :class:`~sklearn.model_selection.GroupKFold`: each is in the test fold
    once. Anomalous clips are never in training. No recording has clips on both sides of a split.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    anomalies : {"all", "share"}, default="all"
        "all": every test fold holds all anomalous clips, except those of recordings that also hold normal clips, which
        are tested together with these. The scores of the folds are more stable, and correlated because they share the
        anomalies. "share": each anomalous clip is in one test fold only.
    shuffle : bool, default=False
        Whether to deal recordings to folds at random.
    random_state : int, RandomState instance or None, default=None
        Governs `shuffle`.

    See Also
    --------
    FixedSplit : The train/test split that comes with the data.
    sklearn.model_selection.GroupKFold : Trains on anomalous clips as well.
    skasd.metrics.harmonic_auc_scorer : A scorer that needs both kinds in each test fold.

    Notes
    -----
    ``split`` requests ``groups`` (the recording of each clip), ``domain`` and ``section`` at class level: with metadata
    routing enabled, those given to ``fit`` of a search arrive here. With domain or section the folds are stratified by
    them (:class:`~sklearn.model_selection.StratifiedGroupKFold`), so that the few clips of the target domain are spread
    over the folds; a warning is given if there are fewer of them than folds. Without ``groups`` each clip is a
    recording of its own.

    The final refit of a search is on all clips, anomalous ones included, whatever the splitter:
    ``skasd.compose.NormalOnly`` drops them there.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.model_selection import RecordingKFold
    >>> y = [1, 1, 1, 1, -1, -1]
    >>> recording = ["a", "a", "b", "c", "d", "e"]
    >>> for train, test in RecordingKFold(n_splits=2).split(np.zeros((6, 1)), y, recording):
    ...     print(train, test)
    [2 3] [0 1 4 5]
    [0 1] [2 3 4 5]
    """

    __metadata_request__split = {"groups": True, "domain": True, "section": True}

    _parameter_constraints: dict = {
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "anomalies": [StrOptions({"all", "share"})],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_splits: int = 5,
        *,
        anomalies: Literal["all", "share"] = "all",
        shuffle: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n_splits = n_splits
        self.anomalies = anomalies
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(
        self, X: Any = None, y: Any = None, groups: Any = None, domain: Any = None, section: Any = None
    ) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups, domain, section : object, default=None
            Not looked at; here as in scikit-learn.

        Returns
        -------
        n_splits : int
            The number of folds.
        """
        return self.n_splits

    def split(
        self,
        X: Any,
        y: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        domain: ArrayLike | None = None,
        section: ArrayLike | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Generate indices of the training and test clips of each fold.

        Parameters
        ----------
        X : sequence of n_clips
            Clips, features or anything else with one entry per clip.
        y : array-like of shape (n_clips,), default=None
            Ground truth, +1 normal and -1 anomalous. Needed.
        groups : array-like of shape (n_clips,), default=None
            The recording each clip was cut from, any hashable; None: each clip is a recording.
        domain, section : array-like of shape (n_clips,), default=None
            Labels over which the folds are balanced.

        Yields
        ------
        train : ndarray
            Indices of normal clips, ascending.
        test : ndarray
            Indices of normal and anomalous clips of other recordings, ascending.
        """
        parameters = {name: getattr(self, name) for name in self._parameter_constraints}
        validate_parameter_constraints(self._parameter_constraints, parameters, type(self).__name__)
        n_clips = X.shape[0] if hasattr(X, "shape") else len(X)
        if y is None:
            raise ValueError("RecordingKFold needs y, the ground truth (+1 normal, -1 anomalous)")
        y = np.asarray(y)
        if y.shape != (n_clips,):
            raise ValueError(f"y has shape {y.shape}, X has {n_clips} clips: one label per clip is needed")
        check_ground_truth("y", y.tolist())
        if not np.any(y == -1):
            raise ValueError(
                "y holds no anomalous clip (-1), so that no fold could be scored; "
                "sklearn.model_selection.GroupKFold splits normal clips alone"
            )
        recording = np.arange(n_clips) if groups is None else _codes("groups", groups, n_clips)
        strata = None
        for name, values in (("domain", domain), ("section", section)):
            if values is not None:
                codes = _codes(name, values, n_clips)
                strata = codes if strata is None else strata * (codes.max() + 1) + codes

        rng = check_random_state(self.random_state) if self.shuffle else None
        normal = np.flatnonzero(y == 1)
        fold_of = self._deal("normal", normal, recording, strata, rng)
        # an anomalous clip of a recording with normal clips goes where these go
        bound = np.isin(recording, recording[normal])
        free = np.flatnonzero(~bound)
        if self.anomalies == "share" and free.size:
            fold_of |= self._deal("anomalous", free, recording, strata, rng)
        place = np.array([fold_of.get(r, -1) for r in recording])  # -1: in the test of every fold

        for fold in range(self.n_splits):
            test = np.flatnonzero((place == fold) | (place == -1))
            for label, kind in ((1, "normal"), (-1, "anomalous")):
                if not np.any(y[test] == label):
                    raise ValueError(
                        f"fold {fold} of {self.n_splits} has no {kind} clip: use fewer folds, or "
                        "shuffle=True with another random_state"
                    )
            yield normal[place[normal] != fold], test

    def _deal(self, kind, clips, recording, strata, rng) -> dict:
        """Deal the recordings of these clips to folds: {recording: fold}."""
        n_recordings = len(np.unique(recording[clips]))
        if n_recordings < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} folds need as many recordings with {kind} clips, got "
                f"{n_recordings}: use fewer folds" + (" or anomalies='all'" if kind == "anomalous" else "")
            )
        parameters = {"n_splits": self.n_splits, "shuffle": self.shuffle, "random_state": rng}
        if strata is None:
            splits = list(GroupKFold(**parameters).split(clips, groups=recording[clips]))
        else:
            rarest = np.unique(strata[clips], return_counts=True)[1].min()
            if rarest < self.n_splits:
                warnings.warn(
                    f"there are only {rarest} {kind} clips of one domain and section, fewer than "
                    f"n_splits={self.n_splits}: some test folds go without them",
                    UserWarning,
                )
            with warnings.catch_warnings():  # scikit-learn's own words for the same
                warnings.filterwarnings("ignore", "The least populated class", UserWarning)
                splits = list(
                    StratifiedGroupKFold(**parameters).split(clips, strata[clips], recording[clips])
                )
        return {r: fold for fold, (_, test) in enumerate(splits) for r in recording[clips[test]]}
