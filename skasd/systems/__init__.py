"""The published systems, as functions that return an unfitted scikit-learn estimator."""

from ._jless2022 import jless2022_mfn
from ._official import official_mobilenetv2
from ._secom2021 import secom2021, secom2021_submission

__all__ = ["jless2022_mfn", "official_mobilenetv2", "secom2021", "secom2021_submission"]
