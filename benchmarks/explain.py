"""Whether explanations point at faults that were put into healthy clips, and what they cost.

Tones (1 to 4 s), bands of noise (1 to 4 s, a third of an octave to one octave) and bursts of noise (0.1 to 0.4 s,
one to two octaves) begin at a random time in a random band (200 to 7000 Hz) of healthy clips that were not learnt.
The level of a fault is its energy over that of the healthy clip in the same time and band, in dB; the band of a
tone is a third of an octave around it.

A tile points at a fault if, over time and over frequency, at least half of the tile lies in the fault or half of
the fault in the tile. Of an explanation that is asked of the tile with the largest share; of a gradient of the
score with respect to the detector's own log-mels, by its mean magnitude in each tile and by its product with the
difference to the nearest healthy clip; "chance" is the share of all tiles that point. LOF and distances to the
nearest training clips have the gradient of the latter. The middle of the first segment is asked as well.

An explanation is to tell what a score comes from, which need not be the fault: clips that were not learnt differ
from those learnt from in other ways, too. So the figures are given for all clips, for those called anomalous, for
those in which the detector hears the fault (the score rises by more than the standard deviation of the scores of
healthy clips that were not learnt), and for those in which the fault is the main cause: it makes more than half of
what the clip scores above what stands in its place.

The time is that of the calling thread's processor, of clips of 10 s, with an explainer that has looked at the healthy
clips before.

    python benchmarks/explain.py --data synthetic car_idle mimii_fan --n 5
    python benchmarks/explain.py --tables *.csv  # of several runs with --csv
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
import torch
from outlier_exposure import data_folder
from sklearn.pipeline import make_pipeline
from systems import load as load_cars

from skasd import (
    AnomalousSoundDetector,
    ClipStatistics,
    LOFScorer,
    LogMelTransformer,
    MahalanobisScorer,
    MFNEmbedder,
)
from skasd.clips import Clips
from skasd.datasets import make_machine_sounds
from skasd.explain import Explainer
from skasd.features import time_frequency_axes
from skasd.systems import official_autoencoder

RATE = 16000
LEVELS = (-6, 0, 6, 12)
WHICH = ("called anomalous", "heard", "main cause")
COLUMNS = [*WHICH, "tiles", "segment", "gradient", "gradient x difference", "chance"]
KINDS = ("tone", "band of noise", "burst")


def synthetic(seed):
    made = make_machine_sounds(
        n_train=60, n_test=20, anomaly_fraction=0.0, duration=10.0, domains=("source",), random_state=seed
    )
    train = (made.table["split"] == "train").to_numpy()
    return made.X[train], made.X[~train]


def car_idle(seed):
    X, table = load_cars("car_idle")
    X = np.asarray(X)
    train = (table["split"] == "train").to_numpy()
    return X[train], X[~train & (table["y"] == 1).to_numpy()]


def mimii_fan(seed):
    paths = sorted((data_folder() / "mimii_fan" / "normal").iterdir())
    X = np.stack([waveform[: 10 * RATE] for waveform in Clips(paths)])
    return X[:16], X[16:]


DATA = {"synthetic": synthetic, "car_idle": car_idle, "mimii_fan": mimii_fan}


def detectors(epochs, seed):
    return {
        "statistics": make_pipeline(LogMelTransformer(), ClipStatistics(), MahalanobisScorer()),
        "default": AnomalousSoundDetector(),
        "autoencoder": official_autoencoder(max_epochs=epochs, random_state=seed),
        "MobileFaceNet": make_pipeline(
            LogMelTransformer(), MFNEmbedder(max_epochs=epochs, random_state=seed), LOFScorer()
        ),
    }


def within(sound, start, end, low, high):
    """Return a sound in a time and a band alone."""
    spectrum = np.fft.rfft(sound[start:end])
    frequencies = np.fft.rfftfreq(end - start, 1 / RATE)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    out = np.zeros(len(sound))
    out[start:end] = np.fft.irfft(spectrum, end - start)
    return out


def inject(clip, kind, level, random):
    """Return a clip with a fault in it, and where that lies: start, end (s), low, high (Hz)."""
    seconds = random.uniform(0.1, 0.4) if kind == "burst" else random.uniform(1, 4)
    n = round(seconds * RATE)
    start = int(random.integers(0, len(clip) - n))
    octaves = {"tone": 1 / 3, "band of noise": random.uniform(1 / 3, 1), "burst": random.uniform(1, 2)}[kind]
    centre = 2 ** random.uniform(np.log2(200) + octaves / 2, np.log2(7000) - octaves / 2)
    low, high = centre * 2 ** (-octaves / 2), centre * 2 ** (octaves / 2)
    t = np.arange(len(clip)) / RATE
    fault = (
        np.sin(2 * np.pi * centre * t + random.uniform(0, 6))
        if kind == "tone"
        else random.normal(size=len(clip))
    )
    place = (start, start + n, low, high)
    fault = within(fault, *place)
    ramp = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.01 * RATE))
    fault[start : start + n] *= ramp
    healthy = np.sum(within(clip, *place) ** 2)
    fault *= np.sqrt(10 ** (level / 10) * healthy / np.sum(fault**2))
    return (clip + fault).astype(np.float32), (start / RATE, (start + n) / RATE, low, high)


def points(found, place):
    """Return for each tile (n_bands, n_times) whether it points at a fault."""

    def along(edges, first, last):
        common = np.minimum(edges[1:], last) - np.maximum(edges[:-1], first)
        return common >= 0.5 * np.minimum(np.diff(edges), last - first)

    start, end, low, high = place
    return along(found.frequencies, low, high)[:, None] & along(found.times, start, end)


def in_tiles(values, axes, found):
    """Return the mean of a map of bins and frames over each tile."""
    frequencies, hop, start = axes
    rows = np.clip(np.searchsorted(found.frequencies, frequencies) - 1, 0, len(found.frequencies) - 2)
    times = start + hop * np.arange(values.shape[1])
    columns = np.clip(np.searchsorted(found.times, times) - 1, 0, len(found.times) - 2)
    sums, counts = (np.zeros((len(found.frequencies) - 1, len(found.times) - 1)) for _ in range(2))
    np.add.at(sums, (rows[:, None], columns), values)
    np.add.at(counts, (rows[:, None], columns), 1)
    return np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)


class Gradient:
    """The gradient of a detector's score with respect to its log-mels."""

    def __init__(self, name, detector, healthy):
        self.name, self.detector = name, detector
        steps = detector.steps_ if name == "default" else [step for _, step in detector.steps]
        self.front, self.scorer = steps[:-1], steps[-1]
        if name == "default":
            ((_, embedder),) = self.front[0].transformer_list
            self.encoder = embedder.encoder_
            (self.scorer,) = self.scorer.estimators_.values()
            edges = 700 * np.expm1(np.linspace(0, np.log1p(15000 / 700), 130))
            self.axes = edges[1:-1], 0.01, 0.016
        else:
            self.axes = time_frequency_axes(self.front[0])
        self.own = None
        if name != "autoencoder":
            self.own = self.rows(healthy)

    def rows(self, X):
        """Return what the scorer gets of clips."""
        for step in self.front:
            X = step.transform(X)
        return np.asarray(X, dtype=float)

    def log_mel(self, waveform):
        """Return the log-mels that the detector begins with."""
        if self.name != "default":
            return self.front[0].transform([waveform])[0]
        n = 1 + (len(waveform) - self.encoder.n_fft) // self.encoder.hop_length
        frames = np.full((self.encoder.n_mels, n), self.encoder.floor, np.float32)
        frames[: self.encoder.n_heard] = self.encoder.log_mel(waveform) + np.log(self.encoder.gain)
        return frames

    def differentiable(self, x):
        """Return the row of log-mels, or the score itself where there is no row."""
        if self.name == "statistics":
            return torch.cat([x.mean(1), x.std(1, correction=0)])
        if self.name == "default":
            mel = x.reshape(8, 16, -1)
            parts = [torch.cat([mel.mean(-1), mel.std(-1, correction=0)], 1).ravel()]
            parts += [maps[0].mean(-1).T.ravel() for maps in self.encoder.network(x[None, None], ("9", "11"))]
            return torch.cat(parts)
        embedder = self.front[1]
        if self.name == "autoencoder":
            windows = x.unfold(1, embedder.patch_frames_, 1).permute(1, 2, 0).flatten(1)
            return embedder.embedding_network_.residual(windows).square().mean()
        patches = x.unfold(1, embedder.patch_frames_, embedder.patch_hop_).swapaxes(0, 1)
        return embedder._patch_outputs(embedder.embedding_network_, patches, names=["embedding"])[
            "embedding"
        ].mean(0)

    def __call__(self, waveform):
        """Return the gradient of the score of a clip with respect to its log-mels."""
        x = torch.tensor(self.log_mel(waveform), requires_grad=True)
        out = self.differentiable(x)
        if self.name == "autoencoder":
            out.backward()
        else:
            row = out.detach().numpy().astype(float)
            expected = self.rows([waveform])[0]
            assert np.allclose(row, expected, rtol=1e-2, atol=1e-2 * np.abs(expected).max())
            if hasattr(self.scorer, "feature_contributions"):
                # shares of a Mahalanobis distance are the deviations times the gradient
                away = row - self.own.mean(0)
                shares = self.scorer.feature_contributions(row[None])[0]
                slope = np.divide(shares, away, out=np.zeros_like(away), where=away != 0)
            else:
                slope = row - self.own[np.linalg.norm(self.own - row, axis=1).argmin()]
            out.backward(torch.tensor(slope, dtype=torch.float32))
        return x.grad.numpy()


def run(name, data, args):
    train, test = DATA[data](args.seed)
    detector = detectors(args.epochs, args.seed)[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector.fit(train)
    explainer = Explainer(detector, train)
    gradient = Gradient(name, detector, train)
    spread = np.std(-detector.score_samples(test[:40]))
    rows = []
    for number in range(args.n):
        for kind in KINDS:
            # the same places at every level and for every detector
            seed = [args.seed, number, KINDS.index(kind)]
            clip = test[np.random.default_rng(seed).integers(len(test))]
            clean = -detector.score_samples(clip[None])[0]
            for level in args.levels:
                faulty, place = inject(clip, kind, level, np.random.default_rng([*seed, 1]))
                begin = time.thread_time()
                found = explainer.explain(faulty)
                middle = time.thread_time()
                detector.score_samples(faulty[None])
                end = time.thread_time()
                hits = points(found, place)
                slopes = gradient(faulty)
                by_difference = slopes * (
                    gradient.log_mel(faulty) - gradient.log_mel(found.healthy.astype(np.float32))
                )
                segment = found.segments_.iloc[0] if len(found.segments_) else None
                rows.append(
                    {
                        "data": data,
                        "detector": name,
                        "kind": kind,
                        "level": level,
                        "called anomalous": bool(detector.predict(faulty[None])[0] == -1),
                        "heard": found.score - clean > spread,
                        "main cause": found.score - clean > (found.score - found.reference_score) / 2,
                        "tiles": bool(found.map.any() and hits.ravel()[found.map.argmax()]),
                        "segment": segment is not None and in_segment(segment, place),
                        "gradient": bool(
                            hits.ravel()[in_tiles(np.abs(slopes), gradient.axes, found).argmax()]
                        ),
                        "gradient x difference": bool(
                            hits.ravel()[in_tiles(by_difference, gradient.axes, found).argmax()]
                        ),
                        "chance": hits.mean(),
                        "seconds of one core": middle - begin,
                        "clips scored in that time": (middle - begin) / (end - middle),
                        "questions": found.n_scored,
                    }
                )
                if args.verbose and not rows[-1]["tiles"]:
                    print(
                        name,
                        data,
                        kind,
                        level,
                        np.round(place, 2),
                        found.sentence,
                        round(found.score, 3),
                        flush=True,
                    )
    return rows


def in_segment(segment, place):
    """Tell whether the middle of a segment lies in a fault."""
    start, end, low, high = place
    return bool(
        start <= (segment.start + segment.end) / 2 <= end and low <= (segment.low + segment.high) / 2 <= high
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument(
        "--detectors", nargs="+", default=list(detectors(1, 0)), choices=list(detectors(1, 0))
    )
    parser.add_argument("--levels", nargs="+", type=float, default=LEVELS)
    parser.add_argument("--n", type=int, default=5, help="faults of each kind")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv")
    parser.add_argument("--verbose", action="store_true", help="print what was missed")
    parser.add_argument("--tables", nargs="+", metavar="CSV", help="print the figures of these runs")
    args = parser.parse_args()
    if args.tables:
        summary(pd.concat(map(pd.read_csv, args.tables), ignore_index=True))
        return
    torch.set_num_threads(1)
    rows = []
    for data in args.data:
        for name in args.detectors:
            rows += run(name, data, args)
            table = pd.DataFrame(rows)
            if args.csv:
                table.to_csv(args.csv, index=False)
            one = table[(table["data"] == data) & (table["detector"] == name)]
            print(f"{data}, {name}")
            print(one.groupby("level")[COLUMNS].mean().round(2).to_string())
            print(
                one[["seconds of one core", "clips scored in that time", "questions"]]
                .median()
                .round(2)
                .to_dict(),
                flush=True,
            )
    summary(table)


def summary(table):
    """Print the figures over all data."""
    print("all data")
    print(table.groupby(["detector", "level"])[COLUMNS].mean().round(2).to_string())
    for which in WHICH:
        print(f"where the clip is {which}" if which == WHICH[0] else f"where the fault is {which}")
        some = table[table[which]]
        shown = some.groupby(["detector", "level"])[COLUMNS[len(WHICH) :]].mean().round(2)
        print(shown.assign(n=some.groupby(["detector", "level"]).size()).to_string())
    print(table.groupby(["detector", "kind", "level"])["tiles"].mean().unstack().round(2).to_string())
    print(
        table.groupby("detector")[["seconds of one core", "clips scored in that time", "questions"]]
        .median()
        .round(2)
        .to_string()
    )


if __name__ == "__main__":
    main()
