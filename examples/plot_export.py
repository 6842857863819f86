"""
A detector for a gateway
========================

A detector is fitted where there is Python, and often works where there is little.
:func:`skasd.export.to_onnx` writes it as one ONNX file, from the waveform to the decision.
:class:`skasd.export.OnnxDetector` runs that file with NumPy and onnxruntime alone.
"""

import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt

from skasd import AnomalousSoundDetector
from skasd.datasets import make_machine_sounds
from skasd.export import OnnxDetector, quantize, to_onnx, verify

# %%
# A detector of a synthetic gearbox, fitted on healthy clips.

sounds = make_machine_sounds(30, 30, duration=1.0, severity=1.0, random_state=0)
is_train = (sounds.table["split"] == "train").to_numpy()
healthy, test, y = sounds.X[is_train], sounds.X[~is_train], sounds.y[~is_train]
detector = AnomalousSoundDetector().fit(healthy)

# %%
# One file holds the front end, the network, what the scorer has learnt and the threshold. Its properties are
# text.

folder = Path(tempfile.mkdtemp())
to_onnx(detector, folder / "gearbox.onnx")
exported = OnnxDetector(folder / "gearbox.onnx")
print(f"{(folder / 'gearbox.onnx').stat().st_size / 1e6:.1f} MB")
for name in ("detector", "sample_rate", "threshold", "n_references", "skasd"):
    print(f"{name}: {exported.properties[name]}")

# %%
# File and detector agree.

print(verify(folder / "gearbox.onnx", detector, test))


def milliseconds(judge):
    """Return the time that a clip takes."""
    judge(test[:1])
    start = time.perf_counter()
    for clip in test[:10]:
        judge(clip[None])
    return 100 * (time.perf_counter() - start)


print(
    f"file: {milliseconds(exported.predict):.1f} ms for a clip of 1 s; library: {milliseconds(detector.predict):.1f} ms"
)

# %%
# The network can be rounded to 8-bit integers. Rounding moves all rows, so reference set and threshold are
# learnt anew from what the rounded network makes of the clips. The detector itself does not change.

quantize(detector, folder / "int8.onnx", healthy)
rounded = OnnxDetector(folder / "int8.onnx")

score = detector.anomaly_score(test)
figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
for ax, other, title in zip(axes, (exported, rounded), ("file", "file, 8 bits"), strict=True):
    for label, name in ((1, "normal"), (-1, "anomalous")):
        ax.scatter(score[y == label], other.anomaly_score(test[y == label]), s=18, label=name)
    ax.plot(score, score, color="0.7", lw=1, zorder=0)
    ax.axvline(detector.threshold_, color="0.5", ls=":")
    ax.axhline(other.threshold_, color="0.5", ls=":")
    ax.set(xlabel="anomaly score, library", ylabel=f"anomaly score, {title}")
axes[0].legend()
plt.show()
