"""Choices of defaults that were made on labelled toy cars, tried once on data that had no part in them.

The reports print none of: how the dual-path transformer becomes one embedding, what is hidden for its reconstruction
error, a learning rate that trains MobileNetV2 from random weights; and CQUPT's vision transformer mixes nothing. What
the library does instead was chosen by the labelled test clips of four toy cars (2020). Here every choice stands beside
what it was chosen over, on idling car engines (cars as sections), on MIMII fan (five folds of four healthy clips,
pseudo-classes) and on a synthetic gearbox (its settings as sections). Figures are Omega, or the mean of AUC and pAUC
in harmonic mean where there is one domain.

    python benchmarks/choices.py --choices dpt mobilenetv2 vit --data car_idle mimii_fan synthetic --epochs 10
"""

import argparse
import warnings

import numpy as np
import pandas as pd
import torch
from outlier_exposure import DATA

from skasd import nn
from skasd.embedders import DPTEmbedder, MobileNetV2Embedder, ViTEmbedder
from skasd.features import LogMelTransformer
from skasd.metrics import harmonic_auc
from skasd.scorers import LOFScorer, MahalanobisScorer


class AveragedTransformer(nn.DualPathTransformer):
    """Averages tokens over frequency as well as over time."""

    def __init__(self, *args, dim, embedding_dim, **sizes):
        super().__init__(*args, dim=dim, embedding_dim=embedding_dim, **sizes)
        self.head = torch.nn.Linear(dim, embedding_dim)

    def _embed(self, tokens):
        return self.head(tokens.mean((0, 2)))


class AveragedDPTEmbedder(DPTEmbedder):
    """Embeds by the average over frequency and time."""

    def _make_backbone(self, n_bins, n_frames):
        sizes = {name: getattr(self, name) for name in ("patch", "dim", "heads", "blocks", "embedding_dim")}
        return AveragedTransformer(n_bins, n_frames, **sizes)


def error_with_nothing_hidden(network, x):
    image = network.standardize(x)
    return network.backbone.patch_errors(image, network.backbone.reconstruct(image)).mean(1)


def dpt(fit, transform):
    """Yield what was tried and the anomaly scores; the choice first, then what it was chosen over."""
    output = ("embedding", "reconstruction_error")
    embedder = fit(DPTEmbedder(output=output))
    rows, columns = transform(embedder)
    yield "DPT, frequencies side by side, LOF", lof(rows[:, :-1], columns[:, :-1])
    other = fit(AveragedDPTEmbedder())
    yield "DPT, mean over frequencies, LOF", lof(*transform(other))
    yield "DPT, error of hidden bands", columns[:, -1]
    network = embedder.embedding_network_
    network.reconstruction_error = lambda x: error_with_nothing_hidden(network, x)
    yield "DPT, error with nothing hidden", transform(embedder)[1][:, -1]


def mobilenetv2(fit, transform):
    for lr in (1e-2, 1e-3):
        rows, columns = transform(fit(MobileNetV2Embedder(lr=lr)))
        yield f"MobileNetV2, lr {lr:g}, Mahalanobis", MahalanobisScorer().fit(rows).anomaly_score(columns)


def vit(fit, transform):
    for mixing in ("auto", None):
        yield (
            f"ViT, {'mixup' if mixing else 'nothing mixed'}, LOF",
            lof(*transform(fit(ViTEmbedder(mixing=mixing)))),
        )


def lof(rows, columns):
    return LOFScorer().fit(rows).anomaly_score(columns)


CHOICES = {"dpt": dpt, "mobilenetv2": mobilenetv2, "vit": vit}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--choices", nargs="+", default=list(CHOICES), choices=CHOICES)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"torch {torch.__version__}, {args.epochs} epochs, seeds {args.seeds}")
    for data in args.data:
        for choice in args.choices:
            found: dict = {}
            for seed in args.seeds:
                for name, omega in tried(CHOICES[choice], DATA[data](seed), seed, args.epochs):
                    found.setdefault(name, []).append(omega)
            for name, values in found.items():
                spread = f" +- {np.std(values):.3f}" if len(values) > 1 else ""
                print(f"{data:10} {name:36} {np.mean(values):.3f}{spread}", flush=True)


def tried(choice, folds, seed, epochs):
    """Return pairs of what was tried and its Omega over the folds."""
    clips: dict = {}
    for fold, (X, table, train) in enumerate(folds):
        own = ~table["proxy"].to_numpy()
        X, table, train = X[own], table[own], train[own]
        X = LogMelTransformer().transform(X)
        section = table["attribute"].astype(str).to_numpy()[train] if "attribute" in table else None

        def fit(embedder, X=X[train], section=section):
            return embedder.set_params(max_epochs=epochs, random_state=seed).fit(X, section=section)

        def transform(embedder, X=X, train=train):
            return embedder.transform(X[train]), embedder.transform(X[~train])

        for name, scores in choice(fit, transform):
            clips.setdefault(name, []).append(table[~train].assign(fold=fold, score=scores))
    for name, parts in clips.items():
        test = pd.concat(parts)
        known = {"domain": test["domain"]} if test["domain"].nunique() > 1 else {}
        yield name, harmonic_auc(test["y"], test["score"], section=test["fold"], **known)


if __name__ == "__main__":
    main()
