"""The default detector against the systems of the library, on every set at hand: docs/measurements_default.md.

    python benchmarks/default.py                        # hearing: Omega, bootstrap over recordings, seconds
    python benchmarks/default.py --part ablation        # the same rows with single terms of the score left out
    python benchmarks/default.py --part alarms          # false alarms at 5, 10 and 20 % asked for, and hits
    python benchmarks/default.py --part encoders        # teacher, ours, random weights, statistics
    python benchmarks/default.py --part memory          # clips by the ten thousand

Nothing is chosen by these figures: the default is fixed, the sets are only looked at. Real recordings are looked for in
the folder that ``SKASD_DATA`` names, else in ``../shared/data`` beside the checkout; without them there are the
synthetic machines. Omega is the harmonic mean of the AUC of each domain and of the pAUC (false-alarm rates up to 0.1);
of the fan, whose 20 healthy clips are five folds of four, the mean AUC over the folds.
"""

import argparse
import os
import resource
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skasd import (
    AnomalousSoundDetector,
    ClipStatistics,
    KNNScorer,
    LOFScorer,
    LogMelTransformer,
    MahalanobisScorer,
    PretrainedEmbedder,
    systems,
)
from skasd.clips import Clips
from skasd.datasets import load_dcase, make_machine_sounds, write_machine_sounds
from skasd.metrics import auc_by_domain, harmonic_auc
from skasd.scorers import BandScorer

SEVERITIES = (0.25, 0.5, 1.0)


class Machine(NamedTuple):
    """Clips of one machine with what is known of them; several splits where there are folds."""

    name: str
    X: object  # paths or waveforms
    y: np.ndarray
    domain: np.ndarray
    recording: np.ndarray
    splits: list  # of (rows to learn from, rows to test on)


def machines(seeds):
    """Yield every set at hand, one machine at a time."""
    root = Path(os.environ.get("SKASD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if (root / "car_idle").exists():
        table = load_dcase(root / "car_idle" / "dev_data")
        train = (table["split"] == "train").to_numpy()
        recording = table["path"].astype(str).str.extract(r"(car_\d+_rec_\d+)")[0].to_numpy()
        yield Machine(
            "car_idle",
            table["path"].to_numpy(),
            table["y"].astype(int).to_numpy(),
            table["domain"].to_numpy(),
            recording,
            [(np.flatnonzero(train), np.flatnonzero(~train))],
        )
    if (root / "mimii_fan").exists():
        healthy, faulty = (
            sorted((root / "mimii_fan" / kind).glob("*.flac")) for kind in ("normal", "abnormal")
        )
        y = np.repeat([1, -1], [len(healthy), len(faulty)])
        fold = np.arange(len(y)) // 4
        splits = [
            (np.flatnonzero((y == 1) & (fold != k)), np.flatnonzero((y == -1) | (fold == k)))
            for k in range(5)
        ]
        paths = np.array([str(path) for path in healthy + faulty])
        yield Machine("mimii_fan", paths, y, np.full(len(y), "source"), np.arange(len(y)), splits)
    if (root / "uav_propeller").exists():
        table = pd.read_csv(root / "uav_propeller" / "clips.csv")
        train = (table["split"] == "train").to_numpy()
        yield Machine(
            "uav_propeller",
            np.array([str(root / "uav_propeller" / path) for path in table["path"]]),
            np.where(table["label"] == "normal", 1, -1),
            table["domain"].to_numpy(),
            table["recording"].to_numpy(),
            [(np.flatnonzero(train), np.flatnonzero(~train))],
        )
    for severity in SEVERITIES:
        for seed in range(seeds):
            data = make_machine_sounds(200, 200, machine="gearbox", severity=severity, random_state=seed)
            train = (data.table["split"] == "train").to_numpy()
            yield Machine(
                f"synthetic, severity {severity:g}",
                data.X,
                data.y,
                data.table["domain"].to_numpy(),
                np.arange(len(data.y)),
                [(np.flatnonzero(train), np.flatnonzero(~train))],
            )


def omega(y, score, domain):
    """Return the harmonic mean of the AUCs of the domains and the pAUC; the AUC where there is one domain."""
    if len(set(domain)) == 1:
        return auc_by_domain(y, score, np.full(len(y), "source"))["source"]
    return harmonic_auc(y, score, domain)


def bootstrap(y, score, domain, recording, n_draws=200):
    """Return 2.5 % and 97.5 % of Omega over recordings of the test clips, drawn with replacement."""
    random = np.random.default_rng(0)
    rows = [np.flatnonzero(recording == name) for name in dict.fromkeys(recording)]
    found = []
    for _ in range(n_draws):
        drawn = np.concatenate([rows[i] for i in random.integers(len(rows), size=len(rows))])
        healthy = set(domain[drawn][y[drawn] == 1])
        if healthy == set(domain[y == 1]) and (y[drawn] == -1).any():
            found.append(omega(y[drawn], score[drawn], domain[drawn]))
    return np.quantile(found, [0.025, 0.975]) if found else (np.nan, np.nan)


def equal_level(X):
    """Return waveforms of the clips, all at one root mean square."""
    waveforms = list(Clips(X))
    return [0.05 * w / max(np.sqrt(np.mean(np.square(w))), 1e-9) for w in waveforms]


def take(X, rows):
    """Return some of the clips."""
    return [X[i] for i in rows] if isinstance(X, list) else X[rows]


def statistics(scorer):
    """Return a detector on mean and standard deviation of log-mels."""
    return make_pipeline(LogMelTransformer(), ClipStatistics(), scorer)


def detectors(epochs):
    """Return every detector by name; those of networks only where epochs are given."""
    found = {
        "default (fast)": lambda seed: AnomalousSoundDetector(),
        "default (best)": lambda seed: AnomalousSoundDetector(mode="best"),
        "statistics, Mahalanobis": lambda seed: statistics(MahalanobisScorer()),
        "statistics, kNN": lambda seed: statistics(KNNScorer()),
        "statistics, LOF": lambda seed: statistics(LOFScorer()),
    }
    if epochs:
        found |= {
            f"official autoencoder, {score}": lambda seed, score=score: systems.official_autoencoder(
                2024, score, max_epochs=epochs, random_state=seed
            )
            for score in ("mse", "mahalanobis")
        }
        found["MFN, LOF"] = lambda seed: systems.secom2021("mfn", "lof", max_epochs=epochs, random_state=seed)
    return found


def hearing(args):
    """Print Omega of every detector on every set; also with clips at equal level."""
    rows = []
    for machine in machines(args.seeds):
        for level in ("as recorded", "equal level"):
            X = machine.X if level == "as recorded" else equal_level(machine.X)
            for name, make in detectors(args.epochs).items():
                for seed in range(args.seeds if "default" not in name and "statistics" not in name else 1):
                    found, low_high, begin = [], [], time.perf_counter()
                    for train, test in machine.splits:
                        detector = make(seed).fit(take(X, train))
                        score = -detector.score_samples(take(X, test))
                        known = machine.y[test], score, machine.domain[test]
                        found.append(omega(*known))
                        low_high.append(bootstrap(*known, machine.recording[test]))
                    low, high = np.mean(low_high, axis=0)
                    rows.append(
                        {
                            "set": machine.name,
                            "level": level,
                            "detector": name,
                            "Omega": np.mean(found),
                            "low": low,
                            "high": high,
                            "seconds": (time.perf_counter() - begin) / len(machine.splits),
                        }
                    )
                    print(rows[-1], flush=True)
    table = pd.DataFrame(rows).groupby(["set", "level", "detector"], sort=False)
    print(
        table.agg(
            Omega=("Omega", "mean"),
            least=("Omega", "min"),
            greatest=("Omega", "max"),
            low=("low", "mean"),
            high=("high", "mean"),
            seconds=("seconds", "mean"),
            runs=("Omega", "size"),
        ).to_string(float_format="{:.3f}".format)
    )


def ablation(args):
    """Print Omega of the default's score with single terms left out, and each term alone."""
    rows = {}
    for machine in machines(args.seeds):
        for train, test in machine.splits:
            detector = AnomalousSoundDetector().fit(take(machine.X, train))
            features = detector.steps_[0]
            learnt, new = (features.transform(take(machine.X, rows)) for rows in (train, test))
            terms = detector.terms_
            variants = {"all terms": list(terms)}
            variants |= {f"without {name}": [n for n in terms if n != name] for name in terms}
            variants |= {f"{name} alone": [name] for name in terms}
            for variant, names in variants.items():
                bands = [band for name in names for band in terms[name]]
                weights = [1 / len(terms[name]) for name in names for _ in terms[name]]
                scorer = BandScorer(bands=bands, weights=weights, calibration="train").fit(learnt)
                value = omega(machine.y[test], scorer.anomaly_score(new), machine.domain[test])
                rows.setdefault((variant, machine.name), []).append(value)
    table = pd.Series({key: np.mean(values) for key, values in rows.items()}).unstack(sort=False)
    print(table.to_string(float_format="{:.3f}".format))


def alarms(args):
    """Print false alarms on healthy test clips and hits, where 5, 10 and 20 % are asked for."""
    rows = []
    for machine in machines(args.seeds):
        for told in ("nothing", "recordings", "domains"):
            for asked in (0.05, 0.1, 0.2):
                for train, test in machine.splits:
                    groups, domain = machine.recording[train], machine.domain[train]
                    if len(set({"recordings": groups, "domains": domain}.get(told, [0, 1]))) == 1:
                        continue
                    if told == "recordings" and len(set(groups)) == len(groups):
                        continue
                    # waveforms: names of files tell nothing
                    known = {"recordings": {"groups": groups}, "domains": {"domain": domain}}.get(told, {})
                    X = list(Clips(machine.X))
                    detector = AnomalousSoundDetector(contamination=asked).fit(take(X, train), **known)
                    score, y = -detector.score_samples(take(X, test)), machine.y[test]
                    domain = machine.domain[test]
                    alarm = score > detector.threshold_
                    ideal = np.quantile(score[y == 1], 1 - asked, method="higher")
                    rows.append(
                        {
                            "set": machine.name,
                            "told": told,
                            "asked": asked,
                            "source": alarm[(y == 1) & (domain == "source")].mean(),
                            "target": alarm[(y == 1) & (domain == "target")].mean()
                            if (domain == "target").any()
                            else np.nan,
                            "all": alarm[y == 1].mean(),
                            "hits": alarm[y == -1].mean(),
                            "hits of the ideal threshold": (score[y == -1] > ideal).mean(),
                        }
                    )
    table = pd.DataFrame(rows).groupby(["set", "told", "asked"], sort=False).mean()
    print(table.to_string(float_format="{:.3f}".format))


def encoders(args):
    """Print Omega of layers of the teacher, of ours and of random weights, and of the statistics, by Mahalanobis."""
    root = Path(os.environ.get("SKASD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    teacher = root / "weights" / "mn04_as_mAP_432.pt"
    with tempfile.TemporaryDirectory() as folder:
        untrained = Path(folder, "untrained.safetensors")
        save_untrained(untrained)
        found = {
            f"teacher, layer {layer}": PretrainedEmbedder("efficientat_mn04", weights=teacher, layer=layer)
            for layer in ("9", "11")
        }
        found |= {f"ours, layer {layer}": PretrainedEmbedder(layer=layer) for layer in ("9", "11")}
        found |= {
            f"random weights, layer {layer}": PretrainedEmbedder(weights=untrained, layer=layer)
            for layer in ("9", "11")
        }
        found["statistics"] = PretrainedEmbedder(layer="mel")
        rows = {}
        for machine in machines(args.seeds):
            for name, embedder in found.items():
                fitted = clone(embedder).fit(take(machine.X, [0]))
                E = fitted.transform(machine.X)
                for kind in ("whole", "by position"):
                    for train, test in machine.splits:
                        columns = np.ptp(E[train], axis=0) > 0
                        scorer = (
                            MahalanobisScorer(calibration="train")
                            if kind == "whole"
                            else BandScorer(bands=fitted.bands_[columns], calibration="train")
                        )
                        score = scorer.fit(E[train][:, columns]).anomaly_score(E[test][:, columns])
                        value = omega(machine.y[test], score, machine.domain[test])
                        rows.setdefault((f"{name}, {kind}", machine.name), []).append(value)
    table = pd.Series({key: np.mean(values) for key, values in rows.items()}).unstack(sort=False)
    print(table.to_string(float_format="{:.3f}".format))


def save_untrained(path):
    """Write the encoder's file with random weights."""
    import torch
    from safetensors.torch import save_file

    from skasd.nn import MachineEncoder

    torch.manual_seed(0)
    network = MachineEncoder()
    # running statistics of something: with those of no batch at all activations die out
    network(3 * torch.randn(8, 1, 128, 200) - 5)
    save_file({k: v.contiguous() for k, v in network.state_dict().items() if "num_batches" not in k}, path)


def memory(args):
    """Print the greatest memory of fit and score, in MB, for a thousand and for twenty thousand short clips."""
    with tempfile.TemporaryDirectory() as folder:
        data = write_machine_sounds(folder, 200, 0, duration=1.0, random_state=0)
        paths = sorted(str(path) for path in Path(folder).rglob("*.wav")) or list(data["path"])
        for n_clips in (1_000, 20_000):
            clips = [paths[i % len(paths)] for i in range(n_clips)]
            begin = time.perf_counter()
            detector = AnomalousSoundDetector().fit(clips, groups=np.arange(n_clips) % len(paths))
            detector.score_samples(clips[:1000])
            seconds = time.perf_counter() - begin
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{n_clips:6d} clips of 1 s: peak {peak:.0f} MB, {seconds:.0f} s", flush=True)


def main():
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {f.__name__: f for f in (hearing, ablation, alarms, encoders, memory)}
    parser.add_argument("--part", choices=parts, default="hearing")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=0, help="of the networks to compare with; 0: none")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    parts[args.part](args)


if __name__ == "__main__":
    main()
