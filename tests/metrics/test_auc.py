import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hmean
from sklearn.metrics import f1_score, precision_recall_fscore_support, roc_auc_score

from skasd.metrics import (
    auc_by_domain,
    f1_ev,
    harmonic_auc,
    partial_auc,
    precision_recall_f1_by_domain,
)


def auc_by_pairs(normal, anomalous):
    """Probability that an anomalous clip scores higher than a normal one, ties one half."""
    difference = np.subtract.outer(np.asarray(anomalous), np.asarray(normal))
    return np.mean((difference > 0) + (difference == 0) / 2)


@st.composite
def scored_clips(draw):
    """Labels, tied scores and domains with at least one normal clip of each domain and an anomaly."""
    n = draw(st.integers(4, 40))
    y = [1, 1, -1, *draw(st.lists(st.sampled_from([1, -1]), min_size=n - 3, max_size=n - 3))]
    domain = [
        "source",
        "target",
        *draw(st.lists(st.sampled_from(["source", "target"]), min_size=n - 2, max_size=n - 2)),
    ]
    score = draw(st.lists(st.integers(-5, 5), min_size=n, max_size=n))
    return np.array(y), np.array(score, dtype=float), np.array(domain)


@settings(deadline=None, max_examples=40)
@given(scored_clips())
def test_auc_by_domain_counts_pairs_of_normals_of_the_domain_and_all_anomalies(clips):
    y, score, domain = clips
    auc = auc_by_domain(y, score, domain)
    assert list(auc) == ["source", "target"]
    for name, value in auc.items():
        expected = auc_by_pairs(score[(y == 1) & (domain == name)], score[y == -1])
        assert value == pytest.approx(expected, abs=1e-12)


def test_auc_by_domain_of_2021_takes_clips_of_the_domain_only():
    y = [1, -1, 1, -1]
    domain = ["source", "source", "target", "target"]
    score = [2.0, 1.0, 3.0, 4.0]
    assert auc_by_domain(y, score, domain, cross_domain=False) == {"source": 0.0, "target": 1.0}
    assert auc_by_domain(y, score, domain) == {"source": 0.5, "target": 0.5}


@settings(deadline=None, max_examples=40)
@given(scored_clips())
def test_negating_scores_mirrors_the_auc(clips):
    y, score, domain = clips
    up, down = auc_by_domain(y, score, domain), auc_by_domain(y, -score, domain)
    assert all(up[d] + down[d] == pytest.approx(1) for d in up)


def test_partial_auc_is_mcclish_of_the_interpolated_curve():
    # 20 normals: false-positive rate 0.1 is exactly two of them
    rng = np.random.default_rng(0)
    normal, anomalous = rng.normal(size=20), rng.normal(1, 1, size=15)
    y, score = np.repeat([1, -1], [20, 15]), np.concatenate([normal, anomalous])
    worst = np.sort(normal)[::-1][:2]
    area = 0.05 * sum(np.mean(anomalous > t) for t in worst)
    assert partial_auc(y, score) == pytest.approx((1 + (area - 0.005) / 0.095) / 2, abs=1e-12)


def test_partial_auc_with_fewer_than_ten_normals_rests_on_the_highest_of_them():
    y = np.repeat([1, -1], [4, 5])
    anomalous = [0.1, 0.35, 0.5, 0.6, 0.9]
    first = partial_auc(y, [0.1, 0.2, 0.3, 0.45, *anomalous])
    assert first == partial_auc(y, [0.4, 0.44, 0.43, 0.45, *anomalous])
    assert first == pytest.approx((1 + (0.1 * 0.6 - 0.005) / 0.095) / 2)


@pytest.mark.parametrize(
    ("scores", "value"), [([0, 0, 1, 1], 1), ([1, 1, 0, 0], 9 / 19), ([1, 1, 1, 1], 0.5)]
)
def test_partial_auc_at_its_ends_and_by_chance(scores, value):
    assert partial_auc([1, 1, -1, -1], scores) == pytest.approx(value)


def test_partial_auc_up_to_one_is_the_auc():
    y, score = [1, 1, 1, -1, -1], [1, 3, 2, 2, 4]
    assert partial_auc(y, score, max_fpr=1.0) == roc_auc_score(np.array(y) == -1, score)


@settings(deadline=None, max_examples=15)
@given(scored_clips(), st.integers(1, 3))
def test_harmonic_auc_is_the_mean_over_sections_and_domains(clips, n_sections):
    y, score, domain = clips
    section = np.repeat(np.arange(n_sections), len(y))
    rng = np.random.default_rng(len(y))
    scores = np.concatenate([rng.permutation(score) for _ in range(n_sections)])
    y, domain = np.tile(y, n_sections), np.tile(domain, n_sections)
    values = []
    for s in range(n_sections):
        k = section == s
        values += [*auc_by_domain(y[k], scores[k], domain[k]).values(), partial_auc(y[k], scores[k])]
    expected = hmean(np.maximum(values, np.finfo(float).eps))
    assert harmonic_auc(y, scores, domain, section) == pytest.approx(expected, rel=1e-12)


def test_harmonic_auc_without_metadata_is_of_auc_and_pauc():
    y, score = [1, 1, 1, -1, -1], [1.0, 3.0, 2.0, 2.5, 4.0]
    expected = hmean([roc_auc_score([0, 0, 0, 1, 1], score), partial_auc(y, score)])
    assert harmonic_auc(y, score) == pytest.approx(expected)


def test_harmonic_auc_leaves_out_a_domain_without_normals():
    y, score = [1, 1, -1, -1], [1.0, 3.0, 2.0, 4.0]
    assert harmonic_auc(y, score, ["source", "source", "target", "source"]) == harmonic_auc(y, score)


def test_an_auc_of_zero_is_clamped():
    assert harmonic_auc([1, -1], [1.0, 0.0]) == pytest.approx(4.4e-16, rel=0.02)


def test_precision_recall_f1_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, decision = rng.choice([1, -1], size=(2, 60))
    domain = rng.choice(["source", "target"], size=60)
    rates = precision_recall_f1_by_domain(y, decision, pd.Series(domain))
    for name in ("source", "target"):
        k = domain == name
        expected = precision_recall_fscore_support(y[k], decision[k], pos_label=-1, average="binary")[:3]
        np.testing.assert_allclose(rates.loc[name], expected, rtol=1e-12)


def test_precision_recall_f1_are_zero_where_nothing_is_called_anomalous():
    rates = precision_recall_f1_by_domain([1, -1, 1], [1, 1, 1], ["source", "source", "target"])
    assert (rates == 0).all(axis=None)


def test_f1_ev_is_the_mean_f1_over_a_fine_grid_of_thresholds():
    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], [30, 20])
    score = np.concatenate([rng.normal(size=30), rng.normal(1.5, 1, size=20)])

    def f1(threshold):
        return f1_score(y, np.where(score > threshold, -1, 1), pos_label=-1)

    normal = score[y == 1]
    best = max(np.unique(score), key=f1)
    limits = {
        False: (score.min(), score.max()),
        True: (normal.mean() - 0.2 * normal.std(), best + 0.2 * normal.std()),
    }
    for bounded, (low, high) in limits.items():
        grid = np.linspace(low, high, 4001)[:-1] + (high - low) / 8000
        called = score > grid[:, None]
        expected = np.mean(2 * called[:, y == -1].sum(axis=1) / (called.sum(axis=1) + 20))
        assert f1_ev(y, score, bounded=bounded) == pytest.approx(expected, abs=1e-3)


def test_f1_ev_of_equal_scores():
    # no score exceeds the only threshold
    assert f1_ev([1, -1, -1], [2.0, 2.0, 2.0], bounded=False) == 0
    assert f1_ev([1, -1, -1], [2.0, 2.0, 2.0]) == 0


@pytest.mark.parametrize("bounded", [True, False])
def test_f1_ev_of_separated_scores_is_near_one_and_of_reversed_ones_is_not(bounded):
    y = np.repeat([1, -1], 20)
    score = np.concatenate([np.linspace(0, 1, 20), np.linspace(10, 11, 20)])
    assert f1_ev(y, score, bounded=bounded) > 0.8
    assert f1_ev(y, -score, bounded=bounded) < 0.7


GOOD = {"y_true": [1, 1, -1], "anomaly_score": [0.1, 0.2, 0.3], "domain": ["source", "target", "target"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": [0, 0, 1]}, r"y_true must be coded \+1 .* got 0; labels coded 0"),
        ({"y_true": [1, 1, np.nan]}, "got nan"),
        ({"y_true": [[1, 1, -1]]}, "1-D"),
        ({"y_true": []}, "not empty"),
        ({"anomaly_score": [0.1, np.nan, np.inf]}, r"2 of 3 clips are not \(position 1: nan, 2: inf\)"),
        ({"anomaly_score": [0.1, 0.2]}, "anomaly_score has 2 entries, y_true has 3"),
        ({"domain": ["source"]}, "domain has 1 entries, y_true has 3"),
        ({"domain": ["source", "target", "moon"]}, "must be 'source' or 'target', got 'moon'"),
        ({"y_true": [1, -1, -1]}, "domain 'target': no normal clip"),
        ({"y_true": [1, 1, 1]}, "domain 'source': no anomalous clip"),
    ],
)
def test_auc_by_domain_names_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        auc_by_domain(**(GOOD | change))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: partial_auc([1, -1], [0, 1], max_fpr=0), r"max_fpr must be in \(0, 1\], got 0"),
        (lambda: partial_auc([1, 1], [0, 1]), "no anomalous clip among the 2"),
        (lambda: partial_auc([1, -1] * 3, [np.nan] * 6), r"6 of 6 clips .*, 4: nan, \.\.\.\)"),
        (
            lambda: harmonic_auc([1, -1, 1], [0, 1, 2], section=["a", "a", "b"]),
            "section 'b': no anomalous clip",
        ),
        (lambda: harmonic_auc([1, -1], [np.nan, 1], clip=["x/1.wav", "x/2.wav"]), "clip x/1.wav: nan"),
        (lambda: precision_recall_f1_by_domain([1, -1], [0, 1], ["source"] * 2), "y_pred must be coded"),
        (
            lambda: precision_recall_f1_by_domain([1, -1], [1], ["source"] * 2),
            "y_pred has 1 entries, y_true has 2",
        ),
        (lambda: f1_ev([1, 1], [0, 1]), "only [+]1"),
        (lambda: f1_ev([1, -1], [0, 1], margin=-1), "margin must not be negative"),
    ],
)
def test_errors_name_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_metadata_of_any_kind_is_taken():
    y, score = [1, -1, 1, -1], [0.0, 1.0, 1.0, 2.0]
    expected = harmonic_auc(y, score, section=["a", "a", "b", "b"])
    for section in (
        [("fan", 0)] * 2 + [("fan", 1)] * 2,
        [0, 0, "x", "x"],
        pd.Series([1.5, 1.5, None, None], index=[3, 2, 1, 0]),
    ):
        assert harmonic_auc(y, score, section=section) == expected
