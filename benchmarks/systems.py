"""Every published system, the default detector and plain statistics on every set at hand: AUC by domain, pAUC, Omega.

    python benchmarks/systems.py --seeds 0 --epochs 10
    python benchmarks/systems.py --data mimii_fan synthetic-0.5 --seeds 0 1 2

``car_idle``: an idling car engine (four cars; an ignition coil removed makes the anomalies); cars are the sections and
attributes. ``mimii_fan``: a noisy fan, five folds of four healthy clips, figures are means of the folds.
``uav_propeller``: a propeller in flight. Proxies are healthy clips of six machines of the 2020 challenge.
``synthetic-SEVERITY``: a synthetic gearbox of 200 healthy clips, with proxies of four other synthetic machines. All are
far fewer clips than the systems were made for: the tables show that they run and what they cost, not how good they were
in their challenge.
"""

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import make_pipeline

from skasd import AnomalousSoundDetector, ClipStatistics, LogMelTransformer, MahalanobisScorer, systems
from skasd.benchmark import run
from skasd.clips import Clips
from skasd.datasets import load_dcase, make_machine_sounds


def passes(n, max_epochs=None, **p):
    """Return parameters of a system whose report has ``n`` patches of a clip in an epoch."""
    return p if max_epochs is None else {**p, "max_epochs": n * max_epochs}


SYSTEMS = {
    "default": lambda **p: AnomalousSoundDetector(),
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
    "jless2022_dpt standardized": lambda **p: systems.jless2022_dpt(standardize_input="bin", **p),
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


SEVERITIES = (0.25, 0.5, 1.0)
DATA = ("car_idle", "mimii_fan", "uav_propeller", *(f"synthetic-{severity:g}" for severity in SEVERITIES))
ROOT = Path(os.environ.get("SKASD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def load(name):
    """Return waveforms of a set, and the table of what is known of them and of the proxies."""
    if name.startswith("synthetic"):
        made = make_machine_sounds(200, 200, severity=float(name.split("-")[1]), random_state=0)
        others = make_machine_sounds(
            40, 0, machine=["pump", "compressor", "turbine", "conveyor"], random_state=0
        )
        proxies = others.table.assign(proxy=True, domain="source", attribute=others.table["machine"])
        table = pd.concat([made.table.assign(proxy=False), proxies], ignore_index=True)
        return np.concatenate([made.X, others.X]), table
    table = {"car_idle": cars, "mimii_fan": fan, "uav_propeller": propeller}[name]()
    proxies = load_dcase(ROOT / "dcase2020_mini" / "dev_data")
    proxies = proxies[proxies["y"] == 1].assign(
        split="train", domain="source", attribute=lambda t: t["machine"]
    )
    table = pd.concat([table.assign(proxy=False), proxies.assign(proxy=True)], ignore_index=True)
    longest = 80_000 if name == "uav_propeller" else 160_000
    return np.stack([waveform[:longest] for waveform in Clips(table["path"])]), table


def cars():
    """Return the table of the engines; the car is the attribute."""
    table = load_dcase(ROOT / "car_idle" / "dev_data")
    table["attribute"] = table["attribute"].str[:6]
    return table


def fan():
    """Return the table of the fan: each of its five folds, four healthy clips and all faulty ones, is a machine."""
    healthy, faulty = (sorted((ROOT / "mimii_fan" / kind).glob("*.flac")) for kind in ("normal", "abnormal"))
    folds = [
        pd.DataFrame(
            {
                "path": [str(path) for path in healthy + faulty],
                "machine": f"fan{fold}",
                "split": ["test" if i // 4 == fold else "train" for i in range(len(healthy))]
                + ["test"] * len(faulty),
                "y": np.repeat([1, -1], [len(healthy), len(faulty)]),
                "domain": "source",
                "section": "00",
                "attribute": "fan",
            }
        )
        for fold in range(5)
    ]
    return pd.concat(folds, ignore_index=True)


def propeller():
    """Return the table of the propeller."""
    table = pd.read_csv(ROOT / "uav_propeller" / "clips.csv")
    return table.assign(
        path=[str(ROOT / "uav_propeller" / path) for path in table["path"]],
        machine="propeller",
        y=np.where(table["label"] == "normal", 1, -1),
        section="00",
        attribute="propeller",
    )


def print_table(result, names):
    """Print means over the machines and seeds, the standard deviation of the first over seeds, and seconds a seed."""
    summary = result.summary().xs("", level="machine").droplevel("data")
    seconds = result.timings.groupby(["system", "seed"])["seconds"].sum().groupby("system").mean()
    two_domains = "AUC (target)" in summary
    figures = ("AUC (source)", "AUC (target)", "pAUC") if two_domains else ("AUC", "pAUC")
    for name in names:
        first = summary.loc[name, "official score" if two_domains else "AUC"]
        shown = "  ".join(f"{figure} {summary.loc[name, figure]['mean']:.3f}" for figure in figures)
        spread = "" if np.isnan(first["std"]) else f" +- {first['std']:.3f}"
        omega = f"  Omega {first['mean']:.3f}" if two_domains else ""
        print(f"{name:32} {shown}{omega}{spread}  {seconds[name]:6.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=["car_idle"], choices=DATA)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=None, help="other than each system's own")
    parser.add_argument("--jobs", type=int, default=None, help="cells at a time")
    parser.add_argument(
        "--out", type=Path, default=None, help="folder from which a run that was cut off goes on"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    epochs = {} if args.epochs is None else {"max_epochs": args.epochs}
    print(f"torch {torch.__version__}, 1 thread, epochs {args.epochs or 'of each system'}")
    # SECOM's source detector per section needs source clips in each, and one car is the target domain; the multi-branch
    # networks learn the attributes anyway, and have the references of the whole machine; so has the default
    by_section = ("default", "secom", "wilkinghoff", "scu2024_classification")
    for data in args.data:
        print(data, flush=True)
        clips = {data: load(data)}
        for classes, names in (
            (None, [name for name in args.systems if name.startswith(by_section)]),
            ("attribute", [name for name in args.systems if not name.startswith(by_section)]),
        ):
            if names:
                recipes = {name: lambda name=name, **p: SYSTEMS[name](**p, **epochs) for name in names}
                result = run(
                    recipes,
                    clips,
                    seeds=args.seeds,
                    classes=classes,
                    year=2020 if data == "mimii_fan" else 2023,
                    n_jobs=args.jobs,
                    verbose=1,
                    out=args.out and args.out / data / (classes or "section"),
                    on_error="record",
                )
                for name, error in zip(result.failures["system"], result.failures["error"], strict=True):
                    print(f"{name} failed: {error}")
                print_table(result, [name for name in names if name not in set(result.failures["system"])])


if __name__ == "__main__":
    main()
