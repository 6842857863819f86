"""What the tests of the export share: a detector beside its file."""

import numpy as np

from skasd.compose import fitted_steps
from skasd.export import OnnxDetector, to_onnx


def exported(detector, folder):
    """Return the detector's file, opened."""
    to_onnx(detector, folder / "model.onnx")
    return OnnxDetector(folder / "model.onnx")


def check_agreement(detector, folder, clips, atol=1e-4):
    """Raise unless a detector and its file agree, to `atol` of the spread of the scores of training clips."""
    found = exported(detector, folder)
    last = fitted_steps(detector)[-1]
    spread = np.ptp(last.training_scores_) / 4
    assert spread > 0
    scores = -detector.score_samples(clips)
    np.testing.assert_allclose(found.anomaly_score(clips), scores, rtol=1e-5, atol=atol * spread)
    assert (found.predict(clips) == detector.predict(clips)).all()
    steep = atol * spread * 2 / np.diff(np.unique(last.calibration_scores_)).min() / len(scores)
    expected = last.p_value_of_scores(scores)
    np.testing.assert_allclose(found.p_value(clips), expected, atol=2e-6 + min(steep, 1e-3))
    return found
