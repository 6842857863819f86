"""Pictures of time-frequency arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from .._typing import ArrayLike
from ..features import spectrogram_unit, time_frequency_axes
from ._base import check_length, make_panels, with_shared_docstring


@with_shared_docstring
class SpectrogramDisplay:
    """Spectrograms side by side on one time axis, one frequency axis and one colour scale.

    Make one with :meth:`from_clips` or :meth:`from_array`.

    Parameters
    ----------
    spectrograms : list of ndarray of shape (n_bins, n_frames)
        One time-frequency array per clip, in dB or any other unit.
    {shared}

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_clips,)
        All panels.
    images_ : list of matplotlib AxesImage
        The pictures.
    colorbar_ : matplotlib Colorbar
        The colour bar common to all panels.
    {attributes}

    See Also
    --------
    skasd.features.LogMelTransformer : Makes log-mel spectrograms from clips.
    skasd.features.STFTTransformer : Makes spectrograms on a linear frequency axis.

    Notes
    -----
    Rows are drawn equally high, as the network sees them; the ticks say where the frequencies lie, so that a
    mel axis shows its warping.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from skasd.plotting import SpectrogramDisplay
    >>> noise = np.random.default_rng(0).normal(-60, 6, size=(1, 513, 40))
    >>> display = SpectrogramDisplay.from_array(
    ...     noise, frequencies=np.linspace(0, 8000, 513), hop=512 / 16000
    ... )
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('time (s)', 'frequency (Hz)')
    """

    def __init__(
        self,
        spectrograms: ArrayLike,
        *,
        frequencies: ArrayLike,
        hop: float,
        start: float = 0.0,
        names: Sequence[str] | None = None,
        unit: str = "dB",
    ):
        self.spectrograms = spectrograms
        self.frequencies = frequencies
        self.hop = hop
        self.start = start
        self.names = names
        self.unit = unit

    @classmethod
    @with_shared_docstring
    def from_clips(cls, clips: Any, transformer: Any, *, names: Any = None, ax: Any = None, **kwargs) -> Any:
        """Transform clips and draw their spectrograms.

        Parameters
        ----------
        clips : array-like or list of length n_clips
            Clips as the transformer takes them: waveforms or paths.
        transformer : LogMelTransformer or STFTTransformer
            A clone of it is fitted; the frequencies and the time of a frame follow from its parameters.
        {shared}

        Returns
        -------
        display : SpectrogramDisplay
        """
        spectrograms = clone(transformer).fit_transform(clips)
        frequencies, hop, start = time_frequency_axes(transformer)
        return cls.from_array(
            spectrograms,
            frequencies=frequencies,
            hop=hop,
            start=start,
            names=names,
            unit=spectrogram_unit(transformer),
            ax=ax,
            **kwargs,
        )

    @classmethod
    @with_shared_docstring
    def from_array(
        cls,
        spectrograms: Any,
        *,
        frequencies: ArrayLike,
        hop: float,
        start: float = 0.0,
        names: Any = None,
        unit: str = "dB",
        ax: Any = None,
        **kwargs,
    ) -> Any:
        """Draw given time-frequency arrays.

        Parameters
        ----------
        spectrograms : array-like of shape (n_clips, n_bins, n_frames) or list of (n_bins, n_frames_i) arrays
            One array per clip; one that is NaN everywhere (a skipped clip) leaves its panel empty.
        {shared}

        Returns
        -------
        display : SpectrogramDisplay
        """
        frequencies = np.asarray(frequencies, dtype=float)
        spectrograms = [np.asarray(s) for s in spectrograms]
        if not spectrograms:
            raise ValueError("No spectrogram given: nothing to draw.")
        for i, s in enumerate(spectrograms):
            if s.ndim != 2 or s.shape[0] != frequencies.size:
                raise ValueError(
                    f"Spectrogram {i} has shape {s.shape}; expected ({frequencies.size}, n_frames), one row "
                    "per frequency. For a single clip pass [spectrogram]."
                )
        if all(np.isnan(s).all() for s in spectrograms):
            raise ValueError("All spectrograms are NaN everywhere (skipped clips): nothing to draw.")
        if (np.diff(frequencies) <= 0).any():
            raise ValueError("frequencies must rise from row to row.")
        if not hop > 0:
            raise ValueError(f"hop must be positive (seconds), got {hop!r}.")
        if names is not None:
            names = list(check_length(names, len(spectrograms), "names"))
        display = cls(spectrograms, frequencies=frequencies, hop=hop, start=start, names=names, unit=unit)
        return display.plot(ax=ax, **kwargs)

    @with_shared_docstring
    def plot(
        self,
        ax: Any = None,
        *,
        vmin: float | None = None,
        vmax: float | None = None,
        dynamic_range: float = 80.0,
        colorbar: bool = True,
        **kwargs,
    ) -> Any:
        """Draw the spectrograms.

        Parameters
        ----------
        vmin, vmax : float, default=None
            Ends of the colour scale. Default: from ``vmax - dynamic_range``, or the smallest value if that is
            higher, to the largest value of all panels.
        dynamic_range : float, default=80.0
            Depth of the colour scale in the unit of the data. It matters only where the unit is dB.
        colorbar : bool, default=True
            Whether to draw the colour bar.
        **kwargs : dict
            Handed to :meth:`matplotlib.axes.Axes.imshow`, such as ``cmap``.
        {shared}

        Returns
        -------
        display : SpectrogramDisplay
            The display itself, with ``ax_``, ``axes_``, ``figure_``, ``images_`` and ``colorbar_``.
        """
        n_clips = len(self.spectrograms)
        width = 5.6 if n_clips == 1 else max(3.0, 4.2 - 0.2 * n_clips)
        self.axes_ = make_panels("SpectrogramDisplay", ax, 1, n_clips, (width, 3.4))
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        present = [s for s in self.spectrograms if not np.isnan(s).all()]
        vmax = max(np.nanmax(s) for s in present) if vmax is None else vmax
        if vmin is None:
            vmin = min(np.nanmin(s) for s in present)
            if self.unit == "dB":
                vmin = max(vmin, vmax - dynamic_range)
        n_bins = self.frequencies.size
        self.images_ = []
        for i, (panel, s) in enumerate(zip(self.axes_, self.spectrograms, strict=True)):
            if np.isnan(s).all():
                panel.text(0.5, 0.5, "clip skipped", transform=panel.transAxes, ha="center", va="center")
            left = self.start - self.hop / 2
            style = {
                "origin": "lower",
                "aspect": "auto",
                "interpolation": "nearest",
                "cmap": "magma",
                "extent": (left, left + s.shape[1] * self.hop, -0.5, n_bins - 0.5),
            }
            self.images_.append(panel.imshow(s, **{**style, "vmin": vmin, "vmax": vmax, **kwargs}))
            panel.set_xlabel("time (s)")
            if self.names is not None:
                panel.set_title(str(self.names[i]), loc="left", fontsize="medium")
        longest = max(s.shape[1] for s in present)
        ticks, rows = frequency_ticks(self.frequencies)
        for panel in self.axes_:
            panel.set_xlim(max(self.start - self.hop / 2, 0), self.start + (longest - 0.5) * self.hop)
            panel.set_yticks(rows, [f"{tick:g}" for tick in ticks])
        self.ax_.set_ylabel("frequency (Hz)")
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(
                self.images_[0], ax=list(self.axes_), label=self.unit, pad=0.02
            )
            self.colorbar_.outline.set_visible(False)
        return self


def frequency_ticks(frequencies):
    """Return round frequencies and their rows: equal steps on a linear axis, octaves on a warped one."""
    low, high = frequencies[0], frequencies[-1]
    rows = np.arange(frequencies.size)
    if frequencies.size < 3 or np.allclose(np.diff(frequencies, n=2), 0, atol=1e-6 * high):
        span = max(high - low, 1e-9)
        step = 10 ** np.floor(np.log10(span))
        step *= next((s for s in (0.1, 0.2, 0.5, 1, 2) if span / (s * step) <= 8), 5)
        ticks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
        return ticks, np.interp(ticks, frequencies, rows)
    octaves = 125.0 * 2.0 ** np.arange(0 if high > 1000 else -3, 12)
    # the last mel filter is centred below fmax: a round fmax still gets its tick, at the upper edge
    top = high * high / frequencies[-2] * (1 + 1e-6)
    places = np.interp(octaves, [*frequencies, top], [*rows, rows[-1] + 0.5])
    octaves, places = (
        octaves[(octaves >= low) & (octaves <= top)],
        places[(octaves >= low) & (octaves <= top)],
    )
    kept = []  # from the top: the mel scale is linear up to 1 kHz, its low octaves crowd the axis
    for i in range(octaves.size)[::-1]:
        if not kept or places[kept[-1]] - places[i] >= 0.05 * frequencies.size:
            kept.append(i)
    return octaves[kept[::-1]], places[kept[::-1]]
