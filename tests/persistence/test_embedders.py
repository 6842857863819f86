"""Embedders: what of their networks is stored, and where the networks go."""

from functools import partial

import numpy as np
import pytest
import safetensors.torch
import torch
from skorch.callbacks import EarlyStopping as SkorchEarlyStopping
from skorch.callbacks import GradientNormClipping, LRScheduler

from skasd import nn
from skasd.embedders import (
    AutoencoderEmbedder,
    EarlyStopping,
    ImageMobileNetV2Embedder,
    MFNEmbedder,
    MobileNetV2Embedder,
    _mobilenetv2,
)
from skasd.embedders._pretrained import PretrainedReport
from skasd.persistence import load, save

CLIPS = np.random.default_rng(0).normal(size=(10, 6, 12)).astype(np.float32)
SMALL = {"hidden": 8, "bottleneck": 2, "random_state": 0}


def test_callbacks_and_choices(tmp_path):
    embedder = AutoencoderEmbedder(
        max_epochs=2,
        callbacks=[
            SkorchEarlyStopping(monitor="train_loss", patience=3),
            ("clip", GradientNormClipping(1.0)),
            LRScheduler("StepLR", step_size=1),
        ],
        optimizer=torch.optim.RMSprop,
        augmenter=None,
        **SMALL,
    ).fit(CLIPS)
    save(embedder, tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.transform(CLIPS), embedder.transform(CLIPS))
    assert again.callbacks[0].patience == 3
    assert again.callbacks[1][1].gradient_clip_value == 1.0
    assert again.callbacks[2].kwargs == {"step_size": 1}
    again.fit(CLIPS)
    np.testing.assert_array_equal(again.transform(CLIPS), embedder.transform(CLIPS))
    mixed = MFNEmbedder(
        mixing=nn.OneOf((nn.Mixup(0.2), nn.FMix())),
        loss=partial(nn.ArcFace, s=8.0),
        device=torch.device("cpu"),
    )
    save(mixed, tmp_path / "m")
    assert repr(load(tmp_path / "m")) == repr(mixed)


def test_losses_and_attributes_of_an_embedder(tmp_path):
    embedder = AutoencoderEmbedder(max_epochs=3, callbacks=[EarlyStopping(patience=2)], **SMALL).fit(CLIPS)
    save(embedder, tmp_path / "m")
    again = load(tmp_path / "m")
    ours, theirs = embedder.net_.history, again.net_.history
    assert theirs[:, ("epoch", "train_loss", "valid_loss")] == ours[:, ("epoch", "train_loss", "valid_loss")]
    assert vars(again).keys() == vars(embedder).keys()
    assert again.device_ == embedder.device_
    save(again, tmp_path / "n")
    assert (tmp_path / "n").read_bytes() == (tmp_path / "m").read_bytes()


def test_parameters_that_choose_the_output_may_change(tmp_path):
    embedder = (
        MFNEmbedder(max_epochs=0, random_state=0).fit(CLIPS).set_params(output="log_proba", merge="std")
    )
    save(embedder, tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").transform(CLIPS), embedder.transform(CLIPS))


def test_parameters_that_describe_another_network(tmp_path):
    embedder = AutoencoderEmbedder(max_epochs=0, **SMALL).fit(CLIPS).set_params(hidden=9)
    with pytest.raises(ValueError, match=r"AutoencoderEmbedder describe another network.*changed after fit"):
        save(embedder, tmp_path / "m")


def test_devices(tmp_path):
    embedder = AutoencoderEmbedder(max_epochs=0, **SMALL).fit(CLIPS)
    rows = embedder.transform(CLIPS)
    if not torch.cuda.is_available():
        save(embedder.set_params(device="cuda"), tmp_path / "m")
        with pytest.warns(UserWarning, match=r"AutoencoderEmbedder has device='cuda', which is not there"):
            again = load(tmp_path / "m")
        assert again.device == "cuda"
        with pytest.raises(ValueError, match="no CUDA device"):
            load(tmp_path / "m", device="cuda")
    save(embedder, tmp_path / "m")
    again = load(tmp_path / "m", device="cpu")
    assert again.device_ == "cpu"
    np.testing.assert_array_equal(again.transform(CLIPS), rows)
    with pytest.raises(ValueError, match="device='nowhere'"):
        load(tmp_path / "m", device="nowhere")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_from_cuda_to_the_cpu(tmp_path):
    embedder = MFNEmbedder(max_epochs=1, random_state=0, precision="float32").fit(CLIPS)
    assert embedder.device_ == "cuda"
    save(embedder, tmp_path / "m")
    there, here = load(tmp_path / "m"), load(tmp_path / "m", device="cpu")
    assert there.device_ == "cuda"
    np.testing.assert_allclose(there.transform(CLIPS), embedder.transform(CLIPS), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(here.transform(CLIPS), embedder.transform(CLIPS), rtol=1e-2, atol=1e-2)


def test_pretrained_weights_are_not_needed_again(tmp_path):
    clips = np.random.default_rng(0).normal(size=(6, 32, 40)).astype(np.float32)
    checkpoint = tmp_path / "checkpoint.safetensors"
    state = nn.MobileNetV2(32, 40, in_channels=3, width=0.25).features.state_dict(prefix="features.")
    safetensors.torch.save_file({name: value.contiguous() for name, value in state.items()}, checkpoint)
    image = ImageMobileNetV2Embedder(width=0.25, pretrained=checkpoint, max_epochs=0, random_state=0).fit(
        clips
    )
    save(image, tmp_path / "m")
    checkpoint.unlink()
    again = load(tmp_path / "m")
    assert again.pretrained == checkpoint
    assert again.pretrained_report_ == image.pretrained_report_
    np.testing.assert_array_equal(again.transform(clips), image.transform(clips))
    with pytest.raises(FileNotFoundError, match="pretrained="):
        again.fit(clips)


def test_pretrained_weights_with_their_own_normalisation(tmp_path, monkeypatch):
    # what the published checkpoint does to the embedder, without its 14 MB: poolings and a standardisation per bin
    def standardisation(state, mean, scale, standardize):
        return np.full(32, 0.5), np.full(32, 2.0), ["bn0.weight"]

    monkeypatch.setattr(_mobilenetv2, "read_state", lambda path: {"bn0.weight": np.ones(32)})
    monkeypatch.setattr(
        _mobilenetv2, "load_panns_mobilenetv2", lambda backbone, state: PretrainedReport([], [], [])
    )
    monkeypatch.setattr(_mobilenetv2, "input_scaling", standardisation)
    clips = np.random.default_rng(0).normal(size=(6, 32, 40)).astype(np.float32)
    embedder = MobileNetV2Embedder(
        width=0.25,
        variant="cqupt",
        pretrained="panns.pth",
        standardize_input="global",
        patch_frames=32,
        max_epochs=0,
        random_state=0,
    ).fit(clips)
    save(embedder, tmp_path / "m")
    monkeypatch.undo()
    again = load(tmp_path / "m")
    assert again.net_.module_.mean.shape == (1, 32, 1)
    np.testing.assert_array_equal(again.transform(clips), embedder.transform(clips))
