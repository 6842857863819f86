"""Rows made of others: they join the references, and no threshold is set from them."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skasd.scorers import OEVAEScorer

from ._cases import MedianScorer, clips, every_scorer


def with_made(n=40):
    """Return clips, rows between neighbours among them, and where all rows come from."""
    X = clips(n)
    pairs = [(i, (i + 1) % n) for i in range(0, n, 2)]
    made = np.array([(X[a] + X[b]) / 2 for a, b in pairs])
    return np.concatenate([X, made]), [(i,) for i in range(n)] + pairs


@every_scorer
def test_made_rows_join_the_references(scorer):
    X, origin = with_made()
    fitted = clone(scorer).fit(X, origin=origin)
    if not isinstance(scorer, OEVAEScorer):  # whose scores are standardised by those of recorded clips
        assert_allclose(fitted.score_samples(X), clone(scorer).fit(X).score_samples(X))
    assert fitted.training_scores_.shape == (40,)
    assert np.isfinite(fitted.training_scores_).all()
    only = clone(scorer).fit(X[:40], origin=origin[:40])
    assert only.training_scores_.shape == (40,)


def test_recorded_clips_are_held_out_with_all_that_was_made_of_them():
    X, origin = with_made()
    scores = MedianScorer().fit(X, origin=origin).training_scores_
    folds = np.arange(40) % 10
    for number in range(10):
        gone = set(np.flatnonzero(folds == number))
        rest = [row for row, clips_of_row in enumerate(origin) if gone.isdisjoint(clips_of_row)]
        assert_allclose(
            scores[folds == number], MedianScorer().fit(X[rest]).anomaly_score(X[:40][folds == number])
        )


@pytest.mark.parametrize("kind", [list, pd.Series], ids=["list", "series"])
def test_origin_with_groups_domains_and_normalisation(kind):
    X, origin = with_made()
    groups = np.array([(names[0] // 8) for names in origin])
    domain = np.where(groups < 3, "source", "target")
    scorer = MedianScorer(domain_normalization="zscore").fit(
        X, origin=kind(origin), groups=groups, domain=domain, proxy=np.arange(60) == 59
    )
    assert scorer.training_scores_.shape == (40,)
    assert sorted(scorer.references_) == ["source", "target"]
    # groups leave together, with what was made of any clip of theirs
    scores = MedianScorer().fit(X, origin=origin, groups=groups).training_scores_
    ratios = []
    for group in range(5):
        rest = [row for row, names in enumerate(origin) if group not in {name // 8 for name in names}]
        own = np.flatnonzero(groups[:40] == group)
        ratio = scores[own] / MedianScorer().fit(X[rest]).anomaly_score(X[own])
        ratios.append(ratio)
    assert_allclose(ratios, np.full((5, 8), ratios[0][0]))  # all are lowered alike
    assert 2 / 3 <= ratios[0][0] <= 1


def test_groups_alone_are_as_before():
    X = clips(40)
    groups = np.arange(40) // 4
    with_origin = MedianScorer().fit(X, groups=groups, origin=[(i,) for i in range(40)])
    assert_array_equal(MedianScorer().fit(X, groups=groups).training_scores_, with_origin.training_scores_)


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ([(0,)] * 9, "origin has 9 entries for 10 clips"),
        ([(0,)] * 9 + [()], r"tuple of clips for every row, got \(\) in row 9"),
        (list(range(10)), "tuple of clips for every row, got 0 in row 0"),
        ([(0, 1)] * 10, "needs at least 1 recorded training clips, got 0 and 10 that were made of others"),
    ],
)
def test_bad_origins(origin, message):
    with pytest.raises(ValueError, match=message):
        MedianScorer().fit(clips(10), origin=origin)
