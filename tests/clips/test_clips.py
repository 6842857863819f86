"""Reading and checking of clips."""

import os
import pickle
import re
import struct
import threading
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

import skasd
from skasd.clips import LIMITS, BadClip, ClipError, Clips, ClipWarning, KeptBuffers, check_clips

RATE = 16000


@pytest.fixture(scope="module")
def waveform():
    return (0.1 * np.random.default_rng(0).standard_normal(4000)).astype(np.float32)


@pytest.fixture
def wav(tmp_path, waveform):
    path = tmp_path / "good.wav"
    soundfile.write(path, waveform, RATE)
    return path


def read(X, **options):
    return list(Clips(X, **options))


def patched_size(wav, path, size):
    """Copy a WAV file, with another size in the header of its data chunk."""
    content = wav.read_bytes()
    at = content.index(b"data") + 4
    path.write_bytes(content[:at] + struct.pack("<I", size) + content[at + 4 :])
    return path


# collections


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_dimensional_float_arrays_are_lent_as_they_are(dtype):
    X = np.random.default_rng(0).normal(size=(3, 50)).astype(dtype)
    clips = Clips(X)
    shared = clips.map(lambda i, x: (x.dtype, np.shares_memory(x, X)))
    assert shared == [(np.dtype(dtype), True)] * 3
    assert clips.dtypes == {np.dtype(dtype)}


@pytest.mark.parametrize(
    ("dtype", "lowest", "half"),
    [(np.int8, -128, 64), (np.int16, -32768, 16384), (np.int32, -(2**31), 2**30), (np.uint8, 0, 192)],
)
@pytest.mark.parametrize("ragged", [False, True])
def test_integer_pcm_is_scaled_to_minus_one_to_one(dtype, lowest, half, ragged):
    X = np.array([[lowest, half, half]], dtype=dtype)
    (x,) = read([X[0]] if ragged else X)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, [-1, 0.5, 0.5])


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.complex64, bool])
def test_dtypes_that_are_no_samples_are_refused(dtype):
    with pytest.raises(ValueError, match=r"Complex data|no format of samples"):
        Clips(np.ones((2, 5), dtype=dtype))
    with pytest.raises(ClipError, match="no format of samples"):
        read([np.ones(5, dtype=dtype)])


def test_float16_becomes_float32():
    (x,) = read(np.ones((1, 3), dtype=np.float16))
    assert x.dtype == np.float32


def test_ragged_lists_object_arrays_and_nested_lists():
    ragged = [np.array([0.5, 0.25]), np.array([1.0, 0.0, 0.5], dtype=np.float32)]
    objects = np.empty(2, dtype=object)
    objects[:] = ragged
    for X in (ragged, tuple(ragged), objects, pd.Series(ragged), [[0.5, 0.25], [1.0, 0.0, 0.5]]):
        clips = Clips(X)
        assert list(clips.n_samples) == [2, 3]
        np.testing.assert_array_equal(next(iter(clips)), [0.5, 0.25])
    assert Clips(ragged).dtypes == {np.dtype(np.float32), np.dtype(np.float64)}
    assert check_clips([[0.5, 0.25], [1.0, 0.0]]).shape == (2, 2)
    assert check_clips(pd.DataFrame([[0.5, 0.25]])).shape == (1, 2)


def test_strided_clips_arrive_contiguous():
    X = np.random.default_rng(0).normal(size=(100, 3)).T
    assert Clips(X).map(lambda i, x: x.flags.c_contiguous and np.array_equal(x, X[i])) == [True] * 3


def test_paths_of_every_kind(wav, waveform):
    for X in ([wav], [str(wav)], np.array([str(wav)]), np.array([wav], dtype=object), pd.Series([str(wav)]),
              pd.Index([wav]), (wav,)):  # fmt: skip
        (x,) = read(X)
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, waveform, atol=2**-15)


def test_paths_and_arrays_may_be_mixed(wav):
    assert list(Clips([wav, np.zeros(7)]).n_samples) == [4000, 7]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("some.wav", ValueError, r"single path 'some.wav'.*\[path\].*glob"),
        (b"some.wav", ValueError, "single path"),
        (None, TypeError, "NoneType"),
        (3.0, TypeError, "float"),
        ({"a": 1}, TypeError, "dict"),
        ([], ValueError, "0 sample"),
        (np.empty((0, 5)), ValueError, "0 sample"),
        (np.empty((5, 0)), ValueError, "0 feature"),
        (np.zeros(5), ValueError, "Reshape your data"),
        ([0.0, 1.0], ValueError, "Reshape your data"),
        (np.zeros((2, 2, 5)), ValueError, r"dim 3, shape \(2, 2, 5\).*X\.mean\(axis=1\)"),
        (scipy.sparse.csr_array(np.eye(3)), TypeError, "[Ss]parse"),
        (scipy.sparse.dok_array(np.eye(3)), TypeError, "[Ss]parse"),
        (np.ones((2, 3)) * 1j, ValueError, "Complex data"),
        (np.array([["a.wav"], ["b.wav"]]), ValueError, r"array of paths of shape \(2, 1\): pass a 1-D array"),
    ],
)
def test_what_is_no_collection_of_clips(X, error, message):
    with pytest.raises(error, match=message):
        Clips(X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channel": "left"}, "channel must be"),
        ({"channel": 1.0}, "channel must be"),
        ({"on_error": "ignore"}, "on_error must be"),
        ({"sample_rate": 0}, "sample_rate must be"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        Clips(np.zeros((1, 5)), **options)


# files


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_formats(tmp_path, waveform, suffix):
    path = tmp_path / f"clip.{suffix}"
    soundfile.write(path, waveform, RATE)
    (x,) = read([path])
    np.testing.assert_array_equal(x, soundfile.read(path, dtype="float32")[0])
    assert np.corrcoef(x, waveform)[0, 1] > 0.9


def test_channels(tmp_path):
    both = np.random.default_rng(0).uniform(-0.5, 0.5, (500, 2)).astype(np.float32)
    path = tmp_path / "stereo.wav"
    soundfile.write(path, both, RATE, subtype="FLOAT")
    np.testing.assert_allclose(read([path])[0], both.mean(axis=1), atol=1e-7)
    for channel in (0, 1, -1, np.int64(1)):
        np.testing.assert_array_equal(read([path], channel=channel)[0], both[:, channel])
    for channel in (2, -3):
        with pytest.raises(ClipError, match=f"channel={channel} asked for, but it has 2 channel"):
            read([path], channel=channel)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_resampling_is_soxr(tmp_path, rate):
    x = (0.1 * np.random.default_rng(0).standard_normal(rate // 3)).astype(np.float32)
    path = tmp_path / "other_rate.wav"
    soundfile.write(path, x, rate, subtype="FLOAT")
    clips = Clips([path], sample_rate=RATE)
    (got,) = clips
    np.testing.assert_array_equal(got, soxr.resample(x, rate, RATE))
    assert clips.n_samples[0] == len(got)


def test_a_resampled_tone_keeps_its_pitch_and_level(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100), 44100, subtype="FLOAT")
    (x,) = read([path])
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    np.testing.assert_allclose(x[1000:-1000], expected[1000:-1000], atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3000), st.sampled_from([8000, 11025, 22050, 44100, 48000, 96000]))
def test_lengths_told_from_headers_are_those_read(tmp_path_factory, n, rate):
    path = tmp_path_factory.mktemp("length") / "clip.wav"
    soundfile.write(path, np.zeros(n), rate)
    clips = Clips([path], on_error="skip", min_samples=0)
    assert clips.n_samples[0] == len(soxr.resample(np.zeros(n, np.float32), rate, RATE))


def test_digital_silence_is_legal(tmp_path):
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(100), RATE)
    assert not read([path])[0].any()


# bad clips


@pytest.fixture
def bad_files(tmp_path, wav, waveform):
    """Return a dict of path to a part of the cause."""
    folder = tmp_path / "folder.wav"
    folder.mkdir()
    text = tmp_path / "text.wav"
    text.write_text("this is no audio, whatever its name says " * 20)
    empty = tmp_path / "empty.wav"
    empty.touch()
    no_samples = tmp_path / "no_samples.wav"
    soundfile.write(no_samples, np.zeros(0), RATE)
    truncated = tmp_path / "truncated.wav"
    truncated.write_bytes(wav.read_bytes()[:3001])
    flac = tmp_path / "whole.flac"
    soundfile.write(flac, waveform, RATE)
    truncated_flac = tmp_path / "truncated.flac"
    truncated_flac.write_bytes(flac.read_bytes()[: flac.stat().st_size // 2])
    nan = tmp_path / "nan.wav"
    soundfile.write(nan, np.where(np.arange(100) == 50, np.nan, 0), RATE, subtype="FLOAT")
    inf = tmp_path / "inf.wav"
    soundfile.write(inf, np.where(np.arange(100) == 50, -np.inf, 0), RATE, subtype="FLOAT")
    return {
        tmp_path / "missing.wav": "no such file",
        folder: "folder",
        text: "not an audio file",
        empty: r"empty file \(0 bytes\)",
        no_samples: "no samples",
        truncated: "truncated: its header promises 8000 bytes",
        truncated_flac: "truncated",
        nan: "NaN",
        inf: "infinite",
    }


def test_one_error_lists_every_bad_file_with_its_cause(bad_files, wav):
    X = [wav, *bad_files, wav]
    calls = []
    with pytest.raises(ClipError) as caught:
        Clips(X).map(lambda i, x: calls.append(i))
    assert not calls
    assert sorted(caught.value.bad_clips) == list(range(1, len(bad_files) + 1))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{len(bad_files)} of {len(X)} clips cannot be used")
    assert 'on_error="skip"' in lines[-1]
    for position, ((path, cause), line) in enumerate(
        zip(bad_files.items(), lines[1:], strict=False), start=1
    ):
        assert f"clip {position}, {str(path)!r}: " in line
        assert re.search(cause, line), line
    with pytest.raises(ClipError, match=r"missing\.wav"):
        next(iter(Clips(X)))


def test_skipping_warns_once_and_keeps_positions(bad_files, wav, waveform):
    X = [wav, *bad_files, wav]
    clips = Clips(X, on_error="skip")
    with pytest.warns(ClipWarning, match="skipped") as caught:
        results = clips.map(lambda i, x: len(x), n_jobs=2)
    assert len(caught) == 1
    assert all(str(path) in str(caught[0].message) for path in bad_files)
    assert results == [4000, *[None] * len(bad_files), 4000]
    assert list(clips.n_samples) == [4000, *[-1] * len(bad_files), 4000]
    with pytest.warns(ClipWarning):
        assert [x is None for x in Clips(X, on_error="skip")] == [False, *[True] * len(bad_files), False]


def test_bad_arrays_are_listed_too():
    X = [
        np.ones(5),
        np.array([0, 0, np.nan]),
        np.array([]),
        np.ones((2, 5)),
        np.array(["a"]),
        None,
        3,
        np.ones(2),
    ]
    with pytest.raises(ClipError) as caught:
        read(X, min_samples=3, min_samples_reason="one frame")
    causes = {i: cause for i, (_, cause) in caught.value.bad_clips.items()}
    expected = {
        1: "NaN",
        2: "no samples",
        3: "choose a channel",
        4: "dtype",
        5: "NoneType",
        6: "neither a path",
        7: "2 samples, at least 3 needed (one frame)",
    }
    assert set(causes) == set(expected)
    for i, cause in expected.items():
        assert cause in causes[i]


def test_a_nan_clip_of_an_array_is_named():
    X = np.zeros((4, 10), dtype=np.float32)
    X[2, 3] = np.nan
    with pytest.raises(ClipError, match=r"clip 2, array of shape \(10,\).*NaN"):
        read(X)


def test_long_lists_of_bad_clips_end_somewhere():
    with pytest.raises(ClipError, match=r"and 50 more") as caught:
        read([f"missing{i}.wav" for i in range(250)])
    assert len(caught.value.bad_clips) == 250


def test_the_error_survives_pickling():
    with pytest.raises(ClipError) as caught:
        read(["missing.wav"])
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.bad_clips == caught.value.bad_clips
    assert str(again) == str(caught.value)


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_streamed_wav_headers_are_accepted(tmp_path, wav, waveform, size):
    path = patched_size(wav, tmp_path / "streamed.wav", size)
    (x,) = read([path])
    np.testing.assert_allclose(x, waveform, atol=2**-15)


def test_an_empty_wav_with_a_trailing_chunk_is_empty(tmp_path, wav):
    empty = tmp_path / "trailing.wav"
    soundfile.write(empty, np.zeros(0), RATE)
    empty.write_bytes(empty.read_bytes() + b"LIST" + struct.pack("<I", 4) + b"INFO")
    with pytest.raises(ClipError, match="no samples"):
        read([empty])


def test_chunks_before_the_samples_are_passed_over(tmp_path, wav, waveform):
    content = wav.read_bytes()
    at = content.index(b"data")
    path = tmp_path / "list.wav"
    path.write_bytes(content[:at] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + content[at:])
    np.testing.assert_allclose(read([path])[0], waveform, atol=2**-15)


def test_streamed_flac_of_unknown_length_is_named(tmp_path, waveform):
    path = tmp_path / "streamed.flac"
    soundfile.write(path, waveform, RATE)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the 36 bits of the total number of samples in STREAMINFO
    content[22:26] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(ClipError, match="does not tell its length"):
        read([path])


# limits: a header may lie


def lying_flac(path, waveform, n_frames):
    """Write a FLAC file whose header claims that many frames."""
    soundfile.write(path, waveform, RATE)
    content = bytearray(path.read_bytes())
    content[21] = content[21] & 0xF0 | n_frames >> 32
    content[22:26] = (n_frames & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(content)
    return path


def with_rate(wav, path, rate):
    """Copy a WAV file, with another sample rate in its header."""
    content = bytearray(wav.read_bytes())
    content[24:32] = struct.pack("<II", rate, 2 * rate)
    path.write_bytes(content)
    return path


@pytest.fixture
def lying_files(tmp_path, wav, waveform):
    """Return a dict of path to a part of the cause."""
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, np.where(np.arange(4000) == 50, 1e30, waveform), RATE, subtype="FLOAT")
    channels = tmp_path / "channels.wav"
    soundfile.write(channels, np.zeros((10, 65)), RATE)
    return {
        loud: r"magnitude 1e\+30, beyond max_amplitude=2\.15e\+09: .*\[-1, 1\)",
        lying_flac(
            tmp_path / "long.flac", waveform, 2**36 - 1
        ): "lasts 4.29497e.06 s by its header, beyond max_seconds=3600",
        with_rate(wav, tmp_path / "slow.wav", 1): "rate is 1 Hz, beyond min_sample_rate=100",
        with_rate(wav, tmp_path / "fast.wav", 2**31 - 1): "beyond max_sample_rate=10000000",
        channels: "has 65 channels, beyond max_channels=64",
    }


def test_files_beyond_the_limits_cost_only_themselves(lying_files, wav, waveform):
    X = [wav, *lying_files, wav]
    with pytest.raises(ClipError) as caught:
        Clips(X).map(lambda i, x: None)
    causes = [cause for _, cause in caught.value.bad_clips.values()]
    assert len(causes) == len(lying_files)
    for cause, expected in zip(causes, lying_files.values(), strict=True):
        assert re.search(expected, cause), cause
    with pytest.warns(ClipWarning):
        kept = [x for x in Clips(X, on_error="skip") if x is not None]
    assert [len(x) for x in kept] == [4000, 4000]


def test_limits_can_be_moved(lying_files, wav, tmp_path):
    moved = {"max_amplitude": 1e31, "min_sample_rate": 1, "max_sample_rate": 2**31, "max_channels": 65}
    with pytest.warns(ClipWarning):
        lengths = [
            None if x is None else len(x) for x in Clips([*lying_files], on_error="skip", limits=moved)
        ]
    # 4000 s at 1 Hz are more than an hour; at 2 GHz nothing is left
    assert lengths == [4000, None, None, None, 10]
    one_second = with_rate(wav, tmp_path / "one second.wav", 4000)
    for limits, cause in [
        ({"max_seconds": 0.9}, "lasts 1 s by its header, beyond max_seconds=0.9"),
        ({"max_samples": 3999}, "4000 samples by its header, beyond max_samples=3999"),
        ({"max_samples": 15_999}, "16000 samples at 16000 Hz, beyond max_samples=15999"),
        ({"max_amplitude": 0.1}, "beyond max_amplitude=0.1"),
    ]:
        with pytest.raises(ClipError, match=cause):
            read([one_second], limits=limits)
    assert len(read([one_second], limits={"max_seconds": 1, "max_samples": 16_000})[0]) == 16_000
    assert LIMITS["max_seconds"] == 3600
    with pytest.raises(ClipError, match=r"array of shape \(1,\).*beyond max_amplitude"):
        read([np.array([-3.0])], limits={"max_amplitude": 2})
    with pytest.raises(ClipError, match="infinite"):
        read([np.array([np.inf])], limits={"max_amplitude": np.inf})


@pytest.mark.parametrize(
    "limits", [{"max_second": 1}, {"max_seconds": 0}, {"max_seconds": "1"}, {"max_channels": True}]
)
def test_limits_that_are_none(limits):
    with pytest.raises(ValueError, match="limits"):
        Clips(np.zeros((1, 5)), limits=limits)


def test_clips_that_take_too_much_memory_cost_only_themselves(tmp_path, waveform, wav):
    # 256 GiB in float32: not to be had, or not filled by the samples that there are
    long = lying_flac(tmp_path / "long.flac", waveform, 2**36 - 1)
    endless = {"max_seconds": np.inf, "max_samples": np.inf}
    clips = Clips([wav, long, wav], on_error="skip", limits=endless)
    with pytest.warns(ClipWarning, match="more memory than there is|truncated"):
        assert [len(x) for x in clips if x is not None] == [4000, 4000]


def test_functions_may_find_clips_bad(waveform):
    def function(i, x):
        if i == 1:
            raise BadClip("it is not liked")
        if i == 2:
            raise MemoryError
        return i

    clips = Clips(np.stack([waveform] * 4), on_error="skip")
    with pytest.warns(ClipWarning, match=r"clip 1, .*: it is not liked\n.*clip 2, .*: it takes more memory"):
        assert clips.map(function, n_jobs=2) == [0, None, None, 3]
    assert list(clips.n_samples) == [4000, -1, -1, 4000]
    with pytest.raises(ClipError, match="it is not liked"):
        Clips(np.stack([waveform] * 4)).map(function)


# reading in parallel


def test_threads_give_the_same_results_in_order(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for i in range(40):
        paths.append(tmp_path / f"{i}.wav")
        soundfile.write(paths[-1], rng.uniform(-1, 1, rng.integers(100, 5000)), RATE)
    names = set()

    def fingerprint(i, x):
        names.add(threading.get_ident())
        return i, len(x), float(x.sum())

    one = Clips(paths).map(fingerprint)
    assert names == {threading.get_ident()}
    two = Clips(paths).map(fingerprint, n_jobs=2)
    assert one == two
    assert len(names) > 1


def test_an_error_in_the_function_is_passed_on():
    with pytest.raises(ZeroDivisionError):
        Clips(np.ones((5, 5))).map(lambda i, x: 1 / 0, n_jobs=2)


def test_progress_is_shown_only_if_asked_for(capsys):
    X = np.ones((5, 5))
    Clips(X).map(lambda i, x: None)
    assert capsys.readouterr().err == ""
    Clips(X).map(lambda i, x: None, verbose=1, description="looking")
    err = capsys.readouterr().err
    assert "looking" in err
    assert "5/5" in err


def test_kept_buffers_are_kept_per_thread_and_name():
    buffers = KeptBuffers()
    first = buffers.array("a", (10, 10), np.float32)
    assert np.shares_memory(first, buffers.array("a", (5, 3), np.float32))
    assert not np.shares_memory(first, buffers.array("b", (5, 3), np.float32))
    assert buffers.array("a", (20, 20), np.float64).shape == (20, 20)
    other = []
    thread = threading.Thread(target=lambda: other.append(buffers.array("b", (5, 3), np.float32)))
    thread.start()
    thread.join()
    assert not np.shares_memory(other[0], buffers.array("b", (5, 3), np.float32))


def test_iteration_yields_arrays_of_their_own(wav):
    first, second = Clips([wav, wav])
    assert not np.shares_memory(first, second)


def test_real_recordings(real_data):
    files = sorted(real_data("dcase2020_mini").glob("dev_data/*/*/*.wav"))[:12]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path, x in zip(files, Clips(files), strict=True):
            np.testing.assert_array_equal(x, soundfile.read(path, dtype="float32")[0])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RIFX", "LIST", "24 bits", "FLAC"])
def test_samples_are_libsndfiles(kind, channels, tmp_path):
    path = tmp_path / "clip.wav"
    values = np.random.default_rng(0).uniform(-1, 1, size=(5000, channels))
    kinds = {
        "WAVEX": {"format": "WAVEX"},
        "RIFX": {"format": "WAV", "endian": "BIG"},
        "24 bits": {"subtype": "PCM_24"},
        "FLAC": {"format": "FLAC"},
    }
    soundfile.write(path, values, 16000, **{"format": "WAV", "subtype": "PCM_16", **kinds.get(kind, {})})
    if kind == "LIST":  # a chunk of odd length before the samples
        content = path.read_bytes()
        place = content.index(b"data")
        content = content[:place] + b"LIST\x05\x00\x00\x00INFOx\x00" + content[place:]
        path.write_bytes(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    for channel in range(channels):
        (waveform,) = Clips([path], channel=channel)
        np.testing.assert_array_equal(waveform, expected[:, channel])


def test_a_file_that_is_cut_off_between_two_looks_is_bad(tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.zeros(5000), 16000)
    clips = Clips([path])
    assert clips.n_samples[0] == 5000
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ClipError, match="truncated"):
        list(clips)


def test_a_file_that_vanishes_between_two_looks_is_bad(tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.zeros(5000), 16000)
    clips = Clips([path])
    assert clips.n_samples[0] == 5000
    path.unlink()
    with pytest.raises(ClipError, match="no such file"):
        list(clips)


@pytest.mark.parametrize("kind", ["plain", "FLAC"])
def test_a_file_that_is_replaced_between_two_looks_is_bad(kind, tmp_path):
    path = tmp_path / "clip"
    options = {"format": "FLAC"} if kind == "FLAC" else {"format": "WAV", "subtype": "PCM_16"}
    soundfile.write(path, np.zeros(5000), 16000, **options)
    clips = Clips([path])
    assert clips.n_samples[0] == 5000
    soundfile.write(path, np.zeros((6000, 2)), 8000, **options)
    with pytest.raises(
        ClipError, match=r"changed .*5000 samples, 1 .*16000 Hz, then 6000 samples, 2 .*8000 Hz"
    ):
        list(clips)


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def riff(*chunks):
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


FMT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))


@pytest.mark.parametrize(
    "rest",
    [
        (chunk(b"data", bytes(1000)), chunk(b"id3 ", bytes(range(200)))),
        (chunk(b"data", bytes(1001)),),
        (chunk(b"data", bytes(1000)), b"data"),
    ],
    ids=["tagged", "half a sample", "tail"],
)
def test_chunks_are_no_sound(rest, tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(riff(FMT, *rest))
    expected, _ = soundfile.read(path, dtype="float32")
    assert len(expected) == 500
    np.testing.assert_array_equal(read([path])[0], expected)


@pytest.mark.parametrize("sizes", [(1000, 200), (0, 1000), (1000, 0)])
def test_two_chunks_of_samples_are_no_recording(sizes, tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(riff(FMT, *(chunk(b"data", bytes(size)) for size in sizes)))
    with pytest.raises(ClipError, match="2 chunks of samples"):
        read([path])


@pytest.mark.parametrize("name", [b"id3 ", b"cue ", b"LIST", b"bext"])
def test_an_empty_wav_file_with_other_chunks_is_empty(name, tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(riff(FMT, chunk(b"data", b""), chunk(name, bytes(100)), chunk(b"_x;1", b"abc")))
    with pytest.raises(ClipError, match="no samples"):
        read([path])


SHORTENED = [
    (kind, endian)
    for kind in ("AIFF", "AU", "CAF", "RF64", "SVX", "W64", "WAV", "WAVEX", "FLAC", "MP3", "NIST", "OGG")
    for endian in ("FILE", "LITTLE", "BIG")
    if soundfile.check_format(kind, endian=endian)
]


@pytest.mark.parametrize(("kind", "endian"), SHORTENED)
def test_truncated_files_are_no_shorter_clips(kind, endian, tmp_path):
    path = tmp_path / "clip"
    sound = 0.1 * np.random.default_rng(0).standard_normal(60_000)
    soundfile.write(path, sound, RATE, format=kind, endian=endian)
    content = path.read_bytes()
    assert len(read([path])[0]) == len(sound)
    for share in (0.5, 0.9, 0.99):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ClipError, match=r"truncated|malformed"):
            read([path])


def test_a_nist_file_that_does_not_say_its_length_is_refused(tmp_path, waveform):
    path = tmp_path / "clip"
    soundfile.write(path, waveform, RATE, format="NIST")
    path.write_bytes(path.read_bytes().replace(b"sample_count", b"sample_cuont"))
    with pytest.raises(ClipError, match=r"NIST file, .* convert it to WAV or FLAC"):
        read([path])


@pytest.mark.parametrize(
    ("kind", "name", "size"),
    [("AIFF", b"SSND", "7f000000"), ("AU", b".snd\0\0\0\x18", "ffffffff")],
)
def test_streamed_files_of_other_formats_are_accepted(kind, name, size, tmp_path, waveform):
    path = tmp_path / "clip"
    soundfile.write(path, waveform, RATE, format=kind, subtype="PCM_16")
    content = path.read_bytes()
    at = content.index(name) + len(name)
    path.write_bytes(content[:at] + bytes.fromhex(size) + content[at + len(size) // 2 :])
    np.testing.assert_allclose(read([path])[0], waveform, atol=2**-15)


@pytest.mark.parametrize("missing", [100, 1 << 31, 1 << 40])
def test_wide_sizes_are_believed(missing, tmp_path, waveform):
    path = tmp_path / "clip"
    soundfile.write(path, waveform, RATE, format="RF64", subtype="PCM_16")
    content = bytearray(path.read_bytes())
    at = content.index(b"ds64") + 16
    assert content[at : at + 8] == struct.pack("<Q", 8000)
    content[at : at + 8] = struct.pack("<Q", 8000 + missing)
    path.write_bytes(content)
    with pytest.raises(ClipError, match=f"promises {8000 + missing} bytes of samples, the file holds 8000"):
        read([path])


def test_headers_of_empty_chunks_are_not_read_for_ever(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVE")
    os.truncate(path, 400_000_000)  # of zeros, which take no room
    begin = time.perf_counter()
    with pytest.raises(ClipError, match="not an audio file"):
        read([path])
    assert time.perf_counter() - begin < 10


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of POSIX")
def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ClipError, match=r"clip 0, .*pipe or device.*\n.*clip 1, .*pipe or device"):
        read([tmp_path / "pipe", "/dev/zero"])


def test_channels_whose_mean_overflows_are_a_cause(tmp_path):
    path = tmp_path / "clip.wav"
    for one, other in [(3e38, 3e38), (np.inf, -np.inf)]:
        soundfile.write(path, np.array([[one, other]] * 10, dtype=np.float32), RATE, subtype="FLOAT")
        with pytest.raises(ClipError, match="samples"):
            read([path])


def test_a_table_in_place_of_its_column_of_paths_is_told():
    table = pd.DataFrame({"y": [1], "path": ["a.wav"]})
    for estimator in (skasd.LogMelTransformer(), skasd.SpectrumTransformer(), skasd.MFNEmbedder()):
        with pytest.raises(ValueError, match=r'df\["path"\]'):
            estimator.fit(table)


def test_a_table_without_paths_is_not_told_to_give_another_column():
    with pytest.raises(ValueError, match="the clips or their paths alone"):
        check_clips(pd.DataFrame({"machine": ["fan"], "y": [1]}))
    with pytest.raises(ValueError, match=r'the paths, df\["path"\]'):
        check_clips(pd.DataFrame({"machine": ["fan"], "path": ["a.wav"]}))
