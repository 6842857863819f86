"""
A benchmark, and the winner to a file
=====================================

:func:`~skasd.benchmark.run` compares several detectors on several machines with several seeds, and returns
one table. It resumes after an interruption, and computes steps that detectors share only once. The best
detector is then saved to a model file without pickle, and loaded with the same scores.
"""

# %%
# Machines
# --------
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline

import skasd
from skasd import ClipStatistics, KNNScorer, LOFScorer, LogMelTransformer, MahalanobisScorer
from skasd.benchmark import run
from skasd.datasets import make_machine_sounds

data = make_machine_sounds(
    n_train=80, n_test=60, machine=["bearing", "fan", "pump"], duration=1.0, severity=0.7, random_state=0
)

# %%
# Systems
# -------
# Estimators by name, or names of :mod:`skasd.systems` with their settings. All of these begin with the same
# two steps, which are computed once for each machine. Only the isolation forest depends on the seed.
front_end = [LogMelTransformer(n_mels=64), ClipStatistics()]
scorers = [LOFScorer(), KNNScorer(domain_normalization="zscore"), MahalanobisScorer(), IsolationForest()]
systems = {type(scorer).__name__: make_pipeline(*front_end, scorer) for scorer in scorers}

folder = tempfile.TemporaryDirectory()
result = run(systems, {"synthetic": data}, seeds=3, out=Path(folder.name, "out"))
result.summary()["official score"].round(3)

# %%
# The same call again computes nothing: finished cells are on disk, named by a hash of everything they depend
# on. A run with one more system computes only that one.
print(sorted(path.name for path in result.out.iterdir()))
again = run(systems, {"synthetic": data}, seeds=3, out=result.out)
print("identical:", again.table.equals(result.table))

# %%
# One tidy table
# --------------
# A row for each figure; pandas does the rest.
figures = result.table[(result.table["section"] == "") & (result.table["metric"] == "AUC")]
figures = figures[(figures["machine"] != "") & (figures["domain"] != "")]
spread = figures.groupby(["system", "machine", "domain"])["value"].agg(["mean", "min", "max"])
spread["mean"].unstack(["machine", "domain"]).round(3)

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
for ax, machine in zip(axes, sorted(figures["machine"].unique()), strict=True):
    for shift, domain, color in ((0.12, "source", "#0072B2"), (-0.12, "target", "#E69F00")):
        group = spread.xs((machine, domain), level=("machine", "domain"))
        place = np.arange(len(group)) + shift
        ax.hlines(place, group["min"], group["max"], color=color, linewidth=2)
        ax.plot(group["mean"], place, "o", color=color, label=domain)
    ax.set(title=machine, xlabel="AUC", xlim=(0.2, 1.02))
    ax.set_yticks(range(len(group)), group.index)
    ax.grid(axis="x", color="#DDDDDD")
    ax.spines[["top", "right"]].set_visible(False)
figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
# The winner to a file
# --------------------
# JSON for the structure, npy and safetensors for the numbers, checksums for everything; loading executes
# nothing from the file.
train = (data.table["machine"] == "fan") & (data.table["split"] == "train")
best = result.summary()["official score"]["mean"].groupby("system").mean().idxmax()
detector = systems[best].fit(data.X[train])
path = Path(folder.name, "fan.skasd")
skasd.save(detector, path)
loaded = skasd.load(path)
identical = np.array_equal(loaded.score_samples(data.X), detector.score_samples(data.X))
print(f"{best}: {path.stat().st_size / 1000:.0f} kB, scores identical: {identical}")
folder.cleanup()
