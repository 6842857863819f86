"""The displays draw the numbers they are given."""

import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skasd.features import LogMelTransformer, STFTTransformer
from skasd.plotting import (
    EmbeddingDisplay,
    ROCByDomainDisplay,
    ScoreDisplay,
    SpectrogramDisplay,
    TimelineDisplay,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def scored():
    rng = np.random.default_rng(0)
    y = np.where(np.arange(80) % 2, -1, 1)
    domain = np.repeat(["target", "source"], 40)
    scores = rng.normal(size=80) + (y == -1) + 0.5 * (domain == "target")
    return scores, y, domain


@pytest.fixture
def detector():
    X = np.random.default_rng(1).normal(size=(60, 4))
    return make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True, contamination=0.1)).fit(X), X


def counts(polygon):
    """Heights of a stepfilled histogram, read off the drawn polygon, without the closing points."""
    corners = polygon.get_xy()
    n_bins = (len(corners) - 1) // 4
    return corners[1 : 2 * n_bins : 2, 1]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# ScoreDisplay


def test_score_histograms_hold_every_clip_of_their_domain(scored):
    scores, y, domain = scored
    display = ScoreDisplay.from_predictions(scores, y, domain=domain, bins=12)
    assert [ax.get_title(loc="left") for ax in display.axes_] == ["source", "target"]
    edges = np.histogram_bin_edges(scores, 12)
    for ax, name in zip(display.axes_, ["source", "target"], strict=True):
        assert len(ax.patches) == 2
        for patch, label in zip(ax.patches, [1, -1], strict=True):
            expected, _ = np.histogram(scores[(domain == name) & (y == label)], edges)
            assert_array_equal(counts(patch), expected)
            assert expected.sum() == 20
    assert display.ax_ is display.axes_[0]
    assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize(
    "scores", [[0.0, 0.0], [1e17] * 3, [0.1, np.nextafter(0.1, 1)], [1.0, 1 + 4e-16], [5e-324, 0.0], [-7.0]]
)
def test_scores_that_are_equal_or_nearly_so_are_drawn(scores):
    ax = ScoreDisplay.from_predictions(scores, threshold=scores[0]).ax_
    assert counts(ax.patches[0]).sum() == len(scores)
    low, high = ax.get_xlim()
    assert low < scores[0] < high


SKEWED = np.r_[np.linspace(8, 11, 40), np.geomspace(12, 120, 40)]
SKEWED_Y = np.repeat([1, -1], 40)


def test_scores_of_large_faults_leave_the_healthy_ones_readable():
    display = ScoreDisplay.from_predictions(SKEWED, SKEWED_Y, threshold=10.5)
    assert display.scale_ == display.ax_.get_xscale() == "log"
    normal, anomalous = (counts(patch) for patch in display.ax_.patches)
    assert (normal > 0).sum() >= 4
    assert (normal.sum(), anomalous.sum()) == (40, 40)
    (line,) = display.ax_.lines
    assert_array_equal(line.get_xdata(), [10.5, 10.5])
    display.figure_.canvas.draw()
    low, high = display.ax_.get_xlim()
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    shown = [text for text, at in zip(labels, display.ax_.get_xticks(), strict=True) if low <= at <= high]
    assert shown == ["10", "20", "50", "100"]
    linear = ScoreDisplay.from_predictions(SKEWED, SKEWED_Y, threshold=10.5, scale="linear")
    assert linear.ax_.get_xscale() == "linear"
    assert (counts(linear.ax_.patches[0]) > 0).sum() == 1


def test_only_skewed_positive_scores_get_a_logarithmic_axis():
    def scale(scores, y=None, **known):
        return ScoreDisplay.from_predictions(scores, y, **known).scale_

    assert scale(SKEWED - 8, SKEWED_Y) == "linear"  # a zero
    assert scale(-SKEWED, SKEWED_Y) == "linear"
    assert scale(SKEWED[:60], SKEWED_Y[:60]) == "linear"  # up to 4 times the median
    assert scale(SKEWED, SKEWED_Y, threshold=-1.0) == "linear"
    assert scale([3.0, 4.0, 5.0, 6.0, 38.0]) == "log"
    assert scale(SKEWED[SKEWED > 50], training=SKEWED[:40]) == "log"
    assert scale(SKEWED[SKEWED > 50]) == "linear"
    with pytest.raises(ValueError, match=r"shows positive scores only.* is -120: pass scale='linear'"):
        scale(-SKEWED, scale="log")
    with pytest.raises(ValueError, match="scale must be 'auto', 'linear' or 'log', got 'symlog'"):
        scale(SKEWED, scale="symlog")


def test_bins_on_a_logarithmic_axis():
    edges = [1, 10, 60, 200]
    display = ScoreDisplay.from_predictions(SKEWED, bins=edges, scale="log")
    assert_array_equal(counts(display.ax_.patches[0]), np.histogram(SKEWED, edges)[0])
    few = np.array([3.3, 3.3])
    assert counts(ScoreDisplay.from_predictions(few, scale="log").ax_.patches[0]).sum() == 2


def test_a_timeline_of_skewed_scores_is_logarithmic():
    scores = np.r_[np.linspace(8, 11, 40), [120.0, np.nan]]
    display = TimelineDisplay.from_predictions(scores, threshold=10.5)
    assert display.scale_ == display.ax_.get_yscale() == "log"
    assert TimelineDisplay.from_predictions(scores[:40], threshold=10.5).scale_ == "linear"
    assert TimelineDisplay.from_predictions(scores, scale="linear").ax_.get_yscale() == "linear"


def test_score_threshold_line_and_rates(scored):
    scores, y, domain = scored
    display = ScoreDisplay.from_predictions(scores, y, domain=domain, threshold=0.75)
    for ax, name in zip(display.axes_, ["source", "target"], strict=True):
        (line,) = ax.lines
        assert_array_equal(line.get_xdata(), [0.75, 0.75])
        false_alarms = 100 * np.mean(scores[(domain == name) & (y == 1)] > 0.75)
        hits = 100 * np.mean(scores[(domain == name) & (y == -1)] > 0.75)
        assert legend(ax)[-1] == f"threshold 0.75\nfalse alarms {false_alarms:.3g} %\nhits {hits:.3g} %"
        assert legend(ax)[:2] == ["normal (20)", "anomalous (20)"]


def test_score_at_the_threshold_is_no_alarm():
    display = ScoreDisplay.from_predictions([0.0, 1.0, 2.0], threshold=1.0)
    assert legend(display.ax_) == ["clips (3)", "threshold 1\n33.3 % of clips above"]


def test_score_skipped_clips_are_counted_not_drawn(scored):
    scores, y, domain = scored
    scores = scores.copy()
    scores[[0, 1, 50]] = np.nan
    display = ScoreDisplay.from_predictions(scores, y, domain=domain)
    source, target = display.axes_
    assert target.get_title(loc="right") == "2 clips without a score, not shown"
    assert source.get_title(loc="right") == "1 clip without a score, not shown"
    assert sum(counts(patch).sum() for ax in display.axes_ for patch in ax.patches) == 77


def test_score_domain_without_any_score_stays_empty():
    display = ScoreDisplay.from_predictions([1.0, 2.0, np.nan], domain=["a", "a", "b"])
    assert not display.axes_[1].patches
    assert display.axes_[1].get_legend() is None


def test_score_from_estimator_reads_the_threshold(detector):
    pipeline, X = detector
    display = ScoreDisplay.from_estimator(pipeline, X)
    assert_array_equal(display.scores, -pipeline.score_samples(X))
    assert display.threshold == -pipeline[-1].offset_
    assert display.ax_.get_title(loc="left") == "LocalOutlierFactor"
    assert_array_equal(pipeline.predict(X) == -1, display.scores > display.threshold)


def test_score_from_estimator_inside_a_search(detector):
    pipeline, X = detector
    y = np.where(np.arange(60) % 3, 1, -1)
    search = GridSearchCV(pipeline, {"localoutlierfactor__n_neighbors": [5]}, scoring="roc_auc", cv=3)
    display = ScoreDisplay.from_estimator(search.fit(X, y), X, y, name="search")
    assert display.threshold == -search.best_estimator_[-1].offset_
    assert ScoreDisplay.from_estimator(search, X, threshold=None).threshold is None
    assert ScoreDisplay.from_estimator(search, X, threshold=3.0).threshold == 3.0


def test_score_keywords_reach_hist(scored):
    scores, y, _ = scored
    display = ScoreDisplay.from_predictions(scores, y, density=True, facecolor="red")
    for patch in display.ax_.patches:
        assert patch.get_facecolor() == (1.0, 0.0, 0.0, 1.0)
    width = np.diff(np.histogram_bin_edges(scores, 30))[0]
    assert_allclose(counts(display.ax_.patches[0]).sum() * width, 1)


def test_single_axes_is_used_or_divided(scored):
    scores, y, domain = scored
    figure, ax = plt.subplots()
    assert ScoreDisplay.from_predictions(scores, y, ax=ax).ax_ is ax
    figure, (left, right) = plt.subplots(1, 2)
    display = ScoreDisplay.from_predictions(scores, y, domain=domain, ax=right)
    assert display.figure_ is figure
    assert len(display.axes_) == 2
    assert not right.axison
    assert left.axison
    given = plt.subplots(2, 1)[1]
    assert list(ScoreDisplay.from_predictions(scores, y, domain=domain, ax=given).axes_) == list(given)


def test_wrong_number_of_axes(scored):
    scores, y, domain = scored
    with pytest.raises(ValueError, match="draws 2 panels, got 3 axes"):
        ScoreDisplay.from_predictions(scores, y, domain=domain, ax=plt.subplots(1, 3)[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.1, 0.2], [0, 1]), r"y must be coded \+1 \(normal\) and -1 \(anomalous\), got 0; labels coded 0"),
        (([0.1, 0.2], [1]), "y has 1 entries for 2 clips"),
        (([[0.1], [0.2]],), "One score per clip"),
        (([np.nan, np.nan],), "None of the 2 clips has a score"),
        (([0.1, np.inf],), "The score of clip 1 is infinite"),
    ],
)
def test_score_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        ScoreDisplay.from_predictions(*arguments)


def test_score_bad_threshold_and_domain():
    with pytest.raises(ValueError, match="threshold must be a finite number or None, got nan"):
        ScoreDisplay.from_predictions([0.1, 0.2], threshold=np.nan)
    with pytest.raises(ValueError, match="domain has 3 entries for 2 clips"):
        ScoreDisplay.from_predictions([0.1, 0.2], domain=["source"] * 3)


def test_score_training_clips_have_a_histogram_of_shares(scored):
    scores, y, domain = scored
    training = np.concatenate([np.linspace(-3, 8, 500), [np.nan]])
    display = ScoreDisplay.from_predictions(scores, y, domain=domain, threshold=1.0, training=training)
    for ax in display.axes_:
        assert [counts(patch).sum() for patch in ax.patches[:2]] == [pytest.approx(100)] * 2
        heights = ax.patches[2].get_xy()[1:-1:2, 1]
        assert heights.sum() == pytest.approx(100)
        assert legend(ax)[2] == "training (500)"
        assert ax.get_ylabel() == "share of clips (%)"
        assert ax.get_xlim()[1] > 7.9


# TimelineDisplay


def test_timeline_shows_scores_at_their_time_and_alarms_above_the_threshold():
    time = pd.date_range("2024-03-01", periods=40, freq="h").to_numpy(copy=True)
    scores = np.arange(40.0)
    scores[3], time[5] = np.nan, np.datetime64("NaT")
    ax = TimelineDisplay.from_predictions(scores, time=list(time), threshold=30, name="pump").ax_
    normal, anomalous = ax.collections
    assert_array_equal(normal.get_offsets()[:, 1], np.delete(np.arange(31.0), [3, 5]))
    assert_array_equal(anomalous.get_offsets()[:, 1], np.arange(31.0, 40))
    assert_allclose(np.diff(anomalous.get_offsets()[:, 0]), 1 / 24)
    assert legend(ax) == ["normal (29)", "anomalous (9)", "running median", "threshold 30"]
    assert ax.get_title(loc="left") == "pump"
    assert "1 clip without a score" in ax.get_title(loc="right")


def test_timeline_without_times_numbers_the_clips():
    ax = TimelineDisplay.from_predictions([3.0, 1.0, 2.0]).ax_
    (points,) = ax.collections
    assert_array_equal(points.get_offsets(), [[1, 3], [2, 1], [3, 2]])
    assert legend(ax) == ["clips (3)"]


def test_timeline_bad_input():
    with pytest.raises(ValueError, match="time has 1 entries for 2 clips"):
        TimelineDisplay.from_predictions([1, 2], time=[0])
    with pytest.raises(ValueError, match=r"time must be numbers or times .datetime64., got 'monday'"):
        TimelineDisplay.from_predictions([1, 2], time=["monday", "tuesday"])
    with pytest.raises(ValueError, match="threshold must be a finite number"):
        TimelineDisplay.from_predictions([1, 2], threshold=np.nan)


# ROCByDomainDisplay


def test_roc_curves_follow_the_challenge_rule(scored):
    scores, y, domain = scored
    display = ROCByDomainDisplay.from_predictions(scores, y, domain=domain)
    assert list(display.lines_) == ["source", "target", "all clips"]
    for name, line in display.lines_.items():
        rows = (y == -1) | (domain == name) | (name == "all clips")
        fpr, tpr, _ = roc_curve(y[rows] == -1, scores[rows])
        assert_array_equal(line.get_xdata(), fpr)
        assert_array_equal(line.get_ydata(), tpr)
        auc = roc_auc_score(y[rows] == -1, scores[rows])
        assert display.roc_auc[name] == pytest.approx(auc, abs=1e-12)
        assert f"{name} (AUC = {auc:.3f})" in legend(display.ax_)
    assert display.partial_auc == pytest.approx(roc_auc_score(y == -1, scores, max_fpr=0.1), abs=1e-12)
    assert f"pAUC = {display.partial_auc:.3f}" in legend(display.ax_)[0]


def test_roc_shaded_region_and_chance_line(scored):
    scores, y, _ = scored
    display = ROCByDomainDisplay.from_predictions(scores, y, max_fpr=0.2)
    (region,) = display.ax_.patches
    assert region.get_x() == 0
    assert region.get_width() == pytest.approx(0.2)
    chance = display.ax_.lines[-1]
    assert_array_equal(chance.get_xydata(), [[0, 0], [1, 1]])
    assert list(display.lines_) == ["all clips"]


def test_roc_from_estimator_and_skipped_clips(detector):
    pipeline, X = detector
    y = np.where(np.arange(60) % 3, 1, -1)
    display = ROCByDomainDisplay.from_estimator(pipeline, X, y)
    assert display.roc_auc["all clips"] == pytest.approx(roc_auc_score(y, pipeline.score_samples(X)))
    assert display.name == "LocalOutlierFactor"
    scores = -pipeline.score_samples(X)
    scores[:2] = np.nan
    display = ROCByDomainDisplay.from_predictions(scores, y)
    assert display.n_skipped == 2
    assert display.roc_auc["all clips"] == pytest.approx(roc_auc_score(y[2:] == -1, scores[2:]))
    assert display.ax_.get_title(loc="right") == "2 clips without a score, not shown"


def test_roc_needs_both_kinds(scored):
    scores, y, domain = scored
    with pytest.raises(ValueError, match="No anomalous clip has a score"):
        ROCByDomainDisplay.from_predictions(scores, np.ones(80))
    with pytest.raises(ValueError, match="No normal clip of domain 'target' has a score"):
        ROCByDomainDisplay.from_predictions(scores, np.where(domain == "target", -1, y), domain=domain)
    with pytest.raises(ValueError, match=r"max_fpr must lie in \(0, 1\], got 0"):
        ROCByDomainDisplay.from_predictions(scores, y, max_fpr=0)


# SpectrogramDisplay


def test_spectrogram_shows_the_arrays_on_one_scale():
    rng = np.random.default_rng(0)
    arrays = rng.normal(-40, 10, size=(3, 33, 20))
    arrays[1] += 15
    display = SpectrogramDisplay.from_array(
        arrays, frequencies=np.linspace(0, 4000, 33), hop=0.01, names=["a", "b", "c"], dynamic_range=50
    )
    for image, array in zip(display.images_, arrays, strict=True):
        assert_array_equal(image.get_array(), array)
        assert image.get_clim() == (arrays.max() - 50, arrays.max())
    assert [ax.get_title(loc="left") for ax in display.axes_] == ["a", "b", "c"]
    assert display.colorbar_.ax.get_ylabel() == "dB"
    # the middle of frame 0 stands at 0 s, that of frame 19 at 0.19 s
    left, right, bottom, top = display.images_[0].get_extent()
    assert_allclose([left, right, bottom, top], [-0.005, 0.195, -0.5, 32.5])


def test_spectrogram_ticks_stand_at_their_frequency():
    linear = np.linspace(0, 8000, 513)
    display = SpectrogramDisplay.from_array(np.zeros((1, 513, 4)), frequencies=linear, hop=0.01)
    labels = [float(t.get_text()) for t in display.ax_.get_yticklabels()]
    assert_allclose(display.ax_.get_yticks(), np.interp(labels, linear, np.arange(513)))
    assert labels == list(np.arange(0, 8001, 1000))
    warped = 700 * (10 ** (np.linspace(0, 2840, 130)[1:-1] / 2595) - 1)
    display = SpectrogramDisplay.from_array(np.zeros((1, 128, 4)), frequencies=warped, hop=0.01)
    labels = np.array([float(t.get_text()) for t in display.ax_.get_yticklabels()])
    assert {1000, 2000, 4000, 8000} <= set(labels)
    inside = labels < warped[-1]
    assert_allclose(
        display.ax_.get_yticks()[inside], np.interp(labels[inside], warped, np.arange(128)), atol=1e-9
    )
    assert display.ax_.get_yticks()[-1] <= 127.5


RATE = 8000


def tone(frequency, n_samples):
    return np.sin(2 * np.pi * frequency * np.arange(n_samples) / RATE)


def test_spectrogram_from_clips_reads_the_axes_off_the_transformer():
    clips = [tone(1000, 4096), tone(1000, 2048)]
    transformer = STFTTransformer(sample_rate=RATE, n_fft=256, hop_length=128, center=False, bins="no_dc")
    display = SpectrogramDisplay.from_clips(clips, transformer, names=["long", "short"])
    assert not hasattr(transformer, "n_features_in_")
    assert display.frequencies[np.argmax(display.spectrograms[0].mean(axis=1))] == 1000
    assert display.unit == display.colorbar_.ax.get_ylabel() == "magnitude"
    # 31 frames whose middles stand at 128, 256, ... samples; both panels show the longer clip's time
    assert display.images_[0].get_extent()[:2] == pytest.approx((64 / RATE, (64 + 31 * 128) / RATE))
    assert display.images_[1].get_extent()[1] == pytest.approx((64 + 15 * 128) / RATE)
    for ax in display.axes_:
        assert ax.get_xlim() == pytest.approx((64 / RATE, (64 + 31 * 128) / RATE))


def test_spectrogram_ticks_of_log_mels_point_at_the_tone():
    transformer = LogMelTransformer(sample_rate=RATE, n_mels=64, dtype="float16")
    for frequency in (500, 1000, 2000):
        display = SpectrogramDisplay.from_clips([tone(frequency, RATE)], transformer)
        labels = [text.get_text() for text in display.ax_.get_yticklabels()]
        row = display.ax_.get_yticks()[labels.index(str(frequency))]
        loudest = np.argmax(np.asarray(display.images_[0].get_array(), dtype=float).mean(axis=1))
        assert abs(row - loudest) <= 1
        assert display.unit == "dB"
        plt.close(display.figure_)
    assert {"1000", "2000", "4000"} <= set(labels)


def test_spectrogram_skipped_clip_leaves_an_empty_panel():
    arrays = [np.zeros((5, 4)), np.full((5, 1), np.nan)]
    display = SpectrogramDisplay.from_array(arrays, frequencies=np.arange(5), hop=1.0, colorbar=False)
    assert [text.get_text() for text in display.axes_[1].texts] == ["clip skipped"]
    assert not display.axes_[0].texts
    assert display.colorbar_ is None
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("spectrograms", "options", "message"),
    [
        (np.zeros((5, 4)), {}, r"Spectrogram 0 has shape \(4,\)"),
        (np.zeros((1, 6, 4)), {}, r"Spectrogram 0 has shape \(6, 4\); expected \(5, n_frames\)"),
        ([], {}, "No spectrogram given"),
        (np.full((1, 5, 1), np.nan), {}, "All spectrograms are NaN"),
        (np.zeros((1, 5, 4)), {"hop": 0}, "hop must be positive"),
        (np.zeros((1, 5, 4)), {"frequencies": np.arange(5)[::-1]}, "frequencies must rise"),
        (np.zeros((1, 5, 4)), {"names": ["a", "b"]}, "names has 2 entries for 1 clips"),
    ],
)
def test_spectrogram_bad_input(spectrograms, options, message):
    with pytest.raises(ValueError, match=message):
        SpectrogramDisplay.from_array(spectrograms, **{"frequencies": np.arange(5), "hop": 1.0, **options})


# EmbeddingDisplay


@pytest.fixture
def embeddings():
    rng = np.random.default_rng(0)
    section = np.repeat(["fan", "valve", "pump"], 12)
    centres = rng.normal(0, 10, size=(3, 6))
    y = np.where(np.arange(36) % 4, 1, -1)
    return np.repeat(centres, 12, axis=0) + rng.normal(size=(36, 6)), y, section


def offsets(ax):
    return np.vstack([points.get_offsets() for points in ax.collections])


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_embedding_map_shows_every_clip_and_keeps_groups_together(embeddings, method):
    X, y, section = embeddings
    display = EmbeddingDisplay.from_embeddings(X, y, section=section, method=method)
    assert legend(display.ax_) == ["fan", "pump", "valve", "normal", "anomalous"]
    drawn = offsets(display.ax_)
    assert_allclose(np.sort(drawn, axis=0), np.sort(display.points, axis=0))
    distance = np.linalg.norm(display.points[:, None] - display.points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert_array_equal(section[distance.argmin(axis=1)], section)


def test_embedding_colours_are_sections_and_crosses_are_anomalies(embeddings):
    X, y, section = embeddings
    display = EmbeddingDisplay.from_embeddings(X, y, section=section, method="pca")
    colors = {}
    for points in display.ax_.collections:
        place = points.get_offsets()[0]
        row = np.linalg.norm(display.points - place, axis=1).argmin()
        colors.setdefault(section[row], set()).add(tuple(points.get_facecolor()[0]))
        assert len(points.get_offsets()) == (3 if y[row] == -1 else 9)
        n_corners = len(points.get_paths()[0].vertices)
        assert (n_corners == 13) == (y[row] == -1)  # the cross is a polygon of 12 sides
    assert all(len(values) == 1 for values in colors.values())
    assert len({values.pop() for values in colors.values()}) == 3


def test_embedding_pca_is_scikit_learns(embeddings):
    X, _, _ = embeddings
    display = EmbeddingDisplay.from_embeddings(X, method="pca")
    pca = PCA(2).fit(X)
    assert_allclose(display.points, pca.transform(X))
    assert (
        display.ax_.get_xlabel()
        == f"component 1 ({100 * pca.explained_variance_ratio_[0]:.0f} % of variance)"
    )
    assert display.ax_.get_legend() is None


def test_embedding_tsne_is_seeded(embeddings):
    X, _, _ = embeddings
    first, second, other = (
        EmbeddingDisplay.from_embeddings(X, random_state=seed).points for seed in (3, 3, None)
    )
    assert_array_equal(first, second)
    assert other.shape == first.shape


@pytest.mark.parametrize("method", ["tsne", "pca"])
@pytest.mark.parametrize("shape", [(3, 4), (5, 1), (4, 2)])
def test_embedding_few_clips(method, shape):
    X = np.random.default_rng(0).normal(size=shape)
    display = EmbeddingDisplay.from_embeddings(X, method=method)
    assert np.isfinite(display.points).all()
    assert len(offsets(display.ax_)) == shape[0]


def test_embedding_skipped_clips_are_left_out(embeddings):
    X, y, section = embeddings
    X[5] = np.nan
    display = EmbeddingDisplay.from_embeddings(X, y, section=section, method="pca")
    assert np.isnan(display.points[5]).all()
    assert len(offsets(display.ax_)) == 35


def test_embedding_from_a_detector_uses_the_steps_before_it(detector):
    pipeline, X = detector
    display = EmbeddingDisplay.from_estimator(pipeline, X, method="pca")
    assert_allclose(display.points, PCA(2).fit_transform(pipeline[:-1].transform(X)))
    assert display.name == "StandardScaler"
    with pytest.raises(TypeError, match="LocalOutlierFactor has no transform"):
        EmbeddingDisplay.from_estimator(pipeline[-1], X)


def test_embedding_many_sections_have_distinct_colours():
    X = np.random.default_rng(0).normal(size=(40, 3))
    display = EmbeddingDisplay.from_embeddings(X, section=range(40), method="pca")
    colors = {tuple(points.get_facecolor()[0]) for points in display.ax_.collections}
    assert len(colors) == 40


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((2, 3), {}, "at least 3 clips, got 2"),
        ((9, 3), {"method": "umap"}, "method must be 'tsne' or 'pca', got 'umap'"),
        ((9, 3), {"perplexity": 0}, "perplexity must be positive, got 0"),
        ((9, 3, 2), {}, "embeddings must be 2-D"),
        ((9, 3), {"section": ["a"]}, "section has 1 entries for 9 clips"),
    ],
)
def test_embedding_bad_input(shape, options, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_embeddings(np.ones(shape), **options)


# matplotlib


def test_import_needs_neither_matplotlib_nor_torch():
    code = "import sys, skasd.plotting; print(sorted({'matplotlib', 'torch'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize(
    "draw",
    [
        lambda: ScoreDisplay.from_predictions([0.1, 0.2]),
        lambda: ROCByDomainDisplay.from_predictions([0.1, 0.2], [1, -1]),
        lambda: SpectrogramDisplay.from_array(np.zeros((1, 2, 2)), frequencies=[0, 1], hop=1.0),
        lambda: EmbeddingDisplay.from_embeddings(np.eye(4), method="pca"),
    ],
)
def test_without_matplotlib_the_error_names_the_extra(monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install skasd\[plot\]"):
        draw()
