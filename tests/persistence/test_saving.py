"""Saving is all or nothing, says what it cannot store, and loading depends on nothing but the file."""

import functools
import json
import os
import sys
import zipfile

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import SGDOneClassSVM
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.callbacks import Callback, EpochScoring

import skasd
from skasd import scorers
from skasd.compose import ScoreEnsemble
from skasd.embedders import (
    AutoencoderEmbedder,
    MFNEmbedder,
)
from skasd.persistence import ModelFileError, _container, _model_file, load, save
from skasd.scorers import ColumnScorer, KNNScorer, LOFScorer

X = np.random.default_rng(0).normal(size=(30, 4))
CLIPS = np.random.default_rng(0).normal(size=(10, 6, 12)).astype(np.float32)
SMALL = {"hidden": 8, "bottleneck": 2, "random_state": 0}


class Stranger(TransformerMixin, BaseEstimator):
    """An estimator of nobody's."""

    def __init__(self, factor=1):
        self.factor = factor

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X * self.factor


class Shout(Callback):
    """A callback of nobody's."""


def twice(X):
    return 2 * X


HERE = (__name__,)


def test_the_file(tmp_path):
    path = tmp_path / "model.skasd"
    detector = make_pipeline(AutoencoderEmbedder(max_epochs=1, **SMALL), ColumnScorer()).fit(CLIPS)
    save(detector, str(path))
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert manifest["format"] == "skasd model"
        assert manifest["estimator"] == "sklearn.pipeline.Pipeline"
        assert {"skasd", "scikit-learn", "numpy", "torch", "python"} <= manifest["versions"].keys()
        assert set(archive.namelist()) == {"manifest.json", *manifest["members"]}
        structure = json.loads(archive.read("structure.json"))
        assert structure["class"] == "sklearn.pipeline.Pipeline"
        # other programs can read the parts
        weights = safetensors.numpy.load(archive.read("tensors.safetensors"))
    trained = detector[0].net_.module_.state_dict()
    assert {name.rpartition("['")[2][:-2] for name in weights} == set(trained)
    n_bytes = sum(value.nbytes for value in weights.values())
    n_bytes += detector[0].residual_precision_.nbytes + detector[1].training_scores_.nbytes
    assert n_bytes <= path.stat().st_size < n_bytes + 40_000
    assert all(
        name.endswith(".npy") for name in np.load(path, allow_pickle=False).zip.namelist() if "arrays" in name
    )


def test_the_same_model_gives_the_same_bytes(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        save(make_pipeline(StandardScaler(), LOFScorer()).fit(X), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_failing_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.skasd"
    save(KNNScorer().fit(X), path)
    before = path.read_bytes()

    with pytest.raises(TypeError, match="lambda"):
        save(make_pipeline(FunctionTransformer(lambda x: x), KNNScorer()), path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            save(LOFScorer().fit(X), path)

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "writestr", killed)
        with pytest.raises(KeyboardInterrupt):
            save(LOFScorer().fit(X), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.skasd"]
    save(LOFScorer().fit(X), path)
    assert type(load(path)) is LOFScorer
    assert os.listdir(tmp_path) == ["m.skasd"]


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes of POSIX")
def test_links_and_modes(tmp_path):
    target = tmp_path / "target.skasd"
    target.touch()
    link = tmp_path / "link.skasd"
    link.symlink_to(target)
    save(KNNScorer(), link)
    assert link.is_symlink()
    assert type(load(target)) is KNNScorer
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert target.stat().st_mode == ordinary.stat().st_mode


def test_paths(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        save(KNNScorer(), tmp_path)
    with pytest.raises(ValueError, match="there is no folder"):
        save(KNNScorer(), tmp_path / "no" / "m")
    with pytest.raises(TypeError, match="path=None"):
        save(KNNScorer(), None)
    with pytest.raises(TypeError, match=r"save takes an estimator, got builtins\.dict"):
        save({}, tmp_path / "m")
    with pytest.raises(TypeError, match="give an instance"):
        save(KNNScorer, tmp_path / "m")


def hidden():
    class Local(Stranger):
        pass

    return Local()


@pytest.mark.parametrize(
    ("estimator", "match"),
    [
        (
            make_pipeline(StandardScaler(), Stranger()),
            r"Pipeline\.steps\[1\]\[1\] is of class .*Stranger.*trusted=",
        ),
        (FunctionTransformer(twice), r"FunctionTransformer\.func is function .*twice.*trusted="),
        (FunctionTransformer(lambda x: x), r"FunctionTransformer\.func .*lambda.*imported by name"),
        (FunctionTransformer(np.fromfile), r"FunctionTransformer\.func is .*fromfile"),
        (
            make_pipeline(MFNEmbedder(callbacks=[Shout()])),
            r"Pipeline\.steps\[0\]\[1\]\.callbacks\[0\] is .*Shout",
        ),
        (MFNEmbedder(callbacks=[EpochScoring(twice)]), r"MFNEmbedder\.callbacks\[0\]\.scoring"),
        (MFNEmbedder(mixing=functools.partial(twice)), r"MFNEmbedder\.mixing\.func"),
        (ScoreEnsemble([("a", Stranger())]), r"ScoreEnsemble\.estimators\[0\]\[1\]"),
        (LocalOutlierFactor(metric=twice), r"LocalOutlierFactor\.metric"),
        (
            make_pipeline(StandardScaler(), IsolationForest(n_estimators=2)).fit(X),
            r"steps\[1\]\[1\]\.estimators_\[0\]\.tree_ is of class sklearn.*inner part of scikit-learn.*skops\.io",
        ),
        (SGDOneClassSVM().fit(X), r"SGDOneClassSVM\..* is of class sklearn.*inner part of scikit-learn"),
        (KernelDensity().fit(X), r"KernelDensity\.tree_ is of class sklearn.*inner part of scikit-learn"),
        (make_pipeline(hidden()), r"steps\[0\]\[1\] is of class .*imported by name"),
    ],
)
def test_what_cannot_be_stored(estimator, match, tmp_path):
    with pytest.raises(TypeError, match=match):
        save(estimator, tmp_path / "m")
    assert not os.listdir(tmp_path)


def test_trusted_packages(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Stranger.__module__])
    pipeline = make_pipeline(
        Stranger(3),
        FunctionTransformer(twice),
        FunctionTransformer(functools.partial(np.mean, axis=1, keepdims=True)),
    ).fit(X)
    pipeline.steps.append(("embedder", MFNEmbedder(callbacks=[Shout()], optimizer=OwnSGD)))
    save(pipeline, tmp_path / "m", trusted=HERE)
    again = load(tmp_path / "m", trusted=HERE)
    np.testing.assert_array_equal(again[:-1].transform(X), pipeline[:-1].transform(X))
    assert type(again[-1].callbacks[0]) is Shout
    assert again[-1].optimizer is OwnSGD
    for trusted in ((), ("sklearn",), (__name__ + "s",)):
        with pytest.raises(ModelFileError, match="unless trusted= names it"):
            load(tmp_path / "m", trusted=trusted)
    with pytest.raises(TypeError, match="trusted='skasd'"):
        load(tmp_path / "m", trusted="skasd")
    with pytest.raises(TypeError, match="trusted="):
        save(pipeline, tmp_path / "m", trusted=(1,))


class OwnSGD(torch.optim.SGD):
    """An optimiser of nobody's."""


class Counted(dict):
    """More than its attributes."""


class Slotted:
    """Without attributes of the usual kind."""

    __slots__ = ("a",)


class Reduced:
    """With an idea of its own of what it is."""

    def __reduce__(self):
        return Reduced, ()


@pytest.mark.parametrize(
    "value", [Counted(a=1), Slotted(), Reduced(), torch.nn.Linear(1, 1), hidden(), lambda: 0]
)
def test_trusted_is_not_all(value, tmp_path):
    with pytest.raises(TypeError, match=r"Stranger\.factor"):
        save(Stranger(value), tmp_path / "m", trusted=(*HERE, "torch"))


def test_other_versions_warn(tmp_path, monkeypatch):
    def other(**versions):
        return lambda: {**installed, **versions}

    installed = _container.installed_versions()

    for versions, match in [
        ({"skasd": "0.0.1"}, r"was saved with skasd 0\.0\.1 \(installed: .*\): scores may differ"),
        ({"scikit-learn": "1.2.3"}, r"was saved with scikit-learn 1\.2\.3 \(installed"),
    ]:
        save(KNNScorer().fit(X), tmp_path / "m")
        monkeypatch.setattr(_model_file, "installed_versions", other(**dict.fromkeys(versions, "9.9")))
        with pytest.warns(UserWarning, match=r"was saved with .* \(installed: 9\.9\): scores may differ"):
            load(tmp_path / "m")
        monkeypatch.undo()
        monkeypatch.setattr(_container, "installed_versions", other(**versions))
        save(KNNScorer().fit(X), tmp_path / "m")
        monkeypatch.undo()
        with pytest.warns(UserWarning, match=match):
            load(tmp_path / "m")
    save(KNNScorer(), tmp_path / "m")
    later = ".".join([*installed["scikit-learn"].split(".")[:2], "99"])
    monkeypatch.setattr(_model_file, "installed_versions", other(**{"scikit-learn": later}))
    load(tmp_path / "m")  # fixes of the same version are no reason to warn


def test_a_class_that_is_gone(tmp_path, monkeypatch):
    save(KNNScorer().fit(X), tmp_path / "m")
    monkeypatch.delattr(scorers, "KNNScorer")
    monkeypatch.delitem(vars(skasd), "KNNScorer", raising=False)
    with pytest.raises(ModelFileError, match="KNNScorer does not exist in the version installed"):
        load(tmp_path / "m")
