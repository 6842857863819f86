"""The report of scored clips."""

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .. import __version__
from .._typing import PathName
from ..metrics import score_figures, year_of_rules
from ._clips import truth, worst_clips, write_clips
from ._figures import wide_figures, write_baselines
from ._knowledge import Knowledge
from ._order import in_order
from ._page import Page
from ._pictures import embedding_picture, roc_picture, score_picture, timeline_picture
from ._scores_table import scores_table
from ._settings import write_settings
from ._verdict import Verdict, moment

_MOST_ON_MAP = 1000
_MOST_MACHINES = 20  # with pictures
_MOST_ROWS = 10_000  # of the table of all clips


def report_scores(
    scores: pd.DataFrame | PathName | Sequence[PathName],
    path: PathName,
    *,
    detector: Any = None,
    training: Any = None,
    ground_truth: pd.DataFrame | PathName | None = None,
    year: int | None = None,
    title: str = "Anomalous sound detection: scored clips",
    n_clips: int = 6,
    settings: dict | None = None,
) -> Any:
    """Write one HTML file about scored clips that opens anywhere, without network.

    For whoever asks "is it broken?", in this order: a verdict on each machine in a sentence (how many recordings, how
    many alarms, how many are expected of a healthy machine, since when they run); the scores over time and as
    histograms, with the threshold; the most anomalous recordings, each beside the nearest healthy one, with
    spectrograms, sounds, and the frequency bands in which they differ; a table of all recordings that can be sorted and
    searched. Then, for whoever asks "how good is it?", if known: AUC, pAUC, rates and official score with ground truth,
    a map of the embeddings with the detector, settings and versions.

    Parameters
    ----------
    scores : DataFrame, path-like or list of path-like
        Table of scored clips, its CSV file, or the files of all its shards (``skasd score --shard``). Columns:
        ``path``, ``anomaly_score`` (higher = more anomalous; missing for unreadable clips); where known ``decision``
        ("normal", "anomalous"), ``remark`` (text beside the decision), ``threshold``, ``machine``, ``section``,
        ``domain``, ``y`` (+1 normal, -1 anomalous), ``attribute``, ``time`` (of the recording, ISO 8601), ``error``.
    path : path-like
        The file to write, by custom ``....html``.
    detector : estimator, default=None
        The fitted detector that made the scores. It tells the rate of alarms to expect, the held-out scores of its
        training clips, which clips are alike to it, and where in time and frequency an anomaly lies
        (:func:`skasd.plotting.anomaly_map`).
    training : DataFrame with ``path``, or sequence of path-like, default=None
        The healthy recordings that the detector learnt from, to set others beside them. None: those that
        ``detector.training_paths_`` names, as in model files of ``skasd fit``. Files that are gone are left out;
        without any, healthy scored clips stand in.
    ground_truth : DataFrame or path-like, default=None
        A table with ``path`` and ``y``, and where known ``machine``, ``section``, ``domain``, as the loaders of
        :mod:`skasd.datasets` return it. Joined by path, else by file name.
    year : int, default=None
        The year of the challenge whose rules and baselines apply. None: the rules of 2026 where there are two domains,
        those of 2020 otherwise, and no baselines.
    title : str, default="Anomalous sound detection: scored clips"
        Heading of the page.
    n_clips : int, default=6
        How many of the most anomalous clips to show, in turn from each machine; each takes half a megabyte to one.
    settings : dict, default=None
        More facts about the run for the section of settings, the command for instance.

    Returns
    -------
    path : Path
        The file.

    See Also
    --------
    report_benchmark : The report of a benchmark.

    Notes
    -----
    The order of the recordings is that of the column ``time``, else of the time stamps in their names (such as
    ``2024-03-01_14-05-33``), else of the modification of the files, unless these were written faster than they can
    have been recorded, else of the table; the report says which.

    Since when the alarms run is found by the scan statistic [1]_: the span of recordings in which alarms are most
    unlikely to be so dense by chance, if there is one at the level of 1 %.

    The nearest healthy recording is that with the smallest Euclidean distance in the features that the last step of
    the detector gets, each divided by its standard deviation over healthy recordings; without the detector in the
    levels of frequency bands of a sixth of an octave. Bands are named where these levels, averaged over the clip,
    differ by 3 dB or more and by twice their standard deviation over healthy recordings.

    The size is bounded: 20 machines with pictures, `n_clips` clips, 12 MB of sound of 30 s per clip at most, 10,000
    rows of the table (some 2 MB), 1,000 clips and 500 training recordings on the map.

    References
    ----------
    .. [1] M. Kulldorff, "A spatial scan statistic", Communications in Statistics - Theory and Methods 26, 1997.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from pathlib import Path
    >>> from skasd.report import report_scores
    >>> scores = pd.DataFrame({"path": ["a.wav", "b.wav", "c.wav"], "anomaly_score": [0.2, 0.1, 0.9], "threshold": 1})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = report_scores(scores, Path(folder, "report.html"))
    ...     print(page.name, "sounds as it did in training: 0 of 3 recordings" in page.read_text())
    report.html True
    """
    if not isinstance(n_clips, numbers.Integral) or n_clips < 0:
        raise ValueError(f"n_clips must be an integer of at least 0, got {n_clips!r}.")
    table, said = in_order(scores_table(scores, ground_truth))
    knowledge = Knowledge(detector, training)
    page = Page(title)
    contradiction = knowledge.contradiction(table)
    # scores of training clips are those of a detector for one machine
    own = knowledge.scores if table["machine"].nunique() == 1 and len(knowledge.scores) else None
    verdicts = {}
    for machine, clips in table.groupby("machine", sort=False):
        rate, is_known = knowledge.expected_rate(_threshold(clips))
        verdicts[machine] = Verdict(machine, clips, rate, own if knowledge.held_out else None, is_known)
    worst = worst_clips(table, n_clips)
    anchors = {label: f"c{place}" for place, label in enumerate(worst.index, 1)}
    _write_verdicts(page, table, verdicts)
    if contradiction:
        page.missing(contradiction)
    _write_scores(page, table, verdicts, said, own, knowledge.held_out)
    anchors = write_clips(page, table, worst, knowledge, anchors=anchors)
    _write_all(page, table, anchors)
    write_unreadable(page, table)
    _write_figures(page, table, year)
    _write_map(page, table, knowledge)
    rules = {} if year is None else {"year": year}
    write_settings(page, {**rules, **(settings or {})}, detector)
    _write_more(page, table, detector, year)
    return page.write(path, f"skasd {__version__}")


def _write_verdicts(page, table, verdicts):
    rank = {"bad": 0, "open": 1, "good": 2}
    for verdict in sorted(verdicts.values(), key=lambda verdict: rank[verdict.kind]):
        page.verdict(verdict.kind, verdict.sentences)
    n, scored = len(table), int(table["anomaly_score"].notna().sum())
    numbers_ = {"recordings": f"{n}"}
    if len(verdicts) > 1:
        numbers_["machines"] = f"{len(verdicts)}"
    if (table["decision"] != "").any():
        numbers_["called anomalous"] = f"{(table['decision'] == 'anomalous').sum()}"
    if scored < n:
        numbers_["without a score"] = f"{n - scored}"
    if not np.isnan(threshold := _threshold(table)):
        numbers_["threshold"] = f"{threshold:.4g}"
    page.key_figures(numbers_)
    when = table["when"].dropna()
    span = f"Recorded from {moment(when.iloc[0])} to {moment(when.iloc[-1])}. " if len(when) else ""
    page.paragraph(f"{span}A higher anomaly score means a more anomalous sound.")


def _write_scores(page, table, verdicts, said, training, held_out):
    page.section("Scores")
    machines = list(verdicts)
    if len(machines) > _MOST_MACHINES:
        machines = sorted(machines, key=lambda machine: verdicts[machine].kind != "bad")[:_MOST_MACHINES]
        page.paragraph(f"{_MOST_MACHINES} of {len(verdicts)} machines, those with news first.")
    for machine in machines:
        if len(verdicts) > 1:
            page.subsection(machine)
        clips = table[table["machine"] == machine]
        if clips["anomaly_score"].isna().all():
            page.missing("No clip has a score.")
            continue
        scored = clips[clips["anomaly_score"].notna()]
        threshold = _threshold(clips)
        threshold = None if np.isnan(threshold) else threshold
        timed = scored["when"].notna().any()
        page.begin("pair")
        page.picture(
            *timeline_picture(
                scored["anomaly_score"].to_numpy(),
                scored["when"] if timed else None,
                threshold,
                verdicts[machine].run,
            ),
            f"Scores {said}." + ("" if verdicts[machine].run is None else " Shaded: the run of alarms."),
        )
        write_histogram(page, clips, training, held_out)
        page.end("pair")
        write_notes(page, clips)


def write_histogram(page, table, training=None, held_out=True):
    """Add the histogram of one machine's scores, with those of the training clips where they are known."""
    whole = table["y"].notna().all()
    domain = _domains(table)
    threshold = _threshold(table)
    caption = "How many clips have which anomaly score"
    caption += "" if np.isnan(threshold) else ", and the threshold"
    if training is not None:
        kind = "held out: scored by a detector that had not learnt them" if held_out else "which were learnt"
        caption += f". Line: the clips learnt from ({kind})"
    page.picture(
        *score_picture(
            table["anomaly_score"].to_numpy(),
            table["y"].to_numpy(int) if whole else None,
            domain,
            None if np.isnan(threshold) else threshold,
            training,
        ),
        f"{caption}.",
    )


def write_notes(page, table):
    """Say what the pictures of one machine do not show."""
    if (n := table["threshold"].dropna().nunique()) > 1:
        page.paragraph(f"These clips were judged by {n} thresholds, so none is drawn.")
    known = table["y"].notna()
    if known.any() and not known.all():
        page.paragraph(f"{(~known).sum()} clips have no ground truth, so the histogram does not tell them.")


def _domains(table):
    return table["domain"].to_numpy() if "domain" in table and table["domain"].nunique() > 1 else None


def _threshold(table):
    """Return the one threshold of clips, NaN if there is none or several."""
    thresholds = table["threshold"].dropna().unique()
    return float(thresholds[0]) if len(thresholds) == 1 else np.nan


def _write_all(page, table, anchors):
    """Add the table of all clips, with links to those that are shown."""
    page.section("All recordings")
    rows = table.sort_values("anomaly_score", ascending=False, kind="stable", na_position="last").head(
        _MOST_ROWS
    )
    columns = {"recording": rows["name"], "decision": rows["decision"].replace("", "–")}
    if "remark" in rows and (rows["remark"] != "").any():
        columns["remark"] = rows["remark"]
    columns["score"] = ["–" if np.isnan(score) else f"{score:.4g}" for score in rows["anomaly_score"]]
    if table["threshold"].nunique() > 1:
        columns["threshold"] = [f"{value:.4g}" for value in rows["threshold"]]
    if rows["when"].notna().any():
        columns["time"] = ["–" if pd.isna(when) else moment(when) for when in rows["when"]]
    for name in ("machine", "section", "domain", "attribute"):
        if name in rows and rows[name].nunique() > 1:
            columns[name] = rows[name]
    if rows["y"].notna().any():
        columns["ground truth"] = [truth(y) for y in rows["y"]]
    if (rows["error"] != "").any():
        columns["error"] = rows["error"]
    caption = (
        f"All {len(table)} recordings"
        if len(rows) == len(table)
        else f"{len(rows)} of {len(table)} recordings"
    )
    links = {place: anchors[label] for place, label in enumerate(rows.index) if label in anchors}
    page.table(pd.DataFrame(columns), f"{caption}, the most anomalous first", long=True, links=links)


def _write_figures(page, table, year):
    """Add the figures that need ground truth."""
    clips = table[table["y"].notna() & table["anomaly_score"].notna()]
    if clips["y"].nunique() < 2:
        return
    page.section("Figures")
    if len(clips) < len(table):
        page.paragraph(
            f"Over the {len(clips)} of {len(table)} clips that have both a score and ground truth."
        )
    rules = year_of_rules(clips) if year is None else year
    figures, problem = score_figures(clips, rules)
    figures = pd.concat(
        [figures, pd.DataFrame(_false_alarms(clips), columns=figures.columns)], ignore_index=True
    )
    over_all = figures[figures["machine"] == ""].set_index("metric")["value"]
    if "official score" in over_all:
        page.paragraph(
            f"Official score by the rules of {rules}: {over_all['official score']:.4f} ± "
            f"{over_all['official score ci95']:.4f} (95 % interval over clips, jackknife)."
        )
    else:
        page.missing(f"No official score by the rules of {rules}: {problem}.")
    page.table(wide_figures(figures), "Figures per machine; rates at the threshold")
    if year is not None:
        write_baselines(
            page, figures, year, set(clips["section"]), f"Against the published baselines of {year}"
        )
    machines = list(dict.fromkeys(clips["machine"]))[:_MOST_MACHINES]
    for machine in machines:
        if len(machines) > 1:
            page.subsection(machine)
        page.begin("pair")
        write_roc(page, clips[clips["machine"] == machine])
        page.end("pair")


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


def write_roc(page, known):
    """Add the ROC curves of one machine's clips with score and ground truth, if there are some."""
    scores, y = known["anomaly_score"].to_numpy(), known["y"].to_numpy(int)
    if len(set(y)) < 2:
        return
    domain = _domains(known)
    caption = "ROC curves; shaded: the region of the partial AUC."
    if domain is not None:
        if set(domain[y == 1]) == set(domain):
            caption = f"{caption} Normal clips of a domain against the anomalous clips of all."
        else:
            domain = None
    page.picture(*roc_picture(scores, y, domain), caption)


def _write_map(page, table, knowledge):
    """Add the map of the rows that the detector's last step gets, of scored and of training clips."""
    usable = table[table["file"].notna() & table["anomaly_score"].notna()]
    if knowledge.detector is None or len(usable) < 5:
        return
    n_usable = len(usable)
    if n_usable > _MOST_ON_MAP:
        usable = usable.sample(_MOST_ON_MAP, random_state=0)
    learnt = knowledge.files
    embeddings = knowledge.features([*usable["file"], *learnt])
    if embeddings is None:
        return
    page.section("Map of embeddings")
    if n_usable > len(usable):
        page.paragraph(f"{len(usable)} of {n_usable} clips, drawn at random.")
    several = [
        usable[name]
        for name in ("machine", "section", "domain")
        if name in usable and usable[name].nunique() > 1
    ]
    group = [" ".join(parts) for parts in zip(*several, strict=True)] if several else ["scored"] * len(usable)
    told = usable["y"].notna().all()
    y = usable["y"].to_numpy(int) if told else np.where(usable["decision"] == "anomalous", -1, 1)
    page.picture(
        *embedding_picture(
            embeddings,
            np.concatenate([y, np.ones(len(learnt), dtype=int)]),
            [*group, *["training"] * len(learnt)],
        ),
        f"What {knowledge.last_name} gets of each clip ({embeddings.shape[1]} numbers), by t-SNE: neighbours sound "
        "alike to the detector, distances between far groups mean nothing. Crosses: anomalous by "
        f"{'the ground truth' if told else 'the decision'}."
        + (f" {len(learnt)} recordings learnt from are on it." if learnt else ""),
    )


def write_unreadable(page, table):
    """Add the clips without a score, with the cause."""
    bad = table[table["anomaly_score"].isna()]
    if bad.empty:
        return
    page.section("Recordings without a score")
    shown = bad[["name", "error"]].rename(columns={"name": "clip", "error": "cause"}).replace("", "not told")
    page.table(shown, f"{len(bad)} clips without a score")


def _write_more(page, table, detector, year):
    """Say which inputs would add to the report."""
    wanted = []
    if detector is None:
        wanted.append(
            "the fitted detector (expected rate of alarms, training clips, where the anomalies lie, map of embeddings, "
            "parameters)"
        )
    if table["y"].nunique() < 2:
        wanted.append("ground truth of normal and anomalous clips (ROC curves, rates, official score)")
    elif year is None:
        wanted.append("the year of a challenge (its published baselines)")
    if wanted:
        page.missing(f"A report tells more if it is given {'; '.join(wanted)}.")
