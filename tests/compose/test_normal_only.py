"""NormalOnly drops anomalous rows, with all that is known about them."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skasd.compose import NormalOnly, PerMachine, PerSection, ScoreEnsemble
from skasd.features import ClipStatistics, LogMelTransformer
from skasd.metrics import harmonic_auc_scorer
from skasd.model_selection import RecordingKFold
from skasd.scorers import CosineMeanScorer, KNNScorer, LOFScorer, MahalanobisScorer


class Recorder(OutlierMixin, BaseEstimator):
    """Keeps what `fit` was given."""

    __metadata_request__fit = {"section": True, "domain": True, "proxy": True}

    def fit(self, X, y=None, **metadata):
        self.X_, self.y_, self.metadata_ = X, y, metadata
        return self

    def decision_function(self, X):
        return np.zeros(len(X))


class RoutedRecorder(Recorder):
    """The same with the signature that scikit-learn reads the requests from."""

    def fit(self, X, y=None, *, section=None, domain=None, proxy=None):
        return super().fit(X, y, section=section, domain=domain, proxy=proxy)


def clips(n_normal=40, n_anomalous=10, seed=0):
    """Rows of two sections and two domains, anomalies among them, in random order."""
    rng = np.random.default_rng(seed)
    n = n_normal + n_anomalous
    y = rng.permutation(np.repeat([1, -1], [n_normal, n_anomalous]))
    section = np.tile(["00", "01"], n)[:n]
    domain = np.tile(["source", "source", "target", "target"], n)[:n]
    X = rng.normal(size=(n, 3)) + 4 * (section == "01")[:, None] + 2.5 * (y == -1)[:, None]
    return X, y, {"section": section, "domain": domain}


@pytest.mark.parametrize("kind", [int, float, bool])
def test_labels_of_another_coding_are_not_taken_for_healthy_in_silence(kind):
    X, y, _ = clips()
    coded = (y == -1).astype(kind)
    with pytest.warns(
        UserWarning, match=r"y = -1, and y holds \[.*np.where\(labels == 1, -1, 1\); if sections"
    ):
        detector = NormalOnly(KNNScorer()).fit(X, coded)
    assert detector.n_dropped_ == 0
    assert NormalOnly(KNNScorer()).fit(X, np.where(coded == 1, -1, 1)).n_dropped_ == 10
    assert NormalOnly(KNNScorer()).fit(X, np.ones(50, dtype=kind)).n_dropped_ == 0
    assert NormalOnly(KNNScorer()).fit(X, np.arange(50) % 3).n_dropped_ == 0  # classes


def as_list(values):
    return list(values)


def as_series(values):
    return pd.Series(values, index=np.arange(len(values))[::-1] + 7)


@pytest.mark.parametrize("container", [np.asarray, as_list, as_series])
@pytest.mark.parametrize("routing", [True, False])
def test_metadata_is_cut_with_the_rows(container, routing):
    X, y, metadata = clips()
    proxy = np.arange(len(X)) % 7 == 0
    given_metadata = {name: container(values) for name, values in metadata.items()} | {
        "proxy": container(proxy)
    }
    with config_context(enable_metadata_routing=routing):
        fitted = NormalOnly(RoutedRecorder()).fit(X, container(y), **given_metadata).estimator_
    assert_array_equal(fitted.X_, X[y == 1])
    assert_array_equal(fitted.y_, np.ones(40))
    for name, values in (metadata | {"proxy": proxy}).items():
        assert_array_equal(fitted.metadata_[name], values[y == 1])


def test_metadata_not_per_row_is_handed_on_whole():
    X, y, _ = clips()
    extra = {"fraction": 0.5, "mode": "x" * len(X), "options": dict.fromkeys(range(len(X)))}
    fitted = NormalOnly(Recorder()).fit(X, y, **extra).estimator_
    assert fitted.metadata_ == extra


def test_step_prefixed_metadata_of_a_pipeline_is_cut():
    X, y, metadata = clips()
    pipe = NormalOnly(make_pipeline(StandardScaler(), PerSection(None, CosineMeanScorer())))
    pipe.fit(X, y, persection__section=metadata["section"])
    normal = y == 1
    alone = make_pipeline(StandardScaler(), PerSection(None, CosineMeanScorer()))
    alone.fit(X[normal], persection__section=metadata["section"][normal])
    assert pipe.estimator_[-1].sections_ == ["00", "01"]
    assert_array_equal(pipe.score_samples(X), alone.score_samples(X))


@pytest.mark.parametrize("routing", [True, False])
def test_metadata_of_wrong_length_is_named(routing):
    X, y, metadata = clips()
    with config_context(enable_metadata_routing=routing):
        with pytest.raises(ValueError, match="section has 49 entries for 50 clips"):
            NormalOnly(RoutedRecorder()).fit(X, y, section=metadata["section"][:-1])
        with pytest.raises(TypeError, match="domain must hold one entry per clip, got the single string"):
            NormalOnly(RoutedRecorder()).fit(X, y, domain="source")
        with pytest.raises(ValueError, match="y has 49 entries for 50 clips"):
            NormalOnly(RoutedRecorder()).fit(X, y[:-1])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([1, -1]), min_size=6, max_size=40), st.randoms(use_true_random=False))
def test_same_as_fitting_on_the_normals_alone(labels, random):
    y = np.array([*labels, 1, 1, 1])
    X = np.random.default_rng(random.randrange(2**32)).normal(size=(len(y), 3))
    fitted = NormalOnly(KNNScorer()).fit(X, y)
    alone = KNNScorer().fit(X[y == 1])
    assert fitted.n_dropped_ == (y == -1).sum()
    assert fitted.offset_ == alone.offset_
    assert_array_equal(fitted.decision_function(X), alone.decision_function(X))


def test_without_anomalies_it_is_the_estimator():
    X = clips()[0]
    expected = LOFScorer().fit(X).score_samples(X)
    for labels in (None, np.ones(len(X)), np.repeat(["a", "b"], 25)):
        fitted = NormalOnly(LOFScorer()).fit(X, labels)
        assert fitted.n_dropped_ == 0
        assert_array_equal(fitted.score_samples(X), expected)


def test_nothing_but_anomalies_is_an_error():
    with pytest.raises(ValueError, match=r"y marks all 5 rows as anomalous \(-1\)"):
        NormalOnly(KNNScorer()).fit(np.zeros((5, 2)), -np.ones(5))


def test_paths_and_ragged_clips(tmp_path):
    rng = np.random.default_rng(0)
    waves = [0.1 * rng.normal(size=3000 + 200 * i) for i in range(8)]
    paths = []
    for i, wave in enumerate(waves):
        paths.append(tmp_path / f"clip_{i}.wav")
        soundfile.write(paths[-1], wave, 16000, subtype="FLOAT")
    y = np.array([1, 1, -1, 1, 1, -1, 1, 1])
    detector = make_pipeline(LogMelTransformer(n_mels=8), ClipStatistics(), KNNScorer())
    normal = [wave for wave, label in zip(waves, y, strict=True) if label == 1]
    expected = clone(detector).fit(normal).score_samples(waves)
    ragged = np.empty(8, dtype=object)
    ragged[:] = waves
    inputs = [waves, ragged, paths, [str(path) for path in paths], np.array(paths), as_series(paths)]
    for X in inputs:
        fitted = NormalOnly(detector).fit(X, y)
        assert fitted.n_dropped_ == 2
        assert_allclose(fitted.score_samples(X), expected, rtol=1e-4)


def search_over(n_jobs):
    pipe = make_pipeline(StandardScaler(), KNNScorer())
    return GridSearchCV(
        NormalOnly(pipe),
        {"estimator__knnscorer__n_neighbors": [1, 4], "estimator__standardscaler__with_std": [True, False]},
        scoring=harmonic_auc_scorer,
        cv=RecordingKFold(3),
        n_jobs=n_jobs,
    )


def test_grid_search_with_routing_is_the_same_in_parallel_and_refits_on_normals():
    X, y, metadata = clips(60, 20)
    with config_context(enable_metadata_routing=True):
        one, two = (search_over(n_jobs).fit(X, y, **metadata) for n_jobs in (1, 2))
        for key in ("mean_test_score", "split0_test_score", "split2_test_score"):
            assert_array_equal(one.cv_results_[key], two.cv_results_[key])
        assert one.best_params_ == two.best_params_
        assert_array_equal(one.score_samples(X), two.score_samples(X))
        best = one.best_estimator_
        assert best.n_dropped_ == 20
        normal = {name: values[y == 1] for name, values in metadata.items()}
        alone = clone(best.estimator).fit(X[y == 1], domain=normal["domain"])
        assert list(best.estimator_[-1].references_) == ["source", "target"]
        assert_array_equal(one.decision_function(X), alone.decision_function(X))
    assert 0.5 < one.best_score_ <= 1


def test_folds_with_anomalies_in_training_are_cleaned():
    X, y, _ = clips(60, 20)
    folds = [(np.arange(40), np.arange(40, 80)), (np.arange(40, 80), np.arange(40))]
    cleaned = cross_val_score(NormalOnly(KNNScorer()), X, y, scoring="roc_auc", cv=folds)
    by_hand = [(train[y[train] == 1], test) for train, test in folds]
    assert_array_equal(cleaned, cross_val_score(KNNScorer(), X, y, scoring="roc_auc", cv=by_hand))


def test_everything_is_handed_to_the_fitted_estimator():
    X, y, metadata = clips()
    pipe = make_pipeline(StandardScaler(), MahalanobisScorer())
    outer = NormalOnly(pipe).fit(X, y)
    inner = clone(pipe).fit(X[y == 1])
    for method in ("score_samples", "decision_function", "predict"):
        assert_array_equal(getattr(outer, method)(X), getattr(inner, method)(X))
    assert_array_equal(outer.anomaly_score(X), -inner.score_samples(X))  # a pipeline has no such method
    assert outer.offset_ == inner[-1].offset_
    assert_array_equal(NormalOnly(pipe).fit_predict(X, y), inner.predict(X))
    scaler = NormalOnly(StandardScaler()).fit(X, y)
    assert_array_equal(scaler.transform(X), StandardScaler().fit(X[y == 1]).transform(X))
    for method in ("score_samples", "anomaly_score", "decision_function", "predict", "fit_predict"):
        assert not hasattr(scaler, method)
    assert not hasattr(outer, "transform")
    assert not hasattr(outer, "predict_log_proba")
    with config_context(enable_metadata_routing=True):
        sectioned = NormalOnly(PerSection(None, CosineMeanScorer())).fit(X, y, section=metadata["section"])
        known = sectioned.decision_function(X, section=metadata["section"])
        alone = sectioned.estimator_.decision_function(X, section=metadata["section"])
        assert_array_equal(known, alone)


def test_works_with_detectors_of_scikit_learn_and_as_a_step():
    X, y, _ = clips()
    forest = NormalOnly(IsolationForest(n_estimators=5, random_state=0)).fit(X, y)
    alone = IsolationForest(n_estimators=5, random_state=0).fit(X[y == 1])
    assert_array_equal(forest.anomaly_score(X), -alone.score_samples(X))
    step = make_pipeline(NormalOnly(StandardScaler()), NormalOnly(KNNScorer())).fit(X, y)
    assert_array_equal(step[0].estimator_.mean_, X[y == 1].mean(axis=0))
    assert step[-1].n_dropped_ == 10


def test_parameters_of_the_estimator_are_untouched():
    scorer = KNNScorer()
    X, y, _ = clips()
    NormalOnly(scorer).fit(X, y)
    assert not hasattr(scorer, "references_")
    names = pd.DataFrame(X, columns=["a", "b", "c"])
    fitted = NormalOnly(scorer).fit(names, y)
    assert_array_equal(fitted.feature_names_in_, ["a", "b", "c"])
    assert fitted.n_features_in_ == 3


def test_metadata_for_a_pipeline_without_routing_names_the_remedy():
    detector = NormalOnly(make_pipeline(StandardScaler(), KNNScorer()))
    with pytest.raises(ValueError, match=r"sklearn\.set_config\(enable_metadata_routing=True\)"):
        detector.fit(np.arange(40.0).reshape(20, 2), np.ones(20), section=["a"] * 20)


@pytest.mark.parametrize("name", ["groups", "machine", "section"])
def test_metadata_of_the_normal_clips_alone_is_an_error(name):
    X, y = np.random.default_rng(0).normal(size=(12, 2)), np.repeat([1, -1], [10, 2])
    with pytest.raises(ValueError, match=f"{name} has 10 entries for 12 clips"):
        NormalOnly(KNNScorer()).fit(X, y, **{name: range(10)})


@pytest.mark.parametrize(
    "detector",
    [
        NormalOnly(KNNScorer()),
        PerSection(estimator=KNNScorer()),
        PerMachine([("knn", KNNScorer())], {None: "knn"}),
        ScoreEnsemble([("knn", KNNScorer())]),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_names_of_features_do_not_outlive_the_fit(detector):
    X = np.random.default_rng(0).normal(size=(12, 2))
    assert detector.fit(pd.DataFrame(X, columns=["a", "b"])).feature_names_in_.tolist() == ["a", "b"]
    assert not hasattr(detector.fit(X), "feature_names_in_")
