"""Speed of the frozen encoders: clips of 10 s per second and core, front end and network apart.

The shipped encoder is measured against the middle of EfficientAT's mn04 (up to ``features[9]``) as a plain trace of
torch, in the same process, ten clips of each in turn, with one thread. Times are those of the thread on the
processor, so that other processes count as little as they can; they still share its caches.

    python benchmarks/encoder.py --clips 50

mn04 has random weights here: they do not change its time.
"""

import argparse
import time
import warnings

import numpy as np
import torch

from skasd import PretrainedEmbedder
from skasd.datasets import make_random_sounds
from skasd.nn import MobileNetV3

_TOGETHER = 10  # clips in one call


def front_end(sample_rate):
    """Return the log-mels of the shipped encoder as a function of one waveform."""
    # layer "mel" alone is the front end with nothing behind it
    return PretrainedEmbedder(layer="mel", sample_rate=sample_rate)


def trace():
    """Return mn04 up to features[9], traced and frozen as torch documents it."""
    network = MobileNetV3(width=0.4).features[:10].eval()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        return torch.jit.freeze(torch.jit.trace(network, torch.zeros(1, 1, 128, 1000)))


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=50, help="clips of 10 s")
    args = parser.parse_args()
    torch.set_num_threads(1)
    mn04, mel = trace(), torch.randn(1, 1, 128, 1000)
    for sample_rate in (16000, 32000):
        X = make_random_sounds(args.clips, duration=10.0, sample_rate=sample_rate, random_state=0)
        embedder = PretrainedEmbedder(sample_rate=sample_rate).fit(X)
        mels = front_end(sample_rate).fit(X)
        tasks = {
            "front end": lambda x, mels=mels: mels.transform(x),
            "front end and network": lambda x, embedder=embedder: embedder.transform(x),
            "mn04 up to features[9], plain trace": lambda x: [mn04(mel) for _ in x],
        }
        times = {name: [] for name in tasks}
        with torch.inference_mode():
            for first in range(0, args.clips, _TOGETHER):
                clips = X[first : first + _TOGETHER]
                for name, task in tasks.items():
                    begin = time.thread_time()
                    task(clips)
                    times[name].append((time.thread_time() - begin) / len(clips))
        middle = {name: float(np.median(values)) for name, values in times.items()}
        front, whole, reference = middle.values()
        print(f"{sample_rate} Hz")
        for name, seconds in {**middle, "network": whole - front}.items():
            print(f"  {name}: {1e3 * seconds:.1f} ms, {1 / seconds:.0f} clips/s")
        print(f"  network / mn04's trace: {(whole - front) / reference:.2f}")


if __name__ == "__main__":
    main()
