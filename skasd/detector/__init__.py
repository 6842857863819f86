"""The detector for those who do not want to choose one."""

from ._detector import AnomalousSoundDetector

__all__ = ["AnomalousSoundDetector"]
