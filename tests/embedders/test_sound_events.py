"""Sound event classification against detection: two machines that sound at once."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from skasd import LogMelTransformer, nn
from skasd.datasets import make_machine_sounds
from skasd.embedders import MobileNetV2Embedder, ViTEmbedder

SED = {"loss": "binary_cross_entropy", "mixing": "sound_events"}
MACHINES = ["fan", "gearbox", "pump", "valve"]


def log_mels(random_state, n, n_overlays=0):
    """Log-mels of single machines, or of the sums of two at equal level, with the sounding machines as a mask."""
    clips = {
        machine: make_machine_sounds(
            n, 0, machine=machine, duration=1.0, domains=("source",), snr=20.0, random_state=random_state
        ).X
        for machine in MACHINES
    }
    waves, present = [], []
    if n_overlays:
        rng = np.random.default_rng(random_state)
        for _ in range(n_overlays):
            pair = rng.choice(len(MACHINES), 2, replace=False)
            a, b = (clips[MACHINES[k]][rng.integers(n)] for k in pair)
            waves.append(a / a.std() * 0.05 + b / b.std() * 0.05)
            present.append(np.isin(np.arange(len(MACHINES)), pair))
    else:
        for k, machine in enumerate(MACHINES):
            waves += [x / x.std() * 0.05 for x in clips[machine]]
            present += [np.arange(len(MACHINES)) == k] * n
    features = LogMelTransformer(n_fft=512, hop_length=256, n_mels=32).fit_transform(
        np.array(waves, np.float32)
    )
    return features, np.array(present)


@pytest.fixture(scope="module")
def machines():
    return log_mels(0, 24), log_mels(1, 8), log_mels(2, 24, n_overlays=60)


MODELS = {
    "vit": ViTEmbedder(patch=(8, 16), dim=32, heads=4, patch_frames=62, max_epochs=80, random_state=0),
    "mobilenetv2": MobileNetV2Embedder(
        embedding_dim=None,
        width=0.25,
        variant="cqupt",
        patch_frames=62,
        batch_size=16,
        max_epochs=40,
        optimizer="sgd",
        lr=0.05,
        random_state=0,
    ),
}


@pytest.mark.parametrize("model", ["vit", pytest.param("mobilenetv2", marks=pytest.mark.slow)])
def test_detection_names_two_machines_at_once_where_classification_fails(machines, model):
    (X, y), (X_single, y_single), (X_both, y_both) = machines
    section = np.array(MACHINES)[y.argmax(1)]
    named, both_present = {}, {}
    for target, choice in (("sec", {"loss": "cross_entropy", "mixing": None}), ("sed", SED)):
        embedder = clone(MODELS[model]).set_params(**choice).fit(X, section=section)
        single = embedder.predict_log_proba(X_single)
        assert (single.argmax(1) == y_single.argmax(1)).mean() > 0.9  # both know a machine that sounds alone
        log_p = embedder.predict_log_proba(X_both)
        # is each machine told present or absent as it is, and are both of the two told present?
        named[target] = np.mean((log_p > np.log(0.5)) == y_both)
        both_present[target] = np.mean(np.where(y_both, log_p, 0.0).min(1) > np.log(0.5))
        # a threshold on one machine's log-likelihood, whatever it is
        auc = [roc_auc_score(y_both[:, k], log_p[:, k]) for k in range(len(MACHINES))]
        named[target, "auc"] = np.mean(auc)
    assert named["sed"] > named["sec"] + 0.1
    assert named["sed", "auc"] > named["sec", "auc"] + 0.1
    assert both_present["sec"] == 0  # two probabilities of a softmax cannot both exceed one half
    assert both_present["sed"] > 0.5


@pytest.mark.parametrize("mixing", ["sound_events", nn.SoundEventMixing(n_events=2)])
@pytest.mark.parametrize("loss", ["focal", "arcface"])
def test_losses_of_one_class_per_clip_do_not_take_several(train, mixing, loss):
    X, section = train
    embedder = ViTEmbedder(patch=8, dim=16, patch_frames=16, max_epochs=1, mixing=mixing)
    with pytest.raises(ValueError, match=f"loss='{loss}' has one class per clip"):
        embedder.set_params(loss=loss).fit(X, section=section)
    embedder.set_params(loss="binary_cross_entropy").fit(X, section=section)
    assert not np.allclose(np.exp(embedder.predict_log_proba(X)).sum(1), 1, atol=0.01)


def test_events_are_summed_in_power_before_standardisation(train):
    X, section = train
    seen = []

    def record(x, y, *, generator, partner):
        mixed = nn.SoundEventMixing(n_events=2, p=1.0, gain_db=(0.0, 0.0))(
            x, y, generator=generator, partner=partner
        )
        seen.append((x, *mixed))
        return mixed

    ViTEmbedder(
        patch=8, dim=16, patch_frames=16, max_epochs=1, loss="binary_cross_entropy", mixing=record
    ).fit(X, section=section)
    for x, mixed, y in seen:
        assert x.min() < -20  # decibels as they came in
        assert (mixed >= x - 1e-3).all()  # a sum of powers is above each of them
        assert set(y.sum(1).int().tolist()) <= {1, 2}
    assert any((y.sum(1) == 2).any() for _, _, y in seen)
    assert torch.is_tensor(seen[0][0])
