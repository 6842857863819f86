"""
Is this machine still healthy?
==============================

A detector learns from recordings of healthy machines only, then scores new ones. Without arguments the recordings are
synthetic; ``--data FOLDER`` takes a folder in the layout of the DCASE Challenge (``FOLDER/MACHINE/{train,test}``).

Few training clips are of the target domain, other loads or speeds, where half of the test clips come from. Told which
ones, a scorer keeps a reference for each domain and brings their scores to one scale: the false-alarm rate that was
asked for (0.1) then holds in both.
"""

import argparse
from pathlib import Path

import matplotlib
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LOFScorer, LogMelTransformer, MahalanobisScorer
from skasd.datasets import load_dcase, make_machine_sounds
from skasd.metrics import auc_by_domain, official_score, partial_auc
from skasd.plotting import ROCByDomainDisplay, ScoreDisplay

# name, scorer, and whether it is told the domains of the training clips
SCORERS = [
    ("Mahalanobis", MahalanobisScorer(), False),
    ("kNN", KNNScorer(), False),
    ("LOF", LOFScorer(), False),
    ("kNN, by domain", KNNScorer(domain_normalization="zscore"), True),
    ("Mahalanobis, by domain", MahalanobisScorer(domain_normalization="zscore"), True),
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
    last = detector.steps[-1][0]
    detector.fit(X[train], **({f"{last}__domain": table["domain"][train]} if by_domain else {}))
    score, known = -detector.score_samples(X[test]), table[test]
    y, domain = known["y"].astype(int).to_numpy(), known["domain"].to_numpy()
    alarm = detector.predict(X[test]) == -1
    auc = auc_by_domain(y, score, domain)
    row = {
        "AUC source": auc.get("source"),
        "AUC target": auc.get("target"),
        "pAUC": partial_auc(y, score),
        "Omega": official_score(
            y, score, machine=known["machine"], section=known["section"], domain=domain, year=2023
        ).score,
        "threshold": -detector.steps[-1][1].offset_,
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
        for name, scorer, by_domain in SCORERS:
            detector = make_pipeline(LogMelTransformer(), ClipStatistics(), clone(scorer))
            rows[name], predictions = evaluate(detector, clips, known, by_domain)
            shown = detector, predictions
        print(pd.DataFrame(rows).T.to_string(float_format="{:.3f}".format))

        detector, (score, y, domain) = shown
        figure = plt.figure(figsize=(11, 4.5), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=[3, 2], squeeze=False)[0]
        ScoreDisplay.from_predictions(
            score,
            y,
            domain=domain,
            threshold=-detector.steps[-1][1].offset_,
            ax=left.subplots(2, 1, sharex=True),
        )
        ROCByDomainDisplay.from_predictions(score, y, domain=domain, ax=right.subplots())
        path = folder / f"quickstart_{machine}.png"
        figure.savefig(path, dpi=120)
        plt.close(figure)
        print(f"picture: {path}")


if __name__ == "__main__":
    main()
