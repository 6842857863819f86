"""Small clips on which an embedder can learn something in seconds."""

import numpy as np
import pytest

N_BINS, N_FRAMES = 24, 40


def make_clips(n_per_section, n_sections, random_state, nuisance=1.0, anomaly=None):
    """Clips with a comb of lines per section under nuisances: level, tilt and noise.

    ``anomaly="shift"`` moves the comb by two bins, ``"comb"`` is one of a spacing that no section has.
    """
    rng = np.random.default_rng(random_state)
    clips, section = [], []
    bins = np.arange(N_BINS)
    for s in range(n_sections):
        spacing = 3 if anomaly == "comb" else s + 4
        lines = ((bins - 2 * (anomaly == "shift")) % spacing == 0).astype(float)
        for _ in range(n_per_section):
            tilt = rng.normal() * np.linspace(-6, 6, N_BINS) + rng.normal() * 8 * np.sin(
                bins / N_BINS * np.pi
            )
            level = rng.normal() * 6
            noise = 2 * rng.normal(size=(N_BINS, N_FRAMES))
            clips.append(5 * lines[:, None] + nuisance * (tilt[:, None] + level) + noise - 40)
            section.append(f"s{s}")
    return np.asarray(clips, dtype=np.float32), np.array(section)


def make_test_clips(anomaly, nuisance=1.0):
    normal, section = make_clips(12, 4, 1, nuisance)
    anomalous, _ = make_clips(12, 4, 2, nuisance, anomaly)
    return np.concatenate([normal, anomalous]), np.r_[np.ones(len(normal)), -np.ones(len(anomalous))], section


@pytest.fixture(scope="session")
def train():
    return make_clips(24, 4, 0)


@pytest.fixture(scope="session")
def few(train):
    """As many clips as it takes where nothing is to be learnt: six a section."""
    return tuple(values[::4] for values in train)
