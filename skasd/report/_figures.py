"""Tables of figures: per machine, section and domain, and against the published baselines."""

import numpy as np
import pandas as pd
from scipy.stats import hmean

from ..metrics import published_baseline

_SETS = {"dev": "development", "eval": "evaluation"}
_COLUMNS = {
    ("source", "AUC"): "AUC (source)",
    ("target", "AUC"): "AUC (target)",
    ("", "AUC"): "AUC (all)",
    ("source", "pAUC"): "pAUC (source)",
    ("target", "pAUC"): "pAUC (target)",
    ("", "pAUC"): "pAUC",
    ("", "official score"): "official score",
    ("", "false alarms"): "false alarms",
    ("", "recall"): "hit rate",
    ("", "precision"): "precision",
    ("", "F1 score"): "F1",
}


def wide_figures(figures):
    """Return the figures with one row per machine and section, one column per figure.

    Parameters
    ----------
    figures : DataFrame
        Long form: ``machine``, ``section``, ``domain``, ``metric``, ``value`` (a number or a text).

    Returns
    -------
    DataFrame
        Machines in their order, the sections of each before the mean over them, where it has several.
    """
    several = figures[figures["section"] != ""].groupby("machine")["section"].nunique()
    rows = []
    for machine in dict.fromkeys(figures.loc[figures["machine"] != "", "machine"]):
        own = figures[figures["machine"] == machine]
        sections = list(dict.fromkeys(own["section"]))
        if several.get(machine, 0) <= 1:
            sections = [""]
        for section in sorted(sections, key=lambda name: (name == "", name)):
            part = own[own["section"] == section]
            values = dict(zip(zip(part["domain"], part["metric"], strict=True), part["value"], strict=True))
            label = section or ("mean" if len(sections) > 1 else "")
            rows.append(
                {
                    "machine": machine,
                    "section": label,
                    **{title: values.get(key, np.nan) for key, title in _COLUMNS.items()},
                }
            )
    table = pd.DataFrame(rows, columns=["machine", "section", *_COLUMNS.values()])
    empty = [column for column in _COLUMNS.values() if table[column].isna().all()]
    return table.drop(columns=[*empty, *(["section"] if (table["section"] == "").all() else [])])


def against_baselines(figures, year, sections):
    """Return our figures beside the published ones, and the sources of these.

    ``figures`` are in long form, as for :func:`wide_figures`, with numbers as values; ``machine`` "" holds the official
    score. The table has a row per figure: ours, and for each baseline system its figure and how far ours lies above it.
    It is empty if nothing is published.
    """
    machines = [name for name in dict.fromkeys(figures["machine"]) if name]
    published = published_baseline(year, machines=machines, sections=sections)
    if published.empty:
        return pd.DataFrame(), []
    whole = figures[figures["section"] == ""]
    keys = ["machine", "domain", "metric"]
    ours = {**_means_over_machines(whole), **whole.set_index(keys)["value"].to_dict()}
    rows = []
    for key in sorted(
        dict.fromkeys(map(tuple, published[keys].to_numpy())),
        key=lambda key: (key[0] == "", machines.index(key[0]) if key[0] else 0),
    ):
        if key not in ours:
            continue
        machine, domain, metric = key
        row = {
            "machine": machine or "all machines",
            "figure": _COLUMNS.get((domain, metric), metric),
            "this run": ours[key],
        }
        same = published[(published[keys] == list(key)).all(axis=1)]
        for system in dict.fromkeys(published["system"]):
            value = same.loc[same["system"] == system, "value"]
            row[f"{system} (difference)"] = (
                f"{value.iloc[0]:.3f} ({ours[key] - value.iloc[0]:+.3f})".replace("-", "−")
                if len(value)
                else None
            )
        rows.append(row)
    used = published[[tuple(key) in ours for key in published[keys].to_numpy()]]
    sources = [
        f"{' and '.join(dict.fromkeys(part['system']))}, {_SETS[data]} data: {source}"
        for (data, source), part in used.groupby(["data", "source"], sort=False)
    ]
    return pd.DataFrame(rows), sources


def _means_over_machines(whole):
    """Return the harmonic means over machines, as the baselines' figures for all machines are."""
    parts = whole[(whole["machine"] != "") & whole["metric"].isin(["AUC", "pAUC"])]
    return {
        ("", domain, metric): float(hmean(part["value"]))
        for (domain, metric), part in parts.groupby(["domain", "metric"])
        if part["machine"].nunique() > 1 and (part["value"] > 0).all()
    }


def write_baselines(page, figures, year, sections, caption):
    """Add the comparison to a page, or say that there is none."""
    table, sources = against_baselines(figures, year, sections)
    if table.empty:
        say_unpublished(page, year, [name for name in dict.fromkeys(figures["machine"]) if name])
        return
    page.table(table, caption, row_headers=2)
    for source in sources:
        page.paragraph(f"Baseline: {source}.")


def say_unpublished(page, year, machines):
    """Say that there is no comparison with the baselines of a year."""
    page.paragraph(
        f"No figure of a baseline of {year} is published for these machines and sections ({', '.join(machines)})."
    )
