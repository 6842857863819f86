import pytest
import torch
from torch import nn

from skasd.nn import ResNet18


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("in_channels", "expected"), [(1, 11_170_240), (3, 11_176_512)])
def test_number_of_parameters(in_channels, expected):
    derived = 64 * 49 * in_channels + 2 * 64
    n_in = 64
    for n in (64, 128, 256, 512):
        derived += 9 * n_in * n + 3 * 9 * n * n + 4 * 2 * n
        derived += n_in * n + 2 * n if n_in != n else 0
        n_in = n
    net = ResNet18(in_channels)
    assert sum(p.numel() for p in net.parameters()) == derived == expected
    assert sum(p.numel() for p in ResNet18(in_channels, 64).parameters()) == derived + 512 * 64 + 64


def test_names_are_those_of_torchvision():
    names = list(ResNet18().state_dict())
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    expected = ["conv1.weight", *(f"bn1.{n}" for n in norm)]
    for layer in range(1, 5):
        for block in range(2):
            at = f"layer{layer}.{block}"
            for i in (1, 2):
                expected += [f"{at}.conv{i}.weight", *(f"{at}.bn{i}.{n}" for n in norm)]
            if layer > 1 and block == 0:
                expected += [f"{at}.downsample.0.weight", *(f"{at}.downsample.1.{n}" for n in norm)]
    assert names == expected


@pytest.mark.parametrize("size", [(224, 126), (1, 1), (3, 50), (64, 1)])
def test_any_size(size):
    net = ResNet18().eval()
    assert net(torch.randn(2, 1, *size, generator=seeded())).shape == (2, net.embedding_dim) == (2, 512)


def test_size_of_the_last_map_and_the_mean_over_it():
    net = ResNet18().eval()
    seen = {}
    net.layer4.register_forward_hook(lambda module, inputs, output: seen.update(map=output))
    out = net(torch.randn(1, 1, 224, 126, generator=seeded()))
    assert seen["map"].shape == (1, 512, 7, 4)
    torch.testing.assert_close(out, seen["map"].flatten(2).mean(2))


def test_block_against_its_formula():
    torch.manual_seed(0)
    block = ResNet18().layer2[0].eval()
    x = torch.randn(2, 64, 9, 9)

    def conv(t, weight, stride):
        return (
            nn.functional.conv2d(t, weight, stride=stride, padding=weight.shape[-1] // 2) / (1 + 1e-5) ** 0.5
        )

    path = conv(conv(x, block.conv1.weight, 2).relu(), block.conv2.weight, 1)
    expected = (path + conv(x, block.downsample[0].weight, 2)).relu()
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-4)


def test_gradient_reaches_every_parameter_and_it_learns():
    generator = seeded()
    label = torch.arange(8) % 2
    x = torch.randn(8, 1, 32, 32, generator=generator)
    x[label == 1, :, 10:14] += 1
    torch.manual_seed(0)
    net = nn.Sequential(ResNet18(embedding_dim=8), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), label)
        loss.backward()
        assert all(p.grad.abs().sum() > 0 for p in net.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.4
    assert losses[-1] < 0.1
