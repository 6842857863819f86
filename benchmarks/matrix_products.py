"""How much of a dual-path transformer's training step is matrix products, on the CPU.

One step (forward, backward, AdamW) of the network of ``DPTEmbedder`` on log-mel patches of 128 x 64 is recorded; then
the same step and its matrix products alone, with the same shapes, take turns. Attention counts as its matrix products:
two in the forward pass, five in the backward pass, one of which computes the attention anew.

    python benchmarks/matrix_products.py
"""

import argparse
import time

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from skasd.embedders import DPTEmbedder


class RecordProducts(TorchDispatchMode):
    """Keep the operands' shapes of every matrix product that is computed."""

    def __init__(self):
        super().__init__()
        self.products = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        tensors = [a for a in args if isinstance(a, torch.Tensor)]
        if name in ("mm", "bmm"):
            self.products.append((tensors[0].shape, tensors[1].shape))
        elif name in ("addmm", "baddbmm"):
            self.products.append((tensors[1].shape, tensors[2].shape))
        elif name.startswith("_scaled_dot_product"):
            query = tensors[1 if name.endswith("backward") else 0].shape
            batch, length, width = query[0] * query[1], query[2], query[3]
            wide = ((batch, length, width), (batch, width, length))
            tall = ((batch, length, length), (batch, length, width))
            self.products += [wide, tall] if not name.endswith("backward") else [wide, wide, tall, tall, tall]
        return func(*args, **(kwargs or {}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=64, help="patches in a step (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=20, help="turns (default: %(default)s)")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(args.batch_size, 128, 64)).astype(np.float32)
    embedder = DPTEmbedder(max_epochs=0, random_state=0, device="cpu").fit(X, section=np.arange(len(X)) % 6)
    network = embedder.net_.module_.train()
    optimizer = torch.optim.AdamW(network.parameters())
    generator = torch.Generator().manual_seed(0)
    mask = network.backbone.random_mask(args.batch_size, 0.25, generator, (128, 64))
    x, y = torch.from_numpy(X), torch.arange(args.batch_size) % 6

    def step():
        optimizer.zero_grad(set_to_none=True)
        network.objective(network(x, mask), y).backward()
        optimizer.step()

    step()
    with RecordProducts() as record:
        step()
    operands = [(torch.randn(a), torch.randn(b)) for a, b in record.products]
    out = [torch.matmul(a, b) for a, b in operands]  # kept buffers: no page faults in the timing

    def products():
        for (a, b), c in zip(operands, out, strict=True):
            torch.matmul(a, b, out=c)

    seconds = {"step": [], "products": []}
    for _ in range(args.repeats):
        for name, function in (("step", step), ("products", products)):
            began = time.process_time()
            function()
            seconds[name].append(time.process_time() - began)
    multiplications = sum(int(np.prod(a)) * b[-1] for a, b in record.products)
    ratio = np.array(seconds["step"]) / np.array(seconds["products"])
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {args.batch_size}")
    print(f"{len(operands)} matrix products, {multiplications / 1e9:.2f} G multiplications")
    for name, values in seconds.items():
        print(
            f"{name:9} median {1e3 * np.median(values):6.1f} ms, least {1e3 * min(values):6.1f} ms of CPU time"
        )
    least = min(seconds["step"]) / min(seconds["products"])
    print(f"step / products: median of ratios {np.median(ratio):.2f}, ratio of the least {least:.2f}")


if __name__ == "__main__":
    main()
