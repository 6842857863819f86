"""Which clips stay when a reference is full."""

import numpy as np
import pytest

from skasd.detector._reference_clips import bounded, joined, reference_clips, without_copies
from skasd.scorers import KNNScorer


def clips_of(n, first=0, **known):
    X = np.zeros((n, 10), np.float32)
    rows = np.arange(first, first + n, dtype=np.float32)[:, None]
    return reference_clips(X, rows, first, **known)


def kept(clips, max_clips):
    return bounded(clips, max_clips)["rows"].ravel().astype(int)


@pytest.mark.parametrize("n", [64, 100, 3000])
@pytest.mark.parametrize("max_clips", [8, 16, 31])
def test_what_is_kept_is_spread_evenly_over_time(n, max_clips):
    steps = np.diff([*kept(clips_of(n), max_clips), n])
    assert len(steps) == max_clips
    assert steps.max() <= 4 * n / max_clips


def test_every_second_clip_of_a_power_of_two_is_kept():
    np.testing.assert_array_equal(kept(clips_of(64), 32), np.arange(0, 64, 2))


def test_every_recording_keeps_as_many_as_can_be():
    groups = np.repeat(["long", "short", "middle"], [500, 7, 60])
    found = np.unique(groups[kept(clips_of(567, groups=groups), 107)], return_counts=True)
    assert dict(zip(*found, strict=True)) == {"long": 50, "short": 7, "middle": 50}


def test_of_more_recordings_than_places_some_keep_one_clip():
    groups = np.repeat(np.arange(50), 3)
    assert len(set(groups[kept(clips_of(150, groups=groups), 20)])) == 20


def test_the_rare_domain_stays_whole():
    domain = np.array(["source"] * 990 + ["target"] * 10)
    groups = np.arange(1000) // 5
    assert (kept(clips_of(1000, domain=domain, groups=groups), 100) >= 990).sum() == 10


def test_sections_are_bounded_each_by_itself():
    section = np.repeat(["a", "b"], [40, 6])
    found = section[kept(clips_of(46, section=section), 10)]
    assert [(found == name).sum() for name in "ab"] == [10, 6]


def test_below_the_bound_nothing_changes():
    clips = clips_of(20)
    assert bounded(clips, 20) is clips


@pytest.mark.parametrize("known", [(), ("groups",), ("groups", "domain")])
def test_it_does_not_matter_how_many_come_at_a_time(known):
    random = np.random.default_rng(0)
    n, max_clips = 900, 50
    values = {
        "groups": np.sort(random.integers(0, 12, n)),
        "domain": np.where(random.random(n) < 0.03, "target", "source"),
    }
    values = {name: values[name] for name in known}
    at_once = kept(clips_of(n, **values), max_clips)
    for step in (1, 70, 400):
        parts = None
        for first in range(0, n, step):
            part = {name: value[first : first + step] for name, value in values.items()}
            new = clips_of(min(step, n - first), first, **part)
            parts = bounded(new if parts is None else joined(parts, new, first, {}), max_clips)
        np.testing.assert_array_equal(parts["rows"].ravel().astype(int), at_once)


def test_odd_clips_are_not_preferred():
    """Mean, spread and quantiles stay those of all clips; where near ones give way first they do not."""
    random = np.random.default_rng(0)
    rows = random.standard_t(4, size=(4000, 3)).astype(np.float32)
    clips = reference_clips(np.zeros((4000, 10)), rows)
    sample = bounded(clips, 500)["rows"]
    distance = np.linalg.norm(rows, axis=1)
    share = np.mean(np.linalg.norm(sample, axis=1) > np.quantile(distance, 0.9))
    assert 0.07 < share < 0.13
    np.testing.assert_allclose(sample.std(axis=0), rows.std(axis=0), rtol=0.1)


def test_recordings_found_in_the_order_of_rows_have_names_once_others_are_given():
    random = np.random.default_rng(0)
    X = np.repeat(random.normal(size=(6, 4)), 5, axis=0) + 0.01 * random.normal(size=(30, 4))
    scorer = KNNScorer().fit(X)
    assert scorer.n_recordings_ == 6
    old = reference_clips(np.zeros((30, 9)), X)
    new = reference_clips(np.zeros((2, 9)), X[:2], 30, groups=["new", "new"])
    groups = joined(old, new, 30, {None: scorer})["groups"]
    np.testing.assert_array_equal(np.unique(groups[:30], return_inverse=True)[1], np.arange(30) // 5)
    assert groups[30:].tolist() == ["new", "new"]


def test_names_that_told_recordings_before_some_clips_were_left_out_still_do():
    def stamped(minutes):
        return [f"2024-05-01_12-{minute:02d}-00.wav" for minute in minutes]

    days = ["2024-04-30_08-00-00.wav", "2024-04-30_08-01-00.wav"]
    old = reference_clips([*days, *stamped(range(32))], np.arange(34.0)[:, None])
    assert len(set(old["groups"])) == 2
    few = bounded(old, 6)
    later = reference_clips(stamped([33]), np.ones((1, 1)), 34)
    groups = joined(few, later, 34, {})["groups"]
    assert len(set(groups)) == 2
    assert groups[-1] == groups[-2]


def test_copies_are_left_out_but_where_there_is_nothing_else():
    X = np.zeros((6, 10), np.float32)
    rows = np.array([0, 1, 0, 2, 1, 0], np.float32)[:, None]
    with pytest.warns(UserWarning, match=r"3 of 6 clips are copies of others.*clip 2, of clip 0"):
        clips = without_copies(reference_clips(X, rows), range(6))
    assert clips["rows"].ravel().tolist() == [0, 1, 2]
    assert clips["numbers"].tolist() == [0, 1, 3]
    section = ["a", "a", "b", "a", "a", "b"]
    with pytest.warns(UserWarning, match="2 of 6 clips are copies"):
        assert len(without_copies(reference_clips(X, rows, section=section), range(6))["rows"]) == 4
    assert len(without_copies(reference_clips(X, np.zeros((6, 1))), range(6))["rows"]) == 6
