"""Checkpoints: whose they are, what is in them when a run is killed, and what happens to damaged ones."""

import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EpochScoring, LRScheduler

from skasd.embedders import Checkpoint, EarlyStopping, MFNEmbedder, ViTEmbedder

from ._cases import weights

QUICK = {"patch_frames": 16, "max_epochs": 4, "random_state": 0}


class Killed(Exception):
    pass


class Watch(Callback):
    """Counts epochs; may be told to raise, without being another callback for it."""

    n_epochs = 0
    kill_after = None

    def on_epoch_begin(self, net, **kwargs):
        if (
            Watch.kill_after is not None and len(net.history) > Watch.kill_after
        ):  # the new epoch's row is there already
            raise Killed
        Watch.n_epochs += 1


@pytest.fixture
def watch(monkeypatch):
    monkeypatch.setattr(Watch, "n_epochs", 0)
    monkeypatch.setattr(Watch, "kill_after", None)
    return Watch


def history(embedder):
    return [{k: v for k, v in row.items() if k not in ("batches", "dur")} for row in embedder.net_.history]


def with_checkpoint(params, folder):
    return params | {"callbacks": [*params.get("callbacks", []), Checkpoint(folder)]}


def halved(epoch):
    return 0.5**epoch


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"callbacks": [EarlyStopping(patience=2, validation_fraction=0.2)]},
        {"lr_schedule": "constant", "callbacks": [LRScheduler("LambdaLR", lr_lambda=halved)]},
    ],
    ids=["plain", "early", "schedule of skorch"],
)
def test_a_killed_run_goes_on_and_ends_with_the_same_weights(few, tmp_path, options, watch):
    X, section = few
    params = QUICK | {"mixing": ("mixup", "fmix")} | options
    params["callbacks"] = [*params.get("callbacks", []), Watch()]
    whole = MFNEmbedder(**params).fit(X, section=section)
    watch.kill_after = 2
    with pytest.raises(Killed):
        MFNEmbedder(**with_checkpoint(params, tmp_path)).fit(X, section=section)
    assert len(list(tmp_path.iterdir())) == 1
    watch.kill_after, watch.n_epochs = None, 0
    resumed = MFNEmbedder(**with_checkpoint(params, tmp_path)).fit(X, section=section)
    assert watch.n_epochs == len(whole.net_.history) - 2
    np.testing.assert_array_equal(weights(resumed), weights(whole))
    np.testing.assert_array_equal(resumed.transform(X), whole.transform(X))
    assert history(resumed) == history(whole)


def scoring(net, dataset, y=None):
    return 0.0


def test_what_another_run_is(few, tmp_path):
    X, section = few
    params = {"patch_frames": 16, "max_epochs": 1, "random_state": 0}
    runs = [
        {},
        {"lr": 2e-3},
        {"callbacks": [Watch()]},
        {"callbacks": [("watch", Watch())]},
        {"callbacks": [EpochScoring(scoring, name="a", use_caching=False, on_train=True)]},
        {"callbacks": [EpochScoring(scoring, name="b", use_caching=False, on_train=True)]},
    ]
    for _ in range(2):
        for options in runs:
            ViTEmbedder(**with_checkpoint(params | options, tmp_path)).fit(X, section=section)
        ViTEmbedder(**with_checkpoint(params, tmp_path)).fit(X + 1, section=section)
        assert len(list(tmp_path.iterdir())) == len(runs) + 1
    # what changes nothing of the weights is the same run
    same = params | {"verbose": 0, "merge": "std", "device": "cpu"}
    ViTEmbedder(**with_checkpoint(same, tmp_path)).fit(X, section=section)
    assert len(list(tmp_path.iterdir())) == len(runs) + 1


def test_callbacks_that_cannot_be_told_apart_are_refused(few, tmp_path):
    X, section = few

    class Local(Callback):
        pass

    params = QUICK | {"callbacks": [Local()]}
    ViTEmbedder(**params).fit(X, section=section)
    with pytest.raises(ValueError, match="at the top of a module") as raised:
        ViTEmbedder(**with_checkpoint(params, tmp_path)).fit(X, section=section)
    assert len(str(raised.value)) < 500  # joblib prints all parameters and clips


def test_callbacks_whose_pickling_fails_without_a_word_are_refused(few, tmp_path):
    X, section = few

    class Wordless:
        def __reduce__(self):
            raise OverflowError

    params = QUICK | {"callbacks": [EpochScoring(Wordless())]}
    with pytest.raises(ValueError, match=r"cannot be pickled \(OverflowError\)"):
        ViTEmbedder(**with_checkpoint(params, tmp_path)).fit(X, section=section)


def spoil(kind, path):
    content = bytearray(path.read_bytes())
    if kind == "bit":
        content[len(content) // 2] ^= 1  # torch loads this without complaint
    elif kind == "half":
        del content[len(content) // 2 :]
    elif kind == "empty":
        content.clear()
    elif kind == "text":
        content[:] = b"no checkpoint"
    path.write_bytes(content)
    if kind == "foreign":
        torch.save({"module": {}}, path)
    elif kind == "code":
        torch.save(os.path.join, path)
    elif kind == "network":
        state = torch.load(path, weights_only=True)
        state["module"] = {name: value[..., None] for name, value in state["module"].items()}
        torch.save(state, path)


@pytest.mark.parametrize("kind", ["bit", "half", "empty", "text", "foreign", "code", "network"])
def test_damaged_checkpoints_are_ignored_with_a_warning(kind, few, tmp_path, watch):
    X, section = few
    params = QUICK | {"max_epochs": 2, "callbacks": [Watch(), Checkpoint(tmp_path)]}
    whole = ViTEmbedder(**params).fit(X, section=section)
    (path,) = tmp_path.iterdir()
    spoil(kind, path)
    watch.n_epochs = 0
    with pytest.warns(UserWarning, match=f"{path.name} is damaged .* ignored, and training begins anew"):
        again = ViTEmbedder(**params).fit(X, section=section)
    assert watch.n_epochs == 2
    np.testing.assert_array_equal(weights(again), weights(whole))
    np.testing.assert_array_equal(weights(ViTEmbedder(**params).fit(X, section=section)), weights(whole))
    assert watch.n_epochs == 2


def test_what_killed_writers_left_goes_but_nothing_else(few, tmp_path):
    X, section = few
    params = QUICK | {"max_epochs": 1, "callbacks": [Checkpoint(tmp_path)]}
    ViTEmbedder(**params).fit(X, section=section)
    (path,) = tmp_path.iterdir()
    names = {
        "old": f"{path.name}.0123.part",
        "young": f"{path.name}.4567.part",  # of a writer who may still be at it
        "foreign": "ViTEmbedder-0.pt.89ab.part",
        "note": "notes.part",
    }
    for kind, name in names.items():
        (tmp_path / name).write_bytes(b"half")
        if kind != "young":
            os.utime(tmp_path / name, (time.time() - 7200,) * 2)
    ViTEmbedder(**params).fit(X, section=section)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {path.name, *names.values()} - {names["old"]}


def test_a_folder_that_cannot_be_written_is_found_before_training(train, tmp_path, watch):
    X, section = train
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=r"file.* cannot be written"):
        ViTEmbedder(**QUICK, callbacks=[Watch(), Checkpoint(tmp_path / "file")]).fit(X, section=section)
    assert watch.n_epochs == 0


# a process that forks one victim after another, until one comes to the end of its training
KILLED = """
    import os, signal, sys, time
    import numpy as np
    import torch
    from skasd.embedders import Checkpoint, EarlyStopping, ViTEmbedder

    torch.set_num_threads(1)  # a process with threads should not fork
    folder, seed = sys.argv[1], int(sys.argv[2])
    X = np.random.default_rng(0).normal(size=(40, 16, 20)).astype("float32")

    def train(folder):
        embedder = ViTEmbedder(max_epochs=48, patch_frames=16, random_state=0)
        callbacks = [EarlyStopping(patience=36, validation_fraction=0.2)]
        embedder.set_params(callbacks=callbacks if folder is None else [*callbacks, Checkpoint(folder)])
        return embedder.fit(X, section=np.arange(40) % 3).transform(X).tobytes().hex()

    def in_child(folder, limit=None):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            os.write(writing, train(folder)[:30000].encode())
            os._exit(0)
        os.close(writing)
        start = time.monotonic()
        if limit is not None:
            options = os.WEXITED | os.WNOHANG | os.WNOWAIT
            while time.monotonic() - start < limit and os.waitid(os.P_PID, child, options) is None:
                time.sleep(0.001)
            os.kill(child, signal.SIGKILL)
        with os.fdopen(reading) as file:
            return file.read(), time.monotonic() - start

    train(None)  # whatever is loaded only when it is first used
    whole, seconds = in_child(None)
    rng = np.random.default_rng(seed)
    kills = 0
    for _ in range(200):
        rows, _ = in_child(folder, rng.uniform(0.1, 0.7) * seconds)
        if rows:
            break
        kills += 1
    assert rows == whole, "another result"
    print(kills)
"""


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kills_at_random_moments_change_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), "0"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 2
    assert len(list(tmp_path.glob("*.pt"))) == 1
