"""Recordings, a model and scores that the tests of the commands share."""

import pytest

from skasd.cli import main
from skasd.datasets import write_machine_sounds


@pytest.fixture(scope="package")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_machine_sounds(folder, n_train=40, n_test=30, duration=0.5, random_state=0)
    return next((folder / "dev_data").iterdir())


@pytest.fixture(scope="package")
def model(recordings, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.skasd"
    assert main(["fit", str(recordings / "train"), "-o", str(path), "-q"]) == 0
    return str(path)


@pytest.fixture(scope="package")
def scores(recordings, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("scores") / "scores.csv"
    assert main(["score", model, str(recordings / "test"), "-o", str(path), "-q"]) == 0
    return str(path)
