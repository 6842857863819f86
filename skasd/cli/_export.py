"""``skasd export``: a model as one ONNX file."""

import os

from .. import load
from .._whole_file import check_output
from ..compose import fitted_steps, requested_metadata
from ..datasets import find_recordings, load_recordings
from . import _recordings, _systems


def run(args, console):
    """Export, compare, report."""
    from ..export import quantize, to_onnx, verify  # takes packages of the extra "onnx"

    detector = load(args.model)
    check_output(args.output)
    verified_on = None if args.verify is None else find_recordings(args.verify)
    bad = set()
    if args.int8 is None:
        to_onnx(detector, args.output)
    else:
        read_by = getattr(detector, "read_by_", {})
        table = load_recordings(args.int8, section_from=read_by.get("section_from"))
        _recordings.check_one_machine(table, args.int8[0])
        table = _recordings.to_learn_from(table)
        paths = table["path"].tolist()
        known = _recordings.metadata(table)
        # the default detector has those that it recognised by itself
        if read_by.get("groups_from") is not None or not hasattr(detector, "update"):
            known["groups"] = _recordings.groups(paths, read_by.get("groups_from"))
        console.note(f"rounding by {len(table)} recordings below {args.int8[0]}")

        def write(clips, rows):
            own = {name: values[rows] for name, values in known.items() if values is not None}
            own = requested_metadata(fitted_steps(detector)[-1], "fit", own)
            quantize(detector, args.output, clips, **own)

        bad |= _use(paths, write, detector, console)[1]
    size = os.path.getsize(args.output)
    console.say(f"exported: {args.output} ({size / 1e6:.1f} MB)")
    found = {}
    is_good = True
    if verified_on is not None:
        console.note(f"comparing it with {args.model} on {len(verified_on)} recordings")
        agreement, others = _use(
            verified_on, lambda clips, rows: verify(args.output, detector, clips), detector, console
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


def _use(paths, function, detector, console):
    """Return what a function makes of the recordings that can be used, and the set of the others."""
    with _systems.progress(detector, console):
        result, _, bad = _recordings.use(paths, function, console)
    return result, {paths[position] for position in bad}
