"""``skasd score``: how anomalous recordings sound to a model."""

import numpy as np
import pandas as pd

from .. import load
from .._csv_tables import write_csv
from .._shards import COLUMN, take_shard
from .._whole_file import check_output
from ..clips import leave_out_bad
from ..compose import score_clips, threshold_for
from ..datasets import find_recordings
from . import _cluster, _remarks, _systems
from ._console import printable


def run(args, console):
    """Score, write, report."""
    detector = _systems.configured(load(args.model), n_jobs=args.n_jobs)
    paths, shard = find_recordings(args.files), None
    if args.shard is not None:
        paths, shard = take_shard(paths, args.shard)
    if args.output is not None:
        check_output(args.output)
    threshold = _threshold(args, detector)
    console.note(f"scoring {len(paths)} recordings with {args.model}")

    with _systems.progress(detector, console), _cluster.cluster(args):
        scored, kept, bad = leave_out_bad(
            lambda clips, rows: score_clips(detector, clips), paths, allow_empty=True
        )
        remarks = _remarks.on(detector, paths, console, args.n_jobs)
    found, own_threshold = ([], np.nan) if scored is None else scored
    threshold = own_threshold if threshold is None else threshold
    scores = np.full(len(paths), np.nan)
    scores[kept] = found
    table = pd.DataFrame({"path": paths, "anomaly_score": scores})
    table["decision"] = np.where(scores > threshold, "anomalous", "normal")
    table.loc[np.isnan(scores), "decision"] = ""
    table["remark"] = remarks
    if args.strict:
        doubtful = (table["remark"] != "") & table["anomaly_score"].notna()
        bad |= table.loc[doubtful, "remark"].to_dict()
        table.loc[doubtful, ["anomaly_score", "decision"]] = [np.nan, ""]
    table["threshold"] = threshold
    table["error"] = pd.Series({i: bad.get(i, "") for i in range(len(paths))})
    if shard is not None:
        table[COLUMN] = shard
    for position, cause in bad.items():
        console.trouble(f"skasd: not scored: {printable(paths[position])}: {cause}")
    if args.output is not None:
        write_csv(table, args.output)
        console.note(f"scores: {args.output}")
    else:
        remark = ["remark"] if (table["remark"] != "").any() else []
        columns = ["anomaly_score", "decision", *remark, "path"]
        console.table(table[columns], line_width=None)  # paths last: they may be long
    n, n_judged = int((table["decision"] == "anomalous").sum()), int((table["decision"] != "").sum())
    n_remarks = int((table["remark"] != "").sum())
    judged = f"{n} of {n_judged} sound anomalous (threshold {threshold:.6g}); " if n_judged else ""
    remarked = f"; remarks on {n_remarks}" if n_remarks else ""
    console.say(f"{judged}{len(bad)} could not be scored{remarked}")
    if most := _remarks.on_all(n, n_judged):
        console.trouble(f"skasd: warning: {most}")
    counts = {"n_anomalous": n, "n_failed": len(bad), "n_remarks": n_remarks}
    console.result(output=args.output, threshold=threshold, **counts, clips=table)
    return 2 if not n_judged and shard is None else 1 if bad else 0


def _threshold(args, detector):
    """Return the threshold that the arguments set, None for the model's own."""
    if args.false_alarms is not None:
        return threshold_for(detector, args.false_alarms)
    if args.threshold is not None and not np.isfinite(args.threshold):
        raise ValueError(f"--threshold {args.threshold} is no finite number.")
    return args.threshold
