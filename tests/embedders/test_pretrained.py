"""Weights of the published AudioSet network in our layers; the checkpoint is a small one of its layout."""

import pickle
import re

import librosa
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from skasd.embedders import MobileNetV2Embedder
from skasd.systems import cqupt2023, cqupt2023_ensemble

N_BINS, N_FRAMES = 64, 48
WIDTHS = [8, 8, 8, 8, 16, 24, 40, 80]  # of width=0.25: first convolution, then the seven stages
STAGES = [(1, 1), (6, 2), (6, 3), (6, 4), (6, 3), (6, 3), (6, 1)]  # expansion, number of blocks
LAST = 1280


def make_state(seed=0):
    """Tensors named and shaped as in the published file, but for the narrower network."""
    g = torch.Generator().manual_seed(seed)
    state = {}

    def conv(name, out, inn, size):
        state[f"{name}.weight"] = torch.randn(out, inn, size, size, generator=g) / (inn * size * size) ** 0.5

    def norm(name, channels):
        state[f"{name}.weight"] = 0.5 + torch.rand(channels, generator=g)
        state[f"{name}.bias"] = 0.1 * torch.randn(channels, generator=g)
        state[f"{name}.running_mean"] = 0.1 * torch.randn(channels, generator=g)
        state[f"{name}.running_var"] = 0.5 + torch.rand(channels, generator=g)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    state["spectrogram_extractor.stft.conv_real.weight"] = torch.zeros(3, 1, 4)
    state["logmel_extractor.melW"] = torch.zeros(3, N_BINS)
    norm("bn0", N_BINS)
    conv("features.0.0", WIDTHS[0], 1, 3)
    norm("features.0.2", WIDTHS[0])
    i, inn = 1, WIDTHS[0]
    for (expansion, repeats), out in zip(STAGES, WIDTHS[1:], strict=True):
        for _ in range(repeats):
            hidden, at = inn * expansion, 0
            if expansion > 1:
                conv(f"features.{i}.conv.0", hidden, inn, 1)
                norm(f"features.{i}.conv.1", hidden)
                at = 3
            conv(f"features.{i}.conv.{at}", hidden, 1, 3)  # at + 1 is the pooling
            norm(f"features.{i}.conv.{at + 2}", hidden)
            conv(f"features.{i}.conv.{at + 4}", out, hidden, 1)
            norm(f"features.{i}.conv.{at + 5}", out)
            i, inn = i + 1, out
    conv(f"features.{i}.0", LAST, inn, 1)
    norm(f"features.{i}.1", LAST)
    for name, (out, inn) in {"fc1": (1024, LAST), "fc_audioset": (527, 1024)}.items():
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.randn(out, inn, generator=g), torch.zeros(out)
    return state


def published_forward(state, x, blocks):
    """The published network up to ``blocks``, written out: x is (n, 1, time, mel)."""

    def norm(x, name):
        p = [state[f"{name}.{t}"][:, None, None] for t in ("running_mean", "running_var", "weight", "bias")]
        return (x - p[0]) / torch.sqrt(p[1] + 1e-5) * p[2] + p[3]

    x = norm(x.transpose(1, 3), "bn0").transpose(1, 3)
    x = F.conv2d(x, state["features.0.0.weight"], padding=1)
    x = norm(F.avg_pool2d(x, 2), "features.0.2").clamp(0, 6)
    strides = [
        s if k == 0 else 1 for s, (_, n) in zip([1, 2, 2, 2, 2, 1, 1], STAGES, strict=True) for k in range(n)
    ]
    for i, stride in enumerate(strides[:blocks], start=1):
        c = f"features.{i}.conv."
        at, z = 0, x
        if c + "8.weight" in state:  # with expansion
            z = norm(F.conv2d(z, state[c + "0.weight"]), c + "1").clamp(0, 6)
            at = 3
        z = F.conv2d(z, state[f"{c}{at}.weight"], padding=1, groups=z.shape[1])
        z = norm(F.avg_pool2d(z, stride), f"{c}{at + 2}").clamp(0, 6)
        z = norm(F.conv2d(z, state[f"{c}{at + 4}.weight"]), f"{c}{at + 5}")
        x = x + z if stride == 1 and z.shape == x.shape else z
    if blocks == len(strides):
        x = norm(F.conv2d(x, state["features.18.0.weight"]), "features.18.1").clamp(0, 6)
    return x


@pytest.fixture(scope="module")
def state():
    return make_state()


@pytest.fixture(scope="module")
def path(state, tmp_path_factory):
    file = tmp_path_factory.mktemp("checkpoints") / "MobileNetV2_small.pth"
    torch.save({"iteration": 1, "model": state}, file)
    return file


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    return rng.normal(size=(8, N_BINS, N_FRAMES)).astype(np.float32), ["a", "b"] * 4


def embedder(pretrained, **params):
    params = {"embedding_dim": None, "width": 0.25, "variant": "cqupt", "patch_frames": N_FRAMES} | params
    return MobileNetV2Embedder(pretrained=pretrained, max_epochs=0, random_state=0, **params)


@pytest.mark.parametrize("blocks", [0, 1, 2, 3, 17])
def test_features_are_those_of_the_published_network(path, state, clips, blocks):
    X, section = clips
    fitted = embedder(path, standardize_input=None).fit(X, section=section)
    network = fitted.net_.module_.eval()
    x = torch.from_numpy(X)
    upto = 19 if blocks == 17 else blocks + 1
    with torch.no_grad():
        ours = network.backbone.features[:upto](network.standardize(x))
        theirs = published_forward(state, x.transpose(1, 2)[:, None], blocks).transpose(2, 3)
    assert ours.shape == theirs.shape
    assert theirs.std() > 0.01
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    if blocks == 17:
        np.testing.assert_allclose(fitted.transform(X), theirs.mean((2, 3)), rtol=1e-3, atol=1e-4)


def test_report_names_every_entry_once(path, state, clips):
    X, section = clips
    report = embedder(path).fit(X, section=section).pretrained_report_
    assert sorted([*report.loaded, *report.left_out]) == sorted(state)
    assert report.mismatched == []
    assert {name.split(".")[0] for name in report.left_out} == {
        "spectrogram_extractor", "logmel_extractor", "fc1", "fc_audioset", "bn0"
    }  # fmt: skip
    assert set(report.loaded) >= {name for name in state if name.startswith("features.")}
    # the report's embedding of 128 channels: the last convolution has another shape
    report = embedder(path, embedding_dim=128).fit(X, section=section).pretrained_report_
    assert len(report.mismatched) == 5  # num_batches_tracked fits always
    assert "features.18.0.weight: (1280, 80, 1, 1) in the file, (128, 80, 1, 1) here" in report.mismatched
    assert len(report.loaded) + len(report.left_out) + len(report.mismatched) == len(state)
    assert embedder(None).fit(X, section=section).pretrained_report_ is None


def test_input_normalisation_goes_behind_our_own(path, state, clips):
    X, section = clips
    X = 10 * X - 30
    network = embedder(path).fit(X, section=section).net_.module_
    inputs = network.standardize(torch.from_numpy(X))[:, 0].numpy()
    np.testing.assert_allclose(inputs.mean((0, 2)), state["bn0.bias"], atol=1e-3)
    np.testing.assert_allclose(inputs.std((0, 2)), state["bn0.weight"], rtol=1e-3)


def test_training_goes_on_from_the_weights(path, clips):
    X, section = clips
    start = embedder(path).fit(X, section=section).net_.module_.backbone
    trained = embedder(path).set_params(max_epochs=1).fit(X, section=section).net_.module_.backbone
    a, b = start.features[0][0].weight, trained.features[0][0].weight
    assert 0 < (a - b).abs().max() < 0.1 * a.abs().max()
    scratch = embedder(None).fit(X, section=section).net_.module_.backbone
    assert not torch.allclose(a, scratch.features[0][0].weight, atol=0.01)


def test_a_fitted_embedder_needs_the_file_no_more(state, clips, tmp_path):
    X, section = clips
    torch.save({"model": state}, tmp_path / "gone.pth")
    fitted = embedder(tmp_path / "gone.pth").fit(X, section=section)
    rows = fitted.transform(X)
    (tmp_path / "gone.pth").unlink()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), rows)


def test_safetensors_and_bare_and_parallel_states_load_alike(path, state, clips, tmp_path):
    X, section = clips
    expected = embedder(path).fit(X, section=section).transform(X)
    save_file(state, tmp_path / "small.safetensors")
    torch.save(state, tmp_path / "bare.pth")
    torch.save(
        {"model": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "parallel.pth"
    )
    for name in ("small.safetensors", "bare.pth", "parallel.pth"):
        rows = embedder(str(tmp_path / name)).fit(X, section=section).transform(X)
        np.testing.assert_array_equal(rows, expected)


class Harmful:
    def __reduce__(self):
        return print, ("code ran",)


def test_files_that_are_no_checkpoint_are_named(state, clips, tmp_path, capsys):
    X, section = clips
    files = {
        "text.pth": lambda p: p.write_text("not found"),
        "empty.pth": lambda p: p.write_bytes(b""),
        "cut.safetensors": lambda p: p.write_bytes(b"\x10\x00\x00"),
        "harmful.pth": lambda p: torch.save({"model": state, "more": Harmful()}, p),
        "numbers.pth": lambda p: torch.save({"model": {"epoch": 3}}, p),
        "list.pth": lambda p: torch.save([torch.zeros(2)], p),
    }
    for name, write in files.items():
        write(tmp_path / name)
        with pytest.raises(ValueError, match=f"pretrained=.*{re.escape(name)}"):
            embedder(tmp_path / name).fit(X, section=section)
    with pytest.raises(FileNotFoundError, match="no such file"):
        embedder(tmp_path / "missing.pth").fit(X, section=section)
    assert "code ran" not in capsys.readouterr().out


def test_foreign_layouts_are_named(state, clips, tmp_path):
    X, section = clips
    foreign = {
        "other": {"conv_block1.conv1.weight": torch.zeros(64, 1, 3, 3)},
        "shallow": {name: value for name, value in state.items() if not name.startswith("features.18.")},
    }
    for name, tensors in foreign.items():
        torch.save({"model": tensors}, tmp_path / name)
        with pytest.raises(ValueError, match="does not have the layout of the PANNs MobileNetV2"):
            embedder(tmp_path / name).fit(X, section=section)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"variant": "secom"}, "use variant='cqupt'"),
        ({"width": 1.0}, "another width: features.0.0.weight"),
        ({"in_channels": 3}, "use in_channels=1"),
        ({"patch_frames": 20}, "64 bins x 20 frames are too small"),
    ],
)
def test_settings_that_do_not_go_with_it_are_named(path, clips, params, match):
    X, section = clips
    with pytest.raises(ValueError, match=match):
        embedder(path, **params).fit(X, section=section)


def test_verbose_prints_the_report(path, clips, capsys):
    X, section = clips
    embedder(path, verbose=1).fit(X, section=section)
    err = capsys.readouterr().err
    assert re.search(r"pretrained weights: \d+ loaded, \d+ left out, 0 mismatched", err)
    assert "left out: fc_audioset.weight" in err


def test_checkpoints_of_panns_training_script_load(state, clips, tmp_path):
    """The script saves the sampler beside the model: arrays and numbers of NumPy in lists and dicts."""
    rng = np.random.default_rng(0)
    sampler = {
        "indexes_per_class": [rng.permutation(5), rng.permutation(7).astype(np.int32)],
        "queue": [np.int64(3), 2],
        "pointers_of_classes": [0, 1],
        "objects": np.array([np.float32(0.5), None], dtype=object),
    }
    path = tmp_path / "20000_iterations.pth"
    torch.save({"iteration": 20000, "model": state, "sampler": sampler}, path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)  # and nothing of what is allowed here is left allowed for others
    X, section = clips
    fitted = embedder(path, standardize_input=None).fit(X, section=section)
    torch.save({"model": state}, tmp_path / "plain.pth")
    plain = embedder(tmp_path / "plain.pth", standardize_input=None).fit(X, section=section)
    np.testing.assert_array_equal(fitted.transform(X), plain.transform(X))
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


def test_objects_hidden_in_arrays_are_refused(state, clips, tmp_path, capsys):
    X, section = clips
    hidden = np.empty(1, dtype=object)
    hidden[0] = Harmful()
    torch.save({"model": state, "sampler": hidden}, tmp_path / "harmful.pth")
    with pytest.raises(ValueError, match="with Python objects in it"):
        embedder(tmp_path / "harmful.pth").fit(X, section=section)
    assert "code ran" not in capsys.readouterr().out


def test_the_log_mels_of_the_weights_are_told_and_must_have_as_many_bands(state, clips, tmp_path, capsys):
    X, section = clips
    mel = librosa.filters.mel(sr=32000, n_fft=1024, n_mels=64, fmin=50, fmax=14000)
    state = {**state, "logmel_extractor.melW": torch.from_numpy(mel.T.copy())}
    torch.save({"model": state}, tmp_path / "panns.pth")
    fitted = embedder(tmp_path / "panns.pth", verbose=1).fit(X, section=section)
    told = "log-mels at 32000 Hz, n_fft=1024, 64 bands, bins from 62 to 13969 Hz"
    assert fitted.pretrained_report_.front_end == told
    assert f"made for {told}" in capsys.readouterr().err
    with pytest.raises(
        ValueError, match=r"of 64 mel bands, X has 40.*fmax=14000.0.*made for log-mels at 32000"
    ):
        embedder(tmp_path / "panns.pth").fit(X[:, :40], section=section)


def test_the_system_takes_the_log_mels_of_the_weights(state, tmp_path):
    path = tmp_path / "panns.pth"
    torch.save({"model": state}, path)
    front = cqupt2023(pretrained=path)[0]
    mel = librosa.filters.mel(sr=32000, n_fft=1024, n_mels=64, fmin=50, fmax=14000)
    audio = np.random.default_rng(0).normal(size=32000).astype(np.float32)
    power = np.abs(librosa.stft(audio, n_fft=1024, hop_length=320, pad_mode="reflect")) ** 2
    theirs = librosa.power_to_db(mel @ power, ref=1.0, amin=1e-10, top_db=None)
    np.testing.assert_allclose(front.fit_transform([audio])[0], theirs, atol=1e-2)
    assert cqupt2023()[0].sample_rate == 16000
    assert cqupt2023_ensemble(1, pretrained=path)[0].get_params() == front.get_params()
    with pytest.raises(ValueError, match="for model='mobilenetv2' only"):
        cqupt2023("vit", pretrained=path)
