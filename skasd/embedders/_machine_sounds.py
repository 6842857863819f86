"""The encoder that comes with the library, with its front end."""

import math
import os

import numpy as np
import torch

from .. import nn
from ..clips import KeptBuffers
from ..features import LogMelTransformer
from ._encoders import Encoder, Layer, mel_edges
from ._pretrained import read_state

_N_POSITIONS = 8  # along frequency that the means of the log-mels are numbered by


class MachineSounds(Encoder):
    """The encoder that comes with the library.

    Its log-mels are defined at 32 kHz. At any rate that is a multiple of 1 kHz frames of the same times and bins of the
    same frequencies give the same bands, as far as these lie below half the rate; no resampling is needed.
    """

    names = ("mel", *nn.MachineEncoder.layers)
    min_seconds = 0.05
    _n_steps = (
        128  # at a time, in clips longer than that: the network is local in time, and the steps are the same
    )

    def __init__(self, path, layers, *, sample_rate):
        self.wanted = layers
        network = nn.MachineEncoder()
        try:
            network.load_state_dict(read_state(path, "weights"))
        except RuntimeError as error:
            raise ValueError(
                f"weights={os.fspath(path)!r} does not have the layout of skasd.nn.MachineEncoder: {error}"
            ) from error
        self.network = nn.fold_batch_norm(network).to(memory_format=torch.channels_last)
        direct = sample_rate % 1000 == 0 and 16000 <= sample_rate <= 48000
        self.sample_rate = sample_rate if direct else 16000 if sample_rate < 16000 else 32000
        n_mels, fmax = network.n_mels, network.fmax
        edges = mel_edges(n_mels, 0, fmax, htk=True)
        # those that lie wholly below half the rate
        self.n_heard = int(np.searchsorted(edges, self.sample_rate / 2 * (1 + 1e-9), side="right")) - 2
        self.n_mels = n_mels
        self.hop_length = self.sample_rate // 100
        self.n_fft = self.sample_rate // 125 * 4
        self.gain = (32000 / self.sample_rate) ** 2  # of powers: a window of as many seconds has more samples
        self.front_end = LogMelTransformer(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            win_length=self.sample_rate // 40,
            hop_length=self.hop_length,
            center=False,
            htk=True,
            norm=None,
            n_mels=self.n_heard,
            fmax=float(edges[self.n_heard + 1]),
            log="natural",
            amin=1e-10 / self.gain,
        )
        self.log_mel = self.front_end.waveform_function()
        self.floor = math.log(1e-10)
        self.buffers = KeptBuffers()
        empty = np.zeros((n_mels, network.receptive_field), np.float32)
        with torch.inference_mode():
            shapes = [maps.shape for maps in self._of_frames(empty)]
        self.layers = [
            Layer(n_channels, edges[1:-1][:: n_mels // n_positions], name == "mel")
            for name, (n_channels, n_positions, _) in zip(layers, shapes, strict=True)
        ]

    def _of_frames(self, frames, mel=None):
        """Return the maps of log-mel frames; that of the frames themselves is `mel`, if given."""
        names = [name for name in self.wanted if name != "mel"]
        x = torch.from_numpy(frames)[None, None].contiguous(memory_format=torch.channels_last)
        deep = iter(self.network(x, names) if names else [])
        mel = frames if mel is None else mel
        # as many positions as the deepest layers have
        mel = (
            torch.from_numpy(mel)
            .reshape(_N_POSITIONS, len(mel) // _N_POSITIONS, mel.shape[-1])
            .swapaxes(0, 1)
        )
        return [mel if name == "mel" else next(deep)[0] for name in self.wanted]

    def _maps(self, waveform):
        n_frames = 1 + (len(waveform) - self.n_fft) // self.hop_length
        frames = self.buffers.array("frames", (self.n_mels, n_frames), np.float32)
        self.log_mel(waveform, frames[: self.n_heard])
        frames[: self.n_heard] += math.log(self.gain)
        frames[self.n_heard :] = self.floor
        field, step = self.network.receptive_field, self.network.stride
        mel = frames
        if n_frames < field:  # mirrored at both ends
            left = (field - n_frames) // 2
            frames = np.pad(frames, ((0, 0), (left, field - n_frames - left)), mode="symmetric")
        n_steps = 1 + (frames.shape[-1] - field) // step
        for first in range(0, n_steps, self._n_steps):
            last = min(first + self._n_steps, n_steps)
            yield self._of_frames(frames[:, step * first : step * (last - 1) + field], mel)
            mel = mel[:, :0]  # each frame once
