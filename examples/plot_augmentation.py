"""
More training clips
===================

If there are few clips of a setting, more can be made: by changing the waveform, or by mixing clips with SMOTE
and mixup. Both ways are scikit-learn objects and keep the metadata of the clips.
"""

# %%
# Waveforms: pitch, speed, noise
# ------------------------------
# The same clip as it is and as :class:`~skasd.augment.WaveformAugmenter` changes it, each effect by itself.
# Effects are drawn from the ranges given; the level stays that of the original.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skasd import (
    Augmented,
    ClipStatistics,
    KNNScorer,
    LogMelTransformer,
    MahalanobisScorer,
    MixupSMOTEAugmenter,
    WaveformAugmenter,
)
from skasd.datasets import make_machine_sounds
from skasd.metrics import auc_by_domain
from skasd.plotting import EmbeddingDisplay, SpectrogramDisplay

data = make_machine_sounds(
    n_train=200, n_test=300, n_target_train=8, severity=0.6, duration=1.0, random_state=0
)
table = data.table
train, test = (table["split"] == "train").to_numpy(), (table["split"] == "test").to_numpy()
domain = table["domain"].to_numpy()

augmenter = WaveformAugmenter(pitch_steps=(3, 4), stretch_rate=(0.6, 0.7), snr_db=(0, 3), random_state=0)
clips, _, _ = augmenter.augment(data.X[train][:1])
effects = [
    "original",
    *(", ".join(f"{k} {v:.1f}" for k, v in e.items() if k != "level") for e in augmenter.sample_effects_),
]
SpectrogramDisplay.from_clips(clips, LogMelTransformer(), names=effects)
plt.show()

# %%
# Between clips: SMOTE and mixup
# ------------------------------
# 192 clips of the source and 8 of the target. :class:`~skasd.augment.MixupSMOTEAugmenter` adds clips to the
# target until both are balanced: crosses are new.
features = make_pipeline(LogMelTransformer(n_mels=64), ClipStatistics()).fit_transform(data.X)
balance = MixupSMOTEAugmenter(random_state=0)
more, _, metadata = balance.augment(features[train], domain=domain[train])
new = np.repeat([1, -1], [train.sum(), len(more) - train.sum()])
display = EmbeddingDisplay.from_embeddings(
    more, y=new, section=metadata["domain"], method="pca", name="training clips"
)
for text, name in zip(display.ax_.get_legend().get_texts()[-2:], ["recorded", "made"], strict=True):
    text.set_text(name)
plt.show()

# %%
# Does it help?
# -------------
# A scorer takes an ``augmenter``: artificial clips join the reference set, and the threshold is set from
# recorded ones. :class:`~skasd.compose.Augmented` fits any detector on recorded and artificial clips, and
# says which are which.
detectors: dict = {}
for name, scorer in {
    "1-NN": KNNScorer(domain_normalization="zscore"),
    "Mahalanobis": MahalanobisScorer(),
}.items():
    detectors[name, "recorded clips"] = scorer
    detectors[name, "augmenter="] = clone(scorer).set_params(augmenter=balance)
    detectors[name, "Augmented"] = Augmented(balance, scorer)
rows = {}
for name, detector in detectors.items():
    detector.fit(features[train], domain=domain[train])
    score = -detector.score_samples(features[test])
    healthy = (table["y"][test] == 1).to_numpy()
    alarm = detector.predict(features[test])[healthy] == -1
    rows[name] = {f"AUC {d}": v for d, v in auc_by_domain(data.y[test], score, domain[test]).items()}
    rows[name] |= {
        f"false alarms {d}": alarm[domain[test][healthy] == d].mean() for d in ("source", "target")
    }
pd.DataFrame(rows).T.round(3)
