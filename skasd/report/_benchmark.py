"""The report of a benchmark."""

import numbers
from typing import Any

import pandas as pd

from .. import __version__
from .._typing import PathName
from ..benchmark import BenchmarkResult
from ..metrics import published_baseline
from ._clips import worst_clips, write_clips
from ._figures import say_unpublished, wide_figures, write_baselines
from ._knowledge import Knowledge
from ._page import Page
from ._scored import write_histogram, write_notes, write_roc, write_unreadable
from ._scores_table import scores_table
from ._settings import write_settings

_MOST_PICTURES = 24  # pairs of histogram and ROC curves
_OFFICIAL = {
    "mean": "official score",
    "std": "std over seeds",
    "ci95": "± seeds",
    "jackknife": "± clips",
}
_LISTS = ("scores", "submissions", "files")  # of run.json, too long for the section of settings


def report_benchmark(
    result: Any, path: PathName, *, title: str = "Anomalous sound detection: benchmark", n_clips: int = 3
) -> Any:
    """Write one HTML file about a benchmark that opens anywhere, without network.

    It contains official scores of all systems with their spread over seeds, figures per machine and domain, with the
    published baselines of the year if there are any, histograms of the scores with thresholds and ROC curves (of the
    first seed), the most anomalous clips of the best system with spectrogram and sound (if the files are found), times,
    failures, settings and versions.

    Parameters
    ----------
    result : BenchmarkResult or path-like
        What :func:`skasd.benchmark.run` returned, or the folder that it wrote.
    path : path-like
        The file to write, by custom ``....html``.
    title : str, default="Anomalous sound detection: benchmark"
        Heading of the page.
    n_clips : int, default=3
        How many of the most anomalous clips to show for each data set; each takes some hundred kilobytes.

    Returns
    -------
    path : Path
        The file.

    See Also
    --------
    report_scores : The report of one detector's scores, with more about the detector.
    skasd.benchmark.run : Makes the benchmark.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import ClipStatistics, KNNScorer, LogMelTransformer
    >>> from skasd.benchmark import run
    >>> from skasd.datasets import make_machine_sounds
    >>> from skasd.report import report_benchmark
    >>> data = make_machine_sounds(n_train=30, n_test=20, duration=0.5, random_state=0)
    >>> systems = {"kNN": make_pipeline(LogMelTransformer(n_mels=32), ClipStatistics(), KNNScorer())}
    >>> result = run(systems, {"synthetic": data})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = report_benchmark(result, Path(folder, "report.html"))
    ...     print(page.name, "kNN" in page.read_text())
    report.html True
    """
    if not isinstance(n_clips, numbers.Integral) or n_clips < 0:
        raise ValueError(f"n_clips must be an integer of at least 0, got {n_clips!r}.")
    if not isinstance(result, BenchmarkResult):
        result = BenchmarkResult.from_folder(result)
    page = Page(title)
    _write_summary(page, result)
    ranking = _write_official(page, result)
    _write_machines(page, result, ranking)
    if len(result.scores):
        # names are relative to the common folder of the clips of one data set
        parts = [scores_table(part) for _, part in result.scores.groupby("data", sort=False)]
        clips = pd.concat(parts, ignore_index=True)
        _write_pictures(page, clips, ranking)
        _write_best_clips(page, clips, ranking, n_clips)
        first = clips.drop_duplicates(["data", "path"])
        write_unreadable(page, first[first["error"] != ""])
    _write_times(page, result)
    if len(result.failures):
        page.section("Failures")
        page.table(result.failures, f"{len(result.failures)} cells without result", row_headers=3)
    settings = {name: value for name, value in result.settings.items() if name not in _LISTS}
    write_settings(page, settings)
    return page.write(path, f"skasd {__version__}")


def _write_summary(page, result):
    table = result.table if len(result.table) else result.scores
    systems, data = _names(table, "system"), _names(table, "data")
    page.paragraph(
        f"{len(systems)} system{'' if len(systems) == 1 else 's'} on {', '.join(data) or 'no data'}."
    )
    numbers_ = {
        "systems": str(len(systems)),
        "data sets": str(len(data)),
        "machines": str(len(result.scores.drop_duplicates(["data", "machine"])) if len(result.scores) else 0),
        "seeds": str(table["seed"].nunique() if len(table) else 0),
    }
    if len(result.failures):
        numbers_["cells failed"] = str(len(result.failures))
    page.key_figures(numbers_)


def _write_official(page, result):
    """Add the table of official scores; return the systems of each data set, the best first."""
    page.section("Official scores")
    ranking = {name: _names(part, "system") for name, part in result.scores.groupby("data", sort=False)}
    if result.table.empty:
        page.missing("There are no figures: they need ground truth of normal and of anomalous test clips.")
        return ranking
    overall = result.table[(result.table["machine"] == "") & (result.table["metric"] == "official score")]
    summary = result.summary()
    for name in ranking:
        year = _year(result, name)
        rules = "" if year is None else f" by the rules of {year}"
        n_seeds = overall[overall["data"] == name].groupby("system")["value"].count()
        if n_seeds.empty:
            page.missing(
                f"{name}: no official score{rules}, for which every machine and section needs normal and anomalous "
                "test clips of each domain."
            )
            continue
        scores = summary.loc[[(name, system, "") for system in n_seeds.index], "official score"]
        scores = scores.droplevel(["data", "machine"]).assign(seeds=n_seeds)
        scores = scores.sort_values("mean", ascending=False, kind="stable")
        ranking[name] = [*scores.index, *(s for s in ranking[name] if s not in scores.index)]
        page.table(
            scores.rename(columns=_OFFICIAL).reset_index(), f"{name}: official score{rules}, mean over seeds"
        )
    page.paragraph(
        "± seeds: half the 95 % interval of the mean over seeds (Student's t), what other seeds would change. ± clips: "
        "half the 95 % interval over clips (jackknife), what other clips would change. Systems without randomness have "
        "no spread over seeds."
    )
    return ranking


def _write_machines(page, result, ranking):
    if result.table.empty:
        return
    page.section("Machines and domains")
    for name, systems in ranking.items():
        year = _year(result, name)
        if len(ranking) > 1:
            page.subsection(name)
        own = result.table[(result.table["data"] == name) & (result.table["metric"] != "official score ci95")]
        sections = {section for section in own["section"] if section}
        machines = [machine for machine in _names(own, "machine") if machine]
        comparable = (
            year is not None and not published_baseline(year, machines=machines, sections=sections).empty
        )
        if year is not None and not comparable:
            say_unpublished(page, year, machines)
        for place, system in enumerate(systems):
            figures = own[own["system"] == system]
            if figures.empty:
                continue
            by = ["machine", "section", "domain", "metric"]
            grouped = figures.groupby(by, sort=False)["value"].agg(["mean", "std", "count"]).reset_index()
            text = [
                f"{mean:.3f} ± {std:.3f}" if count > 1 and std > 0 else f"{mean:.3f}"
                for mean, std, count in zip(grouped["mean"], grouped["std"], grouped["count"], strict=True)
            ]
            page.begin("details", system, is_open=place == 0)
            table = wide_figures(grouped.assign(value=text))
            page.table(table, f"{system} on {name}: mean ± standard deviation over seeds")
            if comparable:
                means = grouped.rename(columns={"mean": "value"})[[*by, "value"]]
                caption = f"{system} on {name} against the published baselines of {year}"
                write_baselines(page, means, year, sections, caption)
            page.end("details")


def _write_pictures(page, clips, ranking):
    page.section("Scores")
    left = _MOST_PICTURES
    for name, systems in ranking.items():
        for place, system in enumerate(systems):
            own = clips[(clips["data"] == name) & (clips["system"] == system)]
            if own.empty:
                continue
            seed = own["seed"].min()
            own = own[own["seed"] == seed]
            machines = _names(own, "machine")[:left]
            if not machines:
                page.paragraph(
                    f"{system} on {name}: left out, the report holds {_MOST_PICTURES} pairs of pictures."
                )
                continue
            page.begin("details", f"{system} on {name}, seed {seed}", is_open=place == 0)
            for machine in machines:
                if own["machine"].nunique() > 1:
                    page.subsection(machine)
                _write_pair(page, own[own["machine"] == machine])
            left -= len(machines)
            page.end("details")


def _write_pair(page, clips):
    """Add histogram and ROC curves of one machine."""
    if clips["anomaly_score"].isna().all():
        page.missing("No clip has a score.")
        return
    page.begin("pair")
    write_histogram(page, clips)
    write_roc(page, clips[clips["y"].notna() & clips["anomaly_score"].notna()])
    page.end("pair")
    write_notes(page, clips)


def _write_best_clips(page, clips, ranking, n_clips):
    for name, systems in ranking.items():
        own = clips[(clips["data"] == name) & (clips["system"] == systems[0])]
        own = own[own["seed"] == own["seed"].min()]
        if own["anomaly_score"].notna().any():
            heading = f"Most anomalous clips of {systems[0]} on {name}"
            own = own.reset_index(drop=True)
            write_clips(page, own, worst_clips(own, n_clips), Knowledge(), heading)


def _write_times(page, result):
    if result.timings.empty:
        return
    page.section("Times")
    keys = ["data", "system", "seed", "stage"]
    seconds = (
        result.timings.groupby(keys, sort=False)["seconds"]
        .sum()
        .groupby(["data", "system", "stage"], sort=False)
    )
    table = seconds.mean().unstack("stage").reindex(columns=["fit", "score"]).reset_index()
    table.columns = ["data", "system", "fit (s)", "score (s)"]
    peak = result.timings.groupby(["data", "system"], sort=False)["peak_mb"].max()
    table["peak memory (MB)"] = [
        f"{peak[key]:.0f}" for key in zip(table["data"], table["system"], strict=True)
    ]
    table = table.rename(columns={"data": "data set"})
    page.table(table, "Seconds over all machines, mean over seeds; steps shared by systems count for each", 2)


def _year(result, name):
    data = result.settings.get("data", {})
    return data.get(name, {}).get("year") if isinstance(data, dict) else None


def _names(table, column):
    return list(dict.fromkeys(table[column])) if column in table else []
