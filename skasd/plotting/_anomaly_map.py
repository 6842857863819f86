"""Pictures of where in a clip the anomaly lies."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._typing import ArrayLike
from ..compose import fitted_steps
from ..features import LogMelTransformer, STFTTransformer, time_frequency_axes
from ._base import check_length, make_panels, with_shared_docstring
from ._spectrogram import frequency_ticks
from .style import ANOMALOUS, NEUTRAL, plain_axes


@with_shared_docstring
class AnomalyMapDisplay:
    """Map of anomaly over time and frequency, if the detector provides one.

    For an autoencoder it is a map of the reconstruction error. For a distance of clip statistics it is a profile over
    frequency, the share of each band in the distance, because such detectors do not resolve time. Make one with
    :meth:`from_estimator`.

    Parameters
    ----------
    maps : list of ndarray of shape (n_bins, n_frames) or (n_bins, 1)
        One map per clip, a single column for a profile; NaN for a skipped clip.
    frequencies : ndarray of shape (n_bins,), default=None
        Centre frequency of each row in Hz, rising; None: rows are numbered.
    unit : str, default=""
        What the numbers are.
    {shared}

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_clips,)
        All panels.
    {attributes}

    See Also
    --------
    anomaly_map : The numbers alone.
    SpectrogramDisplay : The sound itself.

    Notes
    -----
    The share of a band described by several features (its mean and standard deviation over time, for instance) is their
    sum. See ``feature_contributions`` of :class:`skasd.scorers.MahalanobisScorer` and :class:`skasd.scorers.KNNScorer`
    for the formulae, ``reconstruction_error`` of :class:`skasd.embedders.AutoencoderEmbedder` for the autoencoder's.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import ClipStatistics, KNNScorer, LogMelTransformer
    >>> from skasd.plotting import AnomalyMapDisplay
    >>> rng = np.random.default_rng(0)
    >>> detector = make_pipeline(LogMelTransformer(n_mels=32), ClipStatistics(), KNNScorer())
    >>> detector = detector.fit(rng.normal(size=(8, 16000)))
    >>> tone = rng.normal(size=16000) + np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    >>> display = AnomalyMapDisplay.from_estimator(detector, [tone])
    >>> float(display.frequencies[np.argmax(display.maps[0])].round(-2))
    1000.0
    """

    def __init__(
        self,
        maps: Any,
        *,
        frequencies: ArrayLike | None = None,
        hop: float = 1.0,
        start: float = 0.0,
        names: Sequence[str] | None = None,
        unit: str = "",
    ):
        self.maps = maps
        self.frequencies = frequencies
        self.hop = hop
        self.start = start
        self.names = names
        self.unit = unit

    @classmethod
    @with_shared_docstring
    def from_estimator(cls, detector: Any, X: Any, *, names: Any = None, ax: Any = None, **kwargs) -> Any:
        """Compute where clips are anomalous with a fitted detector, and draw it.

        Parameters
        ----------
        detector : Pipeline
            A fitted detector, see :func:`anomaly_map`.
        {shared}

        Returns
        -------
        display : AnomalyMapDisplay
        """
        maps = anomaly_map(detector, X)
        if names is not None:
            names = list(check_length(names, len(maps), "names"))
        first = fitted_steps(detector)[0]
        axes: dict[str, Any] = {}
        if isinstance(first, (LogMelTransformer, STFTTransformer)):
            axes = dict(zip(("frequencies", "hop", "start"), time_frequency_axes(first), strict=True))
        profile = all(part.shape[1] == 1 for part in maps)
        unit = "share of the distance" if profile else "squared error"
        display = cls(maps, **axes, names=names, unit=unit)
        return display.plot(ax=ax, **kwargs)

    @with_shared_docstring
    def plot(self, ax: Any = None, *, vmax: float | None = None, colorbar: bool = True, **kwargs) -> Any:
        """Draw the maps.

        Parameters
        ----------
        vmax : float, default=None
            Upper end of the common scale. Default: for maps the 99.5th percentile of all panels, so that a
            single bin does not darken the rest; for profiles the largest share.
        colorbar : bool, default=True
            Whether to draw the colour bar of maps.
        **kwargs : dict
            Handed to :meth:`matplotlib.axes.Axes.imshow` for maps, to
            :meth:`matplotlib.axes.Axes.fill_betweenx` for profiles.
        {shared}

        Returns
        -------
        display : AnomalyMapDisplay
            The display itself, with ``ax_``, ``axes_`` and ``figure_``.
        """
        n_clips = len(self.maps)
        self.profile_ = all(part.shape[1] == 1 for part in self.maps)
        width = 2.6 if self.profile_ else 5.6 if n_clips == 1 else max(3.0, 4.2 - 0.2 * n_clips)
        self.axes_ = make_panels("AnomalyMapDisplay", ax, 1, n_clips, (width, 3.4))
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        values = np.concatenate([part[~np.isnan(part)] for part in self.maps])
        if vmax is None and values.size:
            vmax = float(values.max() if self.profile_ else np.percentile(values, 99.5))
        for i, (panel, part) in enumerate(zip(self.axes_, self.maps, strict=True)):
            if np.isnan(part).all():
                panel.text(0.5, 0.5, "clip skipped", transform=panel.transAxes, ha="center", va="center")
            elif self.profile_:
                self._plot_profile(panel, part[:, 0], vmax, kwargs)
            else:
                self._plot_map(panel, part, vmax, kwargs)
            panel.set_ylim(-0.5, len(self.maps[0]) - 0.5)
            if self.names is not None:
                panel.set_title(str(self.names[i]), loc="left", fontsize="medium")
            if self.frequencies is not None:
                ticks, rows = frequency_ticks(self.frequencies)
                panel.set_yticks(rows, [f"{tick:g}" for tick in ticks])
        self.ax_.set_ylabel("frequency (Hz)" if self.frequencies is not None else "bin")
        if colorbar and not self.profile_ and self.ax_.images:
            bar = self.figure_.colorbar(self.ax_.images[0], ax=list(self.axes_), label=self.unit, pad=0.02)
            bar.outline.set_visible(False)
        return self

    def _plot_map(self, ax, part, vmax, kwargs):
        left = self.start - self.hop / 2
        style = {
            "origin": "lower",
            "aspect": "auto",
            "interpolation": "nearest",
            "cmap": "inferno",
            "extent": (left, left + part.shape[1] * self.hop, -0.5, len(part) - 0.5),
        }
        ax.imshow(part, **{**style, "vmin": 0, "vmax": vmax, **kwargs})
        ax.set_xlim(max(left, 0), left + part.shape[1] * self.hop)
        ax.set_xlabel("time (s)" if self.frequencies is not None else "frame")

    def _plot_profile(self, ax, shares, vmax, kwargs):
        rows = np.arange(len(shares))
        style = {"color": ANOMALOUS, "linewidth": 0, "step": "mid"}
        ax.fill_betweenx(rows, 0, shares, **{**style, **kwargs})
        ax.axvline(0, color=NEUTRAL, linewidth=0.6)
        low = min(0.0, *(float(np.nanmin(part)) for part in self.maps if not np.isnan(part).all()))
        ax.set_xlim(1.05 * low, 1.05 * vmax if vmax > 0 else 1)
        ax.set_xlabel(self.unit)
        plain_axes(ax)


def anomaly_map(detector: Any, X: Any) -> list[np.ndarray]:
    """Return where in time and frequency each clip is anomalous, for detectors that support it.

    Parameters
    ----------
    detector : Pipeline
        A fitted detector, of either kind:

        - one with an :class:`~skasd.embedders.AutoencoderEmbedder` as a step;
        - one that ends in :class:`~skasd.features.ClipStatistics` and a scorer with ``feature_contributions``
          (:class:`~skasd.scorers.MahalanobisScorer`, :class:`~skasd.scorers.KNNScorer`,
          :class:`~skasd.scorers.KNNCosineScorer`).

        It may be inside a search or a wrapper of a single estimator (:class:`~skasd.compose.NormalOnly`).
    X : array-like or list of length n_clips
        Clips as the detector takes them.

    Returns
    -------
    maps : list of ndarray
        For an autoencoder the mean squared error of each bin and frame, (n_bins, n_frames). For statistics the
        share of each bin in the distance, (n_bins, 1): its sum over bins is the distance from which the scorer computes
        its score. NaN for skipped clips.

    Raises
    ------
    TypeError
        For a detector that does not support it.

    See Also
    --------
    AnomalyMapDisplay : Draws it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import ClipStatistics, KNNScorer
    >>> from skasd.plotting import anomaly_map
    >>> spectrograms = np.zeros((3, 4, 5))
    >>> detector = make_pipeline(ClipStatistics(("mean",)), KNNScorer()).fit(spectrograms)
    >>> new = np.zeros((1, 4, 5))
    >>> new[0, 2] = 7.0
    >>> anomaly_map(detector, new)[0][:, 0]
    array([0., 0., 7., 0.])
    """
    check_is_fitted(detector)
    steps = fitted_steps(detector)
    for place, step in enumerate(steps):
        if hasattr(step, "reconstruction_error"):
            return step.reconstruction_error(_transformed(steps[:place], X))
    scorer = steps[-1]
    if len(steps) >= 2 and hasattr(scorer, "feature_contributions") and hasattr(steps[-2], "statistics"):
        shares = scorer.feature_contributions(_transformed(steps[:-1], X))
        # column s * n_bins + b is statistic s of bin b
        per_statistic = shares.reshape(len(shares), len(steps[-2].statistics), -1)
        return list(per_statistic.sum(axis=1)[:, :, None])
    names = " -> ".join(type(step).__name__ for step in steps)
    raise TypeError(
        f"{names} cannot say where in a clip the anomaly lies. Detectors that can: a pipeline with an "
        "AutoencoderEmbedder, or one that ends in ClipStatistics and one of MahalanobisScorer, KNNScorer and "
        "KNNCosineScorer."
    )


def _transformed(steps, X):
    for step in steps:
        X = step.transform(X)
    return X
