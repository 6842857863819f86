"""
Domain shift: ten clips of a new setting
========================================

A machine was recorded at length in one setting (source) and hardly in another (target): 10 clips of 200. A
detector that treats all clips as one set calls the healthy clips of the new setting anomalous. Scorers with
one reference set per domain, and with distances that are comparable between domains, do better, and need no
test clips for that.
"""

# %%
# One machine in two settings
# ---------------------------
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MahalanobisScorer
from skasd.datasets import make_machine_sounds
from skasd.metrics import auc_by_domain, partial_auc
from skasd.plotting import EmbeddingDisplay, ScoreDisplay

data = make_machine_sounds(
    n_train=200, n_test=200, n_target_train=10, severity=0.6, duration=1.5, random_state=1
)
table = data.table
train, test = (table["split"] == "train").to_numpy(), (table["split"] == "test").to_numpy()
features = make_pipeline(LogMelTransformer(n_mels=64), ClipStatistics()).fit_transform(data.X)
domain, y = table["domain"].to_numpy(), data.y

# %%
# The map shows the healthy training clips. The two clouds are two speeds of the source; the ten target
# clips lie beside the slower one, close enough to pass for it and far enough to seem odd.
EmbeddingDisplay.from_embeddings(
    features[train], section=domain[train], method="pca", name="healthy training clips"
)
plt.show()

# %%
# Five ways to score
# ------------------
# (A sixth, the nearest neighbour in each domain without z-scores, is the first one again: the nearer of the
# two is the nearest of all.)
detectors = {
    "kNN, one reference": (KNNScorer(), None),
    "kNN, one per domain, z-scores": (KNNScorer(domain_normalization="zscore"), domain[train]),
    "kNN, local density": (KNNScorer(density_normalization="ratio"), None),
    "Mahalanobis, one mean": (MahalanobisScorer(), None),
    "Mahalanobis, mean per domain": (MahalanobisScorer(), domain[train]),
}
scores, rows = {}, {}
for name, (scorer, known) in detectors.items():
    scorer.fit(features[train], domain=known)
    scores[name] = scorer.anomaly_score(features[test])
    auc = auc_by_domain(y[test], scores[name], domain[test])
    alarm = (scorer.predict(features[test]) == -1)[y[test] == 1]
    rows[name] = {
        "AUC source": auc["source"],
        "AUC target": auc["target"],
        "pAUC": partial_auc(y[test], scores[name]),
        "false alarms source": alarm[domain[test][y[test] == 1] == "source"].mean(),
        "false alarms target": alarm[domain[test][y[test] == 1] == "target"].mean(),
    }
figures = pd.DataFrame(rows).T
figures.round(3)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
place = np.arange(len(figures))[::-1]
for columns, ax, label in (
    (["AUC source", "AUC target", "pAUC"], left, "area under the ROC curve"),
    (["false alarms source", "false alarms target"], right, "false alarms, 0.1 asked for"),
):
    for i, (column, color) in enumerate(zip(columns, ["#0072B2", "#E69F00", "#999999"], strict=False)):
        ax.barh(place + 0.25 - 0.25 * i, figures[column], height=0.23, color=color, label=column)
    ax.set(xlabel=label)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize="small")
left.set(xlim=(0.4, 1), yticks=place, yticklabels=figures.index)
right.axvline(0.1, color="#555555", linewidth=1)
plt.show()

# %%
# Healthy clips of the target (lower panels) score too high where all clips form one reference set. Measured
# in units of what is usual within each domain, they come nearer to those of the source, and a single
# threshold serves both better. Dividing by the local density makes the domains equal here, at the expense of
# the source.
figure = plt.figure(figsize=(11, 4.5), layout="constrained")
for part, name in zip(
    figure.subfigures(1, 2, squeeze=False)[0],
    ["kNN, one reference", "kNN, one per domain, z-scores"],
    strict=True,
):
    part.suptitle(name)
    ScoreDisplay.from_predictions(
        scores[name],
        y[test],
        domain=domain[test],
        threshold=detectors[name][0].threshold_,
        ax=part.subplots(2, 1, sharex=True),
    )
plt.show()
