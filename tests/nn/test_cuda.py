"""One training step on the GPU, with the generator on the host; ``tests/simulated_cuda.py`` stands in for a GPU."""

import pytest
import torch

from skasd.nn import (
    AdaCos,
    ArcFace,
    BinaryCrossEntropy,
    FMix,
    FocalLoss,
    Mixup,
    MobileFaceNet,
    MobileNetV2,
    OneOf,
    SubclusterAdaCos,
    domain_partners,
    fold_batch_norm,
)

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize("backbone", [MobileFaceNet, MobileNetV2])
@pytest.mark.parametrize("objective", [ArcFace, AdaCos, SubclusterAdaCos, FocalLoss, BinaryCrossEntropy])
def test_training_step(backbone, objective):
    network = backbone(32, 16).cuda().to(memory_format=torch.channels_last)
    criterion = objective(128, 3).cuda()
    x = torch.randn(8, 1, 32, 16, device="cuda")
    y = torch.eye(3, device="cuda")[torch.arange(8) % 3]
    generator = torch.Generator().manual_seed(0)
    is_target = torch.arange(8, device="cuda") == 0
    mixing = OneOf((Mixup(p=1.0), FMix(p=1.0)))
    x, y = mixing(x, y, generator=generator, partner=domain_partners(is_target, generator))
    assert x.is_cuda
    with torch.autocast("cuda", dtype=torch.float16):
        loss = criterion(network(x), y)
    assert loss.dtype == torch.float32
    loss.backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())
    with torch.inference_mode():
        torch.testing.assert_close(fold_batch_norm(network)(x), network.eval()(x), rtol=1e-3, atol=1e-3)


def test_what_the_device_refuses():
    network = torch.nn.Linear(3, 2).cuda()
    with pytest.raises(RuntimeError, match="same device"):
        network(torch.zeros(4, 3))
    with pytest.raises(TypeError, match="numpy"):
        torch.zeros(3, device="cuda").numpy()
    with pytest.raises(RuntimeError, match="generator"):
        torch.rand(3, device="cuda", generator=torch.Generator())
