"""Detectors in ONNX whose networks use 8-bit integers."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from .._typing import PathName
from ..clips import Clips
from ..compose import fitted_steps
from ._detectors import fronts
from ._front_ends import transform_by
from ._graph import NETWORK, Graph
from ._refusal import ExportError
from ._to_onnx import make_model, write_model

_MOST_CLIPS = 32  # to learn the range of values from
_LEAST_TERMS = 64  # of a sum that is rounded: with fewer, errors do not average out


def quantize(detector: Any, path: PathName, clips: Any, **metadata) -> None:
    """Write a fitted detector to one ONNX file, with most of its network's arithmetic in 8-bit integers.

    Parameters
    ----------
    detector : estimator
        Fitted, as for `to_onnx`, with a network before its last step. It is not changed.
    path : path-like
        File to write; it is written whole or not at all.
    clips : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
        The clips that the detector was fitted on: the range of values in the network is learnt from some of them, and
        the last step is fitted again to the output of the rounded network for all of them.
    **metadata : sequence of length n_clips
        What `fit` was given for the last step, by name: `section`, `domain`, `groups`. Recordings that
        :class:`~skasd.detector.AnomalousSoundDetector` recognised by itself need not be given.

    Raises
    ------
    ExportError
        If there is no network that can be rounded, or a part of the detector cannot be exported.

    See Also
    --------
    to_onnx : The same without rounding.

    Notes
    -----
    Rounding moves the rows of all clips, by more than healthy clips differ from each other, so references and threshold
    must be computed from rounded rows. The last step is fitted again, and the threshold set again, as in `fit`: scores
    differ from those of the detector, and `verify` reports this. The AUC of clips with known labels shows best what
    this costs.

    Matrix products and convolutions over all channels whose sums have 64 terms or more are rounded, weights for each
    channel, inputs by the least and the greatest value on 32 of the clips (onnxruntime's static quantisation). Others,
    the front end and the scorer do not change.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import KNNScorer, PretrainedEmbedder
    >>> from skasd.export import OnnxDetector, quantize
    >>> clips = np.random.default_rng(0).normal(scale=0.1, size=(10, 4000)).astype(np.float32)
    >>> detector = make_pipeline(PretrainedEmbedder(), KNNScorer(contamination=0.5)).fit(clips)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     quantize(detector, Path(folder, "model.onnx"), clips)
    ...     OnnxDetector(Path(folder, "model.onnx")).properties["quantized"]
    'int8'
    """
    import onnxruntime

    check_is_fitted(detector)
    *steps, last = fitted_steps(detector)
    front = fronts(detector)[0]
    waveforms = Clips(clips, sample_rate=front.sample_rate, channel=front.channel, limits=front.limits)
    graph = Graph()
    x = transform_by(steps, graph, graph.input("waveform", np.float32, ["batch", "samples"]))
    graph.output("rows", graph.double(x), np.float64, ["batch", "columns"])
    rounded = _rounded(graph.model({}), waveforms, type(detector).__name__)
    session = onnxruntime.InferenceSession(rounded.SerializeToString(), providers=["CPUExecutionProvider"])
    rows = np.vstack([session.run(None, {"waveform": _batch(waveform)})[0] for waveform in waveforms])
    recognised = getattr(detector, "groups_", None)
    if metadata.get("groups") is None and recognised is not None and len(recognised) == len(rows):
        metadata = {**metadata, "groups": recognised}
    fitted = clone(last).fit(rows, **metadata)
    model = _rounded(make_model(detector, [*steps, fitted]), waveforms, type(detector).__name__)
    model.metadata_props.add(key="quantized", value="int8")
    write_model(model, path)


def _batch(waveform):
    return np.asarray(waveform, np.float32)[None]


def _rounded(model, waveforms, name):
    """Return a model with the network in 8-bit integers, scaled by its values on some waveforms."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    sizes = {each.name: each.dims for each in model.graph.initializer}
    nodes = [node.name for node in model.graph.node if _can_be_rounded(node, sizes)]
    if not nodes:
        raise ExportError(f"{name} has no network whose arithmetic could be rounded: use to_onnx.")
    every = max(1, -(-len(waveforms) // _MOST_CLIPS))

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.waveforms = (waveform for i, waveform in enumerate(waveforms) if i % every == 0)

        def get_next(self):
            waveform = next(self.waveforms, None)
            return None if waveform is None else {"waveform": _batch(waveform)}

    with tempfile.TemporaryDirectory() as folder:
        whole, prepared, made = (str(Path(folder, f"{part}.onnx")) for part in ("whole", "prepared", "made"))
        onnx.save(model, whole)
        quant_pre_process(whole, prepared, skip_optimization=True, skip_symbolic_shape=True)
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
        rounded = onnx.load(made)
    onnx.helper.set_model_props(rounded, {each.key: each.value for each in model.metadata_props})
    return rounded


def _can_be_rounded(node, sizes):
    """Tell whether a node belongs to a network and sums many terms with constant weights."""
    if f"{NETWORK}/" not in node.name or node.op_type not in ("Conv", "MatMul") or node.input[1] not in sizes:
        return False
    size = sizes[node.input[1]]
    return (np.prod(size[1:]) if node.op_type == "Conv" else size[0]) >= _LEAST_TERMS
