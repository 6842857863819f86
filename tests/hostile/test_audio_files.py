"""Mutated audio files are read as libsndfile reads them, or are bad clips with a cause; nothing else happens."""

import os
import warnings

import numpy as np
import pytest
import soundfile
import soxr

from skasd.clips import ClipError, Clips, ClipWarning
from tests.hostile.audio_files import mutated, whole_files

RATE = 16000
# hours of them: SKASD_HOSTILE=1000 runs that many times as many
N_FILES = 4000 * int(os.environ.get("SKASD_HOSTILE", "1"))


# libsndfile takes truncated ones for shorter ones, and their headers are not enough to tell
REFUSED = ("AVR", "IRCAM", "MAT4", "MAT5", "MPC2K", "PAF", "PVF", "SDS", "VOC", "WVE", "XI")


@pytest.fixture(scope="module")
def every_file():
    return whole_files()


@pytest.fixture(scope="module")
def files(every_file):
    return {name: content for name, content in every_file.items() if name.split()[0] not in REFUSED}


def by_libsndfile(path):
    with soundfile.SoundFile(path) as file:
        rate = file.samplerate
        samples = file.read(out=np.empty((file.frames, file.channels), dtype=np.float32))
    with np.errstate(all="ignore"):
        mono = samples.mean(axis=1)
    return mono if rate == RATE else soxr.resample(mono, rate, RATE)


def left_open(content):
    """Return whether a WAV file says that it has no samples: what follows may be some."""
    return content[:4] in (b"RIFF", b"RIFX") and b"data\0\0\0\0" in content


def test_whole_files(files, tmp_path):
    assert len(files) > 120
    assert {name.split()[0] for name in files} >= {
        "WAV",
        "FLAC",
        "OGG",
        "MP3",
        "AIFF",
        "AU",
        "CAF",
        "W64",
        "RF64",
    }
    for name, content in files.items():
        path = tmp_path / "clip"
        path.write_bytes(content)
        (waveform,) = Clips([path])
        np.testing.assert_array_equal(waveform, by_libsndfile(path), err_msg=name)


def test_kinds_of_files_that_may_be_truncated_unseen_are_refused(every_file, tmp_path):
    path = tmp_path / "clip"
    refused = {name for name in every_file if name.split()[0] in REFUSED}
    assert len(refused) > 40
    for name in refused:
        path.write_bytes(every_file[name])
        with pytest.raises(
            ClipError, match=f"{name.split()[0]} file, and whether one is whole cannot be told"
        ):
            Clips([path]).map(lambda i, waveform: None)


@pytest.mark.parametrize("part", range(4))
def test_truncated_files(part, files, tmp_path, capfd):
    path = tmp_path / "clip"
    for name in sorted(files)[part::4]:
        content = files[name]
        lengths = {len(content) - n for n in (0, 1, 2, 3, 4, 9)} | {
            len(content) * n // 10 for n in range(1, 10)
        }
        waveforms = {}
        for length in lengths:
            path.write_bytes(content[:length])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ClipWarning)
                clips = Clips([path], on_error="skip").map(lambda i, waveform: waveform.copy())
            waveforms[length] = clips[0]
        whole = waveforms.pop(len(content))
        for length, waveform in waveforms.items():
            # what stands behind the samples may go, as an MP3 file's last tag
            if waveform is not None:
                np.testing.assert_array_equal(
                    waveform, whole, err_msg=f"{name}, {length} bytes of {len(content)}"
                )


@pytest.mark.parametrize("part", range(4))
def test_mutated_files(part, files, tmp_path, capfd):  # libsndfile prints, too
    path = tmp_path / "clip"
    names = sorted(files)
    n_good = n_bad = 0
    for number in range(part, N_FILES, 4):
        rng = np.random.default_rng(number)
        name = names[rng.integers(len(names))]
        content, change = mutated(files[name], rng)
        path.write_bytes(content)
        said = f"file {number}: {name}, {change}"
        clips = Clips([path], on_error="skip")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ClipWarning)
            try:
                (waveform,) = clips.map(lambda i, waveform: waveform.copy())
            except Exception as error:
                pytest.fail(f"{said}: {error!r}")
        if waveform is None:
            assert clips.causes[0], said
            n_bad += 1
            continue
        n_good += 1
        assert len(waveform) == clips.n_samples[0] > 0, said
        assert np.isfinite(waveform).all(), said
        if not left_open(content):
            np.testing.assert_array_equal(waveform, by_libsndfile(path), err_msg=said)
    assert min(n_good, n_bad) > 0.3 * (n_good + n_bad)
