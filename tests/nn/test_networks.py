"""Networks with their objectives: standardisation, hidden pieces, windows, exchanged branches, devices."""

import numpy as np
import pytest
import torch

from skasd import nn


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


class Flat(torch.nn.Module):
    """A backbone that hands its input on."""

    embedding_dim = 12

    def forward(self, x):
        self.seen = x
        return x.flatten(1)


def test_the_backbone_sees_a_standardised_image(generator):
    x = torch.randn(5, 3, 4, generator=generator)
    mean, scale = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 8.0])
    network = nn.StandardizedNetwork(Flat(), nn.CrossEntropy(12, 2), mean, scale)
    expected = (x.numpy() - mean[:, None]) / scale[:, None]
    np.testing.assert_allclose(network(x), expected.reshape(5, 12), rtol=1e-6)
    assert network.backbone.seen.shape == (5, 1, 3, 4)
    assert {"objective.weight", "objective.bias", "mean", "scale"} <= set(network.state_dict())
    network.autocast = torch.bfloat16
    assert network(x).dtype == torch.float32


def test_the_error_of_a_mask_is_that_of_what_it_hides(generator):
    x = torch.randn(4, 8, 8, generator=generator)
    backbone = nn.DualPathTransformer(8, 8, patch=(4, 4), dim=8, embedding_dim=6)
    joint = nn.JointObjective(nn.CrossEntropy(6, 2), weight=2.0)
    network = nn.MaskedNetwork(backbone, joint, mean=1.0, scale=2.0, n_bands=2).eval()
    mask = torch.tensor([[True, False, False, True]]).expand(4, -1)
    with torch.inference_mode():
        embedding, error = network(x, mask)
        image = ((x - 1) / 2)[:, None]
        squared = (backbone.reconstruct(image, mask) - image).square()
        expected = (squared[:, 0, :4, :4].mean((1, 2)) + squared[:, 0, 4:, 4:].mean((1, 2))) / 2
        torch.testing.assert_close(error, expected)
        target = torch.tensor([0, 1, 1, 0])
        loss = joint((embedding, error), target)
        torch.testing.assert_close(loss, joint.classification(embedding, target) + 2 * error.mean())
        # both halves of the frequencies, one hidden after the other
        halves = []
        for band in (0, 1):
            hidden = torch.tensor([[band == 0, band == 0, band == 1, band == 1]]).expand(4, -1)
            rows = slice(4 * band, 4 * band + 4)
            halves.append((backbone.reconstruct(image, hidden) - image)[:, 0, rows].square().mean((1, 2)))
        torch.testing.assert_close(network.reconstruction_error(x), torch.stack(halves).mean(0))


def test_windows_are_standardised_frame_by_frame(generator):
    x = torch.randn(6, 10, generator=generator)
    mean, scale = np.array([1.0, 2.0]), np.array([2.0, 4.0])
    backbone = nn.DenseAutoencoder(10, hidden=8, bottleneck=2).eval()
    network = nn.WindowNetwork(backbone, nn.WindowError(1), mean, scale, n_frames=5)
    with torch.inference_mode():
        vectors = (x - torch.tensor(mean).repeat(5)) / torch.tensor(scale).repeat(5)
        residual = vectors.float() - backbone(vectors.float())
        torch.testing.assert_close(network.residual(x), residual)
        torch.testing.assert_close(network(x), residual.square().mean(1))
        torch.testing.assert_close(network.encode(x), backbone.encode(vectors.float()))
    plain = nn.WindowNetwork(backbone, nn.WindowError(1))
    assert plain.standardize(x) is x


def test_nothing_is_exchanged_in_evaluation(generator):
    branches = [torch.randn(6, 2, generator=generator) for _ in range(2)]
    target = {"label": torch.eye(3)[[0, 1, 2, 0, 1, 2]], "seed": torch.tensor([4])}
    exchange = nn.SubclusterAdaCos(4, 9, trainable=True)
    objective = nn.ExchangeObjective(nn.CrossEntropy(4, 3), exchange, p=1.0)
    embedding = torch.cat(branches, dim=1)
    alone = objective.classification(embedding, target["label"])
    mixed, label = nn.feature_exchange(branches, target["label"], 1.0, torch.Generator().manual_seed(4))
    expected = alone + exchange.eval()(torch.cat(mixed, dim=1), label)
    objective.train()
    exchange.eval()  # its scale adapts in training
    torch.testing.assert_close(objective((branches, embedding), target), expected)
    torch.testing.assert_close(objective.eval()((branches, embedding), target), alone)
    torch.testing.assert_close(objective.log_proba(embedding).exp().sum(1), torch.ones(6))


def test_networks_of_branches_give_these_by_keyword():
    backbone = nn.MultiBranchNet([("spectrum", 600), ("spectrum", 600)], branch_dim=4).eval()
    network = nn.ExchangeNetwork(backbone, nn.ExchangeObjective(nn.CrossEntropy(8, 2), None, p=0.0))
    inputs = {"spectrum": torch.rand(3, 600), "spectrum_2": torch.rand(3, 600)}
    branches, embedding = network(**inputs)
    torch.testing.assert_close(torch.cat(branches, dim=1), embedding)
    torch.testing.assert_close(network(inputs), embedding)


@pytest.mark.parametrize(("n_machines", "n_columns"), [(1, 2), (3, 3)])
def test_log_probabilities_of_proxy_and_target_or_of_each_section(n_machines, n_columns, generator):
    oevae = nn.OEVAE(8, latent_dim=4, domain_dim=1, n_machines=n_machines)
    objective = nn.OEVAEObjective(oevae, 1e-3, n_columns)
    features = torch.randn(5, 8, generator=generator)
    p = torch.sigmoid(oevae.machine(features))
    expected = torch.cat([1 - p, p], dim=1) if n_machines == 1 else p
    torch.testing.assert_close(objective.log_proba(features).exp(), expected)
    label = torch.ones(5) if n_machines == 1 else torch.ones(5, 3)
    target = {"label": label, "attribute": torch.zeros(5), "noise": torch.zeros(5, 4)}
    output = oevae(features, noise=target["noise"], is_target=label)
    expected = oevae.loss(output, label, target["attribute"], lambda_vae=1e-3)
    torch.testing.assert_close(objective(features, target), expected)


def test_every_clip_of_the_machine_once_and_all_proxies_in_turn(generator):
    is_normal = torch.arange(30) % 3 == 0
    batches = nn.BalancedBatchSampler(is_normal, 4, generator)
    drawn = [torch.cat(list(batches)) for _ in range(2)]
    assert len(batches) == 5
    for positions in drawn:
        assert sorted(positions[is_normal[positions]].tolist()) == list(range(0, 30, 3))
        proxies = positions[~is_normal[positions]].tolist()
        assert len(set(proxies)) == len(proxies) == 10
    assert drawn[0].tolist() != drawn[1].tolist()


def test_devices():
    assert nn.resolve_device(torch.device("cpu")) == "cpu"
    assert nn.resolve_device("auto") in ("cpu", "cuda")
    with pytest.raises(ValueError, match="device='gpu7' is no torch device"):
        nn.resolve_device("gpu7")
    for absent in {"mps", "xpu"} - {str(torch.accelerator.current_accelerator())}:
        with pytest.raises(ValueError, match=f"device='{absent}' cannot be used .*: use 'auto', 'cpu'"):
            nn.resolve_device(absent)
    with pytest.raises(ValueError, match="device='meta' cannot be used"):
        nn.resolve_device("meta")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="torch sees no CUDA device"):
            nn.resolve_device("cuda:1")
