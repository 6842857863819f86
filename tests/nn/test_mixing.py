import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from skasd.nn import ArcFace, DomainBatchSampler, FMix, Mixup, OneOf, SubclusterAdaCos, domain_partners
from skasd.nn._mixing import low_frequency_noise

MIXINGS = {"mixup": Mixup(p=1.0), "fmix": FMix(p=1.0), "one_of": OneOf((Mixup(p=1.0), FMix(p=1.0)))}
every_mixing = pytest.mark.parametrize("mixing", MIXINGS.values(), ids=MIXINGS)


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _batch(n=16, shape=(1, 12, 10), n_classes=5):
    x = torch.randn(n, *shape, generator=_generator(1))
    y = nn.functional.one_hot(torch.arange(n) % n_classes, n_classes).float()
    return x, y


@every_mixing
def test_shapes_seeds_and_inputs_untouched(mixing):
    x, y = _batch()
    x_before, y_before = x.clone(), y.clone()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = mixing(x, y, generator=_generator(3))
    assert first[0].shape == x.shape
    assert first[1].shape == y.shape
    again = mixing(x, y, generator=_generator(3))
    other = mixing(x, y, generator=_generator(4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert torch.equal(torch.get_rng_state(), state)  # PyTorch's global generator is not drawn from
    assert torch.equal(x, x_before)
    assert torch.equal(y, y_before)
    torch.testing.assert_close(first[1].sum(dim=1), torch.ones(len(x)))


@every_mixing
def test_one_global_seed_is_not_enough(mixing):
    x, y = _batch()
    with pytest.raises(TypeError, match="generator"):
        mixing(x, y)


@every_mixing
def test_partner_given(mixing):
    x, y = _batch(n=4, n_classes=4)
    partner = torch.tensor([1, 0, 3, 2])
    _, y_mixed = mixing(x, y, generator=_generator(), partner=partner)
    pairs = torch.zeros(4, 4)
    pairs[torch.arange(4), torch.arange(4)] = 1
    pairs[torch.arange(4), partner] = 1
    assert (y_mixed * (1 - pairs) == 0).all()
    assert (y_mixed.diagonal() < 1).any()


@every_mixing
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_keeps_the_precision(mixing, dtype):
    x, y = _batch()
    x_mixed, y_mixed = mixing(x.to(dtype), y, generator=_generator())
    assert (x_mixed.dtype, y_mixed.dtype) == (dtype, torch.float32)


def test_mixup_formula():
    x, y = _batch(n=8, n_classes=8)
    partner = torch.arange(8).roll(1)
    x_mixed, y_mixed = Mixup(p=1.0)(x, y, generator=_generator(), partner=partner)
    weights = y_mixed.diagonal()
    for i, weight in enumerate(weights):
        torch.testing.assert_close(x_mixed[i], weight * x[i] + (1 - weight) * x[partner[i]])
    assert weights.unique().numel() == 8  # one weight per clip
    waveforms, _ = Mixup(p=1.0)(x.flatten(1), y, generator=_generator(), partner=partner)
    torch.testing.assert_close(waveforms, x_mixed.flatten(1))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("make", [Mixup, FMix])
def test_weights_follow_the_beta_distribution(make, alpha):
    n = 800
    x, y = torch.zeros(n, 1, 40, 40), torch.zeros(n, 1)
    y[: n // 2] = 1.0
    partner = (torch.arange(n) + n // 2) % n
    _, y_mixed = make(alpha=alpha, p=1.0)(x, y, generator=_generator(5), partner=partner)
    weights = torch.cat([y_mixed[: n // 2, 0], 1 - y_mixed[n // 2 :, 0]]).numpy()
    x = np.linspace(0.1, 0.9, 9) + 1 / 3200  # between the cells that FMix rounds to
    np.testing.assert_allclose([np.mean(weights <= v) for v in x], stats.beta(alpha, alpha).cdf(x), atol=0.04)


@pytest.mark.parametrize("make", [Mixup, FMix])
def test_probability_of_mixing(make):
    x, y = _batch(n=1000, shape=(4, 4), n_classes=2)
    x_mixed, _ = make(p=0.3)(x, y, generator=_generator(), partner=torch.arange(1000).roll(1))
    share = (x_mixed != x).flatten(1).any(dim=1).float().mean().item()
    assert share == pytest.approx(0.3, abs=0.06)
    # whether a clip is mixed tells nothing about how much
    x_mixed, y_mixed = make(p=0.3)(
        x, torch.eye(1000), generator=_generator(), partner=torch.arange(1000).roll(1)
    )
    weights = y_mixed.diagonal()
    assert weights[weights < 1].mean().item() == pytest.approx(0.5, abs=0.06)
    untouched, y_same = make(p=0.0)(x, y, generator=_generator())
    assert torch.equal(untouched, x)
    assert torch.equal(y_same, y)


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    alpha=st.sampled_from([0.3, 1.0, 5.0]),
    decay=st.sampled_from([0.0, 1.0, 3.0]),
    channels=st.integers(0, 2),
    seed=st.integers(0, 1000),
)
def test_fmix_area_is_the_weight_of_the_label(size, alpha, decay, channels, seed):
    """Exactly: a clip of zeros mixed with one of ones has as many ones as its label says."""
    shape = (channels, *size) if channels else size
    x = torch.stack([torch.zeros(shape), torch.ones(shape)])
    x_mixed, y_mixed = FMix(alpha, decay, p=1.0)(
        x, torch.eye(2), generator=_generator(seed), partner=torch.tensor([1, 0])
    )
    assert ((x_mixed == 0) | (x_mixed == 1)).all()
    ones = x_mixed.flatten(1).mean(dim=1)
    torch.testing.assert_close(ones, y_mixed[:, 1])
    if channels == 2:
        assert torch.equal(x_mixed[:, 0], x_mixed[:, 1])


def test_fmix_cells_come_from_one_of_the_two():
    x, y = _batch(n=8, n_classes=8)
    partner = torch.arange(8).roll(1)
    x_mixed, _ = FMix(p=1.0)(x, y, generator=_generator(), partner=partner)
    own, other = x_mixed == x, x_mixed == x[partner]
    assert (own | other).all()
    assert own.any()
    assert other.any()


def test_fmix_areas_are_connected_the_more_the_faster_the_spectrum_falls():
    def n_borders(decay):
        x = torch.stack([torch.zeros(64, 64), torch.ones(64, 64)])
        mask = FMix(alpha=100.0, decay=decay, p=1.0)(
            x, torch.eye(2), generator=_generator(2), partner=torch.tensor([1, 0])
        )[0]
        return (mask.diff(dim=1).abs().sum() + mask.diff(dim=2).abs().sum()).item()

    assert n_borders(0.0) > 4 * n_borders(1.5) > 4 * n_borders(3.0)


def test_low_frequency_noise_has_the_spectrum_asked_for():
    noise = low_frequency_noise(400, (16, 32), 3.0, _generator())
    power = torch.fft.rfft2(noise).abs().square().mean(dim=0)
    ratio = (power[0, 8] / power[0, 4]).item()  # twice the frequency
    assert ratio == pytest.approx(2.0**-6, rel=0.3)
    # cycles per cell count, not per side: (4 of 16 rows, 2 of 32 columns) is as high as (1 of 16, 8 of 32)
    assert power[4, 2].item() == pytest.approx(power[1, 8].item(), rel=0.3)


def test_one_of_uses_each():
    x, y = torch.stack([torch.zeros(1, 9, 9), torch.ones(1, 9, 9)]), torch.eye(2)
    mixing, generator = MIXINGS["one_of"], _generator()
    blended = [
        bool(((m > 0) & (m < 1)).any()) for m in (mixing(x, y, generator=generator)[0] for _ in range(40))
    ]
    assert 5 < sum(blended) < 35


@every_mixing
@pytest.mark.parametrize("objective", [ArcFace(120, 5), SubclusterAdaCos(120, 5)])
def test_mixed_labels_train(mixing, objective):
    x, y = _batch()
    x_mixed, y_mixed = mixing(x, y, generator=_generator())
    x_mixed.requires_grad_()
    objective(x_mixed.flatten(1), y_mixed).backward()
    assert x_mixed.grad.isfinite().all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Mixup(alpha=0), "alpha=0"),
        (lambda: FMix(alpha=float("inf")), "alpha=inf"),
        (lambda: Mixup(p=1.5), r"p=1\.5"),
        (lambda: FMix(decay=-1), "decay=-1"),
        (lambda: OneOf(()), "at least one mixing"),
        (lambda: Mixup()(torch.zeros(2, 3), torch.tensor([0, 1]), generator=_generator()), "one_hot"),
        (lambda: Mixup()(torch.zeros(2, 3), torch.eye(3), generator=_generator()), "2 clips and y has 3"),
        (lambda: FMix()(torch.zeros(2, 3), torch.eye(2), generator=_generator()), "FMix needs"),
    ],
)
def test_wrong_settings_and_batches(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---------------------------------------------------------------- domains


@settings(max_examples=30, deadline=None)
@given(is_target=st.lists(st.booleans(), min_size=1, max_size=20), seed=st.integers(0, 99))
def test_partners_are_of_the_other_domain(is_target, seed):
    is_target = torch.tensor(is_target)
    partner = domain_partners(is_target, _generator(seed))
    assert partner.dtype == torch.long
    if is_target.any() and not is_target.all():
        assert torch.equal(is_target[partner], ~is_target)
    else:
        assert sorted(partner.tolist()) == list(range(len(is_target)))


def test_every_partner_occurs():
    is_target = torch.arange(40) < 4
    partner = torch.cat([domain_partners(is_target, _generator(seed))[4:] for seed in range(5)])
    assert set(partner.tolist()) == {0, 1, 2, 3}


@settings(max_examples=40, deadline=None)
@given(
    n_source=st.integers(1, 70),
    n_target=st.integers(1, 30),
    batch_size=st.integers(2, 20),
    target_share=st.sampled_from([0.01, 0.25, 0.5, 0.9]),
)
def test_batches_hold_both_domains(n_source, n_target, batch_size, target_share):
    is_target = torch.cat([torch.zeros(n_source), torch.ones(n_target)]).bool()[
        torch.randperm(n_source + n_target, generator=_generator())
    ]
    sampler = DomainBatchSampler(is_target, batch_size, _generator(), target_share=target_share)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    for batch in batches:
        assert 2 <= len(batch) <= batch_size
        assert is_target[batch].any()
        assert not is_target[batch].all()
    drawn = torch.cat(batches)
    counts = torch.bincount(drawn, minlength=len(is_target))
    assert (counts[~is_target] == 1).all()  # an epoch: every source clip once
    assert counts[is_target].max() - counts[is_target].min() <= 1
    n_target_per_batch = {int(is_target[batch].sum()) for batch in batches}
    share = max(target_share, n_target / len(is_target))
    assert n_target_per_batch == {min(max(round(share * batch_size), 1), batch_size - 1)}
    sizes = {len(batch) for batch in batches}
    assert max(sizes) - min(sizes) <= 1


def test_one_percent_of_target_clips():
    is_target = np.arange(1000) % 100 == 0  # DCASE 2022: 990 source and 10 target clips
    sampler = DomainBatchSampler(is_target, 32, _generator())
    epoch = list(sampler)
    assert len(epoch) == 42  # ceil(990 / 24)
    assert all(is_target[batch.numpy()].sum() == 8 for batch in epoch)
    assert (
        len({position for batch in epoch for position in np.flatnonzero(is_target[batch])}) > 24
    )  # shuffled


@pytest.mark.parametrize("is_target", [torch.zeros(33), torch.ones(33)])
def test_a_single_domain_is_a_plain_shuffle(is_target):
    sampler = DomainBatchSampler(is_target, 16, _generator())
    first, second = list(sampler), list(sampler)
    assert [len(batch) for batch in first] == [11, 11, 11]
    assert sorted(torch.cat(first).tolist()) == list(range(33))
    assert torch.cat(first).tolist() != torch.cat(second).tolist()
    assert [batch.tolist() for batch in DomainBatchSampler([False], 1, _generator())] == [[0]]


def test_sampler_repeats_with_the_seed():
    is_target = torch.arange(50) % 9 == 0
    first, again = (list(DomainBatchSampler(is_target, 8, _generator(7))) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"is_target": []}, r"shape \(0,\)"),
        ({"is_target": [[True]]}, r"shape \(1, 1\)"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 1}, "both domains"),
        ({"target_share": 1.0}, r"target_share=1\.0"),
    ],
)
def test_wrong_sampler_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        DomainBatchSampler(
            **{"is_target": [True, False], "batch_size": 4, "generator": _generator(), **arguments}
        )
