"""Pictures of anomaly scores in the order of recording."""

from typing import Any, Literal

import numpy as np
import pandas as pd

from .._typing import ArrayLike
from ._base import (
    check_length,
    check_scores,
    check_threshold,
    make_panels,
    resolve_scale,
    skipped_note,
    with_shared_docstring,
)
from .style import ANOMALOUS, NEUTRAL, NORMAL, plain_axes, set_scale

_LEAST_FOR_MEDIAN = 30


@with_shared_docstring
class TimelineDisplay:
    """Anomaly scores over time, or one after another, with the decision threshold.

    Make one with :meth:`from_predictions`.

    Parameters
    ----------
    {shared}

    Attributes
    ----------
    scale_ : {"linear", "log"}
        Scale of the scores' axis.
    {attributes}

    See Also
    --------
    ScoreDisplay : Histograms of the scores.

    Notes
    -----
    From 30 clips on a line shows the running median over a tenth of the clips (15 at least).

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skasd.plotting import TimelineDisplay
    >>> display = TimelineDisplay.from_predictions([0.2, 0.1, 0.7, 0.9], threshold=0.5)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['normal (2)', 'anomalous (2)', 'threshold 0.5']
    """

    def __init__(
        self,
        scores: ArrayLike,
        *,
        time: ArrayLike | None = None,
        threshold: float | None = None,
        name: str | None = None,
    ):
        self.scores = scores
        self.time = time
        self.threshold = threshold
        self.name = name

    @classmethod
    @with_shared_docstring
    def from_predictions(
        cls,
        anomaly_scores: ArrayLike,
        *,
        time: ArrayLike | None = None,
        threshold: float | None = None,
        name: str | None = None,
        ax: Any = None,
        **kwargs,
    ) -> Any:
        """Draw given anomaly scores.

        Parameters
        ----------
        {shared}

        Returns
        -------
        display : TimelineDisplay
        """
        scores = check_scores(anomaly_scores)
        if time is not None:
            time = pd.Series(check_length(time, len(scores), "time")).infer_objects().to_numpy()
            if time.dtype.kind not in "iufM":
                raise ValueError(f"time must be numbers or times (datetime64), got {time[0]!r}.")
        threshold = check_threshold(threshold)
        return cls(scores, time=time, threshold=threshold, name=name).plot(ax=ax, **kwargs)

    @with_shared_docstring
    def plot(
        self,
        ax: Any = None,
        *,
        scale: Literal["auto", "linear", "log"] = "auto",
        name: str | None = None,
        **kwargs,
    ) -> Any:
        """Draw the scores.

        Parameters
        ----------
        name : str, default=None
            Written above the picture instead of the display's own name.
        **kwargs : dict
            Handed to :meth:`matplotlib.axes.Axes.scatter`.
        {shared}

        Returns
        -------
        display : TimelineDisplay
            The display itself, with ``ax_`` and ``figure_``.
        """
        (self.ax_,) = make_panels("TimelineDisplay", ax, 1, 1, (6.4, 3.4))
        self.figure_ = self.ax_.figure
        n = len(self.scores)
        time = np.arange(1, n + 1) if self.time is None else self.time
        drawn = ~np.isnan(self.scores) & ~pd.isna(time)
        above = drawn & (self.scores > (np.inf if self.threshold is None else self.threshold))
        size = 26 if drawn.sum() < 200 else 12
        label = "clips" if self.threshold is None else "normal"
        for rows, text, style in (
            (drawn & ~above, label, {"marker": "o", "facecolor": NORMAL, "edgecolor": NEUTRAL}),
            (above, "anomalous", {"marker": "X", "facecolor": ANOMALOUS, "edgecolor": "none"}),
        ):
            if rows.any():
                drawn_as: dict = {
                    **style,
                    "s": size,
                    "linewidth": 0.4,
                    "label": f"{text} ({rows.sum()})",
                    "zorder": 2,
                }
                self.ax_.scatter(time[rows], self.scores[rows], **{**drawn_as, **kwargs})
        if drawn.sum() >= _LEAST_FOR_MEDIAN:
            order = np.flatnonzero(drawn)[np.argsort(time[drawn], kind="stable")]
            span = max(15, drawn.sum() // 10)
            middle = pd.Series(self.scores[order]).rolling(span, center=True, min_periods=span // 2).median()
            self.ax_.plot(time[order], middle, color="black", linewidth=1.4, label="running median")
        if self.threshold is not None:
            label = f"threshold {self.threshold:.4g}"
            self.ax_.axhline(self.threshold, color="black", linestyle="--", linewidth=1.2, label=label)
        skipped_note(self.ax_, int(np.isnan(self.scores).sum()))
        if time.dtype.kind == "M":
            from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

            locator = AutoDateLocator(minticks=3, maxticks=6)
            self.ax_.xaxis.set_major_locator(locator)
            self.ax_.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        elif self.time is None:
            self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.scale_ = resolve_scale(scale, self.scores, self.threshold)
        set_scale(self.ax_.yaxis, self.scale_)
        label = "anomaly score" + " (logarithmic)" * (self.scale_ == "log")
        self.ax_.set(xlabel="clip" if self.time is None else "time", ylabel=label)
        name = self.name if name is None else name
        if name:
            self.ax_.set_title(name, loc="left", fontsize="medium")
        self.ax_.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.02))
        plain_axes(self.ax_)
        return self
