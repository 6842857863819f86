"""Networks that tell sections apart, cross-fitted, beside statistics: what mode "best" adds where sections are many.

    python benchmarks/trained.py --cache FOLDER

The toy cars of benchmarks/embedders.py: 800 healthy log-mels of four machine IDs to learn from, the ID as section. The
parts of `SectionEnsemble` are fitted one by one, as it does, and its score is taken apart: AUC and pAUC (false-alarm
rates up to 0.1) of the test clips, means over the IDs, and the share of healthy test clips called anomalous where 10 %
were asked for. Settings are the defaults of the library; nothing is chosen by these figures. ``--cache`` keeps the
networks and their scores: a run that was cut off goes on with the next network, a later one trains nothing again.
``--healthy`` compares sets of statistics on the healthy clips alone.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from embedders import load_toycar
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skasd.augment import FAULTS, add_fault
from skasd.compose import SectionScores
from skasd.embedders import DPTEmbedder, MFNEmbedder
from skasd.features import ClipStatistics
from skasd.scorers import BandScorer, TermScorer

NETWORKS = {"MFN": MFNEmbedder, "DPT": DPTEmbedder}


def network_scores(name, X, ids, train, folder):
    """Return held-out scores of the clips to learn from, scores of the others, and seconds of training."""
    file = None if folder is None else Path(folder) / f"{name.lower()}.npz"
    if file is not None and file.exists():
        kept = np.load(file)
        return kept["oof"], kept["new"], float(kept["seconds"])
    start = time.perf_counter()
    # a pipeline with a memory keeps each network as soon as it is trained
    network = make_pipeline(NETWORKS[name](verbose=1), "passthrough", memory=folder)
    scores = SectionScores(network, random_state=0)
    held_out = scores.fit_transform(X[train], section=ids[train])
    seconds = time.perf_counter() - start
    new = scores.transform(X[~train])
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, oof=held_out, new=new, seconds=seconds)
    return held_out, new, seconds


def on_healthy_clips(X, ids, n_folds=4):
    """Print how well statistics tell clips left out from those of other IDs and from made faults: no labels."""
    random = np.random.default_rng(0)
    rows = ClipStatistics().fit_transform(X)
    whole, means = np.arange(rows.shape[1]), np.arange(X.shape[1])
    band = np.resize(means * 8 // X.shape[1], len(whole))
    by_band = [whole[band == number] for number in range(8)]
    choices = {
        "means and deviations": [(whole, 1)],
        "the same, by eight bands": [(whole, 1), *((columns, 1 / 8) for columns in by_band)],
        "means": [(means, 1)],
        "means and deviations, means": [(whole, 1), (means, 1)],
    }
    found = {label: [] for label in choices}
    for each in np.unique(ids):
        own, others = np.flatnonzero(ids == each), random.permutation(np.flatnonzero(ids != each))[:90]
        fold = np.arange(len(own)) * n_folds // len(own)
        for number in range(n_folds):
            left_out = own[fold == number][::2]
            faults = [
                add_fault(
                    X[i], fault, random.choice([0.2, 0.4, 0.6, 0.8]), random_state=random.integers(2**30)
                )
                for i in left_out
                for fault in FAULTS
            ]
            faults = ClipStatistics().fit_transform(np.array(faults))
            for label, terms in choices.items():
                bands, weights = zip(*terms, strict=True)
                scorer = BandScorer(bands=list(bands), weights=weights, calibration="train")
                healthy = scorer.fit(rows[own[fold != number]]).anomaly_score(rows[left_out])
                aucs = [np.mean(scorer.anomaly_score(s)[:, None] > healthy) for s in (rows[others], faults)]
                found[label].append(aucs)
    table = pd.DataFrame({label: np.mean(aucs, axis=0) for label, aucs in found.items()})
    print(table.T.set_axis(["AUC of other IDs", "AUC of made faults"], axis=1).round(3).to_string())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--cache", default=None, help="folder that keeps the scores of the networks")
    parser.add_argument("--healthy", action="store_true", help="compare statistics on healthy clips alone")
    args = parser.parse_args()
    X, ids, train, anomaly = load_toycar()
    if args.healthy:
        return on_healthy_clips(X[train], ids[train])
    sections = np.unique(ids)
    statistics = ClipStatistics().fit_transform(X)
    rows, new = [statistics[train]], [statistics[~train]]
    columns = np.arange(statistics.shape[1])
    features = {"means and deviations": columns, "means": columns[: X.shape[1]]}
    ready = {}
    for name in args.networks:
        held_out, scores, seconds = network_scores(name, X, ids, train, args.cache)
        print(f"{name}: {seconds:.0f} s of training", flush=True)
        first = sum(part.shape[1] for part in rows)
        rows.append(held_out)
        new.append(scores)
        for term, what in enumerate(("Mahalanobis", "LOF")):
            ready[f"{name}, {what}"] = {s: first + 2 * i + term for i, s in enumerate(sections)}
    rows, new = np.hstack(rows), np.hstack(new)
    choices = {name: [name] for name in (*features, *ready)}
    choices |= {f"{name}, both": [each for each in ready if each.startswith(name)] for name in args.networks}
    choices |= {"statistics, both": list(features), "networks": list(ready), "all": [*features, *ready]}
    table = []
    for label, names in choices.items():
        if not names:
            continue
        own_ready = [ready[name] for name in names if name in ready]
        figures = []
        for each in sections:
            scorer = TermScorer(
                bands=[features[name] for name in names if name in features],
                ready=[columns_of[each] for columns_of in own_ready],
            ).fit(rows[ids[train] == each])
            own, truth = new[ids[~train] == each], anomaly[~train][ids[~train] == each]
            score = scorer.anomaly_score(own)
            alarms = np.mean(scorer.predict(own[~truth]) == -1)
            figures.append([*(roc_auc_score(truth, score, max_fpr=most) for most in (None, 0.1)), alarms])
        mean = np.mean(figures, axis=0)
        by_section = " ".join(f"{auc:.3f}" for auc, *_ in figures)
        table.append([label, *mean, by_section])
    names = ["terms", "AUC", "pAUC", "false alarms", "AUC by ID"]
    print(pd.DataFrame(table, columns=names).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
