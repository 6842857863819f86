"""Cells of a benchmark, the tasks they share, and which of them are done."""

from dataclasses import dataclass
from itertools import pairwise

from ..compose import requested_metadata
from ._identity import FORMAT, describe, digest, versions
from ._work import Task, fit_method, taken_apart


@dataclass
class Cell:
    """One detector to be fitted: a data set, a machine or all of them, a system and a seed."""

    data: object
    system: str
    seed: int
    machines: tuple
    task: Task

    @property
    def machine(self):
        """Its machine; "" for all machines together."""
        return self.machines[0] if len(self.machines) == 1 else ""


def uses_proxies(estimator):
    """Tell whether an embedder in a detector learns from clips of other machines."""
    parts = [estimator, *estimator.get_params(deep=True).values()]
    return any(getattr(part, "uses_proxies", False) is True for part in parts if not isinstance(part, type))


def make_cells(data_sets, systems, seeds, n_threads):
    """Return all cells, in the order in which they are run and listed."""
    identities: dict = {}
    return [
        Cell(data, system.name, seed, machines, _task(data, system, seed, machines, n_threads, identities))
        for data in data_sets
        for system in systems
        for seed in seeds
        for machines in data.machines_of(system.joint)
    ]


def _task(data, system, seed, machines, n_threads, identities):
    detector = system.make(seed, machines[0] if len(machines) == 1 else None)
    if n_threads is not None:
        names = [name for name in detector.get_params() if name.rpartition("__")[2] == "n_threads"]
        detector.set_params(**dict.fromkeys(names, n_threads))
    train, metadata = data.training(machines, uses_proxies(detector))
    own = [section for i, section in enumerate(metadata["section"]) if not _is_proxy(metadata, i)]
    test, known = data.testing(machines, own)
    steps = taken_apart(detector)
    task = Task(steps, train, test, metadata, known, n_threads)
    place = (data.name, train.tobytes(), test.tobytes())
    if place not in identities:
        identities[place] = digest([data.identity[i] for i in train], [data.identity[i] for i in test])
    key = digest(FORMAT, versions(), n_threads, identities[place])
    for step in steps[:-1]:
        key = digest(key, describe(step), _values(requested_metadata(step, fit_method(step), metadata)))
        task.stages.append(key)
    last = steps[-1]
    told = requested_metadata(last, "decision_function", known) if hasattr(last, "decision_function") else {}
    task.key = digest(key, describe(last), _values(requested_metadata(last, "fit", metadata)), _values(told))
    return task


def _is_proxy(metadata, i):
    return "proxy" in metadata and bool(metadata["proxy"][i])


def _values(metadata):
    return {name: [describe(value) for value in values.tolist()] for name, values in metadata.items()}


def share(tasks):
    """Mark stages that several tasks need, and return one task for each such stage, by depth.

    A stage is worth storing if different steps follow it, not if the same next step always does. Each level has tasks
    with the number of steps to compute, and needs the levels before it.
    """
    followers: dict[str, set] = {}
    for task in tasks:
        for key, following in pairwise([*task.stages, task.key]):
            followers.setdefault(key, set()).add(following)
    shared = {key for key, found in followers.items() if len(found) > 1}
    levels: dict[int, dict] = {}
    for task in tasks:
        task.stored = [key in shared for key in task.stages]
        for depth, key in enumerate(task.stages, start=1):
            if key in shared:
                levels.setdefault(depth, {}).setdefault(key, (task, depth))
    return [list(levels[depth].values()) for depth in sorted(levels)]
