"""Results do not depend on how many workers there are, nor on what threads a process has."""

import threading

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_info

from skasd._threads import fixed_threads, resolve_threads
from skasd.compose import PerSection, ScoreEnsemble
from skasd.embedders import ViTEmbedder
from skasd.scorers import KNNCosineScorer

from ._cases import EMBEDDERS, clips_for, weights


@pytest.fixture
def threads():
    """Return a function that sets torch's threads, and set them back in the end."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", EMBEDDERS)
def test_threads_of_the_process_play_no_part(name, threads):
    X, metadata = clips_for(name)
    found = []
    for n in (1, 2):
        threads(n)
        embedder = clone(EMBEDDERS[name]).fit(X, **metadata)
        assert torch.get_num_threads() == n
        found.append((weights(embedder), embedder.transform(X)))
        assert torch.get_num_threads() == n
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_number_matters():
    """Else the other tests could not fail."""
    X, metadata = clips_for("ViTEmbedder")
    embedder = EMBEDDERS["ViTEmbedder"]
    one, two = (clone(embedder).set_params(n_threads=n).fit(X, **metadata) for n in (1, 2))
    assert not np.array_equal(weights(one), weights(two))


def detectors():
    embedder = ViTEmbedder(max_epochs=2, patch_frames=16, random_state=0)
    detector = make_pipeline(embedder, KNNCosineScorer())
    other = make_pipeline(clone(embedder).set_params(random_state=1), KNNCosineScorer())
    search = {"vitembedder__lr": [1e-3, 3e-3]}
    return [
        (ScoreEnsemble([("a", detector), ("b", other)]), {}),
        (PerSection(None, detector), {"section": np.arange(24) % 2}),
        (GridSearchCV(detector, search, scoring=first_score, cv=2), {}),
    ]


def first_score(detector, X, y=None):
    return float(detector.score_samples(X)[0])


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_results_do_not_depend_on_the_number_of_workers(backend, threads):
    """A worker of joblib has fewer threads than the process that it works for."""
    X, _ = clips_for("ViTEmbedder")
    threads(2)
    for detector, metadata in detectors():
        found = []
        for n_jobs in (1, 2):
            with parallel_config(backend=backend):
                fitted = clone(detector).set_params(n_jobs=n_jobs).fit(X, **metadata)
            found.append(fitted.score_samples(X))
            if isinstance(detector, GridSearchCV):
                found.append(fitted.cv_results_["mean_test_score"])
        half = len(found) // 2
        for a, b in zip(found[:half], found[half:], strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_setting(monkeypatch):
    monkeypatch.setenv("SKASD_NUM_THREADS", "3")
    assert resolve_threads(None) == 3
    assert resolve_threads(2) == 2
    monkeypatch.delenv("SKASD_NUM_THREADS")
    assert resolve_threads(None) == 1
    for wrong in ("0", "-1", "two", ""):
        monkeypatch.setenv("SKASD_NUM_THREADS", wrong)
        with pytest.raises(ValueError, match="SKASD_NUM_THREADS"):
            ViTEmbedder().fit(np.zeros((4, 8, 20)))


def numbers():
    return [torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]


def test_threads_are_given_back_also_where_blocks_overlap(threads):
    threads(1)
    before = numbers()
    with fixed_threads(2):
        assert set(numbers()) == {2}
        with fixed_threads(3), pytest.raises(ZeroDivisionError), fixed_threads(4):
            raise ZeroDivisionError
        assert set(numbers()) == {2}
    assert numbers() == before
    inside, leave = threading.Event(), threading.Event()

    def work():
        with fixed_threads(2):
            inside.set()
            leave.wait()

    first = threading.Thread(target=work)
    first.start()
    inside.wait()
    with fixed_threads(2):
        leave.set()
        first.join()
        assert set(numbers()) == {2}  # who leaves first takes nothing from the other
    assert numbers() == before
