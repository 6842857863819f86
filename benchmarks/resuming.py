"""The same table from a benchmark killed half way and resumed, one that ran through, one under two Dask workers.

Eight systems on idling car engines and on a synthetic machine, three seeds. Few epochs: the figures of the networks
mean nothing, only that they are the same.

    python benchmarks/resuming.py --epochs 2 --kill-after 16
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from joblib import parallel_config
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MahalanobisScorer
from skasd.benchmark import BenchmarkResult, run
from skasd.datasets import load_dcase, make_machine_sounds


def systems(epochs):
    front_end = [LogMelTransformer(), ClipStatistics()]
    return {
        "kNN": make_pipeline(*front_end, KNNScorer()),
        "Mahalanobis": make_pipeline(*front_end, MahalanobisScorer()),
        "autoencoder": f"official_autoencoder:max_epochs={epochs}",
        "autoencoder, Mahalanobis": f"official_autoencoder:score=mahalanobis,max_epochs={epochs}",
        "MFN, LOF": f"jless2022_mfn:detector=lof,max_epochs={epochs}",
        "MFN, cosine": f"jless2022_mfn:detector=cosine,max_epochs={epochs}",
        "DPT": f"jless2022_dpt:max_epochs={epochs}",
        "ViT": f"cqupt2023:model=vit,max_epochs={epochs}",
    }


def data():
    root = Path(os.environ.get("SKASD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    return {
        "car_idle": load_dcase(root / "car_idle"),
        "synthetic": make_machine_sounds(n_train=60, n_test=60, duration=4.0, random_state=0),
    }


def child(out, epochs, dask):
    """Run the whole benchmark into a folder."""
    warnings.simplefilter("ignore")
    arguments = {"seeds": 3, "year": 2023, "joint": (), "out": out, "verbose": 1}
    if not dask:
        run(systems(epochs), data(), **arguments)
        return
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
        parallel_config(backend="dask"),
    ):
        run(systems(epochs), data(), **arguments)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--kill-after", type=int, default=16, help="finished cells")
    parser.add_argument("--out", type=Path, default=None, help="folder to keep; default: a temporary one")
    parser.add_argument("--child", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--dask", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child is not None:
        child(args.child, args.epochs, args.dask)
        return
    out = args.out or Path(tempfile.mkdtemp())

    def start(name, *more):
        command = [sys.executable, __file__, "--child", out / name, "--epochs", str(args.epochs), *more]
        return subprocess.Popen(command)

    def finish(name, *more):
        begin = time.perf_counter()
        if start(name, *more).wait():
            raise SystemExit(f"the run {name!r} failed")
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)

    cells = out / "killed" / "cells"
    victim = start("killed")
    while victim.poll() is None and len(list(cells.glob("*.json"))) < args.kill_after:
        time.sleep(0.1)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    n_before = len(list(cells.glob("*.json")))
    finish("killed")
    print(f"killed after {n_before} of {len(list(cells.glob('*.json')))} cells, then resumed")
    finish("whole")
    finish("dask", "--dask")
    whole = BenchmarkResult.from_folder(out / "whole")
    for name in ("killed", "dask"):
        other = BenchmarkResult.from_folder(out / name)
        same = {kind: getattr(whole, kind).equals(getattr(other, kind)) for kind in ("table", "scores")}
        print(f"{name}, the same as uninterrupted to the last bit: {same}")
    summary = whole.summary().xs("", level="machine")
    print(summary["official score"].round(4).to_string())
    time_of = whole.timings.groupby(["data", "step", "stage"])[["seconds", "peak_mb"]]
    print(time_of.agg({"seconds": "mean", "peak_mb": "max"}).round(2).to_string())


if __name__ == "__main__":
    main()
