"""Style of the pictures: colours, axes, the order of groups; and the late import of matplotlib."""

from collections.abc import Hashable, Iterable
from typing import Any, Literal

import numpy as np

from ..labels import sort_labels

# Okabe and Ito's palette: told apart with any colour vision. The order also alternates dark and light,
# so that neighbours differ in grey.
PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D00", "#999999"]
NORMAL, ANOMALOUS, NEUTRAL = "#56B4E9", "#B23C00", "#555555"


def import_pyplot(display: str) -> Any:
    """Return ``matplotlib.pyplot``; the ImportError says how to get it, and what wants to draw."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"{display} draws with matplotlib, which is not installed: pip install skasd[plot]"
        ) from error
    return pyplot


def plain_axes(ax: Any) -> None:
    """Remove the upper and the right line of axes, which carry nothing."""
    ax.spines[["top", "right"]].set_visible(False)


def ordered(values: Iterable[Hashable]) -> list:
    """Return the different groups of clips in the order in which they are drawn.

    "source", "target", then the others sorted, whatever their case.

    Examples
    --------
    >>> from skasd.plotting.style import ordered
    >>> ordered(["target", "b", "A", "source", "b"])
    ['source', 'target', 'A', 'b']
    """
    rank = {"source": 0, "target": 1}
    return sorted(sort_labels(values), key=lambda value: (rank.get(value, 2), str(value).casefold()))


def is_skewed(scores: np.ndarray, healthy: np.ndarray | None = None) -> bool:
    """Tell whether scores need a logarithmic axis: on a linear one a few large ones would flatten the healthy ones.

    That is so where all are positive and the largest is more than five times the median of the healthy ones (of all
    where these are not known): half of the healthy ones would then share a fifth of the axis at most.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.plotting.style import is_skewed
    >>> is_skewed(np.array([8.0, 9.0, 10.0, 115.0])), is_skewed(np.array([-1.0, 0.0, 1.0, 115.0]))
    (True, False)
    """
    scores = scores[np.isfinite(scores)]
    healthy = scores if healthy is None else healthy[np.isfinite(healthy)]
    if not len(scores) or not len(healthy):
        return False
    return bool(scores.min() > 0 and scores.max() > 5 * np.median(healthy))


def set_scale(axis: Any, scale: Literal["linear", "log"]) -> None:
    """Set the scale of an axis, ``ax.xaxis`` or ``ax.yaxis``; a logarithmic one has plain numbers, at 1, 2, 5."""
    getattr(axis.axes, f"set_{axis.axis_name}scale")(scale)
    if scale == "log":
        from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

        low, high = sorted(axis.get_view_interval())
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
