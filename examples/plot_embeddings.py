"""
What a network hears
====================

Clips of four machines, some of them faulty, mapped to the plane by t-SNE: first the means of their log-mels, then the
embeddings of a small transformer that was trained to tell the healthy machines apart (after Zeng et al., DCASE 2023).
"""

# %%
# Healthy clips to learn from, healthy and faulty ones to look at
# ----------------------------------------------------------------
import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, DPTEmbedder, LogMelTransformer
from skasd.datasets import make_machine_sounds
from skasd.plotting import EmbeddingDisplay

machines = ["fan", "pump", "slider", "valve"]
data = make_machine_sounds(
    n_train=60, n_test=40, machine=machines, duration=1.0, severity=1.5, random_state=0
)
table = data.table
train, test = (table["split"] == "train").to_numpy(), (table["split"] == "test").to_numpy()
spectra = LogMelTransformer(n_mels=64, hop_length=256).fit_transform(data.X)

# %%
# Train on the healthy machines, embed the test clips
# ---------------------------------------------------
statistics = make_pipeline(ClipStatistics(["mean"])).fit_transform(spectra[test])
embedder = DPTEmbedder(max_epochs=20, patch_frames=48, patch_hop=16, random_state=0)
embedder.fit(spectra[train], section=table["machine"][train])
embeddings = embedder.transform(spectra[test])
predicted = embedder.classes_[embedder.predict_log_proba(spectra[test]).argmax(axis=1)]
print(f"machine named correctly: {(predicted == table['machine'][test]).mean():.0%} of the test clips")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
EmbeddingDisplay.from_embeddings(
    statistics, section=table["machine"][test], y=data.y[test], random_state=0, ax=left, name="mean log-mel"
)
EmbeddingDisplay.from_embeddings(
    embeddings,
    section=table["machine"][test],
    y=data.y[test],
    random_state=0,
    ax=right,
    name="dual-path transformer",
)
plt.show()
