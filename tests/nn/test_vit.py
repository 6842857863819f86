import numpy as np
import pytest
import torch
from torch import nn

from skasd.nn import ViT


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [(64, 301), (64, 1), (1, 1), (64, 313), (80, 1000), (128, 40)])
def test_any_size(size):
    net = ViT().eval()
    assert net(torch.randn(3, 1, *size, generator=seeded())).shape == (3, net.embedding_dim) == (3, 128)


def test_number_of_parameters():
    # 256 -> 128 patches, class token, 4 x 19 positions, two norms, qkv, output map, MLP x 4, last norm
    encoder = 2 * 2 * 128 + 128 * 384 + 384 + 128 * 128 + 128 + 128 * 512 + 512 + 512 * 128 + 128
    expected = 256 * 128 + 128 + 128 + 4 * 19 * 128 + encoder + 2 * 128
    assert sum(p.numel() for p in ViT().parameters()) == expected
    assert sum(p.numel() for p in ViT(depth=3).parameters()) == expected + 2 * encoder


def test_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    net = ViT(depth=2)
    # of the inputs to the last layer's queries only the class token's matters, but all weights are used
    net(torch.randn(4, 1, 64, 301, generator=seeded())).square().sum(1).add(1).log().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_depth_0_leaves_the_class_token_and_shows_the_last_norm():
    net = ViT(depth=0)
    with torch.no_grad():
        net.class_token.copy_(torch.arange(128.0))
    token = np.arange(128.0)
    expected = (token - token.mean()) / np.sqrt(token.var() + 1e-5)
    got = net(torch.randn(1, 1, 64, 16, generator=seeded())).detach().numpy()[0]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_positions_are_cut_for_fewer_and_interpolated_for_more_frames():
    net = ViT(n_bins=32, n_frames=64)
    table = net.positions.detach()
    torch.testing.assert_close(net._positions(2, 3), table[:, :3])
    longer = net._positions(2, 10).detach().numpy()
    places = np.clip((np.arange(10) + 0.5) * 4 / 10 - 0.5, 0, 3)
    low = places.astype(int).clip(max=2)
    share = (places - low)[:, None]
    expected = table.numpy()[:, low] * (1 - share) + table.numpy()[:, low + 1] * share
    np.testing.assert_allclose(longer, expected, atol=1e-6)
    # more bins: the same for the other axis, place by place
    taller = net._positions(4, 4).detach().numpy()
    np.testing.assert_allclose(taller[[0, 3]], table.numpy(), atol=1e-6)


def test_the_place_of_a_patch_matters():
    torch.manual_seed(0)
    net = ViT(n_frames=64).eval()
    with torch.no_grad():
        net.positions.mul_(50)  # as after training
    x = torch.randn(1, 1, 64, 64, generator=seeded())
    assert (net(x) - net(x.roll(16, dims=3))).abs().max() > 1e-3
    with torch.no_grad():
        net.positions.zero_()
    torch.testing.assert_close(net(x), net(x.roll(16, dims=3)), rtol=1e-4, atol=1e-5)


def test_learns_which_bins_ring():
    generator = seeded()
    label = torch.arange(48) % 3
    x = torch.randn(48, 1, 64, 48, generator=generator)
    for i, c in enumerate(label):
        x[i, 0, 16 * c + 4] += 2
    torch.manual_seed(0)
    net = nn.Sequential(ViT(n_frames=48, dim=32, heads=4), nn.Linear(32, 3))
    before = (net(x).argmax(1) == label).float().mean()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), label).backward()
        optimizer.step()
    assert before < 0.6
    assert (net(x).argmax(1) == label).all()
