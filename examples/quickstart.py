"""
Is this machine still healthy?
==============================

A detector learns from recordings of healthy machines only, then scores new ones. Without arguments the recordings are
synthetic; ``--data FOLDER`` takes a folder in the layout of the DCASE Challenge (``FOLDER/MACHINE/{train,test}``).

The default detector needs no choices; beside it stand classical ones on statistics of the spectrogram. Few training
clips are of the target domain, other loads or speeds, where half of the test clips come from. Told which ones, a
detector keeps a reference for each domain, so that the false-alarm rate that was asked for (0.1) can hold in both.
"""

import argparse
from pathlib import Path

import matplotlib
import pandas as pd
import sklearn
from sklearn.pipeline import make_pipeline

from skasd import (
    AnomalousSoundDetector,
    ClipStatistics,
    KNNScorer,
    LOFScorer,
    LogMelTransformer,
    MahalanobisScorer,
)
from skasd.datasets import load_dcase, make_machine_sounds
from skasd.metrics import auc_by_domain, official_score, partial_auc
from skasd.plotting import ROCByDomainDisplay, ScoreDisplay


def statistics(scorer):
    """Return a detector on mean and standard deviation of log-mel bands."""
    return make_pipeline(LogMelTransformer(), ClipStatistics(), scorer)


# name, detector, and whether it is told the domains of the training clips
DETECTORS = [
    ("Mahalanobis", statistics(MahalanobisScorer()), False),
    ("kNN", statistics(KNNScorer()), False),
    ("LOF", statistics(LOFScorer()), False),
    ("kNN, by domain", statistics(KNNScorer(domain_normalization="zscore")), True),
    ("Mahalanobis, by domain", statistics(MahalanobisScorer(domain_normalization="zscore")), True),
    ("default", AnomalousSoundDetector(), False),
    ("default, by domain", AnomalousSoundDetector(), True),
]


def load(folder):
    """Return clips of all machines, each a path or a waveform, and the table of what is known about them."""
    if folder is not None:
        table = load_dcase(folder)
        return table["path"].to_numpy(), table
    print("No --data given: these sounds are synthetic.")
    data = make_machine_sounds(n_train=400, n_test=300, random_state=0)
    return data.X, data.table


def evaluate(detector, X, table, by_domain):
    """Fit on the healthy training clips of one machine, score its test clips; return one row of figures."""
    train, test = (table["split"] == "train").to_numpy(), (table["split"] == "test").to_numpy()
    detector.fit(X[train], **({"domain": table["domain"][train].to_numpy()} if by_domain else {}))
    score, known = -detector.score_samples(X[test]), table[test]
    y, domain = known["y"].astype(int).to_numpy(), known["domain"].to_numpy()
    alarm = detector.predict(X[test]) == -1
    threshold = score[0] + detector.decision_function(X[test][:1])[0]
    auc = auc_by_domain(y, score, domain)
    row = {
        "AUC source": auc.get("source"),
        "AUC target": auc.get("target"),
        "pAUC": partial_auc(y, score),
        "Omega": official_score(
            y, score, machine=known["machine"], section=known["section"], domain=domain, year=2023
        ).score,
        "threshold": threshold,
        "false alarms": alarm[y == 1].mean(),
        "hits": alarm[y == -1].mean(),
    }
    return row, (score, y, domain)


def main():
    """Train, evaluate, print the table and draw the picture."""
    parser = argparse.ArgumentParser(description="Train detectors, evaluate them, draw the picture")
    parser.add_argument(
        "--data", help="folder in the layout of the DCASE Challenge; default: synthetic sounds"
    )
    parser.add_argument("--output", default="outputs", help="folder for the picture (default: %(default)s)")
    args = parser.parse_args()
    sklearn.set_config(enable_metadata_routing=True)  # domains find the step that uses them
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    X, table = load(args.data)
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    for machine, known in table.groupby("machine"):
        clips = X[known.index.to_numpy()]
        known = known.reset_index(drop=True)
        counts = known["split"].value_counts()
        print(
            f"\n{machine}: {counts.get('train', 0)} healthy clips to learn from, {counts.get('test', 0)} to test on"
        )
        rows = {}
        for name, detector, by_domain in DETECTORS:
            rows[name], predictions = evaluate(detector, clips, known, by_domain)
            shown = rows[name], predictions
        print(pd.DataFrame(rows).T.to_string(float_format="{:.3f}".format))

        row, (score, y, domain) = shown
        figure = plt.figure(figsize=(11, 4.5), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=[3, 2], squeeze=False)[0]
        ScoreDisplay.from_predictions(
            score,
            y,
            domain=domain,
            threshold=row["threshold"],
            bins=60,
            ax=left.subplots(2, 1, sharex=True),
        )
        ROCByDomainDisplay.from_predictions(score, y, domain=domain, ax=right.subplots())
        path = folder / f"quickstart_{machine}.png"
        figure.savefig(path, dpi=120)
        plt.close(figure)
        print(f"picture: {path}")


if __name__ == "__main__":
    main()
