"""Frozen networks that turn one waveform after another into maps of their layers."""

import math
from typing import Any, NamedTuple

import numpy as np
import soxr
import torch

from ..features import band_names


class Layer(NamedTuple):
    """A layer of an encoder: channels, and the centres of its frequency positions in Hz, None where it has none.

    With ``spread`` a row has the standard deviations over time of its channels after their means.
    """

    n_channels: int
    frequencies: np.ndarray | None
    spread: bool = False

    @property
    def n_columns(self):
        """Columns of one frequency position."""
        return self.n_channels * (1 + self.spread)


class Encoder:
    """A frozen network with its front end.

    ``names`` are the layers that there are, empty where that depends on the weights; ``wanted`` those asked for,
    ``layers`` what these are. It takes waveforms at ``sample_rate``. The front end is on the CPU, and so are the maps;
    the network is on ``device``.
    """

    names: tuple[str, ...] = ()
    wanted: tuple[str, ...]
    sample_rate: int
    layers: list[Layer]
    min_seconds: float  # shorter clips are repeated from their beginning
    most_seconds: float = 12  # in one piece: taggers learnt from clips of 10 s
    network: torch.nn.Module
    device = "cpu"
    _maps_of_piece: Any  # returns a list of arrays, or of tensors on the CPU

    def to(self, device):
        """Move the network to a device, and return the encoder."""
        self.network.to(device)
        self.device = device
        return self

    def column_names(self, bands):
        """Return the names of a row's columns: layer, with `bands` the centre of the frequency position, channel."""
        names = []
        for name, layer in zip(self.wanted, self.layers, strict=True):
            has_places = bands and layer.frequencies is not None
            places = [f"{place} " for place in band_names(layer.frequencies)] if has_places else [""]
            channels = [*range(layer.n_channels)]
            if layer.spread:
                channels = [f"{what} {c}" for what in ("mean", "std") for c in channels]
            names += [f"layer {name} {place}{c}" for place in places for c in channels]
        return np.array(names, dtype=object)

    def maps(self, waveform, sample_rate):
        """Yield the maps of each piece of a clip: a list of arrays (n_channels, n_positions, n_steps), one a layer."""
        if sample_rate != self.sample_rate:
            waveform = soxr.resample(waveform, sample_rate, self.sample_rate, quality="HQ")
        waveform = np.ascontiguousarray(waveform, np.float32)
        least = math.ceil(self.min_seconds * self.sample_rate)
        if len(waveform) < least:
            waveform = np.resize(waveform, least)
        with torch.inference_mode():
            for piece in self._maps(waveform):
                yield [np.asarray(maps) for maps in piece]

    def sliding_step(self, sample_rate):
        """Return the samples, at that rate, from one output to the next where outputs are local in time; else None."""
        return None

    def _maps(self, waveform):
        """Yield the maps of each piece of a waveform that is long enough, float32 and at the encoder's rate."""
        n_pieces = math.ceil(len(waveform) / (self.most_seconds * self.sample_rate))
        for piece in np.array_split(waveform, n_pieces):
            yield self._maps_of_piece(piece)


def mel_edges(n_mels, fmin, fmax, *, htk=False):
    """Return the edges of mel bands in Hz, (n_mels + 2,): each but the outermost is the centre of a band."""
    import librosa

    return librosa.mel_frequencies(n_mels=n_mels + 2, fmin=fmin, fmax=fmax, htk=htk)
