"""The convolution blocks that MobileNetV2 and MobileFaceNet are made of."""

from collections.abc import Callable

from torch import Tensor, nn

from ._norm_prelu import can_join, norm_prelu


class ConvBlock(nn.Sequential):
    """Convolution without bias, batch normalisation, activation; as children 0, 1, 2.

    The kernel is a square of odd side, padded so that stride 1 keeps the size; ``groups=in_channels`` makes it
    depthwise. ``activation``, called with the number of channels, gives the activation module; None: a linear block.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        groups: int = 1,
        activation: Callable[[int], nn.Module] | None = None,
    ):
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride=stride,
                padding=kernel_size // 2,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels),
        ]
        if activation is not None:
            layers.append(activation(out_channels))
        super().__init__(*layers)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        x = self[0](input)
        if len(self) == 3 and can_join(x, self[1], self[2]):
            return norm_prelu(x, self[1], self[2])
        for layer in list(self)[1:]:
            x = layer(x)
        return x


class InvertedResidual(nn.Module):
    """Inverted residual block with linear bottleneck (Sandler et al., CVPR 2018, table 1).

    1x1 expansion to ``expansion * in_channels`` channels (left out where that is 1), 3x3 depthwise convolution of this
    stride, linear 1x1 projection; the input is added where the shapes agree (stride 1 and as many channels out as in).
    ``activation``, called with the number of channels, gives the activation module.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        expansion: int,
        activation: Callable[[int], nn.Module],
    ):
        super().__init__()
        hidden = expansion * in_channels
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvBlock(in_channels, hidden, 1, activation=activation))
        layers += [
            ConvBlock(hidden, hidden, 3, stride=stride, groups=hidden, activation=activation),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        return x + self.conv(x) if self.residual else self.conv(x)


def inverted_residual_stages(
    in_channels: int,
    stages: list[tuple[int, int, int, int]],
    activation: Callable[[int], nn.Module],
) -> list[InvertedResidual]:
    """Blocks of a table of (t, c, n, s): n blocks of c channels and expansion t, the first of stride s."""
    blocks = []
    for expansion, channels, repeats, first_stride in stages:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            blocks.append(
                InvertedResidual(
                    in_channels, channels, stride=stride, expansion=expansion, activation=activation
                )
            )
            in_channels = channels
    return blocks


def initialise(network: nn.Module) -> None:
    """Draw the weights anew: He's normal initialisation by fan-out, linear layers N(0, 0.01^2).

    For depthwise convolutions the fan-out counts the one channel that a kernel feeds; PyTorch's own count
    takes all of them and starts such layers hundreds of times too small.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
            nn.init.normal_(module.weight, std=(2.0 / fan_out) ** 0.5)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)


def size_after(size: int, n_halvings: int) -> int:
    """Rows (or columns) left of ``size`` after strides of 2: each gives ceil(size / 2), never below 1."""
    return -(-size // 2**n_halvings)


def check_sizes(**sizes: int | None) -> None:
    """Raise for a size below 1; None stands for an unspecified size."""
    for name, value in sizes.items():
        if value is not None and value < 1:
            raise ValueError(f"{name}={value!r}: must be at least 1")


def multiple_of_8(channels: float) -> int:
    """Round to the nearest multiple of 8, at least 8 and never more than 10 % down."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
