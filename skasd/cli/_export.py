"""``skasd export``: a model as one ONNX file."""

import os

from .. import load
from .._whole_file import check_output
from ..clips import leave_out_bad
from ..compose import fitted_steps, requested_metadata
from ..datasets import find_recordings, load_recordings
from . import _recordings, _systems


def add_arguments(parser):
    """Declare the arguments."""
    parser.add_argument("model", help="model file that 'skasd fit' wrote")
    parser.add_argument("-o", "--output", required=True, metavar="ONNX", help="file to write")
    parser.add_argument(
        "--verify",
        nargs="+",
        metavar="FILE",
        help="sound files, wildcards or folders: score them with the file and with the model, and compare",
    )
    parser.add_argument(
        "--int8",
        nargs="+",
        metavar="FOLDER",
        help="the recordings that were learnt from, as for 'skasd fit': the network in 8-bit integers, and references "
        "and threshold learnt anew",
    )


def run(args, console):
    """Export, compare, report."""
    from ..export import quantize, to_onnx, verify  # takes packages of the extra "onnx"

    detector = load(args.model)
    check_output(args.output)
    verified_on = None if args.verify is None else find_recordings(args.verify)
    bad = {}
    if args.int8 is None:
        to_onnx(detector, args.output)
    else:
        table = load_recordings(args.int8)
        _recordings.one_machine(table, args.int8[0])
        table = table[(table["split"] == "train") & (table["y"].fillna(1) == 1)]
        if table.empty:
            raise ValueError(f"There is no recording to learn from. {table.attrs['decided']}")
        known = _recordings.told(table)
        console.note(f"rounding by {len(table)} recordings below {args.int8[0]}")

        def write(clips, rows):
            own = {name: values[rows] for name, values in known.items()}
            own = requested_metadata(fitted_steps(detector)[-1], "fit", own)
            quantize(detector, args.output, clips, **own)

        with _systems.progress(detector, console):
            _, _, bad = _without_bad(write, table["path"].tolist(), console)
    size = os.path.getsize(args.output)
    console.say(f"exported: {args.output} ({size / 1e6:.1f} MB)")
    found = {}
    is_good = True
    if verified_on is not None:
        console.note(f"comparing it with {args.model} on {len(verified_on)} recordings")
        with _systems.progress(detector, console):
            agreement, _, others = _without_bad(
                lambda clips, rows: verify(args.output, detector, clips), verified_on, console
            )
        bad |= others
        is_good = agreement.is_good
        console.say(repr(agreement))
        found = {
            "n_compared": agreement.n_clips,
            "relative_difference": agreement.relative_difference,
            "n_changed": agreement.n_changed,
            "is_good": is_good,
        }
    console.result(output=args.output, bytes=size, n_failed=len(bad), **found)
    return 0 if is_good and not bad else 1


def _without_bad(function, paths, console):
    """Call a function with the recordings that can be read, and name the others."""
    result, kept, bad = leave_out_bad(function, paths)
    _recordings.say_left_out(paths, bad, console)
    return result, kept, {paths[position]: cause for position, cause in bad.items()}
