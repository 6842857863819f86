"""Degenerate training clips and metadata: every published system gives finite scores, or a clear error."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object

from skasd import systems
from tests.hostile.tables import degenerate_tables, rows
from tests.hostile.test_degenerate_tables import N_SEEDS, output, what_is_wrong

N_SAMPLES = 4000  # a quarter of a second of noise
QUICK = {"max_epochs": 1, "random_state": 0}
# tables that can be scored, of ten or more; LOF within sections refuses one more than the others
N_SCORED = {"jless2022_ensemble": 9, "jless2022_mfn": 9}
BRANCHES = {"n_samples": N_SAMPLES, "branch_dim": 16}
IMAGE = {"width": 0.25, "n_clips": 2, "n_added": 4}
SYSTEMS = {
    "cqupt2023": lambda: systems.cqupt2023("vit", **QUICK),
    "cqupt2023_ensemble": lambda: systems.cqupt2023_ensemble(2, **QUICK),
    "itmo2022_autoencoder": lambda: systems.itmo2022_autoencoder(**QUICK),
    "official_autoencoder": lambda: systems.official_autoencoder(2023, "mahalanobis", **QUICK),
}
SLOW = {
    "cqupt2023 mobilenetv2 sed nll": lambda: systems.cqupt2023(
        "mobilenetv2", "sed", score="nll", width=0.25, **QUICK
    ),
    "itmo2022": lambda: systems.itmo2022(**QUICK),
    "itmo2022_image": lambda: systems.itmo2022_image(**IMAGE, **QUICK),
    "jless2022_dpt": lambda: systems.jless2022_dpt(**QUICK),
    "jless2022_ensemble": lambda: systems.jless2022_ensemble(**QUICK),
    "jless2022_mfn": lambda: systems.jless2022_mfn(**QUICK),
    "jless2022_submission": lambda: systems.jless2022_submission(2, "fan", **QUICK),
    "official_mobilenetv2": lambda: systems.official_mobilenetv2(**QUICK, patch_hop=16),
    "scu2024": lambda: systems.scu2024(**QUICK).set_params(
        classification__embedder__n_samples=N_SAMPLES,
        classification__embedder__branch_dim=16,
        oevae__oevaeembedder__width=8,
        oevae__oevaeembedder__embedding_dim=64,
    ),
    "scu2024_classification": lambda: systems.scu2024_classification(**BRANCHES, **QUICK),
    "scu2024_oevae": lambda: systems.scu2024_oevae(width=8, **QUICK),
    "secom2021": lambda: systems.secom2021("mobilenetv2", width=0.25, **QUICK),
    "secom2021_submission": lambda: systems.secom2021_submission("Morita_SECOM_task2_3", "fan", **QUICK),
    "wilkinghoff_multibranch": lambda: systems.wilkinghoff_multibranch(**BRANCHES, **QUICK),
}


def tries(system, seed, exposed):
    """Yield the name of a table of clips, what is wrong with what comes of it, and whether it was scored."""
    known = {"section", "domain", "proxy", "attribute", "machine"}
    wanted = set(get_routing_for_object(system).consumes("fit", known))
    for name, (X, metadata) in degenerate_tables(seed, N_SAMPLES, wide=2 * N_SAMPLES).items():
        if not set(metadata) <= wanted:
            continue
        if "machine" in wanted:  # which chooses the system
            metadata = {"machine": ["fan"] * len(X), **metadata}
        if exposed:
            metadata = {"proxy": np.arange(len(X)) % 2 == 1, **metadata}
        scored = []

        def fit(X=X, metadata=metadata, scored=scored):
            model = clone(system).fit(X, **metadata)
            scorer = model[-1] if isinstance(model, Pipeline) else model
            assert np.isfinite(scorer.offset_)
            for table in (X, rows(3, N_SAMPLES)):
                yield table, output(model, table)
                scored.append(True)

        yield name, what_is_wrong(name, fit), bool(scored)


def check(name, system):
    wrong, n_scored = [], 0
    exposed = name.startswith("itmo")  # to clips of other machines
    with sklearn.config_context(enable_metadata_routing=True):
        for seed in range(N_SEEDS):
            for table, found, scored in tries(system, seed, exposed):
                n_scored += scored
                if found is not None:
                    wrong.append(f"{table} ({seed=}): {found}")
    assert not wrong, "\n".join(wrong)
    assert n_scored >= N_SCORED.get(name, 10) * N_SEEDS, "the small system hardly takes any clips"


@pytest.mark.parametrize("name", SYSTEMS)
def test_degenerate_clips(name):
    check(name, SYSTEMS[name]())


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_degenerate_clips_in_large_systems(name):
    check(name, SLOW[name]())


def test_all_systems_are_here():
    assert {name.split()[0] for name in SYSTEMS | SLOW} == set(systems.__all__)


def test_a_choice_by_machine_needs_clips():
    system = systems.jless2022_ensemble()
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(ValueError, match="No clip to fit PerMachine on: n_samples=0"),
    ):
        system.fit(np.empty((0, N_SAMPLES)), machine=[])
