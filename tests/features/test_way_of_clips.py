"""Each clip goes one way once: one check of the collection, one plan, one load."""

import numpy as np
import pytest
import soundfile

from skasd import LogMelTransformer, STFTTransformer
from skasd.clips import Clips


class Collection:
    """An array-like that counts how often it is looked through."""

    def __init__(self, array):
        self.looked_at = 0
        self._array = array

    def __array__(self, dtype=None, copy=None):
        self.looked_at += 1
        return np.asarray(self._array, dtype=dtype)


@pytest.fixture
def counted(monkeypatch):
    """A front end that counts its plans, and the clips that `Clips.map` has loaded."""
    counts = {"plans": 0, "loads": 0}
    map_clips = Clips.map

    def counting_map(self, function, **options):
        def count_and_call(i, waveform):
            counts["loads"] += 1
            return function(i, waveform)

        return map_clips(self, count_and_call, **options)

    class Counting(LogMelTransformer):
        def _plan(self, dtype):
            counts["plans"] += 1
            return super()._plan(dtype)

    monkeypatch.setattr(Clips, "map", counting_map)
    return Counting(n_fft=64, hop_length=32, n_mels=8), counts


@pytest.mark.parametrize(
    # fit tells scikit-learn the number of features, which is the second look
    ("method", "looks"),
    [("fit", 2), ("transform", 1), ("fit_transform", 2)],
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_four_array_clips(method, looks, dtype, counted):
    front, counts = counted
    X = Collection((100 * np.random.default_rng(0).normal(size=(4, 256))).astype(dtype))
    getattr(front, method)(X)
    assert counts == {"plans": 1, "loads": 4}
    assert X.looked_at == looks


@pytest.mark.parametrize(("method", "opened"), [("fit", 0), ("transform", 2), ("fit_transform", 2)])
def test_files_are_opened_for_header_and_samples_only(method, opened, counted, tmp_path, monkeypatch):
    front, counts = counted
    paths = [str(tmp_path / f"{i}.wav") for i in range(3)]
    for path in paths:
        soundfile.write(path, np.random.default_rng(0).normal(scale=0.1, size=256), 16000)
    opens = []

    def counting_open(file, *args, **kwargs):
        opens.append(file)
        return open(file, *args, **kwargs)

    monkeypatch.setattr("skasd.clips._audio_file.open", counting_open, raising=False)
    getattr(front, method)(paths)
    assert sorted(opens) == sorted(opened * paths)
    assert counts["plans"] == 1


def test_precisions_in_one_collection_have_a_plan_each(counted):
    front, counts = counted
    mixed = [np.ones(128, np.float32), np.ones(128), np.ones(128, np.int16)]
    front.fit_transform(mixed)
    assert counts == {"plans": 2, "loads": 3}
    front.set_params(fft_dtype="float64").fit_transform(mixed)
    assert counts == {"plans": 3, "loads": 6}


@pytest.mark.parametrize("front", [LogMelTransformer(n_mels=16), STFTTransformer(n_fft=256)])
def test_fit_transform_is_fit_then_transform(front):
    X = np.random.default_rng(0).normal(size=(3, 2048))
    once = front.fit_transform(X)
    assert front.n_features_in_ == 2048
    np.testing.assert_array_equal(once, front.fit(X).transform(X))
    X[1, 5] = np.nan
    for method in ("fit", "fit_transform", "transform"):
        with pytest.raises(ValueError, match=r"clip 1, array .*NaN"):
            getattr(front, method)(X)


def test_headers_are_read_when_lengths_are_asked_for(tmp_path):
    path = tmp_path / "late.wav"
    clips = Clips([str(path), np.zeros(5)], on_error="skip")
    soundfile.write(path, np.zeros(7), 16000)
    assert clips.n_samples.tolist() == [7, 5]
    assert clips.causes == {}
    path.unlink()
    clips = Clips([str(path), np.zeros(5)], on_error="skip")
    assert list(clips.causes) == [0]
    assert clips.n_samples.tolist() == [-1, 5]
    assert clips.array is None
    assert Clips(np.zeros((2, 3))).array.shape == (2, 3)
