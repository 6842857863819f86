"""Every published system on real car engines: AUC by domain, pAUC, Omega and time.

The machine is an idling car engine (four cars; an ignition coil removed makes the anomalies). Cars are the sections and
attributes, healthy clips of six machines of the 2020 challenge are the proxies. 73 healthy clips are far fewer than the
systems were made for: the table shows that they run and what they cost, not how good they were in their challenge.

    python benchmarks/systems.py --seeds 0 --epochs 10
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
import torch
from sklearn.pipeline import make_pipeline
from sklearn.utils.metadata_routing import get_routing_for_object

from skasd import ClipStatistics, LogMelTransformer, MahalanobisScorer, systems
from skasd.clips import Clips
from skasd.datasets import load_dcase
from skasd.metrics import official_score

SYSTEMS = {
    "LogMel, mean + std, Mahalanobis": lambda **p: make_pipeline(
        LogMelTransformer(), ClipStatistics(), MahalanobisScorer()
    ),
    "official_autoencoder mse": lambda **p: systems.official_autoencoder(2024, **p),
    "official_autoencoder mahalanobis": lambda **p: systems.official_autoencoder(2024, "mahalanobis", **p),
    "official_mobilenetv2": lambda **p: systems.official_mobilenetv2(
        2022, patch_hop=8, crops_per_clip=4, **p
    ),
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
    "scu2024_oevae": lambda **p: systems.scu2024_oevae(**p),
    "itmo2022_autoencoder": lambda **p: systems.itmo2022_autoencoder(**p),
    "itmo2022_image": lambda **p: systems.itmo2022_image(n_augmented=30, **p),
}


def load():
    """Return waveforms of 10 s, and the table of what is known of the cars' clips and of the proxies."""
    root = Path(os.environ.get("SKASD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    cars = load_dcase(root / "car_idle" / "dev_data")
    cars["car"] = cars["attribute"].str[:6]
    others = load_dcase(root / "dcase2020_mini" / "dev_data")
    others = others[others["y"] == 1].assign(split="train", domain="source", car=lambda t: t["machine"])
    table = pd.concat([cars.assign(proxy=False), others.assign(proxy=True)], ignore_index=True)
    return np.stack([waveform[:160_000] for waveform in Clips(table["path"])]), table


def run(system, X, table, exposed, unknown):
    """Return the figures of a system: AUC source, AUC target, pAUC, Omega, seconds."""
    train = table[(table["split"] == "train") & (exposed | ~table["proxy"])]
    test = table[table["split"] == "test"]
    known = {
        "section": train["car"],
        "attribute": train["car"],
        "domain": train["domain"],
        "proxy": train["proxy"],
    }
    start = time.perf_counter()
    with sklearn.config_context(enable_metadata_routing=True):
        wanted = set(get_routing_for_object(system).consumes("fit", known)) - unknown
        system.fit(X[train.index], **{name: known[name].to_numpy() for name in wanted})
    score = -system.score_samples(X[test.index])
    seconds = time.perf_counter() - start
    official = official_score(test["y"].astype(int), score, domain=test["domain"], year=2023)
    row = official.table.iloc[0]
    return row["AUC (source)"], row["AUC (target)"], row["pAUC"], official.score, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=None, help="other than each system's own")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    X, table = load()
    epochs = {} if args.epochs is None else {"max_epochs": args.epochs}
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, epochs {args.epochs or 'of each system'}"
    )
    for name in args.systems:
        figures = []
        for seed in args.seeds:
            system = SYSTEMS[name](random_state=seed, **epochs)
            exposed = name.startswith(("itmo", "scu2024_oevae", "wilkinghoff", "scu2024_classification"))
            # a source detector per section needs source clips in each, and one car is the target domain
            unknown = {"section"} if name.startswith("secom") else set()
            figures.append(run(system, X, table, exposed, unknown))
        mean = np.mean(figures, axis=0)
        spread = f" +- {np.std([f[3] for f in figures]):.3f}" if len(figures) > 1 else ""
        print(
            f"{name:32} AUC source {mean[0]:.3f}  target {mean[1]:.3f}  pAUC {mean[2]:.3f}  "
            f"Omega {mean[3]:.3f}{spread}  {mean[4]:6.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
