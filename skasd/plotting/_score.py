"""Histograms of anomaly scores."""

from typing import Any, Literal

import numpy as np

from .._typing import ArrayLike
from ..compose import fitted_steps
from ._base import (
    anomaly_score,
    check_length,
    check_scores,
    check_threshold,
    check_y,
    make_panels,
    resolve_scale,
    skipped_note,
    with_shared_docstring,
)
from .style import ANOMALOUS, NEUTRAL, NORMAL, ordered, plain_axes, set_scale


@with_shared_docstring
class ScoreDisplay:
    r"""Histograms of anomaly scores, a panel per domain, with the decision threshold.

    Make one with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    {shared}

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_domains,)
        All panels.
    scale_ : {"linear", "log"}
        Scale of the scores' axis.
    {attributes}

    See Also
    --------
    ROCByDomainDisplay : How well the scores separate, whatever the threshold.

    Notes
    -----
    The false-alarm rate in the legend is the share of the panel's normal clips with a score above the
    threshold, the hit rate that of its anomalous clips. Histograms of one picture share their bins.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skasd.plotting import ScoreDisplay
    >>> display = ScoreDisplay.from_predictions(
    ...     [0.1, 0.2, 0.3, 0.7, 0.9], [1, 1, 1, -1, -1], threshold=0.5, name="kNN"
    ... )
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['normal (3)', 'anomalous (2)', 'threshold 0.5\nfalse alarms 0 %\nhits 100 %']
    """

    def __init__(
        self,
        scores: ArrayLike,
        *,
        y: ArrayLike | None = None,
        domain: ArrayLike | None = None,
        threshold: float | None = None,
        training: ArrayLike | None = None,
        name: str | None = None,
    ):
        self.scores = scores
        self.y = y
        self.domain = domain
        self.threshold = threshold
        self.training = training
        self.name = name

    @classmethod
    @with_shared_docstring
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        domain: ArrayLike | None = None,
        threshold: Literal["auto"] | float | None = "auto",
        name: str | None = None,
        ax: Any = None,
        **kwargs,
    ) -> Any:
        """Score clips with a fitted detector and draw the scores.

        Parameters
        ----------
        estimator : estimator with ``score_samples``
            A fitted detector: a scorer, a pipeline that ends in one, or one of scikit-learn's.
        threshold : {"auto"}, float or None, default="auto"
            ``"auto"`` reads it from the fitted estimator (``-offset_``); None draws no line.
        name : str, default=None
            Default: the name of the (last) estimator's class.
        {shared}

        Returns
        -------
        display : ScoreDisplay
        """
        last = fitted_steps(estimator)[-1]
        if threshold == "auto":
            offset = getattr(last, "offset_", None)
            threshold = -float(np.ravel(offset)[0]) if offset is not None and np.size(offset) == 1 else None
        name = type(last).__name__ if name is None else name
        scores = anomaly_score(estimator, X)
        return cls.from_predictions(scores, y, domain=domain, threshold=threshold, name=name, ax=ax, **kwargs)

    @classmethod
    @with_shared_docstring
    def from_predictions(
        cls,
        anomaly_scores: ArrayLike,
        y: ArrayLike | None = None,
        *,
        domain: ArrayLike | None = None,
        threshold: float | None = None,
        training: ArrayLike | None = None,
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
        display : ScoreDisplay
        """
        scores = check_scores(anomaly_scores)
        threshold = check_threshold(threshold)
        display = cls(
            scores,
            y=None if y is None else check_y(y, scores.size),
            domain=None if domain is None else check_length(domain, scores.size, "domain"),
            threshold=threshold,
            training=None if training is None else check_scores(training),
            name=name,
        )
        return display.plot(ax=ax, **kwargs)

    @with_shared_docstring
    def plot(
        self,
        ax: Any = None,
        *,
        bins: int | str | ArrayLike = 30,
        scale: Literal["auto", "linear", "log"] = "auto",
        name: str | None = None,
        **kwargs,
    ) -> Any:
        """Draw the histograms.

        Parameters
        ----------
        bins : int, str or array-like, default=30
            As for :func:`numpy.histogram_bin_edges`, over the scores of all panels together; on a logarithmic scale
            over their logarithms, unless the edges themselves are given.
        name : str, default=None
            Written above the picture instead of the display's own name.
        **kwargs : dict
            Handed to :meth:`matplotlib.axes.Axes.hist`.
        {shared}

        Returns
        -------
        display : ScoreDisplay
            The display itself, with ``ax_``, ``axes_`` and ``figure_``.
        """
        domains = [None] if self.domain is None else ordered(self.domain)
        self.axes_ = make_panels(
            "ScoreDisplay", ax, len(domains), 1, (6.4, 3.4 if len(domains) == 1 else 2.5)
        )
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        scored = ~np.isnan(self.scores)
        training = np.zeros(0) if self.training is None else self.training[~np.isnan(self.training)]
        every = np.concatenate([self.scores[scored], training])
        healthy = training if training.size else None
        if self.y is not None and (scored & (self.y == 1)).any():
            healthy = self.scores[scored & (self.y == 1)]
        self.scale_ = resolve_scale(scale, every, self.threshold, healthy)
        if self.scale_ == "log" and np.ndim(bins) == 0:
            edges = np.exp(_bin_edges(np.log(every), bins))
            edges[0], edges[-1] = (
                min(edges[0], every.min()),
                max(edges[-1], every.max()),
            )  # rounding leaves none out
        else:
            edges = _bin_edges(every, bins)
        for panel, domain in zip(self.axes_, domains, strict=True):
            here = np.full(scored.shape, True) if domain is None else self.domain == domain
            self._plot_panel(panel, here & scored, edges, kwargs)
            skipped_note(panel, int((here & ~scored).sum()))
            if domain is not None:
                panel.set_title(str(domain), loc="left", fontsize="medium")
        for panel in self.axes_:
            set_scale(panel.xaxis, self.scale_)
        self.axes_[-1].set_xlabel("anomaly score" + " (logarithmic)" * (self.scale_ == "log"))
        name = self.name if name is None else name
        if name and domains == [None]:
            self.ax_.set_title(name, loc="left", fontsize="medium")
        elif name and ax is None:
            self.figure_.suptitle(name, fontsize="medium", fontweight="bold")
        return self

    def _plot_panel(self, ax, here, edges, kwargs):
        groups = [("clips", self.scores[here], _NORMAL_STYLE)]
        if self.y is not None:
            groups = [
                ("normal", self.scores[here & (self.y == 1)], _NORMAL_STYLE),
                ("anomalous", self.scores[here & (self.y == -1)], _ANOMALOUS_STYLE),
            ]
        if self.training is not None:
            groups.append(("training", self.training[~np.isnan(self.training)], _TRAINING_STYLE))
        rates = []
        for label, scores, style in groups:
            if not scores.size:
                continue
            style = {"bins": edges, "label": f"{label} ({scores.size})", **style}
            if self.training is not None:
                style["weights"] = np.full(scores.size, 100 / scores.size)
            ax.hist(scores, **{**style, **kwargs})
            if self.threshold is not None and label in _RATES:
                rate = f"{100 * np.mean(scores > self.threshold):.3g} %"
                rates.append(_RATES[label].format(rate))
        if self.threshold is not None:
            label = "\n".join([f"threshold {self.threshold:.4g}", *rates])
            ax.axvline(self.threshold, color="black", linestyle="--", linewidth=1.2, label=label)
        if self.training is None:
            ax.set_ylabel("clips")
            ax.yaxis.get_major_locator().set_params(integer=True)
        else:
            ax.set_ylabel("share of clips (%)")
        if ax.get_legend_handles_labels()[0]:
            ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.02))
        plain_axes(ax)


def _bin_edges(scores, bins):
    """Return the edges of a histogram's bins; scores that are equal but for rounding get room on both sides."""
    low, high = scores.min(), scores.max()
    size = max(abs(low), abs(high))
    if high - low > 1e-9 * size and size > 1e-300:
        return np.histogram_bin_edges(scores, bins)
    room = max(0.05 * size, 1e-3)
    return np.histogram_bin_edges(scores, bins, range=(low - room, high + room))


_RATES = {"clips": "{} of clips above", "normal": "false alarms {}", "anomalous": "hits {}"}
_NORMAL_STYLE = {"histtype": "stepfilled", "facecolor": NORMAL, "edgecolor": NEUTRAL, "linewidth": 0.6}
# hatched without a filling: both histograms stay visible where they overlap, in print too
_ANOMALOUS_STYLE = {
    "histtype": "stepfilled",
    "facecolor": "none",
    "edgecolor": ANOMALOUS,
    "hatch": "////",
    "linewidth": 1.2,
}
_TRAINING_STYLE = {"histtype": "step", "edgecolor": "black", "linewidth": 1.4}
