"""The dual-path transformer's two tasks, their outputs and their chance."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback

from skasd import nn
from skasd.embedders import Checkpoint, DPTEmbedder, EarlyStopping
from skasd.scorers import KNNCosineScorer

from .conftest import make_test_clips

SMALL = {"patch": (4, 4), "dim": 32, "blocks": 1, "embedding_dim": 32, "patch_frames": 16, "random_state": 0}
QUICK = SMALL | {"max_epochs": 2}


def weights(embedder):
    return np.concatenate([p.detach().numpy().ravel() for p in embedder.net_.module_.parameters()])


def test_training_beats_no_training_on_held_out_clips(train):
    X, section = train
    X_test, y, section_test = make_test_clips("shift")
    auc, accuracy, error = {}, {}, {}
    for epochs in (0, 40):
        embedder = DPTEmbedder(**SMALL, max_epochs=epochs, batch_size=16).fit(X, section=section)
        scorer = KNNCosineScorer().fit(embedder.transform(X))
        scores = scorer.score_samples(embedder.transform(X_test))
        assert len(np.unique(scores)) > len(scores) // 2
        auc[epochs > 0] = roc_auc_score(y, scores)
        log_p = embedder.predict_log_proba(X_test[y == 1])
        accuracy[epochs > 0] = np.mean(embedder.classes_[log_p.argmax(1)] == section_test)
        error[epochs > 0] = (
            embedder.set_params(output="reconstruction_error").transform(X_test[y == 1]).mean()
        )
    assert accuracy[True] > 0.9 > accuracy[False]
    assert auc[True] > auc[False] + 0.1
    assert auc[True] > 0.8
    assert error[True] < 0.7 * error[False]  # the rest is noise


def test_fit_changes_weights_and_no_parameter(few):
    X, section = few
    embedder = DPTEmbedder(**QUICK)
    before = {k: repr(v) for k, v in embedder.get_params().items()}
    untrained = weights(clone(embedder).set_params(max_epochs=0).fit(X, section=section))
    trained = weights(embedder.fit(X, section=section))
    assert np.mean(untrained != trained) > 0.99
    assert before == {k: repr(v) for k, v in embedder.get_params().items()}


def test_same_seed_same_result_and_no_global_chance(few):
    X, section = few
    embedder = DPTEmbedder(**QUICK, output=("embedding", "log_proba", "reconstruction_error"))
    state = torch.get_rng_state()
    first = clone(embedder).fit(X, section=section).transform(X)
    torch.manual_seed(1)
    again = clone(embedder).fit(X, section=section)
    np.testing.assert_array_equal(again.transform(X), first)
    np.testing.assert_array_equal(again.transform(X), first)  # nothing random when embedding either
    torch.set_rng_state(state)
    clone(embedder).fit(X, section=section)
    assert torch.equal(torch.get_rng_state(), state)
    other = clone(embedder).set_params(random_state=1).fit(X, section=section).transform(X)
    assert not np.allclose(other, first)


class Killed(Exception):
    pass


class Kill(Callback):
    after = 9

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) > Kill.after:
            raise Killed


def test_a_resumed_run_ends_with_the_same_weights_and_pickles(few, tmp_path, monkeypatch):
    X, section = few
    params = SMALL | {"max_epochs": 3, "callbacks": [Kill()]}
    again = {"callbacks": [Kill(), Checkpoint(tmp_path)]}
    whole = DPTEmbedder(**params).fit(X, section=section)
    monkeypatch.setattr(Kill, "after", 2)
    with pytest.raises(Killed):
        DPTEmbedder(**params | again).fit(X, section=section)
    monkeypatch.setattr(Kill, "after", 9)
    resumed = DPTEmbedder(**params | again, output=("embedding", "reconstruction_error"))
    resumed.fit(X, section=section)
    np.testing.assert_array_equal(weights(resumed), weights(whole))
    loaded = pickle.loads(pickle.dumps(resumed))
    np.testing.assert_array_equal(loaded.transform(X), resumed.transform(X))


def test_outputs_side_by_side(train):
    X, section = train
    embedder = DPTEmbedder(**QUICK, output=("log_proba", "reconstruction_error", "embedding"))
    rows = embedder.fit(X, section=section).transform(X)
    assert rows.shape == (len(X), 4 + 1 + 32)
    assert len(embedder.get_feature_names_out()) == 37
    np.testing.assert_allclose(rows[:, :4], embedder.predict_log_proba(X), atol=1e-5)
    assert (rows[:, 4] > 0).all()
    assert len(np.unique(rows[:, 4])) > len(X) // 2


def test_loss_is_classification_and_weighted_error_of_hidden_areas(train):
    X, section = train
    embedder = DPTEmbedder(**QUICK | {"max_epochs": 0}, mask_ratio=0.3, reconstruction_weight=2.5)
    embedder.fit(X, section=section)
    module = embedder.net_.module_.eval()
    x = torch.from_numpy(X[:8, :, :16])
    label = torch.eye(4)[torch.arange(8) % 4]
    inputs, target = embedder._make_batch(x, {"label": label}, torch.Generator().manual_seed(3))
    assert inputs["mask"].float().mean().item() == pytest.approx(0.3, abs=0.1)
    with torch.no_grad():
        loss = module.objective(module(**inputs), target).item()
        # the plain formula: pixel by pixel
        image = (x - module.mean) / module.scale
        embedding, restored = module.backbone.forward_both(image[:, None], inputs["mask"])
    expected = 0.0
    for clip in range(8):
        hidden = np.kron(inputs["mask"][clip].numpy().reshape(6, 4), np.ones((4, 4))).astype(bool)
        expected += 2.5 * ((restored[clip, 0] - image[clip]).numpy()[hidden] ** 2).mean() / 8
    log_p = torch.log_softmax(
        embedding @ module.objective.classification.weight.T + module.objective.classification.bias, 1
    )
    expected -= (label * log_p).sum(1).mean().item()
    assert loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("mask_ratio", "n_bands"), [(0.34, 3), (0.5, 2), (0.05, 6)])
def test_reconstruction_error_is_that_of_every_piece_while_its_band_is_hidden(train, mask_ratio, n_bands):
    X, section = train
    embedder = DPTEmbedder(**QUICK, mask_ratio=mask_ratio, output="reconstruction_error")
    errors = embedder.fit(X, section=section).transform(X[:3, :, :16])
    module = embedder.net_.module_.eval()
    image = module.standardize(torch.from_numpy(X[:3, :, :16])).contiguous()
    expected = np.zeros((3, 24, 16))
    bands = np.array_split(np.arange(6), n_bands)  # six rows of pieces, four bins each
    for rows in bands:
        mask = torch.from_numpy(np.isin(np.repeat(np.arange(6), 4), rows)).expand(3, -1)
        with torch.no_grad():
            restored = module.backbone.reconstruct(image, mask)
        hidden = np.isin(np.arange(24) // 4, rows)
        expected[:, hidden] = ((restored - image) ** 2)[:, 0, hidden].numpy()
    np.testing.assert_allclose(errors[:, 0], expected.mean((1, 2)), rtol=1e-4)


def test_reconstruction_weight_decides_what_is_learnt(train):
    X, section = train
    params = SMALL | {"max_epochs": 15, "batch_size": 16, "output": "reconstruction_error"}
    with_it = DPTEmbedder(**params).fit(X, section=section).transform(X).mean()
    without = DPTEmbedder(**params, reconstruction_weight=0.0).fit(X, section=section).transform(X).mean()
    assert with_it < 0.7 * without


def test_early_stopping_looks_at_the_same_masks_every_epoch(train):
    X, section = train
    embedder = DPTEmbedder(**QUICK, callbacks=[EarlyStopping(patience=3)], lr=1e-12, mixing=None)
    embedder.fit(X, section=section)
    first, second = (row["valid_loss"] for row in embedder.net_.history)
    assert first == pytest.approx(second, rel=1e-4)


@pytest.mark.parametrize("mixing", ["fmix", nn.Mixup(alpha=0.4), None], ids=str)
@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_losses_and_mixings(train, loss, mixing):
    X, section = train
    embedder = DPTEmbedder(**QUICK, loss=loss, mixing=mixing).fit(X, section=section)
    losses = [row["train_loss"] for row in embedder.net_.history]
    assert np.isfinite(losses).all()
    assert losses[1] < losses[0]


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"mask_ratio": 1.0}, "mask_ratio"),
        ({"reconstruction_weight": -1}, "reconstruction_weight"),
        ({"loss": "arcface"}, "loss"),
        ({"output": "mse"}, "reconstruction_error"),
        ({"dim": 33}, "heads"),
    ],
)
def test_bad_parameters_are_named(train, params, match):
    X, section = train
    with pytest.raises(ValueError, match=match):
        DPTEmbedder(**QUICK | params).fit(X, section=section)
