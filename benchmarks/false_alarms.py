"""Share of new healthy clips called anomalous where few clips are known: ``python benchmarks/false_alarms.py``."""

import argparse
import warnings

import numpy as np
from sklearn.base import clone

from skasd.scorers import (
    CosineMeanScorer,
    KMeansScorer,
    KNNScorer,
    LOFScorer,
    MahalanobisScorer,
)

SCORERS = {
    "Mahalanobis": MahalanobisScorer(),
    "Mahalanobis, OAS": MahalanobisScorer(shrinkage="oas"),
    "Mahalanobis, not standardised": MahalanobisScorer(standardize_features=False),
    "LOF": LOFScorer(),
    "1-NN": KNNScorer(),
    "1-NN, density ratio": KNNScorer(density_normalization="ratio"),
    "k-means": KMeansScorer(random_state=0),
    "cosine to mean": CosineMeanScorer(),
}


def make(rng, n_clips, n_features):
    """Correlated features of unequal scale, as means and deviations of log-mels are; skewed a little."""
    latent = rng.standard_normal((n_clips, 8))
    mixing = np.random.default_rng(0).standard_normal((8, n_features))
    scale = np.random.default_rng(1).lognormal(size=n_features)
    return scale * (10 + latent @ mixing + rng.standard_normal((n_clips, n_features)))


def rate(scorer, n_train, n_features, n_runs, seed=0, **metadata):
    """Return the mean false-alarm rate on new clips over training sets, by domain if there are domains."""
    found = []
    for run in range(n_runs):
        rng = np.random.default_rng([seed, run])
        X, new = make(rng, n_train, n_features), make(rng, 200, n_features)
        shift = 3 * np.random.default_rng(2).standard_normal(n_features) * new.std(axis=0)
        n_target = metadata.get("n_target", 0)
        domain = None
        if n_target:
            domain = np.where(np.arange(n_train) < n_target, "target", "source")
            X[:n_target] += shift
        fitted = clone(scorer).fit(X, domain=domain)
        rates = [np.mean(fitted.predict(new) == -1)]
        if n_target:
            rates.append(np.mean(fitted.predict(new + shift) == -1))
        found.append(rates)
    return np.mean(found, axis=0)


def recordings(rng, n, n_features, pairs):
    """Return 12 windows each of n recordings; of pairs of one unit each, where `pairs` holds the units' places."""
    place = rng.standard_normal((n, n_features))
    if pairs is not None:
        place += pairs[np.arange(n) // 2 % len(pairs)]
    windows = place[:, None] + 0.3 * rng.standard_normal((n, 12, n_features))
    return windows.reshape(-1, n_features), np.repeat(np.arange(n), 12)


def print_recordings(n_runs):
    """Print false-alarm rates on new recordings where whole ones are held out."""
    print("0.1 asked for; new recordings, 1-NN / Mahalanobis")
    print(f"{'':24}", *(f"{n:>2} dimensions" for n in (2, 5, 20, 60)))
    for kind in ("independent", "in pairs"):
        for n in (8, 20, 40):
            line = []
            for n_features in (2, 5, 20, 60):
                found = []
                for run in range(n_runs):
                    rng = np.random.default_rng([n, n_features, run])
                    pairs = 5 * rng.standard_normal((n // 2, n_features)) if kind == "in pairs" else None
                    X, groups = recordings(rng, n, n_features, pairs)
                    new, _ = recordings(rng, 200, n_features, pairs)
                    fitted = [scorer.fit(X, groups=groups) for scorer in (KNNScorer(), MahalanobisScorer())]
                    found.append([np.mean(scorer.predict(new) == -1) for scorer in fitted])
                line.append("/".join(f"{rate:.2f}" for rate in np.mean(found, axis=0)))
            print(f"{n:2} recordings {kind:11}", *(f"{rates:>13}" for rates in line), flush=True)


def print_copies(n_features, n_runs):
    """Print false-alarm rates where each of 40 clips has a copy among the others, far from it in their order."""
    print(f"0.1 asked for; 40 clips, {n_features} features, {n_runs} training sets")
    print(f"{'':32}{'no copies':>14}{'with copies':>14}{'groups= tells':>14}{'copies next':>14}")
    for name, scorer in SCORERS.items():
        found = []
        for run in range(n_runs):
            rng = np.random.default_rng(run)
            X, new = make(rng, 40, n_features), make(rng, 500, n_features)
            twice, groups = np.vstack([X, X]), np.tile(np.arange(40), 2)
            fitted = [clone(scorer).fit(X), clone(scorer).fit(twice), clone(scorer).fit(twice, groups=groups)]
            fitted.append(clone(scorer).fit(np.repeat(X, 2, axis=0)))
            found.append([np.mean(each.predict(new) == -1) for each in fitted])
        print(f"{name:32}", *(f"{rate:13.2f}" for rate in np.mean(found, axis=0)), flush=True)


def main(arguments=None):
    """Print the tables of docs/measurements_thresholds.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--contamination", type=float, default=0.05)
    parser.add_argument(
        "--recordings", action="store_true", help="windows of recordings instead of single clips"
    )
    parser.add_argument("--copies", action="store_true", help="clips that are there twice")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    if given.recordings:
        print_recordings(given.runs)
        return
    if given.copies:
        print_copies(given.features, given.runs)
        return
    sizes = (5, 10, 19, 20, 50, 100, 200)
    print(f"contamination={given.contamination}, {given.features} features, {given.runs} training sets")
    print(f"{'clips':32}", *(f"{n:>5}" for n in sizes))
    for name, scorer in SCORERS.items():
        scorer = clone(scorer).set_params(contamination=given.contamination)
        rates = [rate(scorer, n, given.features, given.runs)[0] for n in sizes]
        print(f"{name:32}", *(f"{value:5.2f}" for value in rates), flush=True)
    counts = (3, 5, 10, 19, 50)
    print("\n100 clips, some of them of the target domain: false alarms in source / in target")
    print(f"{'target clips':32}", *(f"{n:>11}" for n in counts))
    for name, scorer in SCORERS.items():
        scorer = clone(scorer).set_params(contamination=given.contamination)
        for normalization in (None, "zscore"):
            scorer.set_params(domain_normalization=normalization)
            rates = [rate(scorer, 100, given.features, given.runs, n_target=n) for n in counts]
            label = name if normalization is None else f"{name}, zscore"
            print(f"{label:32}", *(f"{s:5.2f}/{t:5.2f}" for s, t in rates), flush=True)


if __name__ == "__main__":
    main()
