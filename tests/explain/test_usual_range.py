"""Levels beyond what healthy clips have are brought back; all others stay."""

import numpy as np
import pytest
from scipy.signal import stft

from skasd.explain._usual_range import brought_back

RATE, N = 16000, 48000
T = np.arange(N) / RATE


def noise(seed, n=N):
    return np.random.default_rng(seed).normal(scale=0.1, size=n).astype(np.float32)


NEAR = [noise(seed) for seed in range(8)]


def level(waveform, low, high, start, end):
    frequencies, times, spectrum = stft(waveform, RATE, nperseg=1024)
    rows, columns = ((a >= b) & (a <= c) for a, b, c in ((frequencies, low, high), (times, start, end)))
    return 10 * np.log10((np.abs(spectrum[rows][:, columns]) ** 2).mean())


def test_a_healthy_clip_stays_as_it_is():
    np.testing.assert_allclose(brought_back(NEAR[3], NEAR, RATE), NEAR[3], atol=1e-6)
    other = noise(50)
    assert np.std(brought_back(other, NEAR, RATE) - other) < 0.1 * np.std(other)


def test_a_tone_goes_and_the_rest_stays():
    clip = noise(50) + (T > 1.5) * 0.05 * np.sin(2 * np.pi * 3000 * T)
    found = brought_back(clip, NEAR, RATE)
    usual = level(NEAR[0], 2970, 3030, 1.7, 2.8)
    assert level(clip, 2970, 3030, 1.7, 2.8) > usual + 10
    assert level(found, 2970, 3030, 1.7, 2.8) == pytest.approx(usual, abs=2)
    for place in ((2970, 3030, 0.1, 1.3), (500, 2800, 0, 3), (3200, 7500, 0, 3)):
        assert level(found, *place) == pytest.approx(level(clip, *place), abs=0.3)


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_a_clip_that_is_quieter_or_louder_everywhere(gain):
    """Single levels of it lie within the range of healthy ones, their means do not."""
    found = brought_back(gain * noise(50), NEAR, RATE)
    assert [np.std(part) for part in np.split(found, 6)] == pytest.approx([0.1] * 6, rel=0.08)


def test_lengths_and_rates():
    for n in (300, 4801, N):
        assert brought_back(noise(50, n), [noise(1, 900), noise(2, 5000)], RATE).shape == (n,)
    assert not brought_back(np.zeros(N, np.float32), [np.zeros(N, np.float32)], RATE).any()
    assert np.isfinite(brought_back(np.zeros(N, np.float32), NEAR, RATE)).all()
