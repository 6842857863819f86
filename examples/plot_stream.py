"""
A machine that runs on
======================

A detector that was fitted on clips listens to a running machine. :class:`~skasd.streaming.StreamingDetector`
cuts the sound into windows, has each one scored, and raises alarms.
"""

# %%
# Learn
# -----
# Twenty short recordings of the healthy machine, each under another load, in windows of two seconds. The
# machine is synthetic; with recordings of your own pass the paths of the files.
import matplotlib.pyplot as plt
import numpy as np

from skasd import AnomalousSoundDetector
from skasd.datasets import make_machine_stream
from skasd.streaming import StreamingDetector

recordings = [list(make_machine_stream(6, block=2.0, random_state=100 + i)) for i in range(20)]
healthy = np.array([clip for recording in recordings for clip in recording])
detector = AnomalousSoundDetector(contamination=0.05).fit(healthy, groups=np.repeat(np.arange(20), 3))
print(detector.summary())

# %%
# Listen
# ------
# The machine runs for three minutes; after two of them a bearing begins to wear. The machine is known to be
# healthy during the first minute and a half, so the stream is calibrated on it. Samples arrive in portions of
# half a second (any other length would do), and every half second a window of 2 s is complete. An alarm needs
# two anomalous windows among the last three, and ends after enough normal windows in a row.
stream = StreamingDetector(detector, window=2.0, hop=0.5, confirm=(2, 3))
stream.calibrate(90.0)
sound = make_machine_stream(180, block=0.5, fault="bearing", onset=120, growth=40, random_state=3)
events, thresholds = [], []
for samples in sound:
    for event in stream.process(samples):
        events.append(event)
        thresholds.append(stream.threshold_)
print(events[0])
print(f"threshold of the detector {detector.threshold_:.1f}, of the stream {stream.threshold_:.1f}")

first = next(event for event in events if event.alarm and event.end > 120)
print(f"alarm {first.end - 120:.1f} s after the fault began, while it was at {(first.end - 120) / 40:.0%}")

# %%
# The score over time, with the threshold, which changes when the calibration ends. Alarms are shaded:
time = np.array([event.end for event in events])
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(time, [event.score for event in events], linewidth=1)
ax.step(time, np.array(thresholds, float), color="black", linestyle="--", linewidth=1)
ax.fill_between(
    time,
    0,
    1,
    where=[event.alarm for event in events],
    transform=ax.get_xaxis_transform(),
    color="tab:red",
    alpha=0.2,
    linewidth=0,
)
ax.set(xlabel="time (s)", ylabel="anomaly score")
plt.show()

# %%
# States
# ------
# Somebody works on the machine for ten seconds: windows are scored, but none counts. Then the microphone is
# disconnected for a minute; times stay right.
stream.acknowledge()
stream.hold(10.0)
for samples in make_machine_stream(12, random_state=4):
    states = [(event.state, event.alarm) for event in stream.process(samples)]
print(states[-1])
stream.gap(60.0)
event = stream.process(next(make_machine_stream(2, random_state=5)))[0]
print(f"the next window begins at {event.start:.1f} s, its state is {event.state!r}")
