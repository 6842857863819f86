"""What the same work done in another way may change: nothing, or what BOUNDS says. docs/reliability.md has it too."""

import copy
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone

from skasd.clips import RecordingConditions
from skasd.persistence import load, save
from tests.hostile.tables import rows
from tests.test_estimator_checks import instances

# The greatest difference, in parts of the greatest number, by the module of the estimator and the way. Where there is
# no entry it is 0: equal to the last bit.
_AT_A_TIME = ("other order", "one by one", "in two parts")
BOUNDS = {
    # matrix products of float32: which kernel runs, and so how sums are rounded, depends on how many rows there are
    **{("embedders", way): 1e-5 for way in _AT_A_TIME},
    # the same in float64
    **{(module, way): 1e-12 for module in ("scorers", "compose", "detector") for way in _AT_A_TIME},
}
TRAIN, TEST = rows(24, 48), rows(12, 48, seed=1)


def estimators():
    """Return those that learn from or change a table, with seeds."""
    for estimator in instances():
        if not isinstance(estimator, RecordingConditions):
            if "random_state" in estimator.get_params(deep=False):
                estimator.set_params(random_state=0)
            yield estimator


def output(model, X):
    return np.asarray(model.transform(X) if hasattr(model, "transform") else model.score_samples(X))


def fitted_again(estimator, model, folder):
    return output(clone(estimator).fit(TRAIN), TEST)


def other_order(estimator, model, folder):
    order = np.random.default_rng(0).permutation(len(TEST))
    return output(model, TEST[order])[np.argsort(order)]


def one_by_one(estimator, model, folder):
    return np.concatenate([output(model, TEST[i : i + 1]) for i in range(len(TEST))])


def halves(estimator, model, folder):
    return np.concatenate([output(model, TEST[:5]), output(model, TEST[5:])])


def saved(estimator, model, folder):
    save(model, folder / "m", trusted=("tests",))  # what scores the choices of SelectBest
    return output(load(folder / "m", trusted=("tests",)), TEST)


def pickled(estimator, model, folder):
    return output(pickle.loads(pickle.dumps(model)), TEST)


def copied(estimator, model, folder):
    return output(copy.deepcopy(model), TEST)


def two_jobs(estimator, model, folder, backend="threading"):
    with parallel_config(backend=backend):
        return output(clone(estimator).set_params(n_jobs=2).fit(TRAIN), TEST)


def dask_jobs(estimator, model, folder):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None):
        return two_jobs(estimator, model, folder, "dask")


WAYS = {
    "fitted again": fitted_again,
    "other order": other_order,
    "one by one": one_by_one,
    "in two parts": halves,
    "saved": saved,
    "pickled": pickled,
    "copied": copied,
    "n_jobs=2, threads": two_jobs,
    "n_jobs=2, loky": partial(two_jobs, backend="loky"),
    "n_jobs=2, Dask": dask_jobs,
}
SLOW = ("n_jobs=2, loky", "n_jobs=2, Dask")


def cases():
    for estimator in estimators():
        for way in WAYS:
            if not way.startswith("n_jobs") or "n_jobs" in estimator.get_params(deep=False):
                marks = [pytest.mark.slow] if way in SLOW else []
                yield pytest.param(estimator, way, marks=marks, id=f"{type(estimator).__name__}, {way}")


_fitted: dict = {}


def fitted(estimator):
    name = type(estimator).__name__
    if name not in _fitted:
        model = clone(estimator).fit(TRAIN)
        _fitted[name] = model, output(model, TEST)
    return _fitted[name]


@pytest.mark.parametrize(("estimator", "way"), list(cases()))
@pytest.mark.filterwarnings(
    "ignore:There is one class:UserWarning"
)  # of an augmenter, which does nothing then
def test_determinism(estimator, way, tmp_path):
    model, expected = fitted(estimator)
    found = WAYS[way](estimator, model, tmp_path)
    assert found.shape == expected.shape
    difference = np.abs(found.astype(float) - expected).max() / np.abs(expected).max()
    assert difference <= BOUNDS.get((type(estimator).__module__.split(".")[1], way), 0)


def test_the_table_of_the_documentation_is_this_one():
    page = (Path(__file__).resolve().parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8")
    table = {}
    for line in page.splitlines():
        way, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if way in WAYS:
            table[way] = cells
    assert table == {
        way: [
            f"{BOUNDS.get((module, way), 0):g}" for module in ("features", "embedders", "scorers", "compose")
        ]
        for way in WAYS
    }
