"""Estimators made of estimators."""

from ._augmented import Augmented
from ._domain_dependent import DomainDependent
from ._normal_only import NormalOnly
from ._per_section import PerSection
from ._score_ensemble import ScoreEnsemble
from ._select_best import SelectBest

__all__ = ["Augmented", "DomainDependent", "NormalOnly", "PerSection", "ScoreEnsemble", "SelectBest"]
