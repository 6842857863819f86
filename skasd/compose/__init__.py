"""Estimators made of estimators."""

from ._augmented import Augmented
from ._detection import StepsMixin as StepsMixin
from ._domain_dependent import DomainDependent
from ._expected_rate import ExpectedRate as ExpectedRate
from ._expected_rate import expected_rate_of
from ._held_out import threshold_for
from ._last_step import fitted_steps
from ._later_clips import p_value_of, set_threshold
from ._normal_only import NormalOnly
from ._per_machine import PerMachine
from ._per_section import PerSection
from ._pipeline import Pipeline, make_pipeline
from ._rows import check_lengths as check_lengths
from ._rows import not_proxies as not_proxies
from ._rows import route_metadata as route_metadata
from ._rows import take as take
from ._score_ensemble import ScoreEnsemble
from ._scored_clips import requested_metadata, score_clips
from ._section_ensemble import SectionEnsemble
from ._section_ensemble import ready_columns as ready_columns
from ._section_scores import SectionScores
from ._select_best import SelectBest
from ._sound import only_parameter as only_parameter
from ._sound import sample_rate_of as sample_rate_of

__all__ = [
    "Augmented",
    "DomainDependent",
    "NormalOnly",
    "PerMachine",
    "PerSection",
    "Pipeline",
    "ScoreEnsemble",
    "SectionEnsemble",
    "SectionScores",
    "SelectBest",
    "expected_rate_of",
    "fitted_steps",
    "make_pipeline",
    "p_value_of",
    "requested_metadata",
    "score_clips",
    "set_threshold",
    "threshold_for",
]
