"""Displays as pictures that stand in the page itself, drawn without pyplot's figures and windows."""

import base64
import io

import numpy as np

from ..plotting import (
    AnomalyMapDisplay,
    EmbeddingDisplay,
    ROCByDomainDisplay,
    ScoreDisplay,
    SpectrogramDisplay,
)
from ..plotting._base import import_pyplot, ordered

_DPI = 150


def data_uri(content, kind):
    """Return bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def new_figure(width, height):
    """Return a figure that draws itself and is known to nobody."""
    import_pyplot("The report")  # says how to get matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def as_png(figure):
    """Return the data URI of a figure."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return data_uri(stream.getvalue(), "image/png")


def score_picture(scores, y, domain, threshold):
    """Return the histograms of anomaly scores as (data URI, alternative text)."""
    domains = [None] if domain is None else ordered(domain)
    n = len(domains)
    figure = new_figure(4.8, 3.4 if n == 1 else 2.6 * n)
    axes = figure.subplots(n, 1, sharex=True, squeeze=False).ravel()
    bins = int(np.clip(2 * np.sqrt(np.sum(~np.isnan(scores))), 8, 30))
    ScoreDisplay.from_predictions(scores, y, domain=domain, threshold=threshold, ax=axes, bins=bins)
    for ax in axes:
        _legend_above(ax)
    scored = ~np.isnan(scores)
    text = f"Histogram of the anomaly scores of {scored.sum()} clips"
    text += f", one panel for each domain ({', '.join(map(str, domains))})" if n > 1 else ""
    if threshold is not None:
        text += f"; threshold {threshold:.4g}, {np.sum(scores[scored] > threshold)} clips above it"
    return as_png(figure), f"{text}."


def _legend_above(ax):
    """Move the legend from beside the panel to above it: the width is scarce on a small screen."""
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


def clip_picture(spectrogram, axes, unit, limits, anomaly, name):
    """Return the spectrogram of a clip, with where its anomaly lies, as (data URI, alternative text).

    Parameters
    ----------
    spectrogram : ndarray of shape (n_bins, n_frames)
    axes : dict
        ``frequencies``, ``hop`` and ``start``.
    unit : str
    limits : (float, float)
        Colour scale common to all clips.
    anomaly : (ndarray, float, str) or None
        Map or profile, upper end of its scale, unit.
    name : str
    """
    text = f"Spectrogram of {name}"
    if anomaly is None:
        figure = new_figure(5.6, 2.8)
        ax = figure.subplots()
    else:
        values, vmax, what = anomaly
        if values.shape[1] == 1:
            figure = new_figure(6.4, 2.8)
            ax, beside = figure.subplots(1, 2, width_ratios=[3, 1])
            text += ", beside it the share of each frequency in its distance from the training clips"
        else:
            figure = new_figure(5.6, 5.0)
            ax, beside = figure.subplots(2, 1, sharex=True)
            text += ", below it the reconstruction error over time and frequency"
        display = AnomalyMapDisplay([values], **axes, unit=what)
        display.plot(ax=beside, vmax=vmax)
        peak = values.max(axis=1).argmax()
        text += f"; largest near {axes['frequencies'][peak]:.0f} Hz"
        if values.shape[1] == 1:
            beside.set(ylabel="", yticks=[])
    SpectrogramDisplay.from_array([spectrogram], **axes, unit=unit, ax=ax, vmin=limits[0], vmax=limits[1])
    if anomaly is not None and anomaly[0].shape[1] > 1:
        ax.set_xlabel("")
    return as_png(figure), f"{text}."
