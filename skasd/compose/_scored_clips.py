"""Scores of clips from any fitted detector, with metadata of the clips."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.metadata_routing import get_routing_for_object

from ._held_out import anomaly_scores_of, offset_of
from ._rows import route_metadata


def requested_metadata(estimator: Any, method: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that a method of an estimator, or of the parts inside it, requests.

    Parameters
    ----------
    estimator : estimator
        May be a pipeline or another composition.
    method : str
        Such as "fit" or "decision_function".
    metadata : mapping of str to sequence of length n_clips
        All metadata of the clips.

    Returns
    -------
    dict of str to sequence of length n_clips
        Sorted by name.

    Examples
    --------
    >>> from skasd import KNNScorer
    >>> from skasd.compose import requested_metadata
    >>> requested_metadata(KNNScorer(), "fit", {"domain": ["source"], "machine": ["fan"]})
    {'domain': ['source']}
    """
    with route_metadata():
        names = get_routing_for_object(estimator).consumes(method, metadata)
    return {name: metadata[name] for name in sorted(names)}


def score_clips(detector: Any, X: Any, metadata: Mapping[str, Any] | None = None) -> tuple[np.ndarray, float]:
    """Score clips with any fitted detector, using their metadata.

    Parameters
    ----------
    detector : estimator
        A fitted outlier detector of this package or of scikit-learn, or a pipeline that ends in one.
    X : clips or features of n_clips
        Whatever the detector takes.
    metadata : mapping of str to sequence of length n_clips or None, default=None
        Metadata of the clips, such as ``section``; what the detector does not request for ``decision_function`` is
        ignored.

    Returns
    -------
    scores : ndarray of shape (n_clips,)
        Anomaly scores; higher is more anomalous, NaN for skipped clips. If the detector uses metadata, or has no
        ``score_samples``, its threshold minus its decision, otherwise ``-score_samples``.
    threshold : float
        Clips with a score above it are called anomalous; 0 for a detector without ``score_samples``.

    See Also
    --------
    skasd.clips.leave_out_bad : Continues if some clips cannot be used.
    threshold_for : The threshold for another false-alarm rate.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import KNNScorer
    >>> from skasd.compose import score_clips
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = KNNScorer().fit(X)
    >>> scores, threshold = score_clips(detector, [[0, 0], [9, 9]])
    >>> (scores > threshold).tolist()
    [False, True]
    """
    used = {}
    if metadata and hasattr(detector, "decision_function"):
        used = requested_metadata(detector, "decision_function", metadata)
    with route_metadata():
        if not hasattr(detector, "score_samples"):
            return -detector.decision_function(X, **used), 0.0
        offset = offset_of(detector, X)
        return anomaly_scores_of(detector, X, offset, **used), -offset
