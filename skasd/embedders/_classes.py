"""The classes of the auxiliary task: sections where they are known, clusters of simple statistics where not."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import type_of_target

from ..labels import as_labels, encode


def section_labels(section, y):
    """Return the class label of every clip as an array of objects; None where there are fewer than two different ones.

    ``section`` is used as it is when given. Without it a discrete ``y`` that is not the ground truth coded {+1, -1}
    stands in for it.
    """
    if section is None and y is not None:
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind not in ("binary", "multiclass"):
            raise ValueError(
                f"y is {kind}: as the classes of the auxiliary task it must be one discrete label per clip. "
                "Pass the labels as section=, or leave y out."
            )
        if not set(np.unique(np.asarray(y)).tolist()) <= {1, -1}:
            section = y
    if section is None:
        return None
    labels = as_labels("section", section, len(section))
    return labels if len(set(labels)) > 1 else None


def pseudo_labels(clips, n_classes, random_state):
    """Cluster clips by the mean and standard deviation of each frequency bin over time; return their numbers.

    There are fewer clusters than ``n_classes`` for fewer than ``2 * n_classes`` clips, down to two.
    """
    seen = [clip.astype(np.float32, copy=False) for clip in clips]  # as networks see them
    statistics = np.stack(
        [np.r_[clip.mean(axis=1, dtype=np.float64), clip.std(axis=1, dtype=np.float64)] for clip in seen]
    )
    statistics = StandardScaler().fit_transform(statistics)
    n_different = len(np.unique(statistics, axis=0))
    if n_different < 2:
        raise ValueError(
            f"Nothing to tell apart: n_samples={len(clips)} clips, {n_different} of them different. A network is "
            "trained on two different clips at least, and learns from some dozens."
        )
    n_classes = min(n_classes, max(2, len(statistics) // 2), n_different)
    labels = KMeans(n_classes, n_init=10, random_state=random_state).fit(statistics).labels_
    return encode(labels.tolist())[1]
