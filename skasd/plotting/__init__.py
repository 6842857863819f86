"""Pictures of sounds, embeddings and anomaly scores, in scikit-learn's ``Display`` convention.

Every display is made by a class method (``from_estimator``, ``from_predictions`` ...), keeps the
numbers it draws as attributes, and can be drawn again with ``plot(ax=...)``. matplotlib is imported
when a display is drawn, never before (``pip install skasd[plot]``).
"""

from ._anomaly_map import AnomalyMapDisplay, anomaly_map
from ._embedding import EmbeddingDisplay
from ._roc import ROCByDomainDisplay
from ._score import ScoreDisplay
from ._spectrogram import SpectrogramDisplay
from ._timeline import TimelineDisplay

__all__ = [
    "AnomalyMapDisplay",
    "EmbeddingDisplay",
    "ROCByDomainDisplay",
    "ScoreDisplay",
    "SpectrogramDisplay",
    "TimelineDisplay",
    "anomaly_map",
]
