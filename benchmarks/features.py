"""Speed of log-mel features against librosa and the official baseline's form, per core.

    python benchmarks/features.py [--clips 40] [--rounds 9] [--n-fft 1024] [--data FOLDER]

All variants run in turn inside one process, round after round. Times of one thread are CPU times, which busy
neighbours disturb least, and the table gives medians over the rounds; two threads are compared by the wall
clock and by the best of four times as many rounds, since a neighbour on either core slows both down, with two
processes, which share nothing but the memory's bandwidth: what the machine has to give. Ratios hold from machine to
machine, absolute times do not.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import librosa
import numpy as np
import soundfile
from threadpoolctl import threadpool_limits

from skasd.clips import Clips
from skasd.features import LogMelTransformer, STFTTransformer

RATE = 16000
EPS = np.finfo(float).eps


def librosa_log_mel(x, n_fft):
    mel = librosa.feature.melspectrogram(
        y=x, sr=RATE, n_fft=n_fft, hop_length=512, n_mels=128, power=2.0, pad_mode="constant"
    )
    return librosa.power_to_db(mel, amin=EPS, top_db=None)


def librosa_magnitude(x, n_fft):
    return np.abs(librosa.stft(x, n_fft=n_fft, hop_length=512))


def official(path, n_fft, stacked=True):
    """Compute the baseline's vectors of one file: header, load, log-mel, five frames stacked in float64."""
    rate = soundfile.info(path).samplerate
    x, _ = librosa.load(path, sr=rate, mono=True)
    mel = librosa.feature.melspectrogram(y=x, sr=rate, n_fft=n_fft, hop_length=512, n_mels=128, power=2.0)
    level = 20 / 2 * np.log10(np.maximum(mel, EPS))
    if not stacked:
        return level
    n_vectors = level.shape[1] - 5 + 1
    vectors = np.zeros((n_vectors, 128 * 5))
    for t in range(5):
        vectors[:, 128 * t : 128 * (t + 1)] = level[:, t : t + n_vectors].T
    return vectors


def make_files(folder, n):
    rng = np.random.default_rng(0)
    t = np.arange(10 * RATE) / RATE
    hum = sum(0.1 / k * np.sin(2 * np.pi * 49.7 * k * t) for k in range(1, 15))
    paths = [Path(folder) / f"clip{i:04d}.wav" for i in range(n)]
    for path in paths:
        soundfile.write(path, hum + 0.03 * rng.standard_normal(len(t)), RATE)
    return paths


def find_files(data, n):
    paths = sorted(Path(data).rglob("*.wav")) or sorted(Path(data).rglob("*.flac"))
    if not paths:
        raise SystemExit(f"no wav or flac files below {data}")
    return (paths * (n // len(paths) + 1))[:n]


def measure(variants, rounds, clock, summary=np.median):
    """Return the median (or other summary) time of each variant, all of them run once per round."""
    times = {name: [] for name in variants}
    for run in variants.values():  # compile, read the files into the page cache, fill the buffers
        run()
    for _ in range(rounds):
        for name, run in variants.items():
            start = clock()
            run()
            times[name].append(clock() - start)
    return {name: float(summary(t)) for name, t in times.items()}


def work(clips, n_fft, rounds, barrier, queue):
    """Transform clips time and again, at the same time as another process; put the best time on the queue."""
    log_mel = LogMelTransformer(n_fft=n_fft)
    times = []
    for _ in range(rounds + 1):
        barrier.wait()
        start = time.perf_counter()
        log_mel.transform(clips)
        times.append(time.perf_counter() - start)
    queue.put(min(times[1:]))


def two_processes(clips, n_fft, rounds):
    """Return the best time in which two processes transform half of the clips each."""
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(2), context.Queue()
    halves = clips[: len(clips) // 2], clips[len(clips) // 2 :]
    workers = [context.Process(target=work, args=(half, n_fft, rounds, barrier, queue)) for half in halves]
    for worker in workers:
        worker.start()
    times = [queue.get() for _ in workers]
    for worker in workers:
        worker.join()
    return max(times)


def table(title, times, reference, n):
    print(f"\n{title}")
    print(f"{'':52s}{'ms/clip':>9s}{'clips/s':>9s}{'ratio':>7s}")
    for name, t in times.items():
        print(f"{name:52s}{1e3 * t / n:9.3f}{n / t:9.0f}{times[reference] / t:7.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=40, help="number of 10 s clips (default 40)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds that the medians are of (default 9)")
    parser.add_argument("--n-fft", type=int, default=1024, help="length of the Fourier transform")
    parser.add_argument("--data", help="folder of recordings for the reading part (default: synthetic wav)")
    options = parser.parse_args()
    n, n_fft = options.clips, options.n_fft

    # one core per clip, for librosa's matrix products as for ours
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        paths = find_files(options.data, n) if options.data else make_files(folder, n)
        single = np.stack([x[: 10 * RATE] for x in Clips(paths, sample_rate=RATE)])
        double = single.astype(np.float64)
        log_mel, two = LogMelTransformer(n_fft=n_fft), LogMelTransformer(n_fft=n_fft, n_jobs=2)
        double_mel = LogMelTransformer(n_fft=n_fft, fft_dtype="float64")

        variants = {
            "librosa mel + power_to_db, float32": lambda: [librosa_log_mel(x, n_fft) for x in single],
            "librosa mel + power_to_db, float64": lambda: [librosa_log_mel(x, n_fft) for x in double],
            "LogMelTransformer float32": lambda: log_mel.transform(single),
            "LogMelTransformer float64": lambda: log_mel.transform(double),
            "LogMelTransformer float32, fft_dtype='float64'": lambda: double_mel.transform(single),
        }
        times = measure(variants, options.rounds, time.process_time)
        table(f"Log-mel of arrays, n_fft {n_fft}, 1 thread, CPU time", times, next(iter(variants)), n)

        stft = STFTTransformer(n_fft=n_fft)
        variants = {
            "abs(librosa.stft), float32": lambda: [
                np.abs(librosa.stft(x, n_fft=n_fft, hop_length=512)) for x in single
            ],
            "STFTTransformer float32": lambda: stft.transform(single),
        }
        times = measure(variants, options.rounds, time.process_time)
        table(
            f"Magnitude spectrogram of arrays, n_fft {n_fft}, 1 thread, CPU time",
            times,
            next(iter(variants)),
            n,
        )

        variants = {
            "official: info, load, log-mel, 5 frames stacked": lambda: [official(p, n_fft) for p in paths],
            "the same without the stacking": lambda: [official(p, n_fft, stacked=False) for p in paths],
            "LogMelTransformer of files, float32": lambda: log_mel.transform(paths),
            "reading alone, soundfile.read": lambda: [soundfile.read(p, dtype="float32") for p in paths],
            "reading and checking alone, Clips": lambda: Clips(paths).map(lambda i, x: None),
        }
        times = measure(variants, options.rounds, time.process_time)
        table(f"Files, n_fft {n_fft}, 1 thread, CPU time", times, next(iter(variants)), n)

        for what, clips in (("arrays", single), ("files", paths)):
            variants = {
                f"LogMelTransformer of {what}, n_jobs=1": lambda clips=clips: log_mel.transform(clips),
                f"LogMelTransformer of {what}, n_jobs=2": lambda clips=clips: two.transform(clips),
            }
            times = measure(variants, 4 * options.rounds, time.perf_counter, min)
            times["two processes, each with half of the clips"] = two_processes(
                clips, n_fft, 4 * options.rounds
            )
            table(f"Two threads, {what}, wall clock, best", times, next(iter(variants)), n)
        print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
