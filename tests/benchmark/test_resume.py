"""What is stored is found again, and nothing else is taken for it."""

import functools
import os
import runpy
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.callbacks import Callback

from skasd import AutoencoderEmbedder, ClipStatistics, ColumnScorer, KNNScorer
from skasd.benchmark import BenchmarkResult, run


class Counting(BaseEstimator):
    """Distance to the mean clip; counts its fits."""

    fits = 0

    def __init__(self, power=1, random_state=None):
        self.power = power
        self.random_state = random_state

    def fit(self, X, y=None, *, section=None):
        Counting.fits += 1
        self.mean_ = np.mean(X, axis=0)
        return self

    def score_samples(self, X):
        return -(np.abs(X - self.mean_).mean(axis=1) ** self.power)

    def decision_function(self, X):
        return self.score_samples(X) + 0.1


@pytest.fixture
def fits(monkeypatch):
    """Return a function that tells the number of fits since it was last called."""
    monkeypatch.setattr(Counting, "fits", 0)
    last = 0

    def count():
        nonlocal last
        last, before = Counting.fits, last
        return last - before

    return count


def same(a, b):
    for name in ("table", "scores", "failures"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name), check_exact=True)


def test_finished_cells_are_not_computed_again(tmp_path, gearbox, fits):
    first = run(Counting(), gearbox, seeds=2, out=tmp_path)
    assert fits() == 2
    again = run(Counting(), gearbox, seeds=2, out=tmp_path)
    assert fits() == 0
    same(first, again)
    pd.testing.assert_frame_equal(first.timings, again.timings)  # those of the run that did the work
    more = run(Counting(), gearbox, seeds=3, out=tmp_path)
    assert fits() == 1
    assert more.table.query("seed < 2").equals(first.table)


@pytest.mark.parametrize(
    "change",
    [
        lambda system, X, table: (system.set_params(power=2), X, table),
        lambda system, X, table: (system, X * np.float32(1.001), table),
        lambda system, X, table: (system, X, table.assign(split=table.split.where(table.index != 3, "none"))),
        lambda system, X, table: (make_pipeline(StandardScaler(), system), X, table),
        lambda system, X, table: (make_pipeline(FunctionTransformer(np.abs), system), X, table),
    ],
    ids=["parameter", "samples", "split", "step", "function"],
)
def test_other_arguments_are_other_cells(change, tmp_path, gearbox, fits):
    X, table = gearbox.X, gearbox.table
    run(Counting(), (X, table), out=tmp_path)
    assert fits() == 1
    system, X, table = change(Counting(), X, table)
    other = run({"Counting": system}, (X, table), out=tmp_path)
    assert fits() == 1
    same(other, run({"Counting": system}, (X, table)))


def test_metadata_counts_where_it_is_requested(tmp_path, gearbox, fits):
    other = (gearbox.X, gearbox.table.assign(section="07"))
    run(Counting(), gearbox, out=tmp_path)
    run(Counting(), other, out=tmp_path)
    assert fits() == 1
    with sklearn.config_context(enable_metadata_routing=True):
        asks = Counting().set_fit_request(section=True)
    run(asks, gearbox, out=tmp_path)
    assert fits() == 1  # the request alone makes another detector
    run(asks, other, out=tmp_path)
    assert fits() == 1


def test_labels_of_test_clips_do_not_count(tmp_path, gearbox, fits):
    first = run(Counting(), gearbox, out=tmp_path)
    y = gearbox.table.y.where(gearbox.table.split == "train", -gearbox.table.y)
    turned = run(Counting(), (gearbox.X, gearbox.table.assign(y=y)), out=tmp_path)
    assert fits() == 1
    area = "metric == 'AUC' and machine == '' and domain == ''"
    assert first.table.query(area).value.item() == pytest.approx(1 - turned.table.query(area).value.item())


def test_frozen_and_unnamed_parts(tmp_path, gearbox, fits):
    def pipeline(clips, add):
        frozen = FrozenEstimator(StandardScaler().fit(clips))
        return {"one": make_pipeline(frozen, FunctionTransformer(lambda X: X + add), Counting())}

    run(pipeline(gearbox.X, 0), gearbox, out=tmp_path)
    run(pipeline(gearbox.X, 0), gearbox, out=tmp_path)
    assert fits() == 1
    run(pipeline(gearbox.X[:9], 0), gearbox, out=tmp_path)
    assert fits() == 1
    run(pipeline(gearbox.X, 1), gearbox, out=tmp_path)
    assert fits() == 1


def test_changed_files_are_other_clips(tmp_path, wav_table, fits):
    recipe = make_pipeline(ClipStatisticsOfFiles(), Counting())
    run(recipe, wav_table, out=tmp_path / "out")
    run(recipe, wav_table, out=tmp_path / "out")
    assert fits() == 1
    os.utime(wav_table.path[0], (1, 1))
    run(recipe, wav_table, out=tmp_path / "out")
    assert fits() == 1


class ClipStatisticsOfFiles(ClipStatistics):
    """Sizes of files, which suffice here."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.array([[os.path.getsize(path)] for path in X], dtype=float)

    def fit_transform(self, X, y=None):
        return self.transform(X)


@pytest.mark.parametrize("damage", [b"", b"half", None], ids=["empty", "foreign", "cut"])
def test_damaged_cell_is_computed_anew(damage, tmp_path, gearbox, fits):
    first = run(Counting(), gearbox, out=tmp_path)
    (cell,) = (tmp_path / "cells").glob("*.json")
    cell.write_bytes(cell.read_bytes()[:-9] if damage is None else damage)
    with pytest.warns(UserWarning, match=f"{cell.name} is damaged"):
        again = run(Counting(), gearbox, out=tmp_path)
    assert fits() == 2
    same(first, again)
    run(Counting(), gearbox, out=tmp_path)
    assert fits() == 0


@pytest.mark.parametrize("name", ["train.npy", "test.npy", "features.json"])
def test_damaged_shared_features_are_computed_anew(name, tmp_path, gearbox, monkeypatch):
    from skasd.benchmark import _compute

    recipes = {f"k{k}": make_pipeline(ClipStatistics(), KNNScorer(n_neighbors=k)) for k in (1, 3)}
    clips = (np.abs(gearbox.X), gearbox.table)
    good = run(recipes, clips)
    spoil = _compute.compute_cell

    def spoiling(X, task, store):
        for path in (tmp_path / "cells" / "shared").glob(f"*/{name}"):
            path.write_bytes(path.read_bytes()[:100])
        return spoil(X, task, store)

    monkeypatch.setattr(_compute, "compute_cell", spoiling)
    with pytest.warns(UserWarning, match="features are computed anew"):
        same(good, run(recipes, clips, out=tmp_path))


def test_shared_features_go_in_the_end(tmp_path, gearbox):
    recipes = {f"k{k}": make_pipeline(ClipStatistics(), KNNScorer(n_neighbors=k)) for k in (1, 3)}
    run(recipes, (np.abs(gearbox.X), gearbox.table), out=tmp_path)
    assert not (tmp_path / "cells" / "shared").exists()
    assert len(list((tmp_path / "cells").iterdir())) == 2


def test_two_runs_in_one_folder(tmp_path, gearbox):
    """A run that ends does not pull away what another one is at."""
    clips = (np.abs(gearbox.X), gearbox.table)
    recipes = {f"k{k}": make_pipeline(ClipStatistics(), KNNScorer(n_neighbors=k)) for k in (1, 3)}
    foreign = tmp_path / "cells" / "shared" / "0"
    foreign.mkdir(parents=True)
    first = run(recipes, clips, out=tmp_path)
    assert list(foreign.parent.iterdir()) == [foreign]
    foreign.rmdir()
    with ThreadPoolExecutor(4) as threads:  # all of them at the same cells
        others = list(threads.map(lambda _: run(recipes, clips, out=tmp_path / "new"), range(4)))
    for other in others:
        same(first, other)


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (os.abort, ())


def test_nothing_in_the_folder_is_unpickled(tmp_path, gearbox, monkeypatch):
    """A folder that comes from elsewhere may hold any files, under the right names too."""
    from skasd.benchmark import _compute

    recipes = {f"k{k}": make_pipeline(ClipStatistics(), KNNScorer(n_neighbors=k)) for k in (1, 3)}
    clips = (np.abs(gearbox.X), gearbox.table)
    good = run(recipes, clips)
    compute_cell = _compute.compute_cell

    def spoiling(X, task, store):
        shared = tmp_path / "cells" / "shared"
        for folder in [path for path in shared.iterdir() if path.is_dir()]:
            np.save(folder / "train.npy", np.array([Trap()] * 24, dtype=object), allow_pickle=True)
            joblib.dump(Trap(), shared / f"{folder.name}.joblib")
        return compute_cell(X, task, store)

    monkeypatch.setattr(_compute, "compute_cell", spoiling)
    with pytest.warns(UserWarning, match="features are computed anew"):
        same(good, run(recipes, clips, out=tmp_path))
    assert list((tmp_path / "cells" / "shared").glob("*.joblib"))
    with pytest.warns(UserWarning, match=r"joblib files of an earlier version\. To read them could run code"):
        same(good, run(recipes, clips, out=tmp_path))


class Ragged(ClipStatistics):
    """Passes clips on as arrays of unequal length, or as what no array is."""

    def __init__(self, kind="list"):
        self.kind = kind

    def fit_transform(self, X, y=None):
        return self.fit(X).transform(X)

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        clips = [np.abs(x[None, : 500 + i].astype(np.float16)) for i, x in enumerate(X)]
        return clips if self.kind == "list" else [np.array(clip, dtype=object) for clip in clips]


class Lengths(Counting):
    def fit(self, X, y=None):
        self.mean_ = np.mean([np.mean(x) for x in X])
        return self

    def score_samples(self, X):
        return -(np.abs(np.array([np.mean(x) for x in X]) - self.mean_) ** self.power)


@pytest.mark.parametrize("kind", ["list", "objects"])
def test_shared_features_of_unequal_length_or_of_no_array(kind, tmp_path, gearbox):
    recipes = {f"power {p}": make_pipeline(Ragged(kind), Lengths(power=p)) for p in (1, 2)}
    alone = [run({name: recipe}, gearbox) for name, recipe in recipes.items()]
    both = run(recipes, gearbox, out=tmp_path)
    for one, (name, _) in zip(alone, recipes.items(), strict=True):
        found = both.scores[both.scores["system"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, one.scores, check_exact=True)


def test_what_cannot_be_told_apart_is_refused(gearbox):
    part = FunctionTransformer(functools.partial(lambda X, k: X, k=1))
    with pytest.raises(ValueError, match="cannot be told from others"):
        run({"partial": make_pipeline(part, Counting())}, gearbox)


KEYS = """
    import numpy as np
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.pipeline import make_pipeline
    from skasd.benchmark._data import as_data_sets
    from skasd.benchmark._plan import make_cells
    from skasd.benchmark import as_systems
    from skasd.datasets import make_machine_sounds

    names = ["jless2022_mfn", "jless2022_mfn:detector=cosine", "secom2021", "cqupt2023_ensemble", "scu2024"]
    systems = {name: name for name in [*names, "itmo2022"]}
    function = FunctionTransformer(lambda X: X in {"a", "b", "c"})
    systems["function"] = make_pipeline(function, FunctionTransformer(np.abs))
    systems["set"] = FunctionTransformer(kw_args={"words": {"a", "b", "c"}, "numbers": frozenset("defg")})
    data = as_data_sets(make_machine_sounds(4, 4, duration=0.1, random_state=0), None, None)
    for cell in make_cells(data, as_systems(systems, None), [0], 1):
        print(cell.system, cell.task.key, *cell.task.stages)
"""


@pytest.mark.long
def test_names_of_cells_are_the_same_in_every_process():
    listed = [
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(KEYS)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert listed[0] == listed[1]
    assert len(set(listed[0].splitlines())) == 8


class Interrupt(Callback):
    """A key pressed in the second epoch, if `pressed`."""

    pressed = True

    def on_batch_end(self, net, **kwargs):
        if Interrupt.pressed and len(net.history) == 2:
            raise KeyboardInterrupt


def networks():
    embedder = AutoencoderEmbedder(hidden=8, max_epochs=3, callbacks=[Interrupt()])
    front_end = FunctionTransformer(cut_in_frames)
    return {
        "knn": make_pipeline(FunctionTransformer(np.abs), KNNScorer()),
        "network": make_pipeline(front_end, embedder, ColumnScorer()),
    }


def cut_in_frames(X):
    return np.abs(X[:, : 16 * 100].reshape(len(X), 16, 100))


def test_no_half_trained_cell_is_kept_on_an_interrupt(tmp_path, gearbox, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(networks(), gearbox, out=tmp_path, on_error="record")
    assert len(list((tmp_path / "cells").glob("*.json"))) == 1
    assert not (tmp_path / "results.csv").exists()
    monkeypatch.setattr(Interrupt, "pressed", False)
    resumed = run(networks(), gearbox, out=tmp_path)
    same(resumed, run(networks(), gearbox))


INTERRUPTED = """
    import sys
    from joblib import parallel_config
    from sklearn.pipeline import make_pipeline
    from skasd import AutoencoderEmbedder, ColumnScorer, LogMelTransformer
    from skasd.benchmark import run
    from skasd.datasets import make_machine_sounds
    from skasd.embedders import Checkpoint

    checkpoint = Checkpoint(sys.argv[2])
    embedder = AutoencoderEmbedder(hidden=8, max_epochs=100_000, callbacks=[checkpoint])
    network = make_pipeline(LogMelTransformer(n_mels=16), embedder, ColumnScorer())
    with parallel_config(backend=sys.argv[1], n_jobs=2):
        run(network, make_machine_sounds(12, 12, duration=0.25, random_state=0), seeds=2, out=sys.argv[3])
    print("done")
"""


@pytest.mark.parametrize(
    "backend",
    [pytest.param("sequential", marks=pytest.mark.long), pytest.param("loky", marks=pytest.mark.slow)],
)
def test_control_c_ends_the_run(backend, tmp_path):
    checkpoints, out = tmp_path / "checkpoints", tmp_path / "out"
    victim = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), backend, checkpoints, out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a key reaches the workers too
    )
    n_training = 2 if backend == "loky" else 1
    deadline = time.monotonic() + 120
    try:
        while len(list(checkpoints.glob("*.pt"))) < n_training:
            assert victim.poll() is None, "ended before it could be interrupted"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(victim.pid, signal.SIGINT)
        printed, error = victim.communicate(timeout=60)
    finally:
        victim.kill()
    assert "done" not in printed
    assert "KeyboardInterrupt" in error
    assert victim.returncode != 0
    assert list((out / "cells").glob("*.json")) == []


KILLED = """
    import multiprocessing, os, signal, sys
    from joblib import parallel_config
    from sklearn.pipeline import make_pipeline
    from skasd import ClipStatistics, KNNScorer, LogMelTransformer
    from skasd.benchmark import run
    from skasd.datasets import make_machine_sounds

    class Killer(KNNScorer):
        def fit(self, X, y=None, **metadata):
            if multiprocessing.parent_process() is not None:
                os.kill(os.getpid(), signal.SIGKILL)

    front_end = [LogMelTransformer(n_mels=16), ClipStatistics()]
    systems = {"killer": make_pipeline(*front_end, Killer())}
    systems |= {f"k{k}": make_pipeline(*front_end, KNNScorer(n_neighbors=k)) for k in (1, 2, 3, 4)}
    data = make_machine_sounds(12, 12, duration=0.25, random_state=0)
    with parallel_config(backend="loky", n_jobs=2):
        result = run(systems, data, out=sys.argv[1], on_error="record")
    print(result.failures["system"].tolist(), sorted(result.table["system"].unique()))
    print(result.failures["error"].item())
"""


@pytest.mark.slow
def test_a_killed_worker_is_one_failed_cell(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(KILLED), tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['killer'] ['k1', 'k2', 'k3', 'k4']\nits worker process was killed")
    assert len(list((tmp_path / "cells").glob("*.json"))) == 4


PROGRAM = """
    import sys, time
    from sklearn.ensemble import IsolationForest
    from sklearn.pipeline import make_pipeline
    from skasd import AutoencoderEmbedder, ClipStatistics, ColumnScorer, KNNScorer, LogMelTransformer
    from skasd.benchmark import run
    from skasd.datasets import make_machine_sounds

    class Slow(KNNScorer):
        def fit(self, X, y=None, **metadata):
            time.sleep(float(sys.argv[2]))
            return super().fit(X, y, **metadata)

    front_end = [LogMelTransformer(n_mels=16), ClipStatistics()]
    systems = {
        "knn": make_pipeline(*front_end, Slow()),
        "knn3": make_pipeline(*front_end, Slow(n_neighbors=3)),
        "forest": make_pipeline(*front_end, IsolationForest(n_estimators=5)),
        "autoencoder": make_pipeline(LogMelTransformer(n_mels=16), AutoencoderEmbedder(max_epochs=1), ColumnScorer()),
    }
    data = {
        name: make_machine_sounds(n_train=12, n_test=12, machine=name, duration=0.25, random_state=0)
        for name in ("fan", "pump")
    }
    run(systems, data, seeds=2, out=sys.argv[1])
"""


@pytest.mark.long
def test_killed_and_resumed_is_the_same_as_uninterrupted(tmp_path, monkeypatch):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    cells = tmp_path / "out" / "cells"
    victim = subprocess.Popen([sys.executable, program, tmp_path / "out", "2"])
    try:
        deadline = time.monotonic() + 120
        while len(list(cells.glob("*.json"))) < 2:
            assert victim.poll() is None, "ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    survived = {path: path.stat().st_mtime_ns for path in cells.glob("*.json")}
    assert 2 <= len(survived) < 12
    assert not (tmp_path / "out" / "results.csv").exists()
    assert subprocess.run([sys.executable, program, tmp_path / "out", "0"], check=False).returncode == 0
    monkeypatch.setattr(sys, "argv", ["program.py", tmp_path / "whole", "0"])
    runpy.run_path(str(program), run_name="program")
    assert {path: path.stat().st_mtime_ns for path in survived} == survived
    assert len(list(cells.glob("*.json"))) == 12  # 2 machines x (2 without seed + 2 x 2 seeds)
    resumed, whole = (BenchmarkResult.from_folder(tmp_path / name) for name in ("out", "whole"))
    same(resumed, whole)
    assert resumed.table.groupby(["data", "system", "seed"]).ngroups == 16
    texts = [(tmp_path / name / "results.csv").read_text() for name in ("out", "whole")]
    assert texts[0] == texts[1]
