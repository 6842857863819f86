"""Detection quality of every embedder with every scorer, and of ensembles, on real log-mels of one challenge machine.

The data are all clips of the ToyCar of the 2020 development test set (four machine IDs) as log-mel energies; each
network is trained on 200 healthy clips of each ID with the ID as section. Figures are AUC and pAUC (FPR <= 0.1) of the
test clips per ID, averaged over the IDs; each scorer is fitted on the training clips of one ID.

    python benchmarks/embedders.py --embedders mfn dpt --seeds 0 1 2

``--cache FOLDER`` keeps the embeddings: a later run with the same settings trains nothing again.
"""

import argparse
import os
import time
from itertools import combinations
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skasd import embedders as zoo
from skasd import scorers
from skasd.compose import ScoreEnsemble

SED = {"loss": "binary_cross_entropy", "mixing": "sound_events"}
EMBEDDERS = {
    "mfn": zoo.MFNEmbedder(),
    "mobilenetv2": zoo.MobileNetV2Embedder(),
    "mobilenetv2 sed": zoo.MobileNetV2Embedder(**SED),
    "dpt": zoo.DPTEmbedder(output=("embedding", "reconstruction_error")),
    "vit": zoo.ViTEmbedder(),
    "vit sed": zoo.ViTEmbedder(**SED),
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


def embed(embedder, X, ids, train):
    """Train and return embeddings, each clip's own log-probability, reconstruction errors and seconds."""
    start = time.perf_counter()
    embedder.fit(X[train], section=ids[train])
    seconds = time.perf_counter() - start
    rows = embedder.transform(X)
    log_p = embedder.predict_log_proba(X)
    own = log_p[np.arange(len(X)), np.searchsorted(embedder.classes_, ids)]
    if "reconstruction_error" not in embedder.output:
        return rows, own, None, seconds
    return rows[:, :-1], own, rows[:, -1], seconds


def figures(detector, columns, ids, train, anomaly):
    """Return mean AUC and pAUC over machine IDs of a detector fitted to each ID's training clips."""
    result = []
    for machine in np.unique(ids):
        fit, test = (ids == machine) & train, (ids == machine) & ~train
        score = -clone(detector).fit(columns[fit]).score_samples(columns[test])
        result.append((roc_auc_score(anomaly[test], score), roc_auc_score(anomaly[test], score, max_fpr=0.1)))
    return np.mean(result, axis=0)


def member(columns, scorer):
    """Return a detector on some of the columns."""
    return make_pipeline(ColumnTransformer([("own", "passthrough", columns)]), clone(scorer))


def ensemble(first, second, scorer):
    """Return the sum of one scorer's standardised scores on two blocks of columns."""
    blocks = slice(0, first.shape[1]), slice(first.shape[1], first.shape[1] + second.shape[1])
    return ScoreEnsemble([(str(i), member(block, scorer)) for i, block in enumerate(blocks)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--embedders", nargs="+", default=list(EMBEDDERS), choices=EMBEDDERS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=None, help="other than the default of the embedder")
    parser.add_argument("--cache", default=None, help="folder that keeps the embeddings")
    args = parser.parse_args()
    X, ids, train, anomaly = load_toycar()
    memory = joblib.Memory(args.cache, verbose=0)
    cached = memory.cache(embed)
    results, rows = [], {}
    for seed in args.seeds:
        for name in args.embedders:
            embedder = clone(EMBEDDERS[name]).set_params(random_state=seed)
            if args.epochs is not None:
                embedder.set_params(max_epochs=args.epochs)
            rows[name, seed], own, error, seconds = cached(embedder, X, ids, train)
            for scorer_name, scorer in SCORERS.items():
                auc, pauc = figures(scorer, rows[name, seed], ids, train, anomaly)
                results.append((name, scorer_name, seed, auc, pauc, seconds))
            columns = {"log-softmax": -own[:, None]}
            if error is not None:
                columns["reconstruction error"] = error[:, None]
                columns["log-softmax & error"] = np.column_stack([-own, error])
            for scorer_name, scores in columns.items():
                detector = scorers.ColumnScorer()
                if scores.shape[1] == 2:
                    detector = ensemble(scores[:, :1], scores[:, 1:], detector)
                auc, pauc = figures(detector, scores, ids, train, anomaly)
                results.append((name, scorer_name, seed, auc, pauc, seconds))
            done = pd.DataFrame(results, columns=["system", "scorer", "seed", "AUC", "pAUC", "training s"])
            print(done[(done.system == name) & (done.seed == seed)].to_string(index=False), flush=True)
        for first, second in combinations(args.embedders, 2):
            for scorer_name in ("LOF", "kNN", "Mahalanobis"):
                blocks = rows[first, seed], rows[second, seed]
                detector = ensemble(*blocks, SCORERS[scorer_name])
                auc, pauc = figures(detector, np.hstack(blocks), ids, train, anomaly)
                results.append((f"{first} + {second}", scorer_name, seed, auc, pauc, np.nan))
    table = pd.DataFrame(results, columns=["system", "scorer", "seed", "AUC", "pAUC", "training s"])
    print(
        f"\ntorch {torch.__version__}, {torch.get_num_threads()} threads; mean and range over seeds {args.seeds}"
    )
    groups = table.groupby(["system", "scorer"], sort=False)[["AUC", "pAUC", "training s"]]
    print(groups.agg(["mean", "min", "max"]).round(4).to_string())


if __name__ == "__main__":
    main()
