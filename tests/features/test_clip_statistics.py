"""Statistics over frames, and the validation of time-frequency arrays that goes with them."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline

from skasd.clips import ClipWarning
from skasd.features import (
    ClipStatistics,
    LogMelTransformer,
    PhaseTransformer,
    SpectrogramImageTransformer,
    SpectrumTransformer,
    STFTTransformer,
    check_time_frequency,
)

ALL = ("mean", "std", "max", "min", "median", 5, 97.5)


@pytest.fixture
def spectrograms():
    return np.random.default_rng(0).normal(size=(6, 4, 9)).astype(np.float32)


def test_every_statistic_is_numpys(spectrograms):
    got = ClipStatistics((*ALL, 0, 100)).fit_transform(spectrograms)
    wide = spectrograms.astype(np.float64)
    columns = [
        wide.mean(axis=2),
        wide.std(axis=2),
        wide.max(axis=2),
        wide.min(axis=2),
        np.median(wide, axis=2),
        np.percentile(wide, 5, axis=2),
        np.percentile(wide, 97.5, axis=2),
        wide.min(axis=2),
        wide.max(axis=2),
    ]
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, np.hstack(columns), rtol=1e-6, atol=1e-7)


def test_sums_are_accumulated_in_float64():
    X = np.full((1, 1, 100_000), 1e4, dtype=np.float32)
    X[0, 0, ::2] += 1
    mean, std = ClipStatistics().fit_transform(X)[0]
    assert mean == 10000.5
    assert std == 0.5
    assert np.isfinite(ClipStatistics().fit_transform(X.astype(np.float16))).all()


def test_names(spectrograms):
    statistics = ClipStatistics(("mean", 10, 97.5)).fit(spectrograms)
    names = statistics.get_feature_names_out()
    assert list(names[[0, 5, 11]]) == ["mean x0", "p10 x1", "p97.5 x3"]
    assert list(statistics.get_feature_names_out(list("abcd"))[:2]) == ["mean a", "mean b"]
    framed = ClipStatistics(("max",)).set_output(transform="pandas")
    table = framed.fit_transform(pd.DataFrame([[1.0, 2.0]], columns=["low", "high"]))
    assert list(table.columns) == ["max low", "max high"]


def test_columns_are_named_by_statistic_and_band():
    clips = np.random.default_rng(0).normal(scale=0.1, size=(3, 16000))
    front_end = LogMelTransformer(n_mels=16)
    pipeline = make_pipeline(front_end, ClipStatistics(("mean", 10))).fit(clips)
    names = pipeline.get_feature_names_out()
    assert len(set(names)) == 32
    # a tone at the centre of a band is loudest in the band of that name
    time = np.arange(16000) / 16000
    for name in names[[4, 8, 13]]:
        number, unit = name.split()[1:]
        hertz = float(number) * {"Hz": 1, "kHz": 1000}[unit]
        row = pipeline.transform(np.sin(2 * np.pi * hertz * time)[None])[0]
        assert names[:16][row[:16].argmax()] == name
    bin_names = front_end.get_feature_names_out()
    named = make_pipeline(front_end, ClipStatistics(("mean", 10), bin_names=bin_names))
    table = named.set_output(transform="pandas").fit_transform(clips)
    assert list(table.columns) == list(names)
    assert list(named.get_feature_names_out()) == list(names)
    with pytest.raises(ValueError, match="bin_names has 15 names for spectrograms of 16 bins"):
        named.set_params(clipstatistics__bin_names=bin_names[1:]).fit(clips)


@pytest.mark.parametrize(
    ("front_end", "hertz"),
    [
        (STFTTransformer(n_fft=512), np.arange(257) * 31.25),
        (STFTTransformer(n_fft=512, bins="no_dc"), np.arange(1, 257) * 31.25),
        (PhaseTransformer(sample_rate=8000, n_fft=64, hop_length=32, bins="no_nyquist"), np.arange(32) * 125),
        (SpectrumTransformer(n_samples=1600), np.arange(800) * 10),
        (SpectrogramImageTransformer(shape=(20, 9), n_fft=78), np.arange(0.5, 40, 2) * 16000 / 78),
        (LogMelTransformer(), None),
        (LogMelTransformer(sample_rate=96000, n_mels=64, fmin=5e3, htk=True), None),
    ],
    ids=repr,
)
def test_front_ends_name_their_bins(front_end, hertz):
    n_bins = front_end.fit_transform(np.zeros((1, 16000), dtype=np.float32)).shape[1]
    names = front_end.get_feature_names_out()
    assert len(set(names)) == len(names) == n_bins
    values = [float(name.split()[0]) * (1000 if name.endswith(" kHz") else 1) for name in names]
    if hertz is None:  # the filters' highest points
        filters = front_end.mel_filters()
        hertz = filters.argmax(axis=1) * front_end.sample_rate / front_end.n_fft
    np.testing.assert_allclose(values, hertz, rtol=0.05, atol=front_end.sample_rate / 1600)
    assert (np.diff(values) > 0).all()


def test_two_dimensional_input_is_one_frame_per_clip():
    X = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(ClipStatistics(("mean", "std")).fit_transform(X), np.hstack([X, 0 * X]))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(0, 99))
def test_ragged_clips_are_each_their_own(lengths, seed):
    rng = np.random.default_rng(seed)
    ragged = [rng.normal(size=(3, n)) for n in lengths]
    got = ClipStatistics(ALL).fit_transform(ragged)
    for spectrogram, row in zip(ragged, got, strict=True):
        np.testing.assert_array_equal(ClipStatistics(ALL).fit_transform(spectrogram[None])[0], row)


def test_skipped_clips_give_rows_of_nan(spectrograms):
    expected = ClipStatistics(ALL).fit_transform(spectrograms)
    spectrograms[2] = np.nan
    got = ClipStatistics(ALL).fit_transform(spectrograms)
    assert np.isnan(got[2]).all()
    np.testing.assert_array_equal(np.delete(got, 2, axis=0), np.delete(expected, 2, axis=0))
    ragged = [spectrograms[0], np.full((4, 1), np.nan), spectrograms[1][:, :3]]
    assert list(np.isnan(ClipStatistics().fit_transform(ragged)).all(axis=1)) == [False, True, False]


def test_behind_a_transformer_that_skips():
    X = np.random.default_rng(0).standard_normal((3, 4000))
    X[1, 5] = np.nan
    pipeline = make_pipeline(LogMelTransformer(on_error="skip"), ClipStatistics())
    with pytest.warns(ClipWarning):
        features = pipeline.fit_transform(X)
    assert list(np.isnan(features).all(axis=1)) == [False, True, False]


@pytest.mark.parametrize("statistics", ["mean", (), ("mean", "mode"), (101,), (True,), (-1,)])
def test_bad_statistics(statistics, spectrograms):
    with pytest.raises(ValueError, match="statistics"):
        ClipStatistics(statistics).fit(spectrograms)


# validation


def test_nothing_is_copied(spectrograms):
    for X in (spectrograms, spectrograms.astype(np.float64), spectrograms.astype(np.float16)):
        checked, missing = check_time_frequency(ClipStatistics(), X)
        assert np.shares_memory(checked, X)
        assert checked.shape == X.shape
        assert not missing.any()
    flat = spectrograms[:, :, 0].copy()
    checked, _ = check_time_frequency(ClipStatistics(), flat)
    assert checked.shape == (6, 4, 1)
    assert np.shares_memory(checked, flat)
    ragged = list(spectrograms)
    checked, _ = check_time_frequency(ClipStatistics(), ragged)
    assert all(a is b for a, b in zip(checked, ragged, strict=True))


def test_other_numbers_become_floats():
    checked, _ = check_time_frequency(ClipStatistics(), np.ones((2, 3, 4), dtype=int))
    assert checked.dtype == np.float32
    checked, _ = check_time_frequency(ClipStatistics(), [np.ones((3, 4), dtype=int), np.ones((3, 5), bool)])
    assert {s.dtype for s in checked} == {np.dtype(np.float32)}
    checked, _ = check_time_frequency(ClipStatistics(), np.ones((2, 3, 4)), dtype=np.float32)
    assert checked.dtype == np.float32


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (scipy.sparse.csr_array(np.eye(3)), TypeError, "[Ss]parse"),
        (np.ones((2, 3)) * 1j, ValueError, "Complex"),
        (np.ones(3), ValueError, "Reshape your data"),
        (np.ones((2, 3, 4, 5)), ValueError, r"dim 4.*expected \(n_clips, n_bins, n_frames\)"),
        (np.ones((2, 3, 0)), ValueError, "no frames"),
        (np.ones((0, 3, 4)), ValueError, "0 sample"),
        ([np.ones((3, 4)), np.ones(3)], ValueError, r"X\[1\] is an array of shape \(3,\)"),
        ([np.ones((3, 4)), "clip.wav"], ValueError, r"X\[1\] is str"),
        ([np.ones((3, 4)), np.ones((2, 4))], ValueError, r"X\[1\] has 2 bins, but X\[0\] has 3"),
        ([np.ones((3, 4)), np.ones((3, 0))], ValueError, r"X\[1\] has shape \(3, 0\)"),
        ([np.ones((3, 4)), np.ones((3, 4)) * 1j], ValueError, r"X\[1\] has dtype complex128"),
    ],
)
def test_what_is_no_time_frequency_array(X, error, message):
    with pytest.raises(error, match=message):
        ClipStatistics().fit(X)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("ragged", [False, True])
def test_clips_that_are_partly_nan_or_infinite_are_named(spectrograms, dtype, ragged):
    X = spectrograms.astype(dtype)
    X[1, 2, 3] = np.nan
    X[4, 0, 0] = -np.inf
    X[5] = np.nan
    with pytest.raises(ValueError, match=r"NaN in a part of the values \(clips 1\); infinity \(clips 4\)"):
        ClipStatistics().fit(list(X) if ragged else X)


def test_large_values_are_not_taken_for_infinity():
    X = np.full((2, 3, 4), np.finfo(np.float32).max, dtype=np.float32)
    check_time_frequency(ClipStatistics(), X)


def test_the_number_of_bins_is_kept(spectrograms):
    fitted = ClipStatistics().fit(spectrograms)
    assert fitted.n_features_in_ == 4
    for X in (spectrograms[:, :3], list(spectrograms[:, :3]), spectrograms[:, :3, 0]):
        with pytest.raises(ValueError, match=r"3 features.*expecting 4"):
            fitted.transform(X)
