"""What may be benchmarked, and under which name and seed."""

import pytest
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.random_projection import GaussianRandomProjection

from skasd import KNNScorer, LogMelTransformer, systems
from skasd.benchmark import as_systems, run
from skasd.benchmark._systems import with_seed


def seeds_of(estimator):
    return {name: value for name, value in estimator.get_params().items() if name.endswith("random_state")}


def make(source, seed=0, machine=None):
    (system,) = as_systems(source, None)
    return system.make(seed, machine)


@pytest.mark.parametrize(
    "text",
    [
        "secom2021:model=mobilenetv2,detector=knn,max_epochs=3,mixing=('mixup','fmix'),patch_hop=None",
        "secom2021('mobilenetv2', 'knn', max_epochs=3, mixing=('mixup', 'fmix'), patch_hop=None)",
        "secom2021(mobilenetv2, detector=knn, max_epochs=3, mixing=('mixup', 'fmix'), patch_hop=None)",
    ],
)
def test_names_with_arguments(text):
    wanted = systems.secom2021(
        "mobilenetv2", "knn", max_epochs=3, mixing=("mixup", "fmix"), patch_hop=None, random_state=7
    )
    assert repr(make(text, 7)) == repr(wanted)


def test_names_alone():
    assert repr(make("jless2022_dpt", 2)) == repr(systems.jless2022_dpt(random_state=2))
    assert repr(make(" jless2022_dpt ")) == repr(systems.jless2022_dpt(random_state=0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("secom2022", "did you mean 'secom2021'"),
        ("nothing of the kind", "there are cqupt2023, "),
        ("secom2021:model==mfn", "cannot be read"),
        ("secom2021(model=", "closing bracket"),
        ("secom2021:model=resnet", "model='resnet': choose one of"),
        ("secom2021:modell=mfn", "modell"),
        ("official_autoencoder:year=2019", "2019"),
    ],
)
def test_bad_names(text, message, gearbox):
    with pytest.raises(ValueError, match=message):
        run(text, gearbox)


def test_submissions_are_told_the_machine():
    merges = [
        make(name, 0, machine)[-1].embedder.merge
        for name in ("Morita_SECOM_task2_3", "secom2021_submission:name=Morita_SECOM_task2_3")
        for machine in ("fan", "valve")
    ]
    assert merges == ["mean", "std"] * 2


def test_functions_get_what_they_have_parameters_for():
    def all_of_it(machine, random_state):
        return KNNScorer(n_neighbors=len(machine) + random_state)

    def nothing():
        return GaussianRandomProjection()

    assert make(all_of_it, 2, "fan").n_neighbors == 5
    assert make(nothing, 4).random_state == 4
    assert make(systems.jless2022_mfn, 3)[-1].embedder.random_state == 3
    with pytest.raises(TypeError, match="made 3, which is no estimator"):
        make({"three": lambda: 3})


def test_names_of_listed_systems():
    listed = [
        make_pipeline(LogMelTransformer(), KNNScorer()),
        systems.jless2022_dpt,
        "jless2022_mfn",
        KNNScorer(),
    ]
    names = [system.name for system in as_systems(listed, None)]
    assert names == ["LogMelTransformer+KNNScorer", "jless2022_dpt", "jless2022_mfn", "KNNScorer"]
    with pytest.raises(ValueError, match="Two systems are called 'KNNScorer'"):
        as_systems([KNNScorer(), KNNScorer(n_neighbors=2)], None)
    with pytest.raises(ValueError, match="nothing to run"):
        as_systems([], None)
    with pytest.raises(TypeError, match="must be the name"):
        as_systems([3], None)


def test_which_systems_learn_all_machines_together():
    names = ["cqupt2023:model=vit", "wilkinghoff_multibranch", "secom2021"]
    assert [system.joint for system in as_systems(names, None)] == [True, True, False]
    assert [system.joint for system in as_systems(names, ["secom2021"])] == [False, False, True]
    with pytest.raises(ValueError, match="joint names \\['other'\\]"):
        as_systems(names, ["other"])


def test_seeds_of_parts():
    projection = GaussianRandomProjection(2)
    union = FeatureUnion([("a", projection), ("b", clone(projection))])
    seeds = list(seeds_of(with_seed(make_pipeline(union, KNNScorer()), 5)).values())
    assert seeds.count(5) == 1
    assert len(set(seeds)) == 2  # members that are alike but for their seed
    assert seeds == list(seeds_of(with_seed(make_pipeline(union, KNNScorer()), 5)).values())
    # a system's own way of seeding its members is kept
    five = make("wilkinghoff_multibranch:n_models=2", 5)
    assert [member.embedder.random_state for _, member in five.estimators] == [5, 6]
    fixed = make("jless2022_dpt:random_state=1", 5)
    assert fixed[1].random_state == 1
