"""Style of the pictures: colours, axes, the order of groups; and the late import of matplotlib."""

from collections.abc import Hashable, Iterable
from typing import Any

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
