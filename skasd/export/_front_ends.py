"""Front ends in ONNX: from waveforms to spectrograms, and from those to statistics."""

from typing import Any

import numpy as np
from sklearn.pipeline import FeatureUnion, Pipeline

from ..compose import fitted_steps
from ..features import ClipStatistics, LogMelTransformer
from ._refusal import Converters, ExportError

# transform(step, graph, x) adds a fitted transformer to the graph and returns its output for x
transform = Converters("front ends, embedders and statistics", looser=(FeatureUnion, Pipeline))


def transform_by(steps: list, graph: Any, x: str) -> str:
    """Add fitted transformers to the graph, one after another, and return the output of the last."""
    for step in steps:
        x = transform(step, graph, x)
    return x


@transform.register
def _log_mel(step: LogMelTransformer, graph, x):
    with graph.scope("log_mel"):
        if step.standardize_waveform:
            x = _standardized(graph, x)
        if step.preemphasis is not None:
            after, before = graph.part(x, 1, 1, np.iinfo(np.int64).max), graph.part(x, 1, 0, -1)
            x = graph.op("Sub", after, graph.op("Mul", before, np.float32(step.preemphasis)))
        filters = step.mel_filters()
        bins = np.flatnonzero(filters.any(axis=0))
        precision = np.dtype(step.fft_dtype or np.float32)
        powers = _power_spectrogram(graph, x, step, bins, precision)
        if step.power == 1:
            powers = graph.op("Sqrt", powers)
        elif step.power != 2:
            powers = graph.op("Pow", powers, precision.type(step.power / 2))
        levels = graph.op("MatMul", filters[:, bins].astype(precision), powers)
        if step.log is not None:
            factor = 20 / step.power / np.log(10) if step.log == "db" else 1.0
            levels = graph.op("Log", graph.op("Max", levels, precision.type(step.amin)))
            levels = graph.op("Mul", levels, precision.type(factor))
        return graph.cast(levels, step.dtype)


def _standardized(graph, x):
    """Bring waveforms to a mean of 0 and a variance of 1; constant ones to a mean of 0."""
    mean = graph.reduce("Mean", graph.double(x), 1, keepdims=True)
    x = graph.op("Sub", x, graph.cast(mean, np.float32))
    precise = graph.double(x)
    spread = graph.std(precise, graph.reduce("Mean", precise, 1, keepdims=True), 1, keepdims=True)
    least = graph.op("Mul", graph.op("Abs", mean), np.float64(1e-7))
    spread = graph.op("Where", graph.op("Greater", spread, least), spread, np.float64(1))
    return graph.op("Div", x, graph.cast(spread, np.float32))


def _power_spectrogram(graph, x, step, bins, precision):
    """Return |STFT|^2 (batch, n_bins, n_frames) of some bins: a matrix product of frames with windowed waves."""
    window = step.padded_window()
    inside = np.flatnonzero(window)
    first, last = inside[0], inside[-1] + 1
    angle = 2 * np.pi / step.n_fft * (bins[:, None] * np.arange(first, last) % step.n_fft)
    waves = np.concatenate([np.cos(angle), np.sin(angle)]) * window[first:last]
    pad = step.n_fft // 2 if step.center else 0
    if pad:
        x = graph.op("Pad", x, np.array([0, pad, 0, pad]), mode=step.pad_mode)
    # the zeros of the window are left out, and the samples at both ends that no frame needs without them
    if first or last < step.n_fft:
        x = graph.part(x, 1, int(first), int(last) - step.n_fft or np.iinfo(np.int64).max)
    if precision == np.float32:
        x = graph.op("Unsqueeze", x, np.array([1]))
        waves = waves[:, None].astype(np.float32)
        parts = graph.op("Conv", x, waves, strides=[step.hop_length], kernel_shape=[int(last - first)])
    else:  # onnxruntime has no convolution in double precision
        end = graph.op("Sub", graph.length(x, 1), np.int64(last - first - 1))
        starts = graph.reshape(graph.count(end, step=step.hop_length), -1, 1)
        frames = graph.op("Gather", x, graph.op("Add", starts, np.arange(last - first)), axis=1)
        parts = graph.op("MatMul", graph.cast(frames, precision), waves.T.astype(precision))
        parts = graph.op("Transpose", parts, perm=[0, 2, 1])
    real, imaginary = graph.ops("Split", 2, parts, axis=1, num_outputs=2)
    return graph.op("Add", graph.op("Mul", real, real), graph.op("Mul", imaginary, imaginary))


@transform.register
def _statistics(step: ClipStatistics, graph, x):
    with graph.scope("statistics"):
        x = graph.double(x)
        mean = graph.reduce("Mean", x, 2, keepdims=True)
        found = {
            "mean": lambda: graph.op("Squeeze", mean, np.array([2])),
            "std": lambda: graph.std(x, mean, 2),
            "max": lambda: graph.reduce("Max", x, 2),
            "min": lambda: graph.reduce("Min", x, 2),
            "median": lambda: _percentile(graph, x, 50.0),
        }
        parts = [
            found[name]() if isinstance(name, str) else _percentile(graph, x, float(name))
            for name in step.statistics
        ]
        return graph.op("Concat", *parts, axis=1)


def _percentile(graph, x, q):
    """Return percentiles over frames, interpolated linearly as NumPy's are."""
    n = graph.length(x, 2)
    ordered = graph.ops("TopK", 2, x, graph.reshape(n, 1), axis=2, largest=0, sorted=1)[0]
    last = graph.op("Sub", n, np.int64(1))
    place = graph.op("Mul", graph.double(last), np.float64(q / 100))
    below = graph.op("Floor", place)
    share = graph.op("Sub", place, below)
    below = graph.cast(below, np.int64)
    above = graph.op("Min", graph.op("Add", below, np.int64(1)), last)
    low, high = (graph.op("Gather", ordered, each, axis=2) for each in (below, above))
    return graph.op("Add", low, graph.op("Mul", graph.op("Sub", high, low), share))


@transform.register
def _pipeline(step: Pipeline, graph, x):
    return transform_by(fitted_steps(step), graph, x)


@transform.register
def _union(step: FeatureUnion, graph, x):
    if step.transformer_weights:
        raise ExportError(
            "FeatureUnion with transformer_weights cannot be exported: give the scorer scaled features."
        )
    rows = []
    for name, each in step.transformer_list:
        if isinstance(each, str):  # "drop"
            continue
        with graph.scope(name):
            rows.append(graph.double(transform(each, graph, x)))
    return graph.op("Concat", *rows, axis=1)
