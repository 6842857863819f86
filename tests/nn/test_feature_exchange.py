import numpy as np
import pytest
import torch

from skasd.nn import feature_exchange


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(n, n_branches, n_classes=3):
    y = torch.rand(n, n_classes, generator=seeded(2))
    y = y / y.sum(1, keepdim=True)
    branches = [100.0 * m + torch.arange(n)[:, None] * torch.ones(1, m + 2) for m in range(n_branches)]
    return branches, y


@pytest.mark.parametrize("n", [2, 7, 40])
def test_two_branches_as_published(n):
    (spectrum, stft), y = batch(n, 2)
    (first, second), targets = feature_exchange([spectrum, stft], y, 0.5, seeded())
    exchanged = (torch.rand(n, 1, generator=seeded()) < 0.5).numpy()
    expected = np.where(exchanged, spectrum.numpy()[::-1], spectrum.numpy())
    np.testing.assert_array_equal(first.numpy(), expected)
    assert torch.equal(second, stft)
    y, zero = y.numpy(), np.zeros_like(y.numpy())
    same = np.concatenate([y, zero, zero], axis=1)
    other = np.concatenate([zero, 0.5 * y, 0.5 * y[::-1]], axis=1)
    np.testing.assert_allclose(targets.numpy(), np.where(exchanged, other, same), rtol=1e-6)


@pytest.mark.parametrize("n_branches", [2, 3, 5])
def test_every_foreign_branch_comes_with_its_target(n_branches):
    n = 11
    branches, _ = batch(n, n_branches)
    mixed, targets = feature_exchange(branches, torch.eye(n), 1.0)
    assert targets.shape == (n, (n_branches + 1) * n)
    parts = targets.reshape(n, n_branches + 1, n)
    assert parts[:, 0].abs().max() == 0
    assert torch.equal(parts[:, 1], torch.eye(n) / n_branches)
    assert torch.equal(mixed[-1], branches[-1])
    donors = torch.stack([(m - 100.0 * i)[:, 0].long() for i, m in enumerate(mixed[:-1])], 1)
    torch.testing.assert_close(parts[:, 2:].argmax(2), donors)
    torch.testing.assert_close(targets.sum(1), torch.ones(n))
    assert all(len(set(row)) == n_branches - 1 for row in donors.tolist())


def test_probability_and_generator():
    branches, y = batch(1000, 2)
    share = (feature_exchange(branches, y, 0.3, seeded())[1][:, :3].sum(1) == 0).float().mean()
    assert abs(share - 0.3) < 0.05
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = feature_exchange(branches, y, 0.5, seeded(1))
    assert torch.equal(first[1], feature_exchange(branches, y, 0.5, seeded(1))[1])
    assert torch.equal(torch.get_rng_state(), state)
    unchanged, targets = feature_exchange(branches, y, 0.0, seeded(1))
    assert all(torch.equal(a, b) for a, b in zip(unchanged, branches, strict=True))
    assert torch.equal(targets[:, :3], y)


def test_gradient_flows_to_the_donor():
    branches = [torch.randn(4, 2, requires_grad=True) for _ in range(2)]
    mixed, _ = feature_exchange(branches, torch.eye(4), 1.0)
    mixed[0][0].sum().backward()
    assert torch.equal(branches[0].grad.abs().sum(1) > 0, torch.tensor([False, False, False, True]))


def test_errors():
    branches, y = batch(4, 2)
    with pytest.raises(ValueError, match="there is 1"):
        feature_exchange(branches[:1], y)
    with pytest.raises(ValueError, match=r"y of shape \(4,\) and torch.int64"):
        feature_exchange(branches, torch.arange(4))
