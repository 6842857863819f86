"""The page of one explanation."""

import os
from typing import Any

import numpy as np
import pandas as pd

from .. import __version__
from .._typing import PathName
from ..explain import Explanation
from ._clips import EXPLANATION_CAPTION, Player
from ._healthy import Sound
from ._page import Page
from ._pictures import colour_limits, explanation_picture, spectrogram_picture
from ._settings import write_settings


def report_explanation(
    explanation: Explanation,
    path: PathName,
    *,
    name: str = "this recording",
    threshold: float | None = None,
    title: str = "Why is it anomalous?",
    settings: dict | None = None,
    detector: Any = None,
) -> Any:
    """Write one HTML file about one explanation that opens anywhere, without network.

    The sentence, both recordings as pictures and as sound, the map, and the tables of segments and bands.

    Parameters
    ----------
    explanation : Explanation
        As returned by :func:`skasd.explain.explain`.
    path : path-like
        The file to write, by custom ``....html``.
    name : str, default="this recording"
        Name of the recording.
    threshold : float, default=None
        Score above which the detector calls a recording anomalous.
    title : str, default="Why is it anomalous?"
        Heading of the page.
    settings : dict, default=None
        Facts about the run for the section of settings, such as the command.
    detector : estimator, default=None
        The fitted detector, for its parameters in that section.

    Returns
    -------
    path : Path
        The file.

    See Also
    --------
    report_scores : Many recordings, the most anomalous of which are explained.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import ClipStatistics, KNNScorer, LogMelTransformer
    >>> from skasd.explain import explain
    >>> from skasd.report import report_explanation
    >>> random = np.random.default_rng(0)
    >>> healthy, clip = random.normal(scale=0.1, size=(9, 8000)), random.normal(scale=0.2, size=8000)
    >>> detector = make_pipeline(LogMelTransformer(), ClipStatistics(), KNNScorer()).fit(healthy)
    >>> found = explain(detector, clip, healthy=healthy)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = report_explanation(found, Path(folder, "why.html"), threshold=20)
    ...     print(page.name, "6 dB above the healthy clip" in page.read_text())
    why.html True
    """
    page = Page(title)
    _write_verdict(page, explanation, name, threshold)
    page.section("Beside the nearest healthy recording")
    spectrograms, axes = explanation.spectrograms()
    limits = colour_limits(spectrograms, "dB")
    player = Player(page)
    page.begin("pair")
    for heading, spectrogram, waveform, label, boxes in (
        ("This recording", spectrograms[0], explanation.clip, name, explanation),
        (
            "Nearest healthy recording",
            spectrograms[1],
            explanation.healthy,
            _label(explanation.nearest_),
            None,
        ),
    ):
        picture = spectrogram_picture(spectrogram, axes, "dB", limits, label, boxes)
        player.write_half(heading, Sound("", label, waveform, explanation.sample_rate), picture)
    page.end("pair")
    if len(explanation.segments_):
        _write_shares(page, explanation, name)
    write_settings(page, settings or {}, detector)
    return page.write(path, f"skasd {__version__}")


def _write_verdict(page, explanation, name, threshold):
    sentence = f"{explanation.sentence[0].upper()}{explanation.sentence[1:]}."
    kind, judged = "open", ""
    if threshold is not None and np.isfinite(threshold):
        is_anomalous = explanation.score > threshold
        kind = "bad" if is_anomalous else "good"
        judged = f", {'above' if is_anomalous else 'not above'} the threshold of {threshold:.4g}"
    page.verdict(
        kind,
        [
            sentence,
            f"{name} has an anomaly score of {explanation.score:.4g}{judged}; the healthy recording in its place has "
            f"{explanation.healthy_score:.4g}.",
        ],
    )


def _write_shares(page, explanation, name):
    page.section("Where its score comes from")
    page.picture(*explanation_picture(explanation, name), EXPLANATION_CAPTION)
    segments = explanation.segments_
    table = pd.DataFrame(
        {
            "from (s)": segments["start"].map("{:.2f}".format),
            "to (s)": segments["end"].map("{:.2f}".format),
            "low (Hz)": segments["low"].map("{:.0f}".format),
            "high (Hz)": segments["high"].map("{:.0f}".format),
            "level (dB)": ["–" if np.isnan(db) else f"{db:+.1f}".replace("-", "−") for db in segments["db"]],
            "share (%)": segments["share"].map("{:.0%}".format).str.rstrip("%"),
        }
    )
    page.table(table, "Segments: level against healthy recordings, share in what the score differs by")
    bands = explanation.bands_
    table = pd.DataFrame(
        {
            "band (Hz)": [
                f"{low:.0f} to {high:.0f}" for low, high in zip(bands["low"], bands["high"], strict=True)
            ],
            "share (%)": bands["share"].map("{:.0%}".format).str.rstrip("%"),
        }
    )
    caption = "Frequency bands"
    if bands["own"].notna().all():
        table["own (%)"] = bands["own"].map("{:.0%}".format).str.rstrip("%").str.replace("-", "−")
        caption += (
            "; own: share in the score itself, by the detector's formula (negative: as others let expect)"
        )
    page.table(table, caption)
    page.note(f"The detector was asked about {explanation.n_scored} versions of the recording.")


def _label(nearest):
    return os.path.basename(nearest) if isinstance(nearest, str) else f"healthy recording {nearest}"
