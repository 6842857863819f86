"""A fitted detector as one ONNX file."""

import importlib.metadata
import inspect
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .. import __version__
from .._typing import PathName
from .._whole_file import check_output, whole_file
from ..compose import fitted_steps
from . import _embedders  # noqa: F401  registers its converters
from ._detectors import fronts, interpolated
from ._front_ends import transform_by
from ._graph import Graph
from ._refusal import ExportError
from ._scorers import score

FORMAT = "1"
_TOLERANCE = 1e-6  # of p-values between knots
_MOST_KNOTS = 20_000


def to_onnx(detector: Any, path: PathName) -> None:
    """Write a fitted detector, from the waveform to the decision, to one ONNX file.

    Parameters
    ----------
    detector : estimator
        Fitted: an :class:`~skasd.detector.AnomalousSoundDetector`, or a pipeline that takes clips. See Notes for the
        supported parts.
    path : path-like
        File to write, by custom ``*.onnx``. It is written whole or not at all.

    Raises
    ------
    ExportError
        If a part of the detector cannot be exported; the message names it and the remedy. Nothing is written.
    ImportError
        If the package ``onnx`` is missing (extra ``onnx``).

    See Also
    --------
    verify : Compare the file with the detector.
    OnnxDetector : Run the file.
    quantize : Use 8-bit integers in the network.

    Notes
    -----
    The input ``waveform`` is float32 of shape (batch, samples), at ``sample_rate``; both axes may have any length that
    the detector accepts. The outputs, one number for each clip, are ``anomaly_score`` (float64), ``decision`` (int64;
    +1 normal, -1 anomalous) and, if the detector has p-values, ``p_value`` (float64). The file takes no metadata: if
    there were sections or domains in `fit`, scores are those of ``detector.score_samples(clips)``.

    The arithmetic is that of the detector: front ends and networks work in float32 (front ends with
    ``fft_dtype="float64"`` in double precision), scorers in double precision. Fourier transforms are matrix products.
    Waveforms in double precision, which the Python front ends keep, are converted to float32. P-values are exact if
    they are interpolated between scores; those of ``calibration="gamma"`` agree to 1e-6.

    Properties of the file, all text: ``format``, ``sample_rate``, ``min_samples``, ``threshold``, ``n_references``,
    ``detector`` (how it was made), and the versions of skasd, torch, scikit-learn and NumPy.

    What can be exported: `AnomalousSoundDetector` with ``mode="fast"``; front ends `LogMelTransformer` and
    `PretrainedEmbedder` with its own encoder; `ClipStatistics`; `MFNEmbedder`, `MobileNetV2Embedder`, `DPTEmbedder`,
    `ViTEmbedder`, with ``output="embedding"``, and `AutoencoderEmbedder`; `FeatureUnion` of such; all scorers except
    `GammaSoftmaxScorer` and `OEVAEScorer`, `LOFScorer` with Euclidean distance; `PerSection`, `DomainDependent` and
    `ScoreEnsemble`; wrappers of one detector, such as `NormalOnly` and searches.

    The file uses operator set 18, which onnxruntime has since 1.14; the tests run with 1.31.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import ClipStatistics, LogMelTransformer, MahalanobisScorer
    >>> from skasd.export import OnnxDetector, to_onnx
    >>> clips = np.random.default_rng(0).normal(scale=0.1, size=(20, 4000)).astype(np.float32)
    >>> detector = make_pipeline(LogMelTransformer(), ClipStatistics(), MahalanobisScorer()).fit(clips)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(detector, Path(folder, "model.onnx"))
    ...     exported = OnnxDetector(Path(folder, "model.onnx"))
    >>> bool(abs(exported.score_samples(clips) - detector.score_samples(clips)).max() < 1e-4)
    True
    """
    write_model(make_model(detector), path)


def write_model(model: Any, path: PathName) -> None:
    """Write an ONNX model to a file, whole or not at all."""
    check_output(path)
    with whole_file(path) as name, open(name, "wb") as file:
        file.write(model.SerializeToString())


def make_model(detector: Any, steps: list | None = None) -> Any:
    """Return a fitted detector as an ONNX model; `steps` replace its own ones (see `fitted_steps`)."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ImportError("The export takes the package onnx: pip install skasd[onnx]") from error
    check_is_fitted(detector)
    *front, last = fitted_steps(detector) if steps is None else steps
    sound = _sound(detector)
    graph = Graph()
    x = graph.input("waveform", np.float32, ["batch", "samples"])
    scores = score(last, graph, transform_by(front, graph, x))
    graph.output("anomaly_score", scores, np.float64, ["batch"])
    decision = graph.op("Sub", graph.op("Neg", scores), np.float64(last.offset_))
    is_normal = graph.op("GreaterOrEqual", decision, np.float64(0))
    graph.output("decision", graph.op("Where", is_normal, np.int64(1), np.int64(-1)), np.int64, ["batch"])
    if hasattr(last, "p_value_of_scores"):
        graph.output("p_value", _p_values(last, graph, scores), np.float64, ["batch"])
    return graph.model(_properties(detector, sound, last))


def _sound(detector):
    """Return the sample rate and the minimum number of samples of the clips that a detector takes."""
    steps = fronts(detector)
    for step in steps:
        if not hasattr(step, "sample_rate"):
            raise ExportError(
                f"The detector begins with {type(step).__name__}, which takes no clips: export the pipeline with the "
                "front end, as LogMelTransformer, before it."
            )
    rates = sorted({step.sample_rate for step in steps})
    if len(rates) > 1:
        raise ExportError(f"The front ends work at {rates} Hz: a file takes clips of one sample rate.")
    return rates[0], max(step.min_samples() if hasattr(step, "min_samples") else 1 for step in steps)


def _p_values(detector, graph, scores):
    """Return p-values, interpolated between knots of their function of the score."""
    known = np.unique(detector.calibration_scores_)
    known = known[np.isfinite(known)]
    at = detector.p_value_of_scores(known)
    sides = [np.nextafter(known, towards) for towards in (-np.inf, np.inf)]
    jumps = [side[np.abs(detector.p_value_of_scores(side) - at) > 1e-12] for side in sides]
    width = known[-1] - known[0]
    outside = [known[0] - width * np.linspace(0.1, 3, 30), known[-1] + width * np.linspace(0.1, 10, 100)]
    knots = np.unique(np.concatenate([known, *jumps, *outside]))
    heights = detector.p_value_of_scores(knots)
    while len(knots) < _MOST_KNOTS:  # halve intervals where the function is not linear
        middles = knots[:-1] / 2 + knots[1:] / 2
        exact = detector.p_value_of_scores(middles)
        bent = np.abs(exact - heights[:-1] / 2 - heights[1:] / 2) > _TOLERANCE
        bent &= (middles > knots[:-1]) & (middles < knots[1:])
        if not bent.any():
            break
        knots = np.concatenate([knots, middles[bent]])
        order = np.argsort(knots)
        knots, heights = knots[order], np.concatenate([heights, exact[bent]])[order]
    return interpolated(graph, scores, knots, heights)


def _properties(detector, sound, last):
    """Return the properties of a file, by name."""
    versions = {name: importlib.metadata.version(name) for name in ("torch", "scikit-learn", "numpy", "onnx")}
    representation = type(detector).__repr__
    # scikit-learn's cuts off after 700 characters
    whole = {"N_CHAR_MAX": 100_000} if "N_CHAR_MAX" in inspect.signature(representation).parameters else {}
    return {
        "format": FORMAT,
        "skasd": __version__,
        **versions,
        "sample_rate": str(sound[0]),
        "min_samples": str(sound[1]),
        "threshold": repr(float(last.threshold_)),
        "n_references": str(len(last.training_scores_)),
        "detector": representation(detector, **whole),
    }
