"""
Nothing to choose
=================

:class:`~skasd.detector.AnomalousSoundDetector` learns from recordings of a healthy machine and decides about new ones.
It uses an encoder that comes with the library, and sets its threshold so that it holds for recordings that
were not trained on.
"""

# %%
# Learn
# -----
# 100 clips of a healthy machine. The machine is synthetic; with recordings of your own pass the paths of the
# files.
import matplotlib.pyplot as plt
import numpy as np

from skasd import AnomalousSoundDetector
from skasd.datasets import make_machine_sounds
from skasd.plotting import TimelineDisplay

healthy = make_machine_sounds(n_train=100, n_test=40, domains=["source"], anomaly_fraction=0, random_state=0)
train = (healthy.table["split"] == "train").to_numpy()
detector = AnomalousSoundDetector(contamination=0.05).fit(healthy.X[train])
print(detector.summary())

# %%
# Listen
# ------
# The machine runs on for 40 clips, then a bearing begins to wear, worse with each clip.
worn = make_machine_sounds(
    n_train=0,
    n_test=40,
    domains=["source"],
    anomaly_fraction=1,
    fault="bearing",
    severity=np.linspace(0, 1, 40).tolist(),
    random_state=1,
)
clips = np.concatenate([healthy.X[~train], worn.X])
score = detector.anomaly_score(clips)
TimelineDisplay.from_predictions(score, threshold=detector.threshold_)
plt.show()

# %%
# ``p_value`` says how rarely a healthy clip would sound as strange. ``predict`` is -1 where it is at most
# ``contamination``.
p = detector.p_value(clips)
print(
    f"first half, healthy: {np.mean(p[:40] <= 0.05):.0%} called anomalous, least p-value {p[:40].min():.3f}"
)
print(
    f"last ten clips:      {np.mean(p[-10:] <= 0.05):.0%} called anomalous, greatest p-value {p[-10:].max():.3f}"
)

# %%
# Later
# -----
# Healthy recordings of another season set a new threshold. Nothing else is learnt.
detector.set_threshold(healthy.X[~train], contamination=0.1)
print(f"threshold now {detector.threshold_:.3f}")
