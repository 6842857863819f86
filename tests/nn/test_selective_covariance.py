import numpy as np
import pytest
import torch

from skasd.nn import SelectiveCovariance


def residuals(n, n_bins=16, stacked=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(n_bins, n_bins, generator=generator, dtype=dtype)
    rows = torch.randn(n * stacked, n_bins, generator=generator, dtype=dtype) @ mixing + 0.3
    return rows.reshape(n, stacked * n_bins)


def official_covariance(batches, members):
    """The published procedure, step by step."""
    total, n = 0, 0
    for batch, member in zip(batches, members, strict=True):
        if member.any():
            rows = batch[member].reshape(-1, 16)
            rows = rows - rows.mean(0)
            total = total + rows.T @ rows
            n += member.sum()
    return total / (n - 1)


@pytest.fixture
def batches():
    x = residuals(300, seed=1)
    rng = np.random.default_rng(0)
    is_target = torch.from_numpy(rng.random(300) < 0.2)
    is_target[:64] = False  # a batch without any target vector
    return list(zip(x.split(64), is_target.split(64), strict=True))


def test_covariance_as_coded(batches):
    covariance = SelectiveCovariance(n_bins=16)
    for x, is_target in batches:
        covariance.update(x, is_target)
    x, is_target = ([b[i].numpy() for b in batches] for i in range(2))
    expected = [official_covariance(x, [~m for m in is_target]), official_covariance(x, is_target)]
    np.testing.assert_allclose(covariance.covariance().numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(covariance.precision().numpy(), np.linalg.inv(expected), rtol=1e-6, atol=1e-10)
    assert sum(covariance.n_vectors) == 300
    # five times a covariance over rows, less what the batch means take
    rows = np.concatenate(x)[~np.concatenate(is_target)].reshape(-1, 16)
    ratio = np.trace(expected[0]) / np.trace(np.cov(rows.T))
    assert 4.9 < ratio < 5.05


def test_without_target_vectors_the_source_stands_in():
    covariance = SelectiveCovariance(n_bins=16)
    covariance.update(residuals(50))
    precision = covariance.precision()
    assert torch.equal(precision[0], precision[1])
    assert covariance.n_vectors == [50, 0]


def test_a_silent_band_has_no_weight():
    x = residuals(60).reshape(60, 5, 16)
    x[..., 3] = 0
    covariance = SelectiveCovariance(n_bins=16)
    covariance.update(x.flatten(1))
    precision = covariance.precision()
    assert precision.isfinite().all()
    keep = np.delete(np.arange(16), 3)
    expected = np.linalg.inv(covariance.covariance()[0].numpy()[np.ix_(keep, keep)])
    np.testing.assert_allclose(precision[0].numpy()[np.ix_(keep, keep)], expected, rtol=1e-6, atol=1e-10)
    assert precision[0, 3].abs().max() < 1e-9


def test_errors_name_the_numbers():
    covariance = SelectiveCovariance(n_bins=16)
    with pytest.raises(ValueError, match="0 of the source and 0 of the target"):
        covariance.covariance()
    with pytest.raises(ValueError, match="length 640 do not consist of rows of 100"):
        SelectiveCovariance(100).update(torch.zeros(2, 640))
