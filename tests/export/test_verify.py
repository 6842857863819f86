import numpy as np
import onnx
import pytest
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LogMelTransformer
from skasd.clips import ClipError
from skasd.export import Verification, to_onnx, verify


@pytest.fixture
def detector(sounds):
    return make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), KNNScorer(contamination=0.3)).fit(
        sounds.healthy
    )


def test_a_file_agrees_with_its_detector(detector, sounds, tmp_path):
    to_onnx(detector, tmp_path / "model.onnx")
    found = verify(tmp_path / "model.onnx", detector, sounds.mixed)
    assert found.n_clips == len(sounds.mixed)
    assert found.is_good
    assert 0 < found.relative_difference < 1e-5
    assert found.spread == pytest.approx(detector.score_samples(sounds.mixed).std())
    assert repr(found).startswith(f"good: {found.n_clips} clips, scores differ by at most ")
    assert "on 0 clips" in repr(found)


def test_a_file_that_differs_is_found(detector, sounds, tmp_path):
    path = tmp_path / "model.onnx"
    to_onnx(detector, path)
    model = onnx.load(path)
    center = next(
        each
        for each in model.graph.initializer
        if onnx.numpy_helper.to_array(each).shape == (32,) and each.data_type == onnx.TensorProto.DOUBLE
    )
    moved = onnx.numpy_helper.to_array(center) + 3.0
    center.CopyFrom(onnx.numpy_helper.from_array(moved, center.name))
    onnx.save(model, path)
    found = verify(path, detector, sounds.mixed)
    assert not found.is_good
    assert found.relative_difference > 0.01
    assert found.n_changed > 0
    assert repr(found).startswith("NOT GOOD")


def test_one_changed_decision_is_not_good():
    assert Verification(10, 1e-9, 1.0, 0, np.nan).is_good
    assert not Verification(10, 1e-9, 1.0, 1, np.nan).is_good
    assert not Verification(10, 2e-4, 1.0, 0, np.nan).is_good
    assert "p-values" not in repr(Verification(10, 1e-9, 1.0, 0, np.nan))


@pytest.mark.parametrize("gains", [[1.0], [1.0, 1.001, 1.002]])
def test_clips_that_are_alike_are_measured_by_the_training_clips(detector, sounds, tmp_path, gains):
    to_onnx(detector, tmp_path / "model.onnx")
    alike = [gain * sounds.mixed[0] for gain in gains]
    training = detector[-1].training_scores_
    quartiles = np.quantile(training, [0.25, 0.75])
    usual = min(training.std(), np.diff(quartiles).item() / 1.349)
    assert detector.score_samples(alike).std() < 0.1 * usual
    found = verify(tmp_path / "model.onnx", detector, alike)
    assert found.spread == pytest.approx(usual)


def test_an_outlier_among_the_training_clips_asks_for_no_fewer_digits(
    detector, sounds, tmp_path, monkeypatch
):
    to_onnx(detector, tmp_path / "model.onnx")
    before = verify(tmp_path / "model.onnx", detector, sounds.mixed[:1]).spread
    scores = detector[-1].training_scores_.copy()
    scores[scores.argmax()] *= 1000
    monkeypatch.setattr(detector[-1], "training_scores_", scores)
    assert scores.std() > 50 * before
    assert verify(tmp_path / "model.onnx", detector, sounds.mixed[:1]).spread < 1.5 * before


def test_bad_clips_are_named(detector, tmp_path):
    to_onnx(detector, tmp_path / "model.onnx")
    with pytest.raises(ClipError, match=r"none\.wav"):
        verify(tmp_path / "model.onnx", detector, [str(tmp_path / "none.wav")])
