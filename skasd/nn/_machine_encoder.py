"""The network of the encoder that comes with the library."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

# (expanded channels, channels, kernel over frequency and time, stride over frequency and time)
_BLOCKS = (
    (8, 8, (3, 3), (1, 1)),
    (24, 16, (3, 5), (2, 5)),
    (48, 16, (3, 3), (1, 1)),
    (48, 24, (5, 3), (2, 1)),
    (72, 24, (5, 3), (1, 1)),
    (72, 24, (5, 1), (1, 1)),
    (120, 48, (3, 1), (2, 1)),
    (144, 48, (3, 1), (1, 1)),
    (144, 48, (3, 1), (1, 1)),
)
_N_RELU = 6  # the first blocks have rectified linear units, the others hard swish, as in MobileNetV3
# output channels of the heads by the layer of the teacher that they repeat, and the block that they follow
_HEADS = {"6": (16, 6), "9": (32, 9), "11": (48, 9)}
_PREEMPHASIS = 0.97


class LocalBlock(nn.Module):
    """Inverted residual block without padding over time; the shortcut is cut to the frames that are left."""

    def __init__(self, n_in, expanded, n_out, kernel, stride, activation):
        super().__init__()
        layers: list[nn.Module] = []
        if expanded != n_in:
            layers += [nn.Conv2d(n_in, expanded, 1, bias=False), nn.BatchNorm2d(expanded), activation()]
        padding = (kernel[0] // 2, 0)
        layers += [
            nn.Conv2d(expanded, expanded, kernel, stride, padding, groups=expanded, bias=False),
            nn.BatchNorm2d(expanded),
            activation(),
            nn.Conv2d(expanded, n_out, 1, bias=False),
            nn.BatchNorm2d(n_out),
        ]
        self.conv = nn.Sequential(*layers)
        self.margin = kernel[1] // 2
        self.residual = stride == (1, 1) and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)
        return out + x[..., self.margin : x.shape[-1] - self.margin] if self.residual else out


class MachineEncoder(nn.Module):
    """Small convolutional encoder of sounds, local in time: the network of the encoder that skasd ships.

    Inverted residual blocks [1]_ over log-mel spectrograms. No layer pads the time axis or takes a mean over it:
    an output depends on 75 frames only, so that outputs of a stream are computed only once. There is one output every
    10 frames. The network was trained to reproduce middle layers of an audio tagger [2]_ on generated sound
    (``recipes/encoder.py``).

    Attributes
    ----------
    receptive_field, stride : int
        Frames that one output depends on (75), and frames from one output to the next (10).
    n_mels : int
        Number of mel bands of the input, 128.
    fmax : float
        Upper end of the mel bands in Hz, 15,000; the lower is 0.
    layers : tuple of str
        Names of the outputs: "6" with 16 channels at 16 positions along frequency, "9" with 32 and "11" with 48 at 8
        positions. The names are those of the teacher's layers that they reproduce.
    taps : dict
        The module of ``features`` that each of `layers` follows, by its number.
    floor : float
        Least log-mel after pre-emphasis.

    Notes
    -----
    The input is the natural logarithm of the mel energies (HTK's mel scale, triangles of height 1) of a power
    spectrogram at 32 kHz: Hann window of 800 samples in frames of 1024, 320 samples apart. The network adds
    the pre-emphasis that the teacher's front end has (factor 0.97) and its floor of 1e-5. 59,168 parameters.

    References
    ----------
    .. [1] M. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018.
    .. [2] F. Schmid, K. Koutini, G. Widmer, "Efficient large-scale audio tagging via
       Transformer-to-CNN knowledge distillation", ICASSP 2023.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import MachineEncoder
    >>> network = MachineEncoder().eval()
    >>> [tuple(map.shape) for map in network(torch.zeros(2, 1, 128, 95), ("6", "9"))]
    [(2, 16, 16, 3), (2, 32, 8, 3)]
    """

    emphasis: Tensor

    receptive_field = 75
    stride = 10
    n_mels = 128
    fmax = 15000.0
    layers = tuple(_HEADS)
    taps = {name: after for name, (_, after) in _HEADS.items()}
    floor = math.log(1e-5)

    def __init__(self):
        super().__init__()
        mel = torch.arange(1, self.n_mels + 1) * (math.log1p(self.fmax / 700) / (self.n_mels + 1))
        omega = 700 * torch.expm1(mel) * (2 * math.pi / 32000)
        emphasis = torch.log(1 + _PREEMPHASIS**2 - 2 * _PREEMPHASIS * torch.cos(omega))
        self.register_buffer("emphasis", emphasis[:, None], persistent=False)
        n_in = 8
        first = nn.Conv2d(1, n_in, 3, 2, (1, 0), bias=False)
        layers: list[nn.Module] = [nn.Sequential(first, nn.BatchNorm2d(n_in), nn.Hardswish())]
        channels = [n_in]
        for number, (expanded, n_out, kernel, stride) in enumerate(_BLOCKS):
            activation = nn.ReLU if number < _N_RELU else nn.Hardswish
            layers.append(LocalBlock(channels[-1], expanded, n_out, kernel, stride, activation))
            channels.append(n_out)
        self.features = nn.Sequential(*layers)
        self.heads = nn.ModuleDict(
            {name: nn.Conv2d(channels[after], n_out, 1) for name, (n_out, after) in _HEADS.items()}
        )

    def forward(self, x: Tensor, layers: Iterable[str] = ("9",)) -> list[Tensor]:
        """Map log-mels (N, 1, 128, n_frames) to one (N, n_channels, n_positions, n_steps) for each of `layers`."""
        wanted = list(layers)
        if unknown := [name for name in wanted if name not in _HEADS]:
            raise ValueError(f"layers={unknown}: must be among {', '.join(map(repr, _HEADS))}.")
        if x.shape[-1] < self.receptive_field:
            raise ValueError(f"{x.shape[-1]} frames: an output takes at least {self.receptive_field}.")
        x = (torch.clamp(x + self.emphasis, min=self.floor) + 4.5) / 5
        found = {}
        for number, block in enumerate(self.features):
            x = block(x)
            for name, after in self.taps.items():
                if after == number and name in wanted:
                    found[name] = self.heads[name](x)
        return [found[name] for name in wanted]
