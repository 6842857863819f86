"""``skasd report``: one HTML file about scores or a benchmark."""

from pathlib import Path

from .. import load
from .._whole_file import check_output
from ..report import report_benchmark, report_scores
from . import _recordings
from ._evaluate import ground_truth


def run(args, console):
    """Write the report."""
    source = _recordings.tables(args.source)
    check_output(args.output)
    shown = {} if args.clips is None else {"n_clips": args.clips}
    if Path(source[0]).is_dir():
        given = {"--model": args.model, "--ground-truth": args.ground_truth, "--year": args.year}
        if unused := [name for name, value in given.items() if value is not None]:
            raise ValueError(
                f"{', '.join(unused)} cannot be combined with a benchmark, which knows these itself."
            )
        report_benchmark(source[0], args.output, **shown)
    else:
        truth = None if args.ground_truth is None else ground_truth(args, source, console)
        report_scores(
            source,
            args.output,
            detector=None if args.model is None else load(args.model),
            ground_truth=truth,
            year=args.year,
            settings={"command": args.command},
            **shown,
        )
    console.say(f"report: {args.output} ({Path(args.output).stat().st_size / 1e6:.1f} MB)")
    console.result(report=args.output, bytes=Path(args.output).stat().st_size)
    return 0
