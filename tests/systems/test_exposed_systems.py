"""Systems that learn from clips of other machines, from attributes, or from waveforms."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone

from skasd import systems
from skasd.datasets import make_machine_sounds

QUICK = {"max_epochs": 1, "random_state": 0}
SMALL_IMAGE = {"width": 0.25, "n_clips": 8, "n_added": 16, "batch_size": 8}
SMALL_BRANCHES = {"n_samples": 16000, "branch_dim": 16}
SYSTEMS = {
    "official_autoencoder 2020 mse": lambda: systems.official_autoencoder(2020, **QUICK),
    "official_autoencoder 2023 mahalanobis": lambda: systems.official_autoencoder(
        2023, "mahalanobis", **QUICK
    ),
    "itmo2022_autoencoder": lambda: systems.itmo2022_autoencoder(**QUICK),
    "itmo2022_image": lambda: systems.itmo2022_image(**SMALL_IMAGE, **QUICK),
    "wilkinghoff_multibranch": lambda: systems.wilkinghoff_multibranch(**SMALL_BRANCHES, **QUICK),
    "scu2024_classification": lambda: systems.scu2024_classification(**SMALL_BRANCHES, **QUICK),
    "scu2024_oevae": lambda: systems.scu2024_oevae(width=8, **QUICK),
}
SLOW = {
    "wilkinghoff_multibranch of 2": lambda: systems.wilkinghoff_multibranch(2, **SMALL_BRANCHES, **QUICK),
    "scu2024": lambda: systems.scu2024(**QUICK),
}


@pytest.fixture(scope="module")
def sounds():
    """Two machines of which the fan stands in for anomalies of the gearbox."""
    return make_machine_sounds(
        n_train=16,
        n_test=8,
        n_target_train=4,
        machine=["gearbox", "fan"],
        duration=1.0,
        severity=2.0,
        random_state=0,
    )


def metadata_of(table):
    return {
        "section": table["machine"].to_numpy(),
        "domain": table["domain"].to_numpy(),
        "attribute": table["attribute"].to_numpy(),
        "proxy": (table["machine"] == "fan").to_numpy(),
    }


def fit(system, sounds, **more):
    train = (sounds.table["split"] == "train").to_numpy()
    metadata = {**metadata_of(sounds.table), **more}
    with sklearn.config_context(enable_metadata_routing=True):
        router = sklearn.utils.metadata_routing.get_routing_for_object(clone(system))
        wanted = set(router.consumes("fit", metadata))
        return clone(system).fit(
            sounds.X[train], **{k: v[train] for k, v in metadata.items() if k in wanted}
        ), wanted


def check_system(system, sounds):
    detector, wanted = fit(system, sounds)
    assert wanted
    test = ((sounds.table["split"] == "test") & (sounds.table["machine"] == "gearbox")).to_numpy()
    scores = detector.score_samples(sounds.X[test])
    assert scores.shape == (test.sum(),)
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > test.sum() // 2
    assert set(detector.predict(sounds.X[test])) <= {-1, 1}


@pytest.mark.filterwarnings("ignore:No gamma distribution")
@pytest.mark.parametrize("name", SYSTEMS)
def test_system_fits_and_scores(name, sounds):
    check_system(SYSTEMS[name](), sounds)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:No gamma distribution")
@pytest.mark.parametrize("name", SLOW)
def test_large_system_fits_and_scores(name, sounds):
    check_system(SLOW[name](), sounds)


@pytest.mark.parametrize("name", ["wilkinghoff_multibranch", "scu2024_classification"])
def test_one_network_and_the_references_of_each_machine(name):
    made = make_machine_sounds(
        n_train=24,
        n_test=4,
        n_target_train=4,
        machine=["gearbox", "fan", "pump", "valve"],
        duration=1.0,
        random_state=0,
    )
    table = made.table
    train, test = (table["split"] == "train").to_numpy(), (table["split"] == "test").to_numpy()
    machine, domain = table["machine"].to_numpy(), table["domain"].to_numpy()
    known = {
        "section": machine[train],
        "attribute": table["attribute"].to_numpy()[train],
        "domain": domain[train],
    }
    with sklearn.config_context(enable_metadata_routing=True):
        detector = SYSTEMS[name]().fit(made.X[train], **known)
        told = detector.decision_function(made.X[test], section=machine[test])
        with pytest.raises(ValueError, match="'lathe'"):
            detector.decision_function(made.X[test][:1], section=["lathe"])
    learnt, heard = detector.embedder_.transform(made.X[train]), detector.embedder_.transform(made.X[test])
    for one in np.unique(machine):
        own = machine[train] == one
        alone = clone(detector.estimator).fit(learnt[own], domain=domain[train][own])
        of_it = machine[test] == one
        np.testing.assert_allclose(told[of_it], alone.decision_function(heard[of_it]))
        assert len(alone.references_["source"]) == 16
        assert len(alone.references_["target"]) == 4
    # told another machine, it compares with that one's clips
    other = np.roll(np.unique(machine), 1)[np.searchsorted(np.unique(machine), machine[test])]
    with sklearn.config_context(enable_metadata_routing=True):
        wrong = detector.decision_function(made.X[test], section=other)
    assert not np.isclose(wrong, told).any()


def test_outliers_are_heard_by_the_exposed_autoencoder(sounds):
    system = systems.itmo2022_autoencoder(
        max_epochs=30, lr=3e-3, bn_momentum=0.1, batch_size=64, random_state=0
    )
    detector, wanted = fit(system, sounds)
    assert "proxy" in wanted
    test = (sounds.table["split"] == "test").to_numpy() & (sounds.y == 1)
    scores = -detector.score_samples(sounds.X[test])
    proxy = (sounds.table["machine"][test] == "fan").to_numpy()
    assert scores[proxy].mean() > scores[~proxy].mean() + 0.3


def test_itmo_takes_the_system_of_the_machine(sounds):
    system = systems.itmo2022(n_clips=4, n_added=8, **QUICK)
    detector, _ = fit(system, sounds, machine=np.repeat("fan", len(sounds.X)))
    assert detector.choice_ == {"fan": "autoencoder"}
    assert {machine for machine, name in system.choice.items() if name == "image"} == {
        "slider",
        "gearbox",
        "valve",
    }


def test_settings_of_the_reports():
    oevae = systems.scu2024_oevae()
    spectrum = oevae[0].fit_transform(np.random.default_rng(0).normal(size=(1, 32000)).astype(np.float32))
    assert spectrum.shape == (1, 224, 126)
    assert (oevae[1].latent_dim, oevae[1].domain_dim, oevae[1].batch_size) == (64, 8, 128)
    assert oevae[0].standardize_waveform
    assert (oevae[1].merge, oevae[1].n_segments, oevae[2].n_segments) == ("segments", 8, 8)
    assert oevae[1].augmenter is not None is not oevae[2].augmenter
    of_report = systems.scu2024_oevae(0.5, lambda_vae=1e-7, augment=False)
    assert (of_report[1].lambda_vae, of_report[2].omega, of_report[2].augmenter) == (1e-7, 0.5, None)
    three = systems.scu2024_classification().embedder
    assert (len(three.branches), three.activation, three.optimizer) == (3, "prelu", "adamax")
    assert not three.squeeze_excitation
    assert systems.scu2024_classification(squeeze_excitation=True).embedder.squeeze_excitation
    image = systems.itmo2022_image()
    assert (image.augmenter.n_samples, image.augmenter.n_copies, image.augmenter.keep) == (500, 1, "drawn")
    assert not hasattr(systems.itmo2022_image(n_added=0), "augmenter")
    with pytest.raises(ValueError, match="n_added=30: give 0 or a multiple of 2 \\* n_clips, 20"):
        systems.itmo2022_image(n_clips=10, n_added=30)
    for outliers in systems.ITMO_OUTLIERS.values():
        assert set(outliers) == set(systems.itmo2022().choice)
        assert all(machine != other for machine, other in outliers.items())
    assert image.estimator[0].shape == (320, 320)
    assert image.estimator[-1].margin == 0.04
    for year in range(2020, 2027):
        assert systems.official_autoencoder(year)[1].batch_size == (512 if year <= 2022 else 256)
    with pytest.raises(ValueError, match="year=2019"):
        systems.official_autoencoder(2019)
