import numpy as np
import onnx
import pytest
from sklearn.pipeline import make_pipeline

from skasd import (
    AnomalousSoundDetector,
    AutoencoderEmbedder,
    ClipStatistics,
    KNNScorer,
    LogMelTransformer,
    MahalanobisScorer,
    PretrainedEmbedder,
)
from skasd.export import ExportError, OnnxDetector, quantize, to_onnx, verify


@pytest.fixture(scope="module")
def network(sounds, tmp_path_factory):
    """A detector with a network, its file and the rounded one."""
    embedder = AutoencoderEmbedder(max_epochs=2, output="embedding", random_state=0)
    front = LogMelTransformer(n_fft=256, n_mels=64)
    detector = make_pipeline(front, embedder, KNNScorer(contamination=0.3)).fit(sounds.healthy)
    folder = tmp_path_factory.mktemp("quantized")
    to_onnx(detector, folder / "model.onnx")
    quantize(detector, folder / "int8.onnx", sounds.healthy)
    return detector, folder / "model.onnx", folder / "int8.onnx"


def test_the_network_alone_is_rounded_and_the_file_is_smaller(network):
    _, whole, rounded = network
    assert rounded.stat().st_size < 0.75 * whole.stat().st_size
    types = {each.name: each.data_type for each in onnx.load(rounded).graph.initializer}
    kinds = {}
    made_of = {output: node for node in onnx.load(rounded).graph.node for output in node.output}
    for node in onnx.load(rounded).graph.node:
        if node.op_type in ("Conv", "MatMul"):
            source = made_of.get(node.input[1])
            is_rounded = source is not None and source.op_type == "DequantizeLinear"
            assert not is_rounded or types[source.input[0]] == onnx.TensorProto.INT8
            kinds.setdefault("network/" in node.name, set()).add(is_rounded)
    assert kinds == {True: {True, False}, False: {False}}


def test_scores_change_a_little_and_properties_stay(network, sounds):
    detector, whole, rounded = network
    before = detector[-1].training_scores_.copy()
    found = verify(rounded, detector, sounds.mixed)
    assert 1e-4 < found.relative_difference < 1
    exact, short = OnnxDetector(whole), OnnxDetector(rounded)
    own = {"quantized": "int8", "threshold": str(short.threshold_)}
    assert short.properties == {**exact.properties, **own}
    assert short.threshold_ != exact.threshold_
    assert detector[-1].training_scores_.tolist() == before.tolist()


def test_references_are_those_of_the_rounded_network(network, sounds):
    detector, _, rounded = network
    # one neighbour: a clip that was learnt from has the distance zero to itself, but for the rounding of batches
    spread = detector[-1].training_scores_.std()
    assert OnnxDetector(rounded).anomaly_score(sounds.healthy).max() < 1e-4 * spread


def test_what_is_known_of_the_clips_goes_to_the_last_step(sounds, tmp_path):
    detector = make_pipeline(PretrainedEmbedder(), MahalanobisScorer(contamination=0.3))
    known = {"domain": sounds.domain, "groups": np.arange(len(sounds.domain)) // 2}
    detector.fit(sounds.healthy, **{f"mahalanobisscorer__{name}": value for name, value in known.items()})
    quantize(detector, tmp_path / "told.onnx", sounds.healthy, **known)
    quantize(detector, tmp_path / "none.onnx", sounds.healthy)
    found = [verify(tmp_path / f"{name}.onnx", detector, sounds.mixed) for name in ("told", "none")]
    assert found[0].relative_difference < found[1].relative_difference
    told, none = (OnnxDetector(tmp_path / f"{name}.onnx").threshold_ for name in ("told", "none"))
    assert abs(told - detector[-1].threshold_) < abs(none - detector[-1].threshold_)


@pytest.mark.slow
def test_recordings_that_the_default_detector_knows_are_left_out_together(sounds, tmp_path):
    groups = np.arange(len(sounds.domain)) // 4
    detector = AnomalousSoundDetector(contamination=0.3).fit(sounds.healthy, groups=groups)
    quantize(detector, tmp_path / "kept.onnx", sounds.healthy)
    quantize(detector, tmp_path / "told.onnx", sounds.healthy, groups=groups)
    quantize(detector, tmp_path / "others.onnx", sounds.healthy, groups=np.arange(len(groups)))
    kept, told, others = (OnnxDetector(tmp_path / f"{name}.onnx") for name in ("kept", "told", "others"))
    assert kept.threshold_ == told.threshold_ != others.threshold_


@pytest.mark.parametrize(
    "front",
    [make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics()), PretrainedEmbedder(layer="mel")],
    ids=str,
)
def test_a_detector_without_a_network_is_refused(sounds, tmp_path, front):
    detector = make_pipeline(front, KNNScorer()).fit(sounds.healthy)
    with pytest.raises(ExportError, match="Pipeline has no network whose arithmetic could be rounded"):
        quantize(detector, tmp_path / "int8.onnx", sounds.healthy)
    assert not (tmp_path / "int8.onnx").exists()
