"""
A published system
==================

The baseline of the challenge, with its two scores, in one call each; then the diagram of a larger system. The
network is trained for seconds on synthetic sounds: the example shows how to use the systems, not how good
they are.
"""

# %%
# A machine
# ---------
import matplotlib.pyplot as plt

from skasd.datasets import make_machine_sounds
from skasd.metrics import official_score
from skasd.plotting import AnomalyMapDisplay, ScoreDisplay, SpectrogramDisplay
from skasd.systems import cqupt2023, official_autoencoder

data = make_machine_sounds(
    n_train=60, n_test=80, n_target_train=6, machine="fan", duration=1.0, severity=1.2, random_state=0
)
table = data.table
train, test = table[table["split"] == "train"], table[table["split"] == "test"]

# %%
# The official autoencoder
# ------------------------
# Windows of five log-mel frames, squeezed through eight numbers and restored. The default settings are the
# baseline's; here there are few clips, so it is trained for 20 epochs of small batches instead of 100 of 256
# windows. ``"mse"`` scores by the mean squared error of a clip; ``"mahalanobis"``, since 2023, by the length
# of the mean residual under the residuals' covariance in each domain.
systems = {
    score: official_autoencoder(2023, score, max_epochs=20, batch_size=64, random_state=0)
    for score in ("mse", "mahalanobis")
}
systems["mse"]

# %%
# Fit and score
# -------------
# The second system needs to know the domain of the training clips. The keyword begins with the name of the
# step; with metadata routing, ``fit(X, domain=...)`` is enough.
systems["mse"].fit(data.X[train.index])
systems["mahalanobis"].fit(data.X[train.index], autoencoderembedder__domain=train["domain"])
scores, y = {}, test["y"].astype(int)
for name, system in systems.items():
    scores[name] = -system.score_samples(data.X[test.index])
    omega = official_score(y, scores[name], domain=test["domain"], year=2023).score
    print(f"{name}: Omega {omega:.3f}")

# %%
# Training is skorch's and keeps its history. The dashed line is the threshold: the 90th percentile of a gamma
# distribution fitted to scores of the training clips, the baseline's rule. Hardly any of these is of the
# target domain, where nearly every healthy clip raises an alarm.
figure = plt.figure(figsize=(13, 4.2), layout="constrained")
loss, left, right = figure.subfigures(1, 3, width_ratios=[3, 5, 5], squeeze=False)[0]
ax = loss.subplots()
history = systems["mse"][1].net_.history
ax.plot([epoch["epoch"] for epoch in history], [epoch["train_loss"] for epoch in history], marker=".")
ax.set(xlabel="epoch", ylabel="mean squared error", title="training", yscale="log")
ax.spines[["top", "right"]].set_visible(False)
for part, (name, score) in zip((left, right), scores.items(), strict=True):
    part.suptitle(name)
    ScoreDisplay.from_predictions(
        score,
        y,
        domain=test["domain"],
        threshold=-systems[name][-1].offset_,
        ax=part.subplots(2, 1, sharex=True),
    )
plt.show()

# %%
# Where is the anomaly?
# ---------------------
# A healthy clip and the faulty clips that score highest ...
worst = test.assign(score=scores["mse"])[test["y"] == -1].sort_values("score", ascending=False)
worst = worst.groupby("fault", sort=False).head(1).head(3)
shown = [test[test["y"] == 1].index[0], *worst.index]
names = ["healthy", *worst["fault"]]
SpectrogramDisplay.from_clips(data.X[shown], systems["mse"][0], names=names)
plt.show()

# %%
# ... and the reconstruction error of every band in every frame: what the autoencoder has not learnt to restore
# stands out.
AnomalyMapDisplay.from_estimator(systems["mse"], data.X[shown], names=names)
plt.show()

# %%
# A system with more parts
# ------------------------
# Every function of :mod:`skasd.systems` returns an unfitted estimator: look into it, change it, search over
# it. The question marks lead to the pages of the parts.
system = cqupt2023("mobilenetv2", "sed")
system.set_params(persection__estimator__shrinkage="oas")
