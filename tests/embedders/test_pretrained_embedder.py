"""Frozen encoders: their front ends, rows, columns, weights."""

import tracemalloc
import warnings

import librosa
import numpy as np
import pytest
import soundfile
import soxr
import torch
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.pipeline import make_pipeline

import skasd
from skasd import KNNScorer, LogMelTransformer, PretrainedEmbedder, nn
from skasd.clips import ClipError, ClipWarning
from skasd.embedders._audio_taggers import EfficientAT
from skasd.embedders._machine_sounds import MachineSounds
from skasd.metrics import harmonic_auc
from skasd.nn import MachineEncoder, MobileNetV3
from skasd.weights import sha256_of, shipped_file

RATE = 16000


def sounds(n_clips=3, seconds=1.0, rate=RATE, seed=0):
    """Return noise below 4 kHz, with nothing above."""
    n_samples = int(seconds * rate)
    spectra = np.fft.rfft(np.random.default_rng(seed).normal(scale=0.1, size=(n_clips, n_samples)))
    spectra[:, np.fft.rfftfreq(n_samples, 1 / rate) > 4000] = 0
    return np.fft.irfft(spectra, n_samples).astype(np.float32)


def randomise(network, n_mels=128, n_frames=100, seed=0):
    """Give a network weights of its own and the statistics that they have on noise, or its outputs would be alike."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.weight.data.normal_(generator=generator)
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network.train()(torch.randn(4, 1, n_mels, n_frames, generator=generator))
    return network.eval()


@pytest.fixture
def mn04(tmp_path):
    """Return the path of a file with the layout of mn04, and the network in it."""
    network = randomise(MobileNetV3(width=0.4))
    torch.save(network.state_dict(), tmp_path / "mn04.pt")
    return tmp_path / "mn04.pt", network


def shipped_network():
    network = MachineEncoder().eval()
    network.load_state_dict(load_file(shipped_file()))
    return network


def shipped_log_mels(X):
    """Return the input of the shipped encoder as it is defined, at 32 kHz."""
    front_end = LogMelTransformer(
        sample_rate=32000, n_fft=1024, win_length=800, hop_length=320, center=False, htk=True, norm=None, fmax=15000,
        log="natural", amin=1e-10,
    )  # fmt: skip
    return torch.from_numpy(front_end.fit_transform(X))[:, None]


# -- the encoder of the library ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [16000, 24000, 32000, 48000, 44100, 11025])
def test_rows_are_means_of_the_networks_maps_at_any_rate(rate):
    X = sounds(seconds=2.0, rate=32000)
    with torch.inference_mode():
        expected = shipped_network()(shipped_log_mels(X), ("9",))[0].mean(-1)
    x = soxr.resample(X.T, 32000, rate, quality="VHQ").T
    got = PretrainedEmbedder(sample_rate=rate).transform(x).reshape(3, 8, 32).swapaxes(1, 2)
    error = np.abs(got - expected.numpy()) / expected.std().item()
    # a resampler's own filter ends at 0.91 of the rate, and its noise stands in bands where there is no sound
    assert error.max() < {16000: 0.02, 11025: 0.5}.get(rate, 0.01)


def test_bands_below_half_the_rate_need_no_resampling():
    x = sounds(1, 2.0)[0]
    inputs = []
    for rate, waveform in ((RATE, x), (32000, soxr.resample(x, RATE, 32000, quality="VHQ"))):
        encoder = MachineSounds(shipped_file(), ("9",), sample_rate=rate)
        compiled = encoder.compiled
        encoder.compiled = lambda frames, *args, heard=compiled: inputs.append(frames) or heard(frames, *args)
        assert len(list(encoder.maps(waveform, rate))) == 1
    direct, reference = map(torch.from_numpy, inputs)
    assert direct.shape == reference.shape == (128, 195)  # 12 steps, of 197 frames
    # the first and the last frames hold the ends of the clip, around which a resampler sees silence
    torch.testing.assert_close(direct[:75, 2:-2], reference[:75, 2:-2], rtol=0, atol=1e-3)
    assert (direct[103:] == np.float32(np.log(1e-10))).all()


def test_the_network_runs_on_the_device_and_maps_come_back(mn04):
    waveform = sounds(1)[0]
    encoders = [MachineSounds(shipped_file(), ("mel", "9"), sample_rate=RATE)]
    encoders.append(EfficientAT(mn04[0], ("9",), sample_rate=RATE, width=0.4))
    for encoder in encoders:
        assert all(isinstance(maps, np.ndarray) for maps in next(encoder.maps(waveform, RATE)))
        encoder.to("meta")  # a device that computes shapes alone: there is nothing to bring back
        with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
            next(encoder.maps(waveform, RATE))


def test_the_cpu_is_told_from_no_device():
    clips = sounds(2)
    embedder = PretrainedEmbedder(device="cpu").fit(clips)
    assert embedder.device_ == "cpu"
    with pytest.raises(ValueError, match="nonsense"):
        PretrainedEmbedder(device="nonsense").fit(clips)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_cuda_gives_the_rows_of_the_cpu():
    clips = sounds(3)
    on_cpu = PretrainedEmbedder(device="cpu", layer=("mel", "9", "11")).fit_transform(clips)
    embedder = PretrainedEmbedder(layer=("mel", "9", "11")).fit(clips)
    assert embedder.device_.startswith("cuda")
    np.testing.assert_allclose(embedder.transform(clips), on_cpu, atol=2e-2 * np.abs(on_cpu).max())


def test_long_clips_are_computed_in_parts_that_do_not_show():
    X = sounds(1, 30.0, rate=32000)
    with torch.inference_mode():
        expected = shipped_network()(shipped_log_mels(X), ("6", "11"))
    got = PretrainedEmbedder(layer=("6", 11), sample_rate=32000).maps(X)[0]
    for mine, whole in zip(got, expected, strict=True):
        assert mine.shape == whole.shape[1:]
        np.testing.assert_allclose(mine, whole[0], atol=2e-4)


def test_a_step_hears_the_frames_of_its_receptive_field_only():
    x = sounds(1, 3.0)
    later = x.copy()
    later[:, int(1.5 * RATE) :] = sounds(1, 1.5, seed=1)
    (first,), (second,) = PretrainedEmbedder().maps(np.concatenate([x, later]))
    # step t hears the 75 frames of 10 ms from frame 10 t on, the last of which ends 32 ms after it begins
    same = [t for t in range(first.shape[2]) if 10 * t + 74 + 3.2 <= 150]
    assert len(same) == 8
    np.testing.assert_array_equal(first[..., same], second[..., same])
    assert (np.abs(first - second).max((0, 1))[len(same) + 1 :] > 0.01).all()


def test_short_clips_are_mirrored():
    x = sounds(1, 0.45)
    frames = shipped_log_mels(soxr.resample(x.T, RATE, 32000, quality="VHQ").T)
    frames[:, :, 103:] = np.log(1e-10)
    n_missing = 75 - frames.shape[-1]
    left = n_missing // 2
    mirrored = torch.cat(
        [frames[..., :left].flip(-1), frames, frames[..., frames.shape[-1] - (n_missing - left) :].flip(-1)],
        -1,
    )
    with torch.inference_mode():
        expected = shipped_network()(mirrored, ("9",))[0][0, :, :, 0]
    got = PretrainedEmbedder().transform(x)[0].reshape(8, 32).T
    assert np.abs(got - expected.numpy()).max() < 0.02 * expected.std()


@pytest.mark.parametrize("n_samples", [1, 500, 800, 3200, 12_351, 12_352, 20_000])
@pytest.mark.parametrize("encoder", ["skasd", "efficientat_mn04"])
def test_any_length(n_samples, encoder, mn04):
    x = sounds(2, 2.0)[:, :n_samples]
    embedder = PretrainedEmbedder(encoder, weights=None if encoder == "skasd" else mn04[0])
    rows = embedder.transform(x)
    assert rows.shape == (2, 256)
    assert np.isfinite(rows).all()
    assert (rows[0] != rows[1]).any()


# -- EfficientAT ---------------------------------------------------------------------------------------------------


def efficientat_log_mels(x):
    """Return the input of EfficientAT's networks, as its authors describe it, of waveforms at 32 kHz."""
    x = torch.from_numpy(x)
    x = x[:, 1:] - 0.97 * x[:, :-1]
    window = torch.hann_window(800, periodic=False)
    power = torch.stft(x, 1024, 320, 800, window, return_complex=True).abs() ** 2
    mel = 1127 * torch.log1p(torch.arange(513) * (32000 / 1024) / 700)
    edges = torch.linspace(0, 1127 * np.log1p(15000 / 700), 130)[:, None]
    filters = torch.minimum(
        (mel - edges[:-2]) / (edges[1:-1] - edges[:-2]), (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    )
    return (torch.log(filters.clamp(min=0) @ power + 1e-5) + 4.5) / 5


def test_efficientat_hears_what_it_was_trained_on(mn04):
    X = sounds(2, 3.0, rate=32000)
    with torch.inference_mode():
        expected = mn04[1].maps(efficientat_log_mels(X)[:, None], (4, 9, 16))
    embedder = PretrainedEmbedder("efficientat_mn04", weights=mn04[0], layer=(4, 9, 16), sample_rate=32000)
    for number, maps in enumerate(embedder.maps(X)):
        for mine, whole in zip(maps, expected, strict=True):
            np.testing.assert_allclose(mine, whole[number], atol=1e-4 * whole.abs().max())


def test_recordings_at_16_khz_are_resampled(mn04):
    x = sounds(2, 1.0)
    embedder = PretrainedEmbedder("efficientat_mn04", weights=mn04[0])
    resampled = np.stack([soxr.resample(clip, RATE, 32000, quality="HQ") for clip in x])
    expected = clone(embedder).set_params(sample_rate=32000).transform(resampled)
    np.testing.assert_array_equal(embedder.transform(x), expected)


def test_long_clips_are_heard_in_pieces_of_equal_length(mn04):
    x = sounds(1, 20.0, rate=32000)
    embedder = PretrainedEmbedder("efficientat_mn04", weights=mn04[0], sample_rate=32000, layer=(3, 12))
    halves = embedder.transform(x.reshape(2, -1))
    np.testing.assert_allclose(embedder.transform(x)[0], halves.mean(0), atol=1e-6)


def test_width_10(tmp_path):
    torch.save(randomise(MobileNetV3()).state_dict(), tmp_path / "mn10.pt")
    embedder = PretrainedEmbedder("efficientat_mn10", weights=tmp_path / "mn10.pt").fit(sounds())
    assert embedder.transform(sounds()).shape == (3, 80 * 8)
    with pytest.raises(
        ValueError, match=r"does not have the layout of EfficientAT's MobileNetV3 of width 0.4"
    ):
        PretrainedEmbedder("efficientat_mn04", weights=tmp_path / "mn10.pt").fit(sounds())


def omega(embedder, data):
    """Return the harmonic mean of source AUC, target AUC and pAUC on the idling cars, one model and one per band."""
    train, test = (data[data["split"] == split] for split in ("train", "test"))
    X, Y = (embedder.transform(part["path"].tolist()).astype(float) for part in (train, test))
    mean, scale = X.mean(0), X.std(0)
    X, Y = (X - mean) / scale, (Y - mean) / scale

    def distances(columns):
        model = LedoitWolf().fit(X[:, columns])
        return np.sqrt(model.mahalanobis(Y[:, columns])) / np.sqrt(model.mahalanobis(X[:, columns])).std()

    scores = [
        distances(slice(None)),
        sum(distances(embedder.bands_ == band) for band in set(embedder.bands_)),
    ]
    return [harmonic_auc(test["y"], score, domain=test["domain"]) for score in scores]


@pytest.mark.slow
def test_published_weights_on_idling_engines(real_data):
    data = skasd.datasets.load_dcase(real_data("car_idle"))
    weights = real_data("weights") / "mn04_as_mAP_432.pt"
    embedder = PretrainedEmbedder("efficientat_mn04", weights=weights).fit(data["path"].tolist())
    # measured apart from this library: 0.968 and 0.984
    np.testing.assert_allclose(omega(embedder, data), [0.968, 0.984], atol=0.004)


# -- rows and columns ----------------------------------------------------------------------------------------------


def test_columns_are_layer_by_layer_and_position_by_position():
    X = sounds()
    embedder = PretrainedEmbedder(layer=("11", 6)).fit(X)
    eleven, six = (PretrainedEmbedder(layer=name).fit(X) for name in (11, "6"))
    np.testing.assert_array_equal(embedder.transform(X), np.hstack([eleven.transform(X), six.transform(X)]))
    np.testing.assert_array_equal(embedder.bands_, np.repeat(np.arange(24), [48] * 8 + [16] * 16))
    names = embedder.get_feature_names_out()
    assert names[[0, 47, 48, 8 * 48, -1]].tolist() == [
        "layer 11 17 Hz 0",
        "layer 11 17 Hz 47",
        "layer 11 350 Hz 0",
        "layer 6 17 Hz 0",
        "layer 6 12 kHz 15",
    ]
    assert len(set(names)) == len(names) == len(embedder.bands_) == embedder.transform(X).shape[1]
    for clip, row in zip(embedder.maps(X), embedder.transform(X), strict=True):
        np.testing.assert_allclose(
            row, np.concatenate([m.mean(2).T.ravel() for m in clip]), rtol=1e-5, atol=1e-6
        )


def test_positions_name_where_a_tone_is_heard():
    t = np.arange(2 * RATE) / RATE
    embedder = PretrainedEmbedder(layer=6).fit(["a tone"])
    quiet = embedder.transform(1e-6 * sounds(1, 2.0))[0]
    places = np.array([name.split()[2:4] for name in embedder.get_feature_names_out()[::16]])
    centres = [float(number) * (1000 if unit == "kHz" else 1) for number, unit in places]
    for frequency in (800, 2000, 5000):
        heard = embedder.transform(0.1 * np.sin(2 * np.pi * frequency * t)[None])[0]
        loudest = np.linalg.norm((heard - quiet).reshape(16, 16), axis=1).argmax()
        assert loudest in np.argsort(np.abs(np.log(np.array(centres) / frequency)))[:2]


def test_without_bands_the_mean_over_positions_is_taken():
    X = sounds()
    whole = PretrainedEmbedder(layer=(6, 9)).fit(X)
    pooled = PretrainedEmbedder(layer=(6, 9), bands=False).fit(X)
    rows = whole.transform(X)
    expected = np.hstack([rows[:, :256].reshape(3, 16, 16).mean(1), rows[:, 256:].reshape(3, 8, 32).mean(1)])
    np.testing.assert_allclose(pooled.transform(X), expected, atol=1e-6)
    assert pooled.bands_.tolist() == [0] * 16 + [1] * 32
    assert pooled.get_feature_names_out()[[0, -1]].tolist() == ["layer 6 0", "layer 9 31"]


@pytest.mark.parametrize("encoder", ["skasd", "efficientat_mn04"])
def test_a_row_depends_on_its_clip_alone(encoder, mn04):
    clips = [*sounds(4), *sounds(3, 2.3), *sounds(2, 0.3)]
    embedder = PretrainedEmbedder(encoder, weights=None if encoder == "skasd" else mn04[0])
    rows = embedder.transform(clips)
    for i in (0, 3, 5, 8):
        np.testing.assert_array_equal(embedder.transform([clips[i]])[0], rows[i])
    np.testing.assert_array_equal(embedder.transform(clips[::-1]), rows[::-1])
    np.testing.assert_array_equal(clone(embedder).set_params(n_jobs=3).transform(clips), rows)


def test_paths_arrays_and_integers(tmp_path):
    X = sounds()
    for i, x in enumerate(X):
        soundfile.write(tmp_path / f"{i}.wav", x, RATE, "FLOAT")
    paths = [tmp_path / f"{i}.wav" for i in range(3)]
    rows = PretrainedEmbedder().fit(paths).transform(paths)
    np.testing.assert_array_equal(rows, PretrainedEmbedder().transform(list(X)))
    pcm = np.round(X * 32768).astype(np.int16)
    np.testing.assert_allclose(PretrainedEmbedder().transform(pcm), rows, atol=0.2)
    np.testing.assert_array_equal(PretrainedEmbedder().transform(X.astype(float)), rows)


def test_bad_clips(tmp_path):
    clips = [*sounds(2), np.full(RATE, np.nan, np.float32), np.full(RATE, 1e9, np.float32)]
    with pytest.raises(ClipError, match="NaN"):
        PretrainedEmbedder().transform(clips)
    with pytest.warns(ClipWarning, match="NaN"):
        rows = PretrainedEmbedder(on_error="skip").transform(clips[:3])
    assert np.isnan(rows[2]).all()
    np.testing.assert_array_equal(rows[:2], PretrainedEmbedder().transform(clips[:2]))
    with pytest.warns(ClipWarning, match="NaN"):
        assert PretrainedEmbedder(on_error="skip").maps(clips[:3])[2] is None


def test_memory_is_that_of_the_rows():
    x = sounds(1, 10.0)[0]
    embedder = PretrainedEmbedder().fit([x])
    embedder.transform([x])
    tracemalloc.start()
    embedder.transform([x] * 40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e6  # the log-mels of one clip are 510 kB, those of all 20 MB


# -- weights -------------------------------------------------------------------------------------------------------


def test_what_cannot_be_asked_for(tmp_path):
    X = sounds()
    with pytest.raises(ValueError, match=r"layer='7': encoder='skasd' has mel, 6, 9, 11"):
        PretrainedEmbedder(layer="7").fit(X)
    with pytest.raises(ValueError, match="several that differ"):
        PretrainedEmbedder(layer=(9, "9")).fit(X)
    with pytest.raises(FileNotFoundError, match=r"weights='nowhere.pt': there is no such file"):
        PretrainedEmbedder("efficientat_mn04", weights="nowhere.pt").fit(X)
    (tmp_path / "text.pt").write_text("text")
    with pytest.raises(ValueError, match=r"weights='.*text.pt' cannot be read as a checkpoint"):
        PretrainedEmbedder("efficientat_mn04", weights=tmp_path / "text.pt").fit(X)
    save_file({"a": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(
        ValueError, match=r"weights='.*other.safetensors' does not have the layout of skasd.nn.Mach"
    ):
        PretrainedEmbedder(weights=tmp_path / "other.safetensors").fit(X)


def test_model_files_state_the_weights_and_do_not_hold_them(tmp_path):
    X = sounds(12)
    detector = make_pipeline(PretrainedEmbedder(), KNNScorer()).fit(X)
    assert detector[0].weights_sha256_ == sha256_of(shipped_file())
    skasd.save(detector, tmp_path / "model.skasd")
    loaded = skasd.load(tmp_path / "model.skasd")
    np.testing.assert_array_equal(loaded.score_samples(X), detector.score_samples(X))
    assert loaded[0].weights_sha256_ == detector[0].weights_sha256_
    skasd.save(detector[0], tmp_path / "embedder.skasd")
    assert (tmp_path / "embedder.skasd").stat().st_size < 20_000


def test_other_weights_than_those_of_fit_are_refused(mn04, tmp_path):
    X = sounds()
    embedder = PretrainedEmbedder("efficientat_mn04", weights=mn04[0]).fit(X)
    rows = embedder.transform(X)
    moved = mn04[0].rename(tmp_path / "moved.pt")
    with pytest.raises(FileNotFoundError, match="no such file"):
        embedder.transform(X)
    np.testing.assert_array_equal(embedder.set_params(weights=moved).transform(X), rows)
    torch.save(randomise(MobileNetV3(width=0.4), seed=1).state_dict(), moved)
    with pytest.raises(ValueError, match="was fitted with others, of SHA-256"):
        embedder.transform(X)
    assert (embedder.fit(X).transform(X) != rows).any()


def test_the_log_mels_of_the_front_end_are_a_layer():
    X = sounds(2, seconds=3, rate=32000)
    embedder = PretrainedEmbedder(layer=("mel", "9"), sample_rate=32000).fit(X)
    rows = embedder.transform(X)
    frames = shipped_log_mels(X).numpy().reshape(2, 8, 16, -1).astype(np.float64)
    expected = np.concatenate([frames.mean(-1), frames.std(-1)], axis=2).reshape(2, 256)
    np.testing.assert_allclose(rows[:, embedder.layers_ == "mel"], expected, atol=2e-4)
    alone = PretrainedEmbedder(layer="9", sample_rate=32000).fit(X).transform(X)
    np.testing.assert_array_equal(rows[:, embedder.layers_ == "9"], alone)
    assert embedder.get_feature_names_out()[[0, 16]].tolist() == [
        "layer mel 17 Hz mean 0",
        "layer mel 17 Hz std 0",
    ]
    np.testing.assert_array_equal(np.bincount(embedder.bands_), [32] * 16)


def test_the_layer_of_each_column_is_known():
    embedder = PretrainedEmbedder(layer=("9", "11")).fit(sounds(1))
    assert embedder.layers_.tolist() == ["9"] * 256 + ["11"] * 384


# -- PANNs ---------------------------------------------------------------------------------------------------------


def panns_file(path, channels=(4, 8, 8, 16, 16, 24), **more):
    """Write a small checkpoint of the layout that PANNs' training script writes, and return its network."""
    network = nn.Cnn14(channels=channels)
    randomise(network, n_mels=64)
    state = {
        **network.state_dict(),
        "fc1.weight": torch.zeros(3, 24),
        "logmel_extractor.melW": torch.ones(257, 64),
    }
    torch.save({"iteration": 7, "model": {**state, **more}}, path)
    return network


def test_panns_hears_what_it_was_trained_on(tmp_path):
    network = panns_file(tmp_path / "cnn14.pth")
    X = sounds(2, 2.0)
    mel = librosa.feature.melspectrogram(
        y=X, sr=RATE, n_fft=512, hop_length=160, n_mels=64, fmin=50, fmax=8000, pad_mode="reflect"
    )
    # as its authors' code goes: time along the rows, layer by layer
    x = torch.from_numpy(librosa.power_to_db(mel, top_db=None)).float().transpose(1, 2)[:, None]
    expected = {}
    with torch.inference_mode():
        x = network.bn0(x.transpose(1, 3)).transpose(1, 3)
        for number in range(1, 7):
            block = getattr(network, f"conv_block{number}")
            x = torch.relu(block.bn1(block.conv1(x)))
            x = torch.relu(block.bn2(block.conv2(x)))
            x = torch.nn.functional.avg_pool2d(x, (2, 2) if number < 6 else (1, 1))
            expected[number] = x
    embedder = PretrainedEmbedder("panns_cnn14_16k", weights=tmp_path / "cnn14.pth", layer=(6, 2)).fit(X)
    rows = np.hstack([expected[number].mean(2).transpose(1, 2).flatten(1).numpy() for number in (6, 2)])
    np.testing.assert_allclose(embedder.transform(X), rows, rtol=1e-3, atol=1e-3 * np.abs(rows).max())
    np.testing.assert_array_equal(embedder.bands_, np.repeat(np.arange(18), [24] * 2 + [8] * 16))
    assert PretrainedEmbedder("panns_cnn14_16k", weights=tmp_path / "cnn14.pth").transform(X).shape == (2, 64)
    assert np.isfinite(embedder.transform(X[:, :10])).all()


def test_other_files_than_panns_cnn14_at_16_khz_are_refused(tmp_path):
    panns_file(tmp_path / "32k.pth", **{"logmel_extractor.melW": torch.ones(513, 64)})
    with pytest.raises(ValueError, match=r"is made for log-mels at 32000 Hz.*give Cnn14_16k"):
        PretrainedEmbedder("panns_cnn14_16k", weights=tmp_path / "32k.pth").fit(sounds())
    torch.save({"features": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="does not have the layout of PANNs' Cnn14"):
        PretrainedEmbedder("panns_cnn14_16k", weights=tmp_path / "other.pth").fit(sounds())
    with pytest.raises(ValueError, match=r"needs weights=, the path of the file Cnn14_16k_mAP=0.438.pth"):
        PretrainedEmbedder("panns_cnn14_16k").fit(sounds())


# -- transformers --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return folders of small models by name."""
    transformers = pytest.importorskip("transformers", reason="the extra 'pretrained' is not installed")
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    wav2vec2 = transformers.Wav2Vec2Config(
        **small, conv_dim=(8, 8), conv_stride=(20, 16), conv_kernel=(20, 16), num_conv_pos_embeddings=8
    )
    folders = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = {
            "ast": (
                transformers.ASTModel(transformers.ASTConfig(**small, max_length=104, num_mel_bins=32)),
                transformers.ASTFeatureExtractor(max_length=104, num_mel_bins=32),
            ),
            "wav2vec2": (transformers.Wav2Vec2Model(wav2vec2), transformers.Wav2Vec2FeatureExtractor()),
        }
        for name, parts in made.items():
            folders[name] = tmp_path_factory.mktemp(name)
            for part in parts:
                part.save_pretrained(folders[name])
    return {**folders, "networks": {name: parts[0].eval() for name, parts in made.items()}}


def test_hidden_states_of_a_series(models):
    X = sounds(2, 1.0)
    embedder = PretrainedEmbedder("transformers", weights=models["wav2vec2"], layer=(0, 2)).fit(X)
    normalised = (X - X.mean(1, keepdims=True)) / np.sqrt(X.var(1, keepdims=True) + 1e-7)
    with torch.inference_mode():
        outputs = models["networks"]["wav2vec2"](torch.from_numpy(normalised), output_hidden_states=True)
    expected = np.hstack([outputs.hidden_states[number].mean(1).numpy() for number in (0, 2)])
    np.testing.assert_allclose(embedder.transform(X), expected, atol=1e-4)
    assert embedder.bands_.tolist() == [0] * 16 + [1] * 16
    assert embedder.get_feature_names_out()[[0, -1]].tolist() == ["layer 0 0", "layer 2 15"]
    assert set(PretrainedEmbedder("transformers", weights=models["wav2vec2"]).fit(X).layers_) == {"1"}


def test_patches_are_put_back_to_where_they_are(models):
    X = sounds(2, 1.0)
    embedder = PretrainedEmbedder("transformers", weights=models["ast"], layer=2).fit(X)
    # 32 bands and 104 frames in patches of 16, 10 apart, make 2 x 9; the sound ends with frame 97
    (maps,) = embedder.maps(X[:1])[0]
    assert maps.shape == (16, 2, 9)
    assert embedder.transform(X).shape == (2, 32)
    assert (
        PretrainedEmbedder("transformers", weights=models["ast"], layer=2).maps(X[:1, :8000])[0][0].shape[2]
        == 4
    )
    inputs = embedder_inputs(models["ast"], X[0])
    with torch.inference_mode():
        state = models["networks"]["ast"](inputs, output_hidden_states=True).hidden_states[2][0]
    np.testing.assert_allclose(maps[:, 1, 3], state[2 + 9 + 3], atol=1e-5)
    assert embedder.get_feature_names_out()[0].split()[3] == "Hz"


def embedder_inputs(folder, waveform):
    transformers = pytest.importorskip("transformers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    return extractor(waveform, sampling_rate=RATE, return_tensors="pt").input_values


def test_folders_that_hold_no_model(models, tmp_path):
    with pytest.raises(ValueError, match="is not a folder of an audio model of transformers"):
        PretrainedEmbedder("transformers", weights=tmp_path).fit(sounds())
    with pytest.raises(ValueError, match=r"layer has 7: the model in .* has the hidden states 0, 1, 2"):
        PretrainedEmbedder("transformers", weights=models["wav2vec2"], layer=7).fit(sounds())
    with pytest.raises(ValueError, match="encoder='transformers' needs weights=, the path of the folder"):
        PretrainedEmbedder("transformers").fit(sounds())
