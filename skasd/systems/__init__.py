"""The published systems, as functions that return an unfitted scikit-learn estimator."""

from ._cqupt2023 import cqupt2023, cqupt2023_ensemble
from ._jless2022 import jless2022_dpt, jless2022_ensemble, jless2022_mfn
from ._official import official_mobilenetv2
from ._secom2021 import secom2021, secom2021_submission

__all__ = [
    "cqupt2023",
    "cqupt2023_ensemble",
    "jless2022_dpt",
    "jless2022_ensemble",
    "jless2022_mfn",
    "official_mobilenetv2",
    "secom2021",
    "secom2021_submission",
]
