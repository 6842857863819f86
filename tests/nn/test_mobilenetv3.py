"""The audio tagger against its published checkpoint."""

import os
from pathlib import Path

import pytest
import torch

from skasd.nn import MobileNetV3

_DATA = Path(os.environ.get("SKASD_DATA", Path(__file__).parents[3] / "shared" / "data"))
_CHECKPOINT = _DATA / "weights" / "mn04_as_mAP_432.pt"


@pytest.mark.parametrize(
    ("width", "expected"), [(0.4, 983_599), (1.0, 4_876_831)]
)  # published: 0.983 and 4.88 million
def test_number_of_parameters(width, expected):
    assert sum(p.numel() for p in MobileNetV3(width).parameters()) == expected


def test_maps_are_what_the_network_goes_through():
    network = MobileNetV3(0.4).eval()
    x = torch.randn(2, 1, 128, 64)
    with torch.no_grad():
        whole = network.maps(x, (16, 9))
        assert torch.equal(network.classifier(whole[0]), network(x))
    assert whole[1].shape == (2, 32, 8, 4)


@pytest.mark.skipif(not _CHECKPOINT.exists(), reason=f"{_CHECKPOINT} is absent")
def test_the_published_checkpoint_fits_by_every_name():
    network = MobileNetV3(0.4)
    network.load_state_dict(torch.load(_CHECKPOINT, weights_only=True))
    torch.manual_seed(0)
    # fitted running statistics: noise at the level it was trained on gives classes that are told apart
    with torch.no_grad():
        probabilities = torch.sigmoid(network.eval()(0.3 * torch.randn(4, 1, 128, 1000)))
    assert probabilities.shape == (4, 527)
    assert probabilities.max() > 0.05
    assert probabilities.mean() < 0.02
