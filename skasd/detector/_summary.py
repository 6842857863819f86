"""Summary of the default detector."""

import numpy as np

from ..scorers.thresholds import FEWEST, clips_needed, expected_rate


def summary(detector):
    """Return a few lines on what a fitted `AnomalousSoundDetector` learnt and what to expect of it."""
    sections, wanted = detector.steps_[-1], detector.contamination
    n, n_heard = len(detector.training_scores_), detector.n_clips_
    what = f"{n} clip{'s' * (n > 1)}" if n == n_heard else f"{n} of the {n_heard} clips heard"
    lines = [f"AnomalousSoundDetector, mode {detector.mode!r}: learnt from {what}"]
    if detector.sections_:
        lines[0] += f" of {len(detector.sections_)} sections"
    set_later = not np.array_equal(sections.calibration_scores_, sections.training_scores_)
    for name, scorer in sections.estimators_.items():
        where = "" if name is None else f"section {name!r}: "
        n, rate = scorer.n_recordings_, scorer.attainable_rate_
        what = (
            f"{n} recording{'s' * (n > 1)}"
            if n < len(scorer.blocks_)
            else f"{n} clip{'s' * (n > 1)}, each taken as a recording of its own"
        )
        if set_later:
            lines.append(f"{where}{what}")
            continue
        lines.append(
            f"{where}{what}; expect about {max(wanted, rate):.1%} false alarms on new ones"
            if n >= FEWEST
            else f"{where}{what}; how much these differ cannot be seen in fewer than {FEWEST}: all new ones may be "
            "called anomalous"
        )
        if rate > wanted:
            lines.append(f"{where}{wanted:.1%} was asked for, which takes {clips_needed(wanted)} recordings")
    if set_later:
        n_clips = len(sections.calibration_scores_)
        n = sections.n_later_recordings_ or n_clips
        rate = expected_rate(sections.calibration_rate_, n)
        of = "" if n == n_clips else f" of {n} recording{'s' * (n > 1)}"
        lines.append(
            f"threshold set later, from {n_clips} healthy clips{of}; expect about {rate:.1%} false alarms on clips "
            "like them"
        )
    lines.append(f"threshold {detector.threshold_ + 0.0:.4g}")
    if detector.mode == "best":
        lines.append(f"networks: {', '.join(name for name, _ in detector.steps_[0].transformer_list)}")
    return "\n".join(lines)
