"""Comparison of an exported file with its detector."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import PathName
from ..clips import Clips
from ..compose import fitted_steps
from ._detectors import fronts
from .onnx_detector import OnnxDetector

_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Verification:
    """Agreement of an exported file with its detector.

    Parameters
    ----------
    n_clips : int
        Number of clips compared.
    difference : float
        Largest difference of anomaly scores.
    spread : float
        Standard deviation of the detector's anomaly scores of these clips, or the spread of those of its training clips
        if that is greater, because clips that are all alike do not ask for more digits: their standard deviation or, if
        less, their interquartile range over 1.349, which outliers do not widen.
    n_changed : int
        Number of clips on which the decisions differ.
    p_value_difference : float
        Largest difference of p-values; NaN if there are none.

    Attributes
    ----------
    relative_difference : float
        ``difference / spread``.
    is_good : bool
        Whether no decision differs and the scores agree to 1e-4 of their spread.
    """

    n_clips: int
    difference: float
    spread: float
    n_changed: int
    p_value_difference: float

    @property
    def relative_difference(self) -> float:
        """Largest difference of anomaly scores in units of their spread."""
        return self.difference / self.spread

    @property
    def is_good(self) -> bool:
        """True if no decision differs and the scores agree to 1e-4 of their spread."""
        return self.n_changed == 0 and self.relative_difference <= _TOLERANCE

    def __repr__(self):
        p_values = "" if np.isnan(self.p_value_difference) else f", p-values {self.p_value_difference:.1e}"
        return (
            f"{'good' if self.is_good else 'NOT GOOD'}: {self.n_clips} clips, scores differ by at most "
            f"{self.relative_difference:.1e} of their spread{p_values}, decisions on {self.n_changed} clips"
        )


def verify(path: PathName, detector: Any, clips: Any) -> Verification:
    """Score clips with an exported file and with its detector, and compare.

    Parameters
    ----------
    path : path-like
        File that `to_onnx` or `quantize` wrote.
    detector : estimator
        The fitted detector that was exported.
    clips : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
        Whatever the detector takes; healthy clips and others, not those of `fit`.

    Returns
    -------
    Verification
        Its ``is_good`` says whether they agree.

    Raises
    ------
    skasd.clips.ClipError
        If clips cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import ClipStatistics, KNNScorer, LogMelTransformer
    >>> from skasd.export import to_onnx, verify
    >>> clips = np.random.default_rng(0).normal(scale=0.1, size=(20, 4000)).astype(np.float32)
    >>> detector = make_pipeline(LogMelTransformer(), ClipStatistics(), KNNScorer()).fit(clips[:10])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(detector, Path(folder, "model.onnx"))
    ...     verify(Path(folder, "model.onnx"), detector, clips[10:]).is_good
    True
    """
    exported = OnnxDetector(path)
    front, last = fronts(detector)[0], fitted_steps(detector)[-1]
    waveforms = list(
        Clips(clips, sample_rate=exported.sample_rate, channel=front.channel, limits=front.limits)
    )
    scores = -detector.score_samples(clips)
    found = exported.judge(waveforms)
    difference = float(np.abs(found["anomaly_score"] - scores).max())
    spread = max(float(scores.std()), _usual_spread(last.training_scores_)) or 1.0
    decisions = np.where(-scores - last.offset_ >= 0, 1, -1)
    p_value_difference = np.nan
    if exported.has_p_values:
        p_values = last.p_value_of_scores(scores)
        p_value_difference = float(np.abs(found["p_value"] - p_values).max())
    n_changed = int((found["decision"] != decisions).sum())
    return Verification(len(scores), difference, spread, n_changed, p_value_difference)


def _usual_spread(scores):
    """Return the standard deviation of scores, NaN left out, or that of a normal distribution of their quartiles."""
    scores = scores[~np.isnan(scores)]
    low, high = np.quantile(scores, [0.25, 0.75])
    deviation = float(scores.std())
    return min(deviation, float(high - low) / 1.349 or deviation)
