"""Every objective against a slow version in plain Python, its gradient, and whether it teaches."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skasd.nn import AdaCos, ArcFace, BinaryCrossEntropy, CrossEntropy, FocalLoss, SubclusterAdaCos

DIM, N_CLASSES = 5, 4
OBJECTIVES = {
    "arcface": lambda d=DIM, c=N_CLASSES: ArcFace(d, c, s=8.0, m=0.4),
    "adacos": AdaCos,
    "subcluster_adacos": lambda d=DIM, c=N_CLASSES: SubclusterAdaCos(d, c, n_subclusters=3),
    "subcluster_adacos_trainable": lambda d=DIM, c=N_CLASSES: SubclusterAdaCos(d, c, 3, trainable=True),
    "focal": FocalLoss,
    "cross_entropy": CrossEntropy,
    "binary_cross_entropy": BinaryCrossEntropy,
}
every_objective = pytest.mark.parametrize("make", OBJECTIVES.values(), ids=OBJECTIVES)


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _make(make):
    return make(DIM, N_CLASSES).double()


def _batch(n=6):
    embedding = torch.randn(n, DIM, dtype=torch.float64)
    soft = torch.softmax(2 * torch.randn(n, N_CLASSES, dtype=torch.float64), dim=1)
    soft[0] = torch.tensor([0.0, 0.3, 0.7, 0.0])
    return embedding, soft


# ---------------------------------------------------------------- slow versions


def _cosines(x, weight):
    return [
        [
            sum(a * b for a, b in zip(row, centre, strict=True)) / (math.hypot(*row) * math.hypot(*centre))
            for centre in weight
        ]
        for row in x
    ]


def _slow_arcface(objective, x, y):
    s, m = objective.s, objective.m
    total = 0.0
    for cosine, label in zip(_cosines(x, objective.weight.tolist()), y, strict=True):
        theta = [math.acos(c) for c in cosine]
        for c in range(N_CLASSES):
            phi = math.cos(theta[c] + m) if theta[c] < math.pi - m else cosine[c] - m * math.sin(m)
            own = math.exp(s * phi)
            others = sum(math.exp(s * cosine[j]) for j in range(N_CLASSES) if j != c)
            total += label[c] * -math.log(own / (own + others))
    return total / len(x)


def _slow_softmax_loss(logits, y, groups, gamma=0.0):
    total = 0.0
    for row, label in zip(logits, y, strict=True):
        e = [math.exp(v) for v in row]
        for c in range(N_CLASSES):
            p = sum(e[c * groups : (c + 1) * groups]) / sum(e)
            total -= label[c] * (1 - p) ** gamma * math.log(p)
    return total / len(logits)


def _scaled(cosine, s):
    return [[s * c for c in row] for row in cosine]


def _slow_adacos(objective, x, y):
    return _slow_softmax_loss(_scaled(_cosines(x, objective.weight.tolist()), objective.scale.item()), y, 1)


def _slow_subcluster(objective, x, y):
    logits = _scaled(_cosines(x, objective.weight.tolist()), objective.scale.item())
    return _slow_softmax_loss(logits, y, objective.n_subclusters)


def _linear(objective, x):
    return (np.asarray(x) @ objective.weight.detach().numpy().T + objective.bias.detach().numpy()).tolist()


def _slow_binary(objective, x, y):
    total = 0.0
    for row, label in zip(_linear(objective, x), y, strict=True):
        for logit, t in zip(row, label, strict=True):
            p = 1 / (1 + math.exp(-logit))
            total -= t * math.log(p) + (1 - t) * math.log(1 - p)
    return total / (len(x) * N_CLASSES)


SLOW = {
    "arcface": _slow_arcface,
    "adacos": _slow_adacos,
    "subcluster_adacos": _slow_subcluster,
    "subcluster_adacos_trainable": _slow_subcluster,
    "focal": lambda o, x, y: _slow_softmax_loss(_linear(o, x), y, 1, gamma=o.gamma),
    "cross_entropy": lambda o, x, y: _slow_softmax_loss(_linear(o, x), y, 1),
    "binary_cross_entropy": _slow_binary,
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_against_the_slow_version(name):
    objective = _make(OBJECTIVES[name]).eval()
    embedding, soft = _batch()
    expected = SLOW[name](objective, embedding.tolist(), soft.tolist())
    assert objective(embedding, soft).item() == pytest.approx(expected, rel=1e-9)


@every_objective
def test_gradcheck(make):
    objective = _make(make).eval()  # in training mode AdaCos moves its scale with every call
    embedding, soft = _batch(4)
    embedding[1] -= 9 * objective.weight.detach()[2]  # beyond pi - m of ArcFace for one class
    names = [name for name, p in objective.named_parameters() if p.requires_grad]
    parameters = [p.detach().clone().requires_grad_() for p in objective.parameters() if p.requires_grad]

    def loss(embedding, *parameters):
        return torch.func.functional_call(
            objective, dict(zip(names, parameters, strict=True)), (embedding, soft)
        )

    assert torch.autograd.gradcheck(loss, (embedding.requires_grad_(), *parameters))


@every_objective
def test_gradient_reaches_the_class_weights(make):
    objective = _make(make)
    embedding, _ = _batch()
    objective(embedding.requires_grad_(), torch.arange(6) % N_CLASSES).backward()
    assert embedding.grad.abs().sum() > 0
    for parameter in objective.parameters():
        assert (parameter.grad is not None) == parameter.requires_grad
        if parameter.requires_grad:
            assert parameter.grad.abs().sum() > 0


@every_objective
def test_index_is_one_hot_is_a_pure_mixture(make):
    objective = _make(make).eval()
    embedding, _ = _batch()
    index = torch.arange(6) % N_CLASSES
    one_hot = nn.functional.one_hot(index, N_CLASSES).double()
    expected = objective(embedding, index)
    torch.testing.assert_close(objective(embedding, one_hot), expected)
    torch.testing.assert_close(objective(embedding, index.int()), expected)


@every_objective
def test_mixed_labels_are_linear(make):
    """The loss of a mixed label is the mean of the losses of its classes (as label smoothing is)."""
    objective = _make(make).eval()
    embedding, _ = _batch()
    first, second = torch.arange(6) % N_CLASSES, torch.arange(6).flip(0) % N_CLASSES
    one_hot = nn.functional.one_hot
    mixed = 0.3 * one_hot(first, N_CLASSES) + 0.7 * one_hot(second, N_CLASSES)
    expected = 0.3 * objective(embedding, first) + 0.7 * objective(embedding, second)
    torch.testing.assert_close(objective(embedding, mixed.double()), expected)


@every_objective
def test_log_proba(make):
    objective = _make(make).eval()
    embedding, _ = _batch()
    log_proba = objective.log_proba(embedding)
    assert log_proba.shape == (6, N_CLASSES)
    assert (log_proba <= 0).all()
    if not isinstance(objective, BinaryCrossEntropy):
        torch.testing.assert_close(log_proba.exp().sum(dim=1), torch.ones(6).double())
    far = 1e4 * embedding  # probabilities of 0 in floating point, logarithms are not -inf
    assert objective.log_proba(far).isfinite().all()


@every_objective
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(make, dtype):
    objective = make(DIM, N_CLASSES).eval()
    embedding = _batch()[0].to(dtype)
    index = torch.arange(6) % N_CLASSES
    expected = objective(embedding.float(), index)
    with torch.autocast("cpu", dtype=dtype):
        loss = objective(embedding, index)
        log_proba = objective.log_proba(embedding)
    assert loss.dtype == log_proba.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=0, atol=0)


@every_objective
def test_extreme_embeddings_give_finite_gradients(make):
    objective = make(DIM, N_CLASSES)
    for embedding in (
        torch.zeros(4, DIM),
        1e4 * torch.randn(4, DIM),
        objective.weight.detach()[torch.arange(4)].clone(),  # exactly on a centre
        -objective.weight.detach()[torch.arange(4)],
    ):
        embedding.requires_grad_()
        loss = objective(embedding, torch.arange(4))
        loss.backward()
        assert loss.isfinite()
        assert embedding.grad.isfinite().all()
        assert all(p.grad.isfinite().all() for p in objective.parameters() if p.requires_grad)


@every_objective
def test_learns_separable_data(make):
    n_classes, n_inputs, dim = 3, 6, 4
    label = torch.arange(90) % n_classes
    x = 2 * torch.randn(n_classes, n_inputs)[label] + 0.3 * torch.randn(90, n_inputs)
    backbone, objective = nn.Linear(n_inputs, dim), make(dim, n_classes)

    def accuracy():
        return (objective.log_proba(backbone(x)).argmax(dim=1) == label).float().mean().item()

    optimizer = torch.optim.Adam([*backbone.parameters(), *objective.parameters()], lr=0.03)
    for _ in range(120):
        optimizer.zero_grad()
        objective(backbone(x), label).backward()
        optimizer.step()
    assert accuracy() > 0.98


@every_objective
def test_wrong_targets_and_sizes(make):
    objective = make(DIM, N_CLASSES)
    embedding = torch.zeros(3, DIM)
    for target in (torch.zeros(3), torch.zeros(3, N_CLASSES + 1), torch.zeros(3, 1, N_CLASSES)):
        with pytest.raises(ValueError, match="class indices of shape"):
            objective(embedding, target)
    with pytest.raises(ValueError, match="n_classes=0"):
        make(DIM, 0)
    with pytest.raises(ValueError, match="embedding_dim=0"):
        make(0, N_CLASSES)
    assert "n_classes=4" in repr(objective)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ArcFace(2, 1), "n_classes=1"),
        (lambda: ArcFace(2, 2, s=0), "s=0"),
        (lambda: ArcFace(2, 2, m=2.0), r"m=2\.0"),
        (lambda: FocalLoss(2, 2, gamma=-1), "gamma=-1"),
        (lambda: AdaCos(2, 2, max_scale=0.5), "max_scale=0.5"),
        (lambda: SubclusterAdaCos(2, 2, n_subclusters=0), "n_subclusters=0"),
    ],
)
def test_wrong_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---------------------------------------------------------------- ArcFace


@settings(max_examples=25, deadline=None)
@given(m=st.floats(0, 1.5), n_classes=st.integers(2, 5), s=st.floats(1, 64))
def test_arcface_loss_rises_with_the_angle(m, n_classes, s):
    """All the way from 0 to pi, past the point where cos(theta + m) turns round."""
    objective = ArcFace(n_classes, n_classes, s=s, m=m).double()
    with torch.no_grad():
        objective.weight.copy_(torch.eye(n_classes))
    theta = torch.linspace(0.01, math.pi - 0.01, 60, dtype=torch.float64)
    embedding = torch.zeros(60, n_classes, dtype=torch.float64)
    embedding[:, 0], embedding[:, -1] = theta.cos(), -theta.sin()
    target = torch.zeros(n_classes, dtype=torch.float64)
    target[0] = 1
    phi = objective._add_margin(theta.cos()[:, None])[:, 0]
    assert (phi.diff() < 0).all()
    below = theta < math.pi - m - 0.01
    torch.testing.assert_close(phi[below], torch.cos(theta + m)[below], atol=1e-5, rtol=0)
    losses = torch.stack([objective(e[None], target[None]) for e in embedding])
    assert losses.isfinite().all()
    assert losses[-1] > losses[0]


def test_arcface_margin_is_on_the_labelled_class_only():
    objective = ArcFace(DIM, N_CLASSES, s=10.0, m=0.5).double()
    without = ArcFace(DIM, N_CLASSES, s=10.0, m=0.0).double()
    without.load_state_dict(objective.state_dict())
    embedding, soft = _batch()
    torch.testing.assert_close(
        without(embedding, soft), -(soft * objective.log_proba(embedding)).sum(1).mean()
    )
    assert objective(embedding, soft) > without(embedding, soft)
    # were it on all classes alike, two equal cosines would give log 2 in spite of it
    pair = ArcFace(2, 2, s=10.0, m=0.5).double()
    with torch.no_grad():
        pair.weight.copy_(torch.eye(2))
    loss = pair(torch.ones(1, 2).double(), torch.tensor([0]))
    phi = math.cos(math.pi / 4 + 0.5)
    assert loss.item() == pytest.approx(math.log1p(math.exp(10 * (math.cos(math.pi / 4) - phi))), rel=1e-9)


def test_arcface_keeps_its_digits_for_a_class_far_ahead():
    objective = ArcFace(4, 3, s=64.0, m=0.3)
    with torch.no_grad():
        objective.weight.copy_(torch.eye(3, 4))
    embedding, target = torch.eye(3, 4)[:1], torch.tensor([0])
    exact = ArcFace(4, 3, s=64.0, m=0.3).double()
    exact.load_state_dict(objective.state_dict())
    expected = exact(embedding.double(), target).item()
    assert 0 < expected < 1e-20  # log(1 + 2 exp(-61))
    assert objective(embedding, target).item() == pytest.approx(expected, rel=0.1)


# ---------------------------------------------------------------- AdaCos


def _slow_scale(cosine, y, s, own_class, groups):
    b = 0.0
    angles = []
    for row, label in zip(cosine, y, strict=True):
        repeated = [t for t in label for _ in range(groups)]
        weights = [1.0 if own_class else 1.0 - t for t in repeated]
        b += sum(w * math.exp(s * c) for w, c in zip(weights, row, strict=True)) / len(cosine)
        factor = sum(t != 0 for t in label) if own_class else 1
        angles.append(factor * sum(t * math.acos(c) for t, c in zip(repeated, row, strict=True)))
    median = sorted(angles)[(len(angles) - 1) // 2]
    return math.log(b) / math.cos(min(math.pi / 4, median))


@pytest.mark.parametrize("soft_labels", [False, True])
@pytest.mark.parametrize(
    "make", [AdaCos, SubclusterAdaCos, lambda d, c: SubclusterAdaCos(d, c, 1, trainable=True)]
)
def test_scale_follows_the_formula(make, soft_labels):
    n_classes = 20
    objective = make(DIM, n_classes).double()
    groups = getattr(objective, "n_subclusters", 1)
    s = math.sqrt(2) * math.log(n_classes * groups - 1)
    assert objective.scale.item() == pytest.approx(s, rel=1e-6)
    embedding = torch.randn(7, DIM, dtype=torch.float64)
    target = nn.functional.one_hot(torch.arange(7) % n_classes, n_classes).double()
    if soft_labels:
        target = 0.6 * target + 0.4 * target.roll(3, dims=0)
    for _ in range(2):
        expected = _slow_scale(
            _cosines(embedding.tolist(), objective.weight.tolist()),
            target.tolist(),
            objective.scale.item(),
            own_class=isinstance(objective, SubclusterAdaCos),
            groups=groups,
        )
        assert 1 < expected < 30
        loss = objective(embedding, target)
        assert objective.scale.item() == pytest.approx(expected, rel=1e-6)
        # the new scale is the one of this batch's loss
        torch.testing.assert_close(loss, objective.eval()(embedding, target))
        objective.train()


@pytest.mark.parametrize(
    "make", [AdaCos, lambda d, c: SubclusterAdaCos(d, c, 1)], ids=["adacos", "subcluster_adacos"]
)
def test_scale_of_mixed_labels_near_their_centres(make):
    """Angles below pi / 4 decide the scale; of two labels, sub-cluster AdaCos counts twice the mean angle."""
    objective = make(DIM, 20).double()
    with torch.no_grad():
        objective.weight[1] = objective.weight[0] + 0.1 * torch.randn(DIM)
    embedding = objective.weight.detach()[:2].mean(dim=0) + 0.05 * torch.randn(5, DIM).double()
    target = torch.zeros(5, 20).double()
    target[:, 0], target[:, 1] = 0.6, 0.4
    cosine = _cosines(embedding.tolist(), objective.weight.tolist())
    own_class = isinstance(objective, SubclusterAdaCos)
    expected = _slow_scale(cosine, target.tolist(), objective.scale.item(), own_class, groups=1)
    objective(embedding, target)
    assert objective.scale.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("make", [AdaCos, SubclusterAdaCos])
def test_scale_in_evaluation_and_in_the_state(make):
    objective = make(DIM, N_CLASSES)
    before = objective.scale.item()
    objective.eval()(torch.randn(6, DIM), torch.arange(6) % N_CLASSES)
    objective.train().log_proba(torch.randn(6, DIM))
    assert objective.scale.item() == before
    objective(torch.randn(6, DIM), torch.arange(6) % N_CLASSES)
    assert objective.scale.item() != before
    copy = make(DIM, N_CLASSES)
    copy.load_state_dict(objective.state_dict())
    assert copy.scale.item() == objective.scale.item()


def test_scale_cannot_blow_up_or_vanish():
    objective = SubclusterAdaCos(DIM, N_CLASSES, max_scale=20.0)
    on_centres = objective.weight.detach()[torch.arange(6)]
    for _ in range(50):  # each update enlarges it
        objective(on_centres, torch.zeros(6, dtype=torch.long))
    assert objective.scale.item() == 20.0
    assert objective(on_centres, torch.zeros(6, dtype=torch.long)).isfinite()
    pair = AdaCos(DIM, 2)  # sqrt(2) log(2 - 1) = 0
    assert pair.scale.item() == 1.0
    pair(pair.weight.detach(), torch.arange(2))
    assert pair.scale.item() >= 1.0


def test_scale_survives_a_batch_of_nan():
    objective = AdaCos(DIM, N_CLASSES)
    before = objective.scale.item()
    objective(torch.full((3, DIM), torch.nan), torch.arange(3))
    assert objective.scale.item() == before


def test_two_losses_before_backward():
    objective = AdaCos(DIM, 10)
    first = objective(torch.randn(6, DIM, requires_grad=True), torch.arange(6))
    second = objective(torch.randn(6, DIM, requires_grad=True), torch.arange(6))
    (first + second).backward()
    assert objective.weight.grad.isfinite().all()


def test_fixed_centres_stay():
    objective = SubclusterAdaCos(DIM, N_CLASSES)
    assert objective.weight.shape == (N_CLASSES * 16, DIM)
    assert not objective.weight.requires_grad
    SubclusterAdaCos(DIM, N_CLASSES, trainable=True).load_state_dict(objective.state_dict())


# ---------------------------------------------------------------- linear heads


def test_focal_without_gamma_is_cross_entropy():
    focal, plain = FocalLoss(DIM, N_CLASSES, gamma=0.0).double(), CrossEntropy(DIM, N_CLASSES).double()
    plain.load_state_dict(focal.state_dict())
    embedding, soft = _batch()
    torch.testing.assert_close(focal(embedding, soft), plain(embedding, soft))
    torch.testing.assert_close(focal.log_proba(embedding), plain.log_proba(embedding))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_gradient_where_the_probability_is_one(gamma):
    focal = FocalLoss(2, 2, gamma=gamma)
    embedding = torch.tensor([[1e3, 0.0]], requires_grad=True)
    with torch.no_grad():
        focal.weight.copy_(torch.eye(2))
    focal(embedding, torch.tensor([0])).backward()
    assert embedding.grad.isfinite().all()


def test_linear_heads_agree_with_torch():
    embedding, soft = _batch()
    objective = CrossEntropy(DIM, N_CLASSES).double()
    logits = nn.functional.linear(embedding, objective.weight, objective.bias)
    torch.testing.assert_close(objective(embedding, soft), nn.functional.cross_entropy(logits, soft))
    linear = nn.Linear(DIM, N_CLASSES).double()
    linear.load_state_dict(objective.state_dict())


def test_binary_cross_entropy_takes_several_classes_or_none():
    objective = BinaryCrossEntropy(DIM, N_CLASSES).double()
    embedding, _ = _batch(3)
    target = torch.tensor([[1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]).double()
    log_p = objective.log_proba(embedding)
    expected = -(target * log_p + (1 - target) * torch.log1p(-log_p.exp())).mean()
    torch.testing.assert_close(objective(embedding, target), expected)
    assert BinaryCrossEntropy(DIM, 1)(torch.zeros(2, DIM), torch.zeros(2, 1)).isfinite()
