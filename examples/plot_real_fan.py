"""
A real fan in noise, with few healthy clips
===========================================

Forty clips of an industrial fan in the noise of a factory (MIMII, fan id_00), half of them with a fault.
Sixteen healthy clips are few to learn from. Which detector can cope with so little?

The recordings are not part of the package. Where the environment variable ``SKASD_DATA`` names a folder that
holds ``mimii_fan``, this example runs on them and keeps its picture; elsewhere it shows the picture that was
kept.
"""

# %%
# Five folds of four healthy clips: every healthy clip is scored by a detector that was not trained on it,
# every anomalous one by all five.

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import RocCurveDisplay, roc_auc_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LOFScorer, LogMelTransformer, MahalanobisScorer
from skasd.datasets import load_folder

pictures = next(folder for folder in map(Path, ("../docs/images", "docs/images")) if folder.is_dir())
kept = pictures / "real_fan.png"
data = Path(os.environ.get("SKASD_DATA", "no such folder")) / "mimii_fan"

if data.is_dir():
    table = load_folder(data)
    front = make_pipeline(LogMelTransformer(), ClipStatistics())
    features, y = front.fit_transform(table["path"]), table["y"].to_numpy(dtype=int)
    healthy, broken = features[y == 1], features[y == -1]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for scorer in (
        MahalanobisScorer(contamination=0.2),
        KNNScorer(contamination=0.2),
        LOFScorer(contamination=0.2),
    ):
        name, truth, scores = type(scorer).__name__, [], []
        for train, test in KFold(5).split(healthy):
            scorer.fit(healthy[train])
            truth += [0] * len(test) + [1] * len(broken)
            scores += [*scorer.anomaly_score(healthy[test]), *scorer.anomaly_score(broken)]
        print(f"{name}: AUC {roc_auc_score(truth, scores):.3f}, all folds together")
        RocCurveDisplay.from_predictions(truth, scores, name=name, ax=left)
    means = [part[:, : features.shape[1] // 2].mean(axis=0) for part in (healthy, broken)]
    for mean, name in zip(means, ("healthy", "anomalous"), strict=True):
        right.plot(mean, label=name)
    right.fill_between(np.arange(len(means[0])), *means, alpha=0.2)
    right.set(xlabel="mel band", ylabel="mean level (dB)")
    right.legend()
    figure.savefig(kept, dpi=100)
else:
    print("The recordings are not at hand: this is the picture that was kept.")
    figure, ax = plt.subplots(figsize=(10, 4.2), layout="constrained")
    ax.imshow(plt.imread(kept))
    ax.axis("off")
plt.show()
