from itertools import pairwise

import numpy as np
import torch
from torch import nn

from skasd.nn import DenseAutoencoder


def test_number_of_parameters():
    widths = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640]
    pairs = list(pairwise(widths))
    expected = sum(a * b + b for a, b in pairs) + sum(2 * b for _, b in pairs[:-1])
    net = DenseAutoencoder()
    assert sum(p.numel() for p in net.parameters()) == expected
    # Keras counts the running means and variances too.
    n_statistics = sum(b.numel() for name, b in net.named_buffers() if "running" in name)
    assert expected + n_statistics == 269_992


def test_layers_and_their_settings():
    net = DenseAutoencoder(bn_momentum=0.2, bn_eps=1e-4)
    kinds = [type(m) for m in (*net.encoder, *net.decoder)]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU] * 9 + [nn.Linear]
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert (module.momentum, module.eps) == (0.2, 1e-4)
    norms = [m for m in DenseAutoencoder().modules() if isinstance(m, nn.BatchNorm1d)]
    assert {(m.momentum, m.eps) for m in norms} == {(0.01, 1e-3)}


def test_against_numpy():
    torch.manual_seed(0)
    net = DenseAutoencoder(20, 6, 3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    net.eval()
    x = torch.randn(5, 20)
    h = x.numpy().astype(float)
    modules = [*net.encoder, *net.decoder]
    for i, module in enumerate(modules):
        w = {k: v.numpy().astype(float) for k, v in module.state_dict().items()}
        if isinstance(module, nn.Linear):
            h = h @ w["weight"].T + w["bias"]
        elif isinstance(module, nn.BatchNorm1d):
            h = (h - w["running_mean"]) / np.sqrt(w["running_var"] + 1e-3) * w["weight"] + w["bias"]
        else:
            h = np.maximum(h, 0)
        if i == len(net.encoder) - 1:
            np.testing.assert_allclose(net.encode(x).detach().numpy(), h, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(net(x).detach().numpy(), h, rtol=1e-4, atol=1e-5)
    assert net.embedding_dim == 3


def test_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    net = DenseAutoencoder(64, 16, 4)
    x = torch.randn(32, 64)
    (net(x) - x).square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        # a bias before a batch normalisation has no effect, only rounding errors for a gradient
        if not (name.endswith("bias") and parameter.grad.abs().max() < 1e-6):
            assert parameter.grad.abs().sum() > 0, name
    assert all(p.grad.abs().sum() > 1e-4 for n, p in net.named_parameters() if n.endswith("weight"))


def test_learns_a_plane_and_not_what_is_off_it():
    generator = torch.Generator().manual_seed(0)
    plane = torch.randn(3, 40, generator=generator)
    x = torch.randn(512, 3, generator=generator) @ plane
    other = torch.randn(512, 40, generator=generator) * x.std()
    torch.manual_seed(0)
    net = DenseAutoencoder(40, 32, 4, bn_momentum=0.1)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        (net(x) - x).square().mean().backward()
        optimizer.step()
    net.eval()
    error, error_other = ((net(t) - t).square().mean() / t.square().mean() for t in (x, other))
    assert error < 0.1
    assert error_other > 0.7
