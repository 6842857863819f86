"""Training that is stopped: early, by a checkpoint that is complete already, from the keyboard."""

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback
from skorch.callbacks import EarlyStopping as SkorchEarlyStopping

from skasd import embedders
from skasd.compose import Augmented, DomainDependent, NormalOnly, PerMachine, PerSection, ScoreEnsemble
from skasd.embedders import BaseEmbedder, Checkpoint, EarlyStopping, ViTEmbedder
from skasd.scorers import KNNCosineScorer

from ._cases import EMBEDDERS, clips_for, weights


class Watch(Callback):
    """Counts epochs; may be told to raise, without being another callback for it."""

    n_epochs = 0
    interrupt_after = None

    def on_epoch_begin(self, net, **kwargs):
        Watch.n_epochs += 1

    def on_batch_end(self, net, **kwargs):
        if Watch.interrupt_after is not None and len(net.history) > Watch.interrupt_after:
            raise KeyboardInterrupt


@pytest.fixture
def watch(monkeypatch):
    monkeypatch.setattr(Watch, "n_epochs", 0)
    monkeypatch.setattr(Watch, "interrupt_after", None)
    return Watch


def test_cases_are_all_embedders():
    trained = {name for name in embedders.__all__ if issubclass(getattr(embedders, name), BaseEmbedder)}
    assert set(EMBEDDERS) == trained - {"BaseEmbedder"}


@pytest.mark.parametrize("patience", [1, 3])
@pytest.mark.parametrize("name", EMBEDDERS)
def test_a_complete_checkpoint_is_the_trained_network(name, patience, tmp_path, watch):
    X, metadata = clips_for(name)
    params = {"callbacks": [EarlyStopping(patience, validation_fraction=0.25), Watch()]}
    if patience == 1:  # a rate at which the loss soon grows
        lr = 0.01 if name == "OEVAEEmbedder" else 0.3
        params |= {"lr": lr, "max_epochs": 12}
        if "lr_schedule" in EMBEDDERS[name].get_params():
            params["lr_schedule"] = "constant"
    embedder = clone(EMBEDDERS[name]).set_params(**params)
    whole = clone(embedder).fit(X, **metadata)
    n_epochs = watch.n_epochs
    assert (n_epochs < embedder.max_epochs) == (patience == 1)
    embedder.set_params(callbacks=[*params["callbacks"], Checkpoint(tmp_path)])
    first = clone(embedder).fit(X, **metadata)
    assert watch.n_epochs == 2 * n_epochs
    second = clone(embedder).fit(X, **metadata)
    assert watch.n_epochs == 2 * n_epochs  # nothing was left to do
    for fitted in (first, second):
        np.testing.assert_array_equal(weights(fitted), weights(whole))
        np.testing.assert_array_equal(fitted.transform(X), whole.transform(X))
        assert [row["train_loss"] for row in fitted.net_.history] == [
            row["train_loss"] for row in whole.net_.history
        ]
    assert not np.array_equal(
        weights(second), weights(clone(embedder).set_params(max_epochs=0).fit(X, **metadata))
    )


@pytest.mark.parametrize("name", EMBEDDERS)
def test_an_interrupt_leaves_fit_and_nothing_fitted(name, tmp_path, watch):
    X, metadata = clips_for(name)
    embedder = clone(EMBEDDERS[name]).set_params(callbacks=[Watch(), Checkpoint(tmp_path)])
    whole = clone(embedder).set_params(callbacks=[Watch()]).fit(X, **metadata)
    watch.interrupt_after = 1  # in the second epoch
    interrupted = clone(embedder)
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(X, **metadata)
    with pytest.raises(NotFittedError):
        interrupted.transform(X)
    assert [attribute for attribute in vars(interrupted) if attribute.endswith("_")] == []
    watch.interrupt_after = None
    watch.n_epochs = 0
    interrupted.fit(X, **metadata)
    assert watch.n_epochs == embedder.max_epochs - 1  # the first is in the checkpoint
    np.testing.assert_array_equal(weights(interrupted), weights(whole))


def test_an_interrupted_refit_leaves_no_mixture_of_two_fits(watch):
    X, metadata = clips_for("ViTEmbedder")
    embedder = clone(EMBEDDERS["ViTEmbedder"]).set_params(callbacks=[Watch()]).fit(X, **metadata)
    watch.interrupt_after = 0
    with pytest.raises(KeyboardInterrupt):
        embedder.fit(X, section=np.arange(len(X)) % 4)
    with pytest.raises(NotFittedError):
        embedder.predict_log_proba(X)


def test_early_stopping_among_the_callbacks_ends_training_too(tmp_path):
    X, metadata = clips_for("ViTEmbedder")
    stopping = SkorchEarlyStopping(monitor="train_loss", patience=2, threshold=0.9, sink=str)
    params = {"callbacks": [stopping], "max_epochs": 9, "random_state": 0, "patch_frames": 16}
    whole = ViTEmbedder(**params).fit(X, **metadata)
    assert len(whole.net_.history) == 3
    for _ in range(2):
        again = ViTEmbedder(**params | {"callbacks": [stopping, Checkpoint(tmp_path)]}).fit(X, **metadata)
        np.testing.assert_array_equal(weights(again), weights(whole))
        assert len(again.net_.history) == 3


def detectors():
    embedder = clone(EMBEDDERS["ViTEmbedder"]).set_params(callbacks=[Watch()])
    detector = make_pipeline(embedder, KNNCosineScorer())
    return {
        "pipeline": detector,
        "NormalOnly": NormalOnly(detector),
        "Augmented": Augmented(SameAgain(), detector),
        "PerSection, embedder": PerSection(embedder, KNNCosineScorer()),
        "PerSection, detector": PerSection(None, detector),
        "DomainDependent": DomainDependent(detector, detector),
        "ScoreEnsemble": ScoreEnsemble([("a", detector), ("b", detector)]),
        "PerMachine": PerMachine([("a", detector)], {0: "a", 1: "a", 2: "a"}),
    }


class SameAgain(KNNCosineScorer):
    """An augmenter that adds nothing."""

    def augment(self, X, y=None, **metadata):
        return X, y, metadata


@pytest.mark.parametrize("name", detectors())
def test_compositions_let_an_interrupt_through(name, watch):
    X, metadata = clips_for("ViTEmbedder")
    if name in ("pipeline", "NormalOnly", "Augmented", "DomainDependent", "ScoreEnsemble"):
        metadata = {}
    detector = detectors()[name]
    watch.interrupt_after = 1
    with pytest.raises(KeyboardInterrupt):
        detector.fit(X, **metadata)
    with pytest.raises(NotFittedError):
        detector.score_samples(X)


PROGRAM = """
    import sys, time
    import numpy as np
    from skorch.callbacks import Callback
    from skasd.embedders import Checkpoint, EarlyStopping, MFNEmbedder

    class Tell(Callback):
        def on_epoch_end(self, net, **kwargs):
            print(len(net.history), flush=True)

    X = np.random.default_rng(0).normal(size=(40, 16, 20)).astype("float32")
    callbacks = [Tell(), EarlyStopping(patience=500), Checkpoint(sys.argv[1])]
    embedder = MFNEmbedder(max_epochs=500, patch_frames=16, random_state=0, callbacks=callbacks)
    embedder.fit(X, section=np.arange(40) % 3)
    print("fitted")
"""


def test_control_c(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while process.stdout.readline().strip() != "2":
            assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "fitted" not in out
    assert "KeyboardInterrupt" in err
    assert process.returncode == -signal.SIGINT  # as Python ends on an interrupt that nobody catches
    assert len(list(tmp_path.glob("*.pt"))) == 1
    assert list(tmp_path.glob("*.part")) == []
