"""Explanations of anomaly scores in time and frequency, found by scoring clips with parts replaced."""

from ._explainer import Explainer, explain
from ._explanation import Explanation

__all__ = ["Explainer", "Explanation", "explain"]
