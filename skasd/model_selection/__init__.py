"""Splitters that keep recordings whole, and a choice between detectors on healthy clips alone."""

from ._fixed_split import FixedSplit
from ._healthy_selection import HealthySelection
from ._recording_kfold import RecordingKFold
from ._without_anomalies import seeded as seeded
from ._without_anomalies import select_without_anomalies

__all__ = ["FixedSplit", "HealthySelection", "RecordingKFold", "select_without_anomalies"]
