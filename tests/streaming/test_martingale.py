"""Capital, ranks and rules of alarms by themselves."""

import numpy as np
import pytest

from skasd.streaming._alarms import Confirmation, MartingaleAlarm
from skasd.streaming._drift import DriftWatch
from skasd.streaming._martingale import ConformalRanks, RestartedPowerMartingale


def test_no_bet_is_worth_more_than_its_stake():
    """The mean of the capital after a bet on a uniform p-value is the capital before."""
    martingale = RestartedPowerMartingale()
    t = (np.arange(2000) + 0.5) / 2000
    p, weights = t**50, 50 * t**49 / 2000  # dense where the capital grows without bound
    for first in (0.3, 0.01, 0.9):
        before, n_bets, at_work = martingale.capital, martingale.n_bets, martingale.at_work
        capitals = []
        for value in p:
            martingale.n_bets, martingale.at_work = n_bets, at_work
            capitals.append(martingale.bet(value))
        # what is won beyond 1e12 is thrown away
        assert 0.97 * before < np.dot(weights, capitals) <= before * (1 + 1e-6)
        martingale.n_bets, martingale.at_work = n_bets, at_work
        martingale.bet(first)


def test_capital_of_one_bettor_is_the_formula():
    martingale = RestartedPowerMartingale()
    martingale.bet(0.04)
    powers = martingale.powers
    entered = 1 - 1 / (1 + np.log2(2))
    expected = entered * np.mean(powers * 0.04 ** (powers - 1)) + 1 - entered
    assert martingale.capital == pytest.approx(expected)


def test_false_alarms_are_as_rare_as_stated_and_faults_are_found_late_in_a_long_stream():
    rng = np.random.default_rng(0)
    reached = late = 0
    for _ in range(200):
        martingale = RestartedPowerMartingale()
        highest = max(martingale.bet(p) for p in rng.random(500))
        reached += highest >= 10
        late += max(martingale.bet(p) for p in rng.random(20) / 50) >= 10
    assert reached <= 0.1 * 200
    assert reached > 0  # a bettor that never wins has no power either
    assert late == 200


@pytest.mark.parametrize("p", [0.0, 5e-324, 1.0])
def test_the_smallest_p_values_there_are(p):
    martingale = RestartedPowerMartingale()
    for _ in range(3):
        assert np.isfinite(martingale.bet(p))
    martingale.cap(100)
    assert martingale.capital <= 100 * (1 + 1e-12)


def test_ranks_are_uniform_and_independent():
    rng = np.random.default_rng(0)
    p = []
    for _ in range(150):
        scores = rng.exponential(size=60)
        ranks = ConformalRanks(scores[:20])
        own = []
        for score in scores[20:]:
            own.append(ranks.p_value(score, rng.random()))
            ranks.add(score)
        p.append(own)
    p = np.array(p)
    assert np.abs(np.histogram(p, bins=10, range=(0, 1))[0] / p.size - 0.1).max() < 0.015
    assert abs(np.corrcoef(p[:, :-1].ravel(), p[:, 1:].ravel())[0, 1]) < 0.04


def test_ranks_follow_the_order_of_scores():
    ranks = ConformalRanks(np.arange(100.0))
    p = [ranks.p_value(score, 0.5) for score in (-1e9, 10, 50, 98, 104, 1e9)]
    assert p == sorted(p, reverse=True)
    assert p[0] > 0.99
    assert p[-1] < 0.01
    for _ in range(50):
        ranks.add(130.0)
    assert ranks.p_value(120.0, 0.5) > 0.3 > 0.01 > ranks.p_value(300.0, 0.5)
    before = ConformalRanks(np.full(9, 3.0))  # equal scores are classes as well
    assert before.p_value(3.0, 1.0) == 1
    assert before.p_value(4.0, 1.0) == pytest.approx(0.1)


def test_k_of_n_and_release():
    rule = Confirmation(2, 3, 4)
    alarms = []
    for anomalous in (1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0):
        rule.step(anomalous, None)
        alarms.append(rule.alarm)
    assert alarms == [False] * 5 + [True] * 8 + [False] * 3


def test_martingale_ends_when_its_evidence_is_gone():
    rule = MartingaleAlarm(alpha=0.01, release=3)
    while not rule.alarm:
        rule.step(True, 0.01)
    for _ in range(1000):
        rule.step(True, 0.001)
    assert rule.evidence == pytest.approx(100)  # held there
    rng = np.random.default_rng(0)
    n = 0
    while rule.alarm:
        rule.step(False, rng.random())
        n += 1
    assert 3 <= n < 60
    assert rule.evidence == 1


def test_a_martingale_raises_its_alarm_as_soon_as_the_capital_is_reached():
    rng = np.random.default_rng(1)
    rule, alone = MartingaleAlarm(alpha=0.02, release=3), RestartedPowerMartingale()
    for p in rng.random(400) ** 1.3:
        expected = alone.bet(p) >= 50
        rule.step(False, p)
        assert rule.alarm == expected
        if expected:
            return
    pytest.fail("the alarm was never raised")


def test_a_martingale_ends_its_alarm_after_normal_windows_in_a_row():
    rule = MartingaleAlarm(alpha=0.01, release=4)
    while not rule.alarm:
        rule.step(True, 1e-6)

    def alarm_after(n):
        for _ in range(n):
            rule.step(False, 1.0)
        return rule.alarm

    while rule.evidence > 1:  # what is lost is not won back by p-values of 1
        rule.step(True, 1.0)
    assert alarm_after(3)
    rule.step(True, 1.0)
    assert alarm_after(3)
    rule.interrupt()
    assert alarm_after(3)
    assert not alarm_after(1)
    while not rule.alarm:
        rule.step(True, 1e-6)
    last = np.inf
    while rule.alarm:
        last = rule.evidence
        rule.step(False, 1.0)
    assert 1 < last < 1.5  # normal windows were enough long before


def test_drift_goes_both_ways():
    rng = np.random.default_rng(0)
    for direction, worn in (("up", lambda p: p**3), ("down", lambda p: 1 - p**3)):
        drift = DriftWatch(0.01)
        for place, p in enumerate(rng.random(100)):
            drift.bet(p, place)
        assert not drift.answer(1).moved
        for place, p in enumerate(rng.random(60)):
            drift.bet(worn(p), 100 + place)
        answer = drift.answer(10)
        assert answer.moved
        assert answer.direction == direction
        assert 10 < answer.since < 16
        assert answer.n_windows == 160
