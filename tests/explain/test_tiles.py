"""Tiles: nothing replaced is the clip, all replaced is the healthy clip, and one is felt where it lies."""

import numpy as np
import pytest
from scipy.signal import stft

from skasd.explain._tiles import Tiles, mel_band_edges

RATE, N = 16000, 20000


def make(rate=RATE, n=N, first=0, last=None, n_times=8):
    rng = np.random.default_rng(0)
    clip, healthy = rng.normal(scale=0.1, size=(2, n))
    samples = np.linspace(first, n if last is None else last, n_times + 1).round().astype(int)
    return Tiles(clip, healthy, rate, mel_band_edges(rate), samples), clip, healthy


@pytest.mark.parametrize(("rate", "n"), [(16000, 20000), (16000, 19937), (8000, 4001), (44100, 50000)])
def test_nothing_and_all(rate, n):
    tiles, clip, healthy = make(rate, n)
    np.testing.assert_allclose(tiles.replaced((0, 0), (0, 8)), clip, atol=1e-6)
    np.testing.assert_allclose(tiles.replaced((5, 9), (3, 3)), clip, atol=1e-6)
    np.testing.assert_allclose(tiles.replaced((0, 32), (0, 8)), healthy, atol=1e-6)
    np.testing.assert_allclose(tiles.replaced((0, 0), (0, 0), others=True), healthy, atol=1e-6)
    np.testing.assert_allclose(tiles.replaced((0, 32), (0, 8), others=True), clip, atol=1e-6)


def test_tiles_are_the_sum_of_their_parts():
    tiles, clip, _ = make()
    parts = [tiles.replaced((b, b + 8), (t, t + 2)) - clip for b in range(0, 32, 8) for t in range(0, 8, 2)]
    np.testing.assert_allclose(np.sum(parts, axis=0), tiles.replaced((0, 32), (0, 8)) - clip, atol=2e-6)
    np.testing.assert_allclose(
        tiles.replaced((8, 20), (2, 5)) - clip,
        tiles.replaced((8, 13), (2, 5)) + tiles.replaced((13, 20), (2, 5)) - 2 * clip,
        atol=1e-6,
    )


def test_a_tile_is_felt_in_its_time_and_band_alone():
    tiles, clip, healthy = make()
    change = tiles.replaced((16, 20), (2, 5)) - clip
    first, last = tiles.samples[[2, 5]]
    assert np.abs(change[: first - 300]).max() < 1e-7
    assert np.abs(change[last + 300 :]).max() < 1e-7
    frequencies, times, spectrum = stft(change, RATE, nperseg=1024)
    power = np.abs(spectrum) ** 2
    low, high = tiles.frequencies[[16, 20]]
    inside = (frequencies > low - 60) & (frequencies < high + 60)
    assert power[inside].sum() > 0.99 * power.sum()
    # in the middle the clip is the healthy one there
    middle = (times > first / RATE + 0.1) & (times < last / RATE - 0.1)
    band = (frequencies > low + 60) & (frequencies < high - 60)
    _, _, other = stft(healthy - clip, RATE, nperseg=1024)
    np.testing.assert_allclose(
        spectrum[band][:, middle], other[band][:, middle], atol=0.02 * np.abs(other).max()
    )


def test_a_span_leaves_the_rest_as_it_is():
    tiles, clip, healthy = make(first=8000, last=16000, n_times=4)
    changed = tiles.replaced((0, 32), (0, 4))
    np.testing.assert_array_equal(changed[: 8000 - 600], clip[: 8000 - 600].astype(np.float32))
    np.testing.assert_array_equal(changed[16000 + 600 :], clip[16000 + 600 :].astype(np.float32))
    np.testing.assert_allclose(changed[8600:15400], healthy[8600:15400], atol=1e-6)
    kept = tiles.replaced((4, 9), (1, 2), others=True) + tiles.replaced((4, 9), (1, 2))
    np.testing.assert_allclose(kept, clip + changed, atol=1e-6)


def test_covering():
    tiles, *_ = make()
    edges = tiles.frequencies
    assert tiles.covering(edges[3], edges[5], tiles.samples[1], tiles.samples[2]) == ((3, 5), (1, 2))
    assert tiles.covering(edges[3] + 1, edges[5] + 1, 0, N) == ((3, 6), (0, 8))
    assert tiles.covering(0, 8000, 0, 1) == ((0, 32), (0, 1))


def test_band_edges_are_equal_steps_on_the_mel_scale():
    edges = mel_band_edges(16000)
    assert (edges[0], edges[-1], len(edges)) == (0, 8000, 33)
    np.testing.assert_allclose(np.diff(np.log1p(edges / 700), n=2), 0, atol=1e-9)
