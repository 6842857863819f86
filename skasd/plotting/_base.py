"""Common parts of the displays: panels, checks of their input."""

from numbers import Real

import numpy as np

from .style import NEUTRAL, import_pyplot


def make_panels(display, ax, n_rows, n_columns, panel_size):
    """Return an array of ``n_rows * n_columns`` axes.

    Without ``ax`` they stand in a figure of their own. A single ``ax`` is used as it is for one panel and
    divided into a grid for several; an array of axes must have one for each panel.
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
    array = np.empty(n_clips, dtype=object)
    for place, value in enumerate(values):
        array[place] = value
    return array


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
    strange = [value for value in y if value not in (1, -1)]
    if strange:
        raise ValueError(
            f"y must be +1 (normal) or -1 (anomalous), got {strange[0]!r}. "
            "For 0 = normal, 1 = anomalous pass np.where(y == 1, -1, 1)."
        )
    return y.astype(int)


def check_threshold(threshold):
    """Return a threshold on anomaly scores, or None."""
    if threshold is not None and not (isinstance(threshold, Real) and np.isfinite(threshold)):
        raise ValueError(f"threshold must be a finite number or None, got {threshold!r}.")
    return threshold


def anomaly_score(estimator, X):
    """Return the anomaly score of every clip, higher = more anomalous."""
    return -np.asarray(estimator.score_samples(X), dtype=float)


def skipped_note(ax, n_skipped):
    """Say above the right end of the panel how many clips had no score."""
    if n_skipped:
        clips = "1 clip" if n_skipped == 1 else f"{n_skipped} clips"
        ax.set_title(f"{clips} without a score, not shown", loc="right", fontsize="small", color=NEUTRAL)
