"""Speed of training and embedding on the CPU, as ratios measured in one process.

Variants take turns; figures are medians. The network is JLESS's MobileFaceNet on log-mel patches of 128 x 64, batches
of 32, ArcFace, AdamW.

- "textbook": contiguous NCHW tensors, ``nn.PReLU``, a ``DataLoader`` that fetches and collates item by item.
- "plain loop": a bare training loop over the embedder's own network and batches.
- "MFNEmbedder": ``fit`` from the array of clips, everything included.

All three start from the same weights and see the same batches; the losses are compared.

    python benchmarks/training.py
"""

import argparse
import copy
import itertools
import time

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader, Dataset

from skasd.embedders import MFNEmbedder
from skasd.embedders._batches import TrainingBatches
from skasd.nn import PReLU


class Crops(Dataset):
    """Item by item, as in a textbook: one crop of one clip and its label."""

    def __init__(self, X, labels, plan):
        self.X, self.labels, self.plan = torch.from_numpy(X), torch.from_numpy(labels), plan

    def __len__(self):
        return len(self.plan)

    def __getitem__(self, item):
        clip, start = self.plan[item]
        return self.X[clip, :, start : start + 64], self.labels[clip]


def textbook_network(network):
    """Return a copy with torch's own PReLU, in contiguous memory."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, PReLU):
                plain = nn.PReLU(child.weight.numel())
                plain.weight = child.weight
                setattr(module, name, plain)
    network = network.to(memory_format=torch.contiguous_format)
    network.standardize = lambda x: ((x - network.mean) / network.scale).unsqueeze(1)
    return network


def run_loop(network, batches):
    """Train one epoch in a bare loop; return the losses."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    network.train()
    losses = []
    for x, y in batches:
        optimizer.zero_grad(set_to_none=True)
        loss = network.objective(network(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def embed_naively(network, X, patch_hop=32):
    """Embed clips by the network as trained, window by window of one batch, as tutorials do."""
    network.eval()
    rows = []
    with torch.no_grad():
        for clip in torch.from_numpy(X):
            windows = torch.stack([clip[:, s : s + 64] for s in range(0, clip.shape[1] - 63, patch_hop)])
            rows.append(network(windows).mean(dim=0))
    return torch.stack(rows).numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=160, help="clips in an epoch (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each variant (default: %(default)s)")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    labels = np.arange(args.clips) % 6
    X = rng.normal(size=(args.clips, 128, 200)).astype(np.float32) + labels[:, None, None].astype(np.float32)
    settings = {
        "mixing": None,
        "lr_schedule": "constant",
        "max_epochs": 1,
        "random_state": 0,
        "device": "cpu",
    }

    plan, datasets = [], []

    class Recorder(MFNEmbedder):
        """Keeps the run's data set, to hand the very same batches to the other loops."""

        def _make_dataset(self, *arguments):
            dataset = super()._make_dataset(*arguments)
            datasets.append(dataset)
            return dataset

    start = Recorder(**settings | {"max_epochs": 0}).fit(X, section=labels)
    first_network, dataset = start.net_.module_, datasets[0]
    state = dataset.generator.get_state()
    for positions in TrainingBatches(dataset, 32).sampler:
        starts = dataset.patches.random_starts(positions.numpy(), dataset.generator)
        plan.append(list(zip(positions.tolist(), starts.tolist(), strict=True)))
    items = [pair for batch in plan for pair in batch]
    bounds = np.cumsum([0] + [len(batch) for batch in plan])
    order = [list(range(first, last)) for first, last in itertools.pairwise(bounds)]

    def textbook():
        loader = DataLoader(Crops(X, labels, items), batch_sampler=order)
        return run_loop(textbook_network(first_network), loader)

    def plain_loop():
        dataset.generator.set_state(state)
        return run_loop(copy.deepcopy(first_network), TrainingBatches(dataset, 32))

    class Clock(Callback):
        """CPU time of skorch's loop alone, without the making of the network and its folding."""

        def on_train_begin(self, net, **kwargs):
            self.began = time.process_time()

        def on_train_end(self, net, **kwargs):
            loop_seconds.append(time.process_time() - self.began)

    loop_seconds = []

    def embedder():
        fitted = MFNEmbedder(**settings, callbacks=[Clock()]).fit(X, section=labels)
        return [batch["train_loss"] for batch in fitted.net_.history[0]["batches"]]

    few = X[:32]
    naive = textbook_network(first_network)
    exact = MFNEmbedder(**settings | {"max_epochs": 0}).fit(X, section=labels)
    half = MFNEmbedder(**settings | {"max_epochs": 0, "precision": "bfloat16"}).fit(X, section=labels)
    variants = {
        "training": {"textbook": textbook, "plain loop": plain_loop, "MFNEmbedder": embedder},
        "embedding": {
            "naive forward": lambda: embed_naively(naive, few),
            "transform": lambda: exact.transform(few),
            "transform, bfloat16": lambda: half.transform(few),
        },
    }
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {args.clips} clips")
    for task, functions in variants.items():
        wall = {name: [] for name in functions}
        cpu = {name: [] for name in functions}
        results = {}
        for _ in range(args.repeats + 1):
            for name, function in functions.items():
                began = time.perf_counter(), time.process_time()
                result = function()
                if name in results:
                    wall[name].append(time.perf_counter() - began[0])
                    cpu[name].append(time.process_time() - began[1])
                results[name] = np.array(result)  # the first turn warms up
        first = next(iter(functions))
        for name in functions:
            difference = np.abs(results[name] - results[first]).max() / np.abs(results[first]).max()
            print(
                f"{task:10} {name:20} {np.median(wall[name]):7.3f} s wall  {np.median(cpu[name]):7.3f} s CPU   "
                f"speed-up by wall {np.median(np.array(wall[first]) / wall[name]):.2f}, "
                f"by CPU time {np.median(np.array(cpu[first]) / cpu[name]):.2f}   "
                f"results differ by {difference:.0e}"
            )
        if task == "training":
            ratio = np.array(loop_seconds[1:]) / cpu["plain loop"]
            print(
                f"training   skorch's loop costs {100 * (np.median(ratio) - 1):+.1f} % over the plain loop (CPU time)"
            )


if __name__ == "__main__":
    main()
