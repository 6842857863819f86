"""False alarms on healthy clips of other recordings, and anomalies found: ``python benchmarks/false_alarms_real.py``.

Every detector is fitted with what is known of the training clips: their order, and where a set tells them the
recordings and the domain. For each rate asked for: the share of the healthy test clips called anomalous (all / source /
target), and of the anomalies that the ideal threshold would find (that at which just so many of the healthy test clips
are called anomalous), how many are found. Data are looked for in ``SKASD_DATA``, else in ``../shared/data``.
"""

import argparse
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, LogMelTransformer, PretrainedEmbedder
from skasd.compose import fitted_steps
from skasd.datasets import load_dcase, recordings_of, write_machine_sounds
from skasd.scorers import BandScorer, KNNCosineScorer, KNNScorer, LOFScorer, MahalanobisScorer

RATES = (0.05, 0.1, 0.2)
SCORERS = {
    "Mahalanobis": MahalanobisScorer(),
    "Mahalanobis by band": BandScorer(),
    "1-NN": KNNScorer(),
    "cosine": KNNCosineScorer(),
    "LOF": LOFScorer(),
}


def challenge(folder):
    """Return the table of a data set in the challenge's layout; recordings as their names tell."""
    table = load_dcase(folder)
    recordings = recordings_of(table["path"])
    return table.assign(recording=[None] * len(table) if recordings is None else recordings)


def propeller(folder):
    """Return the table of the propeller, whose CSV file knows the flights."""
    table = pd.read_csv(folder / "clips.csv")
    y = np.where(table["label"] == "normal", 1, -1)
    return table.assign(path=[str(folder / path) for path in table["path"]], y=y)


def fan(folder, fold):
    """Return the table of a fan, of whose healthy clips every fifth four in order are for the test."""
    normal, abnormal = (sorted(map(str, (folder / name).glob("*.flac"))) for name in ("normal", "abnormal"))
    held_out = np.arange(len(normal)) // 4 == fold
    return pd.DataFrame(
        {
            "path": normal + abnormal,
            "split": [*np.where(held_out, "test", "train"), *["test"] * len(abnormal)],
            "y": [1] * len(normal) + [-1] * len(abnormal),
            "domain": None,
            "recording": None,
        }
    )


def data_sets(folder):
    """Yield name and tables; of a set in folds the clips of all are judged together."""
    if (folder / "car_idle").is_dir():
        yield "idling engines", [challenge(folder / "car_idle" / "dev_data")]
    if (folder / "uav_propeller").is_dir():
        yield "propeller", [propeller(folder / "uav_propeller")]
    if (folder / "mimii_fan").is_dir():
        yield "fan", [fan(folder / "mimii_fan", fold) for fold in range(5)]
    for severity in (0.25, 0.5, 1.0):
        with tempfile.TemporaryDirectory() as made:
            write_machine_sounds(made, n_train=100, n_test=200, severity=severity, random_state=0)
            yield f"synthetic, severity {severity}", [challenge(Path(made) / "dev_data")]


def judge(front_end, scorer, table, rows, asked):
    """Fit on the training clips; return threshold and scores of the test clips with what is known of them."""
    train = ((table["split"] == "train") & (table["y"] == 1)).to_numpy()
    test = table[(table["split"] == "test").to_numpy()]
    metadata = {}
    for name, parameter in (("domain", "domain"), ("recording", "groups")):
        values = table.loc[train, name]
        if values.notna().all() and values.nunique() > 1:
            metadata[parameter] = values.to_numpy(dtype=object)
    detector = clone(scorer).set_params(contamination=asked)
    if isinstance(detector, BandScorer):
        detector.set_params(bands=front_end.bands)
    detector.fit(rows[train], **metadata)
    scores = detector.anomaly_score(rows[(table["split"] == "test").to_numpy()])
    return pd.DataFrame(
        {
            "margin": scores - detector.threshold_,
            "score": scores,
            "y": test["y"].to_numpy(),
            "domain": test["domain"].to_numpy(),
        }
    ), detector.n_recordings_


class FrontEnd:
    """Rows of clips, and the band of each column."""

    def __init__(self, name):
        encoder = {
            "encoder": lambda: make_pipeline(PretrainedEmbedder(encoder="skasd")),
            "statistics": lambda: make_pipeline(LogMelTransformer(), ClipStatistics()),
        }
        self.pipeline = encoder[name]()

    def rows(self, paths):
        """Return the rows of clips."""
        rows = np.asarray(self.pipeline.fit_transform(paths), dtype=float)
        last = fitted_steps(self.pipeline)[-1]
        # statistics are those of 128 bins one after the other, a half each
        bands = getattr(last, "bands_", None)
        self.bands = np.tile(np.arange(rows.shape[1] // 2) // 16, 2) if bands is None else bands
        return rows


def main(arguments=None):
    """Print the tables of docs/measurements_thresholds.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", choices=("statistics", "encoder"), default="statistics")
    parser.add_argument("--data", type=Path, default=os.environ.get("SKASD_DATA", "../shared/data"))
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    print("false alarms all source/target, share of the anomalies that the ideal threshold finds")
    print(f"{'':22}{'':22}" + "".join(f"{f'asked {rate:g}':>24}" for rate in RATES))
    for name, tables in data_sets(Path(given.data)):
        front_end = FrontEnd(given.rows)
        paths = tables[0]["path"].tolist()
        rows = front_end.rows(paths)
        for scorer_name, scorer in SCORERS.items():
            line = ""
            for rate in RATES:
                judged, found = zip(
                    *(judge(front_end, scorer, table, rows, rate) for table in tables), strict=True
                )
                judged = pd.concat(judged)
                healthy, anomalous = judged[judged["y"] == 1], judged[judged["y"] == -1]
                alarms = healthy["margin"] > 0
                apart = [
                    f"{alarms[healthy['domain'] == domain].mean():.2f}"
                    for domain in ("source", "target")
                    if (healthy["domain"] == domain).any()
                ]
                # scores of folds are compared by how far they are above the threshold
                column = "score" if len(tables) == 1 else "margin"
                ideal = (anomalous[column] > np.quantile(healthy[column], 1 - rate)).mean()
                share = (anomalous["margin"] > 0).mean() / ideal
                line += f"{alarms.mean():8.2f} {'/'.join(apart):>9} {share:5.2f}"
            print(f"{name:24}{scorer_name:20}{line}  {found[0]} recordings or blocks", flush=True)


if __name__ == "__main__":
    main()
