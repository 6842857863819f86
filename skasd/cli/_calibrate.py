"""``skasd calibrate``: another threshold for a model, from later healthy recordings."""

import numpy as np
from joblib import parallel_config

from .. import load, save
from .._whole_file import check_output
from ..compose import fitted_steps, set_threshold
from ..scorers.thresholds import expected_rate
from . import _recordings, _systems


def run(args, console):
    """Score, set the threshold, save."""
    if args.false_alarms is not None and not 0 < args.false_alarms <= 0.5:
        raise ValueError(f"--false-alarms must be above 0 and at most 0.5, got {args.false_alarms:g}.")
    output = args.model if args.output is None else args.output
    detector = load(args.model)
    last = fitted_steps(detector)[-1]
    if not hasattr(last, "set_threshold"):
        raise ValueError(
            f"{args.model}: {type(last).__name__} has no threshold of skasd's that could be set."
        )
    check_output(output)
    table, decided = _recordings.healthy_ones(args)
    console.note(decided)
    paths = _recordings.new_ones(table, detector, console)["path"].tolist()
    console.note(f"scoring {len(paths)} healthy recordings with {args.model}")
    rate = args.false_alarms or getattr(detector, "contamination", None) or last.calibration_rate_
    before = float(last.threshold_)
    groups_from = args.groups_from or getattr(detector, "read_by_", {}).get("groups_from")
    groups = _recordings.groups(paths, groups_from)
    if groups is None:  # each file counts as a recording
        groups = np.array(paths, dtype=object)

    def set_from(clips, rows):
        return set_threshold(detector, clips, contamination=rate, groups=groups[rows])

    with _systems.progress(detector, console), parallel_config("threading", n_jobs=args.n_jobs or 1):
        _, kept, bad = _recordings.use(paths, set_from, console)
    save(detector, output)
    after = float(last.threshold_)
    n = last.n_later_recordings_
    expected = expected_rate(rate, n)
    of = "" if n == len(kept) else f" files of {n} recording{'s' * (n > 1)}"
    console.say(
        f"model: {output} (threshold {before:.6g}, now {after:.6g}: {expected:.1%} of healthy recordings like these "
        f"lie above it; set from {len(kept)}{of})"
    )
    console.result(
        model=output,
        false_alarms=rate,
        n_clips=len(kept),
        threshold_before=before,
        threshold=after,
        left_out=[paths[i] for i in bad],
    )
    return 1 if bad else 0
