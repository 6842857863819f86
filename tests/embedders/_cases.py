"""Every embedder in a size that trains in a fraction of a second, and clips for it."""

from functools import partial

import numpy as np

from skasd import embedders, nn

QUICK = {"max_epochs": 3, "random_state": 0}
EMBEDDERS = {
    "AutoencoderEmbedder": embedders.AutoencoderEmbedder(hidden=16, batch_size=64, **QUICK),
    "DPTEmbedder": embedders.DPTEmbedder(patch_frames=16, dim=16, **QUICK),
    "ImageMobileNetV2Embedder": embedders.ImageMobileNetV2Embedder(width=0.25, **QUICK),
    "MFNEmbedder": embedders.MFNEmbedder(patch_frames=16, **QUICK),
    "MobileNetV2Embedder": embedders.MobileNetV2Embedder(width=0.25, patch_frames=16, **QUICK),
    "MultiBranchEmbedder": embedders.MultiBranchEmbedder(
        n_samples=2000, branch_dim=8, loss=partial(nn.SubclusterAdaCos, n_subclusters=2), **QUICK
    ),
    "OEVAEEmbedder": embedders.OEVAEEmbedder(
        16, width=4, latent_dim=4, domain_dim=1, patch_frames=16, **QUICK
    ),
    "ViTEmbedder": embedders.ViTEmbedder(patch_frames=16, **QUICK),
}


def clips_for(name):
    """Return X and the metadata of fit for one of the embedders."""
    rng = np.random.default_rng(0)
    section = {"section": np.arange(24) % 3}
    if name == "MultiBranchEmbedder":
        return rng.normal(size=(24, 2000)).astype(np.float32) / 10, section
    return rng.normal(size=(24, 16, 20)).astype(np.float32), {} if name == "AutoencoderEmbedder" else section


def weights(embedder):
    """Return the state of the network, buffers and class weights among it, as one vector."""
    return np.concatenate([v.double().numpy().ravel() for v in embedder.net_.module_.state_dict().values()])
