"""Facts about a fitted detector beyond the scores: training recordings, held-out scores, features."""

import os
from functools import reduce

import numpy as np
import pandas as pd

from ..clips import ClipError, leave_out_bad
from ..compose import expected_rate_of, fitted_steps

_MOST_TRAINING = 500  # recordings looked at for neighbours and map


class Knowledge:
    """Facts about a fitted detector and its training recordings; empty without a detector.

    Parameters
    ----------
    detector : estimator or None
    training : DataFrame, sequence of path-like or None
        The healthy recordings learnt from; None: those that the model file names.

    Attributes
    ----------
    scores : ndarray
        Anomaly scores of the training clips, empty where they are not known.
    held_out : bool
        Whether these are scores of clips that were not learnt.
    n_training : int
        Number of training recordings whose paths are known.
    files : list of str
        Those of them that exist, 500 at most, evenly drawn.
    """

    def __init__(self, detector=None, training=None):
        self.detector = detector
        self.steps = [] if detector is None else fitted_steps(detector)
        last = self.steps[-1] if self.steps else None
        self.scores = np.ravel(np.asarray(getattr(last, "training_scores_", []), dtype=float))
        self.held_out = getattr(last, "calibration", "cross") != "train"
        self._is_another = False  # True if the scores of the table come from another detector
        self._rows: dict[str, np.ndarray] = {}  # features by file
        self._has_rows = True  # False after a file whose features are no row
        if training is None:
            training = getattr(detector, "training_paths_", [])
        elif isinstance(training, pd.DataFrame):
            if "path" not in training:
                raise ValueError(f"training lacks the column 'path'; it has {', '.join(training)}.")
            training = training["path"]
        elif isinstance(training, (str, os.PathLike)):
            raise TypeError(f"training must be a table or a list of paths, got {training!r}.")
        paths = [os.fspath(path) for path in training]
        self.n_training = len(paths)
        found = [path for path in paths if os.path.isfile(path)]
        some = np.linspace(0, len(found) - 1, min(len(found), _MOST_TRAINING)).round().astype(int)
        self.files = [found[i] for i in some]

    @property
    def last_name(self):
        """Name of the class that gets the features."""
        return type(self.steps[-1]).__name__

    @property
    def sample_rate(self):
        """Highest sample rate at which a part of the detector works, in Hz; None where none is known."""
        parameters = self.detector.get_params() if hasattr(self.detector, "get_params") else {}
        rates = [value for name, value in parameters.items() if name.rpartition("__")[2] == "sample_rate"]
        return max((rate for rate in rates if rate is not None), default=None)

    def features(self, files):
        """Return the rows, of shape (n_files, n_features), that the detector's last step gets of files.

        NaN for files that cannot be used. None if there is no detector, or none that scores rows of several features.
        """
        if len(self.steps) < 2 or not self._has_rows:
            return None
        missing = [file for file in dict.fromkeys(files) if file not in self._rows]
        # one file first: what is no row may be large
        for some in (missing[:1], missing[1:]):
            rows, kept, _ = leave_out_bad(
                lambda files, _: reduce(lambda X, step: step.transform(X), self.steps[:-1], files),
                some,
                allow_empty=True,
            )
            if rows is not None:
                rows = np.asarray(rows)
                self._has_rows = rows.ndim == 2 and rows.shape[1] > 1
                if not self._has_rows:
                    return None
                self._rows |= dict(zip([some[i] for i in kept], rows, strict=True))
        if not self._rows:
            return None
        nothing = np.full_like(next(iter(self._rows.values())), np.nan)
        return np.array([self._rows.get(file, nothing) for file in files])

    def contradiction(self, table):
        """Return a message if the scores of a table do not come from the detector, found by scoring one clip again.

        Its scores of training clips and its expected rate are then not used.
        """
        there = table[table["file"].notna() & table["anomaly_score"].notna()]
        if there.empty or not hasattr(self.detector, "score_samples"):
            return ""
        clip = there.iloc[0]
        try:
            own = -float(np.ravel(self.detector.score_samples([clip["file"]]))[0])
        except ClipError:  # the file can no longer be read
            return ""
        if np.isclose(own, clip["anomaly_score"], rtol=0.01, atol=1e-6):
            return ""
        self.scores, self._is_another = self.scores[:0], True
        return (
            f"The detector given scores {clip['name']} with {own:.4g}, the table says {clip['anomaly_score']:.4g}: the "
            "table is of another detector, or the sections were told when it was made. What this detector knows of its "
            "training clips' scores is left out, and its neighbours and maps may mislead."
        )

    def expected_rate(self, threshold):
        """Return the share of healthy clips to expect above a threshold, and False if it may be more.

        The share is None if nothing is known.
        """
        if self.detector is None or self._is_another:
            return None, False
        expected = expected_rate_of(self.detector, threshold)
        if expected is None:
            return getattr(self.steps[-1], "contamination", None), True
        return expected.rate, expected.is_known
