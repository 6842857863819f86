"""The network of the shipped encoder."""

import numpy as np
import pytest
import torch

from skasd.nn import CompiledEncoder, MachineEncoder, fold_batch_norm


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = MachineEncoder()
    network(torch.randn(4, 1, 128, 200) * 3 - 5)  # running statistics that are not 0 and 1
    return network.eval()


def test_number_of_parameters_is_documented(network):
    count = sum(p.numel() for p in network.parameters())
    assert f"{count:,} parameters" in MachineEncoder.__doc__


@pytest.mark.parametrize("step", [0, 3, 7])
def test_an_output_depends_on_its_receptive_field_alone(network, step):
    x = torch.randn(1, 1, 128, 150) * 3 - 5
    first = step * network.stride
    x.requires_grad_()
    for layer in network.layers:
        x.grad = None
        network(x, (layer,))[0][..., step].sum().backward()
        touched = np.flatnonzero(x.grad.abs().sum((0, 1, 2)).numpy())
        assert touched.min() >= first
        assert touched.max() < first + network.receptive_field
        assert len(touched) > 60


def test_a_stream_and_a_clip_give_the_same_outputs(network):
    x = torch.randn(1, 1, 128, 275) * 3 - 5
    with torch.no_grad():
        (whole,) = network(x)
        (late,) = network(x[..., 100:])
    assert torch.allclose(whole[..., 10:], late, atol=1e-5)


def test_below_the_floor_nothing_is_heard(network):
    with torch.no_grad():
        (silence,) = network(torch.full((1, 1, 128, 75), -23.0))
        (quieter,) = network(torch.full((1, 1, 128, 75), -40.0))
    assert torch.equal(silence, quieter)


def test_folding_keeps_the_outputs(network):
    x = torch.randn(2, 1, 128, 120) * 3 - 5
    folded = fold_batch_norm(network)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    with torch.no_grad():
        for a, b in zip(network(x, network.layers), folded(x, network.layers), strict=True):
            assert torch.allclose(a, b, atol=1e-4)


@pytest.fixture(scope="module")
def compiled(network):
    return CompiledEncoder(fold_batch_norm(network))


@pytest.mark.parametrize("n_frames", [75, 84, 85, 240])
def test_compiled_layers_are_those_of_the_network(network, compiled, n_frames):
    x = torch.randn(1, 1, 128, n_frames) * 6 - 9
    with torch.no_grad():
        expected = network(x, ("11", "6", "9"))
    for want, got in zip(expected, compiled(x[0, 0].numpy(), ("11", "6", "9")), strict=True):
        np.testing.assert_allclose(got, want[0], atol=1e-4)


@pytest.mark.parametrize("steps", [(1, 1, 2, 16), (10, 10), (3, 17)])
def test_compiled_outputs_of_a_stream_are_the_same_bits(compiled, steps):
    frames = np.random.default_rng(0).normal(-5, 3, size=(128, 265)).astype(np.float32)
    whole, kept, first = compiled(frames, ("6", "9")), {}, 0
    for n in steps:
        parts = compiled(frames[:, 10 * first : 10 * (first + n) + 65], ("6", "9"), kept)
        for part, maps in zip(parts, whole, strict=True):
            np.testing.assert_array_equal(part, maps[..., first : first + n])
        first += n
    assert first == 20


def test_too_few_frames_are_refused_by_name(network):
    with pytest.raises(ValueError, match=r"74 frames.*at least 75"):
        network(torch.zeros(1, 1, 128, 74))


def test_an_unknown_layer_is_refused_by_name(network):
    with pytest.raises(ValueError, match=r"'10'.*'6', '9', '11'"):
        network(torch.zeros(1, 1, 128, 80), ("10",))
