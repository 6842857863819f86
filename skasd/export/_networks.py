"""Networks in ONNX: layers of torch, one by one."""

import math
from functools import singledispatch
from typing import Any

import numpy as np
from torch import nn

from ..nn import (
    DualPathTransformer,
    EncoderLayer,
    InvertedResidual,
    LocalBlock,
    MachineEncoder,
    MobileFaceNet,
    MobileNetV2,
    ViT,
    axis_positions,
)
from ._refusal import ExportError


@singledispatch
def network(module: Any, graph: Any, x: str) -> str:
    """Add a layer or a whole network in evaluation mode to the graph, and return its output for `x`."""
    known = (
        kind.__name__
        for kind in network.registry
        if kind is not object and kind.__module__.startswith("skasd")
    )
    raise ExportError(
        f"The network {type(module).__name__} cannot be exported; those that can be are {', '.join(sorted(known))}."
    )


def values(tensor: Any) -> np.ndarray:
    """Return the numbers of a tensor, on whatever device, as float32."""
    return tensor.detach().float().cpu().numpy()


# layers


@network.register
def _sequential(module: nn.Sequential, graph, x):
    for layer in module:
        x = network(layer, graph, x)
    return x


@network.register(nn.Identity)
@network.register(nn.Dropout)
def _nothing(module, graph, x):
    return x


@network.register
def _conv2d(module: nn.Conv2d, graph, x):
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise ExportError(f"A convolution with padding {module.padding!r} cannot be exported: give numbers.")
    weights = [values(module.weight)] + ([] if module.bias is None else [values(module.bias)])
    return graph.op(
        "Conv",
        x,
        *weights,
        kernel_shape=module.kernel_size,
        strides=module.stride,
        dilations=module.dilation,
        pads=[*module.padding, *module.padding],
        group=module.groups,
    )


@network.register
def _batch_norm(module: nn.BatchNorm2d, graph, x):
    parameters = (module.weight, module.bias, module.running_mean, module.running_var)
    return graph.op("BatchNormalization", x, *map(values, parameters), epsilon=module.eps)


@network.register
def _linear(module: nn.Linear, graph, x):
    x = graph.op("MatMul", x, values(module.weight).T)
    return x if module.bias is None else graph.op("Add", x, values(module.bias))


@network.register
def _prelu(module: nn.PReLU, graph, x):
    # as a x + (1 - a) max(x, 0), which halves the time of a MobileFaceNet: unlike PRelu, onnxruntime computes that in
    # the layout of its convolutions
    slope = values(module.weight)[:, None, None]
    bent = graph.op("Mul", graph.op("Relu", x), 1 - slope)
    return graph.op("Add", graph.op("Mul", x, slope), bent)


@network.register
def _relu(module: nn.ReLU, graph, x):
    return graph.op("Relu", x)


@network.register
def _relu6(module: nn.ReLU6, graph, x):
    return graph.op("Clip", x, np.float32(0), np.float32(6))


@network.register
def _hardswish(module: nn.Hardswish, graph, x):
    return graph.op("HardSwish", x)


@network.register
def _gelu(module: nn.GELU, graph, x):
    if module.approximate != "none":
        raise ExportError(f"GELU(approximate={module.approximate!r}) cannot be exported: use 'none'.")
    half = graph.op("Mul", x, np.float32(0.5))
    tail = graph.op("Erf", graph.op("Mul", x, np.float32(1 / math.sqrt(2))))
    return graph.op("Mul", half, graph.op("Add", tail, np.float32(1)))


@network.register
def _layer_norm(module: nn.LayerNorm, graph, x):
    return graph.op(
        "LayerNormalization", x, values(module.weight), values(module.bias), axis=-1, epsilon=module.eps
    )


@network.register
def _average(module: nn.AvgPool2d, graph, x):
    sides = module.kernel_size if isinstance(module.kernel_size, tuple) else (module.kernel_size,) * 2
    return graph.op("AveragePool", x, kernel_shape=sides, strides=sides)


# convolutional networks


@network.register
def _residual(module: InvertedResidual, graph, x):
    out = network(module.conv, graph, x)
    return graph.op("Add", x, out) if module.residual else out


@network.register
def _local_block(module: LocalBlock, graph, x):
    out = network(module.conv, graph, x)
    if not module.residual:
        return out
    if module.margin:
        x = graph.part(x, 3, module.margin, -module.margin)
    return graph.op("Add", out, x)


@network.register
def _mobile_face_net(module: MobileFaceNet, graph, x):
    x = network(module.projection, graph, network(module.gdconv, graph, network(module.features, graph, x)))
    return graph.reshape(x, 0, -1)


@network.register
def _mobilenet_v2(module: MobileNetV2, graph, x):
    if module.in_channels > 1:
        x = graph.op("Tile", x, np.array([1, module.in_channels, 1, 1]))
    return network(module.projection, graph, graph.reduce("Mean", network(module.features, graph, x), 2, 3))


def machine_encoder(module: MachineEncoder, graph: Any, x: str, layers: list[str]) -> list[str]:
    """Add the encoder that comes with the library, and return the maps of the layers asked for."""
    x = graph.op("Max", graph.op("Add", x, values(module.emphasis)), np.float32(module.floor))
    x = graph.op("Div", graph.op("Add", x, np.float32(4.5)), np.float32(5))
    found = {}
    for number, block in enumerate(module.features):
        x = network(block, graph, x)
        for name, after in module.taps.items():
            if after == number and name in layers:
                found[name] = network(module.heads[name], graph, x)
    return [found[name] for name in layers]


# transformers, of patches of a fixed size


@network.register
def _encoder_layer(module: EncoderLayer, graph, x):
    """Tokens come as (batch, length, dim), whatever the layout of the module."""
    x = graph.op("Add", x, _attention(module, graph, network(module.norm1, graph, x)))
    return graph.op("Add", x, network(module.mlp, graph, network(module.norm2, graph, x)))


def _attention(module, graph, x):
    dim = module.proj.in_features
    heads, width = module.heads, dim // module.heads
    x = graph.reshape(network(module.qkv, graph, x), 0, 0, 3, heads, width)
    x = graph.op("Transpose", x, perm=[2, 0, 3, 1, 4])  # (3, batch, heads, length, width)
    q, k, v = (graph.op("Gather", x, np.int64(i), axis=0) for i in range(3))
    q = graph.op("Mul", q, np.float32(1 / math.sqrt(width)))
    weights = graph.op("Softmax", graph.op("MatMul", q, graph.op("Transpose", k, perm=[0, 1, 3, 2])), axis=-1)
    x = graph.op("Transpose", graph.op("MatMul", weights, v), perm=[0, 2, 1, 3])
    return network(module.proj, graph, graph.reshape(x, 0, 0, dim))


def _patchify(graph, x, patch, n_bins, n_frames):
    """Return the patches (batch, rows, columns, patch size) of an image, and how many rows and columns there are."""
    height, width = patch
    below, right = -n_bins % height, -n_frames % width
    if below or right:
        x = graph.op("Pad", x, np.array([0, 0, 0, 0, 0, 0, below, right]), mode="edge")
    rows, columns = (n_bins + below) // height, (n_frames + right) // width
    x = graph.op("Transpose", graph.reshape(x, -1, rows, height, columns, width), perm=[0, 1, 3, 2, 4])
    return graph.reshape(x, 0, 0, 0, height * width), rows, columns


@network.register
def _dual_path(module: DualPathTransformer, graph, x):
    patches, rows, columns = _patchify(graph, x, module.patch, module.n_bins, module.n_frames)
    by_row = values(axis_positions(module.frequency_positions, rows, stretch=True))
    by_column = values(axis_positions(module.time_positions, columns, stretch=False))
    dim = by_row.shape[1]
    x = graph.op("Add", network(module.patch_embedding, graph, patches), by_row[:, None] + by_column)
    for along_frequency, along_time in zip(module.frequency_layers, module.time_layers, strict=True):
        x = graph.reshape(graph.op("Transpose", x, perm=[0, 2, 1, 3]), -1, rows, dim)
        x = graph.reshape(network(along_frequency, graph, x), -1, columns, rows, dim)
        x = graph.reshape(graph.op("Transpose", x, perm=[0, 2, 1, 3]), -1, columns, dim)
        x = graph.reshape(network(along_time, graph, x), -1, rows, columns, dim)
    x = graph.reduce("Mean", network(module.norm, graph, x), 2)
    return network(module.head, graph, graph.reshape(x, 0, -1))


@network.register
def _vit(module: ViT, graph, x):
    rows, columns, dim = module.positions.shape
    patches, _, _ = _patchify(graph, x, module.patch, module.n_bins, module.n_frames)
    tokens = graph.op("Add", network(module.patch_embedding, graph, patches), values(module.positions))
    tokens = graph.reshape(tokens, 0, rows * columns, dim)
    n = graph.reshape(graph.length(tokens, 0), 1)
    shape = graph.op("Concat", n, np.array([1, dim]), axis=0)
    first = graph.op("Expand", values(module.class_token)[None, None], shape)
    tokens = network(module.layers, graph, graph.op("Concat", first, tokens, axis=1))
    return network(module.norm, graph, graph.op("Gather", tokens, np.int64(0), axis=1))
