"""Work on clips in other processes, on this computer or others, through joblib."""

import os
import sys
from contextlib import ExitStack

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend

from ._checks import is_path

_MOST_CLIPS = 32  # at a time


def is_elsewhere(n_jobs):
    """Return whether work would be done by workers that share no memory with this process.

    That is so if a :obj:`joblib.parallel_config` names such a backend; joblib's default backend is replaced by threads.
    Work that already runs in such a worker stays there.
    """
    backend, _ = get_active_backend(prefer="threads")
    if getattr(backend, "supports_sharedmem", False) or getattr(backend, "nesting_level", 0):
        return False
    if n_jobs == 1 or _is_task_of_a_cluster():
        return False
    return effective_n_jobs(n_jobs) > 1


def _is_task_of_a_cluster():
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def filled_elsewhere(clips, out, write, *, n_jobs, verbose, description):
    """Let workers write arrays, a few clips at a time (see `Clips.fill`); return the causes of bad clips."""
    good = np.flatnonzero(clips.n_samples >= 0)
    n_parts = 4 * effective_n_jobs(n_jobs)
    step = max(1, min(_MOST_CLIPS, -(-len(good) // n_parts)))
    parts = [good[start : start + step] for start in range(0, len(good), step)]
    causes = {}
    with ExitStack() as stack:
        advance = None
        if verbose:
            from tqdm.auto import tqdm

            bar = stack.enter_context(tqdm(total=len(clips), desc=description, unit="clip"))
            bar.update(len(clips) - len(good))
            advance = bar.update
        workers = Parallel(n_jobs=n_jobs, batch_size=1, return_as="generator")
        tasks = (
            delayed(_written)(_part(clips, rows), [(out[i].shape, out[i].dtype) for i in rows], write)
            for rows in parts
        )
        for rows, (arrays, bad) in zip(parts, workers(tasks), strict=True):
            for i, array in zip(rows.tolist(), arrays, strict=True):
                out[i][...] = array
            causes |= {int(rows[i]): cause for i, cause in bad.items()}
            if advance is not None:
                advance(len(rows))
    return causes


def _part(clips, rows):
    """Return some of the clips, so that bad ones among them cause neither an error nor a warning.

    Paths are made absolute because workers have their own working directory.
    """
    array = clips.array
    part = type(clips)(
        [_absolute(clips._clips[i]) for i in rows] if array is None else array[rows],
        sample_rate=clips.sample_rate,
        channel=clips.channel,
        on_error="skip",
        min_samples=clips.min_samples,
        min_samples_reason=clips.min_samples_reason,
        limits=clips.limits,
    )
    part.reports = False
    return part


def _absolute(clip):
    return os.path.abspath(clip) if is_path(clip) else clip


def _written(clips, kinds, write):
    """Return the arrays of some clips, and the bad clips among them."""
    out = [np.zeros(shape, dtype) for shape, dtype in kinds]
    with parallel_config("sequential"):
        write(clips, out, None, n_jobs=1, verbose=0, description="")
    return out, clips.causes
