"""Recordings recognised from names of files."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skasd.datasets import recordings_of


def partition(labels):
    """Return which places share a label."""
    groups: dict = {}
    for place, label in enumerate(labels):
        groups.setdefault(label, []).append(place)
    return sorted(groups.values())


TELLING = {
    "counter": ["rec{r}_{w:04d}.wav", range(3), range(5)],
    "counter, as many recordings as pieces": ["rec{r}_{w:04d}.wav", range(20), range(3)],
    "plain numbers": ["{r}_{w}.wav", range(3), range(4)],
    "counter first": ["{w:03d}_session_{r}.flac", range(3), range(4)],
    "segments": ["pump{r}_seg{w}.wav", range(2), range(3)],
    "offsets": ["run{r}_{w}0.5s.ogg", range(3), range(4)],
    "start and end": ["run-{r}_start{w}_end{w}9.wav", range(3), range(4)],
    "channels": ["take_{r}_ch{w}.wav", range(3), range(4)],
    "channel words": ["take{r}_chan{w}.wav", range(3), range(2)],
    "folders": ["day{r}/{w:05d}.wav", range(5), range(4)],
    "deeper folders": ["x/{r}/normal/{w:05d}.wav", range(6), range(4)],
    "challenge": ["section_00_source_train_normal_{r}{w:03d}_car_02_rec_{r}.flac", range(4), range(5)],
    "time stamps": ["2024-05-0{d}_12-0{w}-03.wav", range(3), range(4)],
    "compact time stamps": ["fan_2024050{d}T120{w}03.wav", range(3), range(4)],
    "time stamps and counter": ["2024050{d}_1200{w:02d}_{w:03d}.wav", range(3), range(4)],
    "hours apart": ["2024-05-01 1{r}.0{w}.00.wav", range(3), range(4)],
    "windows": [r"C:\data\rec{r}\part {w}.wav", range(5), range(4)],
    "dots": ["motor.{r}.{w:02d}.wav", range(3), range(4)],
}


@pytest.mark.parametrize("habit", TELLING)
def test_names_that_tell(habit):
    pattern, recordings, pieces = TELLING[habit]
    named = [(pattern.format(r=r, w=w, d=r + 1), r) for r in recordings for w in pieces]
    random.Random(0).shuffle(named)
    found = recordings_of([name for name, _ in named])
    assert found is not None
    assert partition(found) == partition([r for _, r in named])


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["a.wav"],
        ["a.wav", "b.wav", "c.wav"],
        [f"normal_id_00_{i:08d}.wav" for i in range(30)],
        [f"normal_id_{m:02d}_{i:08d}.wav" for m in (0, 2, 4) for i in range(10)],
        [f"fan/train/{i:08d}.flac" for i in range(20)],
        [f"section_00_source_train_normal_{i:04d}_vel_{i % 3}.wav" for i in range(30)],
        [f"section_00_source_train_normal_{i:04d}_noAttribute.wav" for i in range(30)],
        [f"rec_{i}.wav" for i in range(9)],
        ["Notiz.wav", *(f"Messung {i:03d} - Gehäuse.wav" for i in range(40))],  # one of them is no recording
        ["a.wav", "b.wav", "c.wav", *(f"{i:03d}.wav" for i in range(40))],
        [f"2024-05-01_12-00-{i:02d}.wav" for i in range(9)],  # one recording is no recordings
        [f"clip{i}.wav" for i in range(5)],
        [f"id_{m:02d}/normal/{i:08d}.wav" for m in (0, 2, 4, 6) for i in range(10)],  # as MIMII is unpacked
    ],
    ids=lambda names: names[0] if names else "none",
)
def test_names_that_tell_nothing(names):
    assert recordings_of(names) is None


def test_left_and_right_are_channels():
    names = [f"run{r}_{side}.wav" for r in (1, 2) for side in ("left", "right")]
    assert recordings_of(names) == ["run1_*", "run1_*", "run2_*", "run2_*"]


def test_times_far_apart_are_recordings_each():
    names = [f"2024-05-01_{hour:02d}-00-00.wav" for hour in range(6)]
    assert len(set(recordings_of(names))) == 6
    epochs = [f"{1714550000 + 30 * i + 86400 * (i // 5)}.wav" for i in range(15)]
    assert partition(recordings_of(epochs)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13, 14]]
    assert recordings_of(["20240231_120000.wav", "20240231_120001.wav"]) is None  # no such day


def test_paths_of_pathlib_and_the_same_names_in_two_folders():
    paths = [Path(folder) / f"x_{i}.wav" for folder in "abcde" for i in range(3)]
    assert recordings_of(paths) == [f"{folder}/x_*" for folder in "abcde" for _ in range(3)]


@given(
    st.lists(st.text("abR_-.0123456789 @/*", min_size=1, max_size=12), max_size=12),
    st.randoms(use_true_random=False),
)
def test_order_does_not_matter_and_nothing_raises(stems, rng):
    paths = [f"{stem}.wav" for stem in stems]
    found = recordings_of(paths)
    assert found is None or (len(found) == len(paths) and len(set(found)) >= 2)
    order = list(range(len(paths)))
    rng.shuffle(order)
    shuffled = recordings_of([paths[i] for i in order])
    assert shuffled == (None if found is None else [found[i] for i in order])


@given(
    st.dictionaries(st.text("abcdxyz", min_size=1, max_size=6), st.integers(2, 6), min_size=2, max_size=6),
    st.sampled_from(["{}_{:03d}.wav", "{}-{}.flac", "{}_part{}.wav", "{} {:02d}.ogg", "{}_{}s.wav"]),
)
def test_names_made_of_a_recording_and_a_counter(recordings, pattern):
    named = [(pattern.format(f"r{name}q", w), name) for name, n in recordings.items() for w in range(n)]
    assert partition(recordings_of([name for name, _ in named])) == partition([r for _, r in named])
