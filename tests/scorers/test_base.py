"""The contract that all scorers share: checks, directions, rates, held-out scores, skipped clips, proxies."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from skasd import scorers
from skasd.scorers import (
    BandScorer,
    ColumnScorer,
    CosineMeanScorer,
    GammaSoftmaxScorer,
    KMeansScorer,
    KNNCosineScorer,
    KNNScorer,
    LOFScorer,
    MahalanobisScorer,
    OEVAEScorer,
    TermScorer,
)

from ..estimator_excuses import QUICK
from ._cases import ALL, MedianScorer, clips, every_scorer, refitted_without_each, two_domains


@parametrize_with_checks(
    [
        ColumnScorer(calibration="train"),
        CosineMeanScorer(calibration="train"),
        GammaSoftmaxScorer(**QUICK["GammaSoftmaxScorer"], calibration="train"),
        KMeansScorer(calibration="train"),
        KNNCosineScorer(n_neighbors=3, calibration="train"),
        KNNScorer(n_neighbors=3, calibration="train"),
        LOFScorer(calibration="train"),
        MahalanobisScorer(calibration="train"),
        OEVAEScorer(n_neighbors=3, calibration="train"),
        TermScorer(bands=[[0]], calibration="train"),
        MedianScorer(calibration="train"),
    ]
)
def test_estimator_checks_with_the_in_sample_threshold(estimator, check):
    check(estimator)


def test_every_public_scorer_is_tried_here():
    # ColumnScorer learns nothing from clips but a threshold: tests/scorers/test_column.py
    assert {type(scorer).__name__ for scorer in ALL} | {"ColumnScorer", "FewClipsWarning"} == set(
        scorers.__all__
    )


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


# the units of a BandScorer's bands come from blocks of rows in their order
@pytest.mark.parametrize("scorer", [s for s in ALL if not isinstance(s, BandScorer | KMeansScorer)], ids=repr)
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
    expected = clone(scorer).fit(X).score_samples(X[:5] - 0.1)
    assert_allclose(clone(scorer).fit(X.tolist()).score_samples((X[:5] - 0.1).tolist()), expected)
    names = list("abcdef")
    framed = clone(scorer).fit(pd.DataFrame(X, columns=names))
    assert_allclose(framed.score_samples(pd.DataFrame(X[:5] - 0.1, columns=names)), expected)
    single = clone(scorer).fit(X.astype(np.float32)).score_samples((X[:5] - 0.1).astype(np.float32))
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
    alarms = fitted.predict(draw()) == -1
    rates = [alarms[domain == name].mean() for name in ("source", "target")]
    assert np.mean(rates) == pytest.approx(contamination, abs=0.05)


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
        MahalanobisScorer(),
        MahalanobisScorer(shrinkage="oas"),
        MahalanobisScorer(shrinkage=None),
        MahalanobisScorer(shrinkage=0.3, standardize_features=False),
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
@pytest.mark.parametrize(("standardize_features", "tolerance"), [(False, 0.03), (True, 0.06)])
def test_leave_one_out_of_many_keeps_shrinkage_and_standardization(
    shrinkage, standardize_features, tolerance
):
    X, domain = two_domains(n_source=90, n_target=10)
    scorer = MahalanobisScorer(shrinkage=shrinkage, standardize_features=standardize_features).fit(
        X, domain=domain
    )
    fixed = clone(scorer).set_params(shrinkage=scorer.shrinkage_).fit(X, domain=domain)
    assert_allclose(scorer.training_scores_, fixed.training_scores_, rtol=1e-10)
    slow = refitted_without_each(scorer, X, domain)
    assert_allclose(scorer.training_scores_, slow, rtol=tolerance)
    assert np.abs(np.log(scorer.training_scores_ / slow)).mean() < 0.005


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


# units

UNITS = [
    *(scorer for scorer in ALL if not isinstance(scorer, GammaSoftmaxScorer | OEVAEScorer)),  # given scores
    KNNScorer(density_normalization="variance"),
    LOFScorer(metric="l1"),
    LOFScorer(metric="cosine"),
    MahalanobisScorer(standardize_features=False),
    BandScorer(LOFScorer(), bands=2),
]


@pytest.mark.parametrize("factor", [1e-9, 1e-6, 1e6])
@pytest.mark.parametrize("scorer", UNITS, ids=repr)
def test_the_unit_of_the_features_plays_no_part(scorer, factor):
    X, domain = two_domains()
    X[20:26] = X[20]  # copies, between which distances are 0
    new = 2 * clips(20, seed=2)
    expected = clone(scorer).fit(X, domain=domain).decision_function(new)
    decisions = clone(scorer).fit(factor * X, domain=domain).decision_function(factor * new)
    assert_allclose(
        decisions / np.abs(decisions).max(), expected / np.abs(expected).max(), rtol=1e-7, atol=1e-9
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


@pytest.mark.parametrize(
    "y", [[1] * 20 + [-1] * 5, *(pd.Series([1] * 20 + [-1] * 5, dtype=kind) for kind in (float, object))]
)
def test_anomalies_in_y_are_warned_of(y):
    with pytest.warns(UserWarning, match=r"5 clips.*NormalOnly"):
        KNNScorer().fit(clips(25), y)


@pytest.mark.parametrize("y", [None, [1] * 25, ["a"] * 25, np.arange(25)])
def test_other_y_is_not_looked_at(y):
    KNNScorer().fit(clips(25), y)
