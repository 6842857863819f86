"""Recordings and their folds."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skasd.scorers.recordings import deal_recordings, recording_blocks


def test_blocks_hold_clips_of_one_section():
    X = np.random.default_rng(0).normal(size=(40, 8))
    X += 9 * np.repeat(np.arange(5) % 2, 8)[:, None]  # five recordings
    recording = np.repeat(np.arange(5), 8)
    assert_array_equal(recording_blocks(X), recording)
    both = recording_blocks(np.repeat(X, 2, axis=0), section=["b", "a"] * 40)
    assert_array_equal(both[1::2], recording)  # in the order of the sections
    assert_array_equal(both[::2], recording + 5)
    told = recording_blocks(X[:6], section=["a", "b"] * 3, groups=[1, 1, 2, 2, 2, 2])
    assert_array_equal(told, [0, 2, 1, 3, 1, 3])


def test_recordings_are_dealt_whole_to_folds_of_equal_size():
    groups = np.repeat(np.arange(7), [6, 5, 4, 3, 2, 1, 1])
    folds = deal_recordings(groups, 2)
    assert_array_equal(np.bincount(folds), [11, 11])
    assert all(len(set(folds[groups == group])) == 1 for group in range(7))
    with pytest.raises(ValueError, match="There are 7 recordings, too few for 8 folds"):
        deal_recordings(groups, 8)


def test_clips_of_each_domain_are_spread_over_folds():
    groups = np.r_[np.repeat(np.arange(4), 5), [4, 5, 6, 7]]
    domain = np.repeat(["source", "target"], [20, 4])
    folds = deal_recordings(groups, 4, domain=domain)
    for name, size in (("source", 5), ("target", 1)):
        assert_array_equal(np.bincount(folds[domain == name]), [size] * 4)
    # where a domain has fewer recordings than there are folds, they go to the smallest
    folds = deal_recordings([*"aaabbc", "d"], 3, domain=["source"] * 6 + ["target"])
    assert folds[-1] == folds[5]
