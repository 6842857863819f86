"""``skasd explain``: where in time and frequency a recording differs from healthy ones, as a model hears it."""

import os

import numpy as np

from .. import load
from .._whole_file import check_output
from ..compose import score_clips
from ..datasets import find_recordings
from ..explain import Explainer
from ..report import report_explanation
from . import _recordings
from ._console import printable

_MOST_FOR_ALARMS = 100  # healthy recordings, so that a watch begins within seconds


def run(args, console):
    """Explain, write, report."""
    detector = load(args.model)
    if args.output is not None:
        check_output(args.output)
    paths = healthy_recordings(args.healthy, detector, args.max_healthy, but=args.file)
    console.note(f"looking for the nearest of {len(paths)} healthy recordings")
    explainer = explainer_of(detector, paths, console)
    span = None if args.start is None and args.end is None else (args.start or 0.0, args.end)
    found = explainer.explain(args.file, span=span)
    threshold = score_clips(detector, [args.file])[1]
    decision = "anomalous" if found.score > threshold else "normal"
    console.say(f"{printable(args.file)}: {decision} (score {found.score:.6g}, threshold {threshold:.6g})")
    console.say(found.sentence)
    console.note(f"nearest healthy recording: {printable(str(found.nearest_))}")
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


def healthy_recordings(given, detector, most, but=""):
    """Return the paths of at most ``most`` healthy recordings, evenly drawn, without ``but``, the one to explain.

    ``given`` are folders, wildcards or files; None: those that the detector was fitted on.
    """
    if given is not None:
        wanted, where = find_recordings(given), " ".join(given)
    else:
        known = getattr(detector, "training_paths_", None)
        if known is None:
            known = (getattr(detector, "reference_", None) or {}).get("paths")
        wanted, where = [] if known is None else [str(path) for path in known], "The model"
    there = [path for path in wanted if os.path.isfile(path)]
    paths = [path for path in there if not (os.path.isfile(but) and os.path.samefile(path, but))]
    if not paths:
        what = "names no healthy recording"
        if wanted:
            what = f"names {len(wanted)} healthy recordings, {len(there)} of which are there"
            what += "; it takes another one" if but else ""
        raise ValueError(f"{where} {what}: name some with --healthy FOLDER.")
    return [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, min(len(paths), most)).astype(int))]


def explainer_of(detector, paths, console):
    """Return an `Explainer` with all healthy recordings that can be used."""

    def make(clips, rows):
        return Explainer(detector, clips, max_healthy=len(clips))

    return _recordings.use(paths, make, console)[0]


class AlarmExplainer:
    """Says where in the sound of an alarm its score comes from.

    Parameters
    ----------
    healthy : list of str or None
        Healthy recordings, as `healthy_recordings` takes them.
    detector : estimator
    console : Console

    Attributes
    ----------
    missing : str
        Why alarms cannot be explained, and what is needed; empty if they can.
    """

    def __init__(self, healthy, detector, console):
        self._console, self._explainer, self.missing = console, None, ""
        try:
            paths = healthy_recordings(healthy, detector, _MOST_FOR_ALARMS)
        except ValueError as error:
            if healthy is not None:
                raise
            self.missing = f"Alarms are not explained. {error}"
            return
        console.note(f"alarms are going to be held against the nearest of {len(paths)} healthy recordings")
        self._explainer = explainer_of(detector, paths, console)

    def __call__(self, waveform):
        """Return the explanation of a window, None if there is none."""
        if self._explainer is None or waveform is None:
            return None
        try:
            return self._explainer.explain(waveform)
        except (ValueError, TypeError, OSError) as error:
            self._console.trouble(f"skasd: the alarm is not explained: {error}")
            return None
