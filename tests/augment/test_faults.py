import numpy as np
import pytest

from skasd.augment import FAULTS, add_fault


def clip(seed=0, n_samples=16000):
    random = np.random.default_rng(seed)
    hum = np.sin(2 * np.pi * 120 / 16000 * np.arange(n_samples))
    return (0.05 * hum + random.normal(scale=0.02, size=n_samples)).astype(np.float32)


def spectrogram(seed=0):
    random = np.random.default_rng(seed)
    return (-40 + 5 * random.normal(size=(64, 60))).astype(np.float32)


@pytest.mark.parametrize("make", [clip, spectrogram])
@pytest.mark.parametrize("fault", FAULTS)
def test_clips_change_more_the_severer_the_fault(fault, make):
    healthy = make()
    before = healthy.copy()
    changes = []
    for severity in (0, 0.5, 1):
        made = [add_fault(healthy, fault, severity, random_state=seed) for seed in range(8)]
        assert all(each.shape == healthy.shape and each.dtype == np.float32 for each in made)
        assert all(np.isfinite(each).all() for each in made)
        # a shift of the whole looks as large however far it goes: only that it is one
        changes.append(np.mean([np.abs(each - healthy).mean() for each in made]))
    np.testing.assert_array_equal(healthy, before)
    assert changes[0] > 0
    assert fault == "speed" or changes[0] < changes[1] < changes[2]


def test_speed_moves_a_tone_by_as_many_percent():
    tone = np.sin(2 * np.pi * 1000 / 16000 * np.arange(32000))
    found = set()
    for seed in range(6):
        spectrum = np.abs(np.fft.rfft(add_fault(tone, "speed", 1.0, random_state=seed) * np.hanning(32000)))
        found.add(round(float(np.argmax(spectrum)) / 2))
    assert found == {1100, 909}


def test_a_tone_is_as_loud_as_said():
    noise = np.random.default_rng(0).normal(size=160000)
    changed = add_fault(noise, "tone", 0.8, random_state=1)  # 0 dB from its octave
    tone = changed - noise
    at = np.argmax(np.abs(np.fft.rfft(tone))) / 10
    # of white noise the bell of an octave holds its width in Hz, to some per cent
    octaves = np.log2(np.arange(1, 8000) / at)
    own = (0.5 ** (2 * (2 * octaves) ** 2)).sum() / 8000
    assert np.mean(tone**2) == pytest.approx(own, rel=0.05)


def test_a_missing_band_is_weaker_and_the_rest_as_it_was():
    noise = np.random.default_rng(0).normal(size=160000)
    changed = add_fault(noise, "missing band", 1.0, random_state=0)
    gains = 20 * np.log10(np.abs(np.fft.rfft(changed)[1:]) / np.abs(np.fft.rfft(noise)[1:]))
    assert gains.min() == pytest.approx(-20, abs=0.1)
    assert np.mean(gains > -0.1) > 0.3


def test_the_same_seed_makes_the_same_clip_and_another_another():
    first, again, other = (add_fault(clip(), "clicks", 0.5, random_state=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "healthy", [np.zeros(8000), np.ones(3), np.full((4, 2), -100.0)], ids=["silent", "short", "tiny"]
)
def test_odd_clips_stay_finite(fault, healthy):
    changed = add_fault(healthy, fault, 1.0, random_state=0)
    assert changed.shape == healthy.shape
    assert np.isfinite(changed).all()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"fault must be one of speed, tone.*got 'rust'"):
        add_fault(clip(), "rust", 0.5)
    with pytest.raises(ValueError, match=r"severity must be in \[0, 1\], got 2"):
        add_fault(clip(), "tone", 2)
