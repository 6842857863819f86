"""Streams: time, memory, false alarms and faults that grow: ``python benchmarks/streaming.py --help``."""

import argparse
import resource
import time
import warnings
from itertools import islice
from pathlib import Path

import numpy as np

from skasd import AnomalousSoundDetector
from skasd.datasets import make_machine_stream
from skasd.scorers import FewClipsWarning
from skasd.scorers.thresholds import conformal_threshold
from skasd.streaming import StreamingDetector

RATE = 16000
FAULTS = ("bearing", "gear", "imbalance", "looseness")
GROWTH = 600  # seconds in which a fault grows


def fit(machine, n_recordings, contamination):
    """Return the default detector of a machine, fitted on three windows of 10 s of each of so many recordings."""
    seeds = range(10_000, 10_000 + n_recordings)
    recordings = [make_machine_stream(30, machine=machine, random_state=seed) for seed in seeds]
    clips = np.array([block for recording in recordings for block in recording])
    groups = np.repeat(np.arange(n_recordings), 3)
    return AnomalousSoundDetector(contamination=contamination).fit(clips, groups=groups)


def memory():
    """Return the memory that the process holds now, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def print_speed(detector, n_hops):
    """Print the time of a hop of 1 s beside that of a window scored as a clip, interleaved: by the clock, and CPU."""
    sound = np.concatenate(list(make_machine_stream(30 + n_hops, random_state=1)))
    streams = {
        name: StreamingDetector(detector, fast=fast) for name, fast in (("sliding", True), ("whole", False))
    }
    for stream in streams.values():
        stream.process(sound[: 20 * RATE])
    clock: dict = {name: [] for name in streams}
    cpu: dict = {name: [] for name in streams}
    for second in range(20, 20 + n_hops):
        for name, stream in streams.items():
            begin, begin_cpu = time.perf_counter(), time.process_time()
            stream.process(sound[second * RATE : (second + 1) * RATE])
            cpu[name].append(1e3 * (time.process_time() - begin_cpu))
            clock[name].append(1e3 * (time.perf_counter() - begin))
    for name in streams:
        low, median, high = np.percentile(clock[name], (10, 50, 90))
        print(
            f"hop of 1 s, window of 10 s, {name}: median {median:.2f} ms by the clock (10 % {low:.2f}, 90 % "
            f"{high:.2f}), {np.median(cpu[name]):.2f} ms of one core; least {min(cpu[name]):.2f}"
        )
    print(f"whole / sliding, medians of one core: {np.median(cpu['whole']) / np.median(cpu['sliding']):.2f}")


def print_day(detector, seconds):
    """Feed a stream as fast as it goes, ten minutes of sound again and again; print time and memory."""
    sound = np.concatenate(list(make_machine_stream(600, random_state=2)))
    stream = StreamingDetector(detector)
    stream.process(sound)
    begin, n_windows, at_first = time.perf_counter(), 0, memory()
    print(f"fed {seconds} s of sound in portions of 0.1 s; memory of the process at first {at_first:.1f} MB")
    for done in range(600, seconds + 1, 600):
        for first in range(0, len(sound), RATE // 10):
            n_windows += len(stream.process(sound[first : first + RATE // 10]))
        if done % max(600, seconds // 12 // 600 * 600) == 0:
            taken = time.perf_counter() - begin
            print(f"  {done:6d} s: {taken:7.1f} s taken, {memory():.1f} MB", flush=True)
    taken = time.perf_counter() - begin
    print(f"{n_windows} windows in {taken:.0f} s: {seconds / taken:.0f} times as fast as real time")
    print(f"memory grew by {memory() - at_first:.1f} MB; last event ends at {stream.time_:.1f} s")


class Recorded:
    """Detector of streams that were scored before: a window of theirs, at 1 Hz, has its score for its first sample."""

    def __init__(self, held_out, contamination):
        self.calibration_scores_ = held_out
        self.offset_ = -conformal_threshold(held_out, contamination)

    def score_samples(self, X):
        """Return the scores with their sign changed."""
        return -np.array([window[0] for window in X], dtype=float)


class Scores:
    """Scores of windows, one a second, computed once where there is a folder to keep them in."""

    def __init__(self, folder, n_recordings, window):
        self.folder, self.n_recordings, self.window = folder and Path(folder), n_recordings, window
        self.detectors = {}

    def held_out(self, machine):
        """Return the scores that the detector's threshold comes from."""
        return self._kept(
            f"{machine}, held out", lambda: self._detector(machine).steps_[-1].calibration_scores_
        )

    def of(self, machine, seconds, number, fault=None, onset=0):
        """Return those of a stream; with a fault those of windows that begin one window before it, or later."""

        def compute():
            stream = StreamingDetector(self._detector(machine), window=self.window)
            settings = {"fault": fault, "onset": onset, "growth": GROWTH} if fault else {}
            blocks = make_machine_stream(seconds, machine=machine, random_state=number, **settings)
            later = islice(blocks, max(0, (onset - self.window) // 10), None)
            return [event.score for block in later for event in stream.process(block)]

        return self._kept(f"{machine}, {fault or 'healthy'}, {number}, {seconds}, {self.window}", compute)

    def _detector(self, machine):
        if machine not in self.detectors:
            self.detectors[machine] = fit(machine, self.n_recordings, 0.01)
        return self.detectors[machine]

    def _kept(self, name, compute):
        if self.folder is None:
            return np.array(compute())
        path = self.folder / f"{name}, {self.n_recordings}.npy"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            np.save(path, np.array(compute()))
        return np.load(path)


def hear(scores, held_out, args, rule, stated, seconds):
    """Return when alarms begin, and the events, of a stream that is calibrated on itself for so long.

    Stated are hours for each false alarm of the moving average, else the contamination.
    """
    contamination = 0.01 if rule == "ewma" else stated
    hop = args.window if rule == "martingale" else 1  # it looks at no other windows with a shorter hop
    stream = StreamingDetector(
        Recorded(held_out, contamination),
        window=args.window,
        hop=hop,
        sample_rate=1,
        max_clipped=1,
        alarm=rule,
        alpha=args.alpha,
        hours_per_false_alarm=stated if rule == "ewma" else 8.0,
    )
    if seconds:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FewClipsWarning)
            stream.calibrate(seconds, contamination=contamination)
    events = stream.process(
        np.append(scores, np.zeros(args.window - 1))
    )  # a window has the score of its first sample
    stood = [False, *(event.alarm for event in events)]
    raised = [event.end for event, before in zip(events, stood, strict=False) if event.alarm and not before]
    return np.array(raised), events


def print_healthy(streams, args, *rule):
    """Print false alarms in healthy streams after the time of calibration, whether or not it is used."""
    rates, anomalous, stood = [], [], []
    for _, held_out, scores in streams:
        raised, events = hear(scores, held_out, args, *rule)
        events = [event for event in events if event.start >= args.lead]
        rates.append(np.sum(raised > args.lead) / args.hours)
        anomalous.append(np.mean([event.decision < 0 for event in events]))
        stood.append(np.mean([event.alarm for event in events]))
    print(
        f"  healthy, {args.hours * len(streams)} h: {np.mean(rates):.2f} alarms an hour (by stream "
        f"{', '.join(f'{rate:.1f}' for rate in rates)}); an alarm stands for {np.mean(stood):.1%} of the time; "
        f"anomalous windows {np.mean(anomalous):.2%} ({', '.join(f'{share:.2%}' for share in anomalous)})",
        flush=True,
    )


def print_growing(streams, args, *rule):
    """Print when faults that grow are found: by the first alarm that the same stream without the fault does not raise.

    The excess of a window is its score minus that without the fault, in standard deviations of the latter.
    """
    onset, found = args.lead + args.healthy, []
    for name, held_out, healthy, growing in streams:
        false, _ = hear(healthy, held_out, args, *rule)
        ends = np.arange(len(healthy)) + args.window - onset
        for fault, scores in growing.items():
            raised, _ = hear(scores, held_out, args, *rule)
            excess = (scores - healthy) / healthy.std()
            at = min(set(raised[raised > onset]) - set(false), default=np.inf) - onset
            found.append((fault, at, ends[np.argmax(excess >= 2)], excess[ends <= at][-1]))
            if args.verbose:
                print(
                    f"    {name}: {fault} after {at:.0f} s, at {found[-1][3]:.1f} spreads; two after {found[-1][2]} s"
                )
    for fault in FAULTS:
        _, at, twice, above = zip(*(row for row in found if row[0] == fault), strict=True)
        print(
            f"  {fault}: found after {np.median(at):.0f} s ({min(at):.0f} to {max(at):.0f}), at {np.median(above):.1f} "
            f"spreads ({min(above):.1f} to {max(above):.1f}); two spreads after {np.median(twice):.0f} s"
        )
    early = sum(at <= twice for _, at, twice, _ in found)
    later, above = np.median([at - twice for _, at, twice, _ in found]), np.median([row[3] for row in found])
    print(
        f"  {early} of {len(found)} no later than the excess is 2 for the first time; medians: {later:+.0f} s from "
        f"that, {above:.1f} spreads",
        flush=True,
    )


def print_rules(args):
    """Print what rules of alarms do, before and after the calibration on the stream itself."""
    kept = Scores(args.scores, args.recordings, args.window)
    onset, healthy, growing = args.lead + args.healthy, [], []
    for place in range(args.machines):
        machine = f"{args.name} {place}"
        for number in range(10 * place, 10 * place + args.streams):
            name, held_out = f"{machine}, {number}", kept.held_out(machine)
            if args.faults:
                sound = kept.of(machine, onset + GROWTH, 200 + number)
                faults = {
                    fault: kept.of(machine, onset + GROWTH, 200 + number, fault, onset) for fault in FAULTS
                }
                faults = {fault: np.append(sound[: -len(scores)], scores) for fault, scores in faults.items()}
                growing.append((name, held_out, sound, faults))
            if args.alarms:
                healthy.append(
                    (name, held_out, kept.of(machine, args.lead + 3600 * args.hours, 300 + number))
                )
    rules = {
        "confirm": args.contamination,
        "martingale": [0.01],
        "ewma": args.hours_per_false_alarm,
    }
    meaning = {
        "confirm": lambda rate: f"contamination {rate:g}, at most {3600 * rate / 2:.0f} false alarms an hour",
        "martingale": lambda _: f"risk {args.alpha:g} in a stream",
        "ewma": lambda hours: f"a false alarm in {hours:g} h",
    }
    for rule, stated in [(name, value) for name in args.rules for value in rules[name]]:
        for seconds in args.calibrate if rule == "ewma" else (0, *args.calibrate):
            calibrated = f"calibrated on {seconds} s" if seconds else "as the detector is"
            print(f"{rule}, {meaning[rule](stated)}, {calibrated}")
            if healthy:
                print_healthy(healthy, args, rule, stated, seconds)
            if growing:
                print_growing(growing, args, rule, stated, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", action="store_true", help="time of a hop")
    parser.add_argument("--day", action="store_true", help="time and memory of a day")
    parser.add_argument("--alarms", action="store_true", help="false alarms of healthy machines")
    parser.add_argument("--faults", action="store_true", help="faults that grow over ten minutes")
    parser.add_argument("--hops", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=86_400, help="length of the day")
    parser.add_argument("--name", default="gearbox", help="of the machines, which are numbered")
    parser.add_argument("--machines", type=int, default=1, help="that alarms are counted on")
    parser.add_argument("--streams", type=int, default=1, help="of each machine")
    parser.add_argument(
        "--hours", type=int, default=1, help="healthy ones of a stream that alarms are counted in"
    )
    parser.add_argument("--lead", type=int, default=3600, help="healthy seconds before, to calibrate in")
    parser.add_argument("--calibrate", type=int, nargs="*", default=[1000, 3600], help="seconds")
    parser.add_argument("--healthy", type=int, default=300, help="seconds before the fault")
    parser.add_argument("--recordings", type=int, default=100, help="of 30 s each, to learn from")
    parser.add_argument("--contamination", type=float, nargs="*", default=[0.01, 0.03, 0.1])
    parser.add_argument("--hours-per-false-alarm", type=float, nargs="*", default=[1, 8, 24])
    parser.add_argument("--rules", nargs="+", default=["confirm", "martingale", "ewma"])
    parser.add_argument("--window", type=int, default=10, help="seconds")
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--scores", metavar="FOLDER", help="where scores of windows are kept")
    parser.add_argument("--verbose", action="store_true", help="every fault")
    args = parser.parse_args()
    if args.speed or args.day:
        detector = fit("gearbox", 8, 0.1)
    if args.speed:
        print_speed(detector, args.hops)
    if args.day:
        print_day(detector, args.seconds)
    if args.alarms or args.faults:
        print_rules(args)


if __name__ == "__main__":
    main()
