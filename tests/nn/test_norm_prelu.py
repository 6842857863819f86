import copy

import numpy as np
import pytest
import torch
from torch import nn

from skasd.nn import PReLU
from skasd.nn._inverted_residual import ConvBlock
from skasd.nn._norm_prelu import can_join, norm_prelu

N_CHANNELS = 24


def make(shape=(16, N_CHANNELS, 12, 10), dtype=torch.float32, shift=5.0):
    generator = torch.Generator().manual_seed(0)
    x = 3 * torch.randn(shape, generator=generator, dtype=torch.float64) + shift
    norm, activation = nn.BatchNorm2d(shape[1]).double(), PReLU(shape[1]).double()
    for parameter in (norm.weight, norm.bias, activation.weight):
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    x = x.to(dtype).to(memory_format=torch.channels_last).requires_grad_()
    return x, norm.to(dtype), activation.to(dtype)


def layers(x, norm, activation):
    return activation(norm(x))


def results(function, x, norm, activation):
    norm, activation = copy.deepcopy(norm), copy.deepcopy(activation)
    y = function(x, norm, activation)
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
    grads = torch.autograd.grad(y, [x, norm.weight, norm.bias, activation.weight], weights)
    return [y.detach(), *grads, norm.running_mean, norm.running_var, norm.num_batches_tracked]


def test_equals_the_two_layers_in_double_precision():
    arguments = make(dtype=torch.float64)
    assert can_join(*arguments)
    for ours, theirs in zip(results(norm_prelu, *arguments), results(layers, *arguments), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


def test_single_precision_is_no_less_exact_than_pytorchs():
    exact = results(layers, *make(dtype=torch.float64))
    ours, theirs = (results(f, *make()) for f in (norm_prelu, layers))
    for name, e, a, b in zip(["out", "x", "weight", "bias", "slope"], exact, ours, theirs, strict=False):
        error, reference = ((value - e).square().mean().sqrt() / e.square().mean().sqrt() for value in (a, b))
        assert error < max(2 * reference, 1e-6), name


def test_gradient():
    x, norm, activation = make((3, 4, 3, 2), torch.float64)
    x = x.detach().requires_grad_()

    def function(x, weight, bias, slope):
        norm.weight, norm.bias, activation.weight = (nn.Parameter(p) for p in (weight, bias, slope))
        return torch.func.functional_call(
            Joined(norm, activation),
            {"norm.weight": weight, "norm.bias": bias, "activation.weight": slope},
            (x,),
        )

    assert torch.autograd.gradcheck(function, (x, norm.weight, norm.bias, activation.weight))


class Joined(nn.Module):
    def __init__(self, norm, activation):
        super().__init__()
        self.norm, self.activation = norm, activation

    def forward(self, x):
        return norm_prelu(x, self.norm, self.activation)


def test_same_bits_again_whatever_the_number_of_threads():
    arguments = make((64, N_CHANNELS, 64, 16))
    n_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        first, again = results(norm_prelu, *arguments), results(norm_prelu, *arguments)
        torch.set_num_threads(2)
        two = results(norm_prelu, *arguments)
    finally:
        torch.set_num_threads(n_threads)
    for a, b, c in zip(first, again, two, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


def test_a_constant_channel_gives_its_offset():
    x, norm, activation = make()
    x = torch.full_like(x, 7.0).requires_grad_()
    expected = activation(norm.bias.view(1, -1, 1, 1).expand_as(x))
    # rounding of x, divided by sqrt(eps)
    torch.testing.assert_close(norm_prelu(x, norm, activation), expected, rtol=0, atol=2e-3)


def test_not_finite_values_pass_on():
    x, norm, activation = make()
    x.data[0, 3] = torch.nan
    out = norm_prelu(x, norm, activation)
    assert out[:, 3].isnan().all()
    assert out[:, :3].isfinite().all()


def refuse_evaluation(x, norm, activation):
    norm.eval()


def refuse_hooks(x, norm, activation):
    activation.register_forward_hook(lambda *_: None)


def refuse_cumulative(x, norm, activation):
    norm.momentum = None


@pytest.mark.parametrize("spoil", [refuse_evaluation, refuse_hooks, refuse_cumulative])
def test_what_it_does_not_do_is_left_to_the_layers(spoil):
    arguments = make()
    assert can_join(*arguments)
    spoil(*arguments)
    assert not can_join(*arguments)


def test_other_tensors_are_left_to_the_layers():
    x, norm, activation = make()
    assert not can_join(x.detach().contiguous(), norm, activation)
    assert not can_join(x.bfloat16(), norm, activation)
    assert not can_join(x, norm, nn.PReLU(N_CHANNELS))
    assert not can_join(x, norm, PReLU(1))
    with torch.no_grad():
        assert not can_join(x, norm, activation)
    with torch.autocast("cpu", torch.bfloat16):
        assert not can_join(x, norm, activation)


def test_a_block_uses_it_and_learns_the_same(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "skasd.nn._inverted_residual.norm_prelu", lambda *a: calls.append(1) or norm_prelu(*a)
    )
    x, _, _ = make((8, 16, 20, 20))
    block = ConvBlock(16, 32, 3, activation=PReLU).to(memory_format=torch.channels_last)
    plain = copy.deepcopy(block)
    for network, forward in ((block, block), (plain, lambda x: plain[2](plain[1](plain[0](x))))):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            forward(x).square().mean().backward()
            optimizer.step()
    assert len(calls) == 3
    for ours, theirs in zip(block.state_dict().values(), plain.state_dict().values(), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-5)
