"""Estimators made of estimators."""

from ._augmented import Augmented
from ._domain_dependent import DomainDependent
from ._held_out import anomaly_scores_of, offset_of, threshold_for
from ._normal_only import NormalOnly
from ._per_section import PerSection
from ._pipeline import Pipeline, make_pipeline
from ._score_ensemble import ScoreEnsemble
from ._select_best import SelectBest

__all__ = [
    "Augmented",
    "DomainDependent",
    "NormalOnly",
    "PerSection",
    "Pipeline",
    "ScoreEnsemble",
    "SelectBest",
    "anomaly_scores_of",
    "make_pipeline",
    "offset_of",
    "threshold_for",
]
