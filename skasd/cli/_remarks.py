"""Recording conditions that ``fit`` keeps in the model, and remarks of ``score`` on recordings that differ in them."""

import numpy as np
from tqdm import tqdm

from ..clips import RecordingConditions
from ..report import USUAL_CAUSES
from . import _systems

_AT_A_TIME = 256


def learn(detector, paths, console, n_jobs=None):
    """Store in a fitted detector how its training recordings were made."""
    detector.training_conditions_ = RecordingConditions(_systems.sample_rate(detector))
    learn_more(detector, paths, console, n_jobs)


def learn_more(detector, paths, console, n_jobs=None):
    """Add further recordings to the conditions stored in a detector, if it has any."""
    conditions = getattr(detector, "training_conditions_", None)
    if conditions is not None:
        conditions.set_params(n_jobs=n_jobs)
        for some in _in_parts(paths, console):
            conditions.update(some)
        conditions.set_params(n_jobs=None)


def on(detector, paths, console, n_jobs=None):
    """Return a remark on each recording, "" where there is none.

    Models that `learn` did not prepare do not hold the conditions of their recordings: then only the sound is checked.
    """
    conditions = getattr(detector, "training_conditions_", None)
    if conditions is None:
        conditions = RecordingConditions(_systems.sample_rate(detector))
    conditions.set_params(n_jobs=n_jobs)
    found = [conditions.remarks(some) for some in _in_parts(paths, console)]
    return np.concatenate([np.empty(0, dtype=object), *found])


def _in_parts(paths, console):
    """Yield some paths at a time, with a progress bar."""
    with tqdm(total=len(paths), desc="recordings", unit="file", disable=not console.shows_progress) as bar:
        for first in range(0, len(paths), _AT_A_TIME):
            some = paths[first : first + _AT_A_TIME]
            yield some
            bar.update(len(some))


def on_all(n_anomalous, n_scored):
    """Return a warning about a batch in which most recordings are anomalous, else None."""
    if n_scored < 2 or 2 * n_anomalous <= n_scored:
        return None
    return (
        f"{n_anomalous} of {n_scored} sound anomalous: more than half. Unless the machine is broken, these recordings "
        f"differ from those learnt from as a whole. Usual causes: {USUAL_CAUSES}. 'skasd fit' on healthy recordings "
        "made like these helps."
    )
