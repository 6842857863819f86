"""Augmented: the estimator learns from old and new clips, with their metadata."""

import numpy as np
import pytest
import sklearn
from sklearn.pipeline import make_pipeline

from skasd.augment import MixupSMOTEAugmenter, WaveformAugmenter
from skasd.compose import Augmented, NormalOnly
from skasd.datasets import make_machine_sounds
from skasd.features import ClipStatistics, LogMelTransformer
from skasd.scorers import KNNScorer, MahalanobisScorer


def test_new_clips_carry_their_domain():
    X = np.random.default_rng(0).normal(size=(40, 3))
    domain = np.array(["source"] * 30 + ["target"] * 10)
    augmenter = MixupSMOTEAugmenter(random_state=0)
    made, _, metadata = sklearn.clone(augmenter).augment(X, domain=domain)
    with sklearn.config_context(enable_metadata_routing=True):
        detector = Augmented(augmenter, KNNScorer()).fit(X, domain=domain)
        expected = KNNScorer().fit(made, domain=metadata["domain"])
    assert len(made) == 60
    np.testing.assert_array_equal(detector.score_samples(X), expected.score_samples(X))
    assert not hasattr(augmenter, "sample_origin_")


def test_waveforms_before_the_front_end():
    data = make_machine_sounds(n_train=20, n_test=10, duration=0.5, random_state=0)
    train = (data.table["split"] == "train").to_numpy()
    pipeline = make_pipeline(LogMelTransformer(), ClipStatistics(), MahalanobisScorer())
    augmenter = WaveformAugmenter(n_samples=5, random_state=0)
    detector = Augmented(augmenter, pipeline).fit(data.X[train])
    assert len(detector.estimator_[-1].training_scores_) == 20  # made ones set no threshold
    assert len(detector.augmenter_.sample_origin_) == 10
    scores = detector.score_samples(data.X[~train])
    assert not np.allclose(scores, sklearn.clone(pipeline).fit(data.X[train]).score_samples(data.X[~train]))


def test_inside_normal_only_nothing_is_made_of_anomalies():
    X = np.r_[np.random.default_rng(0).normal(size=(20, 2)), np.full((5, 2), 50.0)]
    y = np.r_[np.ones(20), -np.ones(5)]
    detector = NormalOnly(
        Augmented(MixupSMOTEAugmenter(sampling_strategy=2.0, random_state=0), KNNScorer())
    ).fit(X, y)
    assert len(detector.estimator_.estimator_.training_scores_) == 20
    assert detector.estimator_.estimator_.references_["all"].index.n_samples_fit_ == 40
    assert detector.predict([[50.0, 50.0]]) == [-1]


def test_an_augmenter_must_augment():
    with pytest.raises(ValueError, match="augmenter"):
        Augmented(KNNScorer(), KNNScorer()).fit([[0.0], [1.0]])


def test_scorers_are_told_what_copies_of_drawn_clips_were_made_of():
    X = np.random.default_rng(0).normal(size=(30, 4000)).astype("float32")
    augmenter = WaveformAugmenter(n_samples=8, keep="drawn", random_state=0)
    front = [LogMelTransformer(n_mels=8), ClipStatistics()]
    fitted = Augmented(augmenter, make_pipeline(*front, KNNScorer())).fit(X)
    assert len(fitted.augmenter_.kept_) == 8
    assert (
        len(fitted.estimator_[-1].training_scores_) == 8
    )  # of recorded clips, each held out with its copies
