"""Networks of exported files in 8-bit integers."""

import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .._typing import PathName
from .._whole_file import check_output, whole_file
from ..clips import Clips
from ._graph import NETWORK
from ._refusal import ExportError
from .onnx_detector import OnnxDetector


def quantize(
    path: PathName, output: PathName, clips: Any, *, channel: Literal["mean"] | int = "mean"
) -> None:
    """Write an exported detector anew, with the convolutions and matrix products of its network in 8-bit integers.

    Parameters
    ----------
    path : path-like
        File that `to_onnx` wrote, of a detector with a network.
    output : path-like
        File to write; it is written whole or not at all.
    clips : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
        Some of the clips that the detector was fitted on, a few dozen: what values the network meets is learnt from
        them.
    channel : "mean" or int, default="mean"
        What to take of files with several channels.

    Raises
    ------
    ExportError
        If there is no network in the file.

    See Also
    --------
    verify : Tells how much scores and decisions change.

    Notes
    -----
    Front end and scorer stay as they are. Numbers are rounded to 8 bits by the least and the greatest value on the
    clips, weights for each channel (onnxruntime's static quantisation). Scores change, most of all those near the
    references, and the threshold is that of before: look at `verify` on healthy clips that were not fitted on, and at
    the AUC where there are anomalies to be had. What is gained is a smaller file and, on processors with instructions
    for it, time.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import KNNScorer, PretrainedEmbedder
    >>> from skasd.export import OnnxDetector, quantize, to_onnx
    >>> clips = np.random.default_rng(0).normal(scale=0.1, size=(10, 16000)).astype(np.float32)
    >>> detector = make_pipeline(PretrainedEmbedder(), KNNScorer(contamination=0.5)).fit(clips)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     whole, short = Path(folder, "model.onnx"), Path(folder, "int8.onnx")
    ...     to_onnx(detector, whole)
    ...     quantize(whole, short, clips[:3])
    ...     OnnxDetector(short).properties["quantized"]
    'int8'
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    detector = OnnxDetector(path)
    waveforms = Clips(clips, sample_rate=detector.sample_rate, channel=channel)
    model = onnx.load(path)
    nodes = [
        node.name
        for node in model.graph.node
        if f"{NETWORK}/" in node.name and node.op_type in ("Conv", "MatMul")
    ]
    if not nodes:
        raise ExportError(f"There is no network in {str(path)!r} that could be quantised.")

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.waveforms = iter(waveforms)

        def get_next(self):
            waveform = next(self.waveforms, None)
            return None if waveform is None else {"waveform": np.asarray(waveform, np.float32)[None]}

    check_output(output)
    with tempfile.TemporaryDirectory() as folder, whole_file(output) as name:
        prepared, made = str(Path(folder, "prepared.onnx")), str(Path(folder, "int8.onnx"))
        quant_pre_process(str(path), prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            made,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "MatMul"],
            nodes_to_quantize=nodes,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
        quantized = onnx.load(made)
        onnx.helper.set_model_props(quantized, {**detector.properties, "quantized": "int8"})
        onnx.save(quantized, name)
