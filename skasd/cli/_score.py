"""``skasd score``: how anomalous recordings sound to a model."""

import numpy as np
import pandas as pd

from .. import load
from ..benchmark._work import _without_bad
from ..compose._held_out import anomaly_scores_of, offset_of
from ..datasets import find_recordings
from . import _systems
from ._console import printable

HELP = "score recordings with a model and write a table"


def add_arguments(parser):
    """Declare the arguments."""
    parser.add_argument("model", help="model file that 'skasd fit' wrote")
    parser.add_argument("files", nargs="+", metavar="FILE", help="sound files, wildcards or folders")
    parser.add_argument("-o", "--output", metavar="CSV", help="table to write (default: print it)")
    parser.add_argument("--n-jobs", type=int, metavar="N", help="threads that read and compute features")


def run(args, console):
    """Score, write, report."""
    detector = _systems.configured(load(args.model), n_jobs=args.n_jobs)
    paths = find_recordings(args.files)
    console.note(f"scoring {len(paths)} recordings with {args.model}")
    threshold = np.nan

    def score(clips, kept):
        nonlocal threshold
        offset = offset_of(detector, clips)
        threshold = -offset
        return anomaly_scores_of(detector, clips, offset)

    with _systems.progress(detector, console):
        found, kept, bad = _without_bad(score, paths, np.arange(len(paths)), may_be_empty=True)
    scores = np.full(len(paths), np.nan)
    scores[kept] = [] if found is None else found
    table = pd.DataFrame({"path": paths, "anomaly_score": scores})
    table["decision"] = np.where(scores > threshold, "anomalous", "normal")
    table.loc[np.isnan(scores), "decision"] = ""
    table["threshold"] = threshold
    table["error"] = pd.Series({i: bad.get(i, "") for i in range(len(paths))})
    for position, cause in bad.items():
        console.trouble(f"skasd: not scored: {printable(paths[position])}: {cause}")
    if args.output is not None:
        table.to_csv(args.output, index=False)
        console.note(f"scores: {args.output}")
    else:
        console.table(table.drop(columns="error"), index=False)
    n = int((table["decision"] == "anomalous").sum())
    console.say(
        f"{n} of {len(kept)} sound anomalous (threshold {threshold:.6g}); {len(bad)} could not be scored"
    )
    console.result(output=args.output, threshold=threshold, n_anomalous=n, n_failed=len(bad), clips=table)
    return 2 if not len(kept) else 1 if bad else 0
