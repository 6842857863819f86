"""
Real engines: what a detector hears and what a threshold keeps
==============================================================

Idling car engines, healthy and with an ignition coil removed. The healthy training clips are windows of eight
recordings of four cars; the test clips come from eight others. The detector separates well, but only a
threshold that takes the recordings into account holds for the next one.

The recordings are not part of the package. Where the environment variable ``SKASD_DATA`` names a folder that
holds ``car_idle/dev_data``, this example runs on them and keeps its picture; elsewhere it shows the picture
that was kept.
"""

# %%
# Mean and standard deviation of log-mels, Mahalanobis distance. ``groups`` tells the scorer which clips are
# windows of one recording, so that the scores which set its threshold leave whole recordings out.

import os
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, LogMelTransformer, MahalanobisScorer
from skasd.datasets import load_dcase
from skasd.plotting import ROCByDomainDisplay, ScoreDisplay

pictures = next(folder for folder in map(Path, ("../docs/images", "docs/images")) if folder.is_dir())
kept = pictures / "real_engines.png"
data = Path(os.environ.get("SKASD_DATA", "no such folder")) / "car_idle" / "dev_data"

if data.is_dir():
    table = load_dcase(data)
    train, test = table[table["split"] == "train"], table[table["split"] == "test"]
    figure = plt.figure(figsize=(10, 6.5), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False)[:, 0]
    axes = upper.subplots(1, 2)
    for ax, (name, groups) in zip(axes, [("windows", None), ("recordings", train["attribute"])], strict=True):
        detector = make_pipeline(LogMelTransformer(), ClipStatistics(), MahalanobisScorer())
        known = {} if groups is None else {"mahalanobisscorer__groups": groups}
        detector.fit(train["path"], **known)
        scores, threshold = -detector.score_samples(test["path"]), detector.steps[-1][1].threshold_
        alarms, hits = (
            (scores[test["y"] == 1] > threshold).mean(),
            (scores[test["y"] == -1] > threshold).mean(),
        )
        print(f"threshold from {name} held out: {alarms:.3f} false alarms, {hits:.3f} hits")
        ScoreDisplay.from_predictions(scores, test["y"], threshold=threshold, ax=ax)
        ax.set_title(f"{name} held out")
    ROCByDomainDisplay.from_predictions(scores, test["y"], domain=test["domain"], ax=lower.subplots())
    figure.savefig(kept, dpi=100)
else:
    print("The recordings are not at hand: this is the picture that was kept.")
    figure = plt.figure(figsize=(10, 6.5), layout="constrained")
    ax = figure.subplots()
    ax.imshow(plt.imread(kept))
    ax.axis("off")
plt.show()
