"""Regret of choosing a detector on healthy clips alone against choosing it by labels, on every set at hand.

    python benchmarks/selection.py

A fixed list of candidates, the simplest first. Of each set: what `select_without_anomalies` chooses from the clips to
learn from, what each candidate reaches on the clips to test on (Omega as in benchmarks/default.py; of the toy cars,
which are spectrograms, the mean of AUC and pAUC per machine ID), and the regret: the best of them minus the chosen.
Beside it what it would have been with the default detector as the first candidate, which stands where the clips
cannot tell; and what it would cost to take the first candidate, the default detector, or any at random. Labels are
used for these columns alone.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from default import machines, omega, statistics, take
from embedders import load_toycar
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skasd import (
    AnomalousSoundDetector,
    ClipStatistics,
    KNNScorer,
    LOFScorer,
    MahalanobisScorer,
    PretrainedEmbedder,
)
from skasd.model_selection import select_without_anomalies
from skasd.scorers import FewClipsWarning

DEFAULT = "default detector"


def candidates():
    """Return detectors on clips, the simplest first."""
    found = [
        (f"statistics, {name}", statistics(scorer))
        for name, scorer in (("Mahalanobis", MahalanobisScorer()), ("kNN", KNNScorer()), ("LOF", LOFScorer()))
    ]
    found += [
        (f"layer {layer}, Mahalanobis", make_pipeline(PretrainedEmbedder(layer=layer), MahalanobisScorer()))
        for layer in ("6", "9", "11")
    ]
    return [*found, (DEFAULT, AnomalousSoundDetector())]


def candidates_on_spectrograms():
    """Return detectors on spectrograms, the simplest first."""
    found = []
    for what in (("mean",), ("mean", "std")):
        for name, scorer in (
            ("Mahalanobis", MahalanobisScorer()),
            ("kNN", KNNScorer()),
            ("LOF", LOFScorer()),
        ):
            found.append((f"{' + '.join(what)}, {name}", make_pipeline(ClipStatistics(what), scorer)))
    return found


def sets(seeds):
    """Yield name, candidates, clips to learn from, and what tells how good a fitted candidate is."""
    for machine in machines(seeds):
        for number, (train, test) in enumerate(machine.splits):

            def reached(detector, machine=machine, test=test):
                score = -detector.score_samples(take(machine.X, test))
                return omega(machine.y[test], score, machine.domain[test])

            name = machine.name if len(machine.splits) == 1 else f"{machine.name}, fold {number}"
            yield name, candidates(), take(machine.X, train), reached
    X, ids, train, anomaly = load_toycar()
    for each in np.unique(ids):
        own, test = (ids == each) & train, (ids == each) & ~train

        def reached(detector, test=test):
            score = -detector.score_samples(X[test])
            return np.mean([roc_auc_score(anomaly[test], score, max_fpr=most) for most in (None, 0.1)])

        yield f"toy car {each}", candidates_on_spectrograms(), X[own], reached


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="of the synthetic machines")
    parser.add_argument("--sets", default="", help="only those whose name contains this")
    args = parser.parse_args()
    warnings.simplefilter("ignore", FewClipsWarning)  # thresholds play no part
    rows = []
    for name, pairs, X, reached in sets(args.seeds):
        if args.sets not in name:
            continue
        start = time.perf_counter()
        chosen = select_without_anomalies(pairs, X, random_state=0, refit=False)
        seconds = time.perf_counter() - start
        figures = {which: reached(clone(each).fit(X)) for which, each in pairs}
        best = max(figures.values())
        tied = chosen.results_.set_index("candidate")["within_one_se"]
        rows.append(
            {
                "set": name,
                "recordings": chosen.n_recordings_,
                "chosen": chosen.best_name_,
                "alone": chosen.is_conclusive_,
                "reached": figures[chosen.best_name_],
                "best": max(figures, key=figures.get),
                "regret": best - figures[chosen.best_name_],
                "default first": best - figures[DEFAULT if tied.get(DEFAULT) else chosen.best_name_],
                "of the first": best - figures[pairs[0][0]],
                "of the default": best - figures[DEFAULT] if DEFAULT in figures else np.nan,
                "of chance": best - np.mean(list(figures.values())),
                "seconds": seconds,
            }
        )
        print(chosen.message_, flush=True)
        print(chosen.results_.round(3).T.to_string(), flush=True)
        print({which: round(float(figure), 3) for which, figure in figures.items()}, flush=True)
        print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    print(table.round(3).to_string(index=False))
    print(
        table[["regret", "of the first", "of the default", "of chance"]]
        .agg(["mean", "max"])
        .round(3)
        .to_string()
    )


if __name__ == "__main__":
    main()
