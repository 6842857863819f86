"""Scores that are features already."""

import numpy as np
import pytest
from scipy import stats

from skasd.scorers import ColumnScorer


@pytest.fixture
def scores():
    return np.random.default_rng(0).gamma(3, size=(200, 2))


def test_the_score_is_the_weighted_sum(scores):
    np.testing.assert_allclose(ColumnScorer().fit(scores).anomaly_score(scores), scores.sum(axis=1))
    np.testing.assert_allclose(
        ColumnScorer(weights=-2).fit(scores).score_samples(scores), 2 * scores.sum(axis=1)
    )
    weighted = ColumnScorer(weights=[0.25, 0]).fit(scores)
    np.testing.assert_allclose(weighted.anomaly_score(scores), 0.25 * scores[:, 0])
    with pytest.raises(ValueError, match=r"weights must be finite, got \[nan, 1\]"):
        ColumnScorer([np.nan, 1]).fit(scores)
    with pytest.raises(ValueError, match=r"weights has shape \(3,\), but X has 2 columns"):
        ColumnScorer(weights=[1, 2, 3]).fit(scores)


def test_thresholds(scores):
    column = scores[:, :1]
    gamma = ColumnScorer(calibration="gamma").fit(column)
    assert gamma.threshold_ == pytest.approx(stats.gamma.ppf(0.9, *stats.gamma.fit(column[:, 0])))
    cross = ColumnScorer(contamination=0.25).fit(column)
    ordered = np.sort(column[:, 0])
    assert cross.threshold_ == pytest.approx(0.25 * ordered[149] + 0.75 * ordered[150])  # 201 * 0.75 = 150.75
    p = column / (1 + column)
    mean = ColumnScorer(weights=-1, calibration="mean").fit(p)
    np.testing.assert_array_equal(mean.predict(p) == -1, p[:, 0] < (1 - 0.04) * p.mean())
    assert ColumnScorer(weights=-1, calibration="mean", margin=0.0).fit(p).threshold_ == pytest.approx(
        -p.mean()
    )


def test_neither_domain_nor_proxies_nor_skipped_clips_move_the_threshold(scores):
    plain = ColumnScorer().fit(scores)
    more = np.concatenate([scores, np.full((3, 2), np.nan), np.full((3, 2), 99.0)])
    proxy = np.arange(206) >= 203
    domain = np.where(np.arange(206) % 10 == 0, "target", "source")
    other = ColumnScorer().fit(more, domain=domain, proxy=proxy)
    assert other.threshold_ == plain.threshold_
    assert np.isnan(other.score_samples(more)[200:203]).all()
    assert (other.predict(more)[200:203] == -1).all()
