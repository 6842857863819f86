"""MobileNetV3 as published audio taggers have it."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ._inverted_residual import multiple_of_8

# (kernel, expanded channels, output channels, squeeze and excitation, hard swish, stride) at width 1:
# MobileNetV3-Large
_BLOCKS = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)


class _ConvNorm(nn.Sequential):
    def __init__(self, n_in, n_out, kernel, *, stride=1, groups=1, activation=None):
        layers = [
            nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(n_out, eps=0.001, momentum=0.01),
        ]
        if activation is not None:
            layers.append(activation())
        super().__init__(*layers)


class _Excitation(nn.Module):
    def __init__(self, n_channels, n_squeezed):
        super().__init__()
        self.fc1 = nn.Linear(n_channels, n_squeezed)
        self.fc2 = nn.Linear(n_squeezed, n_channels)

    def forward(self, x):
        scale = torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3))))))
        return x * scale[:, :, None, None]


class _ChannelExcitation(nn.Module):
    """Squeeze and excitation over the channels, under the names that the checkpoints have for it."""

    def __init__(self, n_channels):
        super().__init__()
        self.conc_se_layers = nn.ModuleList([_Excitation(n_channels, multiple_of_8(n_channels // 4))])

    def forward(self, x):
        return self.conc_se_layers[0](x)


class _Block(nn.Module):
    def __init__(self, n_in, n_expanded, n_out, kernel, excitation, activation, stride):
        super().__init__()
        layers = []
        if n_expanded != n_in:
            layers.append(_ConvNorm(n_in, n_expanded, 1, activation=activation))
        layers.append(
            _ConvNorm(n_expanded, n_expanded, kernel, stride=stride, groups=n_expanded, activation=activation)
        )
        if excitation:
            layers.append(_ChannelExcitation(n_expanded))
        layers.append(_ConvNorm(n_expanded, n_out, 1))
        self.block = nn.Sequential(*layers)
        self.residual = stride == 1 and n_in == n_out

    def forward(self, x):
        return x + self.block(x) if self.residual else self.block(x)


class MobileNetV3(nn.Module):
    """MobileNetV3-Large [1]_ for log-mel spectrograms, as the EfficientAT audio taggers have it [2]_.

    The names in its state dict are those of the published checkpoints.

    Parameters
    ----------
    width : float, default=1.0
        Factor of all numbers of channels: 0.4 in ``mn04``, 1.0 in ``mn10``.

    n_classes : int, default=527
        Number of classes; 527 are those of AudioSet.

    Notes
    -----
    Differs from the first paper in the squeeze-and-excitation (a logistic sigmoid), in the batch
    normalisation (``eps=0.001``), in its one input channel, and in the classifier, which follows the mean
    over frequency and time. With ``width=0.4`` it has 983,599 parameters.

    References
    ----------
    .. [1] A. Howard et al., "Searching for MobileNetV3", ICCV 2019, table 1.
    .. [2] F. Schmid, K. Koutini, G. Widmer, "Efficient large-scale audio tagging via
       Transformer-to-CNN knowledge distillation", ICASSP 2023.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import MobileNetV3
    >>> network = MobileNetV3(width=0.4).eval()
    >>> network(torch.zeros(2, 1, 128, 100)).shape
    torch.Size([2, 527])
    >>> [tuple(map.shape) for map in network.maps(torch.zeros(2, 1, 128, 100), (9, 11))]
    [(2, 32, 8, 7), (2, 48, 8, 7)]
    """

    def __init__(self, width: float = 1.0, n_classes: int = 527):
        super().__init__()
        n_in = multiple_of_8(16 * width)
        layers: list[nn.Module] = [_ConvNorm(1, n_in, 3, stride=2, activation=nn.Hardswish)]
        for kernel, expanded, out, excitation, hard_swish, stride in _BLOCKS:
            n_out = multiple_of_8(out * width)
            activation = nn.Hardswish if hard_swish else nn.ReLU
            layers.append(
                _Block(n_in, multiple_of_8(expanded * width), n_out, kernel, excitation, activation, stride)
            )
            n_in = n_out
        layers.append(_ConvNorm(n_in, 6 * n_in, 1, activation=nn.Hardswish))
        self.features = nn.Sequential(*layers)
        n_hidden = multiple_of_8(1280 * width)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6 * n_in, n_hidden),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(n_hidden, n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map log-mels (N, 1, n_mels, n_frames) to logits (N, n_classes)."""
        return self.classifier(self.features(x))

    def maps(self, x: Tensor, layers: Iterable[int]) -> list[Tensor]:
        """Return ``features[layer]`` of each of ``layers``, of shape (N, C, n_mels / s, n_frames / s).

        s is the stride so far: 16 for layers 7 to 12.
        """
        wanted = list(layers)
        found = {}
        for number, layer in enumerate(list(self.features)[: max(wanted) + 1]):
            x = layer(x)
            if number in wanted:
                found[number] = x
        return [found[number] for number in wanted]
