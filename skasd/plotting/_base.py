"""Common parts of the displays: panels, checks of their input."""

from numbers import Real

import numpy as np

from .._docs import shared_docstring
from .._metadata import check_ground_truth
from .style import NEUTRAL, import_pyplot, is_skewed

PARAMETERS = """
X : array-like or list of length n_clips
    Input of the estimator.

anomaly_scores, scores : array-like of shape (n_clips,)
    Anomaly scores, higher = more anomalous (``-score_samples``); NaN for a skipped clip.

y : array-like of shape (n_clips,), default=None
    +1 for a normal, -1 for an anomalous clip; None: they are not distinguished.

domain : array-like of shape (n_clips,), default=None
    Domain of each clip, such as ``"source"`` and ``"target"``; each has a panel or a curve. None: one of all clips.

section : array-like of shape (n_clips,), default=None
    Section, machine or other group of each clip.

time : array-like of shape (n_clips,), default=None
    Time of each clip, as numbers or ``datetime64``; clips without one (NaN, NaT) are not drawn. None: the clips are
    numbered from 1 in their order.

threshold : float, default=None
    Anomaly score above which a clip is called anomalous; drawn as a line.

training : array-like of shape (n_training_clips,), default=None
    Scores of the training clips, preferably held-out ones (``training_scores_`` of the scorers), drawn as a separate
    histogram in every panel. Each histogram then shows shares of the clips of its kind.

max_fpr : float, default=0.1
    Right end of the region of the partial AUC, in (0, 1].

method : {"tsne", "pca"}, default="tsne"
    Method of reduction to two dimensions.

perplexity : float, default=30.0
    Perplexity of t-SNE; lowered to (n_clips - 1) / 3 for few clips.

random_state : int, RandomState instance or None, default=0
    Seed of t-SNE.

frequencies : array-like of shape (n_bins,)
    Centre frequency of each row in Hz, rising.

hop : float
    Seconds from one frame to the next.

start : float, default=0.0
    Time of the middle of the first frame in seconds.

names : list of str of length n_clips, default=None
    Title of each panel.

unit : str, default="dB"
    Label of the colour bar.

scale : {"auto", "linear", "log"}, default="auto"
    Scale of the scores' axis. "auto": logarithmic where all scores, and the threshold, are positive and the largest
    score exceeds five times the median of the normal clips (by ``y``, else of the training clips, else of all clips).

name : str, default=None
    Written above the picture.

ax : matplotlib Axes or array of Axes, default=None
    One Axes per panel, or a single one, which is divided among several panels. Default: a new figure.

**kwargs : dict
    Passed to :meth:`plot`.
"""

ATTRIBUTES = """
ax_ : matplotlib Axes
    Axes of the picture, or of its first panel.

figure_ : matplotlib Figure
    The figure that contains it.
"""

with_shared_docstring = shared_docstring(PARAMETERS, ATTRIBUTES)


def make_panels(display, ax, n_rows, n_columns, panel_size):
    """Return an array of ``n_rows * n_columns`` axes.

    Without ``ax`` they are in a new figure. A single ``ax`` is used as it is for one panel and divided into a grid for
    several; an array of axes must have one for each panel.
    """
    pyplot = import_pyplot(display)
    n_panels = n_rows * n_columns
    if ax is None:
        width, height = panel_size
        _, axes = pyplot.subplots(
            n_rows,
            n_columns,
            sharex=True,
            sharey=True,
            squeeze=False,
            figsize=(width * n_columns, height * n_rows),
            layout="constrained",
        )
        return axes.ravel()
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if axes.size == n_panels:
        return axes
    if axes.size > 1 or axes[0].get_subplotspec() is None:
        raise ValueError(
            f"{display} draws {n_panels} panels, got {axes.size} axes: "
            f"pass {n_panels} of them, or one made by plt.subplots, or none."
        )
    box = axes[0]
    box.set_axis_off()
    grid = box.get_subplotspec().subgridspec(n_rows, n_columns)
    return grid.subplots(sharex=True, sharey=True, squeeze=False).ravel()


def check_length(values, n_clips, name):
    """Return ``values`` as a 1-D object array with one entry per clip."""
    values = list(values)
    if len(values) != n_clips:
        raise ValueError(f"{name} has {len(values)} entries for {n_clips} clips; give one per clip.")
    return np.fromiter(values, dtype=object, count=n_clips)


def check_scores(scores):
    """Return 1-D float anomaly scores; NaN stands for a skipped clip."""
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 1:
        raise ValueError(f"One score per clip is needed, a 1-D array; got an array of shape {scores.shape}.")
    if np.isinf(scores).any():
        raise ValueError(f"The score of clip {np.flatnonzero(np.isinf(scores))[0]} is infinite.")
    if np.isnan(scores).all():
        raise ValueError(f"None of the {scores.size} clips has a score: nothing to draw.")
    return scores


def check_y(y, n_clips):
    """Return y as +1 (normal) and -1 (anomalous)."""
    y = check_length(y, n_clips, "y")
    check_ground_truth("y", y)
    return y.astype(int)


def check_threshold(threshold):
    """Return a threshold on anomaly scores, or None."""
    if threshold is not None and not (isinstance(threshold, Real) and np.isfinite(threshold)):
        raise ValueError(f"threshold must be a finite number or None, got {threshold!r}.")
    return threshold


def resolve_scale(scale, scores, threshold=None, healthy=None):
    """Return the scale of an axis of scores, "linear" or "log"."""
    if scale not in ("auto", "linear", "log"):
        raise ValueError(f"scale must be 'auto', 'linear' or 'log', got {scale!r}.")
    lowest = np.nanmin(scores) if threshold is None else min(np.nanmin(scores), threshold)
    if scale == "log" and lowest <= 0:
        raise ValueError(
            f"A logarithmic scale shows positive scores only, and the least score or threshold is {lowest:.4g}: pass "
            "scale='linear' or 'auto'."
        )
    if scale == "auto":
        return "log" if lowest > 0 and is_skewed(scores, healthy) else "linear"
    return scale


def anomaly_score(estimator, X):
    """Return the anomaly score of every clip, higher = more anomalous."""
    return -np.asarray(estimator.score_samples(X), dtype=float)


def skipped_note(ax, n_skipped):
    """Write above the right end of the panel how many clips had no score."""
    if n_skipped:
        clips = "1 clip" if n_skipped == 1 else f"{n_skipped} clips"
        ax.set_title(f"{clips} without a score, not shown", loc="right", fontsize="small", color=NEUTRAL)
