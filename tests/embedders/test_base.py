"""What all embedders share, tested on the two convolutional ones."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score

from skasd import nn
from skasd.embedders import EarlyStopping, MFNEmbedder, MobileNetV2Embedder
from skasd.scorers import KNNCosineScorer

from .conftest import make_clips, make_test_clips

QUICK = {"patch_frames": 16, "max_epochs": 2, "random_state": 0}
EMBEDDERS = [MFNEmbedder(**QUICK), MobileNetV2Embedder(width=0.25, **QUICK)]


def weights(embedder):
    return np.concatenate([p.detach().numpy().ravel() for p in embedder.net_.module_.parameters()])


MFN = MFNEmbedder(max_epochs=12, patch_frames=16, random_state=0)
# with its global average pooling the network does not see a comb that is shifted, and is slow to see combs at all
MOBILENET = MobileNetV2Embedder(
    width=0.5, loss="cross_entropy", lr=3e-3, mixing=None, max_epochs=20, patch_frames=32, random_state=0
)


@pytest.mark.parametrize(
    ("embedder", "anomaly", "nuisance", "n_clips"),
    [(MFN, "shift", 1.0, 24), (MOBILENET, "comb", 0.2, 60)],
    ids=["mfn", "mobilenetv2"],
)
def test_training_beats_no_training_on_held_out_clips(embedder, anomaly, nuisance, n_clips):
    X, section = make_clips(n_clips, 4, 0, nuisance)
    X_test, y, section_test = make_test_clips(anomaly, nuisance)
    auc, accuracy = {}, {}
    for epochs in (0, embedder.max_epochs):
        fitted = clone(embedder).set_params(max_epochs=epochs).fit(X, section=section)
        scorer = KNNCosineScorer().fit(fitted.transform(X))
        scores = scorer.score_samples(fitted.transform(X_test))
        assert len(np.unique(scores)) > len(scores) // 2
        auc[epochs > 0] = roc_auc_score(y, scores)
        log_p = fitted.predict_log_proba(X_test[y == 1])
        accuracy[epochs > 0] = np.mean(fitted.classes_[log_p.argmax(1)] == section_test)
    assert accuracy[True] > 0.7 > accuracy[False] + 0.2
    assert auc[True] > auc[False] + 0.1


@pytest.mark.parametrize("embedder", EMBEDDERS, ids=lambda e: type(e).__name__)
def test_fit_changes_weights_and_no_parameter(embedder, few):
    X, section = few
    embedder = clone(embedder)
    before = {k: repr(v) for k, v in embedder.get_params().items()}
    untrained = weights(clone(embedder).set_params(max_epochs=0).fit(X, section=section))
    trained = weights(embedder.fit(X, section=section))
    assert np.mean(untrained != trained) > 0.99
    assert before == {k: repr(v) for k, v in embedder.get_params().items()}


def test_same_seed_gives_identical_results_also_in_threads(few):
    X, section = few

    def embed(seed):
        torch.set_num_threads(1)  # a thread of a pool has torch's own default otherwise
        embedder = MFNEmbedder(**QUICK | {"random_state": seed, "mixing": ("mixup", "fmix")})
        return embedder.fit(X, section=section).transform(X)

    threads = torch.get_num_threads()
    try:
        first = embed(0)
        state, np_state = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
        again = joblib.Parallel(n_jobs=2, backend="threading")(
            joblib.delayed(embed)(seed) for seed in (0, 1, 0)
        )
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(again[0], first)
    np.testing.assert_array_equal(again[2], first)
    assert not np.allclose(again[1], first)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], np_state)  # noqa: NPY002


def test_early_stopping_stops_and_goes_back_to_the_best(train):
    X, section = train
    params = QUICK | {
        "max_epochs": 30,
        "lr": 0.05,
        "lr_schedule": "constant",
        "optimizer": "sgd",
        "callbacks": [EarlyStopping(patience=1)],
    }
    embedder = MFNEmbedder(**params).fit(X, section=section)
    losses = [row["valid_loss"] for row in embedder.net_.history]
    assert len(losses) < 30
    best = int(np.argmin(losses)) + 1
    longer = {"max_epochs": best, "callbacks": [EarlyStopping(patience=30)]}
    same = MFNEmbedder(**params | longer).fit(X, section=section)
    np.testing.assert_array_equal(weights(embedder), weights(same))


@pytest.mark.parametrize("embedder", EMBEDDERS, ids=lambda e: type(e).__name__)
def test_pickle_embeds_alike(embedder, few):
    X, section = few
    embedder = clone(embedder).fit(X, section=section)
    loaded = pickle.loads(pickle.dumps(embedder))
    np.testing.assert_array_equal(loaded.transform(X), embedder.transform(X))
    assert loaded.device_ == "cpu"


def test_folded_network_embeds_like_the_trained_one(few):
    X, section = few
    embedder = MFNEmbedder(**QUICK | {"patch_hop": 16}).fit(X[:, :, :16], section=section)
    module = embedder.net_.module_.eval()
    with torch.inference_mode():
        plain = module(torch.from_numpy(X[:, :, :16])).numpy()
    np.testing.assert_allclose(embedder.transform(X[:, :, :16]), plain, atol=1e-4 * np.abs(plain).max())
    half = clone(embedder).set_params(precision="bfloat16").fit(X[:, :, :16], section=section)
    rows = half.transform(X[:, :, :16])
    cosine = np.sum(rows * plain, 1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(plain, axis=1)
    assert cosine.min() > 0.998


def test_merging_and_outputs(few):
    X, section = few
    embedder = MFNEmbedder(
        **QUICK, merge=("mean", "std"), output=("embedding", "log_proba", "log_odds"), patch_hop=8
    )
    rows = embedder.fit(X, section=section).transform(X)
    assert rows.shape == (len(X), 2 * 128 + 4 + 4)
    assert len(embedder.get_feature_names_out()) == rows.shape[1]
    patches = np.stack([X[:, :, s : s + 16] for s in (0, 8, 16, 24)])
    single = embedder.set_params(merge="mean", output="embedding")
    each = np.stack([single.transform(p) for p in patches])
    np.testing.assert_allclose(rows[:, :128], each.mean(0), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(rows[:, 128:256], each.std(0), rtol=1e-2, atol=1e-3)
    log_p = np.stack([embedder.predict_log_proba(p) for p in patches])
    np.testing.assert_allclose(np.exp(log_p).sum(-1), 1, rtol=1e-4)
    np.testing.assert_allclose(rows[:, 256:260], log_p.mean(0), rtol=1e-3, atol=1e-4)
    p = np.exp(log_p.astype(float))
    np.testing.assert_allclose(
        rows[:, 260:], (log_p - np.log(np.maximum(1 - p, 2.2e-16))).mean(0), rtol=2e-2, atol=5e-2
    )
    np.testing.assert_allclose(embedder.predict_log_proba(X), rows[:, 256:260], atol=1e-5)


def test_classes_come_from_section_or_y_or_clusters(few):
    X, section = few
    embedder = MobileNetV2Embedder(**QUICK | {"max_epochs": 0, "width": 0.25})
    by_section = embedder.fit(X, section=section)
    assert list(by_section.classes_) == ["s0", "s1", "s2", "s3"]
    assert by_section.pseudo_labels_ is None
    rows = by_section.transform(X)
    np.testing.assert_array_equal(clone(embedder).fit(X, section).transform(X), rows)
    truth = np.ones(len(X))
    for fitted in (clone(embedder).fit(X, truth), clone(embedder).fit(X, section=["00"] * len(X))):
        assert fitted.pseudo_labels_.shape == (len(X),)
        assert 2 <= len(fitted.classes_) <= 10
    with pytest.raises(ValueError, match="y is continuous"):
        embedder.fit(X, np.linspace(0, 1, len(X)))
    with pytest.warns(UserWarning, match="NormalOnly"):
        embedder.fit(X, np.where(np.arange(len(X)) < 3, -1, 1))


def test_rows_that_are_not_learnt_from(few):
    X, section = few
    embedder = MobileNetV2Embedder(**QUICK | {"width": 0.25})
    expected = weights(embedder.fit(X[4:], section=section[4:]))
    proxy = np.arange(len(X)) < 4
    np.testing.assert_array_equal(weights(clone(embedder).fit(X, section=section, proxy=proxy)), expected)
    holes = X.copy()
    holes[:4] = np.nan
    fitted = clone(embedder).fit(holes, section=section)
    np.testing.assert_array_equal(weights(fitted), expected)
    rows = fitted.transform(holes)
    assert np.isnan(rows[:4]).all()
    assert np.isfinite(rows[4:]).all()
    assert np.isnan(fitted.transform(holes[:2])).all()
    with pytest.raises(ValueError, match="all 24 are skipped or proxies"):
        embedder.fit(X, section=section, proxy=np.ones(len(X), bool))


def test_clips_of_unequal_length(few):
    X, section = few
    ragged = [x[:, : 12 + i % 28] for i, x in enumerate(X)]
    embedder = MFNEmbedder(**QUICK).fit(ragged, section=section)
    rows = embedder.transform(ragged)
    assert rows.shape == (len(X), 128)
    # a clip shorter than a patch is repeated in time
    np.testing.assert_allclose(
        embedder.transform([ragged[0][:, np.arange(16) % 12]]), rows[:1], rtol=1e-4, atol=1e-4
    )
    as_list = MFNEmbedder(**QUICK).fit(list(X), section=section)
    np.testing.assert_array_equal(weights(as_list), weights(MFNEmbedder(**QUICK).fit(X, section=section)))


def test_half_precision_clips_are_trained_on_without_a_copy(few):
    X, section = few
    half = MobileNetV2Embedder(**QUICK | {"width": 0.25}).fit(X.astype(np.float16), section=section)
    full = MobileNetV2Embedder(**QUICK | {"width": 0.25}).fit(X, section=section)
    a, b = half.transform(X), full.transform(X)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.98


def test_augmenter_adds_clips_with_their_metadata(few):
    X, section = few

    class Doubled(BaseEstimator):
        def augment(self, X, y=None, **metadata):
            twice = {name: None if v is None else np.concatenate([v, v]) for name, v in metadata.items()}
            return np.concatenate([X, X + 1]), None if y is None else np.concatenate([y, y]), twice

    plain = MobileNetV2Embedder(**QUICK | {"width": 0.25}).fit(X, section=section)
    more = MobileNetV2Embedder(**QUICK | {"width": 0.25}, augmenter=Doubled()).fit(X, section=section)
    assert sum(b["train_batch_size"] for b in more.net_.history[0]["batches"]) == 2 * sum(
        b["train_batch_size"] for b in plain.net_.history[0]["batches"]
    )


def test_progress_only_when_verbose(few, capsys):
    X, section = few
    embedder = MobileNetV2Embedder(**QUICK | {"width": 0.25}).fit(X, section=section)
    embedder.transform(X)
    assert capsys.readouterr() == ("", "")
    embedder.set_params(verbose=1).fit(X, section=section).transform(X)
    err = capsys.readouterr().err
    assert "MobileNetV2Embedder" in err
    assert "embedding" in err


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"output": "reconstruction"}, "output='reconstruction': use one or several of"),
        ({"merge": ("mean", "max")}, "merge="),
        ({"mixing": "cutmix"}, "mixing"),
        ({"mixing": ("mixup", "cutmix")}, "unknown"),
        ({"device": "gpu7"}, "device='gpu7' is no torch device"),
        ({"loss": "triplet"}, "loss"),
    ],
)
def test_bad_parameters_are_named(few, params, match):
    X, section = few
    with pytest.raises(ValueError, match=match):
        MFNEmbedder(**QUICK | params).fit(X, section=section)


def test_metadata_of_the_wrong_length_is_named(few):
    X, section = few
    with pytest.raises(ValueError, match="section has 23 entries for 24 clips"):
        MFNEmbedder(**QUICK).fit(X, section=section[:-1])
    with pytest.raises(ValueError, match="'source' or 'target' for every clip, got 'here'"):
        MFNEmbedder(**QUICK).fit(X, section=section, domain=["here"] * len(X))


def test_embeddings_feed_a_classifier_of_scikit_learn(train):
    X, section = train
    rows = MFNEmbedder(**QUICK | {"max_epochs": 6}).fit_transform(X, section)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert cross_val_score(LogisticRegression(max_iter=200), rows, section, cv=3).mean() > 0.5


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
@pytest.mark.parametrize("embedder", EMBEDDERS, ids=lambda e: type(e).__name__)
def test_cuda_trains_and_its_pickle_embeds_on_the_cpu(embedder, train, monkeypatch):
    X, section = train
    embedder = clone(embedder).set_params(device="cuda", max_epochs=4).fit(X, section=section)
    assert embedder.device_.startswith("cuda")
    rows = embedder.transform(X)
    data = pickle.dumps(embedder)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        on_cpu = pickle.loads(data)
    assert on_cpu.device_ == "cpu"
    np.testing.assert_allclose(on_cpu.transform(X), rows, rtol=0.05, atol=0.05 * np.abs(rows).max())


def test_log_odds_are_clamped_as_in_the_official_baseline():
    class Sure(torch.nn.Module):
        objective = nn.CrossEntropy(embedding_dim=2, n_classes=2)

        def forward(self, x):
            return x

    log_p = torch.tensor([[0.0, -1000.0], [-0.5, np.log1p(-np.exp(-0.5))]], dtype=torch.float64)
    network = Sure()
    network.objective.log_proba = lambda embedding: log_p
    odds = MFNEmbedder()._patch_outputs(network, torch.zeros(2, 2), ["log_odds"])["log_odds"]
    p = np.clip(np.exp(log_p.numpy()), 2.22e-16, None)
    q = np.clip(1 - np.exp(log_p.numpy()), 2.22e-16, None)
    np.testing.assert_allclose(odds, np.log(p) - np.log(q), rtol=1e-4)
