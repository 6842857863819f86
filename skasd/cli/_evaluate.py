"""``skasd evaluate``: figures of scores against the ground truth."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from .._csv_tables import read_csv, write_csv
from .._whole_file import check_output
from ..datasets import load_recordings
from ..metrics import decision_figures, evaluate_submission, score_figures, write_submission, year_of_rules
from ..report import scores_table, wide_figures
from . import _recordings

_PLACE = ["machine", "section", "domain"]
_OF_DECISIONS = ("false alarms", "hit rate", "precision", "F1")


def run(args, console):
    """Join, evaluate, print."""
    if args.output is not None:
        check_output(args.output)
    scores = _recordings.tables(args.scores)
    is_folder, official = Path(scores[0]).is_dir(), _is_evaluator(args.ground_truth)
    if is_folder and not official:
        raise ValueError(
            f"{scores[0]!r} is a folder of challenge files, which are compared with a checkout of the official "
            f"evaluator, and {args.ground_truth!r} is none: it holds neither a folder ground_truth_data nor an "
            "eval_data_list. With recordings of which the labels are known, give the tables that 'skasd score' or "
            "'skasd benchmark' wrote."
        )
    if is_folder or (official and "machine" in read_csv(scores[0])):
        return _run_official(scores, args, console)
    truth = ground_truth(args, scores, console)
    table = scores_table(scores, truth)
    used = table[table["y"].notna() & table["anomaly_score"].notna()]
    year = year_of_rules(used) if args.year is None else args.year
    found, problem = score_figures(table, year)
    decisions = _decisions(table)
    if found.empty and decisions.empty:
        raise ValueError(f"No figure can be computed: {problem}.")
    console.say(f"{len(used)} of {len(table)} clips have a score and ground truth; rules of {year}")
    if len(found):
        areas = wide_figures(found).drop(columns=list(_OF_DECISIONS), errors="ignore")
        if "pAUC" in areas:  # missing if all clips are of one class
            console.say("\nRanking, whatever the threshold:")
            console.table(areas)
    if len(decisions):
        console.say("\nDecisions at the threshold:")
        console.table(_shown(decisions))
    if problem:
        console.trouble(f"skasd: no official score: {problem}")
    console.result(year=year, n_clips=len(used), figures=found, decisions=decisions)
    if args.output is not None:
        rates = (
            decisions.melt(_PLACE, ["false alarms", "hit rate"], "metric") if len(decisions) else decisions
        )
        write_csv(pd.concat([found, rates]), args.output)
        console.note(f"figures: {args.output}")
    return 1 if problem else 0


def ground_truth(args, scores, console):
    """Return what is known of scored clips: from recordings, a CSV file, or an official evaluator."""
    if _is_evaluator(args.ground_truth):
        clips = scores_table(scores)
        paths = clips["file"].where(clips["file"].notna(), clips["path"]).tolist()
        truth = load_recordings(paths, year=args.year, ground_truth=args.ground_truth)
    else:
        truth = load_recordings(args.ground_truth)
    console.note(truth.attrs["decided"])
    learnt = truth["split"] == "train"
    if truth.attrs["layout"] == "challenge" and learnt.any() and not learnt.all():
        console.note(f"of these {int(learnt.sum())} training recordings are not evaluated")
        truth["y"] = truth["y"].mask(learnt)
    return truth


def _is_evaluator(where):
    """Return whether a path is a checkout of an official evaluator, or a list of labels of the organisers."""
    where = Path(where)
    return (
        where.name.startswith("eval_data_list")
        or (where / "ground_truth_data").is_dir()
        or any(where.glob("eval_data_list*.csv"))
    )


def _decisions(table):
    """Return the figures of the decisions per machine, and where it has several sections per section, by domain."""
    clips = table[table["y"].notna() & table["anomaly_score"].notna() & (table["decision"] != "")]
    rows = []
    for machine, of_machine in clips.groupby("machine", sort=False):
        sections = sorted(of_machine.groupby("section")) if of_machine["section"].nunique() > 1 else []
        for section, own in [*sections, ("", of_machine)]:
            domain = own["domain"] if "domain" in own and "target" in set(own["domain"]) else None
            decided = np.where(own["decision"] == "anomalous", -1, 1)
            found = decision_figures(own["y"].astype(int), decided, domain)
            for name, row in found.iterrows():
                place = dict(zip(_PLACE, (machine, section, "" if name == "all" else name), strict=True))
                rows.append({**place, **row})
    counts = {"normal": int, "anomalous": int}
    return pd.DataFrame(rows).astype(counts) if rows else pd.DataFrame(columns=_PLACE)


def _shown(decisions):
    """Return the figures of decisions as people read them."""
    shown = decisions.assign(
        machine=(decisions["machine"] + " " + decisions["section"]).str.strip(),
        domain=decisions["domain"].replace("", "all"),
    )
    domains = [] if set(shown["domain"]) > {"all"} else ["domain"]
    return shown.drop(columns=["section", *domains]).rename(columns={"F1 score": "F1"})


def _run_official(scores, args, console):
    """Evaluate by the files of the official evaluator."""
    if args.year is None:
        raise ValueError("The official evaluator's files differ from year to year: give --year.")
    if Path(scores[0]).is_dir():
        result = evaluate_submission(scores[0], args.ground_truth, args.year)
    else:
        table = scores_table(scores)
        table["y_pred"] = table["decision"].map({"normal": 1, "anomalous": -1})
        table = table if table["y_pred"].notna().all() else table.drop(columns="y_pred")
        with tempfile.TemporaryDirectory() as folder:
            write_submission(folder, table, year=args.year)
            result = evaluate_submission(folder, args.ground_truth, args.year)
    console.table(result.table)
    console.say(f"official score {args.year}: {result.score:.6f}")
    console.result(year=args.year, score=result.score, table=result.table)
    if args.output is not None:
        write_csv(result.table, args.output)
        console.note(f"figures: {args.output}")
    return 0
