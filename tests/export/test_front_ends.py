import numpy as np
import onnxruntime
import pytest
from sklearn.pipeline import make_pipeline, make_union

from skasd import ClipStatistics, KNNScorer, LogMelTransformer, PretrainedEmbedder
from skasd.export import ExportError, to_onnx
from skasd.export._front_ends import transform
from skasd.export._graph import Graph

from .agreement import check_agreement


def run(step, clips, n_axes=3):
    """Return what the graph of a front end gives for clips of one length."""
    graph = Graph()
    x = graph.input("waveform", np.float32, ["batch", "samples"])
    graph.output(
        "features", transform(step, graph, x), np.dtype(getattr(step, "dtype", "float32")), [*"abc"][:n_axes]
    )
    session = onnxruntime.InferenceSession(
        graph.model({}).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"waveform": clips})[0]


FRONT_ENDS = [
    {},
    {"n_fft": 400, "hop_length": 160, "win_length": 300, "n_mels": 20},
    {"n_fft": 401, "hop_length": 100, "n_mels": 20, "center": False},
    {"n_fft": 512, "win_length": 400, "center": False, "n_mels": 20, "fmin": 300.0, "fmax": 5000.0},
    {"pad_mode": "reflect", "htk": True, "norm": None},
    {"power": 1.0, "log": "natural", "amin": 1e-5},
    {"power": 1.5, "window": "hamming"},
    {"log": None, "filters": "kaldi", "preemphasis": 0.97, "n_mels": 40},
    {"standardize_waveform": True, "preemphasis": 0.9},
    {"fft_dtype": "float64", "win_length": 700},
    {"fft_dtype": "float64", "dtype": "float64", "center": False},
    {"dtype": "float16"},
]


@pytest.mark.parametrize("parameters", FRONT_ENDS, ids=str)
@pytest.mark.parametrize("n_samples", [8000, 2111])
def test_log_mels_are_those_of_the_library(sounds, parameters, n_samples):
    front = LogMelTransformer(**parameters)
    clips = sounds.healthy[:3, :n_samples]
    expected = front.fit_transform(clips)
    found = run(front, clips)
    assert found.dtype == expected.dtype
    atol = 0.13 if front.dtype == "float16" else 2e-3 if front.log == "db" else 3e-4
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=atol if front.log else 1e-4 * expected.max())
    assert np.abs(found - expected).mean() < atol / 30


def test_silence_and_constants_are_where_the_library_has_them():
    clips = np.stack([np.zeros(4000, np.float32), np.full(4000, 0.25, np.float32)])
    for front in (LogMelTransformer(), LogMelTransformer(standardize_waveform=True)):
        found, expected = run(front, clips), front.fit_transform(clips)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
        assert np.isfinite(found).all()


def test_clips_as_short_as_the_library_takes():
    clips = np.random.default_rng(0).normal(size=(2, 513)).astype(np.float32)
    for front in (
        LogMelTransformer(pad_mode="reflect"),
        LogMelTransformer(),
        LogMelTransformer(n_fft=512, center=False),
    ):
        n = front.min_samples()
        np.testing.assert_allclose(run(front, clips[:, :n]), front.fit_transform(clips[:, :n]), atol=2e-3)


@pytest.mark.parametrize("rate", [16000, 32000, 48000, 20000, 44100, 22050, 11025, 8000, 96000])
def test_encoder_at_every_rate(sounds, rate):
    embedder = PretrainedEmbedder(layer=("mel", "6", "9", "11"), sample_rate=rate)
    clips = sounds.healthy[:2, :7000]
    expected = embedder.fit_transform(clips)
    # of lower rates the bands beyond hold nothing but rounding
    atol = 1e-2 if (rate < 32000 and rate % 1000) or rate < 16000 else 1e-4
    np.testing.assert_allclose(run(embedder, clips, 2), expected, rtol=1e-4, atol=atol)


@pytest.mark.parametrize("n_samples", [50, 799, 800, 801, 2000, 11000, 12600])
def test_encoder_of_short_clips(sounds, n_samples):
    clips = np.concatenate([sounds.healthy[:2], sounds.healthy[2:4]], axis=1)[:, :n_samples]
    for bands in (True, False):
        embedder = PretrainedEmbedder(layer=("mel", "9"), bands=bands)
        np.testing.assert_allclose(
            run(embedder, clips, 2), embedder.fit_transform(clips), rtol=1e-4, atol=2e-3
        )


def test_statistics_are_those_of_the_library(sounds, tmp_path):
    statistics = ClipStatistics(("mean", "std", "max", "min", "median", 10, 97.5))
    detector = make_pipeline(LogMelTransformer(n_mels=16), statistics, KNNScorer(contamination=0.3))
    check_agreement(detector.fit(sounds.healthy), tmp_path, sounds.mixed)


def test_unions_of_front_ends(sounds, tmp_path):
    statistics = make_pipeline(LogMelTransformer(n_mels=16, n_fft=512, center=False), ClipStatistics())
    detector = make_pipeline(
        make_union(PretrainedEmbedder(layer="6", bands=False), statistics),
        KNNScorer(contamination=0.3),
    )
    check_agreement(detector.fit(sounds.healthy), tmp_path, sounds.mixed)


@pytest.mark.parametrize(
    ("front", "message"),
    [
        (
            make_union(PretrainedEmbedder(), "passthrough"),
            "begins with FunctionTransformer, which takes no clips",
        ),
        (
            PretrainedEmbedder(sample_rate=22051),
            r"PretrainedEmbedder\(sample_rate=22051\) .* multiple of 1000 Hz",
        ),
    ],
)
def test_front_ends_without_such_a_form_are_refused(sounds, tmp_path, front, message):
    detector = make_pipeline(front, KNNScorer()).fit(sounds.healthy)
    with pytest.raises(ExportError, match=message):
        to_onnx(detector, tmp_path / "model.onnx")
    weighted = make_union(PretrainedEmbedder()).set_params(transformer_weights={"pretrainedembedder": 2})
    with pytest.raises(ExportError, match="transformer_weights"):
        to_onnx(make_pipeline(weighted, KNNScorer()).fit(sounds.healthy), tmp_path / "model.onnx")
