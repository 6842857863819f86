"""Tasks of a worker: features that several cells share, and cells: one detector fitted, its clips scored."""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._sklearn_compat import safe_indexing
from .._threads import fixed_threads
from ..clips import ClipWarning, leave_out_bad
from ..compose import PerSection, requested_metadata, score_clips
from ._measure import Measured
from ._store import Features


@dataclass
class Task:
    """All that a worker needs to know for one cell.

    Its `steps` are those of the detector: transformers, then the scorer. `stages` are the keys of the transformers'
    outputs, `stored` tells which of them are kept for other cells.
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

    Fitting one step after the other gives what fitting the detector gives: a `PerSection` treats embeddings alike
    whether it computed or received them.
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


def fit_method(step):
    """Return the method by which a pipeline would fit a transformer."""
    return "fit_transform" if hasattr(step, "fit_transform") else "fit"


def compute_features(X, task, depth, store):
    """Compute and store features unless they are stored; return None and the cause of a failure, or None."""
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
            warnings.simplefilter("ignore", ClipWarning)  # reported once, for all cells, at the end
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
    timed: list[dict] = []

    def fit(clips, rows):
        metadata = _taken(requested_metadata(step, method, task.metadata), features.kept_train[rows])
        if method == "fit_transform":
            return step.fit_transform(clips, None, **metadata)  # with a y, as pipelines do
        return step.fit(clips, None, **metadata).transform(clips)

    with Measured(timed, name, "fit"):
        train, rows_train, bad = leave_out_bad(fit, features.train)
    causes = {**features.causes, **{int(task.train[features.kept_train[i]]): bad[i] for i in bad}}
    with Measured(timed, name, "score"):
        test, rows_test, bad = leave_out_bad(
            lambda clips, rows: step.transform(clips), features.test, allow_empty=True
        )
    causes |= {int(task.test[features.kept_test[i]]): bad[i] for i in bad}
    kept = features.kept_train[rows_train], features.kept_test[rows_test]
    timings = [*features.timings, *({**timing, "shared": stored} for timing in timed)]
    features = Features(train, [] if test is None else test, *kept, causes, timings)
    if stored:
        store.write_features(key, features)
    return features


def _cell(X, task, store):
    features = _features(X, task, len(task.steps) - 1, store)
    detector = clone(task.steps[-1])
    name = type(detector).__name__
    timed: list[dict] = []

    def fit(clips, rows):
        metadata = _taken(requested_metadata(detector, "fit", task.metadata), features.kept_train[rows])
        return detector.fit(clips, None, **metadata)

    with Measured(timed, name, "fit"):
        _, _, bad = leave_out_bad(fit, features.train)
    causes = {**features.causes, **{int(task.train[features.kept_train[i]]): bad[i] for i in bad}}

    def score(clips, rows):
        return score_clips(detector, clips, _taken(task.known, features.kept_test[rows]))

    with Measured(timed, name, "score"):
        scored, rows_test, bad = leave_out_bad(score, features.test, allow_empty=True)
    causes |= {int(task.test[features.kept_test[i]]): bad[i] for i in bad}
    found, threshold = ([], 0.0) if scored is None else scored
    scores = np.full(len(task.test), np.nan)
    scores[features.kept_test[rows_test]] = found
    return {
        "anomaly_score": scores.tolist(),
        "threshold": float(threshold),
        "causes": [[row, cause] for row, cause in sorted(causes.items())],
        "timings": [*features.timings, *({**timing, "shared": False} for timing in timed)],
    }


def _taken(metadata, rows):
    return {name: values[rows] for name, values in metadata.items()}
