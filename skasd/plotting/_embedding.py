"""Maps of clip embeddings."""

from numbers import Integral
from typing import Any, Literal

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from .._typing import ArrayLike
from ..labels import as_labels, label_names
from ._base import check_y, make_panels, with_shared_docstring
from .style import ANOMALOUS, PALETTE, import_pyplot, ordered


@with_shared_docstring
class EmbeddingDisplay:
    """A map of clip embeddings in two dimensions, by t-SNE or PCA.

    The colour of a point is its section (or machine), a cross is an anomalous clip. Make one with
    :meth:`from_estimator` or :meth:`from_embeddings`.

    Parameters
    ----------
    points : ndarray of shape (n_clips, 2)
        Position of each clip on the map; NaN for a skipped clip.
    axis_names : tuple of (str, str), default=("", "")
        Labels of the axes; the axes of a t-SNE map have no meaning and no label.
    {shared}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    sklearn.manifold.TSNE : The embedding of the map.
    sklearn.decomposition.PCA : The quick alternative; distances on its map are true projections.

    Notes
    -----
    Distances between far groups on a t-SNE map [1]_ mean nothing; which clips are neighbours does.

    References
    ----------
    .. [1] L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", Journal of Machine Learning
       Research 9, 2008.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from skasd.plotting import EmbeddingDisplay
    >>> embeddings = np.random.default_rng(0).normal(size=(20, 8))
    >>> display = EmbeddingDisplay.from_embeddings(
    ...     embeddings, section=["fan"] * 10 + ["valve"] * 10, method="pca"
    ... )
    >>> display.points.shape
    (20, 2)
    """

    def __init__(
        self,
        points: ArrayLike,
        *,
        y: ArrayLike | None = None,
        section: ArrayLike | None = None,
        axis_names: tuple[str, str] = ("", ""),
        name: str | None = None,
    ):
        self.points = points
        self.y = y
        self.section = section
        self.axis_names = axis_names
        self.name = name

    @classmethod
    @with_shared_docstring
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        section: ArrayLike | None = None,
        method: Literal["tsne", "pca"] = "tsne",
        perplexity: float = 30.0,
        random_state: int | np.random.RandomState | None = 0,
        name: str | None = None,
        ax: Any = None,
        **kwargs,
    ) -> Any:
        """Embed clips with a fitted embedder and draw the map.

        Parameters
        ----------
        estimator : estimator with ``transform``, or Pipeline
            A fitted embedder; of a pipeline that ends in a scorer, the steps before it.
        name : str, default=None
            Default: the name of the class that made the embeddings.
        {shared}

        Returns
        -------
        display : EmbeddingDisplay
        """
        if hasattr(estimator, "steps") and not hasattr(estimator, "transform"):
            estimator = estimator[:-1]
        if not hasattr(estimator, "transform"):
            raise TypeError(
                f"{type(estimator).__name__} has no transform: pass a fitted embedder or pipeline, "
                "or use EmbeddingDisplay.from_embeddings."
            )
        maker = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        return cls.from_embeddings(
            estimator.transform(X),
            y,
            section=section,
            method=method,
            perplexity=perplexity,
            random_state=random_state,
            name=type(maker).__name__ if name is None else name,
            ax=ax,
            **kwargs,
        )

    @classmethod
    @with_shared_docstring
    def from_embeddings(
        cls,
        embeddings: ArrayLike,
        y: ArrayLike | None = None,
        *,
        section: ArrayLike | None = None,
        method: Literal["tsne", "pca"] = "tsne",
        perplexity: float = 30.0,
        random_state: int | np.random.RandomState | None = 0,
        name: str | None = None,
        ax: Any = None,
        **kwargs,
    ) -> Any:
        """Draw the map of given embeddings.

        Parameters
        ----------
        embeddings : array-like of shape (n_clips, n_features)
            One row per clip; a row that is NaN everywhere (a skipped clip) is not drawn.
        {shared}

        Returns
        -------
        display : EmbeddingDisplay
        """
        embeddings = np.asarray(embeddings)
        if embeddings.ndim != 2:
            raise ValueError(f"embeddings must be 2-D (n_clips, n_features), got shape {embeddings.shape}.")
        n_clips = len(embeddings)
        y = None if y is None else check_y(y, n_clips)
        section = None if section is None else as_labels("section", section, n_clips)
        present = ~np.isnan(embeddings).all(axis=1)
        points = np.full((n_clips, 2), np.nan)
        points[present], axis_names = _project(embeddings[present], method, perplexity, random_state)
        display = cls(points, y=y, section=section, axis_names=axis_names, name=name)
        return display.plot(ax=ax, **kwargs)

    @with_shared_docstring
    def plot(self, ax: Any = None, *, name: str | None = None, **kwargs) -> Any:
        """Draw the map.

        Parameters
        ----------
        name : str, default=None
            Written above the picture instead of the display's own name.
        **kwargs : dict
            Handed to :meth:`matplotlib.axes.Axes.scatter`.
        {shared}

        Returns
        -------
        display : EmbeddingDisplay
            The display itself, with ``ax_`` and ``figure_``.
        """
        (self.ax_,) = make_panels("EmbeddingDisplay", ax, 1, 1, (6.4, 4.8))
        self.figure_ = self.ax_.figure
        n_clips = len(self.points)
        section = [None] * n_clips if self.section is None else list(self.section)
        y = np.ones(n_clips, dtype=int) if self.y is None else self.y
        present = ~np.isnan(self.points).any(axis=1)
        groups = ordered(label for label, is_there in zip(section, present, strict=True) if is_there)
        # normal clips below, anomalous ones above: the many must not hide the few
        for label in (1, -1):
            for group, color in zip(groups, _colors(len(groups)), strict=True):
                rows = present & (y == label) & [own == group for own in section]
                if rows.any():
                    style = _marker(label, color if len(groups) > 1 else None)
                    self.ax_.scatter(*self.points[rows].T, **{**style, "zorder": 2 - label, **kwargs})
        self._plot_legend(groups)
        self.ax_.set(xlabel=self.axis_names[0], ylabel=self.axis_names[1], xticks=[], yticks=[])
        self.ax_.spines[:].set_color("#BBBBBB")
        name = self.name if name is None else name
        if name:
            self.ax_.set_title(name, loc="left", fontsize="medium")
        return self

    def _plot_legend(self, groups):
        lines = import_pyplot("EmbeddingDisplay").Line2D
        handles = []

        def entry(label, style):
            marker = {
                "marker": style["marker"],
                "markerfacecolor": style["color"],
                "markeredgecolor": style["edgecolor"],
                "markersize": 6,
            }
            handles.append(lines([], [], linestyle="", label=label, **marker))

        if len(groups) > 1:
            names = label_names(groups)
            for group, color in zip(groups, _colors(len(groups)), strict=True):
                entry(names[group], _marker(1, color))
        if self.y is not None:
            color = "white" if len(groups) > 1 else None
            entry("normal", {**_marker(1, color), "edgecolor": "black"} if color else _marker(1, None))
            entry("anomalous", _marker(-1, color))
        if handles:
            self.ax_.legend(
                handles=handles,
                ncols=1 + len(handles) // 20,
                frameon=False,
                fontsize="small",
                loc="upper left",
                bbox_to_anchor=(1.0, 1.02),
            )


def _marker(label, color):
    """Return the look of normal (+1) and anomalous (-1) clips; by colour as well where it is free."""
    if label == 1:
        return {"marker": "o", "s": 22, "color": color or PALETTE[0], "edgecolor": "white", "linewidth": 0.4}
    return {"marker": "X", "s": 44, "color": color or ANOMALOUS, "edgecolor": "black", "linewidth": 0.7}


def _colors(n):
    if n <= len(PALETTE):
        return PALETTE[:n]
    from matplotlib import colormaps

    return [tuple(color) for color in colormaps["turbo"](np.linspace(0.03, 0.97, n))]


def _project(embeddings, method, perplexity, random_state):
    """Return the points of shape (n, 2) and the names of the axes."""
    n_clips, n_features = embeddings.shape
    if method not in ("tsne", "pca"):
        raise ValueError(f"method must be 'tsne' or 'pca', got {method!r}.")
    if n_clips < 3:
        raise ValueError(f"A map needs at least 3 clips, got {n_clips}.")
    if not perplexity > 0:
        raise ValueError(f"perplexity must be positive, got {perplexity!r}.")
    if method == "tsne":
        tsne = TSNE(
            perplexity=min(perplexity, (n_clips - 1) / 3),
            init="pca" if n_features > 1 else "random",
            random_state=random_state,
        )
        return tsne.fit_transform(embeddings), ("", "")
    # rows of one feature only still get a map: the second axis is flat
    wide = embeddings if n_features > 1 else np.hstack([embeddings, np.zeros_like(embeddings)])
    pca = PCA(n_components=2, random_state=random_state if isinstance(random_state, Integral) else None)
    points = pca.fit_transform(wide)
    shares = 100 * np.nan_to_num(pca.explained_variance_ratio_)
    return points, tuple(f"component {i + 1} ({share:.0f} % of variance)" for i, share in enumerate(shares))
