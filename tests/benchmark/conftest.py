"""Small data sets and systems of the benchmark's tests."""

import pytest
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MahalanobisScorer
from skasd.datasets import make_machine_sounds, write_machine_sounds


@pytest.fixture(scope="session")
def gearbox():
    return make_machine_sounds(n_train=24, n_test=20, duration=0.25, random_state=0)


@pytest.fixture(scope="session")
def two_machines():
    return make_machine_sounds(
        n_train=16, n_test=12, machine=["fan", "pump"], n_sections=2, duration=0.25, random_state=0
    )


@pytest.fixture
def wav_table(tmp_path):
    from skasd.datasets import load_dcase

    write_machine_sounds(tmp_path / "wav", n_train=12, n_test=12, duration=0.25, random_state=0)
    return load_dcase(tmp_path / "wav")


@pytest.fixture
def quick():
    """Three systems without network, one of them random."""
    front_end = [LogMelTransformer(n_mels=16), ClipStatistics()]
    return {
        "knn": make_pipeline(*front_end, KNNScorer()),
        "mahalanobis": make_pipeline(*front_end, MahalanobisScorer()),
        "forest": make_pipeline(*front_end, IsolationForest(n_estimators=10)),
    }
