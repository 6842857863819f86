"""``skasd evaluate``: figures of scores against the ground truth."""

import tempfile
from pathlib import Path

import pandas as pd

from ..benchmark._figures import figures
from ..datasets import load_recordings
from ..metrics import evaluate_submission, write_submission
from ..report._figures import wide_figures
from ..report._scores_table import scores_table

HELP = "compare scores with the ground truth: AUC, pAUC, rates, official score"


def add_arguments(parser):
    """Declare the arguments."""
    parser.add_argument(
        "scores", help="table that 'skasd score' wrote, or folder of challenge files (anomaly_score_*.csv)"
    )
    parser.add_argument(
        "ground_truth",
        help="folder of recordings whose names or subfolders tell, CSV file with path and y, or checkout of the "
        "official evaluator",
    )
    parser.add_argument(
        "--year", type=int, help="year of the challenge whose rules apply (default: by the domains)"
    )


def run(args, console):
    """Join, evaluate, print."""
    official = Path(args.ground_truth, "ground_truth_data").is_dir() or Path(
        args.ground_truth
    ).name.startswith("eval_data_list")
    if official or Path(args.scores).is_dir():
        return _run_official(args, console)
    truth = load_recordings(args.ground_truth)
    console.note(truth.attrs["decided"])
    table = scores_table(args.scores, truth)
    domains = set(table["domain"].dropna()) if "domain" in table else set()
    year = args.year or (2026 if {"source", "target"} <= domains else 2020)
    n_used = int((table["y"].notna() & table["anomaly_score"].notna()).sum())
    rows, problem = figures(table, year)
    if not rows:
        raise ValueError(f"No figure can be computed: {problem}.")
    found = pd.DataFrame(rows)
    console.say(f"{n_used} of {len(table)} clips have a score and ground truth; rules of {year}")
    console.table(wide_figures(found))
    if problem:
        console.trouble(f"skasd: no official score: {problem}")
    console.result(year=year, n_clips=n_used, figures=found)
    return 1 if problem else 0


def _run_official(args, console):
    """Evaluate by the files of the official evaluator."""
    if args.year is None:
        raise ValueError("The official evaluator's files differ from year to year: give --year.")
    if Path(args.scores).is_dir():
        result = evaluate_submission(args.scores, args.ground_truth, args.year)
    else:
        table = scores_table(args.scores)
        table["y_pred"] = table["decision"].map({"normal": 1, "anomalous": -1})
        table = table if table["y_pred"].notna().all() else table.drop(columns="y_pred")
        with tempfile.TemporaryDirectory() as folder:
            write_submission(folder, table, year=args.year)
            result = evaluate_submission(folder, args.ground_truth, args.year)
    console.table(result.table, index=False)
    console.say(f"official score {args.year}: {result.score:.6f}")
    console.result(year=args.year, score=result.score, table=result.table)
    return 0
