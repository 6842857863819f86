"""``skasd demo``: the other commands in a row, on synthetic recordings."""

import argparse
import shlex
from pathlib import Path

from ..datasets import write_machine_sounds
from . import _arguments, _evaluate, _fit, _report, _score


def run(args, console):
    """Run the commands, each as it would be typed."""
    folder = Path(args.output)
    table = write_machine_sounds(
        folder / "recordings", n_train=args.clips, n_test=args.clips, random_state=args.seed
    )
    machine = folder / "recordings" / "dev_data" / table["machine"].iloc[0]
    console.note(f"{len(table)} synthetic recordings in {machine}")
    model, scores, report = folder / "model.skasd", folder / "scores.csv", folder / "report.html"
    test, truth = str(machine / "test"), ["--ground-truth", str(machine / "test")]
    steps = [
        (_fit, [str(machine / "train"), "-o", str(model)]),
        (_score, [str(model), test, "-o", str(scores)]),
        (_evaluate, [str(scores), test]),
        (_report, [str(scores), "-o", str(report), "--model", str(model), *truth]),
    ]
    for module, arguments in steps:
        name = module.__name__.rpartition("._")[2]
        command = shlex.join(["skasd", name, *arguments])
        console.say(f"\n$ {command}")
        parser = argparse.ArgumentParser(prog=f"skasd {name}")
        getattr(_arguments, name)(parser)
        parser.set_defaults(command=command)
        if code := module.run(parser.parse_args(arguments), console):
            return code
    return 0
