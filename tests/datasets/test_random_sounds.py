"""Sounds to train an encoder on."""

import numpy as np
import pytest

from skasd.datasets import make_random_sounds


@pytest.fixture(scope="module")
def sounds():
    return make_random_sounds(60, duration=1.0, random_state=0)


def test_shape_and_level(sounds):
    assert sounds.shape == (60, 32000)
    assert sounds.dtype == np.float32
    peaks = np.abs(sounds).max(axis=1)
    assert peaks.min() > 0.0099
    assert peaks.max() <= 1.0001
    assert np.ptp(20 * np.log10(peaks)) > 25


def test_a_seed_gives_the_same_sounds_and_another_one_others(sounds):
    again = make_random_sounds(60, duration=1.0, random_state=0)
    assert np.array_equal(sounds, again)
    assert not np.allclose(sounds, make_random_sounds(60, duration=1.0, random_state=1))


def test_half_of_the_clips_end_at_8_khz(sounds):
    power = np.abs(np.fft.rfft(sounds)) ** 2
    above = power[:, 8001:].sum(axis=1) / power.sum(axis=1)
    assert 20 < np.sum(above < 1e-10) < 40


def test_sounds_differ_in_colour_and_in_tone(sounds):
    power = np.abs(np.fft.rfft(sounds)) ** 2
    frequencies = np.arange(power.shape[1])
    centroid = power @ frequencies / power.sum(axis=1)
    assert np.log2(np.quantile(centroid, 0.9) / np.quantile(centroid, 0.1)) > 2  # octaves
    share_of_strongest = np.sort(power, axis=1)[:, -20:].sum(axis=1) / power.sum(axis=1)
    assert share_of_strongest.max() > 0.9  # nearly tones only
    assert share_of_strongest.min() < 0.1  # nearly noise only


def test_some_sounds_are_not_stationary(sounds):
    levels = np.log10(np.square(sounds.reshape(60, 20, -1)).mean(axis=2) + 1e-12)
    spread = levels.std(axis=1)
    assert np.quantile(spread, 0.9) > 4 * np.quantile(spread, 0.1)


@pytest.mark.parametrize(
    "arguments", [{"n_clips": 0}, {"n_clips": 1, "duration": 0}, {"n_clips": 1, "sample_rate": 10}]
)
def test_bad_values_are_named(arguments):
    with pytest.raises(ValueError, match=list(arguments)[-1]):
        make_random_sounds(**arguments)


def test_low_sample_rates_work():
    assert np.isfinite(make_random_sounds(30, duration=0.05, sample_rate=8000, random_state=0)).all()
