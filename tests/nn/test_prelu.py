import pytest
import torch
from torch import nn

from skasd.nn import PReLU


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _pair(n, dtype=torch.float32):
    reference, fast = nn.PReLU(n, dtype=dtype), PReLU(n, dtype=dtype)
    with torch.no_grad():  # slopes of both signs, below and above one half and one
        reference.weight.copy_(torch.linspace(-0.6, 1.3, n) if n > 1 else torch.tensor([0.7]))
    fast.load_state_dict(reference.state_dict())
    return reference, fast


def _run(module, x, grad):
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = module(x)
    y.backward(grad)
    return y.detach(), x.grad, module.weight.grad


@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 5), (4, 6, 5, 3)])
def test_same_output_and_gradients_as_torch(n, shape):
    generator = torch.Generator().manual_seed(0)
    x, grad = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
    x.view(-1)[:3] = 0.0  # the corner belongs to the negative side
    reference, fast = _pair(n)
    for expected, actual in zip(_run(reference, x, grad), _run(fast, x, grad), strict=True):
        torch.testing.assert_close(actual, expected)


def test_keeps_channels_last():
    x = torch.randn(2, 6, 5, 4).to(memory_format=torch.channels_last)
    reference, fast = _pair(6)
    for module in (reference, fast):
        y, grad_x, _ = _run(module, x, torch.ones_like(x))
        assert y.is_contiguous(memory_format=torch.channels_last)
        assert grad_x.is_contiguous(memory_format=torch.channels_last)
    # gradients may arrive in another layout, or as a broadcast view
    for grad in (torch.randn(2, 6, 5, 4), torch.tensor(2.0).expand(2, 6, 5, 4)):
        reference, fast = _pair(6)
        for expected, actual in zip(_run(reference, x, grad), _run(fast, x, grad), strict=True):
            torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("n", [1, 3])
def test_gradcheck(n):
    _, fast = _pair(n, torch.float64)
    x = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, w: torch.func.functional_call(fast, {"weight": w}, x), (x, fast.weight)
    )


def test_state_dict_fits_both_ways():
    reference, fast = nn.PReLU(4, init=0.1), PReLU(4)
    fast.load_state_dict(reference.state_dict())
    reference.load_state_dict(fast.state_dict())
    assert isinstance(fast, nn.PReLU)
    torch.testing.assert_close(fast.weight, torch.full((4,), 0.1))


def test_frozen_slopes():
    fast = PReLU(3).requires_grad_(False)
    x = torch.randn(2, 3, 4, requires_grad=True)
    fast(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.where(x > 0, 1.0, 0.25))
    assert fast.weight.grad is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_under_autocast(dtype):
    fast = PReLU(3)
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = fast(x)
    y.sum().backward()
    assert x.grad.dtype == dtype
    assert fast.weight.grad.dtype == torch.float32
    torch.testing.assert_close(
        fast.weight.grad, x.detach().float().clamp_max(0).sum((0, 2, 3)), rtol=1e-2, atol=1e-2
    )


def test_without_gradients_and_in_export():
    _, fast = _pair(3)
    x = torch.randn(2, 3, 4)
    expected = torch.where(x > 0, x, x * fast.weight[:, None])
    with torch.inference_mode():
        torch.testing.assert_close(fast(x), expected.detach())
    exported = torch.export.export(fast, (x,)).module()
    torch.testing.assert_close(exported(x), expected)
