"""Bad input, few clips, duplicates, extreme scales, and transformations that change nothing."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skasd.scorers import (
    CosineMeanScorer,
    GammaSoftmaxScorer,
    KMeansScorer,
    KNNCosineScorer,
    KNNScorer,
    LOFScorer,
    MahalanobisScorer,
)

from ._cases import (
    WITH_DOMAINS,
    clips,
    every_scorer,
)

# bad input


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"domain": ["source"] * 9}, "domain has 9 entries for 10 clips"),
        ({"proxy": [False] * 11}, "proxy has 11 entries for 10 clips"),
        ({"section": ["00"] * 3}, "section has 3 entries for 10 clips"),
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
    X[:, 2] = X[:, 2].min()
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
        MahalanobisScorer(standardize_features=False),
        MahalanobisScorer(shrinkage=None),
    ):
        expected = scorer.fit(X).decision_function(new)
        turned = scorer.fit(X @ rotation + shift).decision_function(new @ rotation + shift)
        assert_allclose(turned, expected, rtol=1e-7, atol=1e-7)
    skew = rotation * rng.uniform(0.2, 5, n_features)
    affine = scorer.fit(X @ skew + shift).decision_function(new @ skew + shift)
    assert_allclose(affine, expected, rtol=1e-6, atol=1e-6)
