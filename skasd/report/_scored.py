"""The report of scored clips."""

import numbers

import numpy as np
import pandas as pd

from .. import __version__
from ..benchmark._figures import HALF_WIDTH, OFFICIAL
from ..benchmark._figures import figures as figures_of
from ..plotting._anomaly_map import pipeline_steps, transformed
from ._clips import write_clips
from ._figures import wide_figures, write_baselines
from ._page import Page
from ._pictures import embedding_picture, roc_picture, score_picture
from ._scores_table import scores_table
from ._settings import write_settings

_MOST_ON_MAP = 1000
_MOST_MACHINES = 20


def report_scores(
    scores,
    path,
    *,
    detector=None,
    ground_truth=None,
    year=None,
    title="Anomalous sound detection: scored clips",
    n_clips=6,
    settings=None,
):
    """Write one HTML file about scored clips that opens anywhere, without network.

    What is in it depends on what is known; a sentence stands where something is missing and says what it would take.

    - Always: numbers of clips, histograms of the scores with the threshold, the clips with the highest scores with
      spectrogram and sound (where the files are found), versions.
    - With ground truth: AUC, pAUC, rates and official score per machine, section and domain, ROC curves.
    - With ground truth and `year`: the same beside the published figures of that year's baselines.
    - With the fitted detector: a map of the embeddings, where in time and frequency the anomalies lie
      (:func:`skasd.plotting.anomaly_map`), all parameters.

    Parameters
    ----------
    scores : DataFrame or path-like
        Table of scored clips or its CSV file. Columns: ``path``, ``anomaly_score`` (higher = more anomalous;
        missing for unreadable clips); where known ``decision`` ("normal", "anomalous"), ``threshold``, ``machine``,
        ``section``, ``domain``, ``y`` (+1 normal, -1 anomalous), ``attribute``, ``error``.
    path : path-like
        The file to write, by custom ``....html``.
    detector : estimator, default=None
        The fitted detector that made the scores.
    ground_truth : DataFrame or path-like, default=None
        A table with ``path`` and ``y``, and where known ``machine``, ``section``, ``domain``, as the loaders of
        :mod:`skasd.datasets` return it. Joined by path, else by file name.
    year : int, default=None
        The year of the challenge whose rules and baselines apply. None: the rules of 2026 where there are two domains,
        those of 2020 otherwise, and no baselines.
    title : str
        Heading of the page.
    n_clips : int, default=6
        How many of the most anomalous clips to show; each takes some hundred kilobytes.
    settings : dict, default=None
        More facts about the run for the section of settings, the command for instance.

    Returns
    -------
    path : Path
        The file.

    See Also
    --------
    report_benchmark : The report of a benchmark.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from pathlib import Path
    >>> from skasd.report import report_scores
    >>> scores = pd.DataFrame({"path": ["a.wav", "b.wav", "c.wav"], "anomaly_score": [0.2, 0.1, 0.9]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = report_scores(scores, Path(folder, "report.html"))
    ...     print(page.name, "3 clips" in page.read_text())
    report.html True
    """
    if not isinstance(n_clips, numbers.Integral) or n_clips < 0:
        raise ValueError(f"n_clips must be an integer of at least 0, got {n_clips!r}.")
    table = scores_table(scores, ground_truth)
    page = Page(title)
    _write_summary(page, table)
    _write_figures(page, table, year)
    _write_scores(page, table)
    _write_map(page, table, detector)
    write_clips(page, table, n_clips, detector)
    write_unreadable(page, table)
    rules = {} if year is None else {"year": year}
    write_settings(page, {**rules, **(settings or {})}, detector)
    return page.write(path, f"skasd {__version__}")


def _write_summary(page, table):
    n, scored = len(table), int(table["anomaly_score"].notna().sum())
    numbers_ = {"clips": f"{n}", "called anomalous": f"{(table['decision'] == 'anomalous').sum()}"}
    if scored < n:
        numbers_["unreadable"] = f"{n - scored}"
    thresholds = table["threshold"].dropna().unique()
    if len(thresholds) == 1:
        numbers_["threshold"] = f"{thresholds[0]:.4g}"
    machines = list(dict.fromkeys(table["machine"]))
    text = f"{n} clips" if machines == ["machine"] else f"{n} clips of {', '.join(machines)}"
    page.paragraph(f"{text}. A higher anomaly score means a more anomalous sound.")
    page.key_figures(numbers_)


def _write_figures(page, table, year):
    page.section("Figures")
    clips = table[table["y"].notna() & table["anomaly_score"].notna()]
    if clips.empty or clips["y"].nunique() < 2:
        page.missing(
            "Areas under the ROC curve, rates and official scores need ground truth of normal and of anomalous clips: "
            "a column y (+1 normal, -1 anomalous) in the scores table, or ground_truth."
        )
        return
    if len(clips) < len(table):
        page.paragraph(
            f"Over the {len(clips)} of {len(table)} clips that have both a score and ground truth."
        )
    domains = set(clips["domain"]) if "domain" in clips else set()
    rules = year if year is not None else 2026 if {"source", "target"} <= domains else 2020
    rows, problem = figures_of(clips, rules)
    rows += _false_alarms(clips)
    figures = pd.DataFrame(rows, columns=["machine", "section", "domain", "metric", "value"])
    over_all = figures[(figures["machine"] == "") & figures["metric"].isin([OFFICIAL, HALF_WIDTH])]
    over_all = over_all.set_index("metric")["value"]
    if OFFICIAL in over_all:
        page.paragraph(
            f"Official score by the rules of {rules}: {over_all[OFFICIAL]:.4f} ± {over_all[HALF_WIDTH]:.4f} "
            "(95 % interval over clips, jackknife)."
        )
    else:
        page.missing(f"No official score by the rules of {rules}: {problem}.")
    page.table(wide_figures(figures), "Figures per machine; rates at the threshold")
    if year is None:
        page.missing("For the published baselines of a challenge, make the report with its year.")
    else:
        write_baselines(
            page, figures, year, set(clips["section"]), f"Against the published baselines of {year}"
        )


def _false_alarms(clips):
    """Return the share of normal clips called anomalous, per machine and per section."""
    normal = clips[clips["y"] == 1]
    normal = normal.assign(value=(normal["decision"] == "anomalous").astype(float))
    rates = [
        normal.groupby("machine")["value"].mean().reset_index().assign(section=""),
        normal.groupby(["machine", "section"])["value"].mean().reset_index(),
    ]
    rows = pd.concat(rates).assign(domain="", metric="false alarms")
    return [] if (clips["decision"] == "").all() else rows.to_dict("records")


def _write_scores(page, table):
    page.section("Scores")
    machines = list(dict.fromkeys(table["machine"]))
    if len(machines) > _MOST_MACHINES:
        page.paragraph(f"The first {_MOST_MACHINES} of {len(machines)} machines.")
    for machine in machines[:_MOST_MACHINES]:
        if len(machines) > 1:
            page.subsection(machine)
        write_score_pictures(page, table[table["machine"] == machine])


def write_score_pictures(page, table):
    """Add histograms and, where there is ground truth, ROC curves of one machine's clips."""
    if table["anomaly_score"].isna().all():
        page.missing("No clip has a score.")
        return
    known = table[table["y"].notna()]
    whole = len(known) == len(table)
    domain = table["domain"].to_numpy() if "domain" in table and table["domain"].nunique() > 1 else None
    thresholds = table["threshold"].dropna().unique()
    threshold = float(thresholds[0]) if len(thresholds) == 1 else None
    page.begin("pair")
    page.picture(
        *score_picture(
            table["anomaly_score"].to_numpy(), table["y"].to_numpy(int) if whole else None, domain, threshold
        ),
        "Anomaly scores" + (" and threshold." if threshold is not None else "."),
    )
    if len(known):
        _write_roc(page, known[known["anomaly_score"].notna()])
    page.end("pair")
    if len(thresholds) > 1:
        page.paragraph(f"These clips were judged by {len(thresholds)} thresholds, so none is drawn.")
    if not whole and len(known):
        page.paragraph(
            f"{len(table) - len(known)} clips have no ground truth, so the histogram does not tell them."
        )


def _write_roc(page, known):
    scores, y = known["anomaly_score"].to_numpy(), known["y"].to_numpy(int)
    if len(set(y)) < 2:
        return
    domain = known["domain"].to_numpy() if "domain" in known and known["domain"].nunique() > 1 else None
    caption = "ROC curves; shaded: the region of the partial AUC."
    if domain is not None:
        if set(domain[y == 1]) == set(domain):
            caption = f"{caption} Normal clips of a domain against the anomalous clips of all."
        else:
            domain = None
    page.picture(*roc_picture(scores, y, domain), caption)


def _write_map(page, table, detector):
    page.section("Map of embeddings")
    if detector is None:
        page.missing("For a map of the embeddings, make the report with the fitted detector.")
        return
    usable = table[table["file"].notna() & table["anomaly_score"].notna()]
    if len(usable) < 5:
        page.missing(f"A map takes at least 5 clips whose sound files are found; {len(usable)} were.")
        return
    if len(usable) > _MOST_ON_MAP:
        page.paragraph(f"{_MOST_ON_MAP} of {len(usable)} clips, drawn at random.")
        usable = usable.sample(_MOST_ON_MAP, random_state=0)
    *front, last = pipeline_steps(detector)
    if not front:
        page.missing(
            f"{type(last).__name__} makes no embedding that could be drawn; pipelines of several steps do."
        )
        return
    files = usable["file"].tolist()
    first = np.asarray(transformed(front, files[:1]))
    if first.ndim != 2 or first.shape[1] == 1:
        page.missing(
            "This detector's last step gets one number per clip, its score: there is no map to draw."
        )
        return
    embeddings = np.asarray(transformed(front, files))
    several = [
        usable[name]
        for name in ("machine", "section", "domain")
        if name in usable and usable[name].nunique() > 1
    ]
    group = None if not several else [" ".join(parts) for parts in zip(*several, strict=True)]
    y = usable["y"].to_numpy(int) if usable["y"].notna().all() else None
    page.picture(
        *embedding_picture(embeddings, y, group),
        f"What {type(last).__name__} gets of each clip ({embeddings.shape[1]} numbers), by t-SNE: neighbours sound "
        "alike to the detector, distances between far groups mean nothing.",
    )


def write_unreadable(page, table):
    """Add the clips without a score, with the cause."""
    bad = table[table["anomaly_score"].isna()]
    if bad.empty:
        return
    page.section("Clips without a score")
    shown = bad[["name", "error"]].rename(columns={"name": "clip", "error": "cause"}).replace("", "not told")
    page.table(shown, f"{len(bad)} clips without a score")
