"""Weights of published networks, of sounds and of pictures, for our layers."""

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.torch
import torch

# what PANNs' training script saves beside the weights: positions of its sampler, as arrays of NumPy; NumPy 1 and 2
# write the two functions under different names
_OF_ARRAYS = [
    np.ndarray,
    np.dtype,
    *(
        type(np.dtype(kind))
        for kind in ("bool", "int32", "int64", "uint32", "uint64", "float32", "float64", "O")
    ),
    *(
        (array.__reduce__()[0], f"numpy.{core}.multiarray.{name}")
        for array, name in ((np.zeros(1), "_reconstruct"), (np.float64(0), "scalar"))
        for core in ("core", "_core")
    ),
]


class PretrainedReport(NamedTuple):
    """Entries of a checkpoint that are weights of the network now, have no counterpart in it, or one of another shape.

    ``front_end`` says what log-mels the network was trained on; "" where the checkpoint does not tell.
    """

    loaded: list[str]
    left_out: list[str]
    mismatched: list[str]
    front_end: str = ""

    def also(self, names):
        """Return the report with the entries ``names`` loaded as well."""
        left_out = [name for name in self.left_out if name not in names]
        return self._replace(loaded=[*self.loaded, *names], left_out=left_out)

    def __str__(self):
        lists = {"loaded": self.loaded, "left out": self.left_out, "mismatched": self.mismatched}
        parts = (f"{len(entries)} {name}" for name, entries in lists.items())
        return "\n".join(
            ["pretrained weights: " + ", ".join(parts)]
            + ["  made for " + self.front_end] * bool(self.front_end)
            + ["  left out: " + entry for entry in self.left_out]
            + ["  mismatched: " + entry for entry in self.mismatched]
        )


def read_state(path, parameter="pretrained"):
    """Return the tensors of a checkpoint by name; nothing in the file is run.

    It is ``.safetensors``, or a file of :func:`torch.save` that holds the tensors, or them under ``"model"``. Arrays of
    NumPy beside them, as PANNs' training script saves them, are read and left. ``parameter`` is the one whose value the
    path is, for messages.

    Raises FileNotFoundError if there is no such file, ValueError if it is no checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{parameter}={os.fspath(path)!r}: there is no such file.")
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            with torch.serialization.safe_globals(_OF_ARRAYS):
                state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch's reader stumbles over in a file of another kind may be anything
        raise ValueError(
            f"{parameter}={os.fspath(path)!r} cannot be read as a checkpoint of tensors: incomplete, another kind of "
            "file, or with Python objects in it. Compare its checksum with the published one; if objects are in it and "
            "you trust it, write its tensors alone into a .safetensors file."
        ) from error
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict) or not any(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(
            f'{parameter}={os.fspath(path)!r} holds no tensors by name, nor {{"model": tensors by name}}.'
        )
    return {
        str(name).removeprefix("module."): value
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }


def load_panns_mobilenetv2(backbone, state):
    """Give a MobileNetV2 of ``variant="cqupt"``, in place, the convolutions of the PANNs MobileNetV2; return a report.

    Three things differ between the two. The published one, ``features.0.{0,2}.*`` and ``features.i.conv.{j}.*``, lists
    the layers of a block flat, with the poolings counted; halves the map by average pooling after a convolution, before
    batch normalisation; and its images have time along their rows. So layers are matched by their order, kernels are
    transposed, and ``backbone`` should have gone through its method ``pool_instead_of_strides``.

    Raises ValueError for another layout, or if tensors before the last convolution do not fit.
    """
    published: dict[int, dict[int, dict[str, str]]] = {}
    for name in state:
        if match := re.fullmatch(r"features\.(\d+)\.(?:conv\.)?(\d+)\.(\w+)", name):
            block, layer, tensor = match.groups()
            published.setdefault(int(block), {}).setdefault(int(layer), {})[tensor] = name
    ours = [_layers(block) for block in backbone.features]
    counts = [len(published.get(i, {})) for i in range(len(ours))]
    if sorted(published) != list(range(len(ours))) or counts != [len(layers) for layers in ours]:
        raise ValueError(
            f"The checkpoint, with {list(state)[:3]} ..., does not have the layout of the PANNs MobileNetV2 "
            f"(features.0 to features.{len(ours) - 1}, of {[len(layers) for layers in ours]} layers with weights)."
        )
    report = PretrainedReport([], [], [])
    taken = {}
    for i, layers in enumerate(ours):
        for layer, (_, names) in zip(layers, sorted(published[i].items()), strict=True):
            tensors = layer.state_dict()
            for tensor in names.keys() & tensors.keys():
                value = state[names[tensor]]
                value = value.transpose(2, 3) if value.ndim == 4 else value
                name, wanted = names[tensor], tensors[tensor]
                if value.shape != wanted.shape:
                    report.mismatched.append(
                        f"{name}: {tuple(value.shape)} in the file, {tuple(wanted.shape)} here"
                    )
                else:
                    wanted.copy_(value)
                    taken[name] = True
    report.loaded.extend(name for name in state if name in taken)
    shapes = {entry.split(":")[0] for entry in report.mismatched}
    report.left_out.extend(name for name in state if name not in taken and name not in shapes)
    last = f"features.{len(ours) - 1}."  # of as many channels as the embedding: may differ
    if any(not entry.startswith(last) for entry in report.mismatched):
        raise ValueError(
            f"The checkpoint is of another width: {report.mismatched[0]}, and so on. The published one has width=1."
        )
    return report


def panns_front_end(state):
    """Return in words what log-mels a checkpoint of PANNs was trained on, "" where it does not tell.

    It tells by its mel filters, ``logmel_extractor.melW`` (n_fft / 2 + 1, n_mels). PANNs' frames are of 32 ms, so that
    the length of its Fourier transform tells the sample rate.
    """
    filters = state.get("logmel_extractor.melW")
    if filters is None or filters.ndim != 2 or not filters.any():
        return ""
    n_fft = 2 * (len(filters) - 1)
    heard = torch.nonzero(filters.any(dim=1)).ravel()
    step = 31.25  # Hz from one bin of the spectrum to the next
    return (
        f"log-mels at {step * n_fft:.0f} Hz, n_fft={n_fft}, {filters.shape[1]} bands, bins from "
        f"{step * heard[0]:.0f} to {step * heard[-1]:.0f} Hz"
    )


def load_torchvision_mobilenetv2(backbone, state):
    """Give a MobileNetV2, in place, the convolutions of torchvision's, which has the same names; return a report.

    The first convolution of the file sees three channels. For a backbone of another number its kernel is averaged
    over them and repeated, scaled so that grey pictures give the same output. ``classifier.*`` is left out.

    Raises ValueError for another layout, or if tensors do not fit.
    """
    ours = backbone.features.state_dict(prefix="features.")
    missing = [name for name in ours if name not in state]
    if missing:
        raise ValueError(
            f"The checkpoint, with {list(state)[:3]} ..., does not have the layout of torchvision's MobileNetV2: there "
            f"is no {missing[0]!r} in it ({len(missing)} of {len(ours)} tensors are missing)."
        )
    report = PretrainedReport([], [name for name in state if name not in ours], [])
    for name, wanted in ours.items():
        value = state[name]
        if name == "features.0.0.weight" and value.ndim == 4 and value.shape[1] != wanted.shape[1]:
            value = value.sum(1, keepdim=True).expand(-1, wanted.shape[1], -1, -1) / wanted.shape[1]
        if value.shape != wanted.shape:
            report.mismatched.append(f"{name}: {tuple(value.shape)} in the file, {tuple(wanted.shape)} here")
        else:
            wanted.copy_(value)
            report.loaded.append(name)
    if report.mismatched:
        raise ValueError(
            f"The checkpoint is of another width: {report.mismatched[0]}, and so on. The published one has width=1."
        )
    return report


def input_scaling(state, mean, scale, standardize_input):
    """Return the ``(mean, scale)`` of the input that continue the checkpoint's own normalisation, and the entries used.

    Its first layer ``bn0`` gives each frequency bin a scale and a shift after standardisation. The same scale and
    shift are put behind ours; with ``standardize_input=None`` its mean and variance are taken over too.
    """
    used = ["bn0.weight", "bn0.bias"]
    weight, bias = (state[name].double().numpy() for name in used)
    if standardize_input is None:
        used += ["bn0.running_mean", "bn0.running_var"]
        mean, variance = (state[name].double().numpy() for name in used[2:])
        scale = np.sqrt(variance + 1e-5)
    # a bin that it gives no weight would be divided by zero
    weight = np.where(np.abs(weight) < 1e-3, np.copysign(1e-3, weight), weight)
    return mean - bias * scale / weight, scale / weight, used


def _layers(block):
    """Return the layers of a block that have weights, in order."""
    return [
        module for module in block.modules() if isinstance(module, (torch.nn.Conv2d, torch.nn.BatchNorm2d))
    ]
