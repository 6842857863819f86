"""The autoencoder: its epochs, its scores against their plain formulas, outlier exposure."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skasd.embedders import AutoencoderEmbedder, Checkpoint, EarlyStopping
from skasd.embedders._batches import AllWindows
from skasd.embedders._patches import FrameStacks
from skasd.scorers import ColumnScorer

from .conftest import make_clips, make_test_clips

QUICK = {"hidden": 32, "bn_momentum": 0.1, "batch_size": 64, "max_epochs": 2, "random_state": 0}
SCORES = ("mse", "mahalanobis", "mahalanobis_textbook")


def weights(embedder):
    return np.concatenate([p.detach().numpy().ravel() for p in embedder.net_.module_.parameters()])


def stacked(clip, n_stacked=5):
    """The official layout, copied: ``vectors[:, n_bins * t : n_bins * (t + 1)] = clip[:, t : t + n].T``."""
    n = clip.shape[1] - n_stacked + 1
    return np.hstack([clip[:, t : t + n].T for t in range(n_stacked)])


def reconstruct(embedder, vectors):
    module = embedder.net_.module_.eval()
    with torch.inference_mode():
        return module.backbone(torch.from_numpy(vectors)).numpy()


def test_windows_are_the_official_vectors(train):
    X, _ = train
    ragged = [X[0], X[1][:, :3], X[2][:, :17].astype(np.float16)]
    stacks = FrameStacks(ragged[:2], 5)
    index, start = stacks.grid(1)
    expected = np.concatenate([stacked(X[0]), stacked(X[1][:, [0, 1, 2, 0, 1]])])
    np.testing.assert_array_equal(stacks.cut(index, start).numpy(), expected)
    half = FrameStacks(ragged[2:], 5)
    assert half._vectors.dtype == np.float16
    np.testing.assert_array_equal(half.cut(*half.grid(1)).numpy(), stacked(ragged[2]).astype(np.float32))


def test_an_epoch_is_every_window_once_without_copies_of_them(train):
    X, _ = train
    seen = []

    class Recording(AutoencoderEmbedder):
        def _make_batch(self, x, targets, generator):
            seen.append(x.numpy().copy())
            return super()._make_batch(x, targets, generator)

    embedder = Recording(**QUICK | {"max_epochs": 1}).fit(X[:10])
    sizes = [len(batch) for batch in seen]
    assert max(sizes) - min(sizes) <= 1
    expected = np.concatenate([stacked(clip) for clip in X[:10]])
    np.testing.assert_array_equal(np.unique(np.concatenate(seen), axis=0), np.unique(expected, axis=0))
    assert sum(sizes) == len(expected)
    stacks = FrameStacks(X, 5)
    assert stacks._vectors.base is not None
    assert not stacks._vectors.flags.owndata
    assert issubclass(embedder._training_batches, AllWindows)


def test_scores_equal_the_official_formulas():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8, 12, 20)).astype(np.float32) + np.linspace(0, 3, 12, dtype=np.float32)[:, None]
    domain = np.array(["source"] * 6 + ["target"] * 2)
    # one batch holds all windows: its mean is that of the domain, whatever the order
    params = QUICK | {"batch_size": 200, "max_epochs": 3}
    embedder = AutoencoderEmbedder(**params, output=(*SCORES, "embedding")).fit(X, domain=domain)
    rows = embedder.transform(X)
    precisions = []
    for name in ("source", "target"):
        vectors = np.concatenate([stacked(clip) for clip in X[domain == name]])
        residual = (vectors - reconstruct(embedder, vectors)).astype(float).reshape(-1, 12)
        residual -= residual.mean(axis=0)
        precisions.append(np.linalg.inv(residual.T @ residual / (len(vectors) - 1)))
    np.testing.assert_allclose(embedder.residual_precision_, precisions, rtol=1e-4)
    assert not np.allclose(precisions[0], precisions[1], rtol=0.05)
    module = embedder.net_.module_.eval()
    for clip, row in zip(X, rows, strict=True):
        vectors = stacked(clip)
        residual = (vectors - reconstruct(embedder, vectors)).astype(float)
        d = residual.reshape(-1, 12)
        n = len(d)
        official, textbook = [], []
        for p in precisions:
            m = d @ p @ d.T  # n x n, as the official code has it
            official.append(m.mean(axis=1).sum() / n)
            textbook.append(np.diag(m).mean())
        expected = [np.mean(residual**2), min(official), min(textbook)]
        np.testing.assert_allclose(row[:3], expected, rtol=1e-5)
        with torch.inference_mode():
            bottleneck = module.encode(torch.from_numpy(vectors)).mean(0)
        np.testing.assert_allclose(row[3:], bottleneck, rtol=1e-4, atol=1e-5)


def test_without_target_clips_the_source_stands_for_both(few):
    X, _ = few
    for domain in (None, ["source"] * len(X), ["target"] * len(X)):
        embedder = AutoencoderEmbedder(**QUICK | {"max_epochs": 0}).fit(X, domain=domain)
        np.testing.assert_array_equal(*embedder.residual_precision_)


def test_training_beats_no_training_on_held_out_clips():
    X, _ = make_clips(40, 4, 0, 0.2)
    X_test, y, _ = make_test_clips("shift", 0.2)
    auc, error = {}, {}
    for epochs in (0, 20):
        embedder = AutoencoderEmbedder(
            64, bn_momentum=0.1, max_epochs=epochs, batch_size=128, output=SCORES, random_state=0
        )
        rows = embedder.fit(X).transform(X_test)
        assert len(np.unique(rows[:, 0])) > len(rows) // 2
        auc[epochs > 0] = np.array([roc_auc_score(y, -column) for column in rows.T])
        error[epochs > 0] = rows[y == 1, 0].mean()
    assert error[True] < 0.1 * error[False]
    assert (auc[True] > 0.95).all(), auc
    assert (auc[True] > auc[False] + 0.2).all(), auc


def test_the_official_detector_in_a_pipeline(train):
    X, _ = train
    detector = make_pipeline(AutoencoderEmbedder(**QUICK), ColumnScorer(calibration="gamma"))
    detector.fit(X)
    np.testing.assert_allclose(-detector.score_samples(X), detector[0].transform(X)[:, 0], rtol=1e-6)
    assert 0.05 <= np.mean(detector.predict(X) == -1) <= 0.15


def test_outlier_exposure_keeps_the_errors_of_other_machines_up():
    X, section = make_clips(24, 2, 0, 0.2)
    X_test, section_test = make_clips(12, 2, 1, 0.2)
    proxy, proxy_test = section == "s1", section_test == "s1"
    params = QUICK | {"hidden": 64, "max_epochs": 15, "standardize_input": "global"}
    gap = {}
    for exposed in (True, False):
        embedder = AutoencoderEmbedder(**params, outlier_exposure=exposed).fit(X, proxy=proxy)
        error = embedder.transform(X_test)[:, 0]
        gap[exposed] = roc_auc_score(proxy_test, error)
        if exposed:
            assert list(embedder.classes_) == ["proxy", "target"]
            assert abs(error[proxy_test].mean() - 1) < 0.3
            assert error[~proxy_test].mean() < 0.5
    assert gap[True] > 0.9, gap
    with pytest.raises(ValueError, match="outlier_exposure=True needs"):
        AutoencoderEmbedder(**QUICK, outlier_exposure=True).fit(X)


def test_proxies_and_skipped_clips_are_not_learnt_from(few):
    X, _ = few
    expected = AutoencoderEmbedder(**QUICK, output=SCORES).fit(X[4:])
    proxy = np.arange(len(X)) < 4
    holes = X.copy()
    holes[:4] = np.nan
    for fitted in (
        clone(expected).fit(X, proxy=proxy),
        clone(expected).fit(holes),
        clone(expected).fit(list(X), proxy=proxy),
    ):
        np.testing.assert_array_equal(weights(fitted), weights(expected))
        np.testing.assert_array_equal(fitted.residual_precision_, expected.residual_precision_)
    rows = expected.transform(holes)
    assert np.isnan(rows[:4]).all()
    assert np.isfinite(rows[4:]).all()


def test_fit_changes_weights_and_no_parameter(few):
    X, _ = few
    embedder = AutoencoderEmbedder(**QUICK)
    before = {k: repr(v) for k, v in embedder.get_params().items()}
    untrained = weights(clone(embedder).set_params(max_epochs=0).fit(X))
    trained = weights(embedder.fit(X))
    assert np.mean(untrained != trained) > 0.95
    assert before == {k: repr(v) for k, v in embedder.get_params().items()}


def test_same_seed_pickle_and_checkpoint_give_the_same(few, tmp_path):
    X, _ = few
    embedder = AutoencoderEmbedder(**QUICK, output=(*SCORES, "embedding"), merge=("mean", "std"))
    rows = embedder.fit(X).transform(X)
    assert rows.shape == (len(X), 3 + 16)
    again = clone(embedder).set_params(callbacks=[Checkpoint(tmp_path)]).fit(X)
    np.testing.assert_array_equal(again.transform(X), rows)
    from_checkpoint = clone(again).fit(X)  # nothing left to train
    np.testing.assert_array_equal(from_checkpoint.transform(X), rows)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(embedder)).transform(X), rows)
    assert not np.allclose(clone(embedder).set_params(random_state=1).fit(X).transform(X), rows)


def test_early_stopping_looks_at_held_out_clips(train):
    X, _ = train
    params = QUICK | {
        "max_epochs": 30,
        "lr": 0.5,
        "optimizer": "sgd",
        "callbacks": [EarlyStopping(patience=1)],
        "standardize_input": "bin",
    }
    embedder = AutoencoderEmbedder(**params).fit(X)
    assert "valid_loss" in embedder.net_.history[0]
    assert len(embedder.net_.history) < 30
    plain = AutoencoderEmbedder(**QUICK).fit(X)
    assert "valid_loss" not in plain.net_.history[0]


def test_bad_arguments_are_named(few):
    X, _ = few
    with pytest.raises(ValueError, match="output='log_proba': use one or several of"):
        AutoencoderEmbedder(**QUICK, output="log_proba").fit(X)
    with pytest.raises(ValueError, match="n_samples=1 clips"):
        AutoencoderEmbedder(**QUICK).fit(X[:1, :, :5])
    with pytest.raises(ValueError, match="proxy has 2 entries for 24 clips"):
        AutoencoderEmbedder(**QUICK).fit(X, proxy=[True, False])


def test_reconstruction_error_is_that_of_every_window_put_in_its_place(few):
    X, _ = few
    embedder = AutoencoderEmbedder(**QUICK, standardize_input="bin").fit(X)
    n, p = X.shape[2], embedder.patch_frames_
    errors = embedder.reconstruction_error(X[:3])
    network = embedder.embedding_network_
    for clip, error in zip(X[:3], errors, strict=True):
        total, count = np.zeros(clip.shape), np.zeros(n)
        for start in range(n - p + 1):
            window = torch.as_tensor(clip[:, start : start + p].T.reshape(1, -1), dtype=torch.float32)
            with torch.inference_mode():
                residual = network.residual(window).numpy().reshape(p, -1)
            total[:, start : start + p] += residual.T**2
            count[start : start + p] += 1
        np.testing.assert_allclose(error, total / count, rtol=1e-3, atol=1e-5)
    mse = embedder.set_params(output="mse").transform(X[:3])[:, 0]
    np.testing.assert_allclose([np.average(e.mean(axis=0), weights=count) for e in errors], mse, rtol=1e-4)


def test_reconstruction_error_of_ragged_short_and_skipped_clips(few):
    X, _ = few
    embedder = AutoencoderEmbedder(**QUICK).fit(X)
    clips = [X[0], X[1][:, :3], np.full((X.shape[1], 1), np.nan), X[2][:, :9]]
    errors = embedder.reconstruction_error(clips)
    assert [e.shape for e in errors] == [c.shape for c in clips]
    assert np.isnan(errors[2]).all()
    np.testing.assert_allclose(errors[0], embedder.reconstruction_error(X[:1])[0], rtol=1e-3, atol=1e-4)
    assert np.isfinite(errors[1]).all()
    assert np.isnan(embedder.reconstruction_error(np.full_like(X[:2], np.nan))).all()


def test_reconstruction_error_is_largest_where_the_anomaly_is(train):
    X, _ = train
    embedder = AutoencoderEmbedder(**QUICK, standardize_input="bin").fit(X)
    clip = X[:1].copy()
    clip[0, 6, 8:10] += 10 * X.std()
    (error,) = embedder.reconstruction_error(clip)
    assert np.unravel_index(error.argmax(), error.shape) in [(6, 8), (6, 9)]


def test_has_no_class_probabilities():
    assert not hasattr(AutoencoderEmbedder(), "predict_log_proba")
