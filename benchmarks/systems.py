"""Every published system on real car engines: AUC by domain, pAUC, Omega and time.

The machine is an idling car engine (four cars; an ignition coil removed makes the anomalies). Cars are the sections and
attributes, healthy clips of six machines of the 2020 challenge are the proxies. 73 healthy clips are far fewer than the
systems were made for: the table shows that they run and what they cost, not how good they were in their challenge.

    python benchmarks/systems.py --seeds 0 --epochs 10
"""

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, LogMelTransformer, MahalanobisScorer, systems
from skasd.benchmark import run
from skasd.clips import Clips
from skasd.datasets import load_dcase


def passes(n, max_epochs=None, **p):
    """Return parameters of a system whose report has ``n`` patches of a clip in an epoch."""
    return p if max_epochs is None else {**p, "max_epochs": n * max_epochs}


SYSTEMS = {
    "LogMel, mean + std, Mahalanobis": lambda **p: make_pipeline(
        LogMelTransformer(), ClipStatistics(), MahalanobisScorer()
    ),
    "official_autoencoder mse": lambda **p: systems.official_autoencoder(2024, **p),
    "official_autoencoder mahalanobis": lambda **p: systems.official_autoencoder(2024, "mahalanobis", **p),
    "official_mobilenetv2": lambda **p: systems.official_mobilenetv2(2022, patch_hop=8, **passes(4, **p)),
    "secom2021 mobilenetv2 lof": lambda **p: systems.secom2021("mobilenetv2", "lof", **p),
    "secom2021 mfn lof": lambda **p: systems.secom2021("mfn", "lof", **p),
    "jless2022_mfn logmel": lambda **p: systems.jless2022_mfn(**p),
    "jless2022_mfn stft": lambda **p: systems.jless2022_mfn("stft", **p),
    "jless2022_dpt": lambda **p: systems.jless2022_dpt(**p),
    "cqupt2023 mobilenetv2 sec": lambda **p: systems.cqupt2023("mobilenetv2", "sec", **p),
    "cqupt2023 mobilenetv2 sed": lambda **p: systems.cqupt2023("mobilenetv2", "sed", **p),
    "cqupt2023 vit sec": lambda **p: systems.cqupt2023("vit", "sec", **p),
    "cqupt2023 vit sed": lambda **p: systems.cqupt2023("vit", "sed", **p),
    "wilkinghoff_multibranch": lambda **p: systems.wilkinghoff_multibranch(**p),
    "scu2024_classification": lambda **p: systems.scu2024_classification(**p),
    "scu2024_oevae": lambda **p: systems.scu2024_oevae(**passes(8, **p)),
    "itmo2022_autoencoder": lambda **p: systems.itmo2022_autoencoder(**p),
    "itmo2022_image": lambda **p: systems.itmo2022_image(n_clips=73, n_added=146, **p),
}


def load():
    """Return waveforms of 10 s, and the table of what is known of the cars' clips and of the proxies."""
    root = Path(os.environ.get("SKASD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    cars = load_dcase(root / "car_idle" / "dev_data")
    cars["attribute"] = cars["attribute"].str[:6]
    others = load_dcase(root / "dcase2020_mini" / "dev_data")
    others = others[others["y"] == 1].assign(split="train", domain="source", attribute=lambda t: t["machine"])
    table = pd.concat([cars.assign(proxy=False), others.assign(proxy=True)], ignore_index=True)
    return np.stack([waveform[:160_000] for waveform in Clips(table["path"])]), table


def print_table(result, names):
    summary = result.summary().xs("", level="machine").droplevel("data")
    seconds = result.timings.groupby(["system", "seed"])["seconds"].sum().groupby("system").mean()
    for name in names:
        omega = summary.loc[name, "official score"]
        areas = [summary.loc[name, figure]["mean"] for figure in ("AUC (source)", "AUC (target)", "pAUC")]
        spread = "" if np.isnan(omega["std"]) else f" +- {omega['std']:.3f}"
        print(
            f"{name:32} AUC source {areas[0]:.3f}  target {areas[1]:.3f}  pAUC {areas[2]:.3f}  "
            f"Omega {omega['mean']:.3f}{spread}  {seconds[name]:6.1f} s"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=None, help="other than each system's own")
    parser.add_argument("--jobs", type=int, default=None, help="cells at a time")
    parser.add_argument(
        "--out", type=Path, default=None, help="folder from which a run that was cut off goes on"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    data = {"car_idle": load()}
    epochs = {} if args.epochs is None else {"max_epochs": args.epochs}
    print(f"torch {torch.__version__}, 1 thread, epochs {args.epochs or 'of each system'}")
    # SECOM's source detector per section needs source clips in each, and one car is the target domain; the multi-branch
    # networks learn the attributes anyway, and have the references of the whole machine
    by_section = ("secom", "wilkinghoff", "scu2024_classification")
    for classes, names in (
        ("attribute", [name for name in args.systems if not name.startswith(by_section)]),
        (None, [name for name in args.systems if name.startswith(by_section)]),
    ):
        if names:
            recipes = {name: lambda name=name, **p: SYSTEMS[name](**p, **epochs) for name in names}
            result = run(
                recipes,
                data,
                seeds=args.seeds,
                classes=classes,
                year=2023,
                n_jobs=args.jobs,
                verbose=1,
                out=args.out and args.out / (classes or "section"),
            )
            print_table(result, names)


if __name__ == "__main__":
    main()
