"""Tables out of transformers: `set_output` and scikit-learn's global setting."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skasd
from skasd import (
    ClipStatistics,
    DomainDependent,
    KNNScorer,
    LOFScorer,
    LogMelTransformer,
    MahalanobisScorer,
    MFNEmbedder,
    MixupSMOTEAugmenter,
    MultiBranchEmbedder,
    NormalOnly,
    PerMachine,
    PerSection,
    PretrainedEmbedder,
    ScoreEnsemble,
)
from skasd.compose import Augmented, SectionScores
from skasd.plotting import anomaly_map

from .estimator_excuses import QUICK
from .test_estimator_checks import instances


def small_mfn():
    return MFNEmbedder(max_epochs=1, patch_frames=16, random_state=0)


def transformers():
    # SectionScores gives other scores of the clips that it learns from: tests/compose/test_section_scores.py
    found = (estimator for estimator in instances() if not isinstance(estimator, SectionScores))
    yield from (estimator for estimator in found if hasattr(estimator, "transform"))
    yield NormalOnly(small_mfn())
    bin_names = LogMelTransformer().get_feature_names_out()
    yield NormalOnly(make_pipeline(LogMelTransformer(), ClipStatistics(bin_names=bin_names)))
    yield Augmented(MixupSMOTEAugmenter(sampling_strategy=2.0, random_state=0), small_mfn())


def name_of(estimator):
    return "-".join(type(step).__name__ for _, step in getattr(estimator, "steps", [(None, estimator)]))


def takes_clips(estimator):
    return "Transformer" in str(estimator) or isinstance(estimator, (MultiBranchEmbedder, PretrainedEmbedder))


@pytest.mark.parametrize("transformer", list(transformers()), ids=name_of)
def test_every_transformer_gives_a_table_from_both_methods(transformer):
    rng = np.random.default_rng(0)
    X = rng.normal(scale=0.1, size=(12, 8000) if takes_clips(transformer) else (12, 32, 24)).astype(
        np.float32
    )
    if "random_state" in transformer.get_params():
        transformer.set_params(random_state=0)
    expected = clone(transformer).fit(X).transform(X)
    table_maker = clone(transformer).set_output(transform="pandas")
    tables = [table_maker.fit(X).transform(X), clone(table_maker).fit(X).transform(X)]
    if hasattr(transformer, "fit_transform"):
        tables.append(clone(table_maker).fit_transform(X))
    with sklearn.config_context(transform_output="pandas"):
        tables.append(clone(transformer).fit(X).transform(X))
    for table in tables:
        if expected.ndim == 3:
            assert isinstance(table, np.ndarray)
        else:
            assert isinstance(table, pd.DataFrame)
            assert list(table.columns) == list(table_maker.get_feature_names_out())
        np.testing.assert_array_equal(np.asarray(table), expected)


DETECTORS = [
    make_pipeline(ClipStatistics(), MahalanobisScorer()),
    make_pipeline(ClipStatistics(), StandardScaler(), IsolationForest(random_state=0)),
    make_pipeline(ClipStatistics(), StandardScaler(), LOFScorer()),
    make_pipeline(small_mfn(), KNNScorer()),
    make_pipeline(NormalOnly(small_mfn()), KNNScorer()),
    NormalOnly(make_pipeline(small_mfn(), LOFScorer())),
    make_pipeline(ClipStatistics(), ScoreEnsemble([("lof", LOFScorer()), ("knn", KNNScorer())])),
    make_pipeline(ClipStatistics(), PerSection(StandardScaler(), KNNScorer())),
    PerSection(make_pipeline(ClipStatistics(), StandardScaler()), KNNScorer()),
    make_pipeline(ClipStatistics(), DomainDependent(LOFScorer(), KNNScorer())),
    make_pipeline(ClipStatistics(), PerMachine(**QUICK["PerMachine"])),
    make_pipeline(ClipStatistics(), Augmented(MixupSMOTEAugmenter(random_state=0), KNNScorer())),
    make_pipeline(ClipStatistics(), KNNScorer(augmenter=MixupSMOTEAugmenter(random_state=0))),
]


@pytest.mark.parametrize("detector", DETECTORS, ids=name_of)
def test_detectors_score_the_same_under_the_global_setting(detector):
    X = np.random.default_rng(0).normal(size=(24, 16, 20)).astype(np.float32)
    X[3] = np.nan  # a skipped clip
    known = {"domain": np.resize(["source", "source", "target"], 24), "section": np.resize(["a", "b"], 24)}
    if "IsolationForest" in str(detector):
        X, known = np.delete(X, 3, axis=0), {}
    elif "PerMachine" in str(detector):
        del known["section"]
    with sklearn.config_context(enable_metadata_routing=True):
        fitted = clone(detector).fit(X, **known)
        with sklearn.config_context(transform_output="pandas"):
            with_tables = clone(detector).fit(X, **known)
            scores, decisions = with_tables.score_samples(X), with_tables.predict(X)
    np.testing.assert_allclose(scores, fitted.score_samples(X), rtol=1e-9)
    np.testing.assert_array_equal(decisions, fitted.predict(X))


NAMED = ClipStatistics(bin_names=LogMelTransformer(n_mels=16).get_feature_names_out())


@pytest.mark.parametrize("middle", [ClipStatistics(), NAMED, small_mfn()], ids=name_of)
def test_a_pipeline_set_to_tables_stays_so(middle, tmp_path):
    clips = np.random.default_rng(0).normal(scale=0.1, size=(20, 8000)).astype(np.float32)
    pipeline = make_pipeline(LogMelTransformer(n_mels=16), middle, KNNScorer()).set_output(transform="pandas")
    pipeline = clone(pipeline).fit(clips)
    skasd.save(pipeline, tmp_path / "model.skasd")
    for detector in (pipeline, skasd.load(tmp_path / "model.skasd")):
        table = detector[:-1].transform(clips)
        assert list(table.columns) == list(detector[-1].feature_names_in_)
        np.testing.assert_allclose(detector.score_samples(clips), pipeline.score_samples(clips), rtol=1e-4)


def test_maps_of_a_detector_with_tables():
    X = np.random.default_rng(0).normal(size=(20, 6, 10))
    detector = make_pipeline(ClipStatistics(), KNNScorer())
    expected = anomaly_map(clone(detector).fit(X), X[:2] + 1)
    maps = anomaly_map(detector.set_output(transform="pandas").fit(X), X[:2] + 1)
    np.testing.assert_allclose(maps, expected)
