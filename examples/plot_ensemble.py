"""
Ensembles of scores
===================

Detectors that err on different clips can compensate for one another. :class:`~skasd.compose.ScoreEnsemble`
brings their anomaly scores to one scale, by held-out scores of the training clips, and adds them, multiplies
them or takes the extreme one.
"""

# %%
# Two detectors that listen differently
# -------------------------------------
# Long frames and their mean resolve tones; short frames and their spread hear knocks.
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MahalanobisScorer, ScoreEnsemble
from skasd.datasets import make_machine_sounds

data = make_machine_sounds(
    n_train=150, n_test=240, severity=0.5, duration=1.5, domains=["source"], random_state=3
)
table, y = data.table, data.y
train, test = (table["split"] == "train").to_numpy(), (table["split"] == "test").to_numpy()

tones = make_pipeline(
    LogMelTransformer(n_fft=2048, hop_length=1024), ClipStatistics(["mean"]), MahalanobisScorer()
)
knocks = make_pipeline(
    LogMelTransformer(n_fft=256, hop_length=128, n_mels=40), ClipStatistics(["std", "max"]), KNNScorer()
)

# %%
# The ensemble, in each of its forms. "product" multiplies ranks, since a z-score may be negative.
ensembles: dict[str, Any] = {"tones": tones, "knocks": knocks}
both = [("tones", tones), ("knocks", knocks)]
ensembles |= {
    "sum of both": ScoreEnsemble(both, combine="sum"),
    "max of both": ScoreEnsemble(both, combine="max"),
    "min of both": ScoreEnsemble(both, combine="min"),
    "product of both": ScoreEnsemble(both, combine="product", standardize_scores="rank"),
}
scores = {
    name: -detector.fit(data.X[train]).score_samples(data.X[test]) for name, detector in ensembles.items()
}

faults = sorted(set(table["fault"]) - {""})
auc = {}
for name, score in scores.items():
    rows = {fault: np.isin(table["fault"][test], ["", fault]) for fault in faults} | {"all": slice(None)}
    auc[name] = {fault: roc_auc_score(-y[test][keep], score[keep]) for fault, keep in rows.items()}
auc = pd.DataFrame(auc).T
auc.round(3)

# %%
# Which clips does each hear?
# ---------------------------
# Each point is a test clip, in units of the healthy training clips' spread. The long frames hear the faults
# far to the right, the short frames those far up. The sum gains on the imbalance, which the short frames hear
# better, and loses a little on the bearing, which they do not hear at all. Over all faults it is the best.
held_out = ensembles["sum of both"].held_out_scores_
z = {
    name: (scores[name] - column.mean()) / column.std()
    for name, column in zip(("tones", "knocks"), held_out.T, strict=True)
}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for fault, color, marker in zip(
    ["", *faults], ["#BBBBBB", "#0072B2", "#E69F00", "#009E73", "#CC79A7"], "osD^v", strict=True
):
    rows = (table["fault"][test] == fault).to_numpy()
    left.scatter(
        z["tones"][rows], z["knocks"][rows], s=18, color=color, marker=marker, label=fault or "healthy"
    )
left.set(xlabel="tones: standardised anomaly score", ylabel="knocks: standardised anomaly score")
left.set_xscale("symlog", linthresh=3)
left.set_yscale("symlog", linthresh=3)
ticks = [-2, 0, 2, 5, 10]
left.set(xticks=ticks, xticklabels=ticks, yticks=ticks, yticklabels=ticks)
left.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5)
image = right.imshow(auc, cmap="viridis", vmin=0.5, vmax=1, aspect="auto")
for (row, column), value in np.ndenumerate(auc.to_numpy()):
    right.text(
        column, row, f"{value:.2f}", ha="center", va="center", color="white" if value < 0.8 else "black"
    )
right.set(xticks=range(auc.shape[1]), xticklabels=auc.columns, yticks=range(len(auc)), yticklabels=auc.index)
right.set_title("AUC by fault", loc="left", fontsize="medium")
left.spines[["top", "right"]].set_visible(False)
plt.show()
