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
        x = torch.from_numpy(frames)[None, None].contiguous(memory_format=torch.channels_last).to(self.device)
        deep = iter(self.network(x, names) if names else [])
        mel = self.positions_of(frames if mel is None else mel)
        return [mel if name == "mel" else next(deep)[0].cpu() for name in self.wanted]

    @staticmethod
    def positions_of(frames):
        """Return log-mel frames as a map with as many positions as the deepest layers have."""
        shape = (_N_POSITIONS, len(frames) // _N_POSITIONS, frames.shape[-1])
        return torch.from_numpy(frames).reshape(shape).swapaxes(0, 1)

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

    def steps_of(self, frames, begin, end, mel):
        """Yield the maps of outputs `begin` to `end`, some at a time; that of the frames is `mel`, and comes once."""
        field, step = self.network.receptive_field, self.network.stride
        for first in range(begin, end, self._n_steps):
            last = min(first + self._n_steps, end)
            yield self._of_frames(frames[:, step * first : step * (last - 1) + field], mel)
            mel = mel[:, :0]

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
        yield from self.steps_of(frames, 0, n_steps, mel)


class _SlidingMaps:
    """Maps of windows that follow each other at a fixed hop; no frame and no output sees an edge of the window."""

    def __init__(self, encoder, n_samples, hop):
        self.encoder = encoder
        self.n_frames = encoder.n_frames(n_samples)
        field, step = encoder.network.receptive_field, encoder.network.stride
        self.n_steps = 1 + (self.n_frames - field) // step
        self.new_frames = hop // encoder.hop_length
        # shorter windows are mirrored, those further apart share nothing
        self.shares = self.n_frames >= field and self.new_frames < self.n_frames
        self.kept = self._find_kept(self.new_frames // step) if self.shares else 0
        self.shift = self.new_frames // step
        self.frames = np.empty((encoder.n_mels, self.n_frames), np.float32)
        self.maps = None

    def _find_kept(self, n_new):
        """Return how many outputs need not be computed again.

        Convolutions of few outputs may be computed by other kernels than those of many, and rounded otherwise: as many
        are computed at a time as it takes to get the same numbers to the last bit.
        """
        frames = np.random.default_rng(0).normal(size=(self.encoder.n_mels, self.n_frames)).astype(np.float32)
        whole = self._deep(frames, 0)
        while n_new < self.n_steps:
            first = self.n_steps - n_new
            part = self._deep(frames, first)
            if all(torch.equal(a[..., first:], b) for a, b in zip(whole, part, strict=True)):
                return first
            n_new = n_new + 1 + n_new // 2
        return 0

    def _deep(self, frames, first):
        """Return the maps of frames from output `first` on, without those of the frames themselves."""
        with torch.inference_mode():
            pieces = self.encoder.steps_of(frames, first, self.n_steps, frames)
            maps = [torch.cat(parts, -1) for parts in zip(*pieces, strict=True)]
        return [maps for name, maps in zip(self.encoder.wanted, maps, strict=True) if name != "mel"]

    def reset(self):
        self.maps = None

    def __call__(self, window):
        encoder, frames, new = self.encoder, self.frames, self.new_frames
        if not self.shares:
            pieces = encoder.maps(window, encoder.sample_rate)
            return [torch.cat(parts, -1) for parts in zip(*pieces, strict=True)]
        if self.maps is None:
            encoder.write_log_mels(window, frames)
            self.maps = self._deep(frames, 0)
        else:
            frames[:, :-new] = frames[:, new:]
            encoder.write_log_mels(window[(self.n_frames - new) * encoder.hop_length :], frames[:, -new:])
            found = self._deep(frames, self.kept)
            known = slice(self.shift, self.shift + self.kept)
            self.maps = [
                torch.cat([old[..., known], new], -1) for old, new in zip(self.maps, found, strict=True)
            ]
        deep = iter(self.maps)
        return [encoder.positions_of(frames) if name == "mel" else next(deep) for name in encoder.wanted]
