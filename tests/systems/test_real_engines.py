"""Every system fits and scores on real car engines: cars as sections and attributes, other machines as proxies."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.utils.metadata_routing import get_routing_for_object

from skasd import systems
from skasd.clips import Clips
from skasd.datasets import load_dcase

QUICK = {"max_epochs": 1, "random_state": 0}
SYSTEMS = {
    "secom2021": lambda: systems.secom2021("mobilenetv2", patch_hop=64, **QUICK),
    "secom2021_submission": lambda: systems.secom2021_submission(
        "Morita_SECOM_task2_3", patch_hop=64, **QUICK
    ),
    "jless2022_ensemble": lambda: systems.jless2022_ensemble(**QUICK),
    "itmo2022": lambda: systems.itmo2022(n_clips=4, n_added=8, **QUICK),
    "scu2024": lambda: systems.scu2024(**QUICK),
    "jless2022_mfn": lambda: systems.jless2022_mfn(**QUICK),
    "jless2022_dpt": lambda: systems.jless2022_dpt(**QUICK),
    "cqupt2023": lambda: systems.cqupt2023(**QUICK),
    "cqupt2023_ensemble": lambda: systems.cqupt2023_ensemble(4, **QUICK),
    "wilkinghoff_multibranch": lambda: systems.wilkinghoff_multibranch(**QUICK),
    "scu2024_classification": lambda: systems.scu2024_classification(**QUICK),
    "scu2024_oevae": lambda: systems.scu2024_oevae(width=16, **QUICK),
    "itmo2022_autoencoder": lambda: systems.itmo2022_autoencoder(**QUICK),
    "itmo2022_image": lambda: systems.itmo2022_image(n_clips=4, n_added=8, width=0.25, **QUICK),
    "official_autoencoder": lambda: systems.official_autoencoder(2024, "mahalanobis", **QUICK),
    "official_mobilenetv2": lambda: systems.official_mobilenetv2(patch_hop=32, **QUICK),
}


@pytest.fixture(scope="module")
def engines(real_data):
    cars = load_dcase(real_data("car_idle") / "dev_data").assign(proxy=False)
    cars["attribute"] = cars["attribute"].str[:6]
    test = cars[cars["split"] == "test"].groupby(["domain", "y"]).head(8)
    others = load_dcase(real_data("dcase2020_mini") / "dev_data")
    others = others[others["y"] == 1].assign(proxy=True, split="train", domain="source")
    others["attribute"] = others["machine"]
    table = pd.concat([cars[cars["split"] == "train"], others, test], ignore_index=True)
    return np.stack([waveform[:160_000] for waveform in Clips(table["path"])]), table


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The place of sections", "ignore:No gamma distribution")
@pytest.mark.parametrize("name", SYSTEMS)
def test_system_on_real_engines(name, engines):
    X, table = engines
    system = SYSTEMS[name]()
    exposed = name in ("itmo2022", "itmo2022_autoencoder", "itmo2022_image", "scu2024", "scu2024_oevae")
    train = table[(table["split"] == "train") & (exposed | ~table["proxy"])]
    test = table[table["split"] == "test"]
    known = {key: train[key].to_numpy() for key in ("attribute", "domain", "proxy")}
    known["machine"] = np.repeat("bearing", len(train))  # for the systems that choose by machine
    if not name.startswith(
        "secom"
    ):  # one car is the target domain: no source clips for a detector of its own
        known["section"] = train["attribute"].to_numpy()
    with sklearn.config_context(enable_metadata_routing=True):
        wanted = get_routing_for_object(system).consumes("fit", known)
        system.fit(X[train.index], **{key: known[key] for key in wanted})
    scores = system.score_samples(X[test.index])
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > len(scores) // 2
    assert set(system.predict(X[test.index])) <= {-1, 1}
