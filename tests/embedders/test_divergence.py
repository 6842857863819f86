"""Networks that diverge, and features that no network can take: an error that says what to do, never NaN."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skasd.embedders import Checkpoint, EarlyStopping, ImageMobileNetV2Embedder, ViTEmbedder

from ._cases import EMBEDDERS, clips_for


@pytest.mark.parametrize("name", EMBEDDERS)
def test_a_loss_or_weight_that_is_not_finite_is_an_error(name, tmp_path):
    X, metadata = clips_for(name)
    embedder = clone(EMBEDDERS[name]).set_params(lr=1e10, callbacks=[Checkpoint(tmp_path)])
    for _ in range(2):  # what the first run left does not make the second one pass
        with pytest.raises(
            ValueError, match=r"Training of \w+ diverged in epoch \d: .* smaller lr than 1e\+10"
        ):
            embedder.fit(X, **metadata)
        with pytest.raises(NotFittedError):
            embedder.transform(X)
    for path in tmp_path.iterdir():  # no checkpoint holds what has diverged
        assert all(v.isfinite().all() for v in torch.load(path, weights_only=True)["module"].values())


def test_a_held_out_loss_that_is_not_finite_is_an_error():
    X, metadata = clips_for("ViTEmbedder")

    class Spoilt(ViTEmbedder):
        def _make_network(self, *args):
            network = super()._make_network(*args)
            loss = network.objective.forward
            network.objective.forward = lambda *a: loss(*a) * (1 if network.training else np.nan)
            return network

    with pytest.raises(ValueError, match="diverged in epoch 1: the loss is nan"):
        Spoilt(patch_frames=16, max_epochs=3, callbacks=[EarlyStopping(patience=2)]).fit(X, **metadata)


def test_a_loss_that_grows_is_told():
    X, metadata = clips_for("ImageMobileNetV2Embedder")
    embedder = ImageMobileNetV2Embedder(width=0.25, max_epochs=2, lr=1e3, random_state=0)
    with pytest.warns(
        ConvergenceWarning, match=r"made the loss grow from .* in the first batch to .* smaller lr than 1000"
    ):
        embedder.fit(X, **metadata)


@pytest.mark.parametrize("name", EMBEDDERS)
def test_nan_rows_are_for_skipped_clips_alone(name):
    X, metadata = clips_for(name)
    embedder = clone(EMBEDDERS[name]).fit(X, **metadata)
    with torch.no_grad():  # what a network that has diverged unnoticed would be
        for value in embedder.embedding_network_.state_dict().values():
            if value.is_floating_point():
                value.fill_(np.nan)
    with pytest.raises(ValueError, match=r"no finite output for \d+ of 24 clips .*smaller lr than"):
        embedder.transform(X)


def test_the_clip_without_finite_output_is_named():
    X, metadata = clips_for("AutoencoderEmbedder")
    embedder = clone(EMBEDDERS["AutoencoderEmbedder"]).fit(X, **metadata)
    X = X.copy()
    X[3] = np.nan  # skipped
    X[5] *= 1e30
    with pytest.raises(ValueError, match=r"no finite output for 1 of 23 clips \(5\)"):
        embedder.transform(X)
    with pytest.raises(ValueError, match="Scale the clips"):
        embedder.transform(X[5:6])
    assert np.isnan(embedder.transform(X[3:5])).ravel().tolist() == [True, False]


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e300])
def test_features_beyond_single_precision_are_refused_before_training(value):
    X, metadata = clips_for("ViTEmbedder")
    X = X.astype(np.float64)
    X[7, 3, 2] = value
    wanted = r"X\[7\] has values up to 1e\+300" if value == 1e300 else r"clips 7\)"
    with pytest.raises(ValueError, match=wanted):
        ViTEmbedder(patch_frames=16).fit(X, **metadata)
