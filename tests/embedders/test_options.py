"""What each parameter that embedders share does."""

from functools import partial
from inspect import signature

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback, LRScheduler
from skorch.callbacks import EarlyStopping as SkorchEarlyStopping

from skasd import embedders, nn
from skasd.embedders import MobileNetV2Embedder, ViTEmbedder

from ._cases import EMBEDDERS, clips_for, weights

X = np.random.default_rng(0).normal(size=(24, 16, 20)).astype(np.float32) * 3 - 40
SECTION = np.arange(24) % 3
QUICK = {"patch_frames": 16, "max_epochs": 2, "batch_size": 8, "random_state": 0, "dim": 16, "patch": 8}


def fit(section=SECTION, domain=None, **options):
    return ViTEmbedder(**QUICK | options).fit(X, section=section, domain=domain)


@pytest.mark.parametrize("n", [2, 5])
def test_n_pseudo_classes(n):
    embedder = fit(section=None, n_pseudo_classes=n)
    assert list(embedder.classes_) == list(range(n)) == sorted(set(embedder.pseudo_labels_))
    assert embedder.predict_log_proba(X).shape == (24, n)


def test_standardize_input():
    found = {way: fit(standardize_input=way).net_.module_ for way in ("bin", "global", None)}
    frames = X.transpose(1, 0, 2).reshape(16, -1)
    np.testing.assert_allclose(found["bin"].mean.ravel(), frames.mean(1), rtol=1e-5)
    np.testing.assert_allclose(found["bin"].scale.ravel(), frames.std(1), rtol=1e-5)
    overall = found["global"].mean.item(), found["global"].scale.item()
    np.testing.assert_allclose(overall, [X.mean(), X.std()], rtol=1e-5)
    assert (found[None].mean.item(), found[None].scale.item()) == (0, 1)


def test_weight_decay_shrinks_weights():
    options = {"optimizer": "adamw", "lr_schedule": "constant", "max_epochs": 5, "standardize_input": None}
    decayed, plain = (weights(fit(**options, weight_decay=decay)) for decay in (50.0, 0.0))
    assert np.linalg.norm(decayed) < 0.7 * np.linalg.norm(plain)


def test_domain_mixing_puts_both_domains_into_every_batch():
    domain = np.where(np.arange(24) % 12 == 0, "target", "source")
    clips = X + 1000 * (domain == "target")[:, None, None].astype(
        np.float32
    )  # so that a patch tells its domain
    seen = []

    def record(x, y, *, generator, partner):
        seen.append((x.mean((1, 2)) > 500, partner))
        return x, y

    for mixing, domains in ((True, domain), (True, None), (True, ["source"] * 24), (False, domain)):
        seen.clear()
        ViTEmbedder(**QUICK, mixing=record, domain_mixing=mixing).fit(clips, section=SECTION, domain=domains)
        assert len(seen) >= 6
        if mixing and domains is domain:
            for is_target, partner in seen:
                assert is_target.any()
                assert not is_target.all()
                assert (is_target[partner] != is_target).all()
        else:
            assert all(partner is None for _, partner in seen)
            assert not all(is_target.any() for is_target, _ in seen)


class Rates(Callback):
    """Keeps the learning rates of a run."""

    def __init__(self, rates):
        self.rates = rates

    def on_batch_begin(self, net, training=False, **kwargs):
        self.rates.append(net.optimizer_.param_groups[0]["lr"])


def test_lr_and_its_schedule():
    constant, cycle = [], []
    fit(lr=0.01, lr_schedule="constant", callbacks=[Rates(constant)])
    fit(lr=0.01, lr_schedule="onecycle", max_epochs=4, callbacks=[Rates(cycle)])
    assert set(constant) == {0.01}
    assert max(cycle) == pytest.approx(0.01, rel=0.1)
    assert cycle[0] < 0.001 > cycle[-1]
    assert 0 < np.argmax(cycle) < len(cycle) - 1


def test_epochs_and_batches():
    embedder = fit(max_epochs=3, batch_size=7)
    sizes = [[batch["train_batch_size"] for batch in row["batches"]] for row in embedder.net_.history]
    assert [sum(row) for row in sizes] == [24] * 3
    assert all(max(row) <= 7 for row in sizes)


@pytest.mark.parametrize(
    ("optimizer", "wanted"),
    [
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("adamax", torch.optim.Adamax),
        ("sgd", torch.optim.SGD),
        (torch.optim.NAdam, torch.optim.NAdam),
    ],
)
def test_optimizer(optimizer, wanted):
    embedder = fit(optimizer=optimizer, weight_decay=0.25)
    assert type(embedder.net_.optimizer_) is wanted
    assert embedder.net_.optimizer_.defaults["weight_decay"] == 0.25


LOSSES = {
    "arcface": nn.ArcFace,
    "adacos": nn.AdaCos,
    "subcluster_adacos": nn.SubclusterAdaCos,
    "focal": nn.FocalLoss,
    "cross_entropy": nn.CrossEntropy,
    "binary_cross_entropy": nn.BinaryCrossEntropy,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_by_name_is_learnt_by(loss):
    # a tone per section, which any loss that works tells apart
    clips = X.copy()
    for s in range(3):
        clips[s == SECTION, 4 * s : 4 * s + 3] += 12
    options = {"lr": 0.01, "max_epochs": 20, "mixing": None}
    embedder = ViTEmbedder(**QUICK | options, loss=loss).fit(clips, section=SECTION)
    assert type(embedder.net_.criterion_) is LOSSES[loss]
    assert (embedder.predict_log_proba(clips).argmax(1) == SECTION).mean() > 0.9


def test_loss_by_factory():
    embedder = fit(loss=partial(nn.ArcFace, s=7.0, m=0.25))
    assert (embedder.net_.criterion_.s, embedder.net_.criterion_.m) == (7.0, 0.25)
    assert clone(embedder).loss.keywords == {"s": 7.0, "m": 0.25}
    np.testing.assert_array_equal(weights(fit(loss=nn.CrossEntropy)), weights(fit(loss="cross_entropy")))
    with pytest.raises(
        TypeError, match=r"an objective is a torch.nn.Module with forward.* as skasd.nn.ArcFace"
    ):
        fit(loss=lambda embedding_dim, n_classes: torch.nn.Linear(embedding_dim, n_classes))
    with pytest.raises(
        TypeError, match=r"class 'torch.nn.modules.loss.CrossEntropyLoss'>: an objective is a"
    ):
        fit(loss=torch.nn.CrossEntropyLoss)
    with pytest.raises(
        TypeError, match=r"loss=ArcFace\(.*has been made: pass its class, or functools.partial"
    ):
        fit(loss=nn.ArcFace(16, 3))


class OfOnesOwn(embedders.BaseEmbedder):
    """Its network is what the test says."""

    make = staticmethod(lambda n_bins: None)

    def __init__(self, patch_frames=16, max_epochs=2, random_state=0):
        super().__init__(patch_frames=patch_frames, max_epochs=max_epochs, random_state=random_state)

    def _make_backbone(self, n_bins, n_frames):
        return self.make(n_bins)


def network(*layers, embedding_dim=8):
    made = torch.nn.Sequential(*layers)
    made.embedding_dim = embedding_dim
    return made


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda n: None, TypeError, "an object of class NoneType whose embedding_dim is None"),
        (lambda n: torch.nn.Flatten(), TypeError, "class Flatten whose embedding_dim is None: it must be"),
        (
            lambda n: network(torch.nn.Flatten()),
            ValueError,
            r"makes \(1, 256\) of a patch .* must be \(1, 8\)",
        ),
        (lambda n: network(torch.nn.Conv2d(1, 8, 3)), ValueError, r"makes \(1, 8, 14, 14\) of a patch"),
        (
            lambda n: network(torch.nn.Conv2d(1, 8, 40)),
            ValueError,
            r"fails for a patch .* \(1, 1, 16, 16\): .*size",
        ),
    ],
)
def test_a_network_that_makes_no_embeddings_is_told(make, error, match):
    embedder = OfOnesOwn()
    embedder.make = make
    with pytest.raises(error, match=match):
        embedder.fit(X, section=SECTION)


def test_layers_may_learn_their_sizes_from_the_first_patch():
    embedder = OfOnesOwn()
    embedder.make = lambda n: network(torch.nn.Flatten(), torch.nn.LazyLinear(8))
    first = embedder.fit(X, section=SECTION).transform(X)
    assert first.shape == (24, 8)
    np.testing.assert_array_equal(embedder.fit(X, section=SECTION).transform(X), first)


class Targets(ViTEmbedder):
    """Keeps what the objective is given."""

    seen: list

    def _make_batch(self, x, targets, generator):
        self.seen.append(targets["label"])
        return super()._make_batch(x, targets, generator)


MIXINGS = ["mixup", "fmix", ("mixup", "fmix"), nn.Mixup(alpha=1.0, p=1.0), "sound_events", None]


@pytest.mark.parametrize("mixing", MIXINGS, ids=str)
def test_mixing_mixes_labels(mixing):
    embedder = Targets(**QUICK | {"max_epochs": 6}, mixing=mixing)
    embedder.seen = []
    embedder.set_params(loss="binary_cross_entropy").fit(X, section=SECTION)
    y = torch.cat(embedder.seen)
    several = (y > 0).sum(1) > 1
    assert several.any() == (mixing is not None)
    if mixing == "sound_events":
        assert set(y.unique().tolist()) == {0.0, 1.0}
    elif mixing is not None:
        torch.testing.assert_close(y.sum(1), torch.ones(len(y)))
        assert not set(y.unique().tolist()) <= {0.0, 1.0}


def test_options_of_mobilenet():
    small = {"patch_frames": 16, "max_epochs": 0, "random_state": 0, "width": 0.25}
    base = MobileNetV2Embedder(**small).fit(X, section=SECTION).net_.module_
    strides = [m.stride[0] for m in base.modules() if isinstance(m, torch.nn.Conv2d)]
    for options in ({"variant": "cqupt"}, {"in_channels": 3}, {"width": 0.5}, {"embedding_dim": 32}):
        other = MobileNetV2Embedder(**small | options).fit(X, section=SECTION).net_.module_
        same_shapes = [p.shape for p in other.parameters()] == [p.shape for p in base.parameters()]
        other_strides = [m.stride[0] for m in other.modules() if isinstance(m, torch.nn.Conv2d)]
        assert not same_shapes or other_strides != strides


@pytest.mark.parametrize("name", EMBEDDERS)
def test_rows_do_not_depend_on_the_other_clips(name):
    """But for float32, whose sums a convolution rounds in another way in a batch of another size."""
    clips, metadata = clips_for(name)
    embedder = clone(EMBEDDERS[name]).fit(clips, **metadata)
    rows = embedder.transform(clips)
    scale = np.abs(rows).max(axis=0)
    alone = np.concatenate([embedder.transform(clips[i : i + 1]) for i in range(0, 24, 5)])
    np.testing.assert_allclose(alone / scale, rows[::5] / scale, atol=1e-4)
    order = np.random.default_rng(0).permutation(24)
    np.testing.assert_allclose(embedder.transform(clips[order]) / scale, rows[order] / scale, atol=1e-4)


PUBLIC = [getattr(embedders, name) for name in embedders.__all__]


def test_callbacks_of_our_own_are_cloned(tmp_path):
    ours = [embedders.EarlyStopping(patience=2, validation_fraction=0.25), embedders.Checkpoint(tmp_path)]
    stopping, checkpoint = clone(ViTEmbedder(callbacks=ours)).callbacks
    assert (stopping.patience, stopping.validation_fraction) == (2, 0.25)
    assert checkpoint.folder == tmp_path
    embedder = fit(callbacks=ours)
    assert vars(clone(embedder).callbacks[1]) == {"folder": tmp_path}
    first = embedder.net_.history[0]["batches"]
    assert sum(batch.get("train_batch_size", 0) for batch in first) == 18
    with pytest.raises(ValueError, match="callbacks has 2 of EarlyStopping: give one"):
        fit(callbacks=[embedders.EarlyStopping(), ("second", embedders.EarlyStopping())])
    with pytest.raises(ValueError, match="needs held-out clips"):
        fit(callbacks=[SkorchEarlyStopping()])
    with pytest.raises(ValueError, match="callbacks has a LRScheduler, but lr_schedule='onecycle'"):
        fit(callbacks=[LRScheduler("StepLR", step_size=1)])


def test_constructors_stay_small():
    counts = {cls.__name__: len(signature(cls).parameters) for cls in PUBLIC}
    assert counts["MFNEmbedder"] <= 24
    assert max(counts.values()) <= 28, counts


def test_names_of_columns_follow_parameters_that_are_set_after_fit():
    embedder = fit(max_epochs=0)
    for params in ({"output": ("log_proba", "embedding")}, {"output": "embedding", "merge": ("std", "mean")}):
        rows = embedder.set_params(**params).set_output(transform="pandas").transform(X[:2])
        assert list(rows) == list(embedder.get_feature_names_out())
        skipped = embedder.transform(np.full_like(X[:2], np.nan))
        assert skipped.shape == rows.shape
