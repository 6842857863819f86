"""Small clips on which an embedder can learn something in seconds."""

import numpy as np
import pytest

N_BINS, N_FRAMES = 24, 40


def make_clips(n_per_section, n_sections, random_state, shift=0):
    """Clips with a comb of lines per section under strong nuisances: level, tilt and noise.

    ``shift`` moves one line of the comb: an anomaly that is small beside the nuisances.
    """
    rng = np.random.default_rng(random_state)
    clips, section = [], []
    bins = np.arange(N_BINS)
    for s in range(n_sections):
        lines = (bins % (s + 4) == 0).astype(float)
        if shift:
            lines = np.roll(lines, shift)
        for _ in range(n_per_section):
            tilt = rng.normal() * np.linspace(-6, 6, N_BINS) + rng.normal() * 8 * np.sin(bins / N_BINS * np.pi)
            level = rng.normal() * 6
            clip = 5 * lines[:, None] + tilt[:, None] + level + 2 * rng.normal(size=(N_BINS, N_FRAMES)) - 40
            clips.append(clip)
            section.append(f"s{s}")
    return np.asarray(clips, dtype=np.float32), np.array(section)


@pytest.fixture(scope="session")
def train():
    return make_clips(24, 4, 0)


@pytest.fixture(scope="session")
def test():
    normal, section = make_clips(12, 4, 1)
    anomalous, section_a = make_clips(12, 4, 2, shift=2)
    y = np.r_[np.ones(len(normal)), -np.ones(len(anomalous))]
    return np.concatenate([normal, anomalous]), y, np.r_[section, section_a]
