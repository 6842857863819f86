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
    _n_steps = 128  # at a time, in clips longer than that

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
        self.compiled = nn.CompiledEncoder(self.network)
        empty = np.zeros((n_mels, network.receptive_field), np.float32)
        shapes = [maps.shape for maps in self.with_mel(next(self.deep(empty, 0, 1, {})), empty)]
        self.layers = [
            Layer(n_channels, edges[1:-1][:: n_mels // n_positions], name == "mel")
            for name, (n_channels, n_positions, _) in zip(layers, shapes, strict=True)
        ]

    def deep(self, frames, begin, end, kept):
        """Yield the maps of the network's layers, outputs `begin` to `end` of log-mel frames, some at a time.

        `kept`, a dict, is empty at first, or what it became by the outputs before; on the CPU these are not computed
        again.
        """
        names = [name for name in self.wanted if name != "mel"]
        field, step = self.network.receptive_field, self.network.stride
        for first in range(begin, end, self._n_steps):
            part = frames[:, step * first : step * (min(first + self._n_steps, end) - 1) + field]
            if not names:
                yield []
            elif self.device == "cpu":
                yield self.compiled(part, names, kept)
            else:
                x = torch.from_numpy(part)[None, None].contiguous(memory_format=torch.channels_last)
                yield [maps[0].cpu().numpy() for maps in self.network(x.to(self.device), names)]

    def with_mel(self, deep, frames):
        """Return the maps of all layers wanted, given those of the network's and the log-mel frames."""
        each = iter(deep)
        return [self.positions_of(frames) if name == "mel" else next(each) for name in self.wanted]

    @staticmethod
    def positions_of(frames):
        """Return log-mel frames as a map with as many positions as the deepest layers have."""
        shape = (_N_POSITIONS, len(frames) // _N_POSITIONS, frames.shape[-1])
        return frames.reshape(shape).swapaxes(0, 1)

    def sliding_step(self, sample_rate):
        return self.network.stride * self.hop_length if sample_rate == self.sample_rate else None

    def sliding(self, n_samples, hop):
        return _SlidingMaps(self, n_samples, hop)

    def n_frames(self, n_samples):
        """Return the number of log-mel frames of so many samples."""
        return 1 + (n_samples - self.n_fft) // self.hop_length

    def write_log_mels(self, waveform, frames):
        """Write log-mels to an array (n_mels, n_frames)."""
        self.log_mel(waveform, frames[: self.n_heard])
        frames[: self.n_heard] += math.log(self.gain)
        frames[self.n_heard :] = self.floor

    def _maps(self, waveform):
        n_frames = self.n_frames(len(waveform))
        frames = self.buffers.array("frames", (self.n_mels, n_frames), np.float32)
        self.write_log_mels(waveform, frames)
        field, step = self.network.receptive_field, self.network.stride
        mel = frames
        if n_frames < field:  # mirrored at both ends
            left = (field - n_frames) // 2
            frames = np.pad(frames, ((0, 0), (left, field - n_frames - left)), mode="symmetric")
        n_steps = 1 + (frames.shape[-1] - field) // step
        for deep in self.deep(frames, 0, n_steps, {}):
            yield self.with_mel(deep, mel)
            mel = mel[:, :0]


class _SlidingMaps:
    """Maps of windows that follow each other at a fixed hop; no frame and no output sees an edge of the window."""

    def __init__(self, encoder, n_samples, hop):
        self.encoder = encoder
        self.n_frames = encoder.n_frames(n_samples)
        field, step = encoder.network.receptive_field, encoder.network.stride
        self.n_steps = 1 + (self.n_frames - field) // step
        self.new_frames, self.new_steps = hop // encoder.hop_length, hop // (encoder.hop_length * step)
        # shorter windows are mirrored, those further apart share nothing
        self.shares = self.n_frames >= field and self.new_frames < self.n_frames
        # the window moves along this array, so that its frames are not moved each time
        self.frames = np.empty((encoder.n_mels, 2 * self.n_frames), np.float32)
        self.reset()

    def reset(self):
        self.first, self.maps = 0, None

    def __call__(self, window):
        encoder = self.encoder
        if not self.shares:
            pieces = encoder.maps(window, encoder.sample_rate)
            return [np.concatenate(parts, -1) for parts in zip(*pieces, strict=True)]
        begin = 0  # of the outputs to be computed
        if self.maps is None:
            n_known = 0
        else:
            n_known = self.n_frames - self.new_frames
            self.first += self.new_frames
            if self.first > self.n_frames:
                self.frames[:, :n_known] = self.frames[:, self.first : self.first + n_known]
                self.first = 0
            if encoder.device == "cpu":  # elsewhere few outputs may be rounded otherwise than many
                begin = max(0, self.n_steps - self.new_steps)
        frames = self.frames[:, self.first : self.first + self.n_frames]
        encoder.write_log_mels(window[n_known * encoder.hop_length :], frames[:, n_known:])
        if not begin:
            self.kept: dict = {}
        with torch.inference_mode():
            pieces = list(encoder.deep(frames, begin, self.n_steps, self.kept))
        if begin:
            pieces.insert(0, [maps[..., self.new_steps :] for maps in self.maps])
        self.maps = [np.concatenate(parts, -1) for parts in zip(*pieces, strict=True)]
        return encoder.with_mel(self.maps, frames)
