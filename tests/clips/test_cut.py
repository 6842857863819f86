"""Windows of long recordings, as files."""

import numpy as np
import pytest
import soundfile

from skasd.clips import ClipError, cut_recording
from skasd.datasets import recordings_of


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_windows_hold_the_samples_of_the_recording(tmp_path, subtype):
    samples = np.random.default_rng(0).uniform(-1, 1, size=(8 * 1000 + 300, 2))
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype=subtype)
    stored = soundfile.read(tmp_path / "a.wav")[0]
    paths = cut_recording(tmp_path / "a.wav", tmp_path / "out", 0.25, hop=0.125)
    assert len(paths) == 1 + (8300 - 2000) // 1000 == 7
    for number, path in enumerate(paths):
        assert soundfile.info(path).subtype == subtype
        window, rate = soundfile.read(path)
        assert rate == 8000
        np.testing.assert_array_equal(window, stored[1000 * number : 1000 * number + 2000])


def test_other_formats_become_wav(tmp_path):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, size=16000)
    soundfile.write(tmp_path / "a.flac", samples, 8000, subtype="PCM_24")
    soundfile.write(tmp_path / "b.ogg", samples, 8000)
    kinds = [soundfile.info(cut_recording(tmp_path / name, tmp_path, 1)[1]) for name in ("a.flac", "b.ogg")]
    assert [(kind.format, kind.subtype, kind.frames) for kind in kinds] == [
        ("WAV", "PCM_24", 8000),
        ("WAV", "PCM_16", 8000),
    ]


def test_names_tell_the_recording(tmp_path):
    paths = []
    for name in ("2024-05-01 Prüfstand 3.wav", "2024-05-02 Prüfstand 3.wav"):
        soundfile.write(tmp_path / name, np.zeros(24000), 8000)
        paths += cut_recording(tmp_path / name, tmp_path / "out", 1)
    found = recordings_of(paths)
    assert len(set(found)) == 2
    assert found[:3] == found[:1] * 3


def test_what_cannot_be_cut(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(4000), 8000)
    (tmp_path / "text.wav").write_text("no sound")
    for name, cause in (
        ("a.wav", "shorter than a window: 0.5 s"),
        ("text.wav", "libsndfile"),
        ("none.wav", "no such file"),
    ):
        with pytest.raises(ClipError, match=rf"{name} cannot be cut: .*{cause}"):
            cut_recording(tmp_path / name, tmp_path / "out", 1)
    for seconds, hop, message in (
        (0, None, "positive number of seconds, got 0"),
        (1, 2, "at most a window, 1 s, got 2"),
        (1, 0, "hop must be above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            cut_recording(tmp_path / "a.wav", tmp_path / "out", seconds, hop=hop)
    assert not (tmp_path / "out").exists()
