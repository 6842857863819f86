"""Computing what is not stored, with joblib's backend."""

import tempfile
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path

from joblib import Parallel, delayed

from ._plan import share
from ._store import Store
from ._work import compute_cell, compute_features


@contextmanager
def open_store(out):
    """Yield the store of finished cells; it is temporary if there is no folder for it."""
    if out is not None:
        yield Store(Path(out) / "cells")
        return
    with tempfile.TemporaryDirectory(prefix="skasd-benchmark-") as folder:
        yield Store(folder, keeps_cells=False)


def compute(cells, store, n_jobs, verbose):
    """Compute what is not stored; return finished cells and causes of failures by key."""
    done, waiting, X = {}, {}, {}
    for cell in cells:
        key = cell.task.key
        if key in done or key in waiting:
            continue
        found = store.read_cell(key)
        if found is None:
            waiting[key] = cell.task
            X[key] = cell.data.X
        else:
            done[key] = found
    levels = share(list(waiting.values()))
    errors: dict[str, str] = {}
    total = sum(map(len, levels)) + len(waiting)
    with _progress(total, len(done), verbose) as bar:
        for level in levels:
            jobs = [
                (task.stages[depth - 1], (X[task.key], task, depth, store))
                for task, depth in level
                if not _failed(task.stages[: depth - 1], errors)
                and not store.has_features(task.stages[depth - 1])
            ]
            bar.update(len(level) - len(jobs))
            for key, (_, error) in _parallel(compute_features, jobs, n_jobs):
                bar.update()
                if error is not None:
                    errors[key] = error
        jobs = []
        for key, task in waiting.items():
            if cause := _failed(task.stages, errors):
                errors[key] = cause
                bar.update()
            else:
                jobs.append((key, (X[key], task, store)))
        for key, (cell, error) in _parallel(compute_cell, jobs, n_jobs):
            bar.update()
            if error is None:
                done[key] = cell
                if store.keeps_cells and not store.cell_path(key).is_file():  # a worker on another machine
                    store.write_cell(key, cell)
            else:
                errors[key] = error
    if not errors:
        store.drop_features({key for cell in cells for key in cell.task.stages})
    return done, errors


def _failed(keys, errors):
    return next((errors[key] for key in keys if key in errors), None)


def _parallel(function, jobs, n_jobs):
    """Yield key and result of each job as it finishes; one that kills its worker fails, others are not affected."""
    left = dict(jobs)
    try:
        for key, result in _results(function, left, n_jobs):
            del left[key]
            yield key, result
        return
    except BrokenExecutor:
        pass  # and all waiting jobs failed with the worker: run one by one, they show which job it was
    for key, arguments in left.items():
        try:
            yield from _results(function, {key: arguments}, n_jobs)
        except BrokenExecutor:
            yield key, (None, "its worker process was killed, by lack of memory perhaps")


def _results(function, jobs, n_jobs):
    calls = [delayed(_keyed)(function, key, *arguments) for key, arguments in jobs.items()]
    if not calls:
        return
    try:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    except ValueError:  # a backend that returns all results at once
        parallel = Parallel(n_jobs=n_jobs)
    yield from parallel(calls)


def _keyed(function, key, *arguments):
    return key, function(*arguments)


@contextmanager
def _progress(total, n_done, verbose):
    from tqdm.auto import tqdm

    with tqdm(total=total, desc="benchmark", unit="cell", disable=not verbose) as bar:
        if n_done:
            bar.set_postfix_str(f"{n_done} found finished")
        yield bar
