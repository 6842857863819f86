"""Published audio taggers, each with its front end."""

import os

import numpy as np
import torch

from .. import nn
from ..features import LogMelTransformer
from ._encoders import Encoder, Layer, mel_edges
from ._pretrained import panns_front_end, read_state


class EfficientAT(Encoder):
    """Audio taggers of EfficientAT: MobileNetV3 on log-mels at 32 kHz."""

    names = tuple(map(str, range(17)))
    sample_rate = 32000
    min_seconds = 0.05

    def __init__(self, path, layers, *, sample_rate, width):
        self.wanted = layers
        self.numbers = [int(name) for name in layers]
        network = nn.MobileNetV3(width=width)
        try:
            network.load_state_dict(read_state(path, "weights"))
        except RuntimeError as error:
            raise ValueError(
                f"weights={os.fspath(path)!r} does not have the layout of EfficientAT's MobileNetV3 of width {width}: "
                f"{error}"
            ) from error
        self.network = nn.fold_batch_norm(network).to(memory_format=torch.channels_last)
        self.log_mel = LogMelTransformer(
            sample_rate=self.sample_rate,
            n_fft=1024,
            hop_length=320,
            win_length=800,
            window=np.hanning(800),
            pad_mode="reflect",
            fmax=15000.0,
            filters="kaldi",
            preemphasis=0.97,
            log=None,
        ).waveform_function()
        centres = mel_edges(128, 0, 15000, htk=True)[1:-1]
        maps = self._maps_of_piece(np.zeros(self.sample_rate, np.float32))
        self.layers = [Layer(len(m), centres[:: 128 // m.shape[1]]) for m in maps]

    def _maps_of_piece(self, waveform):
        energies = torch.from_numpy(self.log_mel(waveform))[None, None]
        x = energies.add_(1e-5).log_().add_(4.5).div_(5)
        x = x.contiguous(memory_format=torch.channels_last).to(self.device)
        return [m[0].cpu() for m in self.network.maps(x, self.numbers)]


class PannsCnn14(Encoder):
    """Cnn14 of PANNs on log-mels at 16 kHz."""

    names = tuple(map(str, range(1, 7)))
    sample_rate = 16000
    min_seconds = 0.33  # five poolings leave one frame of 32

    def __init__(self, path, layers, *, sample_rate):
        self.wanted = layers
        self.numbers = [int(name) for name in layers]
        state = read_state(path, "weights")
        filters = state.get("logmel_extractor.melW")
        n_blocks = max(self.numbers)  # those behind have no part in it
        blocks = [f"conv_block{number}." for number in range(1, n_blocks + 1)]
        try:
            channels = [len(state[block + "conv2.weight"]) for block in blocks]
            self.network = nn.Cnn14(channels=channels)
            wanted = {name: value for name, value in state.items() if name.startswith(("bn0.", *blocks))}
            self.network.load_state_dict(wanted)
        except (KeyError, RuntimeError) as error:
            raise ValueError(
                f"weights={os.fspath(path)!r} does not have the layout of PANNs' Cnn14 (bn0, conv_block1 to "
                f"conv_block6): {error}"
            ) from error
        if filters is not None and tuple(filters.shape) != (257, 64):
            raise ValueError(
                f"weights={os.fspath(path)!r} is made for {panns_front_end(state)}; give Cnn14_16k, whose log-mels "
                "are at 16000 Hz, n_fft=512, 64 bands."
            )
        self.network.eval().to(memory_format=torch.channels_last)
        bands = {"n_mels": 64, "fmin": 50.0, "fmax": 8000.0}
        self.log_mel = LogMelTransformer(
            sample_rate=self.sample_rate, n_fft=512, hop_length=160, pad_mode="reflect", amin=1e-10, **bands
        ).waveform_function()
        centres = mel_edges(**bands)[1:-1]
        maps = self._maps_of_piece(np.zeros(self.sample_rate, np.float32))
        self.layers = [Layer(len(m), centres.reshape(m.shape[1], -1).mean(1)) for m in maps]

    def _maps_of_piece(self, waveform):
        x = torch.from_numpy(self.log_mel(waveform))[None, None].to(self.device)
        with torch.inference_mode():
            return [m[0].cpu() for m in self.network.maps(x, self.numbers)]
