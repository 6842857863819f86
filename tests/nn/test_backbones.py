"""MobileFaceNet and MobileNetV2 against the tables of the reports, layer by layer."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skasd.nn import MobileFaceNet, MobileNetV2, fold_batch_norm


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _n_parameters(module):
    return sum(p.numel() for p in module.parameters())


def _n_statistics(module):
    return sum(b.numel() for name, b in module.named_buffers() if "running" in name)


def _table_shapes(network, x):
    """Shapes (bins, frames, channels) after each child of ``features``, one entry per run of equal shapes."""
    shapes = []
    network.eval()
    with torch.no_grad():
        for layer in network.features:
            x = layer(x)
            shapes.append((x.shape[2], x.shape[3], x.shape[1]))
    return shapes


# Parameters by hand: a convolution has in * out * k * k / groups weights and no bias, batch normalisation 2
# per channel, PReLU 1 per channel.
def _conv(n_in, n_out, k=1, groups=1, prelu=True):
    return n_in * n_out * k * k // groups + (3 if prelu else 2) * n_out


def _bottleneck(n_in, n_out, t, prelu=True):
    hidden = t * n_in
    expand = _conv(n_in, hidden, prelu=prelu) if t > 1 else 0
    return expand + _conv(hidden, hidden, 3, hidden, prelu) + _conv(hidden, n_out, prelu=False)


def _mobilefacenet_parameters(n_cells, embedding_dim=128):
    total = _conv(1, 64, 3) + _conv(64, 64, 3, 64)
    n_in = 64
    for t, c, n in [(2, 64, 5), (4, 128, 1), (2, 128, 6), (4, 128, 1), (2, 128, 2)]:
        for _ in range(n):
            total += _bottleneck(n_in, c, t)
            n_in = c
    total += _conv(128, 512) + 512 * n_cells + 2 * 512
    return total + _conv(512, embedding_dim, prelu=False)


# input rows of the tables: the shape before each operator is the shape after the one above it
JLESS_128x64 = (
    [(64, 32, 64)] * 2
    + [(32, 16, 64)] * 5
    + [(16, 8, 128)] * 7
    + [(8, 4, 128)] * 3
    + [(8, 4, 512)]
)  # fmt: skip
SECOM_1024x32 = (
    [(512, 16, 64)] * 2
    + [(256, 8, 64)] * 5
    + [(128, 4, 128)]
    + [(64, 2, 128)] * 6
    + [(32, 1, 128)] * 3
    + [(32, 1, 512)]
)  # fmt: skip
JLESS_512x32 = (
    [(256, 16, 64)] * 2
    + [(128, 8, 64)] * 5
    + [(64, 4, 128)]
    + [(32, 2, 128)] * 6
    + [(16, 1, 128)] * 3
    + [(16, 1, 512)]
)  # fmt: skip


@pytest.mark.parametrize(
    ("table", "size", "shapes"),
    [
        ("jless", (128, 64), JLESS_128x64),
        ("secom", (1024, 32), SECOM_1024x32),
        ("secom", (512, 32), JLESS_512x32),
    ],
)
def test_mobilefacenet_tables(table, size, shapes):
    network = MobileFaceNet(*size, table=table)
    x = torch.zeros(1, 1, *size)
    assert _table_shapes(network, x) == shapes
    assert network.gdconv[0].kernel_size == shapes[-1][:2]
    assert network.gdconv(network.features(x)).shape == (1, 512, 1, 1)
    assert network(x).shape == (1, 128)
    assert _n_parameters(network) == _mobilefacenet_parameters(shapes[-1][0] * shapes[-1][1])


def test_mobilefacenet_is_the_size_measured():
    assert _n_parameters(MobileFaceNet(128, 64)) == 993_280  # MobileFaceNets' paper: 0.99 million
    assert all(
        m.num_parameters == m.weight.numel() > 1
        for m in MobileFaceNet(8, 8).modules()
        if isinstance(m, nn.PReLU)
    )


def _mobilenetv2_shapes(size, strides):
    rows, columns = size
    channels = [32, 16, 24, 32, 64, 96, 160, 320, 1280]
    repeats = [1, 1, 2, 3, 4, 3, 3, 1, 1]
    shapes = []
    for c, n, s in zip(channels, repeats, strides, strict=True):
        rows, columns = -(-rows // s), -(-columns // s)
        shapes += [(rows, columns, c)] * n
    return shapes


def _mobilenetv2_parameters(in_channels, channels, last=1280):
    total = _conv(in_channels, channels[0], 3, prelu=False)
    n_in = channels[0]
    for t, c, n in zip([1, 6, 6, 6, 6, 6, 6], channels[1:], [1, 2, 3, 4, 3, 3, 1], strict=True):
        for _ in range(n):
            total += _bottleneck(n_in, c, t, prelu=False)
            n_in = c
    return total + _conv(n_in, last, prelu=False)


FULL = [32, 16, 24, 32, 64, 96, 160, 320]


def test_mobilenetv2_secom_table():
    network = MobileNetV2(1024, 32)
    shapes = _table_shapes(network, torch.zeros(1, 1, 1024, 32))
    assert shapes == _mobilenetv2_shapes((1024, 32), [2, 1, 2, 2, 2, 1, 2, 1, 1])
    # the input column of the table, from its second row on
    assert list(dict.fromkeys(shapes)) == [
        (512, 16, 32), (512, 16, 16), (256, 8, 24), (128, 4, 32), (64, 2, 64), (64, 2, 96),
        (32, 1, 160), (32, 1, 320), (32, 1, 1280),
    ]  # fmt: skip
    assert network(torch.zeros(1, 1, 1024, 32)).shape == (1, 128)
    assert _n_parameters(network) == _mobilenetv2_parameters(1, FULL) + 1280 * 128 + 128


def test_mobilenetv2_cqupt_table():
    network = MobileNetV2(64, 300, variant="cqupt")
    expected = _mobilenetv2_shapes((64, 300), [2, 1, 2, 2, 2, 2, 1, 1, 1])
    expected[-1] = (*expected[-1][:2], 128)  # the last convolution gives the embedding's 128 channels
    assert _table_shapes(network, torch.zeros(1, 1, 64, 300)) == expected
    assert network(torch.zeros(1, 1, 64, 300)).shape == (1, 128)
    assert _n_parameters(network) == _mobilenetv2_parameters(1, FULL, last=128)
    pretrained = MobileNetV2(64, 300, variant="cqupt", embedding_dim=None)
    assert pretrained.embedding_dim == 1280
    assert _n_parameters(pretrained) == _mobilenetv2_parameters(1, FULL)


def test_mobilenetv2_official_baseline():
    network = MobileNetV2(128, 64, in_channels=3, embedding_dim=None, width=0.5, variant="official")
    assert network.embedding_dim == 1280
    # Keras counts moving averages: MobileNetV2(alpha=0.5, include_top=False) has 706,224
    assert _n_parameters(network) == _mobilenetv2_parameters(3, [16, 8, 16, 16, 32, 48, 80, 160])
    assert _n_parameters(network) + _n_statistics(network) == 706_224
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 1e-3)}
    x = torch.randn(2, 1, 128, 64)
    network.eval()
    torch.testing.assert_close(network(x), network(x.repeat(1, 3, 1, 1)))


def test_mobilenetv2_published_sizes():
    network = MobileNetV2(224, 224, in_channels=3, embedding_dim=None)
    # Keras, alpha=1, include_top=False
    assert _n_parameters(network) + _n_statistics(network) == 2_257_984
    # torchvision's mobilenet_v2 with its classifier of 1000 classes
    assert _n_parameters(network) + 1280 * 1000 + 1000 == 3_504_872


def test_mobilenetv2_has_the_layout_of_torchvision():
    state = MobileNetV2(32, 32, in_channels=3, embedding_dim=None).state_dict()
    assert len(state) == 312  # torchvision: 314 with classifier.1.weight and .bias
    for key, shape in {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.1.conv.0.0.weight": (32, 1, 3, 3),
        "features.1.conv.1.weight": (16, 32, 1, 1),
        "features.2.conv.0.0.weight": (96, 16, 1, 1),
        "features.2.conv.1.1.running_var": (96,),
        "features.17.conv.3.bias": (320,),
        "features.18.0.weight": (1280, 320, 1, 1),
    }.items():
        assert state[key].shape == shape


BUILDERS = {
    "jless": lambda *size, **kw: MobileFaceNet(*size, **kw),
    "secom": lambda *size, **kw: MobileFaceNet(*size, table="secom", **kw),
    "mobilenetv2": lambda *size, **kw: MobileNetV2(*size, width=0.25, **kw),
    "cqupt": lambda *size, **kw: MobileNetV2(*size, width=0.25, variant="cqupt", **kw),
}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@settings(max_examples=6, deadline=None)
@given(n_bins=st.integers(1, 70), n_frames=st.integers(1, 40))
def test_any_size_trains(build, n_bins, n_frames):
    network = build(n_bins, n_frames, embedding_dim=5)
    embedding = network(torch.randn(2, 1, n_bins, n_frames))
    assert embedding.shape == (2, network.embedding_dim) == (2, 5)
    embedding.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_smallest_sizes(size):
    for build in BUILDERS.values():
        assert build(*size).eval()(torch.randn(1, 1, *size)).shape == (1, 128)


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_channels_last_agrees_and_stays(build):
    network = build(32, 16)
    x = torch.randn(4, 1, 32, 16, generator=torch.Generator().manual_seed(0))
    expected = network.eval()(x)
    network.to(memory_format=torch.channels_last)
    formats = []
    hooks = [
        m.register_forward_hook(
            lambda m, i, o: formats.append(o.is_contiguous(memory_format=torch.channels_last))
        )
        for m in network.features
    ]
    difference = (network(x) - expected).abs().max()
    assert difference < 1e-5 * expected.abs().max()  # different kernels, different order of summation
    for hook in hooks:
        hook.remove()
    assert all(formats)


def _with_statistics(network):
    """Give batch normalisation statistics, scales and shifts of its own."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            shape = module.running_mean.shape
            module.running_mean.copy_(0.1 * torch.randn(shape, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(shape, generator=generator))
            with torch.no_grad():
                module.weight.copy_(0.5 + torch.rand(shape, generator=generator))
                module.bias.copy_(0.1 * torch.randn(shape, generator=generator))
    return network


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_folding_leaves_no_batch_norm_and_the_same_output(build):
    network = _with_statistics(build(32, 16)).to(memory_format=torch.channels_last)
    x = torch.randn(4, 1, 32, 16, generator=torch.Generator().manual_seed(0))
    network.train()
    state = {key: value.clone() for key, value in network.state_dict().items()}
    folded = fold_batch_norm(network)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert not folded.training
    with torch.no_grad():
        expected, actual = network.eval()(x), folded(x)
    assert (actual - expected).abs().max() < 1e-5 * max(1.0, expected.abs().max())
    # the original is as it was
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert folded.features[0][0].weight.is_contiguous(memory_format=torch.channels_last)


def test_folding_of_linear_and_1d_layers_and_what_it_leaves_alone():
    network = nn.Sequential(
        nn.BatchNorm1d(3),
        nn.Conv1d(3, 4, 3),
        nn.BatchNorm1d(4),
        nn.AvgPool1d(2),
        nn.BatchNorm1d(4),
        nn.Flatten(),
        nn.Linear(8, 5),
        nn.BatchNorm1d(5),
        nn.Linear(5, 2),
        nn.BatchNorm1d(2, track_running_stats=False),
    )
    for module in network:
        if isinstance(module, nn.BatchNorm1d) and module.track_running_stats:
            _with_statistics(module)
    folded = fold_batch_norm(network)
    x = torch.randn(3, 3, 6)
    torch.testing.assert_close(folded(x), network.eval()(x), rtol=1e-4, atol=1e-4)
    assert [i for i, m in enumerate(folded) if isinstance(m, nn.BatchNorm1d)] == [0, 4, 9]


def test_same_seed_same_weights_and_standard_spread():
    weights = []
    for _ in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            weights.append(MobileFaceNet(16, 8).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    depthwise = weights[0]["features.2.conv.1.0.weight"]  # fan-out 3 * 3 of one channel
    assert depthwise.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.1)


def test_bf16_autocast():
    network = MobileFaceNet(16, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embedding = network(torch.randn(4, 1, 16, 8))
    embedding.float().sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MobileFaceNet(0, 4), "n_bins=0"),
        (lambda: MobileNetV2(4, 0), "n_frames=0"),
        (lambda: MobileNetV2(4, 4, in_channels=0), "in_channels=0"),
        (lambda: MobileFaceNet(4, 4, embedding_dim=0), "embedding_dim=0"),
        (lambda: MobileNetV2(4, 4, embedding_dim=0), "embedding_dim=0"),
        (lambda: MobileFaceNet(4, 4, table="imagenet"), "table='imagenet'"),
        (lambda: MobileNetV2(4, 4, variant="imagenet"), "variant='imagenet'"),
        (lambda: MobileNetV2(4, 4, width=0), "width=0"),
    ],
)
def test_wrong_settings(build, message):
    with pytest.raises(ValueError, match=message):
        build()
