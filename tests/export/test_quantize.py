import numpy as np
import onnx
import pytest
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MFNEmbedder, PretrainedEmbedder
from skasd.export import ExportError, OnnxDetector, quantize, to_onnx, verify


@pytest.fixture(scope="module")
def network(sounds, tmp_path_factory):
    """A detector with a network, its file and the rounded one."""
    embedder = MFNEmbedder(16, patch_frames=12, max_epochs=1, random_state=0)
    detector = make_pipeline(LogMelTransformer(n_mels=32), embedder, KNNScorer(contamination=0.3))
    detector.fit(sounds.healthy, mfnembedder__section=sounds.section)
    folder = tmp_path_factory.mktemp("quantized")
    to_onnx(detector, folder / "model.onnx")
    quantize(folder / "model.onnx", folder / "int8.onnx", sounds.healthy[:8])
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
    assert kinds == {True: {True}, False: {False}}


def test_scores_change_a_little_and_properties_stay(network, sounds):
    detector, whole, rounded = network
    found = verify(rounded, detector, sounds.mixed)
    assert 1e-4 < found.relative_difference < 1.5
    exact, short = OnnxDetector(whole), OnnxDetector(rounded)
    assert short.properties == {**exact.properties, "quantized": "int8"}
    correlation = np.corrcoef(exact.anomaly_score(sounds.mixed), short.anomaly_score(sounds.mixed))[0, 1]
    assert correlation > 0.95


def test_a_file_without_a_network_is_refused(sounds, tmp_path):
    detector = make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), KNNScorer()).fit(sounds.healthy)
    to_onnx(detector, tmp_path / "model.onnx")
    with pytest.raises(ExportError, match="no network"):
        quantize(tmp_path / "model.onnx", tmp_path / "int8.onnx", sounds.healthy)
    mel = make_pipeline(PretrainedEmbedder(layer="mel"), KNNScorer()).fit(sounds.healthy)
    to_onnx(mel, tmp_path / "model.onnx")
    with pytest.raises(ExportError, match="no network"):
        quantize(tmp_path / "model.onnx", tmp_path / "int8.onnx", sounds.healthy)
    assert not (tmp_path / "int8.onnx").exists()
