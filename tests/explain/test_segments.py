"""Regions of a map of shares, their edges, and words for them."""

from types import SimpleNamespace

import numpy as np
import pytest

from skasd.explain._segments import Levels, in_words, regions


def test_regions_are_contiguous_and_sorted():
    shares = np.zeros((32, 16))
    shares[4:6, 2:4] = 0.1
    shares[20:24, 12:16] = 0.03
    first, second = regions(shares, most=3)
    assert first.bands == (20, 24)
    assert first.times == (12, 16)
    assert first.share == pytest.approx(0.48)
    assert second.bands == (4, 6)
    assert second.times == (2, 4)
    assert len(regions(shares, most=1)) == 1


def test_edges_follow_the_level_beyond_the_tiles():
    rng = np.random.default_rng(0)
    t = np.arange(80000) / 16000
    healthy, clip = rng.normal(scale=0.1, size=(2, len(t)))
    clip += (t > 1.3) * 0.1 * np.sin(2 * np.pi * 2000 * t)
    low, high, start, end = Levels(clip, healthy, 16000).edges(1500, 2500, 2.5, 3.1)
    assert 1960 < low < 2000 < high < 2040
    assert start == pytest.approx(1.3, abs=0.2)
    assert end == 5.0


def test_edges_stay_where_the_level_does_not_differ():
    healthy, clip = np.random.default_rng(1).normal(scale=0.1, size=(2, 80000))
    assert Levels(clip, healthy, 16000).edges(1500, 6500, 1.0, 4.0) == (1500, 6500, 1.0, 4.0)


def test_silence_has_a_level():
    noise = np.random.default_rng(0).normal(scale=0.1, size=16000)
    assert Levels(np.zeros(16000), noise, 16000).db(0, 8000, 0, 1) < -80
    assert np.isnan(Levels(np.zeros(16000), np.zeros(16000), 16000).db(0, 8000, 0, 1))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((3.2, 10, 6100, 6400, 14.2), "6.1-6.4 kHz, from 3.2 s on, 14 dB above the healthy clip"),
        ((0, 10, 0, 8000, -146), "all frequencies, throughout, 146 dB below the healthy clip"),
        (
            (0, 4.04, 0, 437, 0.4),
            "below 440 Hz, until 4.0 s, as loud as the healthy clip, though not like it",
        ),
        ((1, 2, 950, 8000, 3), "above 950 Hz, from 1.0 to 2.0 s, 3 dB above the healthy clip"),
        ((1, 1.02, 950, 1240, np.nan), "950 Hz-1.24 kHz, at 1.0 s, silent as the healthy clip"),
        ((1, 2, 2998, 3002, 3), "near 3 kHz, from 1.0 to 2.0 s, 3 dB above the healthy clip"),
    ],
)
def test_words(values, text):
    segment = SimpleNamespace(**dict(zip(("start", "end", "low", "high", "db"), values, strict=True)))
    assert in_words(segment, 10.0, 8000.0) == text
