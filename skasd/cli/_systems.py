"""``skasd systems``: the detectors that there are by name, and what the other commands do with a name."""

import inspect

from sklearn.pipeline import make_pipeline

from .. import ClipStatistics, LogMelTransformer, MahalanobisScorer
from ..benchmark._systems import System, _submissions

HELP = "list the detectors that --system and --systems know"
DEFAULT = "default"


def default_detector():
    """Return the detector of ``make demo`` and of ``fit`` without --system; it needs no network."""
    return make_pipeline(LogMelTransformer(), ClipStatistics(), MahalanobisScorer())


def add_choice(parser):
    """Declare --system and --seed."""
    parser.add_argument(
        "--system",
        default=DEFAULT,
        metavar="NAME",
        help="published system, as 'secom2021' or 'secom2021:detector=knn,max_epochs=5'; see 'skasd systems'",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random (0)")


def make(args, machine, verbose):
    """Return the unfitted detector of the name, with the settings that the arguments tell."""
    source = default_detector() if args.system == DEFAULT else args.system
    detector = System(args.system, source).make(args.seed, machine)
    wanted = {"contamination": args.contamination, "sample_rate": args.sample_rate, "n_jobs": args.n_jobs}
    return configured(detector, verbose=verbose or None, **wanted)


def configured(detector, **settings):
    """Set parameters by their last names, wherever they occur in a detector; None leaves them."""
    for name, value in settings.items():
        if value is None:
            continue
        places = [key for key in detector.get_params(deep=True) if key.rpartition("__")[2] == name]
        if not places:
            raise ValueError(f"This detector has no parameter {name!r} to set to {value!r}.")
        detector.set_params(**dict.fromkeys(places, value))
    return detector


def add_arguments(parser):
    """Declare the arguments: none."""


def run(args, console):
    """Print names, first lines and arguments."""
    from .. import systems  # loads torch, which the detector without a name does not need

    listed = {DEFAULT: "Mean and spread of log-mel bands, Mahalanobis distance; no network."}
    for name in systems.__all__:
        listed[name] = inspect.getdoc(getattr(systems, name)).splitlines()[0]
        console.say(f"{name}\n    {listed[name]}\n    {name}{inspect.signature(getattr(systems, name))}")
    console.say(f"{DEFAULT}\n    {listed[DEFAULT]}")
    console.say(f"submissions, by name: {', '.join(_submissions())}")
    console.result(systems=listed, submissions=list(_submissions()))
    return 0
