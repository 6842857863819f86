"""Forged model files, their checksums right: refused, or loaded; what is loaded scores or raises; nothing crashes."""

import os
import subprocess
import sys
import time
import warnings
from contextlib import suppress

import numpy as np
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import OneClassSVM

from skasd.features import ClipStatistics, LogMelTransformer
from skasd.persistence import ModelFileError, load, save
from skasd.scorers import KMeansScorer, KNNScorer, LOFScorer, MahalanobisScorer
from tests.hostile.model_files import forged, packed, unpacked

# hours of them: SKASD_HOSTILE=1000 makes that many times as many
N_FILES = 600 * int(os.environ.get("SKASD_HOSTILE", "1"))


def detectors():
    """Return detectors by name, not fitted."""
    found = [
        KMeans(2, n_init=1),
        OneClassSVM(),
        GaussianMixture(2),
        LOFScorer(n_neighbors=3),
    ]
    found += [KNNScorer(), KMeansScorer(2), MahalanobisScorer()]
    found += [LocalOutlierFactor(3, novelty=True, algorithm=tree) for tree in ("kd_tree", "ball_tree")]
    found += [make_pipeline(QuantileTransformer(n_quantiles=5), StandardScaler(), LOFScorer(n_neighbors=3))]
    return {f"{i} {type(detector).__name__}": detector for i, detector in enumerate(found)}


def attack(folder, first, n_files):
    """Load and use forged files; return what should not have happened."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(24, 4))
    clips = rng.uniform(-0.1, 0.1, (16, 2000)).astype(np.float32)
    front = make_pipeline(LogMelTransformer(n_fft=64, n_mels=4), ClipStatistics(), LOFScorer(n_neighbors=3))
    models = {}
    for name, detector, X in [*((k, v, rows) for k, v in detectors().items()), ("clips", front, clips)]:
        save(detector.fit(X), os.path.join(folder, "whole"))
        with open(os.path.join(folder, "whole"), "rb") as file:
            models[name] = unpacked(file.read()), X[:5]
    names, failures = sorted(models), []
    for number in range(first, first + n_files):
        rng = np.random.default_rng(number)
        name = names[rng.integers(len(names))]
        parts, lies = forged(models[name][0], rng)
        said = f"file {number}: {name}, {lies}"
        path = os.path.join(folder, "forged")
        with open(path, "wb") as file:
            file.write(packed(parts))
        with open(os.path.join(folder, "last"), "w") as file:  # for whoever finds the process dead
            file.write(said)
        begin = time.process_time()
        try:
            detector = load(path)
        except ModelFileError:
            continue
        except Exception as error:
            failures.append(f"{said}: {error!r}")
            continue
        with suppress(Exception):  # a useless model, as the documentation says
            detector.score_samples(models[name][1])
        if time.process_time() - begin > 5:
            failures.append(f"{said}: took {time.process_time() - begin:.0f} s")
    return failures


def test_forged_files(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from tests.hostile.test_model_files import attack; "
        "print(*attack(sys.argv[2], 0, int(sys.argv[3])), sep='\\n')"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # a process of its own, since what is looked for may end it
    command = [sys.executable, "-W", "ignore", "-c", code, root, str(tmp_path), str(N_FILES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = (tmp_path / "last").read_text() if (tmp_path / "last").exists() else "before the first file"
    assert done.returncode == 0, f"{last}: {done.stderr[-2000:]}"
    wrong = [line for line in done.stdout.splitlines() if line.startswith("file ")]
    assert not wrong, "\n".join(wrong)


def test_packed_files_are_read(tmp_path):
    X = np.random.default_rng(0).normal(size=(24, 4))
    detector = LOFScorer(n_neighbors=3).fit(X)
    save(detector, tmp_path / "m")
    (tmp_path / "n").write_bytes(packed(unpacked((tmp_path / "m").read_bytes())))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(load(tmp_path / "n").score_samples(X), detector.score_samples(X))
    parts = unpacked((tmp_path / "m").read_bytes())
    lies = {forged(parts, np.random.default_rng(i))[1] for i in range(50)}
    assert len(lies) > 30
    assert packed(parts) == packed(unpacked((tmp_path / "m").read_bytes()))  # the original is as it was
