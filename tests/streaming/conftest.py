"""Fitted detectors of half-second clips, and sound that goes on."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skasd import AnomalousSoundDetector, ClipStatistics, LogMelTransformer, MahalanobisScorer

RATE = 16000
SECONDS = 1.0


def noise(n_samples, seed=0, tone=0.0):
    """Healthy sound, and with a tone sound that is not."""
    rng = np.random.default_rng(seed)
    healthy = 0.1 * rng.standard_normal(n_samples, dtype=np.float32)
    return healthy + np.float32(tone) * np.sin(np.arange(n_samples, dtype=np.float32) / 9)


def clips(n, seed=1):
    return noise(n * RATE, seed).reshape(n, RATE)


@pytest.fixture(scope="package")
def pipeline():
    """Log-mel statistics and a Mahalanobis distance."""
    front = LogMelTransformer(hop_length=400, n_mels=16)
    return make_pipeline(front, ClipStatistics(), MahalanobisScorer(contamination=0.005)).fit(clips(240))


@pytest.fixture(scope="package")
def default():
    return AnomalousSoundDetector(contamination=0.1).fit(clips(24))
