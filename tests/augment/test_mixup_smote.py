"""MixupSMOTEAugmenter: imbalanced-learn's contract, its interpolation, and aligned metadata."""

import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from imblearn.utils.estimator_checks import estimator_checks_generator
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.estimator_checks import parametrize_with_checks

from skasd.augment import MixupSMOTEAugmenter

EXCUSES = {
    "check_samplers_pandas_sparse": "Embeddings and spectrograms are dense; sparse input is an error.",
    "check_estimators_pickle": "The check fits on a row that is partly NaN. Only rows that are NaN "
    "everywhere (skipped clips) are allowed; a partly NaN one is corrupt, and an error that names it.",
}
CHECKED = [
    MixupSMOTEAugmenter(random_state=0),
    MixupSMOTEAugmenter(method="smote", random_state=0),
    MixupSMOTEAugmenter(method="mixup", partners="any", random_state=0),
]


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pair
        for estimator in CHECKED
        for pair in estimator_checks_generator(estimator, expected_failed_checks=EXCUSES, mark="xfail")
    ],
)
def test_imbalanced_learn_checks(estimator, check):
    check(estimator)


@parametrize_with_checks(CHECKED[:1], expected_failed_checks=lambda estimator: EXCUSES)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def imbalanced(n=(40, 9), n_features=3, seed=0):
    rng = np.random.default_rng(seed)
    X = np.vstack([rng.normal(5 * i, 1, size=(size, n_features)) for i, size in enumerate(n)])
    return X, np.repeat(np.arange(len(n)), n)


def on_segments(new, X, origin, weight):
    """Check that every new row is the point of its segment that the fitted attributes say."""
    assert ((weight >= 0) & (weight <= 1)).all()
    w = weight.reshape(-1, *[1] * (X.ndim - 1))
    assert_allclose(new, (1 - w) * X[origin[:, 0]] + w * X[origin[:, 1]], rtol=1e-5, atol=1e-5)


# against imbalanced-learn


def test_smote_equals_imbalanced_learns_with_the_same_seed():
    X, y = imbalanced()
    expected, y_expected = SMOTE(k_neighbors=4, random_state=3).fit_resample(X, y)
    got, y_got = MixupSMOTEAugmenter(method="smote", k_neighbors=4, random_state=3).fit_resample(X, y)
    assert_allclose(got, expected, rtol=1e-13)
    assert_array_equal(y_got, y_expected)


@pytest.mark.parametrize("method", ["smote", "mixup", "both"])
@pytest.mark.parametrize("n", [(30, 10), (30, 3), (30, 2), (25, 12, 7)])
def test_new_rows_lie_between_two_rows_of_their_class(method, n):
    X, y = imbalanced(n)
    augmenter = MixupSMOTEAugmenter(method=method, random_state=0)
    X_new, y_new = augmenter.fit_resample(X, y)
    assert_array_equal(X_new[: len(X)], X)
    assert_array_equal(y_new[: len(y)], y)
    assert set(Counter(y_new).values()) == {max(n)}
    added, labels = X_new[len(X) :], y_new[len(X) :]
    on_segments(added, X, augmenter.sample_origin_, augmenter.partner_weight_)
    assert_array_equal(y[augmenter.sample_origin_], np.stack([labels, labels], axis=1))
    made = Counter(augmenter.sample_method_.tolist())
    assert (
        made
        == {
            "smote": Counter({"smote": len(added)}),
            "mixup": Counter({"mixup": len(added)}),
            "both": Counter({"smote": made["smote"], "mixup": made["mixup"]}),
        }[method]
    )
    if method == "both":
        assert abs(made["smote"] - made["mixup"]) <= len(n) - 1


def test_smote_partners_are_nearest_neighbours():
    X, y = imbalanced((40, 12))
    augmenter = MixupSMOTEAugmenter(method="smote", k_neighbors=2, random_state=0)
    augmenter.fit_resample(X, y)
    members = np.flatnonzero(y == 1)
    neighbors = members[
        NearestNeighbors(n_neighbors=3).fit(X[members]).kneighbors(return_distance=False)[:, :2]
    ]
    allowed = {(i, j) for i, row in zip(members, neighbors, strict=True) for j in row}
    assert set(map(tuple, augmenter.sample_origin_)) <= allowed


def test_mixup_weights_follow_the_beta_distribution():
    X, y = imbalanced((3000, 20))
    spread = {}
    for alpha in (0.2, 1.0, 8.0):
        augmenter = MixupSMOTEAugmenter(method="mixup", alpha=alpha, random_state=0)
        augmenter.fit_resample(X, y)
        weight = augmenter.partner_weight_
        assert weight.mean() == pytest.approx(0.5, abs=0.03)
        # the variance of Beta(a, a) is 1 / (4 (2 a + 1))
        assert weight.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)
        spread[alpha] = weight.var()
        assert (augmenter.sample_origin_[:, 0] != augmenter.sample_origin_[:, 1]).all()
    assert spread[0.2] > spread[1.0] > spread[8.0]


def test_mixup_pairs_are_equally_likely():
    X, y = imbalanced((6003, 3))
    augmenter = MixupSMOTEAugmenter(method="mixup", random_state=0)
    augmenter.fit_resample(X, y)
    pairs = Counter(map(tuple, augmenter.sample_origin_))
    assert len(pairs) == 6
    assert all(count == pytest.approx(1000, abs=150) for count in pairs.values())


@pytest.mark.parametrize("method", ["smote", "mixup", "both"])
def test_a_single_clip_is_copied(method):
    X, y = imbalanced((7, 1))
    augmenter = MixupSMOTEAugmenter(method=method, random_state=0)
    X_new, y_new = augmenter.fit_resample(X, y)
    assert_array_equal(X_new[8:], np.repeat(X[7:], 6, axis=0))
    assert (y_new[8:] == 1).all()
    assert set(augmenter.sample_method_) == {"copy"}


def test_seeds():
    X, y = imbalanced()
    first, second, other = (
        MixupSMOTEAugmenter(random_state=seed).fit_resample(X, y)[0] for seed in (1, 1, 2)
    )
    assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_inside_an_imbalanced_learn_pipeline():
    X, y = imbalanced((200, 10))
    pipeline = make_pipeline(MixupSMOTEAugmenter(random_state=0), LogisticRegression())
    assert clone(pipeline).fit(X, y).score(X, y) > 0.95
    steps = pipeline.fit(X, y).named_steps
    assert steps["mixupsmoteaugmenter"].sampling_strategy_ == {1: 190}


def test_sampling_strategy_of_imbalanced_learn():
    X, y = imbalanced((30, 12, 6))
    for strategy, counts in [
        ("minority", {0: 30, 1: 12, 2: 30}),
        ({1: 20}, {0: 30, 1: 20, 2: 6}),
        (lambda y: {2: 50}, {0: 30, 1: 12, 2: 50}),
    ]:
        _, y_new = MixupSMOTEAugmenter(sampling_strategy=strategy, random_state=0).fit_resample(X, y)
        assert Counter(y_new.tolist()) == counts
    with pytest.raises(ValueError, match="multi-class"):
        MixupSMOTEAugmenter(sampling_strategy=0.5).fit_resample(X, y)
    _, y_new = MixupSMOTEAugmenter(sampling_strategy=0.5, random_state=0).fit_resample(X[:42], y[:42])
    assert Counter(y_new.tolist()) == {0: 30, 1: 15}


# time-frequency arrays and metadata


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 16, 10)).astype(np.float32)
    section = np.repeat(["fan", "pump"], 15)
    domain = np.tile(["source"] * 12 + ["target"] * 3, 2)
    load = rng.uniform(0, 10, size=30)
    return X, section, domain, load


def test_augment_balances_section_and_domain(clips):
    X, section, domain, load = clips
    augmenter = MixupSMOTEAugmenter(random_state=0)
    X_new, y_new, more = augmenter.augment(X, section=section, domain=domain, attribute=load)
    assert X_new.dtype == np.float32
    assert X_new.shape == (48, 16, 10)
    assert y_new is None
    assert_array_equal(X_new[:30], X)
    assert set(Counter(zip(more["section"], more["domain"], strict=True)).values()) == {12}
    origin, weight = augmenter.sample_origin_, augmenter.partner_weight_
    on_segments(X_new[30:], X, origin, weight)
    for name, values in [("section", section), ("domain", domain)]:
        assert_array_equal(values[origin], np.stack([more[name][30:]] * 2, axis=1))
    assert_allclose(more["attribute"][30:], (1 - weight) * load[origin[:, 0]] + weight * load[origin[:, 1]])
    assert more["proxy"] is None
    assert augmenter.sampling_strategy_[("fan", "target")] == 9


@pytest.mark.parametrize(
    ("balance", "classes"),
    [("section", {"fan": 20, "pump": 20}), ("domain", {"source": 22, "target": 22})],
)
def test_augment_balances_what_it_is_told(balance, classes):
    X = np.random.default_rng(0).normal(size=(26, 4))
    section = ["fan"] * 20 + ["pump"] * 6
    domain = (["source"] * 18 + ["target"] * 2) + (["source"] * 4 + ["target"] * 2)
    augmenter = MixupSMOTEAugmenter(balance=balance, random_state=0)
    _, _, more = augmenter.augment(X, section=section, domain=domain)
    assert Counter(more[balance].tolist()) == classes
    assert len(more["section"]) == len(more["domain"]) == sum(classes.values())


def test_labels_come_from_the_nearer_clip():
    X = np.random.default_rng(0).normal(size=(30, 4))
    domain = ["source"] * 27 + ["target"] * 3
    section = np.array([f"s{i}" for i in range(30)])
    augmenter = MixupSMOTEAugmenter(balance="domain", random_state=0)
    _, _, more = augmenter.augment(X, domain=domain, section=section, attribute=section, group=np.arange(30))
    origin, weight = augmenter.sample_origin_, augmenter.partner_weight_
    nearer = np.where(weight > 0.5, origin[:, 1], origin[:, 0])
    assert 0 < (weight > 0.5).sum() < len(weight)
    assert_array_equal(more["section"][30:], section[nearer])
    assert_array_equal(more["attribute"][30:], section[nearer])
    assert_array_equal(more["group"][30:], nearer)


@pytest.mark.parametrize("partners", ["section", "any"])
def test_mixup_across_classes_keeps_the_first_clip_in_front(clips, partners):
    X, section, domain, _ = clips
    augmenter = MixupSMOTEAugmenter(method="mixup", partners=partners, random_state=0)
    _, _, more = augmenter.augment(X, section=section, domain=domain)
    origin, weight = augmenter.sample_origin_, augmenter.partner_weight_
    assert (weight <= 0.5).all()
    assert_array_equal(more["domain"][30:], domain[origin[:, 0]])
    assert (more["domain"][30:] == "target").all()
    assert (domain[origin[:, 1]] == "source").any()
    same_section = section[origin[:, 0]] == section[origin[:, 1]]
    assert same_section.all() == (partners == "section")


def test_a_single_target_clip_is_mixed_within_its_section():
    X = np.random.default_rng(0).normal(size=(10, 3))
    domain = ["source"] * 9 + ["target"]
    augmenter = MixupSMOTEAugmenter(method="mixup", partners="section", random_state=0)
    augmenter.augment(X, section=["fan"] * 10, domain=domain)
    assert set(augmenter.sample_method_) == {"mixup"}
    assert (augmenter.sample_origin_[:, 0] == 9).all()
    assert (augmenter.sample_origin_[:, 1] < 9).all()


def test_proxies_anomalies_and_skipped_clips_are_left_alone(clips):
    X, section, domain, _ = clips
    X = X.copy()
    X[2] = np.nan
    proxy = section == "pump"
    y = np.ones(30, dtype=int)
    y[[3, 13]] = -1
    augmenter = MixupSMOTEAugmenter(random_state=0)
    X_new, y_new, more = augmenter.augment(X, y, domain=domain, proxy=proxy)
    used = np.unique(augmenter.sample_origin_)
    assert not set(used) & ({2, 3, 13} | set(range(15, 30)))
    assert_array_equal(X_new[:30], X)
    assert np.isfinite(X_new[30:]).all()
    assert (y_new[30:] == 1).all()
    assert more["proxy"].sum() == 15
    # 10 usable source clips, 2 usable target clips
    assert augmenter.sampling_strategy_ == {"source": 0, "target": 8}


def test_float_strategy_of_augment(clips):
    X, section, domain, _ = clips
    sizes = {}
    for ratio in (0.5, 1.0, 2.0):
        _, _, more = MixupSMOTEAugmenter(sampling_strategy=ratio, random_state=0).augment(
            X, section=section, domain=domain
        )
        sizes[ratio] = Counter(more["domain"].tolist())
    assert sizes == {
        0.5: {"source": 24, "target": 12},
        1.0: {"source": 24, "target": 24},
        2.0: {"source": 48, "target": 48},
    }


def test_float_strategy_enlarges_a_single_class():
    X = np.random.default_rng(0).normal(size=(10, 3))
    X_new, _, _ = MixupSMOTEAugmenter(sampling_strategy=1.5, random_state=0).augment(X)
    assert X_new.shape == (15, 3)


def test_dict_and_callable_strategies_of_augment(clips):
    X, section, domain, _ = clips
    augmenter = MixupSMOTEAugmenter(sampling_strategy={("fan", "target"): 5}, random_state=0)
    _, _, more = augmenter.augment(X, section=section, domain=domain)
    assert Counter(zip(more["section"], more["domain"], strict=True))["fan", "target"] == 5
    assert len(more["section"]) == 32
    augmenter.set_params(sampling_strategy=lambda classes: {"target": 2 * classes.count("target")})
    _, _, more = augmenter.augment(X, domain=domain)
    assert Counter(more["domain"].tolist()) == {"source": 24, "target": 12}


def test_fit_resample_with_metadata(clips):
    X, section, domain, _ = clips
    y = np.ones(30, dtype=int)
    X_new, y_new = MixupSMOTEAugmenter(random_state=0).fit_resample(X, y, section=section, domain=domain)
    assert X_new.shape == (48, 16, 10)
    assert_array_equal(y_new, np.ones(48))


@pytest.mark.parametrize("kind", [np.array, list, pd.Series], ids=["array", "list", "series"])
def test_ground_truth_is_no_class_to_balance(kind):
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[30:] += 100
    y = kind([1] * 30 + [-1] * 10)
    augmenter = MixupSMOTEAugmenter(sampling_strategy=2.0, random_state=0)
    X_new, y_new = augmenter.fit_resample(X, y)
    assert Counter(np.asarray(y_new).tolist()) == {1: 60, -1: 10}
    assert X_new[40:].max() < 50
    assert isinstance(y_new, pd.Series) == (kind is pd.Series)
    assert augmenter.n_features_in_ == 3
    X_all, y_all = augmenter.fit_resample(X)
    assert (len(X_all), y_all) == (80, None)
    with pytest.warns(UserWarning, match="one class of 30 clips only"):
        assert len(MixupSMOTEAugmenter().fit_resample(X, y)[0]) == 40


def test_metadata_of_what_fit_resample_made(clips):
    X, section, domain, _ = clips
    augmenter = MixupSMOTEAugmenter(random_state=0)
    with pytest.raises(NotFittedError):
        augmenter.extend_metadata({"domain": domain})
    augmenter.fit_resample(X, section=section, domain=domain)
    more = augmenter.extend_metadata({"domain": domain, "attribute": np.arange(30.0), "day": np.arange(30)})
    _, _, expected = clone(augmenter).augment(
        X, section=section, domain=domain, attribute=np.arange(30.0), day=np.arange(30)
    )
    for name, values in more.items():
        assert_array_equal(values, expected[name])
    with pytest.raises(ValueError, match="day has 29 entries for 30 clips"):
        augmenter.extend_metadata({"day": range(29)})


def test_fit_resample_of_time_frequency_arrays_is_that_of_their_flat_form():
    X, y = imbalanced((20, 6), n_features=12)
    flat, _ = MixupSMOTEAugmenter(random_state=0).fit_resample(X, y)
    deep, _ = MixupSMOTEAugmenter(random_state=0).fit_resample(X.reshape(26, 4, 3), y)
    assert_array_equal(deep.reshape(40, 12), flat)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_precision_is_kept(dtype):
    X, y = imbalanced()
    X = X.astype(dtype)
    augmenter = MixupSMOTEAugmenter(random_state=0)
    X_new, _, _ = augmenter.augment(X, section=y)
    assert X_new.dtype == dtype
    origin, w = augmenter.sample_origin_, augmenter.partner_weight_[:, None]
    exact = (1 - w) * X[origin[:, 0]].astype(float) + w * X[origin[:, 1]].astype(float)
    assert_allclose(X_new[len(X) :], exact, rtol=4 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps)


def test_large_arrays_are_interpolated_in_parts(monkeypatch, clips):
    X, section, domain, _ = clips
    whole = MixupSMOTEAugmenter(random_state=0).augment(X, section=section, domain=domain)[0]
    monkeypatch.setattr("skasd.augment._pairs._CHUNK", 500)
    assert_array_equal(
        MixupSMOTEAugmenter(random_state=0).augment(X, section=section, domain=domain)[0], whole
    )


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    method=st.sampled_from(["smote", "mixup", "both"]),
    partners=st.sampled_from(["class", "section", "any"]),
    k=st.integers(1, 8),
    seed=st.integers(0, 10),
)
def test_new_clips_stay_within_the_range_of_the_old(sizes, method, partners, k, seed):
    X, section = imbalanced(sizes, n_features=2, seed=seed)
    augmenter = MixupSMOTEAugmenter(method=method, partners=partners, k_neighbors=k, random_state=seed)
    X_new, _, more = augmenter.augment(X, section=section)
    assert set(Counter(more["section"].tolist()).values()) == {max(sizes)}
    assert len(X_new) == len(more["section"]) == len(sizes) * max(sizes)
    if len(X_new) > len(X):
        on_segments(X_new[len(X) :], X, augmenter.sample_origin_, augmenter.partner_weight_)
    assert (X_new >= X.min(axis=0) - 1e-9).all()
    assert (X_new <= X.max(axis=0) + 1e-9).all()


# errors


def test_one_class_has_nothing_to_balance():
    X = np.ones((5, 3))
    with pytest.warns(UserWarning, match=r"one class of 5 clips only.*sampling_strategy=2.0"):
        X_new, _, more = MixupSMOTEAugmenter().augment(X, section=["fan"] * 5)
    assert len(X_new) == len(more["section"]) == 5


def test_bad_input(clips):
    X, section, domain, _ = clips
    augmenter = MixupSMOTEAugmenter(random_state=0)
    with pytest.raises(ValueError, match="section has 29 entries for 30 clips"):
        augmenter.augment(X, section=section[1:])
    with pytest.raises(ValueError, match="Clips of different lengths cannot be interpolated"):
        augmenter.augment([np.ones((3, 4)), np.ones((3, 5))], domain=["source", "target"])
    with pytest.raises(ValueError, match="balance='both' needs domain"):
        MixupSMOTEAugmenter(balance="both").augment(X, section=section)
    with pytest.raises(ValueError, match="names the class 'valve'"):
        MixupSMOTEAugmenter(sampling_strategy={"valve": 9}).augment(X, section=section)
    with pytest.raises(ValueError, match="asks for 3 clips of class 'fan', which has 15"):
        MixupSMOTEAugmenter(sampling_strategy={"fan": 3}).augment(X, section=section)
    with pytest.raises(ValueError, match="None of the 30 clips can be used"):
        augmenter.augment(X, section=section, proxy=np.ones(30, dtype=bool))
    with pytest.raises(ValueError, match="'method' parameter of MixupSMOTEAugmenter must be"):
        MixupSMOTEAugmenter(method="copy").augment(X, section=section)
    broken = X.copy()
    broken[4, 0, 0] = np.nan
    with pytest.raises(ValueError, match="Clip 4 is NaN in part"):
        augmenter.augment(broken, section=section)
    with pytest.raises(ValueError, match=r"[Ii]nf"):
        augmenter.augment(np.where(np.isnan(broken), np.inf, broken), section=section)
    skipped = np.where(domain == "target", np.nan, 1.0)[:, None] * np.ones(3)
    with pytest.raises(ValueError, match="All clips of class target are NaN"):
        augmenter.fit_resample(skipped, domain)


def test_nothing_to_add_returns_the_clips_themselves(clips):
    X, section, _, _ = clips
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X_new, _, more = MixupSMOTEAugmenter().augment(X, section=section)
    assert X_new is X
    assert_array_equal(more["section"], section)
