import math

import numpy as np
import pytest
import torch
from torch import nn

from skasd.nn import DualPathTransformer
from skasd.nn._attention import EncoderLayer, axis_positions, patchify, unpatchify


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(**changes):
    torch.manual_seed(0)
    settings = {"n_bins": 32, "n_frames": 16, "patch": (8, 4), "dim": 16, "heads": 2, "blocks": 1}
    settings["embedding_dim"] = 8
    return DualPathTransformer(**(settings | changes))


# ---- patches ------------------------------------------------------------------------------------


def test_patchify_against_a_plain_loop():
    x = torch.randn(2, 1, 7, 10, generator=seeded())
    patches = patchify(x, (3, 4))
    assert patches.shape == (2, 3, 3, 12)
    padded = np.pad(x[:, 0].numpy(), ((0, 0), (0, 2), (0, 2)), mode="edge")
    for row in range(3):
        for column in range(3):
            expected = padded[:, 3 * row : 3 * row + 3, 4 * column : 4 * column + 4].reshape(2, -1)
            np.testing.assert_array_equal(patches[:, row, column].numpy(), expected)
    torch.testing.assert_close(unpatchify(patches, (3, 4), (7, 10)), x, rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 3, 8, 8)])
def test_patchify_names_a_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"\(N, 1, n_bins, n_frames\), got \(2, "):
        patchify(torch.zeros(shape), (4, 4))


def test_axis_positions():
    table = torch.arange(4.0)[:, None] * torch.tensor([1.0, -2.0])
    assert axis_positions(table, 4, stretch=False) is table
    torch.testing.assert_close(axis_positions(table, 3, stretch=False), table[:3])
    # Centres of the new cells lie at (i + 0.5) * 4 / n - 0.5 of the old ones, held at the ends.
    for n in (2, 7):
        places = np.clip((np.arange(n) + 0.5) * 4 / n - 0.5, 0, 3)
        expected = np.stack([places, -2 * places], axis=1)
        np.testing.assert_allclose(axis_positions(table, n, stretch=True).numpy(), expected, atol=1e-6)


# ---- the encoder layer ----------------------------------------------------------------------------


@pytest.mark.parametrize("sequence_first", [False, True])
def test_encoder_layer_equals_its_formula_and_torch(sequence_first):
    torch.manual_seed(0)
    layer = EncoderLayer(12, 3, mlp_ratio=2, sequence_first=sequence_first).eval()
    x = torch.randn(5, 7, 12)
    # torch's own pre-norm layer, with the same weights
    other = nn.TransformerEncoderLayer(
        12, 3, 24, dropout=0, activation="gelu", batch_first=not sequence_first, norm_first=True
    )
    with torch.no_grad():
        other.self_attn.in_proj_weight.copy_(layer.qkv.weight)
        other.self_attn.in_proj_bias.copy_(layer.qkv.bias)
        other.self_attn.out_proj.load_state_dict(layer.proj.state_dict())
        other.norm1.load_state_dict(layer.norm1.state_dict())
        other.norm2.load_state_dict(layer.norm2.state_dict())
        other.linear1.load_state_dict(layer.mlp[0].state_dict())
        other.linear2.load_state_dict(layer.mlp[2].state_dict())
    torch.testing.assert_close(layer(x), other(x), rtol=1e-5, atol=1e-5)

    # the attention, written out in NumPy for one sequence
    tokens = (x[:, 0] if sequence_first else x[0]).detach()
    qkv = layer.qkv(tokens).detach().numpy().astype(float)
    heads = []
    for h in range(3):
        q, k, v = (qkv[:, part * 12 + 4 * h : part * 12 + 4 * h + 4] for part in range(3))
        weights = np.exp(q @ k.T / 2)  # sqrt(4 dimensions per head)
        heads.append(weights / weights.sum(1, keepdims=True) @ v)
    expected = (
        np.concatenate(heads, 1) @ layer.proj.weight.detach().numpy().T + layer.proj.bias.detach().numpy()
    )
    got = layer._attention(x)
    np.testing.assert_allclose(
        (got[:, 0] if sequence_first else got[0]).detach().numpy(), expected, atol=1e-5
    )


def test_encoder_layer_refuses_heads_that_do_not_divide():
    with pytest.raises(ValueError, match="dim=10 is not a multiple of heads=3"):
        EncoderLayer(10, 3)


# ---- the network ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(128, 64), (1, 1), (128, 1), (130, 70), (40, 313)])
def test_shapes(size):
    net = DualPathTransformer(blocks=1, dim=16, heads=2).eval()
    x = torch.randn(3, 1, *size, generator=seeded())
    n_patches = math.prod(net.grid(*size))
    mask = net.random_mask(3, 0.3, seeded(), size)
    assert mask.shape == (3, n_patches)
    embedding, reconstruction = net.forward_both(x, mask)
    assert embedding.shape == (3, net.embedding_dim) == (3, 128)
    assert reconstruction.shape == x.shape
    assert net.patch_errors(x, reconstruction).shape == (3, n_patches)
    torch.testing.assert_close(net.reconstruct(x, mask), reconstruction)
    torch.testing.assert_close(net(x), net.forward_both(x)[0])


def test_number_of_parameters():
    layer = 2 * 2 * 64 + 64 * 192 + 192 + 64 * 64 + 64 + 64 * 256 + 256 + 256 * 64 + 64
    ends = (64 * 64 + 64) * 2 + 16 * 64 * 128 + 128  # patch embedding, decoder, head
    expected = 4 * layer + ends + (16 + 8 + 1) * 64 + 2 * 64  # + positions, mask token, last norm
    assert sum(p.numel() for p in DualPathTransformer().parameters()) == expected


def test_gradient_reaches_every_parameter():
    net = small(blocks=2)
    x = torch.randn(4, 1, 32, 16, generator=seeded())
    embedding, reconstruction = net.forward_both(x, net.random_mask(4, 0.4, seeded()))
    (embedding.square().mean() + (reconstruction - x).square().mean()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_one_block_mixes_along_frequency_first_and_then_along_time():
    # A change of one patch reaches its column in the frequency layer, and everything in the time layer.
    net = small().eval()
    x = torch.randn(1, 1, 32, 16, generator=seeded())
    changed = x.clone()
    changed[..., :8, :4] += 1
    seen = {}

    def keep(name, shape):
        return lambda module, inputs, output: seen.setdefault(name, []).append(output.reshape(shape))

    net.frequency_layers[0].register_forward_hook(keep("frequency", (4, 4, 16)))
    net.time_layers[0].register_forward_hook(keep("time", (4, 4, 16)))
    net(x), net(changed)
    differs = {name: (a - b).abs().amax(-1) > 1e-6 for name, (a, b) in seen.items()}
    column = torch.zeros(4, 4, dtype=torch.bool)
    column[:, 0] = True
    assert torch.equal(differs["frequency"], column)
    assert differs["time"].all()


def test_embedding_is_a_map_of_the_means_over_time():
    net = small().eval()
    x = torch.randn(3, 1, 32, 16, generator=seeded())
    seen = []
    net.norm.register_forward_hook(lambda module, inputs, output: seen.append(output.detach().numpy()))
    embedding = net(x).detach().numpy()
    by_row = seen[0].mean(2)  # (rows, N, dim)
    weight, bias = (p.detach().numpy() for p in net.head.parameters())
    expected = sum(by_row[i] @ weight[:, 16 * i : 16 * i + 16].T for i in range(4)) + bias
    np.testing.assert_allclose(embedding, expected, rtol=1e-4, atol=1e-5)


def test_hidden_patches_do_not_leak():
    net = small().eval()
    x = torch.randn(2, 1, 32, 16, generator=seeded())
    mask = net.random_mask(2, 0.5, seeded())
    hidden = unpatchify(mask.view(2, 4, 4, 1).expand(2, 4, 4, 32), (8, 4), (32, 16))
    other = torch.where(hidden, 100.0, x)
    for a, b in zip(net.forward_both(x, mask), net.forward_both(other, mask), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert (net(x) - net(other)).abs().max() > 1e-3


def test_a_mask_of_another_size_is_named():
    net = small()
    with pytest.raises(ValueError, match=r"\(2, 5\), but the input 2 x 16 patches"):
        net.reconstruct(torch.zeros(2, 1, 32, 16), torch.zeros(2, 5, dtype=torch.bool))


@pytest.mark.parametrize("ratio", [0, 0.1, 0.25, 0.6, 1])
def test_random_mask_hides_one_rectangle_of_about_the_ratio(ratio):
    net = DualPathTransformer(dim=8, heads=1, blocks=1)
    mask = net.random_mask(500, ratio, seeded())
    assert torch.equal(mask, net.random_mask(500, ratio, seeded()))
    mask = mask.view(-1, 16, 8)
    height, width = mask.any(2).sum(1), mask.any(1).sum(1)
    assert torch.equal(height * width, mask.sum((1, 2)))  # full between its edges
    top = mask.any(2).float().argmax(1)
    assert all(mask[i, top[i] : top[i] + height[i]].any(1).all() for i in range(500))
    # half a column (or row) of the height at hand is the most that rounding can change
    assert ((mask.sum((1, 2)) - ratio * 128).abs() <= 0.5 * height.clamp(min=1)).all()
    assert abs(mask.float().mean() - ratio) < 0.02
    if 0 < ratio < 1:
        assert len(set(zip(height.tolist(), width.tolist(), strict=True))) > 3
        assert mask.any(0).all()  # every patch is hidden at some time


def test_random_mask_refuses_a_ratio_outside():
    with pytest.raises(ValueError, match=r"ratio=1\.5"):
        small().random_mask(1, 1.5)


def test_patch_errors_against_numpy():
    net = small()
    x, y = torch.randn(2, 2, 1, 32, 16, generator=seeded())
    errors = (x - y).numpy()[:, 0].reshape(2, 4, 8, 4, 4).transpose(0, 1, 3, 2, 4).reshape(2, 16, 32)
    np.testing.assert_allclose(net.patch_errors(x, y).numpy(), (errors**2).mean(-1), rtol=1e-5)


def test_learns_to_classify_and_to_restore_what_is_hidden():
    # Two kinds of machines: tones at fixed bins whose level wanders slowly, the same in all their bins.
    generator = seeded()
    label = torch.arange(64) % 2
    tones = torch.randn(2, 32, 1, generator=generator)
    level = torch.randn(64, 1, 1, generator=generator)
    x = (tones[label] + level + 0.1 * torch.randn(64, 32, 16, generator=generator))[:, None]
    net = small()
    classify = nn.Linear(8, 2)
    optimizer = torch.optim.Adam([*net.parameters(), *classify.parameters()], lr=5e-3)
    history = []
    for _ in range(120):
        mask = net.random_mask(64, 0.3, generator)
        embedding, reconstruction = net.forward_both(x, mask)
        error = net.patch_errors(x, reconstruction)[mask].mean()
        loss = error + nn.functional.cross_entropy(classify(embedding), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(error.item())
    net.eval()
    assert history[0] > 1.0
    assert np.mean(history[-5:]) < 0.2  # the level has to be read from patches that are not hidden
    assert (classify(net(x)).argmax(1) == label).all()
