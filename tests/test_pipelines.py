"""From clips to decisions: whole pipelines, as users write them."""

import numpy as np
import pytest
import sklearn
import soundfile
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skasd import (
    ClipStatistics,
    KNNScorer,
    LOFScorer,
    LogMelTransformer,
    MahalanobisScorer,
    MFNEmbedder,
)
from skasd.clips import ClipWarning
from skasd.datasets import load_dcase, make_machine_sounds
from skasd.metrics import official_score


@pytest.fixture(scope="module")
def sounds():
    return make_machine_sounds(n_train=60, n_test=40, duration=1.0, severity=1.5, random_state=0)


@pytest.fixture(scope="module")
def healthy():
    data = make_machine_sounds(
        n_train=500, n_test=500, duration=1.0, domains=("source",), anomaly_fraction=0, random_state=3
    )
    statistics = make_pipeline(LogMelTransformer(), ClipStatistics(["mean"])).fit_transform(data.X)
    statistics.flags.writeable = False
    return statistics, (data.table["split"] == "train").to_numpy()


@pytest.mark.parametrize("scorer", [KNNScorer, LOFScorer, MahalanobisScorer])
def test_false_alarm_rate_holds_on_new_healthy_clips(scorer, healthy):
    statistics, train = healthy
    held_out = scorer(contamination=0.1).fit(statistics[train])
    assert np.mean(held_out.predict(statistics[~train]) == -1) == pytest.approx(0.1, abs=0.03)
    if scorer is KNNScorer:
        # its own training clips are their own nearest neighbours: distance 0, and every new clip is an alarm
        in_sample = scorer(contamination=0.1, calibration="train").fit(statistics[train])
        assert np.mean(in_sample.predict(statistics[~train]) == -1) > 0.5


@pytest.mark.parametrize(
    "detector",
    [IsolationForest(random_state=0), OneClassSVM(), LOFScorer(), KNNScorer()],
    ids=lambda d: type(d).__name__,
)
def test_any_outlier_detector_stands_at_the_end(detector, sounds):
    train = (sounds.table["split"] == "train").to_numpy()
    pipeline = make_pipeline(LogMelTransformer(), ClipStatistics(), StandardScaler(), detector).fit(
        sounds.X[train]
    )
    scores = pipeline.score_samples(sounds.X[~train])
    assert roc_auc_score(sounds.y[~train], scores) > 0.6
    assert set(pipeline.predict(sounds.X[~train])) <= {-1, 1}


@pytest.mark.parametrize("network", [False, True])
def test_a_skipped_file_costs_only_itself(sounds, tmp_path, network):
    X, table = sounds.X[:24], sounds.table[:24]
    paths = []
    for i, clip in enumerate(X):
        paths.append(tmp_path / f"{i}.wav")
        soundfile.write(paths[-1], clip, sounds.sample_rate)
    domain = np.where(np.arange(24) % 4 == 0, "target", "source")
    section = np.where(np.arange(24) % 2 == 0, "00", "01")
    steps = [MFNEmbedder(max_epochs=1, random_state=0)] if network else [ClipStatistics()]
    with sklearn.config_context(enable_metadata_routing=True):

        def make():
            front_end = LogMelTransformer(on_error="skip")
            return make_pipeline(front_end, *map(sklearn.clone, steps), KNNScorer())

        good = np.arange(24) != 5
        expected = make().fit(
            [p for p, g in zip(paths, good, strict=True) if g], domain=domain[good], section=section[good]
        )
        paths[5].write_text("this is no sound")
        with pytest.warns(ClipWarning, match=r"5\.wav"):
            detector = make().fit(paths, domain=domain, section=section)
        with pytest.warns(ClipWarning, match=r"5\.wav"):
            scores = detector.score_samples(paths)
        with pytest.warns(ClipWarning, match=r"5\.wav"):
            decisions = detector.predict(paths)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [5]
    assert decisions[5] == -1
    good_paths = [p for p, g in zip(paths, good, strict=True) if g]
    np.testing.assert_allclose(scores[good], expected.score_samples(good_paths), rtol=1e-4, atol=1e-4)
    assert len(table) == len(scores)


@pytest.mark.parametrize("routing", [True, False])
def test_metadata_with_and_without_routing(sounds, routing):
    train = (sounds.table["split"] == "train").to_numpy()
    domain, section = sounds.table["domain"][train], sounds.table["section"][train]
    pipeline = make_pipeline(LogMelTransformer(), ClipStatistics(), MahalanobisScorer())
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:
            pipeline.fit(sounds.X[train], domain=domain, section=section)
        else:
            pipeline.fit(sounds.X[train], mahalanobisscorer__domain=domain)
    assert set(pipeline[-1].references_) == {"source", "target"}


def test_classical_default_on_real_engines(real_data):
    table = load_dcase(real_data("car_idle") / "dev_data")
    train, test = table[table["split"] == "train"], table[table["split"] == "test"]
    detector = make_pipeline(LogMelTransformer(), ClipStatistics(), MahalanobisScorer()).fit(train["path"])
    score = official_score(
        test["y"].astype(int), -detector.score_samples(test["path"]), domain=test["domain"], year=2023
    )
    assert score.score > 0.95


@pytest.mark.slow
def test_network_on_real_engines_from_files(real_data):
    table = load_dcase(real_data("car_idle") / "dev_data")
    train, test = table[table["split"] == "train"], table[table["split"] == "test"]
    with sklearn.config_context(enable_metadata_routing=True):
        detector = make_pipeline(LogMelTransformer(), MFNEmbedder(random_state=0), LOFScorer())
        detector.fit(train["path"], section=train["section"], domain=train["domain"])
    scores = detector.score_samples(test["path"])
    assert np.isfinite(scores).all()
    assert roc_auc_score(test["y"].astype(int), scores) > 0.6
