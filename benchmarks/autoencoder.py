"""Training the official autoencoder: the official kind of loop against ``AutoencoderEmbedder``, time and memory.

The official loop keeps every window of five frames as a row of 640 doubles, fetches them item by item with their file
names, trains under ``detect_anomaly`` and reads the loss five times a batch. Both train the same network with Adam in
float32 on the same number of windows. Each variant runs in a process of its own. The time of an epoch is its number of
batches times the lower decile of the CPU times from batch to batch, fetching included: neighbours on the machine
disturb the others. Memory is the peak above what the process held before it began. The official program also draws a
figure, saves the model and fits a gamma distribution in every epoch: not counted here.

    python benchmarks/autoencoder.py
"""

import argparse
import multiprocessing
import resource
import time

import numpy as np
import torch
from skorch.callbacks import Callback
from torch.utils.data import DataLoader, Dataset

from skasd.embedders import AutoencoderEmbedder
from skasd.nn import DenseAutoencoder


class Windows(Dataset):
    """Rows of doubles with their file names, as the official loader has them."""

    def __init__(self, clips):
        vectors = [
            np.concatenate([clip[:, t : clip.shape[1] - 4 + t].T for t in range(5)], axis=1, dtype=np.float64)
            for clip in clips
        ]
        self.names = np.repeat(
            [f"section_00_source_train_normal_{i:04d}.wav" for i in range(len(clips))], len(vectors[0])
        )
        vectors = np.concatenate(vectors)
        self.vectors = vectors[np.random.default_rng(0).permutation(len(vectors))]  # train_test_split's copy

    def __len__(self):
        return len(self.vectors)

    def __getitem__(self, i):
        return self.vectors[i], self.names[i], 0.0


def official_loop(clips, batch_size):
    """Train one epoch the official way; return the CPU times at the ends of its batches."""
    loader = DataLoader(Windows(clips), batch_size=batch_size, shuffle=True)
    network = DenseAutoencoder()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    times = []
    with torch.autograd.detect_anomaly(check_nan=True):
        for vectors, _names, _label in loader:
            x = vectors.float()
            optimizer.zero_grad()
            loss = (network(x) - x).square().mean(dim=1)
            total = loss.mean()
            total.backward()
            optimizer.step()
            _ = [float(value) for value in (total, loss.max(), loss.min(), loss.sum(), loss[0])]
            times.append(time.process_time())
    return times


def embedder(clips, batch_size):
    """Train one epoch by the embedder; return the CPU times at the ends of its batches."""
    times = []

    class Clock(Callback):
        def on_batch_end(self, net, **kwargs):
            times.append(time.process_time())

    model = AutoencoderEmbedder(
        max_epochs=1, batch_size=batch_size, random_state=0, device="cpu", callbacks=[Clock()]
    )
    model.fit(clips)
    return times


def measure(function, n_clips, batch_size, queue):
    """Run a variant in this process; put seconds and bytes of memory above the start on the queue."""
    import warnings

    warnings.simplefilter("ignore")
    clips = np.random.default_rng(0).standard_normal((n_clips, 128, 313), dtype=np.float32)
    torch.mm(torch.ones(512, 512), torch.ones(512, 512))  # what the libraries take for themselves
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = function(clips, batch_size)
    seconds = len(times) * np.quantile(np.diff(times), 0.1)
    queue.put((seconds, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1000, help="clips of 10 s (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3, help="turns (default: %(default)s)")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    results = {"official loop": [], "AutoencoderEmbedder": []}
    for _ in range(args.repeats):
        for name, function in zip(results, (official_loop, embedder), strict=True):
            queue = context.Queue()
            process = context.Process(target=measure, args=(function, args.clips, args.batch_size, queue))
            process.start()
            results[name].append(queue.get())
            process.join()
    n_windows = args.clips * 309
    size = args.clips * 128 * 313 * 4 / 1e6
    print(
        f"torch {torch.__version__}, {n_windows} windows, batches of {args.batch_size}, log-mels {size:.0f} MB"
    )
    medians = {name: np.median(values, axis=0) for name, values in results.items()}
    for name, (seconds, memory) in medians.items():
        print(f"{name:20} {seconds:6.2f} s of CPU time an epoch, {memory / 1e6:7.1f} MB above the log-mels")
    time_ratio, memory_ratio = medians["official loop"] / medians["AutoencoderEmbedder"]
    print(f"official / embedder: time {time_ratio:.2f}, memory {memory_ratio:.1f}")


if __name__ == "__main__":
    main()
