"""Streams: time, memory, false alarms and faults that grow: ``python benchmarks/streaming.py --help``."""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from skasd import AnomalousSoundDetector
from skasd.datasets import make_machine_stream
from skasd.streaming import StreamingDetector

RATE = 16000
FAULTS = ("bearing", "gear", "imbalance", "looseness")


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


def listen(detector, blocks, **parameters):
    """Return the events of a stream."""
    stream = StreamingDetector(detector, **parameters)
    return [event for block in blocks for event in stream.process(block)], stream


def raised(events):
    """Return the times at which alarms began."""
    before = [False, *(event.alarm for event in events)]
    return [event.end for event, stood in zip(events, before, strict=False) if event.alarm and not stood]


RULES = {
    "confirm (2, 3)": {"alarm": "confirm", "hop": 1.0},
    "martingale": {"alarm": "martingale", "hop": 10.0},  # it looks at no other windows with a shorter hop
}


def print_alarms(machine, number, detector, args):
    """Print false alarms on a healthy stream under load and speed that wander; return their number by rule."""
    blocks = list(make_machine_stream(3600 * args.hours, machine=machine, random_state=number))
    found = {}
    for name, parameters in RULES.items():
        events, stream = listen(detector, blocks, alpha=args.alpha, **parameters)
        found[name] = len(raised(events))
        share = np.mean([event.decision < 0 for event in events])
        drift = stream.drift()
        print(
            f"{machine}, {name}, {args.hours} h healthy: {found[name]} alarms; {share:.4f} of the windows anomalous; "
            f"drift {drift.direction or 'none'}, capital {drift.capital:.2g}",
            flush=True,
        )
    scores = np.array([event.score for event in events])
    print(f"  correlation of scores 10 s apart {np.corrcoef(scores[:-1], scores[1:])[0, 1]:.2f}")
    return found


def print_faults(machine, number, detector, args):
    """Print when faults are found that grow over ten minutes, in healthy spreads; return how many came too late."""
    settings = {"seconds": args.healthy + 600, "machine": machine, "random_state": 100 + number}
    healthy = {}
    for name, parameters in RULES.items():
        events, _ = listen(detector, make_machine_stream(**settings), alpha=args.alpha, **parameters)
        healthy[name] = np.array([event.score for event in events])
    late = 0
    for fault in FAULTS:
        growing = list(make_machine_stream(**settings, fault=fault, onset=args.healthy, growth=600))
        for name, parameters in RULES.items():
            events, _ = listen(detector, growing, alpha=args.alpha, **parameters)
            excess = np.array([event.score for event in events]) - healthy[name]
            excess /= healthy[next(iter(RULES))].std()
            ends = np.array([event.end for event in events]) - args.healthy
            reached = ends[excess >= 2]
            twice = reached[0] if len(reached) else np.inf
            alarms = np.array([at - args.healthy for at in raised(events)])
            at = min(alarms[alarms > 0], default=np.inf)
            late += at > twice
            above = excess[ends <= at][-1]
            print(
                f"{machine}, {fault}, {name}: alarm after {at:.0f} s of 600, at {above:.2f} spreads; twice the spread "
                f"after {twice:.0f} s; {np.sum(alarms <= 0)} alarms before",
                flush=True,
            )
    return late


def print_rules(args):
    """Print what rules of alarms do, machine by machine."""
    print(
        f"window 10 s; contamination {args.contamination}, alpha {args.alpha}; learnt from {args.recordings} "
        f"recordings of 30 s"
    )
    total, late = dict.fromkeys(RULES, 0), 0
    for number in range(args.machines):
        machine = f"gearbox {number}"
        detector = fit(machine, args.recordings, args.contamination)
        if args.alarms:
            for name, n in print_alarms(machine, number, detector, args).items():
                total[name] += n
        if args.faults:
            late += print_faults(machine, number, detector, args)
    if args.alarms:
        hours = args.machines * args.hours
        for name, n in total.items():
            stated = f"a risk of {args.alpha} that there is one in a stream"
            if "confirm" in name:
                stated = f"at most {3600 * args.contamination / 2:.1f} an hour"
            print(f"{name}: {n} false alarms in {hours} h (stated: {stated})")
    if args.faults:
        n = len(RULES) * len(FAULTS) * args.machines
        print(f"{late} of {n} alarms later than twice the healthy spread")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", action="store_true", help="time of a hop")
    parser.add_argument("--day", action="store_true", help="time and memory of a day")
    parser.add_argument("--alarms", action="store_true", help="false alarms of healthy machines")
    parser.add_argument("--faults", action="store_true", help="faults that grow over ten minutes")
    parser.add_argument("--hops", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=86_400, help="length of the day")
    parser.add_argument("--machines", type=int, default=1, help="that alarms are counted on")
    parser.add_argument("--hours", type=int, default=1)
    parser.add_argument("--healthy", type=int, default=300, help="seconds before the fault")
    parser.add_argument("--recordings", type=int, default=100, help="of 30 s each, to learn from")
    parser.add_argument("--contamination", type=float, default=0.01)
    parser.add_argument("--alpha", type=float, default=0.01)
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
