import numpy as np
import onnx
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skasd
from skasd import (
    AnomalousSoundDetector,
    ClipStatistics,
    KNNScorer,
    LogMelTransformer,
    MahalanobisScorer,
    NormalOnly,
    PretrainedEmbedder,
    STFTTransformer,
)
from skasd.compose import set_threshold
from skasd.export import ExportError, OnnxDetector, to_onnx

from .agreement import check_agreement


def statistics(*more, **front):
    return make_pipeline(LogMelTransformer(n_mels=16, **front), ClipStatistics(), *more)


def test_properties_say_what_the_file_is(sounds, tmp_path):
    detector = statistics(KNNScorer(n_neighbors=2), center=False).fit(sounds.healthy)
    to_onnx(detector, tmp_path / "model.onnx")
    properties = OnnxDetector(tmp_path / "model.onnx").properties
    assert properties["skasd"] == skasd.__version__
    assert properties["sample_rate"] == "16000"
    assert properties["min_samples"] == "1024"
    assert float(properties["threshold"]) == detector[-1].threshold_
    assert properties["n_references"] == str(len(sounds.healthy))
    assert "KNNScorer(n_neighbors=2)" in properties["detector"]
    assert {"torch", "scikit-learn", "numpy", "onnx", "format"} <= set(properties)
    with pytest.raises(ValueError, match=r"1023 samples; at least 1024"):
        OnnxDetector(tmp_path / "model.onnx").predict(np.zeros((1, 1023)))


def test_the_file_keeps_to_operators_that_old_versions_of_onnxruntime_have(sounds, tmp_path):
    detector = make_pipeline(PretrainedEmbedder(layer=("mel", "9")), KNNScorer()).fit(sounds.healthy)
    to_onnx(detector, tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 18)]
    assert model.ir_version == 8
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)


def test_wrappings_of_one_detector_are_looked_through(sounds, tmp_path):
    detector = NormalOnly(statistics(KNNScorer(contamination=0.3))).fit(sounds.healthy)
    check_agreement(detector, tmp_path, sounds.mixed)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_pipeline(STFTTransformer(), ClipStatistics(), KNNScorer()), "STFTTransformer cannot"),
        (lambda: statistics(StandardScaler(), KNNScorer()), "StandardScaler cannot"),
        (lambda: statistics(IsolationForest()), "IsolationForest cannot be exported: detectors"),
        (lambda: make_pipeline(ClipStatistics(), KNNScorer()), "begins with ClipStatistics, which takes no"),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name_and_nothing_is_written(sounds, tmp_path, make, message):
    detector = make()
    X = sounds.healthy[:, None, :64] if isinstance(detector[0], ClipStatistics) else sounds.healthy
    detector.fit(X)
    (tmp_path / "model.onnx").write_text("before")
    with pytest.raises(ExportError, match=message):
        to_onnx(detector, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_detectors_must_be_fitted(tmp_path):
    with pytest.raises(NotFittedError):
        to_onnx(AnomalousSoundDetector(), tmp_path / "model.onnx")
    with pytest.raises(NotFittedError):
        to_onnx(statistics(KNNScorer()), tmp_path / "model.onnx")


@pytest.mark.parametrize("calibration", ["cross", "train", "gamma"])
def test_p_values_follow_the_rule_of_the_detector(sounds, tmp_path, calibration):
    scorer = MahalanobisScorer(contamination=0.3, calibration=calibration)
    detector = statistics(scorer).fit(sounds.healthy)
    exported = check_agreement(detector, tmp_path, sounds.mixed)
    assert set(exported.predict(sounds.mixed)) == {1, -1}
    assert np.ptp(exported.p_value(sounds.mixed)) > 0.5


def test_later_thresholds_are_exported(sounds, tmp_path):
    detector = statistics(KNNScorer()).fit(sounds.healthy)
    before = detector[-1].threshold_
    set_threshold(detector, sounds.healthy[:9] + np.float32(0.01), contamination=0.4)
    exported = check_agreement(detector, tmp_path, sounds.mixed)
    assert exported.threshold_ == detector[-1].threshold_ != before
