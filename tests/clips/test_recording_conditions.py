"""Remarks on recordings: what speaks against judging a clip."""

import os

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from skasd import load, save
from skasd.clips import RecordingConditions, describe_clips

RATE = 16000


def noise(seconds=2.0, level=0.05, seed=0):
    return (level * np.random.default_rng(seed).normal(size=round(seconds * RATE))).astype("float32")


@pytest.fixture
def write(tmp_path):
    def write(name, samples, rate=RATE, **options):
        soundfile.write(tmp_path / name, samples, rate, **options)
        return tmp_path / name

    return write


@pytest.fixture
def conditions(write):
    return RecordingConditions().fit([write(f"{i}.wav", noise(seed=i)) for i in range(4)])


def test_figures_of_known_signals(write):
    sine = np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)
    gapped = np.r_[noise(0.5), np.zeros(RATE // 2, dtype="float32")]
    stereo = np.c_[sine, sine]
    clips = [
        write("s.wav", sine / 2, subtype="FLOAT"),
        write("g.flac", gapped),
        write("t.wav", stereo, 44100),
    ]
    table = describe_clips(clips)
    np.testing.assert_allclose(table["level"][0], 20 * np.log10(0.5 / np.sqrt(2)), atol=1e-6)
    np.testing.assert_allclose(table["peak"][0], 0.5, atol=1e-6)
    np.testing.assert_allclose(table["zeros"], [0, 0.5, 0], atol=1e-3)
    assert table["channels"].tolist() == [1, 1, 2]
    assert table["sample_rate"].tolist() == [RATE, RATE, 44100]
    np.testing.assert_allclose(table["duration"], [1, 1, RATE / 44100])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 40), st.integers(0, 60))
def test_clipping_is_counted_in_runs(seed, length, n_single):
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, 4000)
    samples[10 : 10 + 20 * n_single : 20] = 1.0  # loud, one at a time
    samples[2000 : 2000 + length] = -1.0  # cut off
    assert describe_clips([samples])["clipped"][0] == pytest.approx(length / 4000)


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint8"])
def test_arrays_of_pcm_are_scaled_like_files(dtype):
    kind = np.iinfo(dtype)
    zero = 128 if dtype == "uint8" else 0
    samples = np.full(1000, zero, dtype=dtype)
    samples[::2] = zero + 2 ** (kind.bits - 3)
    assert describe_clips([samples])["peak"][0] == pytest.approx(0.25, abs=1e-12)


def test_nothing_to_remark_on_clips_like_those_learnt_from(conditions, write):
    assert conditions.remarks(
        [write("new.wav", noise(seed=9)), write("loud.wav", noise(level=0.1))]
    ).tolist() == [
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("samples", "options", "remark"),
    [
        (np.zeros(2 * RATE), {}, "silent"),
        (noise(), {"rate": 8000}, "sample rate 8 kHz: nothing above 4 kHz, the detector listens up to 8 kHz"),
        (np.clip(noise(level=1.0), -1, 1), {}, "clipped: "),
        (np.r_[noise(1.5), np.zeros(RATE // 2)], {}, "drop-outs: 25% of it is digital silence"),
        (noise() + 0.03, {}, "constant offset of 0.6 times the sound's root mean square"),
        (0 * noise() + 0.25, {}, "silent but for a constant offset of 0.25 of full scale"),
        (
            noise(4.5),
            {},
            "long: 4.5 s, learnt from 2 s and less; what happens in a part of it is averaged away",
        ),
        (noise(0.5), {}, "short: 0.5 s, learnt from 2 s and more"),
        (noise(1.2), {}, "short: 1.2 s, learnt from 2 s and more"),
        (noise(level=0.0005), {"subtype": "FLOAT"}, "40 dB below all learnt from"),
        (np.c_[noise(), noise()], {}, "2 channels, learnt from 1"),
    ],
)
def test_each_remark(write, conditions, samples, options, remark):
    conditions.set_params(max_level_difference=9.0)
    assert remark in conditions.remarks([write("odd.wav", samples, **options)])[0]


@pytest.mark.parametrize(("name", "options"), [("a.ogg", {}), ("a.mp3", {}), ("a.wav", {"subtype": "ULAW"})])
def test_lossy_codecs_are_remarked_where_training_was_lossless(write, conditions, name, options):
    path = write(name, noise(), **options)
    assert conditions.remarks([path])[0] == "lossy codec, learnt from lossless recordings"
    assert RecordingConditions().fit([path]).remarks([path])[0] == ""


def test_constant_parts_of_all_channels_count(write):
    left, right = noise() + 0.05, noise(seed=1)
    path = write("o.wav", np.c_[left, right], subtype="FLOAT")
    offset = describe_clips([path, noise() - 0.05, np.zeros(100), np.full(100, 0.5)])["offset"]
    np.testing.assert_allclose(offset, [np.sqrt(0.5), 1, 0, np.inf], rtol=0.02)


def test_a_slight_offset_and_twice_the_length_are_no_remark(conditions, write):
    assert conditions.remarks([write("o.wav", noise() + 0.02), write("l.wav", noise(4.0))]).tolist() == [
        "",
        "",
    ]


def test_model_files_of_before_know_neither_length_nor_offset(conditions, write):
    del conditions.longest_, conditions.offset_
    assert conditions.remarks([write("l.wav", noise(60))]).tolist() == [""]
    conditions.update([write("o.wav", noise() + 0.2)])
    assert conditions.remarks([write("p.wav", noise(60) + 0.2)]).tolist() == [""]


def test_what_all_training_clips_had_is_no_remark(write):
    odd = [
        write("o.wav", noise() + 0.2),
        write("l.wav", noise(), 8000),
        write("c.wav", np.clip(noise(level=1.0), -1, 1)),
        write("z.wav", np.r_[noise(), np.zeros(2 * RATE)]),
        write("s.wav", np.c_[noise(), noise()]),
    ]
    assert set(RecordingConditions().fit(odd).remarks(odd)) == {""}


def test_without_fit_the_sound_alone_is_judged(write):
    paths = [write("z.wav", np.zeros(RATE)), write("l.wav", noise(), 8000), write("q.ogg", noise(0.2, 0.001))]
    silent, low, quiet = RecordingConditions().remarks(paths)
    assert silent == "silent"
    assert low.startswith("sample rate 8 kHz")
    assert quiet == ""


def test_files_that_cannot_be_read_are_passed_over(write, tmp_path):
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    good = write("good.wav", noise())
    conditions = RecordingConditions().fit([good, text, tmp_path / "missing.wav"])
    assert conditions.n_clips_ == 1
    assert conditions.remarks([text, tmp_path / "missing.wav", good]).tolist() == ["", "", ""]
    assert describe_clips([text]).isna().all(axis=None)
    with pytest.raises(ValueError, match="None of the clips can be read"):
        RecordingConditions().fit([text])


def test_travels_with_a_model_file(conditions, write, tmp_path):
    save(conditions, tmp_path / "conditions.skasd")
    odd = [write("short.wav", noise(0.3)), write("new.wav", noise())]
    assert load(tmp_path / "conditions.skasd").remarks(odd).tolist() == conditions.remarks(odd).tolist()


def test_threads_change_nothing(write):
    paths = [write(f"{i}.wav", noise(seed=i)) for i in range(6)]
    assert describe_clips(paths, n_jobs=2).equals(describe_clips(paths))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of POSIX")
def test_pipes_are_not_waited_for_nor_lying_headers_believed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "long.flac"
    soundfile.write(path, np.zeros(100), RATE)
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F  # of the 36 bits of the number of samples
    path.write_bytes(content)
    assert describe_clips([tmp_path / "pipe", path]).isna().all(axis=None)


def test_further_clips_count_as_if_they_had_been_there(write):
    clips = [
        write("a.wav", noise(1, level=0.01)),
        write("b.wav", noise(3)),
        write("c.wav", np.zeros(RATE)),
        write("d.wav", np.c_[noise(2), noise(2)], 44100),
    ]
    for first in range(1, 4):
        expected, updated = RecordingConditions().fit(clips), RecordingConditions().fit(clips[:first])
        assert vars(updated.update(clips[first:])) == vars(expected)
    assert vars(updated.fit(clips[:1])) == vars(RecordingConditions().fit(clips[:1]))
    with pytest.raises(ValueError, match="None of the clips"):
        updated.update([np.full(5, np.nan)])
