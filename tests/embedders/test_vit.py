"""The shallow vision transformer."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from skasd.embedders import ViTEmbedder
from skasd.scorers import KNNCosineScorer

from .conftest import make_test_clips

SMALL = {"patch": (4, 8), "dim": 32, "heads": 4, "patch_frames": 16, "patch_hop": 8, "random_state": 0}
QUICK = SMALL | {"max_epochs": 2}
SED = {"loss": "binary_cross_entropy", "mixing": "sound_events"}


def weights(embedder):
    return np.concatenate([p.detach().numpy().ravel() for p in embedder.net_.module_.parameters()])


def test_training_beats_no_training_on_held_out_clips(train):
    X, section = train
    X_test, y, section_test = make_test_clips("shift")
    auc, accuracy = {}, {}
    for epochs in (0, 60):
        embedder = ViTEmbedder(**SMALL, max_epochs=epochs, batch_size=16).fit(X, section=section)
        scorer = KNNCosineScorer().fit(embedder.transform(X))
        scores = scorer.score_samples(embedder.transform(X_test))
        assert len(np.unique(scores)) > len(scores) // 2
        auc[epochs > 0] = roc_auc_score(y, scores)
        log_p = embedder.predict_log_proba(X_test[y == 1])
        accuracy[epochs > 0] = np.mean(embedder.classes_[log_p.argmax(1)] == section_test)
    assert accuracy[True] > 0.9 > accuracy[False]
    assert auc[True] > auc[False] + 0.1
    assert auc[True] > 0.8


@pytest.mark.parametrize("task", [{}, SED], ids=["classification", "detection"])
def test_fit_changes_weights_and_no_parameter(train, task):
    X, section = train
    embedder = ViTEmbedder(**QUICK, **task)
    before = {k: repr(v) for k, v in embedder.get_params().items()}
    untrained = weights(clone(embedder).set_params(max_epochs=0).fit(X, section=section))
    trained = weights(embedder.fit(X, section=section))
    assert np.mean(untrained != trained) > 0.95  # keys' biases have no gradient
    assert before == {k: repr(v) for k, v in embedder.get_params().items()}


@pytest.mark.parametrize("task", [{}, SED], ids=["classification", "detection"])
def test_same_seed_same_result(train, task):
    X, section = train
    embedder = ViTEmbedder(**QUICK, **task)
    first = clone(embedder).fit(X, section=section).transform(X)
    np.testing.assert_array_equal(clone(embedder).fit(X, section=section).transform(X), first)
    assert not np.allclose(
        clone(embedder).set_params(random_state=1).fit(X, section=section).transform(X), first
    )
    assert first.shape == (len(X), 32)
    assert len(np.unique(first, axis=0)) == len(X)


def test_defaults_are_the_reports(train):
    embedder = ViTEmbedder(max_epochs=0).fit(train[0], section=train[1])
    vit = embedder.net_.module_.backbone
    assert vit.patch == (16, 16)
    assert vit.embedding_dim == 128
    assert len(vit.layers) == 1
    params = embedder.get_params()
    assert (params["patch_frames"], params["patch_hop"]) == (301, 50)  # 3 s, 0.5 s at 10 ms
    assert (params["heads"], params["lr"], params["batch_size"]) == (8, 1e-3, 32)
    assert type(embedder.net_.optimizer_).__name__ == "Adam"
    assert type(embedder.net_.criterion_).__name__ == "CrossEntropy"


def test_patches_longer_than_the_clips_of_fit(train):
    X, section = train
    embedder = ViTEmbedder(**QUICK | {"patch_frames": 100}).fit(X, section=section)
    assert embedder.patch_frames_ == X.shape[2]
    longer = np.concatenate([X, X], axis=2)
    assert np.isfinite(embedder.transform(longer)).all()


def test_rows_do_not_depend_on_the_other_clips(train):
    X, section = train
    embedder = ViTEmbedder(**QUICK).fit(X, section=section)
    rows = embedder.transform(X)
    alone = np.concatenate([embedder.transform(X[i : i + 1]) for i in range(0, len(X), 7)])
    np.testing.assert_allclose(alone, rows[::7], atol=1e-5 * np.abs(rows).max())


def test_skipped_clips_have_as_many_columns_as_others(train):
    X, section = train
    embedder = ViTEmbedder(**QUICK).fit(X, section=section)
    skipped = np.full_like(X[:2], np.nan)
    for method in (embedder.transform, embedder.predict_log_proba):
        rows = method(skipped)
        assert rows.shape == (2, method(X).shape[1])
        assert np.isnan(rows).all()
