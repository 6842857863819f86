"""
Why is it anomalous?
====================

A score says that a clip is unlike the healthy ones. :func:`~skasd.explain.explain` asks the detector where in
time and frequency: it exchanges tiles of the clip for those of a healthy sound and watches the score. This
works for any detector that takes waveforms.
"""

# %%
# A machine and a fault
# ---------------------
# 60 healthy clips of a synthetic machine, and one more in which something begins to whistle after 1.2 s.
import matplotlib.pyplot as plt
import numpy as np

from skasd import AnomalousSoundDetector
from skasd.datasets import make_machine_sounds
from skasd.explain import Explainer, explain

made = make_machine_sounds(n_train=60, n_test=2, domains=["source"], anomaly_fraction=0, random_state=0)
train = (made.table["split"] == "train").to_numpy()
healthy, clip = made.X[train], made.X[~train][0].copy()

t = np.arange(len(clip)) / 16000
clip += (t > 1.2) * 0.2 * clip.std() * np.sin(2 * np.pi * 5200 * t).astype(np.float32)
detector = AnomalousSoundDetector().fit(healthy)
print(f"score {detector.anomaly_score([clip])[0]:.3g}, threshold {detector.threshold_:.3g}")

# %%
# The question
# ------------
# The detector does not keep sounds, so the healthy clips are passed again.
found = explain(detector, clip, healthy=healthy)
print(found.sentence)
found.segments_.round(2)

# %%
# The box shows where the level differs from that of healthy clips, within the tiles that matter to the score.
# On the right is the share of each tile in the score, compared with the same clip after everything unusual
# was brought back to what healthy clips have.
found.plot()
plt.show()

# %%
# The same by bands, beside a healthy clip. The shares of all bands add up to 1 even where a clip is
# hardly anomalous, so look at the scores first.
found.bands_.round(2)

# %%
# Several clips
# -------------
# An :class:`~skasd.explain.Explainer` looks at the healthy clips once. Missing sound is found as well: here a
# healthy clip whose upper half is muffled.
explainer = Explainer(detector, healthy)
spectrum = np.fft.rfft(made.X[~train][1])
spectrum[len(spectrum) // 2 :] /= 4
muffled = explainer.explain(np.fft.irfft(spectrum, len(clip)))
print(muffled.sentence)
muffled.plot()
plt.show()
