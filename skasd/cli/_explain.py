"""``skasd explain``: where in time and frequency a recording differs from healthy ones in the ears of a model."""

import os

import numpy as np

from .. import load
from .._whole_file import check_output
from ..clips import leave_out_bad
from ..compose import score_clips
from ..datasets import find_recordings
from ..explain import Explainer
from ..report import report_explanation
from ._console import printable

HELP = "say where in time and frequency a recording sounds anomalous, on a page with pictures and both sounds"


def add_arguments(parser):
    """Declare the arguments."""
    parser.add_argument("model", help="model file that 'skasd fit' wrote")
    parser.add_argument("file", help="the recording")
    parser.add_argument(
        "--healthy",
        nargs="+",
        metavar="FOLDER",
        help="healthy recordings to hold it against: folders, wildcards or files (default: those learnt from, where "
        "they are still there)",
    )
    parser.add_argument("-o", "--output", metavar="HTML", help="page to write (default: print the sentence alone)")
    parser.add_argument("--from", dest="start", type=float, metavar="S", help="look at the part from this second on")
    parser.add_argument("--to", dest="end", type=float, metavar="S", help="look at the part up to this second")
    parser.add_argument(
        "--max-healthy", type=int, default=200, metavar="N", help="healthy recordings looked at, evenly drawn (200)"
    )


def run(args, console):
    """Explain, write, report."""
    detector = load(args.model)
    if args.output is not None:
        check_output(args.output)
    paths = _healthy(args, detector, console)
    console.note(f"looking for the nearest of {min(len(paths), args.max_healthy)} healthy recordings")
    explainer = Explainer(detector, paths, max_healthy=args.max_healthy)
    span = None
    if args.start is not None or args.end is not None:
        seconds = explainer.seconds(args.file)
        span = (args.start or 0.0, seconds if args.end is None else args.end)
    found = explainer.explain(args.file, span=span)
    threshold = score_clips(detector, [args.file])[1]
    decision = "anomalous" if found.score > threshold else "normal"
    console.say(f"{printable(args.file)}: {decision} (score {found.score:.6g}, threshold {threshold:.6g})")
    console.say(found.sentence)
    console.note(f"held against {printable(str(found.nearest_))}")
    if args.output is not None:
        report_explanation(
            found,
            args.output,
            name=os.path.basename(args.file),
            threshold=threshold,
            settings={"command": args.command},
            detector=detector,
        )
        console.say(f"page: {args.output} ({os.path.getsize(args.output) / 1e6:.1f} MB)")
    console.result(
        output=args.output,
        score=found.score,
        threshold=threshold,
        decision=decision,
        sentence=found.sentence,
        nearest=found.nearest_,
        segments=found.segments_,
        bands=found.bands_,
    )
    return 0


def _healthy(args, detector, console):
    """Return the paths of the healthy recordings."""
    if args.healthy is not None:
        wanted, where = find_recordings(args.healthy), " ".join(args.healthy)
    else:
        known = getattr(detector, "training_paths_", None)
        if known is None:
            known = (getattr(detector, "reference_", None) or {}).get("paths")
        wanted, where = [] if known is None else list(known), "the model"
    # of another recording than that to explain, which would be its own nearest
    paths = [path for path in wanted if not os.path.exists(path) or not os.path.samefile(path, args.file)]
    there = [path for path in paths if os.path.isfile(path)]
    if not there:
        what = "names no healthy recordings" if not wanted else f"names {len(wanted)} healthy recordings, none of them is there"
        raise ValueError(f"{where} {what}: give some with --healthy FOLDER.")
    some = [there[i] for i in np.unique(np.linspace(0, len(there) - 1, min(len(there), args.max_healthy)).astype(int))]
    _, kept, bad = leave_out_bad(lambda clips, rows: Readable(clips), some, allow_empty=True)
    return [some[i] for i in kept]
