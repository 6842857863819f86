"""The network of the shipped encoder, compiled."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from ._machine_encoder import MachineEncoder

_KNOWN_FRAMES = 60  # of an output's 75: only columns of the second layer that are known depend on these alone


class CompiledEncoder:
    """Outputs of a :class:`MachineEncoder` on the CPU; those of a stream are computed only once.

    Parameters
    ----------
    network : MachineEncoder
        In evaluation mode, batch normalisation folded (:func:`fold_batch_norm`).

    Notes
    -----
    Agrees with the network to rounding. An output is the same to the last bit at any position and however many are
    computed with it.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.nn import CompiledEncoder, MachineEncoder, fold_batch_norm
    >>> encoder = CompiledEncoder(fold_batch_norm(MachineEncoder()))
    >>> frames = np.random.default_rng(0).normal(size=(128, 105)).astype(np.float32)
    >>> (whole,) = encoder(frames)
    >>> whole.shape
    (32, 8, 4)
    >>> kept = {}
    >>> parts = [encoder(frames[:, :85], kept=kept)[0], encoder(frames[:, 20:], kept=kept)[0]]
    >>> np.array_equal(np.concatenate(parts, axis=2), whole)
    True
    """

    def __init__(self, network: MachineEncoder):
        from . import _encoder_kernels as kernels  # compiles, and numba takes a while to import

        self._kernels, self._network = kernels, network
        (stem, *_), *blocks = network.features
        _, _, depthwise, *first = self._weights(blocks[0])[:6]
        self._entry = (
            network.emphasis.numpy().ravel(),
            np.float32(network.floor),
            _array(stem.weight[:, 0].transpose(1, 2)),
            _array(stem.bias),
            np.ascontiguousarray(depthwise.transpose(2, 0, 1)),
            *first,
        )
        self._blocks = [(block, self._weights(block)) for block in blocks[1:]]
        self._heads = {name: _pointwise(head) for name, head in network.heads.items()}

    def __call__(
        self, frames: np.ndarray, layers: Sequence[str] = ("9",), kept: dict | None = None
    ) -> list[np.ndarray]:
        """Map log-mel frames to the outputs of layers.

        Parameters
        ----------
        frames : ndarray of shape (128, n_frames), float32
            75 and 10 for each output but the first.
        layers : sequence of str, default=("9",)
            Among those of :class:`MachineEncoder`.
        kept : dict or None, default=None
            Empty at first; filled with the values that following outputs depend on. If passed again, the frames must be
            those of the following outputs.

        Returns
        -------
        list of ndarrays of shape (n_channels, n_positions, n_steps), float32
        """
        network, kernels = self._network, self._kernels
        n_steps = 1 + (frames.shape[1] - network.receptive_field) // network.stride
        last = network.receptive_field + network.stride * (n_steps - 1)
        frames = np.ascontiguousarray(frames[:, _KNOWN_FRAMES if kept else 0 : last])
        n_positions, n_channels = network.n_mels // 2, len(self._entry[3])
        x = np.empty((frames.shape[1] // 2 - 2, n_positions, n_channels), np.float32)
        kernels.entry(frames, *self._entry, x)
        found = {}
        for number, (block, weights) in enumerate(self._blocks, 2):
            kernel, step = weights[2].shape[0], weights[6][1]
            if (n_shared := kernel - step) and kept is not None:
                x = np.concatenate([kept[number], x]) if number in kept else x
                kept[number] = x[len(x) - n_shared :].copy()
            n_positions = -(-x.shape[1] // weights[6][0])
            out = np.empty(((len(x) - kernel) // step + 1, n_positions, len(weights[5])), np.float32)
            kernels.block(x, *weights, block.residual, out)
            x = out
            for name in layers:
                if network.taps[name] == number:
                    found[name] = np.empty((*x.shape[:2], len(self._heads[name][1])), np.float32)
                    for column, deep in zip(found[name], x, strict=True):
                        kernels.head(deep, *self._heads[name], column)
        return [found[name].transpose(2, 1, 0) for name in layers]

    def _weights(self, block):
        """Return the weights, strides and activation of a block, as the kernels take them."""
        convolutions = [layer for layer in block.conv if isinstance(layer, nn.Conv2d)]
        *expand, depthwise, project = convolutions
        rectified = any(isinstance(layer, nn.ReLU) for layer in block.conv)
        return (
            *(_pointwise(expand[0]) if expand else (None, None)),
            _array(depthwise.weight[:, 0].permute(2, 1, 0)),
            _array(depthwise.bias),
            *_pointwise(project),
            depthwise.stride,
            self._kernels.RELU if rectified else self._kernels.HARD_SWISH,
        )


def _pointwise(convolution):
    """Return the matrix (channels in, channels out) and the bias of a convolution of kernel 1."""
    return _array(convolution.weight[:, :, 0, 0].T), _array(convolution.bias)


def _array(tensor):
    return np.ascontiguousarray(tensor.detach().numpy())
