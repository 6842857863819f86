"""Places in time and frequency that anomaly scores come from: the detector is asked about clips with parts replaced."""

from ._explainer import Explainer, explain
from ._explanation import Explanation

__all__ = ["Explainer", "Explanation", "explain"]
