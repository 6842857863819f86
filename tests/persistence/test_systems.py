"""Every published system comes back from its file as it was."""

import numpy as np
import pytest
import sklearn
from sklearn.utils.metadata_routing import get_routing_for_object

from skasd import systems
from skasd.datasets import make_machine_sounds
from skasd.persistence import load, save

from ..systems import test_exposed_systems, test_systems

QUICK = {"max_epochs": 0, "random_state": 0}  # untrained networks are as hard to store as trained ones
BRANCHES = {"n_samples": 16000, "branch_dim": 16}
SYSTEMS = {
    "cqupt2023": lambda: systems.cqupt2023(width=0.25, **QUICK),
    "cqupt2023 vit sed nll": lambda: systems.cqupt2023("vit", "sed", score="nll", **QUICK),
    "cqupt2023_ensemble": lambda: systems.cqupt2023_ensemble(2, **QUICK),
    "itmo2022": lambda: systems.itmo2022(n_clips=2, n_added=4, **QUICK),
    "itmo2022_autoencoder": lambda: systems.itmo2022_autoencoder(**QUICK),
    "itmo2022_image": lambda: systems.itmo2022_image(width=0.25, n_clips=2, n_added=4, **QUICK),
    "jless2022_dpt": lambda: systems.jless2022_dpt(**QUICK),
    "jless2022_ensemble": lambda: systems.jless2022_ensemble(**QUICK),
    "jless2022_mfn": lambda: systems.jless2022_mfn(**QUICK),
    "jless2022_submission": lambda: systems.jless2022_submission(2, "fan", **QUICK),
    "official_autoencoder": lambda: systems.official_autoencoder(2023, "mahalanobis", **QUICK),
    "official_mobilenetv2": lambda: systems.official_mobilenetv2(**QUICK, patch_hop=16),
    "scu2024": lambda: systems.scu2024(**QUICK),
    "scu2024_classification": lambda: systems.scu2024_classification(**BRANCHES, **QUICK),
    "scu2024_oevae": lambda: systems.scu2024_oevae(width=8, **QUICK),
    "secom2021": lambda: systems.secom2021("mobilenetv2", width=0.25, **QUICK),
    "secom2021_submission": lambda: systems.secom2021_submission(
        "Morita_SECOM_task2_3", machine="fan", **QUICK
    ),
    "wilkinghoff_multibranch": lambda: systems.wilkinghoff_multibranch(**BRANCHES, **QUICK),
}
TRAINED = {
    f"{kind}: {name}": make
    for kind, some in [
        ("sections", test_systems.SYSTEMS | test_systems.SLOW),
        ("proxies", test_exposed_systems.SYSTEMS | test_exposed_systems.SLOW),
    ]
    for name, make in some.items()
}
LARGE = ("scu2024",)  # its parts are not
# these learn from the clips of the machine only
WITHOUT_PROXIES = ("cqupt", "jless", "official_mobilenetv2", "secom", "sections")

pytestmark = pytest.mark.filterwarnings("ignore:The place of sections", "ignore:No gamma distribution")


@pytest.fixture(scope="module")
def sounds():
    return make_machine_sounds(
        n_train=10,
        n_test=6,
        n_target_train=4,
        machine=["gearbox", "fan"],
        duration=1.0,
        severity=2.0,
        random_state=0,
    )


def check_system(name, system, sounds, path):
    table = sounds.table
    train = (table["split"] == "train").to_numpy()
    metadata = {
        "section": table["machine"].to_numpy(),
        "domain": table["domain"].to_numpy(),
        "attribute": table["attribute"].to_numpy(),
        "proxy": (table["machine"] == "fan").to_numpy(),
        "machine": np.repeat("fan", len(train)),
    }
    if name.startswith(WITHOUT_PROXIES):
        del metadata["proxy"]
    with sklearn.config_context(enable_metadata_routing=True):
        wanted = set(get_routing_for_object(system).consumes("fit", metadata))
        system.fit(sounds.X[train], **{key: metadata[key][train] for key in wanted})
        save(system, path)
        again = load(path)
    test = sounds.X[~train][::4]
    for method in ("score_samples", "decision_function", "predict"):
        found = getattr(again, method)(test)
        np.testing.assert_array_equal(found, getattr(system, method)(test))
        assert np.isfinite(found).all()
    print(f"{name}: {path.stat().st_size / 1e6:.2f} MB")
    return again


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in SYSTEMS]
)
def test_every_system(name, sounds, tmp_path):
    again = check_system(name, SYSTEMS[name](), sounds, tmp_path / "m.skasd")
    save(again, tmp_path / "again.skasd")
    assert (tmp_path / "again.skasd").read_bytes() == (tmp_path / "m.skasd").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_trained_systems(name, sounds, tmp_path):
    check_system(name, TRAINED[name](), sounds, tmp_path / "m.skasd")


def test_all_systems_are_here():
    assert {name.split()[0] for name in SYSTEMS} == set(systems.__all__)
