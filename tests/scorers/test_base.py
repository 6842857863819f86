"""The contract that all scorers share, tried on each of them and on a scorer of a user's own."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skasd import scorers
from skasd.scorers import (
    BaseScorer,
    CosineMeanScorer,
    GammaSoftmaxScorer,
    KMeansScorer,
    KNNCosineScorer,
    KNNScorer,
    LOFScorer,
    MahalanobisScorer,
)

ALL = [
    CosineMeanScorer(),
    GammaSoftmaxScorer(),
    KMeansScorer(n_clusters=3, random_state=0),
    KNNCosineScorer(),
    KNNCosineScorer(n_neighbors=2, density_normalization="ratio"),
    KNNScorer(),
    KNNScorer(n_neighbors=2, density_normalization="difference", n_density_neighbors=2),
    LOFScorer(),
    MahalanobisScorer(),
    MahalanobisScorer(shrinkage=None),
]
WITH_DOMAINS = [scorer for scorer in ALL if not isinstance(scorer, GammaSoftmaxScorer)]
SECTIONED = [CosineMeanScorer(), GammaSoftmaxScorer()]

every_scorer = pytest.mark.parametrize("scorer", ALL, ids=repr)


class MedianScorer(BaseScorer):
    """A user's scorer: two formulae, all else inherited; held out in folds."""

    def _fit_reference(self, X):
        return np.median(X, axis=0)

    def _score_reference(self, X, reference):
        return np.abs(X - reference).sum(axis=1)


def clips(n, n_features=6, seed=0, shift=0.0):
    X = np.random.default_rng(seed).normal(size=(n, n_features)) * np.linspace(0.5, 3, n_features) + shift
    return log_softmax(X, axis=1)


def two_domains(n_source=40, n_target=12, seed=0):
    X = np.concatenate([clips(n_source, seed=seed), clips(n_target, seed=seed + 1, shift=np.arange(6) / 2)])
    return X, np.array(["source"] * n_source + ["target"] * n_target)


def refitted_without_each(scorer, X, domain=None):
    """The slow plain version of leave-one-out: as many fits as clips."""
    scores = np.empty(len(X))
    for row in range(len(X)):
        rest = np.arange(len(X)) != row
        fitted = clone(scorer).fit(X[rest], domain=None if domain is None else domain[rest])
        scores[row] = fitted.anomaly_score(X[row : row + 1])[0]
    return scores


@parametrize_with_checks(
    [
        CosineMeanScorer(calibration="train"),
        GammaSoftmaxScorer(calibration="train"),
        KMeansScorer(calibration="train"),
        KNNCosineScorer(n_neighbors=3, calibration="train"),
        KNNScorer(n_neighbors=3, calibration="train"),
        LOFScorer(calibration="train"),
        MahalanobisScorer(calibration="train"),
        MedianScorer(calibration="train"),
    ]
)
def test_estimator_checks_with_the_in_sample_threshold(estimator, check):
    check(estimator)


def test_every_public_scorer_is_tried_here():
    assert {type(scorer).__name__ for scorer in ALL} == set(scorers.__all__)


# direction, threshold, attributes


@every_scorer
def test_directions_and_offsets_agree(scorer):
    X, new = clips(60), clips(30, seed=1)
    fitted = clone(scorer).fit(X)
    scores = fitted.score_samples(new)
    assert_array_equal(fitted.anomaly_score(new), -scores)
    assert_array_equal(fitted.decision_function(new), scores - fitted.offset_)
    assert_array_equal(fitted.predict(new), np.where(-scores > fitted.threshold_, -1, 1))
    assert fitted.threshold_ == -fitted.offset_
    assert fitted.section_offset_ == fitted.offset_
    assert fitted.training_scores_.shape == (60,)
    assert fitted.n_features_in_ == 6
    assert_array_equal(clone(scorer).fit_predict(X), fitted.predict(X))


@pytest.mark.parametrize(
    "scorer",
    [s for s in ALL if type(s) is not GammaSoftmaxScorer and type(s) is not CosineMeanScorer],
    ids=repr,
)
def test_an_anomaly_scores_below_normal_clips(scorer):
    X = np.random.default_rng(0).normal(size=(80, 6)) + 10
    fitted = clone(scorer).fit(X)
    far = 10 + np.array([[9.0, -9, 9, -9, 9, -9]])
    assert fitted.score_samples(far)[0] < fitted.score_samples(clips(50, seed=3) * 0 + X[:50]).min()
    assert fitted.predict(far)[0] == -1


@every_scorer
def test_single_rows_score_as_in_a_batch(scorer):
    X, domain = two_domains()
    fitted = clone(scorer).fit(X, domain=domain)
    new = clips(20, seed=5)
    batch = fitted.score_samples(new)
    assert_allclose([fitted.score_samples(row[None])[0] for row in new], batch, rtol=1e-10, atol=1e-12)
    assert_allclose(fitted.score_samples(new[::-1])[::-1], batch, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("scorer", [s for s in ALL if not isinstance(s, KMeansScorer)], ids=repr)
def test_order_of_training_rows_does_not_matter(scorer):
    X, domain = two_domains()
    order = np.random.default_rng(0).permutation(len(X))
    a = clone(scorer).fit(X, domain=domain)
    b = clone(scorer).fit(X[order], domain=domain[order])
    new = clips(20, seed=5)
    assert_allclose(a.score_samples(new), b.score_samples(new), rtol=1e-8, atol=1e-10)
    assert_allclose(a.offset_, b.offset_, rtol=1e-8)


@every_scorer
def test_float32_lists_and_frames_are_taken(scorer):
    X = clips(40)
    expected = clone(scorer).fit(X).score_samples(X[:5] + 0.1)
    assert_allclose(clone(scorer).fit(X.tolist()).score_samples((X[:5] + 0.1).tolist()), expected)
    names = list("abcdef")
    framed = clone(scorer).fit(pd.DataFrame(X, columns=names))
    assert_allclose(framed.score_samples(pd.DataFrame(X[:5] + 0.1, columns=names)), expected)
    single = clone(scorer).fit(X.astype(np.float32)).score_samples((X[:5] + 0.1).astype(np.float32))
    assert single.dtype == np.float64
    assert_allclose(single, expected, rtol=1e-3, atol=1e-4)


# the rate


@pytest.mark.parametrize(
    "scorer",
    [
        KNNScorer(),
        KNNCosineScorer(),
        LOFScorer(),
        MahalanobisScorer(),
        MahalanobisScorer(shrinkage=None),
        CosineMeanScorer(),
        KMeansScorer(random_state=0),
        MedianScorer(),
        KNNScorer(density_normalization="ratio"),
        KNNScorer(domain_normalization="zscore"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("contamination", [0.1, 0.3])
def test_false_alarm_rate_holds_on_new_normal_clips(scorer, contamination):
    rng = np.random.default_rng(7)
    domain = np.array(["source"] * 900 + ["target"] * 100)
    shift = np.where(domain == "target", 1.5, 0)[:, None]
    draw = lambda: rng.standard_t(8, size=(1000, 10)) * np.linspace(0.5, 2, 10) + 2 + shift  # noqa: E731
    fitted = clone(scorer).set_params(contamination=contamination).fit(draw(), domain=domain)
    assert np.mean(fitted.predict(draw()) == -1) == pytest.approx(contamination, abs=0.03)


def test_in_sample_threshold_of_one_nearest_neighbour_does_not_hold():
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(300, 8)), rng.normal(size=(300, 8))
    in_sample = KNNScorer(calibration="train").fit(X)
    assert in_sample.threshold_ == 0
    assert np.mean(in_sample.predict(new) == -1) > 0.95
    assert np.mean(KNNScorer().fit(X).predict(new) == -1) == pytest.approx(0.1, abs=0.03)


def test_in_sample_threshold_is_the_percentile():
    X = clips(200)
    fitted = LOFScorer(calibration="train", contamination=0.25).fit(X)
    assert_array_equal(fitted.training_scores_, fitted.anomaly_score(X))
    assert fitted.offset_ == np.percentile(fitted.score_samples(X), 25)


# held-out scores


@pytest.mark.parametrize(
    "scorer",
    [
        CosineMeanScorer(),
        KNNCosineScorer(),
        KNNCosineScorer(n_neighbors=3, density_normalization="ratio"),
        KNNScorer(n_neighbors=2),
        KNNScorer(density_normalization="ratio", n_density_neighbors=3),
        KNNScorer(n_neighbors=2, density_normalization="difference", n_density_neighbors=2),
        LOFScorer(),
        LOFScorer(n_neighbors=1),
        LOFScorer(n_neighbors=11),
        LOFScorer(n_neighbors=3, metric="cosine"),
        MahalanobisScorer(shrinkage=None),
        MahalanobisScorer(shrinkage=0.3),
        MahalanobisScorer(shrinkage=1.0),
    ],
    ids=repr,
)
@pytest.mark.parametrize("n_target", [None, 1, 2, 7])
def test_leave_one_out_is_exact(scorer, n_target):
    X, domain = two_domains(n_source=20, n_target=n_target or 0)
    domain = None if n_target is None else domain
    held_out = clone(scorer).fit(X, domain=domain).training_scores_
    slow = refitted_without_each(scorer, X, domain)
    # a bank of which no neighbour more is left than used keeps its number of neighbours
    few = np.zeros(len(X), bool) if n_target is None else (domain == "target") & (n_target <= 5)
    exact = ~few if isinstance(scorer, KNNScorer | KNNCosineScorer) else slice(None)
    assert_allclose(held_out[exact], slow[exact], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shrinkage", ["ledoit_wolf", "oas"])
def test_leave_one_out_keeps_an_estimated_shrinkage(shrinkage):
    X, domain = two_domains(n_source=60, n_target=10)
    scorer = MahalanobisScorer(shrinkage=shrinkage).fit(X, domain=domain)
    fixed = MahalanobisScorer(shrinkage=scorer.shrinkage_).fit(X, domain=domain)
    assert_allclose(scorer.training_scores_, fixed.training_scores_, rtol=1e-10)
    assert_allclose(scorer.training_scores_, refitted_without_each(scorer, X, domain), rtol=0.03)


def test_cross_fitted_scores_come_from_references_without_the_clip():
    X = clips(23)
    held_out = MedianScorer().fit(X).training_scores_
    for fold in range(10):
        rest = np.arange(23) % 10 != fold
        assert_allclose(held_out[~rest], MedianScorer().fit(X[rest]).anomaly_score(X[~rest]))


def test_cross_fitting_few_clips_is_leave_one_out():
    X, domain = two_domains(n_source=8, n_target=3)
    held_out = MedianScorer().fit(X, domain=domain)
    assert np.isfinite(held_out.training_scores_).all()
    # the one target clip is left out with the first source clip, which leaves the source alone
    single = MedianScorer().fit(X[:9], domain=domain[:9])
    assert single.training_scores_[8] == MedianScorer().fit(X[1:8]).anomaly_score(X[8:9])[0]


# domains


@pytest.mark.parametrize("scorer", WITH_DOMAINS, ids=repr)
def test_score_is_the_minimum_over_domains(scorer):
    X, domain = two_domains()
    new = clips(30, seed=9)
    both = clone(scorer).fit(X, domain=domain)
    assert sorted(both.references_[None]) == ["source", "target"]
    alone = [
        both._score_reference(new, both.references_[None][name])  # of each domain, in the same model
        for name in ("source", "target")
    ]
    assert_allclose(both.anomaly_score(new), np.minimum(*alone))
    if not isinstance(scorer, MahalanobisScorer | KMeansScorer):  # whose domains are not independent
        fits = [clone(scorer).fit(X[domain == name]).anomaly_score(new) for name in ("source", "target")]
        assert_allclose(both.anomaly_score(new), np.minimum(*fits), rtol=1e-9)
    if not isinstance(scorer, MahalanobisScorer):
        few = np.where(np.arange(len(X)) < 40, "source", "target")
        assert (
            both.anomaly_score(new) <= clone(scorer).fit(X[few == "source"]).anomaly_score(new) + 1e-12
        ).all()


@pytest.mark.parametrize("scorer", WITH_DOMAINS, ids=repr)
@pytest.mark.parametrize("normalization", [None, "zscore"])
@pytest.mark.parametrize("n_target", [1, 2, 3, 4])
def test_a_handful_of_target_clips_suffices(scorer, normalization, n_target):
    X, domain = two_domains(n_source=30, n_target=n_target)
    fitted = clone(scorer).set_params(domain_normalization=normalization).fit(X, domain=domain)
    needed = max(fitted._min_rows, 1 if normalization is None else 3)
    assert sorted(fitted.references_[None]) == (["source", "target"] if n_target >= needed else ["all"])
    assert np.isfinite(fitted.training_scores_).all()
    assert np.isfinite(fitted.decision_function(clips(9, seed=4))).all()


def test_merged_domains_are_one_reference():
    X, domain = two_domains(n_source=30, n_target=1)
    merged, plain = LOFScorer().fit(X, domain=domain), LOFScorer().fit(X)
    assert_array_equal(merged.training_scores_, plain.training_scores_)


def test_zscore_standardises_each_domain_by_its_held_out_scores():
    X, domain = two_domains(n_source=50, n_target=10)
    X[domain == "target"] *= 5  # target clips lie further apart
    new = clips(20, seed=3)
    z = []
    for name in ("source", "target"):
        alone = KNNScorer().fit(X[domain == name])
        held_out = alone.training_scores_
        z.append((alone.anomaly_score(new) - held_out.mean()) / held_out.std())
    fitted = KNNScorer(domain_normalization="zscore").fit(X, domain=domain)
    assert_allclose(fitted.anomaly_score(new), np.minimum(*z))
    in_sample = KNNScorer(domain_normalization="zscore", calibration="train").fit(X, domain=domain)
    assert_allclose(in_sample.anomaly_score(new), np.minimum(*z))


def test_one_domain_only_is_one_reference():
    X = clips(30)
    for name in ("source", "target"):
        assert_array_equal(
            KNNScorer().fit(X, domain=[name] * 30).training_scores_, KNNScorer().fit(X).training_scores_
        )


# skipped clips, proxies, ground truth


@every_scorer
def test_skipped_clips_are_left_out_and_score_nan(scorer):
    X, domain = two_domains()
    holed, marks = np.insert(X, [0, 5, 52], np.nan, axis=0), np.insert(domain, [0, 5, 52], "target")
    expected = clone(scorer).fit(X, domain=domain)
    fitted = clone(scorer).fit(holed, domain=marks)
    assert_allclose(fitted.training_scores_, expected.training_scores_)
    skipped = np.isnan(holed[:, 0])
    for method in ("score_samples", "anomaly_score", "decision_function"):
        scores = getattr(fitted, method)(holed)
        assert_array_equal(np.isnan(scores), skipped)
        assert_allclose(scores[~skipped], getattr(expected, method)(X))
    assert (fitted.predict(holed)[skipped] == -1).all()
    assert np.isnan(fitted.score_samples(holed[:1])).all()


@every_scorer
def test_proxies_are_left_out(scorer):
    X, domain = two_domains()
    with_proxies = np.concatenate([X, -50 - clips(10, seed=8)])
    proxy = np.arange(62) >= 52
    fitted = clone(scorer).fit(with_proxies, domain=[*domain, *["source"] * 10], proxy=proxy)
    assert_allclose(fitted.training_scores_, clone(scorer).fit(X, domain=domain).training_scores_)


@pytest.mark.parametrize("y", [[1] * 20 + [-1] * 5, pd.Series([1.0] * 20 + [-1.0] * 5)])
def test_anomalies_in_y_are_warned_of(y):
    with pytest.warns(UserWarning, match=r"5 clips.*NormalOnly"):
        KNNScorer().fit(clips(25), y)


@pytest.mark.parametrize("y", [None, [1] * 25, ["a"] * 25, np.arange(25)])
def test_other_y_is_not_looked_at(y):
    KNNScorer().fit(clips(25), y)


# sections


@pytest.mark.parametrize("scorer", SECTIONED, ids=repr)
def test_sections_known_and_unknown_at_prediction(scorer):
    X = clips(60, n_features=3)
    section = [("fan", int(label)) for label in X.argmax(axis=1)]
    fitted = clone(scorer).fit(X, section=section)
    assert fitted.sections_ == [("fan", 0), ("fan", 1), ("fan", 2)]
    new = clips(30, n_features=3, seed=2)
    each = np.array([fitted.anomaly_score(new, section=[name] * 30) for name in fitted.sections_])
    assert_allclose(fitted.anomaly_score(new), each.min(axis=0))
    mixed = [fitted.sections_[i % 3] for i in range(30)]
    assert_allclose(fitted.anomaly_score(new, section=mixed), each[np.arange(30) % 3, np.arange(30)])
    known = fitted.decision_function(new, section=mixed)
    assert_allclose(known, -fitted.anomaly_score(new, section=mixed) - fitted.section_offset_)
    assert_array_equal(fitted.predict(new, section=mixed), np.where(known >= 0, 1, -1))


@pytest.mark.parametrize("scorer", SECTIONED, ids=repr)
def test_false_alarm_rate_holds_with_and_without_the_section(scorer):
    rng = np.random.default_rng(0)
    section = np.arange(900) % 3
    draw = lambda: log_softmax(rng.normal(size=(900, 3)) + 1.5 * np.eye(3)[section], axis=1)  # noqa: E731
    fitted = clone(scorer).set_params(calibration="cross").fit(draw(), section=section)
    new = draw()
    assert fitted.section_offset_ < fitted.offset_  # a section's own score is no smaller than the smallest
    assert np.mean(fitted.predict(new) == -1) == pytest.approx(0.1, abs=0.03)
    assert np.mean(fitted.predict(new, section=section) == -1) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("scorer", SECTIONED, ids=repr)
def test_unknown_section_names_the_known_ones(scorer):
    X = clips(20, n_features=2)
    fitted = clone(scorer).fit(X, section=(X[:, 1] > X[:, 0]).astype(int))
    with pytest.raises(ValueError, match=r"Unknown section 7; known sections: \[0, 1\]"):
        fitted.decision_function(X, section=[7] * 20)


def test_sections_of_mixed_types_and_domains():
    X, domain = two_domains(30, 10)
    section = ["a", 1] * 20
    fitted = CosineMeanScorer().fit(X, section=section, domain=domain)
    assert set(fitted.sections_) == {"a", 1}
    only = CosineMeanScorer().fit(X[::2], domain=domain[::2])
    assert_allclose(fitted.anomaly_score(X, section=["a"] * 40), only.anomaly_score(X))


@pytest.mark.parametrize("scorer", [LOFScorer(), KNNScorer(), MahalanobisScorer()], ids=repr)
def test_scorers_without_sections_ignore_them(scorer):
    X = clips(30)
    fitted = clone(scorer).fit(X, section=["00", "01"] * 15)
    assert_array_equal(fitted.score_samples(X), clone(scorer).fit(X).score_samples(X))
    assert_array_equal(fitted.decision_function(X, section=["unheard of"] * 30), fitted.decision_function(X))


# metadata routing


def test_metadata_is_routed_through_a_pipeline_as_it_stands():
    X, domain = two_domains()
    section = np.arange(52) % 2
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(StandardScaler(), KNNScorer())
        pipe.fit(X, domain=domain, proxy=np.zeros(52, bool))
        assert sorted(pipe[-1].references_[None]) == ["source", "target"]
        with pytest.raises(TypeError, match="section"):  # scikit-learn's word on what no step asks for
            pipe.fit(X, section=section)
        pipe = make_pipeline(StandardScaler(), CosineMeanScorer()).fit(X, section=section, domain=domain)
        assert pipe[-1].sections_ == [0, 1]
        routed = pipe.decision_function(X, section=section)
        predicted = make_pipeline(StandardScaler(), CosineMeanScorer()).fit_predict(X, section=section)
    direct = pipe[-1].decision_function(StandardScaler().fit_transform(X), section=section)
    assert_allclose(routed, direct)
    assert set(predicted) <= {-1, 1}


def test_metadata_without_routing_goes_by_the_step():
    X, domain = two_domains()
    pipe = make_pipeline(StandardScaler(), LOFScorer()).fit(X, lofscorer__domain=domain)
    assert sorted(pipe[-1].references_[None]) == ["source", "target"]


# bad input


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"domain": ["source"] * 9}, "domain has 9 entries but X has 10 rows"),
        ({"proxy": [False] * 11}, "proxy has 11 entries but X has 10 rows"),
        ({"section": ["00"] * 3}, "section has 3 entries but X has 10 rows"),
        (
            {"domain": ["source"] * 8 + ["cellar", "attic"]},
            "domain must be 'source' or 'target'.* 'attic', 'cellar'",
        ),
        ({"domain": ["source"] * 9 + [None]}, "domain is missing in row 9"),
        ({"section": [0.0] * 4 + [np.nan] * 6}, "section is missing in row 4"),
        ({"proxy": ["False"] * 10}, "proxy must be True or False .* 'False'"),
        ({"proxy": [True] * 10}, r"needs at least 1 training clips.*n_samples=0.*10 proxies"),
    ],
)
def test_bad_metadata_is_named(metadata, message):
    with pytest.raises(ValueError, match=message):
        CosineMeanScorer().fit(clips(10), **metadata)


def test_one_string_is_not_a_list_of_labels():
    with pytest.raises(TypeError, match="single string 'source'"):
        KNNScorer().fit(clips(6), domain="source")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_partly_broken_row_is_named(value):
    X = clips(10)
    X[3, 2] = value
    with pytest.raises(ValueError, match=r"in row 3 \(1 such rows\)"):
        KNNScorer().fit(X)
    with pytest.raises(ValueError, match=r"in row 3"):
        KNNScorer().fit(clips(10)).score_samples(X)


@every_scorer
def test_nothing_left_to_train_on_is_an_error(scorer):
    with pytest.raises(ValueError, match=r"training clips.*n_samples=0.*5 NaN"):
        clone(scorer).fit(np.full((5, 6), np.nan))


def test_too_small_a_section_is_named():
    class Pairs(CosineMeanScorer):
        _min_rows = 2

    with pytest.raises(ValueError, match="Section 'b' has 1 training clips; Pairs needs at least 2"):
        Pairs().fit(clips(4), section=["a", "a", "a", "b"])


@pytest.mark.parametrize("contamination", [0, 0.6, -0.1, "auto"])
def test_contamination_out_of_range(contamination):
    with pytest.raises(ValueError, match=re.escape("(0.0, 0.5]") + "|contamination"):
        KNNScorer(contamination=contamination).fit(clips(5))


# few clips, duplicates, constant features, extreme scales


@every_scorer
@pytest.mark.parametrize("n", [1, 2, 3])
def test_one_two_or_three_clips(scorer, n):
    X = clips(n)
    if n < scorer._min_rows:
        with pytest.raises(ValueError, match="n_samples=1"):
            clone(scorer).fit(X)
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = clone(scorer).fit(X)
    if (n == 1 or (n == 2 and scorer._min_rows == 2)) and not isinstance(scorer, GammaSoftmaxScorer):
        assert any("cannot hold one of" in str(w.message) for w in caught)
    assert np.isfinite(fitted.decision_function(clips(5, seed=1))).all()


@every_scorer
def test_duplicates_and_constant_features(scorer):
    X = np.repeat(clips(6), 5, axis=0)
    X[:, 2] = -1.5
    fitted = clone(scorer).fit(X)
    assert np.isfinite(fitted.training_scores_).all()
    assert np.isfinite(fitted.decision_function(clips(5, seed=1))).all()
    if not isinstance(scorer, GammaSoftmaxScorer | MahalanobisScorer | CosineMeanScorer):
        assert (fitted.anomaly_score(X) <= fitted.anomaly_score(X - np.arange(6) / 3) + 1e-12).all()


@pytest.mark.parametrize("scorer", WITH_DOMAINS, ids=repr)
def test_all_clips_alike(scorer):
    X = np.tile(clips(1), (12, 1))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The .* training clips do not vary")
        fitted = clone(scorer).fit(X)
    assert_array_equal(fitted.predict(X), np.ones(12))
    assert np.isfinite(fitted.anomaly_score(-X)).all()


@pytest.mark.parametrize("scorer", [KNNScorer(), LOFScorer(), MahalanobisScorer(), KNNScorer(3)], ids=repr)
def test_a_large_offset_costs_no_accuracy(scorer):
    # offsets that are whole numbers of a power of two change no digit of X
    X = np.round(clips(50) * 2**20) / 2**20
    new = np.round(clips(20, seed=1) * 2**20) / 2**20
    expected = clone(scorer).fit(X).score_samples(new)
    moved = clone(scorer).fit(X + 2.0**26).score_samples(new + 2.0**26)
    assert_allclose(moved, expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-120, 1e-6, 1e6, 1e120])
@pytest.mark.parametrize(
    "scorer", [KNNCosineScorer(), CosineMeanScorer(), KMeansScorer(random_state=0)], ids=repr
)
def test_cosine_scores_do_not_depend_on_the_scale(scorer, scale):
    X, new = clips(50), clips(20, seed=1)
    expected = clone(scorer).fit(X).score_samples(new)
    assert_allclose(clone(scorer).fit(X).score_samples(new * scale), expected, rtol=1e-9, atol=1e-14)
    assert_allclose(clone(scorer).fit(X * scale).score_samples(new), expected, rtol=1e-9, atol=1e-14)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(12, 40), n_features=st.integers(2, 5))
def test_rotations_and_shifts_change_no_distance(seed, n, n_features):
    rng = np.random.default_rng(seed)
    X, new = rng.normal(size=(n, n_features)), rng.normal(size=(10, n_features))
    rotation = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0]
    shift = rng.normal(size=n_features) * 10
    for scorer in (
        KNNScorer(n_neighbors=2),
        LOFScorer(),
        MahalanobisScorer(),
        MahalanobisScorer(shrinkage=None),
    ):
        expected = scorer.fit(X).decision_function(new)
        turned = scorer.fit(X @ rotation + shift).decision_function(new @ rotation + shift)
        assert_allclose(turned, expected, rtol=1e-7, atol=1e-7)
    skew = rotation * rng.uniform(0.2, 5, n_features)
    affine = scorer.fit(X @ skew + shift).decision_function(new @ skew + shift)
    assert_allclose(affine, expected, rtol=1e-6, atol=1e-6)
