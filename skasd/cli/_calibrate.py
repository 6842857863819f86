"""``skasd calibrate``: another threshold for a model, from later healthy recordings."""

from joblib import parallel_config

from .. import load, save
from .._whole_file import check_output
from ..clips import leave_out_bad
from ..compose import fitted_steps, set_threshold
from ..scorers.thresholds import expected_rate
from . import _recordings, _systems


def add_arguments(parser):
    """Declare the arguments."""
    parser.add_argument("model", help="model file that 'skasd fit' wrote")
    _recordings.add_arguments(parser)
    parser.add_argument(
        "--false-alarms",
        type=float,
        metavar="RATE",
        help="share of healthy recordings that may be called anomalous (default: what the model was fitted for)",
    )
    parser.add_argument("-o", "--output", metavar="MODEL", help="model file to write (default: in place)")
    parser.add_argument("--n-jobs", type=int, metavar="N", help="threads that read and compute features")


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
    rate = getattr(detector, "contamination", None) or last.calibration_rate_
    rate = rate if args.false_alarms is None else args.false_alarms
    before = float(last.threshold_)
    with _systems.progress(detector, console), parallel_config("threading", n_jobs=args.n_jobs or 1):
        _, kept, bad = leave_out_bad(
            lambda clips, rows: set_threshold(detector, clips, contamination=rate), paths
        )
    _recordings.say_left_out(paths, bad, console)
    save(detector, output)
    after = float(last.threshold_)
    expected = expected_rate(rate, len(kept))
    console.say(
        f"model: {output} (threshold {before:.6g}, now {after:.6g}: {expected:.1%} of healthy recordings like these "
        f"lie above it; set from {len(kept)})"
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
