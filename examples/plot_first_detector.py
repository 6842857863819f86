"""
A first detector
================

Learn from healthy recordings of a machine, score new ones, and look at the scores, the threshold and the ROC
curves. The machine is synthetic; to use recordings of your own, load them with
:func:`~skasd.datasets.load_folder`.
"""

# %%
# Recordings
# ----------
# 200 healthy clips to learn from, 20 of them from a second setting of the machine ("target": another speed, a higher
# load). To test on: healthy and faulty clips of both settings.
import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, LogMelTransformer, MahalanobisScorer
from skasd.datasets import make_machine_sounds
from skasd.metrics import official_score
from skasd.plotting import ROCByDomainDisplay, ScoreDisplay, SpectrogramDisplay

data = make_machine_sounds(n_train=200, n_test=120, n_target_train=20, severity=0.7, random_state=0)
table = data.table
train, test = (table["split"] == "train").to_numpy(), (table["split"] == "test").to_numpy()
table.groupby(["split", "domain", "y"]).size().unstack("y", fill_value=0)

# %%
# What they sound like, as the detector sees it: a healthy clip, and one of each fault.
shown = table[test & (table["domain"] == "source").to_numpy()].groupby("fault", sort=False).head(1)
SpectrogramDisplay.from_clips(
    data.X[shown.index], LogMelTransformer(), names=shown["fault"].replace("", "healthy").tolist()
)
plt.show()

# %%
# The detector
# ------------
# Log-mel energies, their mean and standard deviation over time, the Mahalanobis distance to the healthy
# clips. ``contamination`` is the false-alarm rate that we accept.
detector = make_pipeline(LogMelTransformer(), ClipStatistics(), MahalanobisScorer(contamination=0.05))
detector.fit(data.X[train])

# %%
# Scores
# ------
# ``score_samples`` is higher for more normal clips, as everywhere in scikit-learn. Plots and metrics take the
# anomaly score, which is its negative.
known, y = table[test], data.y[test]
score = -detector.score_samples(data.X[test])
ScoreDisplay.from_predictions(score, y, domain=known["domain"], threshold=-detector.steps[-1][1].offset_)
plt.show()

# %%
# The threshold holds in the source domain, which most training clips come from. The detector has heard only
# 20 clips of the target domain, so it raises more false alarms there: see
# :ref:`sphx_glr_auto_examples_plot_domain_shift.py`.

# %%
# The challenge's figures: AUC of each domain, and the area at low false-alarm rates (pAUC, shaded).
ROCByDomainDisplay.from_predictions(score, y, domain=known["domain"])
plt.show()

# %%
result = official_score(
    y, score, machine=known["machine"], section=known["section"], domain=known["domain"], year=2023
)
print(f"Omega {result.score:.3f}")
result.table.round(3)
