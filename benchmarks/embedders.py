"""Detection quality of every embedder with every scorer on real log-mels of one challenge machine.

The data are all clips of the ToyCar of the 2020 development test set (four machine IDs) as log-mel energies; the
network is trained on 200 healthy clips of each ID with the ID as section. Figures are AUC and pAUC (FPR <= 0.1) of the
test clips per ID, averaged over the IDs; each scorer is fitted on the training clips of one ID.

    python benchmarks/embedders.py --embedders mfn --seeds 0 1 2
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skasd import embedders as zoo
from skasd import scorers

EMBEDDERS = {
    "mfn": zoo.MFNEmbedder(),
    "mobilenetv2": zoo.MobileNetV2Embedder(),
    "dpt": zoo.DPTEmbedder(),
    "vit": zoo.ViTEmbedder(),
}

SCORERS = {
    "LOF": scorers.LOFScorer(),
    "kNN cosine": scorers.KNNCosineScorer(),
    "kNN": scorers.KNNScorer(),
    "Mahalanobis": scorers.MahalanobisScorer(),
    "Mahalanobis, unit length": make_pipeline(Normalizer(), scorers.MahalanobisScorer()),
    "cosine to mean": scorers.CosineMeanScorer(),
}


def load_toycar():
    """Return log-mels (n_clips, 128, 200) float32, machine ID, training mask, anomaly mask."""
    root = Path(os.environ.get("SKASD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    data = np.load(root / "toycar_logmel" / "toycar_logmel.npz")
    X = data["logmel_u8"].astype(np.float32) * np.float32(data["step_db"]) + np.float32(data["floor_db"])
    return X, data["machine_id"], data["split"] == "train", data["anomaly"]


def evaluate(score_normal, rows, ids, train, anomaly):
    """Return mean AUC and pAUC over machine IDs; ``score_normal(fit_rows, rows)`` is higher for normal."""
    figures = []
    for machine in np.unique(ids):
        fit, test = (ids == machine) & train, (ids == machine) & ~train
        score = -score_normal(rows[fit], rows[test])
        figures.append(
            (roc_auc_score(anomaly[test], score), roc_auc_score(anomaly[test], score, max_fpr=0.1))
        )
    return np.mean(figures, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--embedders", nargs="+", default=list(EMBEDDERS), choices=EMBEDDERS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=None, help="other than the default of the embedder")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="other parameters")
    args = parser.parse_args()
    X, ids, train, anomaly = load_toycar()
    results = []
    for name in args.embedders:
        for seed in args.seeds:
            embedder = clone(EMBEDDERS[name]).set_params(random_state=seed, verbose=1)
            embedder.set_params(**{k: eval(v) for k, v in (pair.split("=", 1) for pair in args.set)})
            if args.epochs is not None:
                embedder.set_params(max_epochs=args.epochs)
            start = time.perf_counter()
            embedder.fit(X[train], section=ids[train])
            seconds = time.perf_counter() - start
            rows = embedder.transform(X)
            for scorer_name, scorer in SCORERS.items():
                auc, pauc = evaluate(
                    lambda a, b, s=scorer: clone(s).fit(a).score_samples(b), rows, ids, train, anomaly
                )
                results.append((name, scorer_name, seed, auc, pauc, seconds))
            log_p = embedder.predict_log_proba(X)
            own = log_p[np.arange(len(X)), np.searchsorted(embedder.classes_, ids)]
            auc, pauc = evaluate(lambda a, b: b[:, 0], own[:, None], ids, train, anomaly)
            results.append((name, "log-softmax", seed, auc, pauc, seconds))
            table = pd.DataFrame(results, columns=["embedder", "scorer", "seed", "AUC", "pAUC", "training s"])
            print(table[(table.embedder == name) & (table.seed == seed)].to_string(index=False), flush=True)
    print(f"\ntorch {torch.__version__}, {torch.get_num_threads()} threads; mean and range over seeds")
    groups = table.groupby(["embedder", "scorer"], sort=False)[["AUC", "pAUC", "training s"]]
    print(groups.agg(["mean", "min", "max"]).round(4).to_string())


if __name__ == "__main__":
    main()
