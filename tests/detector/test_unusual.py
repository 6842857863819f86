"""Training clips that do not sound like the machine are named."""

import numpy as np
import pytest
import soundfile

from skasd import AnomalousSoundDetector
from skasd.clips import ClipWarning
from skasd.datasets import make_machine_sounds
from skasd.detector._unusual import warn_about_unusual_clips

pytestmark = pytest.mark.filterwarnings("ignore::skasd.scorers.FewClipsWarning")


@pytest.fixture(scope="module")
def healthy():
    return make_machine_sounds(30, 0, n_target_train=0, duration=1.0, random_state=0).X


def voice(seed):
    """A second of syllables: harmonics whose pitch and level change."""
    random, t = np.random.default_rng(seed), np.arange(16000) / 16000
    pitch = 120 + 40 * np.interp(t, np.linspace(0, 1, 9), random.normal(size=9))
    phase = 2 * np.pi * np.cumsum(pitch) / 16000
    level = np.interp(t, np.linspace(0, 1, 13), random.uniform(0, 1, size=13)) ** 3
    return (0.3 * level * sum(np.sin(n * phase) / n for n in range(1, 20))).astype(np.float32)


@pytest.mark.parametrize("odd", [voice(0), np.zeros(16000, np.float32)], ids=["speech", "silence"])
def test_speech_or_silence_among_the_clips_is_named(healthy, odd, tmp_path):
    clips = [*healthy[:4], odd, *healthy[5:20]]
    with pytest.warns(UserWarning, match=r"^clip 4 sounds unlike the other clips to learn from"):
        detector = AnomalousSoundDetector().fit(clips)
    assert detector.training_scores_.argmax() == 4
    for i, clip in enumerate(clips[:10]):
        soundfile.write(tmp_path / f"{i}.wav", clip, 16000, subtype="FLOAT")
    with pytest.warns(UserWarning, match=r"4\.wav sounds unlike .* held out, is \d+ times the median"):
        AnomalousSoundDetector().fit(sorted(tmp_path.iterdir()))


def test_later_clips_are_looked_at_as_well(healthy):
    detector = AnomalousSoundDetector(on_error="skip").fit(healthy[:12])
    with (
        pytest.warns(ClipWarning, match="1 of 3 clips cannot be used"),
        pytest.warns(UserWarning, match="^clip 14 sounds unlike"),
    ):
        detector.update([np.full(16000, np.nan, np.float32), healthy[12], voice(1)])


@pytest.mark.parametrize("n", [3, 5, 12, 30])
def test_healthy_clips_are_not(healthy, n):
    AnomalousSoundDetector().fit(healthy[:n])  # a warning is an error here


def test_each_section_and_domain_has_its_own_median():
    scores = np.array([1.0, 1, 1, 1, 9, 9, 9, 9])
    clips, names = {"section": None, "domain": None}, [f"clip {i}" for i in range(8)]
    for name in ("section", "domain"):
        warn_about_unusual_clips({**clips, name: np.repeat(["a", "b"], 4).astype(object)}, scores, names)
    with pytest.warns(UserWarning, match="^clip 4 sounds unlike .* held out, is 9 times"):
        warn_about_unusual_clips(clips, scores[:5], names)
    warn_about_unusual_clips(clips, np.array([0.0, 0, 0, 1]), names)  # silence, and little besides


def test_clips_are_named_by_their_places_among_those_given(healthy):
    clips = [*healthy[:12], voice(0), healthy[11]]
    clips[1] = np.full(16000, np.nan, np.float32)
    proxy = np.arange(14) < 1
    with (
        pytest.warns(ClipWarning, match="1 of 13 clips cannot be used"),
        pytest.warns(UserWarning, match=r"the first: clip 13, of clip 11\)"),
        pytest.warns(UserWarning, match="^clip 12 sounds unlike"),
    ):
        AnomalousSoundDetector(on_error="skip").fit(clips, proxy=proxy)
