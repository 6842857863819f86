"""Embedders in ONNX: patches on a grid, the network, and the merging of patches into rows."""

import math

import numpy as np
import soxr

from ..embedders import (
    AutoencoderEmbedder,
    DPTEmbedder,
    MFNEmbedder,
    MobileNetV2Embedder,
    PretrainedEmbedder,
    ViTEmbedder,
)
from ._front_ends import transform
from ._graph import NETWORK
from ._networks import machine_encoder, network, values
from ._refusal import ExportError, check_setting

_MOST_PHASES = 1024  # filters for a change of the sample rate


@transform.register
def _pretrained(step: PretrainedEmbedder, graph, x):
    check_setting(step, "encoder", ["skasd"])
    encoder = step.encoder_
    with graph.scope("encoder"):
        if step.sample_rate != encoder.sample_rate:
            x = _resampled(graph, x, step.sample_rate, encoder.sample_rate)
        x = _repeated(graph, x, 1, math.ceil(encoder.min_seconds * encoder.sample_rate))
        mel = graph.op("Add", transform(encoder.front_end, graph, x), np.float32(math.log(encoder.gain)))
        missing = encoder.n_mels - encoder.n_heard
        if missing:
            pads = np.array([0, 0, 0, 0, missing, 0])
            mel = graph.op("Pad", mel, pads, np.float32(encoder.floor))
        names = [name for name in encoder.wanted if name != "mel"]
        deep = {}
        if names:
            frames = graph.op(
                "Unsqueeze", _mirrored(graph, mel, encoder.network.receptive_field), np.array([1])
            )
            with graph.scope(NETWORK):
                deep = dict(zip(names, machine_encoder(encoder.network, graph, frames, names), strict=True))
        parts = []
        for name, layer in zip(encoder.wanted, encoder.layers, strict=True):
            n_positions = len(layer.frequencies)
            maps = deep.get(name)
            if maps is None:  # (batch, n_positions, n_channels, n_frames)
                maps = graph.reshape(mel, 0, n_positions, layer.n_channels, -1)
            else:
                maps = graph.op("Transpose", maps, perm=[0, 2, 1, 3])
            parts.append(_moments(graph, maps, layer.spread, step.bands))
        return graph.cast(graph.op("Concat", *parts, axis=1), np.float32)


def _moments(graph, maps, spread, bands):
    """Return means (and standard deviations) of maps (batch, positions, channels, steps), position by position."""
    maps = graph.double(maps)
    mean = graph.reduce("Mean", maps, 3, keepdims=True)
    columns = graph.op("Squeeze", mean, np.array([3]))
    if spread:
        columns = graph.op("Concat", columns, graph.std(maps, mean, 3), axis=2)
    return graph.reshape(columns, 0, -1) if bands else graph.reduce("Mean", columns, 1)


def _repeated(graph, x, axis, least):
    """Return values repeated from their beginning until their last axis is `least` long."""
    n = graph.length(x, axis)
    wanted = graph.op("Max", n, np.int64(least))
    times = graph.op("Div", graph.op("Sub", graph.op("Add", wanted, n), np.int64(1)), n)
    repeats = graph.op("Concat", np.ones(axis, np.int64), graph.reshape(times, 1), axis=0)
    return graph.part(graph.op("Tile", x, repeats), axis, 0, wanted)


def _mirrored(graph, x, least):
    """Return frames (batch, n_bins, n_frames) mirrored at both ends until there are `least`."""
    n = graph.length(x, 2)
    wanted = graph.op("Max", n, np.int64(least))
    left = graph.op("Div", graph.op("Sub", wanted, n), np.int64(2))
    period = graph.op("Mul", n, np.int64(2))
    places = graph.op("Mod", graph.op("Sub", graph.count(wanted), left), period)
    back = graph.op("Sub", graph.op("Sub", period, np.int64(1)), places)
    return graph.op("Gather", x, graph.op("Min", places, back), axis=2)


def _resampled(graph, x, rate, wanted):
    """Return waveforms at another sample rate, by the filters of soxr, one for each phase."""
    step, n_phases = rate // math.gcd(rate, wanted), wanted // math.gcd(rate, wanted)
    if max(step, n_phases) > _MOST_PHASES:
        raise ExportError(
            f"PretrainedEmbedder(sample_rate={rate}) cannot be exported: bringing it to {wanted} Hz takes {n_phases} "
            f"filters. Fit with a sample rate that is a multiple of 1000 Hz and at least 16000 Hz, and resample before."
        )
    # responses to single samples in the middle of silence
    n_steps = math.ceil(256 * max(1, rate / wanted) / step)  # on either side: more than a sample reaches
    middle = n_steps * step
    responses = np.empty((step, 2 * n_steps + 1, n_phases), np.float32)
    for i in range(step):
        impulse = np.zeros((2 * n_steps + 1) * step, np.float32)
        impulse[middle + i] = 1
        found = soxr.resample(impulse, rate, wanted, quality="HQ")
        responses[i] = found.reshape(2 * n_steps + 1, n_phases)
    # output phase p of step k: the sum over steps j of responses[i, n_steps + k - j, p] * x[j, i]
    weights = responses[:, ::-1].transpose(2, 1, 0).reshape(n_phases, 1, -1)
    n = graph.length(x, 1)
    doubled = graph.op("Add", graph.op("Mul", n, np.int64(2 * wanted)), np.int64(rate))
    n_out = graph.op("Div", doubled, np.int64(2 * rate))
    pads = np.array([0, middle, 0, middle + 2 * step])
    x = graph.op("Unsqueeze", graph.op("Pad", x, pads), np.array([1]))
    x = graph.op("Conv", x, weights, strides=[step], kernel_shape=[weights.shape[2]])
    x = graph.op("Transpose", x, perm=[0, 2, 1])
    return graph.part(graph.reshape(x, 0, -1), 1, 0, n_out)


# networks of our own


@transform.register(MFNEmbedder)
@transform.register(MobileNetV2Embedder)
@transform.register(DPTEmbedder)
@transform.register(ViTEmbedder)
def _network_embedder(step, graph, x):
    check_setting(step, "output", ["embedding", ("embedding",), ["embedding"]])
    _check_precision(step)
    module = step.embedding_network_
    with graph.scope("embedder"):
        x = graph.cast(x, np.float32)
        n_frames = step.patch_frames_
        windows = _windows(graph, x, n_frames, step.patch_hop_)  # (batch, n_bins, n_patches, n_frames)
        n_patches = graph.length(windows, 2)
        patches = graph.op("Transpose", windows, perm=[0, 2, 1, 3])
        patches = graph.reshape(patches, -1, step.n_features_in_, n_frames)
        patches = graph.op("Sub", patches, values(module.mean))
        patches = graph.op("Div", patches, values(module.scale))
        with graph.scope(NETWORK):
            image = graph.op("Unsqueeze", patches, np.array([1]))
            rows = network(module.backbone, graph, image)
        shape = graph.op(
            "Concat",
            np.array([-1]),
            graph.reshape(n_patches, 1),
            np.array([module.backbone.embedding_dim]),
            axis=0,
        )
        return _merged(graph, graph.op("Reshape", rows, shape), step.merge)


def _windows(graph, x, n_frames, hop):
    """Return the patches on a regular grid along the last of three axes, which becomes two."""
    x = _repeated(graph, x, 2, n_frames)
    end = graph.op("Sub", graph.length(x, 2), np.int64(n_frames - 1))
    starts = graph.reshape(graph.count(end, step=hop), -1, 1)
    return graph.op("Gather", x, graph.op("Add", starts, np.arange(n_frames)), axis=2)


def _merged(graph, rows, ways):
    """Merge values (batch, n_patches, n_columns) of patches into one row for each clip."""
    rows = graph.double(rows)
    mean = graph.reduce("Mean", rows, 1, keepdims=True)
    parts = []
    for way in [ways] if isinstance(ways, str) else ways:
        if way == "mean":
            parts.append(graph.op("Squeeze", mean, np.array([1])))
        else:
            parts.append(graph.std(rows, mean, 1))
    return graph.cast(graph.op("Concat", *parts, axis=1), np.float32)


def _check_precision(step):
    if step.precision == "bfloat16":
        raise ExportError(
            f"{type(step).__name__}(precision='bfloat16') cannot be exported, whose scores are those of shortened "
            "numbers: fit again with precision='float32'."
        )


@transform.register
def _autoencoder(step: AutoencoderEmbedder, graph, x):
    _check_precision(step)
    module = step.embedding_network_
    n_frames, n_bins = step.patch_frames_, step.n_features_in_
    with graph.scope("autoencoder"):
        windows = _windows(graph, graph.cast(x, np.float32), n_frames, 1)
        windows = graph.op("Transpose", windows, perm=[0, 2, 3, 1])  # (batch, n_windows, n_frames, n_bins)
        vectors = graph.reshape(windows, 0, 0, n_frames * n_bins)
        if module.is_standardized:
            vectors = graph.op("Sub", vectors, values(module.mean))
            vectors = graph.op("Div", vectors, values(module.scale))
        with graph.scope(NETWORK):
            code = network(module.backbone.encoder, graph, vectors)
            restored = network(module.backbone.decoder, graph, code)
        residual = graph.op("Sub", vectors, restored)
        parts = [
            graph.double(_autoencoder_output(step, graph, name, residual, code))
            for name in ([step.output] if isinstance(step.output, str) else step.output)
        ]
        return graph.cast(graph.op("Concat", *parts, axis=1), np.float32)


def _autoencoder_output(step, graph, name, residual, code):
    """Return one output of the autoencoder, one row for each clip, from residuals and bottlenecks of windows."""
    if name == "embedding":
        return _merged(graph, code, step.merge)
    if name == "mse":
        errors = graph.reduce("Mean", graph.op("Mul", residual, residual), 2, keepdims=True)
        return _merged(graph, errors, "mean")
    frames = graph.reshape(residual, 0, 0, step.patch_frames_, step.n_features_in_)
    lengths = []
    if name == "mahalanobis":  # of the clip's mean frame
        mean = graph.reduce("Mean", graph.double(graph.reduce("Mean", frames, 2)), 1)
        for precision in step.residual_precision_:
            product = graph.op("Mul", graph.op("MatMul", mean, precision.astype(np.float64)), mean)
            lengths.append(graph.reduce("Sum", product, 1, keepdims=True))
    else:
        for root in step.embedding_network_.precision_roots:
            rows = graph.op("MatMul", frames, values(root))
            squares = graph.reduce("Sum", graph.op("Mul", rows, rows), 3)
            lengths.append(
                graph.reduce("Mean", graph.double(graph.reduce("Mean", squares, 2)), 1, keepdims=True)
            )
    return graph.op("Min", *lengths)
