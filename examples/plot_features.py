"""
What the front ends make of a sound
===================================

One healthy clip and one with a damaged bearing, through every front end of :mod:`skasd.features`.
"""

# %%
# Two clips
# ---------
import matplotlib.pyplot as plt
import numpy as np

from skasd import ClipStatistics, LogMelTransformer, PhaseTransformer, SpectrumTransformer, STFTTransformer
from skasd.datasets import make_machine_sounds
from skasd.features import SpectrogramImageTransformer
from skasd.plotting import SpectrogramDisplay

data = make_machine_sounds(
    n_train=1,
    n_test=2,
    duration=2.0,
    domains=["source"],
    fault="bearing",
    severity=1.5,
    snr=12,
    random_state=0,
)
clips = data.X[[np.flatnonzero(data.y == 1)[0], np.flatnonzero(data.y == -1)[0]]]
names = ["healthy", "damaged bearing"]

# %%
# Log-mel energies: the challenge's front end
# -------------------------------------------
SpectrogramDisplay.from_clips(clips, LogMelTransformer(), names=names)
plt.show()

# %%
# Spectrogram, long frames and short ones
# ---------------------------------------
# Frames of 256 ms resolve the harmonics of the shaft, below 100 Hz, and show the gear's mesh at 560 Hz as a
# fine line (shown up to 800 Hz).
long = SpectrogramDisplay.from_clips(
    clips, STFTTransformer(n_fft=4096, hop_length=1024, log="db"), names=names
)
hertz = 16000 / 4096
for ax in long.axes_:
    ax.set(
        ylim=(0, 800 / hertz), yticks=[f / hertz for f in range(0, 900, 100)], yticklabels=range(0, 900, 100)
    )
plt.show()

# %%
# Frames of 8 ms resolve the single blows of the bearing, near 2500 Hz (shown for a fifth of a second).
short = SpectrogramDisplay.from_clips(clips, STFTTransformer(n_fft=128, hop_length=16, log="db"), names=names)
for ax in short.axes_:
    ax.set(xlim=(1.0, 1.2))
plt.show()

# %%
# Spectrum of the whole clip, phase, picture
# ------------------------------------------
# The spectrum resolves half a hertz here: one line for every multiple of the shaft's speed. The phase looks
# like noise and is of use to a network beside the magnitude. The picture has the same size for clips of any
# length.
spectrum = SpectrumTransformer(n_samples=clips.shape[1]).fit_transform(clips)[:, :, 0]
phase = PhaseTransformer().fit_transform(clips)
image = SpectrogramImageTransformer(shape=(64, 64)).fit_transform(clips)

figure, (top, middle, bottom) = plt.subplots(3, 2, figsize=(10, 8), layout="constrained")
for i, name in enumerate(names):
    hertz = np.arange(len(spectrum[i])) * data.sample_rate / clips.shape[1]
    top[i].plot(hertz, 20 * np.log10(spectrum[i] + 1e-3), linewidth=0.6, color="#0072B2")
    top[i].set(title=name, xlim=(0, 1000), ylim=(-20, 70), xlabel="frequency (Hz)")
    middle[i].imshow(phase[i, :, :], origin="lower", aspect="auto", cmap="twilight", interpolation="nearest")
    middle[i].set(xlabel="frame", yticks=[0, 256, 512], yticklabels=["0", "4000", "8000"])
    bottom[i].imshow(image[i], origin="lower", aspect="auto", cmap="magma")
    bottom[i].set(xlabel="pixel")
top[0].set_ylabel("spectrum (dB)")
middle[0].set_ylabel("phase\nfrequency (Hz)")
bottom[0].set_ylabel("picture\npixel")
plt.show()

# %%
# Statistics
# ----------
# Mean and spread of each mel band over time: one row per clip, enough for a detector without a network. The damaged
# bearing is louder in the bands of its resonance.
statistics = ClipStatistics(["mean", "std"]).fit_transform(LogMelTransformer().fit_transform(clips))
mean, spread = np.split(statistics, 2, axis=1)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
for i, (name, color) in enumerate(zip(names, ["#56B4E9", "#B23C00"], strict=True)):
    left.plot(mean[i], color=color, label=name)
    right.plot(spread[i], color=color, label=name)
left.set(xlabel="mel band", ylabel="mean (dB)")
right.set(xlabel="mel band", ylabel="standard deviation (dB)")
left.legend(frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
