"""The same table wherever joblib has the cells computed."""

import pandas as pd
import pytest
from joblib import Parallel, parallel_config
from sklearn.pipeline import make_pipeline

from skasd import AutoencoderEmbedder, ColumnScorer, LogMelTransformer, MahalanobisScorer
from skasd.benchmark import _compute, run


@pytest.fixture
def recipes(quick):
    network = [LogMelTransformer(n_mels=16), AutoencoderEmbedder(max_epochs=1)]
    return {
        **quick,
        "mse": make_pipeline(*network, ColumnScorer()),
        "mahalanobis of mse": make_pipeline(*network, MahalanobisScorer()),
    }


def same(a, b):
    for name in ("table", "scores", "failures"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name), check_exact=True)


@pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.slow), "threading"])
def test_backends_of_joblib(backend, recipes, two_machines, wav_table, tmp_path):
    data = {"arrays": two_machines, "files": wav_table}
    expected = run(recipes, data)
    with parallel_config(backend=backend, n_jobs=2):
        same(run(recipes, data, out=tmp_path / "out"), expected)


def test_backends_that_give_all_results_at_once(monkeypatch, quick, gearbox):
    def parallel(n_jobs, return_as="list"):
        if return_as != "list":
            raise ValueError("not supported")
        return Parallel(n_jobs, return_as=return_as)

    expected = run(quick, gearbox)
    monkeypatch.setattr(_compute, "Parallel", parallel)
    same(run(quick, gearbox), expected)


@pytest.mark.long
def test_dask_cluster(recipes, two_machines, wav_table, tmp_path):
    distributed = pytest.importorskip("distributed")
    data = {"arrays": two_machines, "files": wav_table}
    expected = run(recipes, data)
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(tmp_path),
        ) as cluster,
        distributed.Client(cluster),
        parallel_config(backend="dask"),
    ):
        same(run(recipes, data, out=tmp_path / "out"), expected)
    assert len(list((tmp_path / "out" / "cells").glob("*.json"))) > 10
