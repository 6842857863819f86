"""Exported detectors against the library: agreement, size and time of the file, and the price of 8-bit integers.

    python benchmarks/export.py                                # the table of docs/gateway.md
    python benchmarks/export.py --detectors default --int8     # with the network in 8-bit integers as well

Clips are those of CarIdle in the folder that ``SKASD_DATA`` names, else in ``../shared/data`` beside the checkout;
without them those of a synthetic machine. Files are scored in a process of its own that may import NumPy and
onnxruntime alone.
Times are of single clips on one thread, those of file and library in turns in one process; on a machine that does other
work as well their ratio says more than they do. Networks are trained for a few epochs only (``--epochs``): what is
compared does not depend on how well they were trained. The area under the ROC curve is printed for the price of
rounding; nothing is chosen by it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skasd import AnomalousSoundDetector, LOFScorer, LogMelTransformer, MFNEmbedder, systems
from skasd.clips import Clips
from skasd.datasets import load_dcase, make_machine_sounds
from skasd.export import OnnxDetector, quantize, to_onnx
from skasd.scorers import FewClipsWarning

# run with the path of the file and of the clips
GATEWAY = """
import json, sys
import numpy as np
from skasd.export import OnnxDetector
detector = OnnxDetector(sys.argv[1])
found = detector.judge(np.load(sys.argv[2]))
foreign = {"torch", "sklearn", "scipy", "pandas", "librosa"} & set(sys.modules)
rooms = {name for name in sys.modules if name.startswith("skasd.")} - {"skasd.export", "skasd.export.onnx_detector"}
assert not foreign | rooms, foreign | rooms
print(json.dumps([found[name].tolist() for name in ("anomaly_score", "decision", "p_value")]))
"""


def sounds():
    """Return healthy clips, test clips and the test clips' labels."""
    root = Path(os.environ.get("SKASD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if (root / "car_idle").is_dir():
        table = load_dcase(root / "car_idle")
        train, test = table[table["split"] == "train"], table[table["split"] == "test"]
        print(f"CarIdle: {len(train)} healthy clips, {len(test)} test clips")
        read = [np.stack(list(Clips(part["path"].tolist()))) for part in (train, test)]
        return *read, test["y"].to_numpy(dtype=int), train["path"].tolist()
    made = make_machine_sounds(100, 100, duration=4.0, random_state=0)
    is_train = (made.table["split"] == "train").to_numpy()
    print(f"synthetic gearbox: {is_train.sum()} healthy clips, {(~is_train).sum()} test clips")
    return made.X[is_train], made.X[~is_train], made.y[~is_train], None


def detectors(epochs):
    """Return unfitted detectors by name."""
    network = {"max_epochs": epochs, "random_state": 0}
    return {
        "default": AnomalousSoundDetector(),
        "mfn": make_pipeline(LogMelTransformer(), MFNEmbedder(**network), LOFScorer()),
        "autoencoder": systems.official_autoencoder(**network),
    }


def in_turns(functions, clips, n=40):
    """Return the median time in ms of each function for a clip, called in turns."""
    times = np.empty((n, len(functions)))
    for i in range(-2, n):  # two to warm up
        for k, function in enumerate(functions):
            start = time.perf_counter()
            function(clips[i % len(clips)][None])
            times[i, k] = time.perf_counter() - start
    return np.median(times, axis=0) * 1e3


def compare(name, path, detector, test, y, folder):
    """Print a line on a file."""
    done = subprocess.run(
        [sys.executable, "-c", GATEWAY, str(path), str(folder / "test.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    scores, decisions, p_values = map(np.array, json.loads(done.stdout))
    expected = -detector.score_samples(test)
    last = detector if hasattr(detector, "p_value_of_scores") else detector[-1]
    difference = np.abs(scores - expected).max() / expected.std()
    n_changed = int((decisions != np.where(-expected - last.offset_ >= 0, 1, -1)).sum())
    p_difference = np.abs(p_values - last.p_value_of_scores(expected)).max()
    exported = OnnxDetector(path)
    here, there = in_turns([exported.anomaly_score, detector.score_samples], test)
    auc = [roc_auc_score(y == -1, each) for each in (expected, scores)]
    print(
        f"{name:18} {path.stat().st_size / 1e6:6.2f} MB   difference {difference:.1e} of the spread, p-values "
        f"{p_difference:.1e}, {n_changed} decisions changed   "
        f"{here:.1f} ms a clip, library {there:.1f} ms, ratio {here / there:.2f}   "
        f"AUC {auc[1]:.4f}, library {auc[0]:.4f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--detectors", default="default,mfn,autoencoder")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--int8", action="store_true", help="round the networks as well")
    args = parser.parse_args()
    warnings.simplefilter("ignore", FewClipsWarning)
    train, test, y, paths = sounds()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        np.save(folder / "test.npy", test)
        for name in args.detectors.split(","):
            start = time.perf_counter()
            detector = detectors(args.epochs)[name].fit(train if paths is None else paths)
            print(f"{name} fitted in {time.perf_counter() - start:.0f} s", flush=True)
            path = folder / f"{name}.onnx"
            to_onnx(detector, path)
            compare(name, path, detector, test, y, folder)
            if args.int8:
                quantize(detector, folder / f"{name}_int8.onnx", train if paths is None else paths)
                compare(f"{name}, int8", folder / f"{name}_int8.onnx", detector, test, y, folder)


if __name__ == "__main__":
    main()
