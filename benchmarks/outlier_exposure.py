"""What outlier exposure gives the OEVAE system of SCU 2024: its two scores, ways to weigh them, what its latents hold.

Every network is trained once and scored in several ways: alpha and beta alone, the system's own rule, an equal weight
of both after standardisation, and equation 6 of the report with omega 0.5 as it stands. Linear probes tell the
attribute from the latents bound to it and from the free ones, as healthy test clips' segments hold them: latents are
drawn from their distribution, as the decoder gets them, since a probe on their means also reads what drowns in that
noise. Other machines are the proxies. Data: idling car engines, MIMII fan (five folds of four healthy clips), a
synthetic gearbox.

    python benchmarks/outlier_exposure.py --data car_idle mimii_fan synthetic --epochs 5 --width 16 --seeds 0 1 2
"""

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from systems import load as load_cars

from skasd import systems
from skasd.clips import Clips
from skasd.datasets import load_dcase, make_machine_sounds
from skasd.metrics import harmonic_auc

NETWORKS = {"default": {}, "report": {"lambda_vae": 1e-7, "standardize_embedding": False}}
RULES = {
    "alpha": {"omega": 1.0},
    "beta": {"omega": 0.0},
    "auto": {"omega": "auto"},
    "equal": {"omega": 0.5},
    "report": {"omega": 0.5, "standardize_beta": False},
}


def data_folder():
    return Path(os.environ.get("SKASD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def car_idle(seed):
    X, table = load_cars("car_idle")
    yield X, table, (table["split"] == "train").to_numpy()


def mimii_fan(seed):
    root = data_folder()
    fans = pd.concat(
        pd.DataFrame({"path": sorted((root / "mimii_fan" / kind).iterdir()), "y": y})
        for kind, y in (("normal", 1), ("abnormal", -1))
    ).assign(proxy=False, domain="source")
    others = load_dcase(root / "dcase2020_mini" / "dev_data")
    others = others[(others["y"] == 1) & (others["machine"] != "fan")].assign(proxy=True, domain="source")
    table = pd.concat([fans, others], ignore_index=True)[["path", "y", "proxy", "domain"]]
    X = np.stack([waveform[:160_000] for waveform in Clips(table["path"])])
    healthy = np.flatnonzero((table["y"] == 1) & ~table["proxy"])
    for held_out in healthy.reshape(5, 4):
        train = (table["y"] == 1).to_numpy()
        train[held_out] = False
        yield X, table, train


def synthetic(seed):
    sounds = make_machine_sounds(
        n_train=40, n_test=40, n_target_train=5, machine=["gearbox", "fan"], duration=10.0, random_state=seed
    )
    table = sounds.table.assign(y=sounds.y, proxy=sounds.table["machine"] == "fan")
    yield sounds.X, table, (table["split"] == "train").to_numpy()


DATA = {"car_idle": car_idle, "mimii_fan": mimii_fan, "synthetic": synthetic}


def probe(embedder, rows, table, own, healthy):
    """Return accuracy and R2 of the attribute as linear probes read it from bound and from free latents."""
    oevae = embedder.net_.module_.objective.oevae.cpu().eval()
    n = embedder.n_segments
    with torch.no_grad():
        segments = torch.from_numpy(rows[:, 1:].reshape(len(rows) * n, -1))
        mean, log_variance = oevae.encode(segments)
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
        latents = (mean + (0.5 * log_variance).exp() * noise).numpy().reshape(len(rows), n, -1)
    names = table["attribute"].astype(str).to_numpy()
    levels = np.searchsorted(np.unique(names[own]), names)
    found = {}
    for part, columns in (("bound", slice(0, oevae.domain_dim)), ("free", slice(oevae.domain_dim, None))):
        x, x_test = (latents[rows][..., columns].reshape(rows.sum() * n, -1) for rows in (own, healthy))
        y, y_test = (np.repeat(levels[rows], n) for rows in (own, healthy))
        classifier = make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=500)
        )
        found[part] = classifier.fit(x, y).score(x_test, y_test), Ridge(1.0).fit(x, y).score(x_test, y_test)
    return found


def fit_and_score(system, X, table, train):
    """Return the anomaly scores of the test clips by rule, and probes where there are attributes."""
    front_end, embedder, scorer = (step for _, step in system.steps)
    X = front_end.fit_transform(X)
    proxy, domain = table["proxy"].to_numpy(), table["domain"].to_numpy()
    metadata = {"proxy": proxy[train], "domain": domain[train]}
    if "attribute" in table:
        metadata["attribute"] = metadata["section"] = table["attribute"].to_numpy(dtype=object)[train]
    rows = embedder.fit(X[train], **metadata).transform(X)
    test = ~train & ~proxy
    scores = {}
    raw = rows.copy()
    raw[:, 0] = embedder.alpha_mean_ + embedder.alpha_scale_ * rows[:, 0]
    for name, rule in RULES.items():
        scorer.set_params(**{"standardize_beta": True, **rule})
        columns = rows if scorer.standardize_beta else raw
        scorer.fit(columns[train], proxy=proxy[train], domain=domain[train])
        scores[name] = scorer.anomaly_score(columns[test])
    healthy = test & (table["y"] == 1).to_numpy()
    probes = probe(embedder, rows, table, train & ~proxy, healthy) if "attribute" in table else {}
    return table[test], scores, probes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=20, help="of the report: 8 segments of every clip")
    parser.add_argument("--width", type=int, default=64, help="channels of the ResNet-18's first stage")
    parser.add_argument("--loud", action="store_true", help="leave waveforms as loud as they are")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"torch {torch.__version__}, {args.epochs} epochs, width {args.width}, seeds {args.seeds}")
    for data in args.data:
        for network in args.networks:
            omega, probes = {name: [] for name in RULES}, []
            for seed in args.seeds:
                folds = []
                for X, table, train in DATA[data](seed):
                    system = systems.scu2024_oevae(
                        standardize_waveform=not args.loud,
                        width=args.width,
                        embedding_dim=8 * args.width,
                        max_epochs=8 * args.epochs,
                        random_state=seed,
                        **NETWORKS[network],
                    )
                    test, scores, found = fit_and_score(system, X, table, train)
                    folds.append(test.assign(fold=len(folds), **scores))
                    probes += [found] if found else []
                clips = pd.concat(folds)
                for name in RULES:
                    known = {key: clips[key] for key in ("domain",) if clips[key].nunique() > 1}
                    omega[name].append(harmonic_auc(clips["y"], clips[name], section=clips["fold"], **known))
            values = "  ".join(f"{name} {np.mean(v):.3f} +- {np.std(v):.3f}" for name, v in omega.items())
            print(f"{data:10} {network:8} Omega: {values}", flush=True)
            for part in probes[0] if probes else ():
                accuracy, r2 = np.mean([found[part] for found in probes], axis=0)
                print(
                    f"{'':19} attribute from {part} latents: accuracy {accuracy:.3f}  R2 {r2:.3f}", flush=True
                )


if __name__ == "__main__":
    main()
