"""The published systems, as functions that return an unfitted scikit-learn estimator."""

from ._cqupt2023 import cqupt2023, cqupt2023_ensemble
from ._itmo2022 import ITMO_OUTLIERS as ITMO_OUTLIERS  # data, not a system, and therefore not in __all__
from ._itmo2022 import itmo2022, itmo2022_autoencoder, itmo2022_image
from ._jless2022 import jless2022_dpt, jless2022_ensemble, jless2022_mfn, jless2022_submission
from ._official import official_autoencoder, official_mobilenetv2
from ._scu2024 import scu2024, scu2024_classification, scu2024_oevae
from ._secom2021 import SECOM2021_SUBMISSIONS as SECOM2021_SUBMISSIONS  # data as well
from ._secom2021 import secom2021, secom2021_submission
from ._wilkinghoff import wilkinghoff_multibranch

__all__ = [
    "cqupt2023",
    "cqupt2023_ensemble",
    "itmo2022",
    "itmo2022_autoencoder",
    "itmo2022_image",
    "jless2022_dpt",
    "jless2022_ensemble",
    "jless2022_mfn",
    "jless2022_submission",
    "official_autoencoder",
    "official_mobilenetv2",
    "scu2024",
    "scu2024_classification",
    "scu2024_oevae",
    "secom2021",
    "secom2021_submission",
    "wilkinghoff_multibranch",
]
