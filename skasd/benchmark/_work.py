"""What a worker does: features that several cells share, and cells: one detector fitted, its clips scored."""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object

from .._sklearn_compat import safe_indexing
from .._threads import fixed_threads
from ..clips import ClipError, ClipWarning
from ..compose import PerSection, anomaly_scores_of, offset_of
from ._measure import Measured
from ._store import Features


@dataclass
class Task:
    """All that a worker needs to know for one cell.

    Its `steps` are the detector taken apart: transformers, then what gives the scores. `stages` are the keys of what
    the transformers make of the clips, `stored` tells which of them are kept for other cells.
    """

    steps: list
    train: np.ndarray  # rows of the data set
    test: np.ndarray
    metadata: dict  # of the training clips
    known: dict  # of the test clips
    n_threads: int | None
    key: str = ""
    stages: list = field(default_factory=list)
    stored: list = field(default_factory=list)


def taken_apart(detector):
    """Return the steps of a detector: transformers, then one that scores.

    Fitting one step after the other gives what fitting the detector gives: a `PerSection` does to embeddings the same
    whether it made them or got them.
    """
    if isinstance(detector, Pipeline) and not getattr(detector, "transform_input", None):
        steps = [step for _, step in detector.steps if step is not None and not isinstance(step, str)]
        if steps:
            before = [part for step in steps[:-1] for part in _transformers(step)]
            return [*before, *taken_apart(steps[-1])]
    if type(detector) is PerSection and detector.embedder is not None:
        return [*_transformers(detector.embedder), clone(detector).set_params(embedder=None)]
    return [detector]


def _transformers(step):
    if isinstance(step, Pipeline) and not getattr(step, "transform_input", None):
        return [
            part for _, inner in step.steps if not isinstance(inner, str) for part in _transformers(inner)
        ]
    return [step]


def wanted(step, method, metadata):
    """Return the metadata that a method of a step requests."""
    with sklearn.config_context(enable_metadata_routing=True):
        names = get_routing_for_object(step).consumes(method, metadata)
    return {name: metadata[name] for name in sorted(names)}


def fit_method(step):
    """Return the method by which a pipeline would fit a transformer."""
    return "fit_transform" if hasattr(step, "fit_transform") else "fit"


def compute_features(X, task, depth, store):
    """Compute features that are to be stored, unless they are; return None and the cause of a failure, or None."""
    return _guarded(task, lambda: _features(X, task, depth, store) and None)


def compute_cell(X, task, store):
    """Fit and score a cell and store it; return it and None, or None and the cause of a failure."""
    cell, error = _guarded(task, lambda: _cell(X, task, store))
    if error is None:
        store.write_cell(task.key, cell)
    return cell, error


def _guarded(task, call: Callable):
    """Return the result of a call and None, or None and what went wrong."""
    threads = nullcontext() if task.n_threads is None else fixed_threads(task.n_threads)
    try:
        with threads, sklearn.config_context(enable_metadata_routing=True), warnings.catch_warnings():
            warnings.simplefilter("ignore", ClipWarning)  # told once, for all cells, at the end
            return call(), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def _features(X, task, depth, store):
    """Return the features after `depth` steps, computing what is not stored."""
    if depth == 0:
        everything = np.arange(len(task.train)), np.arange(len(task.test))
        return Features(safe_indexing(X, task.train), safe_indexing(X, task.test), *everything, {}, [])
    key, stored = task.stages[depth - 1], task.stored[depth - 1]
    if stored and (found := store.read_features(key)) is not None:
        return found
    features = _features(X, task, depth - 1, store)
    step = clone(task.steps[depth - 1])
    name = type(step).__name__
    method = fit_method(step)
    rows: list[dict] = []

    def fit(clips, kept):
        metadata = {k: v[kept] for k, v in wanted(step, method, task.metadata).items()}
        if method == "fit_transform":
            return step.fit_transform(clips, None, **metadata)  # with a y, as pipelines do
        return step.fit(clips, None, **metadata).transform(clips)

    with Measured(rows, name, "fit"):
        train, kept_train, bad = _without_bad(fit, features.train, features.kept_train)
    causes = {**features.causes, **{int(task.train[i]): cause for i, cause in bad.items()}}
    with Measured(rows, name, "score"):
        test, kept_test, bad = _without_bad(
            lambda clips, kept: step.transform(clips), features.test, features.kept_test, may_be_empty=True
        )
    causes |= {int(task.test[i]): cause for i, cause in bad.items()}
    timings = [*features.timings, *({**row, "shared": stored} for row in rows)]
    features = Features(train, test, kept_train, kept_test, causes, timings)
    if stored:
        store.write_features(key, features)
    return features


def _cell(X, task, store):
    features = _features(X, task, len(task.steps) - 1, store)
    detector = clone(task.steps[-1])
    name = type(detector).__name__
    rows: list[dict] = []

    def fit(clips, kept):
        metadata = {k: v[kept] for k, v in wanted(detector, "fit", task.metadata).items()}
        return detector.fit(clips, None, **metadata)

    with Measured(rows, name, "fit"):
        _, _, bad = _without_bad(fit, features.train, features.kept_train)
    causes = {**features.causes, **{int(task.train[i]): cause for i, cause in bad.items()}}
    known = (
        wanted(detector, "decision_function", task.known) if hasattr(detector, "decision_function") else {}
    )
    threshold = 0.0

    def score(clips, kept):
        nonlocal threshold
        if not hasattr(detector, "score_samples"):
            return -detector.decision_function(clips, **{k: v[kept] for k, v in known.items()})
        offset = offset_of(detector, clips)
        threshold = -offset
        return anomaly_scores_of(detector, clips, offset, **{k: v[kept] for k, v in known.items()})

    with Measured(rows, name, "score"):
        some, kept_test, bad = _without_bad(score, features.test, features.kept_test, may_be_empty=True)
    causes |= {int(task.test[i]): cause for i, cause in bad.items()}
    scores = np.full(len(task.test), np.nan)
    if some is not None:
        scores[kept_test] = some
    return {
        "anomaly_score": scores.tolist(),
        "threshold": float(threshold),
        "causes": [[row, cause] for row, cause in sorted(causes.items())],
        "timings": [*features.timings, *({**row, "shared": False} for row in rows)],
    }


def _without_bad(call, clips, kept, may_be_empty=False):
    """Call a function with clips and the positions of those kept, again without those it finds unusable.

    Returns
    -------
    result : object
        None if there is no clip left and that is allowed.
    kept : ndarray of int
    bad : dict
        Cause by position.
    """
    bad: dict[int, str] = {}
    while len(kept) or not may_be_empty:
        try:
            return call(clips, kept), kept, bad
        except ClipError as error:
            found = _positions(error, clips)
            if not found or (len(found) == len(kept) and not may_be_empty):
                raise
            bad |= {int(kept[i]): cause for i, cause in found.items()}
            left = np.array([i for i in range(len(kept)) if i not in found], dtype=int)
            clips, kept = safe_indexing(clips, left), kept[left]
    return None, kept, bad


def _positions(error, clips):
    """Return the causes by position; files are looked up, since a part of a detector may have seen some clips only."""
    found = {}
    for position, (what, cause) in error.bad_clips.items():
        same = [i for i, clip in enumerate(clips) if isinstance(clip, str) and repr(clip) == what]
        found |= dict.fromkeys(same or [position], cause)
    return {position: cause for position, cause in found.items() if position < len(clips)}
