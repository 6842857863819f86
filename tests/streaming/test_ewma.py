"""The moving average by itself: normal scores, the limit, false alarms and delays on simulated scores."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtri

from skasd.streaming._ewma import Chart, MovingAverageAlarm, NormalScores

PER_HOUR = 360  # windows of 10 s that do not overlap


def independent(rng, n):
    return rng.exponential(size=n)


def autoregressive(rng, n):
    """AR(1) with a coefficient of 0.5, skewed."""
    return np.exp(0.5 * lfilter([np.sqrt(0.75)], [1, -0.5], rng.standard_normal(n)))


def overlapping(rng, n):
    """Moving means of ten, one hop apart, and a wander of a fifth of the variance that lasts for minutes."""
    noise = np.convolve(rng.standard_normal(10 * n + 9), np.ones(10) / np.sqrt(10), "valid")
    slow = lfilter([np.sqrt(1 - 0.99**2)], [1, -0.99], rng.standard_normal(10 * n))
    return np.exp(0.5 * (np.sqrt(0.8) * noise + np.sqrt(0.2) * slow))


def fresh(scores, share):
    return np.full(len(scores), share)


def alarms(averages, limit):
    """Return where excursions above 0 first reach the limit."""
    excursion = np.cumsum(np.diff(averages > 0, prepend=False))
    reached = np.flatnonzero(averages >= limit)
    return reached[np.unique(excursion[reached], return_index=True)[1]]


def test_normal_scores_are_quantiles_and_go_on_beyond_what_was_heard():
    rng = np.random.default_rng(0)
    normal = NormalScores(rng.exponential(size=4000))
    shares = np.array([0.9, 0.5, 0.1, 0.02, 1e-3, 1e-5, 1e-8])
    assert normal(-np.log(shares)) == pytest.approx(-ndtri(shares), abs=0.25)
    z = normal(np.linspace(-1, 60, 500))
    assert np.all(np.diff(z) >= 0)
    assert np.isfinite(normal([-1e9, 1e9])).all()
    healthy = normal(rng.exponential(size=4000))
    assert [healthy.mean(), healthy.std()] == pytest.approx([0, 1], abs=0.08)
    assert list(NormalScores(np.full(9, 3.0))([3.0, 9.0]) > 0) == [False, True]


def test_average_and_limit_are_the_formulas():
    scores = np.random.default_rng(1).normal(size=2000)
    chart = Chart(scores, fresh(scores, 0.1), 500.0)
    z, average, heights = chart.normal_scores(scores), 0.0, [0.0]
    for value in z:
        average += (1 - 0.8**0.1) * (value - average)
        if average > 0:
            heights[-1] = max(heights[-1], average)
        elif heights[-1]:
            heights.append(0.0)
    squares = sorted((height**2 for height in heights if height), reverse=True)
    n, m = len(squares), len(squares) // 4
    assert m > 5
    x = chart.limit**2 - squares[m]
    total = sum(squares[:m]) - m * squares[m]
    expected = n * (m + 1) / (n + 1) * (1 + x / total) ** -m  # in 200 windows without overlap
    assert expected == pytest.approx(200 / 500)


@pytest.mark.parametrize(
    ("simulate", "share"),
    [
        (independent, 1.0),
        (autoregressive, 1.0),
        pytest.param(overlapping, 0.1, marks=pytest.mark.slow),
    ],
)
def test_false_alarms_come_as_rarely_as_stated(simulate, share):
    """Mean over 24 calibrations of an hour each; a limit for independent windows would be too low by far."""
    rng = np.random.default_rng(2)
    rates, n_hours = {1: [], 8: []}, 40
    for _ in range(24):
        healthy, later = simulate(rng, PER_HOUR), simulate(rng, n_hours * PER_HOUR)
        for hours, found in rates.items():
            chart = Chart(healthy, fresh(healthy, share), hours * PER_HOUR)
            averages = lfilter(
                [1 - 0.8**share], [1, -(0.8**share)], chart.normal_scores(later)
            )  # as chart.averages, and fast
            found.append(hours * len(alarms(averages, chart.limit)) / n_hours)
    assert 0.5 < np.mean(rates[1]) < 1.6
    assert 0.15 < np.mean(rates[8]) < 2.2


def test_growing_faults_are_found_before_k_of_n_finds_them():
    """With as many false alarms as two anomalous windows of three raise, on the same scores."""
    rng = np.random.default_rng(3)
    healthy = overlapping(rng, 40 * PER_HOUR)
    spread = healthy.std()

    def confirmed(scores, threshold):
        anomalous = (scores > threshold).astype(int)
        return np.convolve(anomalous, np.ones(3), "full")[: len(scores)] >= 2

    threshold = np.quantile(healthy, 0.995)
    stands = confirmed(healthy, threshold)
    begins = np.flatnonzero(np.diff(stands.astype(int)) > 0)
    rate = (1 + np.sum(np.diff(begins) > 10)) / 40  # alarms an hour, those within a window taken as one
    chart = Chart(healthy, fresh(healthy, 0.1), PER_HOUR / rate)
    delays = {"confirm": [], "average": []}
    for _ in range(30):
        scores = overlapping(rng, 120)
        scores[600:] += spread * np.arange(600) / 60  # one spread in a minute
        averages = chart.averages(scores, fresh(scores, 0.1))
        delays["average"].append(np.argmax(averages[600:] >= chart.limit))
        delays["confirm"].append(np.argmax(confirmed(scores, threshold)[600:]))
    assert np.median(delays["average"]) < np.median(delays["confirm"]) - 5


def test_it_ends_when_the_average_is_back():
    rng = np.random.default_rng(4)
    rule = MovingAverageAlarm(release=3)
    scores = rng.normal(size=2000)
    rule.chart = Chart(scores, fresh(scores, 1.0), 5000.0)
    for _ in range(1000):
        rule.step(True, (30.0, 1.0))
    assert rule.alarm
    assert rule.evidence == pytest.approx(1)  # held there
    n = 0
    while rule.alarm:
        rule.step(False, (rng.normal(), 1.0))
        n += 1
    assert 3 <= n < 60
    assert rule.evidence == 0


def test_a_stream_has_the_averages_of_its_calibration():
    rng = np.random.default_rng(6)
    scores, shares = rng.normal(size=300), rng.choice([0.1, 0.5, 1.0], size=300)
    rule = MovingAverageAlarm(release=3)
    rule.chart = Chart(scores, shares, 1e6)
    found = []
    for window in zip(scores, shares, strict=True):
        rule.step(False, window)
        found.append(rule.average)
    assert not rule.alarm
    np.testing.assert_allclose(found, rule.chart.averages(scores, shares), rtol=1e-12)


def test_it_ends_after_normal_windows_in_a_row():
    scores = np.random.default_rng(7).normal(size=2000)
    rule = MovingAverageAlarm(release=4)
    rule.chart = Chart(scores, fresh(scores, 1.0), 100.0)
    for _ in range(30):
        rule.step(True, (30.0, 1.0))

    def alarm_after(n):
        for _ in range(n):
            rule.step(False, (-30.0, 1.0))
        return rule.alarm

    assert alarm_after(3)
    assert rule.average < 0
    rule.step(True, (-30.0, 1.0))
    assert alarm_after(3)
    rule.interrupt()
    assert alarm_after(3)
    assert not alarm_after(1)
    assert (rule.average, rule.normal_in_a_row) == (0, 0)


def test_short_and_equal_calibrations_have_a_limit():
    for scores in (np.zeros(90), np.arange(90.0), np.tile([0.0, 1.0], 45)):
        chart = Chart(scores, fresh(scores, 1.0), 8640.0)
        assert 0 < chart.limit <= 5  # normal scores can reach it
    rng = np.random.default_rng(5)
    limits = [[Chart(x, fresh(x, 1.0), 8640.0).limit for x in rng.normal(size=(20, n))] for n in (100, 5000)]
    assert np.median(limits[0]) > 1.2 * np.median(limits[1])  # little is known of the tail
