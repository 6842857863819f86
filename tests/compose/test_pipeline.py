"""Samplers in pipelines: new clips carry metadata, thresholds are those of recorded clips."""

import imblearn.over_sampling
import imblearn.pipeline
import numpy as np
import pytest
import sklearn
import sklearn.pipeline
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV, cross_validate
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
    NormalOnly,
    PerSection,
    ScoreEnsemble,
)
from skasd.compose import Augmented, Pipeline, make_pipeline
from skasd.metrics import harmonic_auc_scorer
from skasd.model_selection import RecordingKFold
from skasd.plotting import anomaly_map

BOTH = pytest.mark.parametrize(
    "make", [make_pipeline, imblearn.pipeline.make_pipeline], ids=["skasd", "imblearn"]
)


@pytest.fixture
def clips():
    return np.random.default_rng(0).normal(scale=0.1, size=(30, 8000)).astype(np.float32)


DOMAIN = np.repeat(["source", "target"], [24, 6])
SECTION = np.resize(["a", "b"], 30)


def steps(scorer=None, **params):
    augmenter = MixupSMOTEAugmenter(random_state=0, **params)
    return (
        LogMelTransformer(n_mels=16),
        ClipStatistics(),
        augmenter,
        KNNScorer() if scorer is None else scorer,
    )


def sizes(detector):
    """Return the rows of each reference of a k-NN scorer."""
    scorer = detector[-1]
    return {name: reference.index.n_samples_fit_ for name, reference in scorer.references_.items()}


@BOTH
@pytest.mark.parametrize("y", [None, np.ones(30), [1] * 30], ids=["none", "array", "list"])
@pytest.mark.parametrize("routing", [True, False])
def test_fit_without_metadata(make, y, routing, clips):
    with sklearn.config_context(enable_metadata_routing=routing):
        detector = make(*steps(sampling_strategy=2.0)).fit(clips, y)
        assert sizes(detector) == {"all": 60}
        assert detector.score_samples(clips).shape == (30,)
        with pytest.warns(UserWarning, match="one class of 30 clips only"):
            assert sizes(make(*steps()).fit(clips, y)) == {"all": 30}


def test_metadata_is_extended(clips):
    with sklearn.config_context(enable_metadata_routing=True):
        by_domain = make_pipeline(*steps()).fit(clips, domain=DOMAIN)
        assert sizes(by_domain) == {"source": 24, "target": 24}
        both = make_pipeline(*steps()).fit(clips, domain=DOMAIN.tolist(), section=SECTION)
        assert both[2].sampling_strategy_ == {
            ("a", "source"): 0,
            ("b", "source"): 0,
            ("a", "target"): 9,
            ("b", "target"): 9,
        }
        assert sizes(both) == {"source": 24, "target": 24}
        assert both.predict(clips, section=SECTION).shape == (30,)
    prefixed = make_pipeline(*steps()).fit(
        clips, mixupsmoteaugmenter__domain=DOMAIN, knnscorer__domain=DOMAIN
    )
    assert_array_equal(prefixed.score_samples(clips), by_domain.score_samples(clips))
    assert_array_equal(prefixed.predict(clips), by_domain.predict(clips))
    features = by_domain[:2].transform(clips)
    made, _, more = clone(by_domain[2]).augment(features, domain=DOMAIN)
    by_hand = KNNScorer().fit(made, domain=more["domain"])
    assert_allclose(by_domain.score_samples(clips), by_hand.score_samples(features))


class Recorder(KNNScorer):
    """Keeps what it was fitted on."""

    def fit(self, X, y=None, *, section=None, domain=None, proxy=None, groups=None, origin=None):
        self.given_ = {"X": X, "y": y, "section": section, "groups": groups, "origin": origin}
        return super().fit(X, y, domain=domain, proxy=proxy, groups=groups, origin=origin)


def test_two_samplers_and_all_that_is_known():
    X = np.random.default_rng(0).normal(size=(20, 3))
    X[19] = 1000.0
    y = np.append(np.ones(19, dtype=int), -1)
    section = [("fan", number) for number in np.arange(20) // 5]
    groups = np.arange(20) // 2
    first = MixupSMOTEAugmenter(sampling_strategy=2.0, balance="section", partners="section", random_state=0)
    second = MixupSMOTEAugmenter(sampling_strategy={"source": 60}, balance="domain", random_state=1)
    pipeline = make_pipeline(first, second, Recorder())
    with sklearn.config_context(enable_metadata_routing=True):  # noqa: SIM117
        with pytest.warns(UserWarning, match="NormalOnly"):
            pipeline.fit(X, y, section=section, domain=["source"] * 20, groups=groups)
    given = pipeline[-1].given_
    n_rows = len(given["X"])
    assert n_rows == 20 + len(pipeline[0].sample_origin_) + len(pipeline[1].sample_origin_) == 61
    assert given["origin"][:20] == [(clip,) for clip in range(20)]
    assert given["origin"][20:22] == [tuple(pair) for pair in pipeline[0].sample_origin_[:2]]
    assert min(map(len, given["origin"][20:])) == 2
    # nothing is made of the anomaly, labels are those of the nearer clip
    assert np.abs(given["X"][20:]).max() < 100
    assert (given["y"][20:] == 1).all()
    origin, weight = pipeline[0].sample_origin_, pipeline[0].partner_weight_
    nearer = np.where(weight > 0.5, origin[:, 1], origin[:, 0])
    assert_array_equal(given["groups"][20 : 20 + len(nearer)], groups[nearer])
    assert [tuple(label) for label in given["section"][20 : 20 + len(nearer)]] == [section[i] for i in nearer]
    assert len(given["groups"]) == len(given["section"]) == 61


def test_an_embedder_behind_the_sampler(clips):
    embedder = MFNEmbedder(max_epochs=1, patch_frames=8, random_state=0)
    augmenter = MixupSMOTEAugmenter(random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        detector = make_pipeline(LogMelTransformer(n_mels=16), augmenter, embedder, KNNScorer())
        detector.fit(clips, domain=DOMAIN, section=SECTION)
    assert list(detector[2].classes_) == ["a", "b"]
    assert sizes(detector) == {"source": 24, "target": 24}
    assert len(detector[-1].training_scores_) == 30


@pytest.mark.parametrize("routing", [True, False])
@pytest.mark.parametrize(
    "last",
    [
        KNNScorer(),
        LOFScorer(),
        MahalanobisScorer(),
        NormalOnly(KNNScorer()),
        sklearn.pipeline.make_pipeline(StandardScaler(), KNNScorer()),
        NormalOnly(sklearn.pipeline.make_pipeline(StandardScaler(), KNNScorer())),
        PerSection(None, KNNScorer()),
        ScoreEnsemble([("lof", LOFScorer()), ("knn", KNNScorer())]),
        DomainDependent(LOFScorer(), KNNScorer()),
    ],
    ids=lambda last: "-".join(str(last).split()),
)
def test_false_alarms_are_those_asked_for(last, routing):
    """Recorded clips would look too normal beside clips that were made of them, and the threshold would be too low."""
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(200, 6)), rng.normal(size=(2000, 6))
    augmenter = MixupSMOTEAugmenter(sampling_strategy=3.0, random_state=0)
    for detector in (make_pipeline(augmenter, clone(last)), Augmented(augmenter, clone(last))):
        with sklearn.config_context(enable_metadata_routing=routing):
            rate = np.mean(detector.fit(X).predict(new) == -1)
        assert 0.03 < rate < 0.17
    if isinstance(last, KNNScorer):
        assert np.mean(imblearn.pipeline.make_pipeline(augmenter, last).fit(X).predict(new) == -1) > 0.25


def test_search_cross_validation_clone_and_model_files(clips, tmp_path):
    y = np.where(np.arange(30) % 5 == 4, -1, 1)
    with sklearn.config_context(enable_metadata_routing=True):
        detector = NormalOnly(make_pipeline(*steps()))
        search = GridSearchCV(
            detector,
            {"estimator__knnscorer__n_neighbors": [1, 2], "estimator__mixupsmoteaugmenter__k_neighbors": [2]},
            scoring=harmonic_auc_scorer,
            cv=RecordingKFold(2),
        ).fit(clips, y, domain=DOMAIN, section=SECTION)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        pipeline = search.best_estimator_.estimator_
        assert isinstance(pipeline, Pipeline)
        assert not np.isin(pipeline[2].sample_origin_, np.flatnonzero(y[y == 1] == -1)).any()
        assert len(pipeline[-1].training_scores_) == 24
        scores = cross_validate(
            detector, clips, y, scoring=harmonic_auc_scorer, cv=RecordingKFold(2), params={"domain": DOMAIN}
        )
        assert np.isfinite(scores["test_score"]).all()
        skasd.save(search, tmp_path / "model.skasd")
        again = skasd.load(tmp_path / "model.skasd")
        assert_array_equal(again.predict(clips), search.predict(clips))
        assert_array_equal(again.score_samples(clips), search.score_samples(clips))
        refitted = clone(again.best_estimator_).fit(clips, y, domain=DOMAIN, section=SECTION)
        assert_array_equal(refitted.score_samples(clips), search.score_samples(clips))


def test_maps_tables_and_other_detectors(clips):
    with sklearn.config_context(enable_metadata_routing=True):
        detector = make_pipeline(*steps()).set_output(transform="pandas").fit(clips, domain=DOMAIN)
        assert list(detector[-1].feature_names_in_) == list(detector[1].get_feature_names_out())
        maps = anomaly_map(detector, clips[:2])
        forest = make_pipeline(*steps(IsolationForest(random_state=0))).fit(clips, domain=DOMAIN)
    assert len(maps) == 2
    assert forest[-1].n_features_in_ == 32
    assert forest.predict(clips).shape == (30,)


# errors


def test_scikit_learns_pipeline_names_the_ways_that_work(clips):
    message = r"skasd\.compose\.make_pipeline.*imblearn\.pipeline\.make_pipeline"
    with pytest.raises(TypeError, match=message):
        sklearn.pipeline.make_pipeline(*steps()).fit(clips)
    with pytest.raises(TypeError, match=message):
        NormalOnly(sklearn.pipeline.make_pipeline(*steps())).fit(clips)
    assert not hasattr(MixupSMOTEAugmenter(), "transform")
    with pytest.raises(AttributeError, match="'MixupSMOTEAugmenter' object has no attribute 'resample'"):
        MixupSMOTEAugmenter().resample  # noqa: B018


def test_imbalanced_learns_pipeline_with_metadata_names_the_other(clips):
    with sklearn.config_context(enable_metadata_routing=True):
        with pytest.raises(
            ValueError, match=r"domain has 30 entries for 48 clips.*skasd\.compose\.make_pipeline"
        ):
            imblearn.pipeline.make_pipeline(*steps()).fit(clips, domain=DOMAIN)
        with pytest.raises(ValueError, match="domain has 29 entries for 30 clips"):
            make_pipeline(*steps()).fit(clips, domain=DOMAIN[1:])


def test_a_sampler_that_does_not_say_what_it_did():
    X = np.random.default_rng(0).normal(size=(30, 4))
    y = np.resize([0, 1, 1], 30)
    sampler = imblearn.over_sampling.RandomOverSampler(random_state=0)
    assert sizes(make_pipeline(sampler, KNNScorer()).fit(X, y)) == {"all": 40}
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(TypeError, match="RandomOverSampler"),
    ):
        make_pipeline(sampler, KNNScorer()).fit(X, y, domain=DOMAIN)
