"""Published audio taggers, each with its front end."""

import os

import numpy as np
import torch

from .. import nn
from ..features import LogMelTransformer
from ._encoders import Encoder, Layer, cut, mel_edges
from ._pretrained import read_state

_MOST_SECONDS = 12  # in one piece: they learnt from clips of 10 s


class EfficientAT(Encoder):
    """Audio taggers of EfficientAT: MobileNetV3 on log-mels at 32 kHz."""

    names = tuple(map(str, range(17)))
    sample_rate = 32000
    min_seconds = 0.05

    def __init__(self, path, layers, *, sample_rate, width):
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

    def _maps(self, waveform):
        for piece in cut(waveform, _MOST_SECONDS * self.sample_rate):
            yield self._maps_of_piece(piece)

    def _maps_of_piece(self, waveform):
        energies = torch.from_numpy(self.log_mel(waveform))[None, None]
        x = energies.add_(1e-5).log_().add_(4.5).div_(5)
        maps = self.network.maps(x.contiguous(memory_format=torch.channels_last), self.numbers)
        return [m[0] for m in maps]
