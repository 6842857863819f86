"""
The official score of a submission
==================================

The challenge takes CSV files, one per machine and section, and its evaluator computes one number from them.
This example writes a submission, evaluates it, and shows what the number is made of.
"""

# %%
# A data set in the layout of the challenge
# -----------------------------------------
# :func:`~skasd.datasets.write_machine_sounds` writes synthetic machines with the file names of 2022 and later;
# :func:`~skasd.datasets.load_dcase` reads them as it reads the challenge's data.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MahalanobisScorer
from skasd.datasets import load_dcase, write_machine_sounds
from skasd.metrics import evaluate_submission, official_score, write_submission

folder = tempfile.TemporaryDirectory()
root = Path(folder.name)
write_machine_sounds(
    root,
    n_train=60,
    n_test=60,
    machine=["bearing", "fan", "slider"],
    duration=1.0,
    severity=0.6,
    random_state=0,
)
clips = load_dcase(root)
clips.drop(columns="path").groupby(["machine", "split"]).head(1)

# %%
# One detector per machine
# ------------------------
test = clips.query("split == 'test'").reset_index(drop=True)
systems = {"Mahalanobis": MahalanobisScorer(), "1-NN": KNNScorer()}
for name, scorer in systems.items():
    detector = make_pipeline(LogMelTransformer(), ClipStatistics(), scorer)
    for machine, rows in test.groupby("machine").groups.items():
        healthy = clips[(clips["machine"] == machine) & (clips["split"] == "train")]
        detector.fit(healthy["path"])
        test.loc[rows, name] = -detector.score_samples(test["path"][rows])
        test.loc[rows, f"{name} y_pred"] = detector.predict(test["path"][rows])

# %%
# Write the submission
# --------------------
submission = test.rename(columns={"Mahalanobis": "anomaly_score", "Mahalanobis y_pred": "y_pred"})
files = write_submission(root / "team", submission, year=2023)
for file in files:
    print(file.name)
print(files[0].read_text().splitlines()[0])

# %%
# Evaluate it
# -----------
# The ground truth of the evaluation clips is published with the official evaluator, after the challenge; here
# it is written in the same form. Clips are matched by name: a missing or an extra clip is an error.
for machine, rows in test.groupby("machine"):
    names = rows["path"].map(lambda path: Path(path).name)
    for kind, values in {"data": rows["y"] == -1, "domain": rows["domain"] == "target"}.items():
        truth = root / "evaluator" / f"ground_truth_{kind}" / f"ground_truth_{machine}_section_00_test.csv"
        truth.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"name": names, "value": values.astype(int)}).to_csv(truth, header=False, index=False)
result = evaluate_submission(root / "team", root / "evaluator", year=2023)
print(f"Omega {result.score:.4f}")
result.table.round(3)

# %%
# What it is made of
# ------------------
# Omega is the harmonic mean of nine figures here, AUC source, AUC target and pAUC of three machines. The
# harmonic mean punishes the worst of them: the arithmetic mean, dotted, is higher. From arrays, without any
# file, the score is the same.
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, layout="constrained")
columns = ["AUC (source)", "AUC (target)", "pAUC"]
for ax, name in zip(axes, systems, strict=True):
    one = official_score(
        test["y"].astype(int), test[name], machine=test["machine"], domain=test["domain"], year=2023
    )
    for i, (column, color) in enumerate(zip(columns, ["#0072B2", "#E69F00", "#999999"], strict=True)):
        ax.bar(np.arange(3) + 0.27 * (i - 1), one.table[column], width=0.25, color=color, label=column)
    ax.axhline(one.score, color="black", linewidth=1.2, label="Omega")
    ax.axhline(one.table[columns].to_numpy().mean(), color="black", linewidth=1, linestyle=":")
    ax.set(
        title=f"{name}: Omega {one.score:.3f}",
        ylim=(0.4, 1),
        xticks=range(3),
        xticklabels=one.table["machine"],
    )
    ax.spines[["top", "right"]].set_visible(False)
figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
plt.show()
folder.cleanup()
