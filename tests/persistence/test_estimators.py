"""Every estimator of the library comes back from its file as it was."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
import sklearn
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import OneClassSVM

from skasd import augment, scorers
from skasd.augment import WaveformAugmenter
from skasd.compose import Augmented, DomainDependent, NormalOnly, PerMachine, PerSection, ScoreEnsemble
from skasd.embedders import AutoencoderEmbedder, MFNEmbedder, MobileNetV2Embedder, MultiBranchEmbedder
from skasd.features import ClipStatistics, LogMelTransformer, STFTTransformer
from skasd.metrics import harmonic_auc_scorer
from skasd.model_selection import RecordingKFold
from skasd.persistence import load, save
from skasd.scorers import KNNScorer, LOFScorer, MahalanobisScorer

from ..test_estimator_checks import instances

METHODS = ("score_samples", "decision_function", "predict", "transform", "predict_log_proba", "remarks")
ESTIMATORS = {type(estimator).__name__: estimator for estimator in instances()}
# for time's sake: as hard to store as trained ones; test_systems.py has them trained
UNTRAINED = (
    "DPTEmbedder",
    "ImageMobileNetV2Embedder",
    "MFNEmbedder",
    "MobileNetV2Embedder",
    "OEVAEEmbedder",
)
SECTION = ["a", "b"] * 15
DOMAIN = ["source"] * 20 + ["target"] * 10


def clips_for(estimator):
    rng = np.random.default_rng(0)
    if type(estimator).__name__ == "MultiBranchEmbedder":
        return rng.normal(size=(12, 600)).astype(np.float32)
    if estimator.__sklearn_tags__().input_tags.three_d_array:
        return rng.normal(size=(12, 40, 40)).astype(np.float32)
    if "Transformer" in type(estimator).__name__:
        return rng.normal(size=(6, 6000)).astype(np.float32)
    return rng.normal(size=(30, 8)).astype(np.float32)


def outputs(estimator, X):
    found = {
        name: getattr(estimator, name)(X)
        for name in METHODS
        if hasattr(estimator, name) and knows(estimator, name)
    }
    return {name: value.astype(str) if value.dtype == object else value for name, value in found.items()}


def knows(estimator, method):
    return method != "predict_log_proba" or "log_proba" in getattr(estimator, "_outputs", ["log_proba"])


def assert_same(estimator, again, X):
    assert type(again) is type(estimator)
    ours, theirs = outputs(estimator, X), outputs(again, X)
    assert ours
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(theirs[name], ours[name], err_msg=name)
        assert theirs[name].dtype == ours[name].dtype
    for name in ("offset_", "threshold_", "section_offset_"):
        assert getattr(again, name, None) == getattr(estimator, name, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def unfitted(name):
    estimator = clone(ESTIMATORS[name])
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    if name == "SelectBest":  # the checks' scorer is a function of the tests, which no file holds
        estimator.set_params(scoring="roc_auc")
    return estimator.set_params(max_epochs=0) if name in UNTRAINED else estimator


def fit_and_save(name, folder):
    """Write a fitted estimator, its input and its outputs; return estimator and input."""
    estimator = unfitted(name)
    X = clips_for(estimator)
    with sklearn.config_context(enable_metadata_routing=True):
        if name in (
            "Augmented",
            "Pipeline",
        ):  # without classes the augmenter, rightly, remarks that it adds nothing
            estimator.fit(X, section=["a"] * 10 + ["b"] * 20)
        elif name == "SelectBest":
            estimator.fit(X, np.resize([1, 1, -1], 30))
        else:
            estimator.fit(X)
    save(estimator, folder / f"{name}.skasd")
    np.savez(folder / f"{name}.npz", X=X, **outputs(estimator, X))
    return estimator, X


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator(name, folder):
    estimator = unfitted(name)
    save(estimator, folder / "unfitted.skasd")
    assert repr(load(folder / "unfitted.skasd")) == repr(estimator)
    estimator, X = fit_and_save(name, folder)
    again = load(folder / f"{name}.skasd")
    assert_same(estimator, again, X)
    save(again, folder / "again.skasd")
    assert (folder / "again.skasd").read_bytes() == (folder / f"{name}.skasd").read_bytes()


SCRIPT = """
import pathlib, pickle, sys
from unittest.mock import patch
import numpy as np
import torch
from skasd.persistence import load
class Forbidden(pickle.Unpickler):  # which libraries that are imported late derive from
    def load(self):
        raise AssertionError("unpickled")
forbidden = dict.fromkeys(("load", "loads", "_load", "_loads")) | dict.fromkeys(("Unpickler", "_Unpickler"), Forbidden)
paths = sorted(pathlib.Path(sys.argv[1]).glob("*.npz"))
for path in paths:
    load(path.with_suffix(".skasd"))  # numba reads its cache of compiled code by pickle
for path in paths:
    with patch.multiple(pickle, **forbidden), patch.object(torch, "load", None):
        estimator = load(path.with_suffix(".skasd"))
    expected = np.load(path)
    for name in set(expected.files) - {"X"}:
        np.testing.assert_array_equal(getattr(estimator, name)(expected["X"]), expected[name], err_msg=f"{path} {name}")
    print(path.stem)
"""


@pytest.mark.long
def test_in_a_fresh_process(folder):
    for name in ESTIMATORS:  # some of them another test has saved, if it ran in this process
        if not (folder / f"{name}.npz").is_file():
            fit_and_save(name, folder)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", SCRIPT, str(folder)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert sorted(run.stdout.split()) == sorted(ESTIMATORS)


def test_a_detector_without_network_needs_no_torch(folder):
    X = np.random.default_rng(0).normal(size=(30, 4))
    save(make_pipeline(StandardScaler(), LOFScorer()).fit(X), folder / "plain.skasd")
    script = (
        "import sys; from skasd.persistence import load; load(sys.argv[1]); assert 'torch' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(folder / "plain.skasd")],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.parametrize(
    "name", [name for name in augment.__all__ if isinstance(getattr(augment, name), type)]
)
def test_augmenters(name, tmp_path):
    augmenter = getattr(augment, name)(random_state=3)
    save(augmenter, tmp_path / "m")
    again = load(tmp_path / "m")
    X = np.random.default_rng(0).normal(size=(12, 4000)).astype(np.float32)
    section = ["a"] * 8 + ["b"] * 4
    for ours, theirs in zip(
        augmenter.augment(X, section=section)[0], again.augment(X, section=section)[0], strict=True
    ):
        np.testing.assert_array_equal(theirs, ours)
    save(augmenter, tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.sample_origin_, augmenter.sample_origin_)


@pytest.mark.filterwarnings("ignore:No gamma distribution")
@pytest.mark.parametrize(
    "section", [SECTION, [1, 2] * 15, [("a", 1), ("b", None)] * 15, [np.str_("x"), "y"] * 15]
)
@pytest.mark.parametrize("name", sorted(name for name in scorers.__all__ if name.endswith("Scorer")))
def test_scorers_with_sections_and_domains(name, section, tmp_path):
    cls = getattr(scorers, name)
    X = log_softmax(np.random.default_rng(0).normal(size=(30, 5)), axis=1)
    if isinstance(section[0], tuple):
        section = list(section)
    metadata = {"section": section, "domain": DOMAIN}
    settings = {"bands": [[0, 1], [2]]} if name == "TermScorer" else {}
    scorer = cls(**settings).fit(X, **metadata)
    save(scorer, tmp_path / "m")
    again = load(tmp_path / "m")
    assert_same(scorer, again, X)
    if getattr(scorer, "sections_", None):
        assert again.sections_ == scorer.sections_
        np.testing.assert_array_equal(
            again.decision_function(X, section=section), scorer.decision_function(X, section=section)
        )


ROUTED = {
    "PerSection": lambda: PerSection(None, LOFScorer(n_neighbors=4)),
    "ScoreEnsemble": lambda: ScoreEnsemble(
        [("lof", LOFScorer()), ("pca", make_pipeline(PCA(2), KNNScorer()))],
        standardize_scores="rank",
        cv=KFold(3),
    ),
    "ScoreEnsemble with a function": lambda: ScoreEnsemble(
        [("lof", LOFScorer()), ("knn", KNNScorer())], standardize_scores="zscore", combine="max"
    ),
    "DomainDependent": lambda: DomainDependent(LOFScorer(), KNNScorer()),
    "PerMachine": lambda: PerMachine([("a", LOFScorer()), ("b", KNNScorer())]),
    "NormalOnly": lambda: NormalOnly(make_pipeline(StandardScaler(), MahalanobisScorer())),
    "requests": lambda: make_pipeline(
        StandardScaler(), LOFScorer().set_fit_request(domain=False, section="id")
    ),
}


@pytest.mark.parametrize("name", ROUTED)
def test_estimators_of_estimators(name, tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 5))
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = ROUTED[name]()
        metadata = {"id": SECTION} if name == "requests" else {"section": SECTION, "domain": DOMAIN}
        estimator.fit(X, **metadata)
        save(estimator, tmp_path / "m")
        again = load(tmp_path / "m")
        assert_same(estimator, again, X)
        # the requests are there as well: fitting again is the same again
        assert_same(estimator, clone(again).fit(X, **metadata), X)


def detectors_of_scikit_learn():
    yield OneClassSVM()
    yield EllipticEnvelope(random_state=0)
    yield GaussianMixture(2, random_state=np.random.RandomState(3), max_iter=50)
    for metric, params in [("minkowski", None), ("cosine", None), ("mahalanobis", {"VI": np.eye(5)})]:
        yield LocalOutlierFactor(novelty=True, metric=metric, metric_params=params)
    yield LocalOutlierFactor(novelty=True, algorithm="ball_tree", metric="minkowski", p=3)
    yield make_pipeline(FunctionTransformer(np.log1p), FunctionTransformer(np.square), PCA(2), KNNScorer())
    yield make_pipeline(
        ColumnTransformer([("a", "passthrough", slice(0, 2)), ("b", PCA(1), [2, 3])], remainder="drop"),
        LOFScorer(),
    )
    yield make_pipeline(FrozenEstimator(StandardScaler().fit(np.eye(5))), KNNScorer())


@pytest.mark.parametrize(
    "estimator", list(detectors_of_scikit_learn()), ids=lambda estimator: repr(estimator)[:40]
)
def test_estimators_of_scikit_learn(estimator, tmp_path):
    X = np.random.default_rng(0).random(size=(40, 5))
    estimator.fit(X)
    save(estimator, tmp_path / "m")
    assert_same(estimator, load(tmp_path / "m"), X)


def test_search_trees_have_the_same_shape(tmp_path):
    X = np.random.default_rng(0).random(size=(500, 3))
    neighbors = NearestNeighbors(algorithm="kd_tree", leaf_size=7).fit(X)
    save(neighbors, tmp_path / "m")
    again = load(tmp_path / "m")
    for ours, theirs in zip(neighbors._tree.get_arrays(), again._tree.get_arrays(), strict=True):
        np.testing.assert_array_equal(theirs, ours)
    for ours, theirs in zip(neighbors.kneighbors(X), again.kneighbors(X), strict=True):
        np.testing.assert_array_equal(theirs, ours)


@pytest.mark.parametrize(
    "scoring", ["roc_auc", harmonic_auc_scorer], ids=["by name", "scorer of the library"]
)
def test_grid_search(scoring, tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 5))
    y = np.where(np.arange(60) % 3, 1, -1)
    search = GridSearchCV(
        NormalOnly(KNNScorer()), {"estimator__n_neighbors": [1, 2]}, scoring=scoring, cv=RecordingKFold(3)
    )
    search.fit(X, y)
    save(search, tmp_path / "m")
    again = load(tmp_path / "m")
    assert_same(search, again, X)
    assert again.best_params_ == search.best_params_
    assert again.score(X, y) == search.score(X, y)


def test_clips_to_scores(tmp_path):
    X = np.random.default_rng(0).normal(size=(14, 8000)).astype(np.float32)
    section = ["a", "b"] * 7
    with sklearn.config_context(enable_metadata_routing=True):
        detector = make_pipeline(
            LogMelTransformer(n_mels=32),
            PerSection(
                MobileNetV2Embedder(width=0.25, max_epochs=0, patch_frames=8, random_state=0),
                DomainDependent(LOFScorer(), KNNScorer()),
            ),
        )
        detector.fit(X, section=section, domain=["source", "source", "target"] * 4 + ["source"] * 2)
        save(detector, tmp_path / "m")
        again = load(tmp_path / "m")
        np.testing.assert_array_equal(
            again.decision_function(X, section=section), detector.decision_function(X, section=section)
        )
    assert_same(detector, again, X)
    augmented = Augmented(
        WaveformAugmenter(n_samples=2, pitch_steps=None, stretch_rate=None, gain_db=(-6, 6), random_state=0),
        make_pipeline(STFTTransformer(), ClipStatistics(), LOFScorer()),
    ).fit(X)
    save(augmented, tmp_path / "m")
    assert_same(augmented, load(tmp_path / "m"), X)


def test_recordings(real_data, tmp_path):
    paths = sorted(real_data("car_idle").rglob("*.flac"))[:30]
    detector = make_pipeline(LogMelTransformer(), ClipStatistics(), LOFScorer(n_neighbors=4)).fit(paths[:20])
    save(detector, tmp_path / "m")
    assert_same(detector, load(tmp_path / "m"), paths[20:])


def test_skipped_clips(tmp_path):
    X = np.random.default_rng(0).normal(size=(14, 20, 30)).astype(np.float32)
    X[3] = np.nan
    embedder = MFNEmbedder(max_epochs=0, random_state=0).fit(X)
    save(embedder, tmp_path / "m")
    rows = load(tmp_path / "m").transform(X)
    assert np.isnan(rows[3]).all()
    np.testing.assert_array_equal(rows, embedder.transform(X))


def test_ragged_clips_and_paths(tmp_path):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=600 + 50 * (i % 3)).astype(np.float32) for i in range(12)]
    embedder = MultiBranchEmbedder(
        branches=("spectrum", ("stft", STFTTransformer(n_fft=64, hop_length=32, center=False))),
        n_samples=512,
        branch_dim=16,
        max_epochs=0,
        random_state=0,
    ).fit(X)
    save(embedder, tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").transform(X), embedder.transform(X))


def test_shared_objects_stay_shared(tmp_path):
    X = np.random.default_rng(0).normal(size=(14, 20, 30)).astype(np.float32)
    embedder = AutoencoderEmbedder(max_epochs=0, random_state=0, output="embedding").fit(X)
    frozen = FrozenEstimator(embedder)
    ensemble = ScoreEnsemble(
        [("lof", make_pipeline(frozen, LOFScorer())), ("knn", make_pipeline(frozen, KNNScorer()))]
    ).fit(X)
    first, second = (make_pipeline(embedder, scorer) for scorer in (LOFScorer(), KNNScorer()))
    both = ScoreEnsemble([("a", first), ("b", second)])
    save(both, tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.estimators[0][1][0] is again.estimators[1][1][0]
    save(embedder, tmp_path / "alone")
    assert (tmp_path / "m").stat().st_size < 1.1 * (tmp_path / "alone").stat().st_size
    save(ensemble, tmp_path / "m")
    assert_same(ensemble, load(tmp_path / "m"), X)


def test_every_public_estimator_is_here():
    for room in ("features", "embedders", "scorers", "compose"):
        module = importlib.import_module(f"skasd.{room}")
        names = [name for name in module.__all__ if not name.startswith("Base") and name[0].isupper()]
        classes = {name for name in names if issubclass(getattr(module, name), BaseEstimator)}
        assert classes <= ESTIMATORS.keys()
