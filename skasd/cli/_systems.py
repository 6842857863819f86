"""``skasd systems``: detectors by name; detectors made from arguments, their settings and progress bars."""

import inspect
from contextlib import contextmanager

from sklearn.base import BaseEstimator

from .. import AnomalousSoundDetector
from ._arguments import DEFAULT_SYSTEM


def default_detector():
    """Return the detector of ``fit`` without --system; nothing is trained."""
    return AnomalousSoundDetector()


def make(args, machine):
    """Return the unfitted detector that the arguments describe."""
    from ..benchmark import System  # not needed to score

    source = default_detector() if args.system == DEFAULT_SYSTEM else args.system
    detector = System(args.system, source).make(args.seed, machine)
    return configured(
        detector, contamination=args.contamination, sample_rate=args.sample_rate, n_jobs=args.n_jobs
    )


def configured(detector, **settings):
    """Set parameters wherever they occur in a detector, fitted or not; None leaves a parameter as it is."""
    for name, value in settings.items():
        if value is None:
            continue
        owners = [part for part in _parts(detector) if name in part.get_params(deep=False)]
        if not owners:
            raise ValueError(f"This detector has no parameter {name!r} to set to {value!r}.")
        for owner in owners:
            owner.set_params(**{name: value})
    return detector


def sample_rate(detector):
    """Return the sample rate that a detector works at, in Hz."""
    return next(
        (rate for part in _parts(detector) if (rate := part.get_params(deep=False).get("sample_rate"))), 16000
    )


@contextmanager
def progress(detector, console):
    """Let a detector show progress bars on standard error, and reset its parameters afterwards.

    Only for parts of this package: those of scikit-learn print lines to standard output, where only results belong.
    """
    show_progress(detector, console.shows_progress)
    try:
        yield
    finally:
        show_progress(detector, False)  # also in clones made meanwhile


def show_progress(detector, wanted):
    """Set ``verbose`` of the parts of a detector that show bars with it."""
    for part in _parts(detector):
        if type(part).__module__.startswith("skasd.") and "verbose" in part.get_params(deep=False):
            part.set_params(verbose=int(wanted))


def _parts(detector):
    """Yield a detector and all estimators in it, given and fitted ones, each once."""
    seen, waiting = set(), [detector]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, BaseEstimator):
            if not type(part).__module__.startswith("skorch."):  # networks contain data, but no estimators
                yield part
                waiting += vars(part).values()
        elif isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, (list, tuple)):
            waiting += part


def run(args, console):
    """Print names, first lines and arguments."""
    from .. import systems  # slow to import: many modules that no other command needs

    listed = {
        DEFAULT_SYSTEM: "AnomalousSoundDetector: the encoder that comes with the library and statistics, band by band."
    }
    for name in systems.__all__:
        listed[name] = inspect.getdoc(getattr(systems, name)).splitlines()[0]
        signature = inspect.signature(getattr(systems, name))
        plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
        arguments = signature.replace(parameters=plain, return_annotation=signature.empty)
        console.say(f"{name}\n    {listed[name]}\n    {name}{arguments}")
    console.say(f"{DEFAULT_SYSTEM}\n    {listed[DEFAULT_SYSTEM]}")
    console.say(f"submissions, by name: {', '.join(systems.SECOM2021_SUBMISSIONS)}")
    console.result(systems=listed, submissions=list(systems.SECOM2021_SUBMISSIONS))
    return 0
