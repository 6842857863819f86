import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LogMelTransformer
from skasd.explain import explain
from skasd.explain._fluctuation import steadied, unusual_fluctuation

RATE = 16000


def noise(n, seconds=2.0, seed=0):
    return np.random.default_rng(seed).normal(scale=0.1, size=(n, int(seconds * RATE)))


def modulated(clip, frequency, depth):
    return clip * (1 + depth * np.sin(2 * np.pi * frequency * np.arange(len(clip)) / RATE + 1))


@pytest.mark.parametrize("frequency", [4.0, 22.3, 60.0])
def test_frequency_and_depth_are_found(frequency):
    *healthy, clip = noise(9)
    found = unusual_fluctuation(modulated(clip, frequency, 0.4), healthy, RATE)
    assert found.frequency == pytest.approx(frequency, abs=0.3)
    assert found.depth == pytest.approx(0.4, rel=0.25)
    assert found.usual < 0.1


def test_healthy_clips_have_none():
    *healthy, clip = noise(9)
    assert unusual_fluctuation(clip, healthy, RATE) is None
    # nor where healthy clips fluctuate alike, at a speed that is a little different
    healthy = [modulated(part, 20.0, 0.4) for part in healthy]
    assert unusual_fluctuation(modulated(clip, 22.0, 0.4), healthy, RATE) is None
    assert unusual_fluctuation(modulated(clip, 40.0, 0.4), healthy, RATE).frequency == pytest.approx(
        40, abs=0.3
    )


@pytest.mark.parametrize("seconds", [0.02, 0.3, 5.0])
def test_lengths_may_differ_and_silence_is_still(seconds):
    (clip,) = noise(1, seconds)
    healthy = noise(4)
    for part in (clip, np.zeros_like(clip)):
        assert unusual_fluctuation(part, healthy, RATE) is None
    found = unusual_fluctuation(modulated(clip, 30.0, 0.5), healthy, RATE)
    assert (found is not None) == (seconds > 0.2)


def test_steadied_takes_it_out_with_its_multiples():
    *healthy, clip = noise(9)
    times = np.arange(len(clip)) / RATE
    knocking = clip * (1 + 0.5 * np.sin(2 * np.pi * 12 * times) + 0.2 * np.sin(2 * np.pi * 24 * times))
    found = unusual_fluctuation(knocking, healthy, RATE)
    assert found.frequency == pytest.approx(12, abs=0.3)
    still = steadied(knocking, found.frequency, RATE)
    assert unusual_fluctuation(still, healthy, RATE) is None
    assert np.corrcoef(still, clip)[0, 1] > 0.98


def test_it_is_said_if_the_detector_hears_it():
    *healthy, clip = noise(17)
    clip = modulated(clip, 20.0, 0.6)
    hears = make_pipeline(
        LogMelTransformer(n_fft=256, hop_length=64, n_mels=16), ClipStatistics(), KNNScorer()
    ).fit(healthy)
    said = explain(hears, clip, healthy=healthy).sentence
    assert said.startswith("the level rises and falls 20 times a second, by 60% (4% in healthy clips)")

    clip += 0.1 * np.sin(2 * np.pi * 3000 / RATE * np.arange(len(clip)))
    deaf = make_pipeline(LogMelTransformer(), ClipStatistics(("mean",)), KNNScorer()).fit(healthy)
    said = explain(deaf, clip, healthy=healthy).sentence
    assert "rises and falls" not in said
    assert "kHz, throughout" in said


def test_a_burst_is_a_region_and_no_fluctuation():
    *healthy, clip = noise(17)
    clip[16000:18000] *= 4
    hears = make_pipeline(
        LogMelTransformer(n_fft=256, hop_length=64, n_mels=16), ClipStatistics(), KNNScorer()
    )
    said = explain(hears.fit(healthy), clip, healthy=healthy).sentence
    assert "from 1.0 to 1.1 s" in said
    assert "rises and falls" not in said
