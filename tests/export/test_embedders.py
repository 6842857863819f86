import pytest
import torch
from sklearn.pipeline import make_pipeline

from skasd import (
    AutoencoderEmbedder,
    ColumnScorer,
    DPTEmbedder,
    LogMelTransformer,
    MahalanobisScorer,
    MFNEmbedder,
    MobileNetV2Embedder,
    OEVAEEmbedder,
    ViTEmbedder,
    systems,
)
from skasd.export import ExportError, to_onnx

from .agreement import check_agreement


def slow(embedder):
    return pytest.param(embedder, marks=pytest.mark.slow)


SMALL = {"max_epochs": 1, "random_state": 0}
UNTRAINED = {"max_epochs": 0, "random_state": 0}
EMBEDDERS = [
    MFNEmbedder(16, patch_frames=12, **SMALL),
    MobileNetV2Embedder(16, 0.25, patch_frames=12, **SMALL),
    slow(MFNEmbedder(16, "secom", patch_frames=7, patch_hop=3, merge=("mean", "std"), **SMALL)),
    slow(MFNEmbedder(16, patch_frames=12, standardize_input="global", **SMALL)),
    slow(MFNEmbedder(16, patch_frames=12, standardize_input=None, merge="std", patch_hop=2, **SMALL)),
    slow(MobileNetV2Embedder(None, 0.25, "official", in_channels=3, patch_frames=12, **SMALL)),
    DPTEmbedder(
        patch=(8, 5),
        standardize_input="global",
        merge=("std", "mean"),
        patch_hop=3,
        dim=8,
        embedding_dim=6,
        patch_frames=12,
        **SMALL,
    ),
    ViTEmbedder(
        patch=(7, 5),
        standardize_input=None,
        merge=("mean", "std"),
        dim=16,
        heads=2,
        depth=2,
        patch_frames=12,
        patch_hop=2,
        **SMALL,
    ),
    AutoencoderEmbedder(16, **SMALL, output=("mse", "mahalanobis", "mahalanobis_textbook", "embedding")),
    AutoencoderEmbedder(16, **SMALL, standardize_input="bin", merge=("mean", "std"), output="embedding"),
    AutoencoderEmbedder(16, **SMALL, standardize_input="global", patch_frames=12, output="mahalanobis"),
]


@pytest.mark.parametrize("embedder", EMBEDDERS, ids=str)
def test_scores_are_those_of_the_pipeline(sounds, tmp_path, embedder):
    # clips of 2 to 16 frames, of which some are shorter than a patch
    front, scorer = LogMelTransformer(n_mels=30), MahalanobisScorer(contamination=0.3)
    name = type(embedder).__name__.lower()
    detector = make_pipeline(front, embedder, scorer).fit(
        sounds.healthy, **{f"{name}__section": sounds.section}
    )
    _shake(detector[1])
    detector[2].fit(detector[:2].transform(sounds.healthy))
    check_agreement(detector, tmp_path, sounds.mixed)


def _shake(embedder):
    """Give every parameter some value, so that none is what it begins with."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in embedder.embedding_network_.backbone.parameters():
            tensor += 0.02 * torch.randn(tensor.shape, generator=generator)


def test_the_official_autoencoder(sounds, tmp_path):
    for score in ("mse", "mahalanobis"):
        detector = systems.official_autoencoder(2020, score, max_epochs=1, random_state=0).fit(sounds.healthy)
        assert isinstance(detector[-1], ColumnScorer)
        check_agreement(detector, tmp_path, sounds.mixed)


@pytest.mark.parametrize(
    ("embedder", "message"),
    [
        (
            MFNEmbedder(4, **UNTRAINED, output="log_proba"),
            r"MFNEmbedder\(output='log_proba'\) cannot .* fit again",
        ),
        (MFNEmbedder(4, **UNTRAINED, precision="bfloat16"), r"MFNEmbedder\(precision='bfloat16'\) cannot"),
        (
            AutoencoderEmbedder(4, **UNTRAINED, precision="bfloat16"),
            r"AutoencoderEmbedder\(precision='bfloat16'\)",
        ),
        (OEVAEEmbedder(width=4, **UNTRAINED), "OEVAEEmbedder cannot be exported: front ends, embedders"),
    ],
    ids=str,
)
def test_what_has_no_such_form_is_refused(sounds, tmp_path, embedder, message):
    detector = make_pipeline(LogMelTransformer(n_mels=16), embedder, MahalanobisScorer())
    name = type(embedder).__name__.lower()
    proxy = (
        {}
        if not isinstance(embedder, OEVAEEmbedder)
        else {f"{name}__proxy": sounds.section == sounds.section[-1]}
    )
    detector.fit(sounds.healthy, **{f"{name}__section": sounds.section}, **proxy)
    with pytest.raises(ExportError, match=message):
        to_onnx(detector, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
