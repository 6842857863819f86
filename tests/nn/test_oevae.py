import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from skasd.nn import OEVAE, OEVAEOutput, domain_gain


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_number_of_parameters():
    expected = (512 * 128 + 128 + 128 * 128 + 128) + (64 * 128 + 128 + 128 * 512 + 512) + 512 + 1
    assert sum(p.numel() for p in OEVAE().parameters()) == expected


def test_shapes():
    net = OEVAE(20, 10, 3)
    assert (net.embedding_dim, net.latent_dim, net.domain_dim) == (20, 10, 3)
    output = net(torch.randn(5, 20), seeded())
    assert isinstance(output, OEVAEOutput)
    assert [tuple(t.shape) for t in output] == [(5,), (5, 10), (5, 10), (5, 20), (5, 20)]


@pytest.mark.parametrize("domain_dim", [0, 10, 11])
def test_both_parts_of_the_latents_must_exist(domain_dim):
    with pytest.raises(ValueError, match=f"domain_dim={domain_dim}"):
        OEVAE(20, 10, domain_dim)


def test_kl_against_torch_distributions():
    net = OEVAE(20, 10, 3)
    mean, log_variance = torch.randn(2, 6, 10, generator=seeded(), dtype=torch.float64)
    attribute = torch.tensor([0.0, 1.0, 5.0, -2.0, 0.3, 7.0])
    domain, free = net.kl_terms(mean, log_variance, attribute, k=2.5)
    posterior = Normal(mean, (0.5 * log_variance).exp())
    prior_mean = torch.cat([(2.5 * attribute.double())[:, None].expand(6, 3), torch.zeros(6, 7)], 1)
    expected = kl_divergence(posterior, Normal(prior_mean, torch.ones_like(mean)))
    torch.testing.assert_close(domain, expected[:, :3].sum(1))
    torch.testing.assert_close(free, expected[:, 3:].sum(1))


@pytest.mark.parametrize("standardize", [True, False])
def test_loss_against_numpy(standardize):
    torch.manual_seed(0)
    net = OEVAE(12, 6, 2, standardize=standardize).double()
    features = 3 + 2 * torch.randn(7, 12, generator=seeded(), dtype=torch.float64)
    is_target = torch.tensor([1, 0, 1, 1, 0, 1, 0])
    output = net(features, seeded(1), is_target=is_target)
    attribute = torch.tensor([1.0, math.nan, 2.0, 2.0, math.nan, 4.0, math.nan])
    loss = net.loss(output, is_target, attribute, k=1.5, lambda_vae=0.3)

    t = is_target.numpy()
    logit, mean, log_variance, _, reconstruction = (o.detach().numpy() for o in output)
    inputs = features.numpy()
    if standardize:
        own = inputs[t == 1]
        inputs = (inputs - own.mean(0)) / own.var(0).mean() ** 0.5
    p = 1 / (1 + np.exp(-logit))
    machine = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))
    vae = []
    for i in np.flatnonzero(t):
        prior = np.r_[[1.5 * attribute[i].item()] * 2, [0] * 4]
        variance = np.exp(log_variance[i])
        # KL of two normal distributions, log(s2 / s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1 / 2
        kl = -0.5 * np.log(variance) + (variance + (mean[i] - prior) ** 2) / 2 - 0.5
        vae.append(kl.sum() + ((inputs[i] - reconstruction[i]) ** 2).sum())
    assert loss.item() == pytest.approx(machine + 0.3 * np.mean(vae), rel=1e-10)
    loss.backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


def test_loss_without_a_clip_of_the_target_machine():
    net = OEVAE(12, 6, 2)
    features = torch.randn(4, 12, generator=seeded())
    output = net(features, seeded(1), is_target=torch.zeros(4))
    loss = net.loss(output, torch.zeros(4), torch.full((4,), math.nan), lambda_vae=1.0)
    torch.testing.assert_close(loss, torch.nn.functional.softplus(output.machine_logit).mean())
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


def test_negative_log_likelihood_against_torch_distributions():
    net = OEVAE(12, 6, 2)
    features = torch.randn(4, 12, generator=seeded())
    free = net.encode(features)[0][:, 2:]
    expected = -Normal(0.0, 1.0).log_prob(free).sum(1)
    torch.testing.assert_close(net.negative_log_likelihood(features), expected)


def test_latents_are_sampled_in_training_and_their_means_otherwise():
    torch.manual_seed(0)
    net = OEVAE(12, 6, 2, standardize=False)
    features = torch.randn(4, 12, generator=seeded())
    first, same, other = (net(features, seeded(s)).reconstruction for s in (1, 1, 2))
    assert torch.equal(first, same)
    assert (first - other).abs().max() > 1e-3
    noise = torch.randn(4, 6, generator=seeded(1))
    mean, log_variance = net.encode(features)
    torch.testing.assert_close(first, net.decoder(mean + (0.5 * log_variance).exp() * noise))
    net.eval()
    torch.testing.assert_close(net(features).reconstruction, net.decoder(mean))


def test_gradient_reaches_every_parameter_and_the_features():
    torch.manual_seed(0)
    net = OEVAE(12, 6, 2)
    features = torch.randn(8, 12, requires_grad=True)
    output = net(features, seeded(), is_target=torch.arange(8) % 2)
    net.loss(output, torch.arange(8) % 2, torch.arange(8.0), lambda_vae=0.1).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    assert (features.grad.abs().sum(1) > 0).all()


def test_statistics_are_those_of_the_target_machine():
    torch.manual_seed(0)
    net = OEVAE(12, 6, 2)
    is_target = torch.arange(40) % 2
    features = 5 + 3 * torch.randn(40, 12, generator=seeded())
    far = torch.where(is_target[:, None] == 1, features, 1e30)  # would overflow in the encoder's variances
    for _ in range(100):
        output = net(far, seeded(), is_target=is_target)
    net.loss(output, is_target, torch.arange(40.0), lambda_vae=0.1).backward()
    assert all(p.grad.isfinite().all() for p in (*net.encoder.parameters(), *net.decoder.parameters()))
    own = features[is_target == 1]
    torch.testing.assert_close(output.inputs[is_target == 1].mean(0), torch.zeros(12), atol=1e-5, rtol=0)
    torch.testing.assert_close(output.inputs[is_target == 1].square().mean(), torch.ones(()))
    net.eval()
    scaled = OEVAE(12, 6, 2)
    scaled.load_state_dict(net.state_dict())
    for _ in range(100):
        scaled(1000 * own, seeded())
    torch.testing.assert_close(
        scaled.eval().negative_log_likelihood(1000 * features),
        net.negative_log_likelihood(features),
        rtol=1e-3,
        atol=0,
    )
    before = scaled.running_mean.clone()
    scaled.train()(features[:1], seeded())  # one row has no spread
    torch.testing.assert_close(scaled.running_mean, before)


@pytest.mark.parametrize("lambda_vae", [1e-7, 1e-3])
def test_learns_machines_and_binds_the_attribute_to_its_latents(lambda_vae):
    # Features of the target machine: a part that follows the attribute, a part that is the clip's own.
    generator = seeded()
    n, dim = 256, 24
    directions = torch.randn(5, dim, generator=generator)
    attribute = torch.randint(3, (n,), generator=generator).float()
    own = torch.randn(n, 3, generator=generator)
    features = torch.cat([own, attribute[:, None] - 1, torch.zeros(n, 1)], 1) @ directions
    features = features + 0.1 * torch.randn(n, dim, generator=generator)
    foreign = torch.randn(n, dim, generator=generator) + 4 * directions[4]
    x = torch.cat([features, foreign])
    is_target = torch.arange(2 * n) < n
    v = torch.cat([attribute, torch.full((n,), math.nan)])
    k = domain_gain(attribute)
    assert k == 5

    torch.manual_seed(0)
    net = OEVAE(dim, 12, 4, hidden=64)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(400):
        optimizer.zero_grad()
        net.loss(net(x, generator, is_target=is_target), is_target, v, k=k, lambda_vae=lambda_vae).backward()
        optimizer.step()
    net.eval()
    output = net(x)
    assert ((output.machine_logit > 0) == is_target).float().mean() > 0.95
    bound, free = output.mean[:n, :4].mean(1), output.mean[:n, 4:]
    assert np.corrcoef(bound.detach(), attribute)[0, 1] > 0.98
    assert (bound - 5 * attribute).abs().mean() < 1
    # A linear probe finds the attribute in the bound latents and much less of it in the others.
    design = torch.cat([free, torch.ones(n, 1)], 1).detach().numpy()
    residual = np.linalg.lstsq(design, attribute.numpy(), rcond=None)[1] / n
    assert residual.item() > 0.3 * attribute.var().item()
    error = (output.reconstruction - output.inputs)[:n].square().mean()
    assert error < 0.3
    score = net.negative_log_likelihood(x).detach()
    assert score[n:].median() > score[:n].median()


def test_domain_gain():
    assert domain_gain(torch.tensor([3, 3, 1, 11])) == 2.5
    assert domain_gain([0.5, 0.5]) == 1.0
