"""The machine against others on pictures, and the weights of torchvision's image network."""

import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skasd import nn
from skasd.embedders import ImageMobileNetV2Embedder
from skasd.embedders._pretrained import load_torchvision_mobilenetv2
from skasd.features import SpectrogramImageTransformer
from skasd.scorers import ColumnScorer

from .conftest import make_clips

QUICK = {"width": 0.25, "max_epochs": 1, "random_state": 0}
WIDTHS = [8, 8, 8, 8, 16, 24, 40, 80]  # of width=0.25: first convolution, then the seven stages
STAGES = [(1, 1), (6, 2), (6, 3), (6, 4), (6, 3), (6, 3), (6, 1)]  # expansion, number of blocks


def make_state():
    """Tensors named and shaped as in torchvision's file, but for the narrower network."""
    generator = torch.Generator().manual_seed(0)
    state = {}

    def block(conv, norm, out, inn, size):
        state[f"{conv}.weight"] = (
            torch.randn(out, inn, size, size, generator=generator) / (inn * size**2) ** 0.5
        )
        state[f"{norm}.weight"] = 0.5 + torch.rand(out, generator=generator)
        state[f"{norm}.bias"] = 0.1 * torch.randn(out, generator=generator)
        state[f"{norm}.running_mean"] = 0.1 * torch.randn(out, generator=generator)
        state[f"{norm}.running_var"] = 0.5 + torch.rand(out, generator=generator)
        state[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    block("features.0.0", "features.0.1", WIDTHS[0], 3, 3)
    i, inn = 1, WIDTHS[0]
    for (expansion, repeats), out in zip(STAGES, WIDTHS[1:], strict=True):
        for _ in range(repeats):
            hidden, at = inn * expansion, 0
            if expansion > 1:
                block(f"features.{i}.conv.0.0", f"features.{i}.conv.0.1", hidden, inn, 1)
                at = 1
            block(f"features.{i}.conv.{at}.0", f"features.{i}.conv.{at}.1", hidden, 1, 3)
            block(f"features.{i}.conv.{at + 1}", f"features.{i}.conv.{at + 2}", out, hidden, 1)
            i, inn = i + 1, out
    block(f"features.{i}.0", f"features.{i}.1", 1280, inn, 1)
    state["classifier.1.weight"], state["classifier.1.bias"] = torch.zeros(1000, 1280), torch.zeros(1000)
    return state


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mobilenet_v2.pth"
    torch.save(make_state(), path)
    return path


@pytest.fixture(scope="module")
def two():
    X, section = make_clips(12, 2, 0, 0.2)
    return X, section == "s1"


def test_training_beats_no_training_on_held_out_clips():
    X, section = make_clips(40, 2, 0, 0.2)
    X_test, section_test = make_clips(16, 2, 1, 0.2)
    auc = {}
    for epochs in (0, 20):
        embedder = ImageMobileNetV2Embedder(width=0.5, lr=3e-3, max_epochs=epochs, random_state=0)
        p = embedder.fit(X, proxy=section == "s1").transform(X_test)[:, 0]
        assert len(np.unique(p)) > len(p) // 2
        auc[epochs] = roc_auc_score(section_test == "s0", p)
    assert auc[20] > 0.85 > auc[0] + 0.2, auc


def test_the_probability_is_that_of_the_machine(two):
    X, proxy = two
    embedder = ImageMobileNetV2Embedder(**QUICK, output=("proba", "log_proba", "embedding"))
    rows = embedder.fit(X, proxy=proxy).transform(X)
    assert rows.shape == (len(X), 1 + 2 + 1280)
    assert list(embedder.classes_) == ["proxy", "target"]
    np.testing.assert_allclose(rows[:, 0], np.exp(rows[:, 2]), rtol=1e-6)
    np.testing.assert_allclose(np.exp(rows[:, 1:3]).sum(axis=1), 1, rtol=1e-5)
    assert embedder.patch_frames_ == X.shape[2]
    sections = clone(embedder).fit(X, section=np.arange(len(X)) % 3)
    assert list(sections.classes_) == [0, 1, 2]
    rows = sections.transform(X)
    np.testing.assert_allclose(rows[:, 0], np.exp(rows[:, 1:4]).max(axis=1), rtol=1e-6)
    assert clone(embedder).fit(X).pseudo_labels_ is not None
    with pytest.raises(ValueError, match="all n_samples=24 clips are proxies"):
        clone(embedder).fit(X, proxy=np.ones(len(X), dtype=bool))


def test_fit_seeds_and_skipped_clips(two):
    X, proxy = two
    embedder = ImageMobileNetV2Embedder(**QUICK | {"max_epochs": 4})
    before = {k: repr(v) for k, v in embedder.get_params().items()}
    expected = embedder.fit(X[1:], proxy=proxy[1:])
    assert before == {k: repr(v) for k, v in embedder.get_params().items()}
    untrained = clone(embedder).set_params(max_epochs=0).fit(X[1:], proxy=proxy[1:])
    changed = [
        (a != b).flatten()
        for a, b in zip(untrained.net_.module_.parameters(), expected.net_.module_.parameters(), strict=True)
    ]
    assert all(part.any() for part in changed)
    assert torch.cat(changed).float().mean() > 0.8
    holes = X.copy()
    holes[0] = np.nan
    state = torch.get_rng_state()
    rows = clone(embedder).fit(holes, proxy=proxy).transform(holes)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.isnan(rows[0]).all()
    np.testing.assert_array_equal(rows[1:], expected.transform(X[1:]))


def test_the_system_in_a_pipeline_has_the_threshold_of_the_report():
    clips = np.random.default_rng(0).normal(size=(12, 8000)).astype(np.float32)
    proxy = np.arange(12) % 2 == 1
    detector = make_pipeline(
        SpectrogramImageTransformer(shape=(32, 32), n_fft=1024, hop_length=512),
        ImageMobileNetV2Embedder(**QUICK),
        ColumnScorer(weights=-1, calibration="mean", margin=0.04),
    )
    detector.fit(clips, imagemobilenetv2embedder__proxy=proxy, columnscorer__proxy=proxy)
    p = detector[:-1].transform(clips)[:, 0]
    np.testing.assert_array_equal(detector.predict(clips) == -1, p < 0.96 * p[~proxy].mean(dtype=np.float64))


def test_weights_of_pictures_are_taken_over(two, checkpoint, tmp_path, capsys):
    X, proxy = two
    params = QUICK | {"max_epochs": 0, "pretrained": checkpoint}
    embedder = ImageMobileNetV2Embedder(**params, verbose=1).fit(X, proxy=proxy)
    state = make_state()
    ours = embedder.net_.module_.backbone.state_dict()
    for name, value in state.items():
        if name.startswith("features"):
            torch.testing.assert_close(ours[name], value, rtol=0, atol=0)
    assert set(ours) == {name for name in state if name.startswith("features")}
    report = embedder.pretrained_report_
    assert report.left_out == ["classifier.1.weight", "classifier.1.bias"]
    assert len(report.loaded) == len(state) - 2
    assert "2 left out" in capsys.readouterr().err
    save_file(state, tmp_path / "w.safetensors")
    same = clone(embedder).set_params(pretrained=str(tmp_path / "w.safetensors"), verbose=0)
    np.testing.assert_array_equal(
        same.fit(X, proxy=proxy).transform(X), embedder.set_params(verbose=0).transform(X)
    )
    assert ImageMobileNetV2Embedder(**QUICK).fit(X, proxy=proxy).pretrained_report_ is None


@pytest.mark.parametrize("in_channels", [1, 2])
def test_a_stem_of_other_channels_sees_grey_pictures_alike(in_channels):
    state = make_state()
    x = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    outputs = []
    for channels in (3, in_channels):
        backbone = nn.MobileNetV2(32, 32, in_channels=channels, embedding_dim=None, width=0.25)
        load_torchvision_mobilenetv2(backbone, state)
        outputs.append(backbone.eval()(x))
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-5)


def test_other_checkpoints_are_refused(two, checkpoint, tmp_path):
    X, proxy = two
    with pytest.raises(ValueError, match=re.escape("of another width: features.0.0.weight: (8, 3, 3, 3)")):
        ImageMobileNetV2Embedder(max_epochs=0, width=0.5, pretrained=checkpoint).fit(X, proxy=proxy)
    torch.save({"features.0.0.weight": torch.zeros(8, 1, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="does not have the layout of torchvision's MobileNetV2"):
        ImageMobileNetV2Embedder(**QUICK, pretrained=tmp_path / "other.pth").fit(X, proxy=proxy)
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        ImageMobileNetV2Embedder(**QUICK, pretrained=tmp_path / "none.pth").fit(X, proxy=proxy)
