"""The explanation of a score."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..features import LogMelTransformer, time_frequency_axes
from ..plotting import AnomalyMapDisplay, SpectrogramDisplay
from ..plotting.style import import_pyplot
from ._tiles import frame_length

_N_MELS = 96  # three for each band of the map
_LEAST_BOX = 0.06  # of the height and the width of a picture


@dataclass
class Explanation:
    """Places in time and frequency that contribute to a clip's anomaly score, as found by `explain`.

    Attributes
    ----------
    score : float
        Anomaly score of the clip.
    healthy_score : float
        Anomaly score of the nearest healthy clip.
    reference_score : float
        Anomaly score of `reference`.
    map : ndarray of shape (n_bands, n_times)
        Share of each tile in what the clip scores above the reference: the sum is 1, or all are 0 if it scores no
        higher.
    frequencies : ndarray of shape (n_bands + 1,)
        Edges of the map's rows in Hz.
    times : ndarray of shape (n_times + 1,)
        Edges of the map's columns in s.
    bands_ : DataFrame
        The shares of bands: ``low``, ``high`` (Hz), ``share`` (as in the map), ``own``: the share in the score itself
        by the detector's own formula, if that is a sum over features with a frequency or over reconstruction errors,
        otherwise NaN. It is negative if a band deviates as the detector expects from the other bands.
    segments_ : DataFrame
        The strongest contiguous regions, the strongest first: ``start``, ``end`` (s), ``low``, ``high`` (Hz), ``db``
        (level against the reference), ``share`` (of the region, in what the clip scores above it).
    nearest_ : str or int
        The nearest healthy clip: its path, or its position among arrays.
    sentence : str
        The strongest segment in words, or the periodic rise and fall of the level that raises the score more.
    clip, healthy : ndarray of shape (n_samples,)
        Both waveforms, the nearest healthy one as aligned with the clip.
    reference : ndarray of shape (n_samples,)
        The sound whose tiles replaced those of the clip: the clip with levels outside the range of the nearest healthy
        clips brought back into it, or, if that lowers its score only a little, the nearest healthy clip.
    sample_rate : int
        Their sample rate in Hz.
    n_scored : int
        Number of waveforms that the detector scored.
    """

    score: float
    healthy_score: float
    map: np.ndarray
    frequencies: np.ndarray
    times: np.ndarray
    bands_: pd.DataFrame
    segments_: pd.DataFrame
    nearest_: Any
    sentence: str
    clip: np.ndarray
    healthy: np.ndarray
    reference: np.ndarray
    reference_score: float
    sample_rate: int
    n_scored: int

    def plot(self, ax: Any = None) -> Any:
        """Draw the clip with its segments, the healthy clip, and the map.

        Parameters
        ----------
        ax : array of 3 matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        ndarray of matplotlib Axes of shape (3,)
        """
        pyplot = import_pyplot("Explanation")
        if ax is None:
            _, ax = pyplot.subplots(1, 3, figsize=(13, 3.6), layout="constrained", sharey=False)
        axes = np.asarray(ax, dtype=object).ravel()
        if axes.size != 3:
            raise ValueError(f"Explanation.plot draws 3 panels, got {axes.size} axes.")
        spectrograms, scale = self.spectrograms()
        names = ["this clip", f"healthy clip: {str(self.nearest_).rpartition('/')[2]}"]
        SpectrogramDisplay.from_array(spectrograms, **scale, names=names, ax=axes[:2])
        self.outline(axes[0], scale["frequencies"])
        frequencies, hop, start = self.map_axes()
        display = AnomalyMapDisplay([self.map], frequencies=frequencies, hop=hop, start=start, unit="share")
        display.plot(ax=axes[2], vmax=max(float(self.map.max()), 1e-3))
        axes[2].set_title("where its score comes from", loc="left", fontsize="medium")
        axes[2].set_xlim(axes[0].get_xlim())
        return axes

    def spectrograms(self) -> tuple[list[np.ndarray], dict]:
        """Return the log-mel spectrograms of the clip and of the healthy one.

        Returns
        -------
        spectrograms : list of two ndarrays of shape (96, n_frames)
            In dB.
        axes : dict
            ``frequencies``, ``hop`` and ``start`` as for :class:`skasd.plotting.SpectrogramDisplay`.
        """
        n_fft = frame_length(0.064, self.sample_rate, len(self.clip))
        transformer = LogMelTransformer(
            sample_rate=self.sample_rate,
            n_fft=n_fft,
            hop_length=n_fft // 2,
            n_mels=_N_MELS,
            htk=True,
            norm=None,
        )
        log_mel = transformer.waveform_function()
        spectrograms = [log_mel(part.astype(np.float32)) for part in (self.clip, self.healthy)]
        return spectrograms, dict(
            zip(("frequencies", "hop", "start"), time_frequency_axes(transformer), strict=True)
        )

    def map_axes(self) -> tuple[np.ndarray, float, float]:
        """Return the axes of the map as those of a spectrogram.

        Returns
        -------
        frequencies : ndarray of shape (n_bands,)
            Centre of each row in Hz.
        hop : float
            Seconds from one column to the next.
        start : float
            Time of the middle of the first column in seconds.
        """
        centres = (self.frequencies[:-1] + self.frequencies[1:]) / 2
        hop = (self.times[-1] - self.times[0]) / (len(self.times) - 1)
        return centres, float(hop), float(self.times[0] + hop / 2)

    def outline(self, ax: Any, frequencies: Any) -> None:
        """Draw the segments as boxes on a spectrogram of the clip.

        Parameters
        ----------
        ax : matplotlib Axes
            With a picture of the clip as :class:`skasd.plotting.SpectrogramDisplay` draws it.
        frequencies : ndarray of shape (n_bins,)
            Centre frequency of each row of the picture in Hz, rising.
        """
        rows = np.arange(len(frequencies))
        for segment in self.segments_.itertuples():
            low, high = np.interp([segment.low, segment.high], frequencies, rows)
            start, end = segment.start, segment.end
            # a narrow box is widened, so that it does not hide what it marks
            least = (_LEAST_BOX * len(rows), _LEAST_BOX * len(self.clip) / self.sample_rate)
            low, high = _widened(low - 0.5, high + 0.5, least[0], -0.5, len(rows) - 0.5)
            start, end = _widened(start, end, least[1], 0.0, len(self.clip) / self.sample_rate)
            # a light line on a dark one is visible on any background
            for colour, width in (("black", 2.6), ("white", 1.2)):
                ax.plot(
                    [start, end, end, start, start],
                    [low, low, high, high, low],
                    color=colour,
                    linewidth=width,
                    clip_on=False,
                )


def _widened(first, last, least, lowest, highest):
    """Return a range about the same middle that is as long as it must be, within limits."""
    missing = max(least - (last - first), 0) / 2
    return max(first - missing, lowest), min(last + missing, highest)
