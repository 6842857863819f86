"""Healthy clips are brought to the length, and where there is one to the course, of a clip."""

import numpy as np
import pytest

from skasd.explain._alignment import aligned

RATE = 16000


def pulses(n, first, every, seed=0):
    rng = np.random.default_rng(seed)
    sound = rng.normal(scale=0.01, size=n)
    for at in range(first, n - 800, every):
        sound[at : at + 800] += rng.normal(scale=0.5, size=800)
    return sound


@pytest.mark.parametrize("n_healthy", [64000, 90000])
def test_events_are_laid_over_each_other(n_healthy):
    clip = pulses(64000, 3000, 20000)
    healthy = pulses(n_healthy, 11000, 20000, seed=1)
    found = aligned(healthy, clip, RATE)
    assert found.shape == clip.shape

    def course(sound):
        return np.log(np.square(sound).reshape(-1, 800).mean(axis=1))

    assert np.corrcoef(course(clip), course(healthy[:64000]))[0, 1] < 0.3
    assert np.corrcoef(course(clip), course(found))[0, 1] > 0.7


def test_a_stationary_clip_stays_where_it_is():
    clip, healthy = np.random.default_rng(0).normal(size=(2, 32000))
    assert aligned(healthy, clip, RATE) is not clip
    np.testing.assert_array_equal(aligned(healthy, clip, RATE), healthy)
    longer = np.random.default_rng(1).normal(size=50000)
    np.testing.assert_array_equal(aligned(longer, clip, RATE), longer[:32000])


def test_a_shorter_clip_is_repeated_without_a_jump():
    tone = np.sin(2 * np.pi * 200 * np.arange(9000) / RATE)
    found = aligned(tone, np.zeros(32000), RATE)
    assert found.shape == (32000,)
    np.testing.assert_array_equal(found[:8000], tone[:8000])
    assert np.abs(np.diff(found)).max() <= np.abs(np.diff(tone)).max() * 1.2
    assert found[20000:].std() == pytest.approx(tone.std(), rel=0.05)


def test_silence():
    assert not aligned(np.zeros(32000), np.zeros(32000), RATE).any()
    assert aligned(np.zeros(400), np.ones(1000), RATE).shape == (1000,)
