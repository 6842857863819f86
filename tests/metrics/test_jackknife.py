import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t
from sklearn.metrics import roc_auc_score

from skasd.metrics import jackknife_interval


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 15), st.integers(2, 15), st.integers(2, 30), st.sampled_from([None, 0.1, 0.3, 1.0]))
def test_equals_the_plain_jackknife(n_normal, n_anomalous, n_values, max_fpr):
    rng = np.random.default_rng([n_normal, n_anomalous, n_values])
    y = rng.permutation(np.repeat([1, -1], [n_normal, n_anomalous]))
    score = rng.integers(n_values, size=len(y)) + 2.0 * (y == -1)  # ties, and some order
    n = len(y)

    def metric(keep):
        return roc_auc_score(y[keep] == -1, score[keep], max_fpr=max_fpr)

    whole = metric(np.full(n, True))
    left_out = np.array([metric(np.arange(n) != i) for i in range(n)])
    pseudo = n * whole - (n - 1) * left_out
    half = t.ppf(0.975, n - 1) * pseudo.std(ddof=1) / np.sqrt(n)
    interval = jackknife_interval(y, score, max_fpr=max_fpr)
    assert interval.estimate == pytest.approx(pseudo.mean(), abs=1e-10)
    assert interval.half_width == pytest.approx(half, abs=1e-10)
    assert (interval.low, interval.high) == (
        interval.estimate - interval.half_width,
        interval.estimate + interval.half_width,
    )


def test_covers_the_true_auc_about_as_often_as_it_says():
    # AUC of two unit normals sqrt(2) apart is Phi(1)
    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], 60)
    hits = 0
    for _ in range(300):
        interval = jackknife_interval(y, rng.normal(np.sqrt(2) * (y == -1)))
        hits += interval.low <= 0.8413447 <= interval.high
    assert 0.91 <= hits / 300 <= 0.98


def test_a_higher_confidence_is_a_wider_interval():
    rng = np.random.default_rng(0)
    y, score = np.repeat([1, -1], 30), rng.normal(size=60)
    widths = [jackknife_interval(y, score, confidence=c).half_width for c in (0.5, 0.9, 0.99)]
    assert widths == sorted(widths)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"y_true": [1, 1, -1]}, "two clips of each kind, got 2 normal, 1 anomalous"),
        ({"confidence": 95}, r"confidence must be in \(0, 1\), got 95"),
        ({"max_fpr": 2}, "max_fpr"),
    ],
)
def test_errors_name_what_is_wrong(parameters, message):
    good = {"y_true": [1, 1, -1, -1], "anomaly_score": [1.0, 2.0, 3.0, 4.0]}
    good["anomaly_score"] = good["anomaly_score"][: len(parameters.get("y_true", [0] * 4))]
    with pytest.raises(ValueError, match=message):
        jackknife_interval(**(good | parameters))
