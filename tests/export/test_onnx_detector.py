import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest

from skasd import AnomalousSoundDetector
from skasd.export import OnnxDetector, onnx_detector, to_onnx
from skasd.streaming import StreamingDetector


@pytest.fixture(scope="module")
def detector(sounds):
    return AnomalousSoundDetector(contamination=0.2).fit(sounds.healthy)


@pytest.fixture(scope="module")
def path(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    to_onnx(detector, path)
    return path


def test_scores_decisions_and_p_values_are_those_of_the_detector(path, detector, sounds):
    exported = OnnxDetector(path)
    scores = detector.anomaly_score(sounds.mixed)
    np.testing.assert_allclose(exported.anomaly_score(sounds.mixed), scores, rtol=1e-5)
    np.testing.assert_allclose(exported.score_samples(sounds.mixed), -scores, rtol=1e-5)
    # near the threshold it is the difference of much larger numbers
    decisions, tolerance = detector.decision_function(sounds.mixed), 1e-5 * np.abs(scores).max()
    np.testing.assert_allclose(exported.decision_function(sounds.mixed), decisions, rtol=0, atol=tolerance)
    np.testing.assert_allclose(exported.p_value(sounds.mixed), detector.p_value(sounds.mixed), rtol=1e-4)
    decisions = exported.predict(sounds.mixed)
    assert (decisions == detector.predict(sounds.mixed)).all()
    assert set(decisions) == {1, -1}
    found = exported.judge(sounds.mixed)
    assert list(found) == ["anomaly_score", "decision", "p_value"]
    assert found["anomaly_score"].tolist() == exported.anomaly_score(sounds.mixed).tolist()
    assert found["p_value"].tolist() == exported.p_value(sounds.mixed).tolist()
    assert (found["decision"] == decisions).all()
    assert exported.threshold_ == detector.threshold_ == -exported.offset_
    assert exported.sample_rate == 16000


def test_it_listens_to_streams(path, detector, sounds):
    found = [
        [
            (event.score, event.decision)
            for event in StreamingDetector(each, window=1.0).process(np.concatenate(sounds.mixed))
        ]
        for each in (OnnxDetector(path), detector)
    ]
    assert len(found[0]) > 2
    np.testing.assert_allclose(*found, rtol=1e-4)


def test_a_clip_scores_the_same_whatever_stands_beside_it(path, sounds):
    exported = OnnxDetector(path)
    together = exported.anomaly_score(sounds.mixed)
    alone = [exported.anomaly_score([clip])[0] for clip in sounds.mixed]
    assert together.tolist() == alone
    assert exported.anomaly_score(sounds.mixed[::-1]).tolist() == alone[::-1]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_file_takes_batches(path, sounds, size):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    clips = sounds.healthy[:size]
    scores, decisions, p_values = session.run(None, {"waveform": clips})
    exported = OnnxDetector(path)
    np.testing.assert_allclose(scores, exported.anomaly_score(clips), rtol=1e-6)
    assert (decisions == exported.predict(clips)).all()
    np.testing.assert_allclose(p_values, exported.p_value(clips), rtol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "scale", "shift"), [("int16", 2**15, 0), ("int32", 2**31, 0), ("uint8", 2**7, 128)]
)
def test_pcm_is_scaled_as_by_the_library(path, detector, sounds, dtype, scale, shift):
    clips = np.clip(np.round(sounds.healthy[:2] * scale) + shift, 0 if shift else -scale, 2**7 + scale)
    clips = clips.astype(dtype)
    np.testing.assert_allclose(
        OnnxDetector(path).anomaly_score(clips), detector.anomaly_score(clips), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ([], "no clips"),
        (np.zeros((0, 9)), "no clips"),
        (np.zeros(9), r"shape \(9,\)"),
        ("a.wav", "give waveforms"),
        ([np.zeros(9), np.zeros(0)], r"X\[1\] has 0 samples"),
        ([np.zeros((2, 9))], r"X\[0\] has shape \(2, 9\)"),
        ([np.full(9, np.nan)], r"X\[0\] contains NaN"),
        ([np.full(9, np.inf)], r"X\[0\] contains NaN or infinite"),
        ([np.zeros(9, int)], r"dtype int64"),
        ([np.full(9000, 1e30)], r"X\[0\] has no finite score"),
    ],
)
def test_what_is_no_clip_is_named(path, clips, message):
    with pytest.raises(ValueError, match=message):
        OnnxDetector(path).anomaly_score(clips)


def test_what_is_no_such_file_is_named(path, tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        OnnxDetector(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(ValueError, match="no ONNX file that can be run"):
        OnnxDetector(tmp_path / "text.onnx")
    model = onnx.load(path)
    for entry in list(model.metadata_props):
        if entry.key == "format":
            entry.value = "99"
    onnx.save(model, tmp_path / "later.onnx")
    with pytest.raises(ValueError, match=r"no detector of format 1 .* but of format 99"):
        OnnxDetector(tmp_path / "later.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(ValueError, match="no detector of format 1"):
        OnnxDetector(tmp_path / "foreign.onnx")


CODE = """
import json, sys
import numpy as np
{import_it}
detector = OnnxDetector(sys.argv[1])
scores = detector.anomaly_score(list(np.load(sys.argv[2])))
rooms = sorted(name for name in sys.modules if name.startswith("skasd"))
foreign = sorted({{"torch", "sklearn", "scipy", "pandas", "librosa"}} & set(sys.modules))
print(json.dumps([scores.tolist(), rooms, foreign]))
"""


@pytest.mark.parametrize("is_copied", [False, True])
def test_it_runs_with_numpy_and_onnxruntime_alone(path, sounds, tmp_path, is_copied):
    np.save(tmp_path / "clips.npy", sounds.healthy[:3])
    import_it = "from skasd.export import OnnxDetector"
    if is_copied:
        shutil.copy(onnx_detector.__file__, tmp_path / "gateway.py")
        import_it = f"sys.path.insert(0, {str(tmp_path)!r})\nfrom gateway import OnnxDetector"
    command = [sys.executable, "-W", "error", "-c", CODE.format(import_it=import_it)]
    done = subprocess.run(
        [*command, path, tmp_path / "clips.npy"], capture_output=True, text=True, check=True
    )
    scores, rooms, foreign = json.loads(done.stdout)
    assert scores == OnnxDetector(path).anomaly_score(sounds.healthy[:3]).tolist()
    assert rooms == ([] if is_copied else ["skasd", "skasd.export", "skasd.export.onnx_detector"])
    assert foreign == []
