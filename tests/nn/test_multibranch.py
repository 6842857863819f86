import math

import numpy as np
import pytest
import torch
from torch import nn

from skasd.nn import MultiBranchNet, PReLU, SpectrumBranch, STFTBranch
from skasd.nn._same_padding import SameConv1d, SameConv2d, SqueezeExcitation, same_padding


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# ---- layers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "kernel", "stride"), [(80_000, 256, 64), (77, 3, 2), (128, 3, 2), (3, 7, 2)]
)
def test_same_padding_gives_ceil_and_puts_the_odd_zero_last(length, kernel, stride):
    before, after = same_padding(length, kernel, stride)
    assert (length + before + after - kernel) // stride + 1 == math.ceil(length / stride)
    assert after - before in (0, 1)


@pytest.mark.parametrize("length", [9, 10, 11, 12])
def test_same_convolutions_against_a_plain_loop(length):
    torch.manual_seed(0)
    conv = SameConv1d(2, 3, 5, 3, bias=False)
    x = torch.randn(1, 2, length)
    before, after = same_padding(length, 5, 3)
    padded = np.pad(x[0].numpy(), ((0, 0), (before, after)))
    weight = conv.weight.detach().numpy()
    expected = [(weight * padded[:, 3 * i : 3 * i + 5]).sum((1, 2)) for i in range(math.ceil(length / 3))]
    np.testing.assert_allclose(conv(x)[0].detach().numpy(), np.transpose(expected), rtol=1e-5, atol=1e-6)

    conv = SameConv2d(1, 2, 3, 2, bias=False)
    image = torch.randn(1, 1, length, 7)
    padded = np.pad(image[0, 0].numpy(), (same_padding(length, 3, 2), same_padding(7, 3, 2)))
    got = conv(image)[0].detach().numpy()
    assert got.shape == (2, math.ceil(length / 2), 4)
    for i in range(got.shape[1]):
        for j in range(4):
            window = padded[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            expected = (conv.weight.detach().numpy()[:, 0] * window).sum((1, 2))
            np.testing.assert_allclose(got[:, i, j], expected, rtol=1e-5, atol=1e-6)


def test_squeeze_excitation_against_numpy():
    torch.manual_seed(0)
    layer = SqueezeExcitation(32)
    x = torch.randn(2, 32, 3, 4)
    first, second = (w.detach().numpy() for w in layer.parameters())
    assert first.shape == (2, 32)
    hidden = np.maximum(x.numpy().mean((2, 3)) @ first.T, 0)
    gate = 1 / (1 + np.exp(-hidden @ second.T))
    np.testing.assert_allclose(layer(x).detach().numpy(), x.numpy() * gate[:, :, None, None], rtol=1e-5)


# ---- branches -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_bins", "length"), [(80_000, 10), (144_000, 18)])
def test_shapes_of_the_spectrum_branch(n_bins, length):
    net = SpectrumBranch(n_bins, squeeze_excitation=True).eval()
    x = torch.rand(2, n_bins, generator=seeded())
    assert net.convolutions(x[:, None]).shape == (2, 128, length)
    assert net.dense[0].in_features == 128 * length == {10: 1280, 18: 2304}[length]
    out = net(x)
    assert out.shape == (2, 128)
    torch.testing.assert_close(net(x[:, None]), out)
    torch.testing.assert_close(net(x[:, None, :, None]), out)


@pytest.mark.parametrize(
    ("n_frames", "table"),
    [
        (311, [(16, 128, 77), (16, 128, 77), (32, 64, 39), (64, 32, 20), (128, 16, 10)]),
        (561, [(16, 128, 140), (16, 128, 140), (32, 64, 70), (64, 32, 35), (128, 16, 18)]),
    ],
)
def test_shapes_of_the_stft_branch(n_frames, table):
    net = STFTBranch(squeeze_excitation=True).eval()
    seen = []
    for part in (net.stem, *net.stages):
        part.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape[1:])))
    assert net(torch.rand(1, 1, 513, n_frames, generator=seeded())).shape == (1, 128)
    assert seen == table
    assert net.output[1].in_features == 2048


@pytest.mark.parametrize("shape", [(513, 1), (513, 4), (1, 1), (128, 20), (65, 999)])
def test_stft_branch_takes_any_number_of_frames(shape):
    assert STFTBranch(shape[0]).eval()(torch.rand(2, 1, *shape, generator=seeded())).shape == (2, 128)


def test_branches_name_a_wrong_size():
    with pytest.raises(ValueError, match=r"spectra of 100 bins, got an input of shape \(2, 99\)"):
        SpectrumBranch(100)(torch.zeros(2, 99))
    with pytest.raises(ValueError, match=r"\(N, 1, 513, n_frames\), got \(2, 1, 512, 9\)"):
        STFTBranch()(torch.zeros(2, 1, 512, 9))
    with pytest.raises(ValueError, match="activation='elu'"):
        STFTBranch(activation="elu")


@pytest.mark.parametrize("squeeze", [False, True])
@pytest.mark.parametrize("activation", ["relu", "prelu"])
def test_number_of_parameters(activation, squeeze):
    prelu = activation == "prelu"
    gate = 2 * 128 * 8 + prelu * 8 if squeeze else 0
    expected = 128 * (256 + 128 * 64 + 128 * 16) + 3 * gate
    expected += 128 * (1280 + 4 * 128) + 4 * 2 * 128 + prelu * (3 + 4) * 128
    net = SpectrumBranch(activation=activation, squeeze_excitation=squeeze)
    assert sum(p.numel() for p in net.parameters()) == expected

    expected = 2 * 513 + 16 * 49 + 2 * 16 + prelu * 16
    first = True
    for n_in, n_out in ((16, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)):
        expected += 9 * n_out * (n_in + n_out) + 2 * n_out + prelu * (n_in + n_out)
        expected += 0 if first else 2 * n_in  # the first unit follows the stem's normalisation
        expected += n_in * n_out if n_in != n_out else 0
        expected += (2 * n_out + prelu) * (n_out // 16) if squeeze else 0
        first = False
    expected += 2 * 2048 + 2048 * 128
    net = STFTBranch(activation=activation, squeeze_excitation=squeeze)
    assert sum(p.numel() for p in net.parameters()) == expected


def test_no_biases_and_activations_replaced_everywhere():
    net = MultiBranchNet(
        branches=(("spectrum", 800), ("stft", 65), ("phase", 65)), activation="prelu", squeeze_excitation=True
    )
    weighted = [m for m in net.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear)]
    assert len(weighted) == 8 + 6 + 2 * (21 + 16)
    assert all(m.bias is None for m in weighted)
    assert not any(isinstance(m, nn.ReLU) for m in net.modules())
    assert sum(isinstance(m, PReLU) for m in net.modules()) == 7 + 3 + 2 * (17 + 8)


def test_stft_branch_does_not_see_a_constant_gain_per_bin():
    # The mean over time is subtracted: a stationary hum changes nothing.
    net = STFTBranch(65).eval()
    x = torch.rand(2, 1, 65, 40, generator=seeded())
    hum = 5 * torch.rand(1, 1, 65, 1, generator=seeded(1))
    torch.testing.assert_close(net(x + hum), net(x), rtol=1e-3, atol=1e-4)


def test_stft_unit_against_its_description():
    torch.manual_seed(0)
    net = STFTBranch(65)
    unit = net.stages[1][0]
    for module in unit.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    x = torch.randn(3, 16, 9, 12)
    _, conv1, _, _, conv2, _ = unit.residual

    def norm(t, bn):
        mean, var = t.mean((0, 2, 3), keepdim=True), t.var((0, 2, 3), keepdim=True, unbiased=False)
        gain, shift = (p[:, None, None] for p in (bn.weight, bn.bias))
        return (t - mean) / (var + 1e-3).sqrt() * gain + shift

    trunk = norm(x, unit.norm)
    path = conv2(norm(conv1(trunk.relu()), unit.residual[2]).relu())
    pooled = torch.nn.functional.max_pool2d(trunk, 2, ceil_mode=True)
    expected = path + torch.einsum("oi,nihw->nohw", unit.shortcut[1].weight[:, :, 0, 0], pooled)
    assert expected.shape == (3, 32, 5, 6)
    torch.testing.assert_close(unit(x), expected, rtol=1e-4, atol=1e-4)


# ---- the network ----------------------------------------------------------------------------------


def three_branches(seed=0, **settings):
    torch.manual_seed(seed)
    branches = (("spectrum", 800), ("stft", 33), ("phase", 33))
    return MultiBranchNet(branches, branch_dim=32, **settings)


def inputs(n=6, generator=None):
    generator = generator or seeded()
    shapes = {"spectrum": (n, 800), "stft": (n, 1, 33, 30), "phase": (n, 1, 33, 30)}
    return {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}


def test_inputs_by_name():
    net = three_branches().eval()
    x = inputs()
    branches, embedding = net(x)
    assert net.embedding_dim == 96
    assert net.names == ("spectrum", "stft", "phase")
    assert torch.equal(torch.cat(branches, 1), embedding)
    assert torch.equal(branches[2], net.branches["phase"](x["phase"]))
    assert torch.equal(net(dict(reversed(x.items())))[1], embedding)


def test_a_kind_may_come_twice():
    net = MultiBranchNet((("stft", 33), ("stft", 65)))
    assert net.names == ("stft", "stft_2")
    assert net.branches["stft_2"].n_bins == 65


def test_errors():
    net = three_branches()
    x = inputs()
    with pytest.raises(ValueError, match=r"\('spectrum', 'stft', 'phase'\), got \['spectrum', 'stft'\]"):
        net({"spectrum": x["spectrum"], "stft": x["stft"]})
    with pytest.raises(ValueError, match="'mel'"):
        MultiBranchNet((("mel", 64),))
    with pytest.raises(ValueError, match="empty"):
        MultiBranchNet(())


@pytest.mark.parametrize("activation", ["relu", "prelu"])
def test_gradient_reaches_every_parameter(activation):
    # The gates of 16 channels have one hidden unit, which a draw of weights may leave dead: several draws.
    reached = {}
    for seed in range(4):
        net = three_branches(seed, activation=activation, squeeze_excitation=True)
        net(inputs())[1].square().sum(1).add(1).log().sum().backward()
        for name, parameter in net.named_parameters():
            gradient = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
            reached[name] = reached.get(name, False) or gradient
            assert gradient or "gate" in name, name
    assert all(reached.values()), [name for name, seen in reached.items() if not seen]


@pytest.mark.parametrize("activation", ["relu", "prelu"])
def test_every_branch_learns(activation):
    generator = seeded(3)
    n, label = 24, torch.arange(24) % 3
    x = inputs(n, generator)
    for i, c in enumerate(label):
        x["spectrum"][i, 200 * c + 50 : 200 * c + 60] += 3
        x["stft"][i, 0, 10 * c + 4, ::4] += 3
        x["phase"][i, 0, 10 * c + 6, ::6] += 3
    net = three_branches(activation=activation, bn_momentum=0.3)
    heads = nn.ModuleList(nn.Linear(32, 3) for _ in range(3))
    optimizer = torch.optim.Adam([*net.parameters(), *heads.parameters()], lr=1e-3)
    for _ in range(20):
        loss = sum(nn.functional.cross_entropy(h(b), label) for h, b in zip(heads, net(x)[0], strict=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    for head, branch in zip(heads, net(x)[0], strict=True):
        assert (head(branch).argmax(1) == label).float().mean() > 0.9
