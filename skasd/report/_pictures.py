"""Displays as pictures embedded in the page, drawn without pyplot's figures and windows."""

import base64
import io

import numpy as np

from ..plotting import (
    AnomalyMapDisplay,
    EmbeddingDisplay,
    ROCByDomainDisplay,
    ScoreDisplay,
    SpectrogramDisplay,
    TimelineDisplay,
)
from ..plotting.style import (
    ANOMALOUS,
    NEUTRAL,
    NORMAL,
    import_pyplot,
    is_skewed,
    ordered,
    plain_axes,
    set_scale,
)

_DPI = 150


def data_uri(content, kind):
    """Return bytes as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def new_figure(width, height):
    """Return a figure with a canvas of its own, which pyplot does not manage."""
    import_pyplot("The report")  # its error says how to install matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def as_png(figure):
    """Return the data URI of a figure as PNG in 256 colours, a third of the size of full colour."""
    from PIL import Image  # which matplotlib brings

    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
    stream = io.BytesIO()
    picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        stream, format="png", optimize=True
    )
    return data_uri(stream.getvalue(), "image/png")


def score_picture(scores, y, domain, threshold, training=None):
    """Return the histograms of anomaly scores as (data URI, alternative text)."""
    domains = [None] if domain is None else ordered(domain)
    n = len(domains)
    figure = new_figure(4.8, 3.6 if n == 1 else 2.6 * n)
    axes = figure.subplots(n, 1, sharex=True, squeeze=False).ravel()
    scored = ~np.isnan(scores)
    n_drawn = scored.sum() + (0 if training is None else len(training))
    bins = int(np.clip(3 * np.sqrt(n_drawn), 10, 50))
    ScoreDisplay.from_predictions(
        scores, y, domain=domain, threshold=threshold, training=training, ax=axes, bins=bins
    )
    for ax in axes:
        _legend_above(ax)
    text = f"Histogram of the anomaly scores of {scored.sum()} clips"
    text += "" if training is None else f" beside those of {len(training)} training clips"
    text += f", one panel for each domain ({', '.join(map(str, domains))})" if n > 1 else ""
    if threshold is not None:
        text += f"; threshold {threshold:.4g}, {np.sum(scores[scored] > threshold)} clips above it"
    return as_png(figure), f"{text}."


def timeline_picture(scores, when, threshold, since=None):
    """Return the scores in the order of recording as (data URI, alternative text).

    ``when`` is a Series of times or None, ``since`` the positions of the first and last clip of a run of alarms or
    None.
    """
    figure = new_figure(4.8, 3.6)
    ax = figure.subplots()
    display = TimelineDisplay.from_predictions(scores, time=when, threshold=threshold, ax=ax)
    if since is not None:
        time = np.arange(1, len(scores) + 1) if when is None else when.dropna().to_numpy()
        begin, end = (time[min(place, len(time) - 1)] for place in since)  # clips without a time come last
        ax.axvspan(begin, end, color=ANOMALOUS, alpha=0.12, linewidth=0, zorder=0)
    _legend_above(display.ax_)
    text = f"Anomaly scores of {np.sum(~np.isnan(scores))} clips in the order of recording"
    text += "" if threshold is None else f", threshold {threshold:.4g}"
    return as_png(figure), f"{text}{'' if since is None else '; the run of alarms is shaded'}."


def stream_picture(times, scores, threshold, alarms, unscored):
    """Return the score of a stream over time, in bins, as (data URI, alternative text).

    ``scores`` has the highest score within each bin, NaN where nothing was scored; ``alarms`` says whether an alarm
    stood, ``unscored`` whether there was sound that could not be judged.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    figure = new_figure(4.8, 3.0)
    ax = figure.subplots()
    step = np.median(np.diff(times)) if len(times) > 1 else np.timedelta64(60, "s")
    gap = np.flatnonzero(np.diff(times) > 3 * step)  # nothing was heard: the line is interrupted
    drawn = np.insert(scores.astype(float), gap + 1, np.nan)
    ax.plot(np.insert(times, gap + 1, times[gap] + step), drawn, color=NEUTRAL, linewidth=1.0, zorder=1)
    above = scores > (np.inf if threshold is None else threshold)
    style = {"linestyle": "none", "markeredgewidth": 0.0}
    ax.plot(times[~above], scores[~above], marker="o", markersize=2.5, color=NORMAL, **style)
    ax.plot(times[above], scores[above], marker="X", markersize=5, color=ANOMALOUS, label="above", **style)
    if threshold is not None:
        ax.axhline(
            threshold, color=NEUTRAL, linestyle="--", linewidth=1.0, label=f"threshold {threshold:.4g}"
        )
    bounds = np.flatnonzero(np.diff(np.concatenate([[False], alarms, [False]]).astype(int)))
    for first, last in zip(bounds[::2], bounds[1::2], strict=True):
        ax.axvspan(times[first], times[last - 1] + step, color=ANOMALOUS, alpha=0.15, linewidth=0, zorder=0)
    if unscored.any():
        place = {"transform": ax.get_xaxis_transform(), "clip_on": False}
        ax.plot(times[unscored], np.zeros(unscored.sum()), "|", color="#0072B2", label="not judged", **place)
    if is_skewed(scores) and (threshold is None or threshold > 0):
        set_scale(ax.yaxis, "log")
    locator = AutoDateLocator()
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    ax.set_ylabel("anomaly score")
    plain_axes(ax)
    if ax.get_legend_handles_labels()[1]:
        ax.legend()
        _legend_above(ax)
    text = f"Anomaly score of {len(times)} stretches of time"
    text += "" if threshold is None else f", threshold {threshold:.4g}, {above.sum()} of them above it"
    return as_png(figure), f"{text}; times of alarm are shaded ({len(bounds) // 2})."


def _legend_above(ax):
    """Move the legend from beside the panel to above it, because small screens lack width."""
    title, note = ax.get_title(loc="left"), ax.get_title(loc="right")
    legend = ax.get_legend()
    if legend is None:
        return
    handles, labels = legend.legend_handles, [text.get_text() for text in legend.get_texts()]
    legend.remove()
    for place in ("left", "right"):
        ax.set_title("", loc=place)
    heading = " – ".join(part for part in (title, note) if part) or None
    ax.legend(
        handles,
        labels,
        title=heading,
        title_fontsize="medium",
        alignment="left",
        ncols=3,
        frameon=False,
        fontsize="small",
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.0,
        borderpad=0.2,
        columnspacing=1.2,
    )


def roc_picture(scores, y, domain):
    """Return the ROC curves as (data URI, alternative text)."""
    figure = new_figure(4.4, 4.4)
    display = ROCByDomainDisplay.from_predictions(scores, y, domain=domain, ax=figure.subplots())
    areas = ", ".join(f"{name} {area:.3f}" for name, area in display.roc_auc.items())
    text = f"ROC curves. Area under the curve: {areas}. Partial area up to a false-alarm rate of 0.1: "
    return as_png(figure), f"{text}{display.partial_auc:.3f}."


def embedding_picture(embeddings, y, section):
    """Return the map of embeddings as (data URI, alternative text)."""
    figure = new_figure(5.6, 4.4)
    display = EmbeddingDisplay.from_embeddings(embeddings, y, section=section, ax=figure.subplots())
    if display.ax_.get_legend() is not None:
        _legend_above(display.ax_)
    text = f"Map of the embeddings of {len(embeddings)} clips by t-SNE"
    return as_png(figure), f"{text}; close points are clips that sound alike to the detector."


def spectrogram_picture(spectrogram, axes, unit, limits, name, explanation=None):
    """Return the spectrogram of a clip as (data URI, alternative text), with the segments of an explanation as boxes.

    ``axes`` holds ``frequencies``, ``hop`` and ``start``; ``limits`` is the colour scale common to all clips.
    """
    figure = new_figure(4.8, 2.7)
    ax = figure.subplots()
    SpectrogramDisplay.from_array([spectrogram], **axes, unit=unit, ax=ax, vmin=limits[0], vmax=limits[1])
    text = f"Spectrogram of {name}."
    if explanation is not None and len(explanation.segments_):
        explanation.outline(ax, axes["frequencies"])
        text = f"{text[:-1]}; boxes: where its score comes from."
    return as_png(figure), text


def explanation_picture(explanation, name):
    """Return the map of an explanation as (data URI, alternative text)."""
    figure = new_figure(4.8, 2.7)
    ax = figure.subplots()
    frequencies, hop, start = explanation.map_axes()
    AnomalyMapDisplay(
        [100 * explanation.map], frequencies=frequencies, hop=hop, start=start, unit="% of the difference"
    ).plot(ax=ax, vmax=100 * max(float(explanation.map.max()), 0.01))
    ax.set_xlim(0, len(explanation.clip) / explanation.sample_rate)
    text = f"Shares of tiles of time and frequency in the score of {name}: {explanation.sentence}."
    return as_png(figure), text


def colour_limits(spectrograms, unit):
    """Return the lowest and the highest value of the colour scale of spectrograms, 80 dB apart at most."""
    top = float(max(np.nanmax(each) for each in spectrograms))
    bottom = float(min(np.nanmin(each) for each in spectrograms))
    return (max(bottom, top - 80) if unit == "dB" else bottom), top


def anomaly_picture(values, axes, vmax, what, name):
    """Return where the anomaly of a clip lies, by a map or a profile (n_bins, 1), as (data URI, alternative text).

    ``axes`` holds ``frequencies``, ``hop`` and ``start``; ``vmax`` is the upper end of the scale, ``what`` its unit.
    """
    figure = new_figure(4.8, 2.7)
    AnomalyMapDisplay([values], **axes, unit=what).plot(ax=figure.subplots(), vmax=vmax)
    kind = "Share of each frequency in its distance from the training clips"
    if values.shape[1] > 1:
        kind = "Reconstruction error over time and frequency"
    peak = values.max(axis=1).argmax()
    return as_png(figure), f"{kind}, {name}; largest near {axes['frequencies'][peak]:.0f} Hz."


def levels_picture(edges, levels, healthy, usual, bands):
    """Return the levels in dB of the frequency bands of two clips as (data URI, alternative text).

    ``healthy`` are those of the nearest healthy clip, ``usual`` those of healthy recordings, (n_recordings, n_bands);
    ``bands`` are those that differ, ``edges`` in Hz.
    """
    figure = new_figure(4.8, 2.7)
    ax = figure.subplots()
    low, high = np.percentile(usual, (5, 95), axis=0)
    style = {"baseline": None, "edges": edges}
    ax.stairs(high, baseline=low, edges=edges, fill=True, color=NORMAL, alpha=0.35, label="90 % of healthy")
    ax.stairs(healthy, **style, color="#0072B2", linewidth=1.2, label="nearest healthy")
    ax.stairs(levels, **style, color=ANOMALOUS, linewidth=1.6, label="this recording")
    for band in bands:
        ax.axvspan(band.low, band.high, color=NEUTRAL, alpha=0.15, linewidth=0, zorder=0)
    ax.set_xscale("log")
    ticks = [f for f in 62.5 * 2.0 ** np.arange(10) if edges[0] <= f <= edges[-1]]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set(xlabel="frequency (Hz)", ylabel="level (dB)", xlim=(edges[0], edges[-1]))
    plain_axes(ax)
    ax.legend()
    _legend_above(ax)
    return as_png(figure), (
        "Levels of the frequency bands of this recording and of the nearest healthy one; shaded: bands that differ."
    )
