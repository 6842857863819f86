"""``skasd info``: what a model file holds."""

import os

import numpy as np

from .. import load
from ..compose import expected_rate_of, fitted_steps
from ..persistence import ModelFileError, describe
from ..scorers.thresholds import FEWEST
from . import _systems


def run(args, console):
    """Read and print."""
    file = describe(args.model)
    found = {"model": args.model, **file}
    lines = {
        "file": f"{args.model}, {file['size'] / 1e6:.1f} MB, format {file['format_version']}",
        "estimator": file["estimator"],
        "written with": ", ".join(f"{name} {version}" for name, version in file["versions"].items()),
    }
    try:
        detector = load(args.model)
    except ModelFileError as error:
        _print(lines, console)
        console.trouble(f"skasd: {error}")
        console.result(**found, error=str(error))
        return 1
    steps = fitted_steps(detector)
    rate = _systems.sample_rate(detector)
    lines["steps"] = ", ".join(type(step).__name__ for step in steps)
    lines["sample rate"] = f"{rate} Hz"
    found |= {"steps": [type(step).__name__ for step in steps], "sample_rate": rate}
    for more, values in (_recordings(detector), _sections(steps[-1]), _threshold(detector, steps[-1])):
        lines |= more
        found |= values
    if hasattr(detector, "summary") and "threshold" in found:
        found["summary"] = detector.summary()
        del lines["threshold"], lines["false alarms"]  # the summary says more about them
    _print(lines, console)
    if "summary" in found:
        console.say(found["summary"])
    console.result(**found)
    return 0


def _print(lines, console):
    width = max(map(len, lines)) + 2
    for name, text in lines.items():
        console.say(f"{name + ':':{width}}{text}")


def _recordings(detector):
    """Return what is known of the recordings learnt from: lines for people, values for programs."""
    lines, values = {}, {}
    paths = getattr(detector, "training_paths_", None)
    if paths:
        folder = os.path.commonpath([os.path.dirname(path) for path in paths])
        lines["fitted on"] = f"{len(paths)} recordings below {folder}"
        values |= {"n_training_paths": len(paths), "folder": folder}
    conditions = getattr(detector, "training_conditions_", None)
    if conditions is not None:
        low, high = conditions.level_range_
        channels = " or ".join(map(str, conditions.channels_))
        lines["recorded"] = (
            f"at {conditions.sample_rate_:g} Hz or more, channels: {channels}, {conditions.shortest_:.3g} s or longer"
            + (f", level {low:.0f} to {high:.0f} dB" if np.isfinite(low) else "")
        )
        values["recorded"] = {
            name: getattr(conditions, f"{name}_")
            for name in ("sample_rate", "channels", "shortest", "level_range")
        }
    return lines, values


def _sections(last):
    sections = list(getattr(last, "sections_", []))
    lines = {"sections": ", ".join(map(str, sections))} if sections else {}
    return lines, {"sections": sections}


def _threshold(detector, last):
    """Return the threshold, what it comes from, and what rate of false alarms to expect."""
    threshold = getattr(last, "threshold_", None)
    if threshold is None and hasattr(last, "offset_"):  # a detector of scikit-learn
        threshold = -np.ravel(last.offset_)[0]
    if threshold is None:
        return {"threshold": "none: the estimator is not fitted, or has none"}, {}
    values = {"threshold": float(threshold)}
    text = f"{threshold:.6g}"
    expected = expected_rate_of(detector)
    if expected is None:
        return {"threshold": text}, values
    rate, wanted = expected.rate, expected.wanted
    lines = {
        "threshold": f"{text}, from {expected.n} {expected.what}",
        "false alarms": f"about {rate:.1%} of healthy clips like them"
        + (f" ({wanted:.1%} wanted)" if rate > wanted else "")
        if expected.is_known
        else f"not known: how much healthy clips differ cannot be seen in fewer than {FEWEST}",
    }
    rates = {"false_alarms": rate, "false_alarms_wanted": wanted, "set_later": expected.set_later}
    return lines, {**values, **rates}
