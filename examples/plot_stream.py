"""
A machine that runs on
======================

A detector fitted on clips listens to a sound that goes on: :class:`~skasd.streaming.StreamingDetector` cuts it into
windows, has each judged, and says when there is an alarm.
"""

# %%
# Learn
# -----
# Twenty short recordings of the healthy machine, each under another load, in windows of two seconds. The machine is
# synthetic; a folder of files does in place of the arrays.
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
# The machine runs for two minutes; after one of them a bearing begins to wear. Samples come in portions of half a
# second, any other would do, and every half second a window of 2 s is complete. An alarm takes two anomalous ones of
# the last three windows, and ends when enough are normal in a row.
stream = StreamingDetector(detector, window=2.0, hop=0.5, confirm=(2, 3))
sound = make_machine_stream(120, block=0.5, fault="bearing", onset=60, growth=40, random_state=3)
events = [event for samples in sound for event in stream.process(samples)]
print(events[0])

first = next(event for event in events if event.alarm and event.end > 60)
print(f"alarm {first.end - 60:.1f} s after the fault began, while it was at {(first.end - 60) / 40:.0%}")

# %%
# The score over time, with the threshold, and shaded where an alarm stood:
time = np.array([event.end for event in events])
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(time, [event.score for event in events], linewidth=1)
ax.axhline(detector.threshold_, color="black", linestyle="--", linewidth=1)
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
ax.set(xlabel="time (s)", ylabel="anomaly score", yscale="log")
plt.show()

# %%
# States
# ------
# Somebody works on the machine for ten seconds: windows are judged, but none counts. Then the microphone is away for a
# minute; times stay right.
stream.acknowledge()
stream.hold(10.0)
for samples in make_machine_stream(12, random_state=4):
    states = [(event.state, event.alarm) for event in stream.process(samples)]
print(states[-1])
stream.gap(60.0)
event = stream.process(next(make_machine_stream(2, random_state=5)))[0]
print(f"the next window begins at {event.start:.1f} s, its state is {event.state!r}")
