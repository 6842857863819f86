"""A detector that says where the anomaly lies points at it."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skasd import (
    AutoencoderEmbedder,
    ClipStatistics,
    ColumnScorer,
    KNNCosineScorer,
    KNNScorer,
    LOFScorer,
    LogMelTransformer,
    MahalanobisScorer,
    NormalOnly,
    STFTTransformer,
)
from skasd.plotting import AnomalyMapDisplay, anomaly_map

RATE = 16000


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def noise(n, seed=0, seconds=1.0):
    return np.random.default_rng(seed).normal(scale=0.1, size=(n, int(seconds * RATE)))


def with_tone(clip, frequency, first=0.0, last=1.0):
    t = np.arange(len(clip)) / RATE
    return clip + np.where((t >= first) & (t < last), 0.2 * np.sin(2 * np.pi * frequency * t), 0)


@pytest.mark.parametrize(
    "scorer",
    [MahalanobisScorer(), KNNScorer(n_neighbors=2), KNNCosineScorer()],
    ids=lambda s: type(s).__name__,
)
@pytest.mark.parametrize(
    "front", [LogMelTransformer(n_mels=64), STFTTransformer(n_fft=512)], ids=["mel", "stft"]
)
def test_a_tone_is_found_in_its_band(front, scorer):
    detector = make_pipeline(front, ClipStatistics(), scorer).fit(noise(30))
    tones = [500.0, 2000.0, 5000.0]
    new = [with_tone(clip, f) for clip, f in zip(noise(3, seed=1), tones, strict=True)]
    display = AnomalyMapDisplay.from_estimator(detector, new)
    for tone, part, score in zip(tones, display.maps, -detector.score_samples(new), strict=True):
        assert part.shape == (len(display.frequencies), 1)
        assert part.sum() == pytest.approx(score, rel=1e-6)
        found = display.frequencies[part[:, 0].argmax()]
        assert abs(found - tone) < 0.06 * tone


def test_the_statistics_of_a_band_are_added():
    spectrograms = np.random.default_rng(0).normal(size=(20, 5, 8))
    detector = make_pipeline(ClipStatistics(("mean", 90, "std")), KNNScorer()).fit(spectrograms)
    new = np.random.default_rng(1).normal(size=(2, 5, 8))
    features = detector[:-1].transform(new)
    shares = detector[-1].feature_contributions(features)
    expected = shares[:, :5] + shares[:, 5:10] + shares[:, 10:]
    np.testing.assert_allclose(np.array(anomaly_map(detector, new))[:, :, 0], expected)


@pytest.fixture(scope="module")
def autoencoder():
    network = AutoencoderEmbedder(
        hidden=32, bn_momentum=0.1, max_epochs=4, batch_size=64, standardize_input="bin", random_state=0
    )
    return make_pipeline(LogMelTransformer(n_mels=32), network, ColumnScorer()).fit(noise(20))


def test_an_autoencoder_finds_band_and_time(autoencoder):
    (clip,) = noise(1, seed=2)
    display = AnomalyMapDisplay.from_estimator(autoencoder, [with_tone(clip, 2000.0, 0.5, 0.7)])
    (part,) = display.maps
    assert part.shape == (32, 32)
    band, frame = np.unravel_index(part.argmax(), part.shape)
    assert abs(display.frequencies[band] - 2000) < 150
    assert 0.45 < frame * display.hop + display.start < 0.75


def test_searches_and_wrappers_are_looked_through():
    X, y = noise(12), np.repeat([1, -1], [10, 2])
    plain = make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), KNNScorer())
    new = noise(2, seed=3)
    wrapped = NormalOnly(plain).fit(X, y)
    expected = anomaly_map(wrapped.estimator_, new)
    np.testing.assert_array_equal(anomaly_map(wrapped, new), expected)
    search = GridSearchCV(
        plain, {"knnscorer__n_neighbors": [1]}, cv=2, scoring=lambda estimator, X, y=None: 0.0
    ).fit(X[:10])
    np.testing.assert_allclose(anomaly_map(search, new), expected)
    nested = make_pipeline(LogMelTransformer(n_mels=16), make_pipeline(ClipStatistics(), KNNScorer())).fit(
        X[:10]
    )
    np.testing.assert_allclose(anomaly_map(nested, new), expected)


def test_panels_share_a_scale_and_carry_names(autoencoder):
    display = AnomalyMapDisplay.from_estimator(autoencoder, noise(2, seed=4), names=["a", "b"])
    assert [ax.get_title(loc="left") for ax in display.axes_] == ["a", "b"]
    limits = {ax.images[0].get_clim() for ax in display.axes_}
    assert len(limits) == 1
    assert next(iter(limits))[1] == pytest.approx(np.percentile(np.stack(display.maps), 99.5))
    assert display.ax_.get_ylabel() == "frequency (Hz)"
    for ax, part in zip(display.axes_, display.maps, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), part)


def test_profiles_are_drawn_on_one_scale():
    detector = make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(("mean",)), MahalanobisScorer())
    display = AnomalyMapDisplay.from_estimator(detector.fit(noise(12)), noise(2, seed=4))
    assert len({ax.get_xlim() for ax in display.axes_}) == 1
    largest = max(part.max() for part in display.maps)
    assert display.ax_.get_xlim()[1] == pytest.approx(1.05 * largest)


def test_skipped_clips_leave_their_panel_empty(tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    detector = make_pipeline(
        LogMelTransformer(n_mels=16, on_error="skip"), ClipStatistics(), KNNScorer()
    ).fit(noise(6))
    with pytest.warns(UserWarning, match=r"broken\.wav"):
        display = AnomalyMapDisplay.from_estimator(detector, [str(tmp_path / "broken.wav")])
    assert np.isnan(display.maps[0]).all()
    assert display.ax_.texts[0].get_text() == "clip skipped"


def test_without_a_known_front_end_rows_are_numbered():
    detector = make_pipeline(ClipStatistics(("mean",)), KNNScorer()).fit(np.eye(4)[:, :, None])
    display = AnomalyMapDisplay.from_estimator(detector, np.ones((1, 4, 1)))
    assert display.frequencies is None
    assert display.ax_.get_ylabel() == "bin"


@pytest.mark.parametrize(
    "detector",
    [
        make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), LOFScorer()),
        make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), ClipStatistics()),
    ],
)
def test_a_detector_that_cannot_say_is_told_from_one_that_can(detector):
    detector.fit(noise(6))
    with pytest.raises(TypeError, match="cannot say where in a clip the anomaly lies"):
        anomaly_map(detector, noise(1))
