"""Healthy clips that join those that a detector was fitted to."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import skasd.detector._detector as module
from skasd import AnomalousSoundDetector, load, save
from skasd.datasets import make_machine_sounds
from skasd.embedders import PretrainedEmbedder

pytestmark = pytest.mark.filterwarnings("ignore::skasd.scorers.FewClipsWarning")


@pytest.fixture(scope="module")
def healthy():
    sounds = make_machine_sounds(28, 8, duration=0.4, snr=12, random_state=0)
    return sounds.X


@pytest.fixture(autouse=True)
def few_columns(monkeypatch, request):
    """The statistics alone, for the time of the tests."""
    if "all_columns" not in request.fixturenames:
        monkeypatch.setattr(
            module,
            "encoders",
            lambda mode, **common: [("skasd", PretrainedEmbedder(layer=("mel",), **common))],
        )


@pytest.fixture
def all_columns():
    pass


def assert_same(detector, other, X, **metadata):
    np.testing.assert_array_equal(detector.anomaly_score(X, **metadata), other.anomaly_score(X, **metadata))
    assert detector.threshold_ == other.threshold_
    np.testing.assert_array_equal(detector.training_scores_, other.training_scores_)
    assert detector.summary() == other.summary()


def files(folder, clips, names):
    paths = [str(Path(folder, name)) for name in names]
    for path, clip in zip(paths, clips, strict=True):
        soundfile.write(path, clip, 16000, subtype="FLOAT")
    return paths


def check_that_it_is_the_same_as_a_fit_to_all(healthy, folder):
    X, new = healthy[:16], healthy[28:]
    expected = AnomalousSoundDetector().fit(X)
    detector = AnomalousSoundDetector().fit(X[:11])
    save(detector, folder / "m.skasd")
    again = load(folder / "m.skasd").update(X[11:])
    detector.update(X[11:13]).update(X[13:])
    assert_same(detector, expected, new)
    assert_same(again, expected, new)
    assert detector.n_clips_ == 16


def test_is_the_same_as_a_fit_to_all_clips(healthy, tmp_path):
    check_that_it_is_the_same_as_a_fit_to_all(healthy, tmp_path)


@pytest.mark.slow
def test_is_the_same_with_all_columns(healthy, all_columns, tmp_path):
    check_that_it_is_the_same_as_a_fit_to_all(healthy, tmp_path)


@pytest.mark.parametrize(
    "known",
    [
        {"section": [f"s{i % 2}" for i in range(28)], "groups": [i // 5 for i in range(28)]},
        {
            "domain": ["target" if i % 2 else "source" for i in range(28)],
            "groups": [i // 7 for i in range(28)],
        },
    ],
    ids=["sections", "domains"],
)
def test_what_is_known_of_clips_is_that_of_a_fit_to_all(healthy, known):
    X, new = healthy[:28], healthy[28:]
    expected = AnomalousSoundDetector().fit(X, **known)
    detector = AnomalousSoundDetector().fit(X[:22], **{name: values[:22] for name, values in known.items()})
    detector.update(X[22:], **{name: values[22:] for name, values in known.items()})
    assert_same(detector, expected, new)
    if "section" in known:
        assert_same(detector, expected, new, section=["s1"] * len(new))


def test_a_new_section_gets_a_model_of_its_own(healthy):
    detector = AnomalousSoundDetector().fit(healthy[:10], section=["a"] * 10)
    before = detector.decision_function(healthy[20:24], section=["a"] * 4)
    detector.update(0.01 * healthy[10:20], section=["quiet"] * 10)
    assert detector.sections_ == ["a", "quiet"]
    np.testing.assert_array_equal(detector.decision_function(healthy[20:24], section=["a"] * 4), before)
    assert (detector.decision_function(healthy[20:24], section=["quiet"] * 4) < before).all()


def test_recordings_are_recognised_in_the_names_of_all_files(healthy, tmp_path):
    paths = files(tmp_path, healthy[:24], [f"rec{i // 3}_{i % 3:03d}.wav" for i in range(24)])
    expected = AnomalousSoundDetector().fit(paths)
    assert len(set(expected.groups_)) == 8
    detector = AnomalousSoundDetector().fit(paths[:19])
    detector.update(paths[19:])  # among them the rest of a recording that was begun
    assert_same(detector, expected, healthy[24:])


def test_groups_may_begin_with_the_update(healthy):
    detector = AnomalousSoundDetector().fit(healthy[:16]).update(healthy[16:20], groups=["day 2"] * 4)
    assert detector.groups_[-4:].tolist() == ["day 2"] * 4
    detector.update(healthy[20:22], groups=["day 2"] * 2)
    assert list(detector.groups_).count("day 2") == 6


def test_beyond_the_bound_it_is_still_the_fit_to_all_clips(healthy):
    groups = np.arange(28) // 4
    expected = AnomalousSoundDetector(max_clips=14).fit(healthy[:28], groups=groups)
    detector = AnomalousSoundDetector(max_clips=14).fit(healthy[:10], groups=groups[:10])
    for start in (10, 19):
        detector.update(healthy[start : start + 9], groups=groups[start : start + 9])
    assert_same(detector, expected, healthy[28:])
    assert len(detector.reference_["rows"]) == len(detector.groups_) == 14
    assert set(detector.groups_) == set(range(7))
    assert "14 of the 28 clips heard" in detector.summary()


def test_without_a_bound_all_are_kept(healthy):
    detector = AnomalousSoundDetector(max_clips=None).fit(healthy[:8])
    assert len(detector.reference_["rows"]) == 8


def test_a_threshold_that_was_set_later_is_replaced(healthy):
    expected = AnomalousSoundDetector().fit(healthy[:20])
    detector = AnomalousSoundDetector().fit(healthy[:15]).set_threshold(healthy[20:28], contamination=0.4)
    assert "set later, from 8 healthy clips; expect about 40.0%" in detector.summary()
    assert_same(detector.update(healthy[15:20]), expected, healthy[28:])


def test_skipped_clips_are_left_out(healthy, tmp_path):
    paths = files(tmp_path, healthy[:16], [f"{c}.wav" for c in "abcdefghijklmnop"])
    expected = AnomalousSoundDetector().fit(paths[:12] + paths[13:])
    detector = AnomalousSoundDetector(on_error="skip").fit(paths[:10])
    Path(paths[12]).write_text("no sound")
    with pytest.warns(UserWarning, match=r"m\.wav"):
        detector.update(paths[10:])
    assert_same(detector, expected, healthy[28:])
    with (
        pytest.warns(UserWarning, match=r"m\.wav"),
        pytest.raises(ValueError, match="none of the 1 clips can be used"),
    ):
        detector.update([paths[12]])


@pytest.mark.parametrize(
    ("fitted", "given", "message"),
    [
        ({"section": ["a"] * 12}, {}, "give section= here, too"),
        ({"domain": ["source", "target"] * 6}, {}, "give domain= here, too"),
        ({"groups": range(12)}, {}, "give groups= here, too"),
        ({}, {"section": ["a"] * 2}, "leave section= out, or fit again"),
        ({}, {"domain": ["source"] * 2}, "leave domain= out, or fit again"),
        ({"domain": ["source", "target"] * 6}, {"domain": ["new", "source"]}, "'source' or 'target'.*'new'"),
        ({"section": ["a"] * 12}, {"section": ["a"]}, "1 entries for 2 clips"),
    ],
)
def test_what_does_not_fit_what_is_known_is_named_and_changes_nothing(healthy, fitted, given, message):
    detector = AnomalousSoundDetector().fit(healthy[:12], **fitted)
    before = detector.anomaly_score(healthy[28:])
    with pytest.raises(ValueError, match=message):
        detector.update(healthy[12:14], **given)
    np.testing.assert_array_equal(detector.anomaly_score(healthy[28:]), before)
    assert detector.n_clips_ == 12


def test_a_failed_fit_of_the_scorers_changes_nothing(healthy):
    detector = AnomalousSoundDetector().fit(healthy[:12], section=["a"] * 12)
    before = detector.anomaly_score(healthy[28:])
    with pytest.raises(UserWarning, match="cannot hold one of 1"):  # warnings are errors here
        detector.update(healthy[12:13], section=["b"])
    np.testing.assert_array_equal(detector.anomaly_score(healthy[28:]), before)
    assert detector.sections_ == ["a"]


def test_a_detector_without_rows_says_what_to_do(healthy, tmp_path):
    without = AnomalousSoundDetector(max_clips=0).fit(healthy[:12])
    assert without.reference_ is None
    earlier = AnomalousSoundDetector().fit(healthy[:12])
    del earlier.reference_
    for detector in (without, earlier):
        save(detector, tmp_path / "m.skasd")
        with pytest.raises(ValueError, match="max_clips=10000, on old and new clips"):
            load(tmp_path / "m.skasd").update(healthy[12:14])


def test_rows_are_what_a_model_file_grows_by(healthy, tmp_path):
    sizes = []
    for max_clips in (0, None):
        save(AnomalousSoundDetector(max_clips=max_clips).fit(healthy[:20]), tmp_path / "m.skasd")
        sizes.append((tmp_path / "m.skasd").stat().st_size)
    rows = 20 * 4 * 256
    assert rows < sizes[1] - sizes[0] < rows + 5000


def test_copies_change_nothing(healthy):
    X, new = healthy[:12], healthy[28:]
    expected = AnomalousSoundDetector().fit(X)
    with pytest.warns(UserWarning, match="4 of 16 clips are copies of others"):
        detector = AnomalousSoundDetector().fit(np.concatenate([X, X[:4]]))
    assert detector.threshold_ == expected.threshold_
    with pytest.warns(UserWarning, match="12 of 24 clips are copies"):
        expected.update(X)
    assert detector.threshold_ == expected.threshold_
    np.testing.assert_array_equal(detector.anomaly_score(new), expected.anomaly_score(new))
