import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import skasd
from skasd import ClipStatistics
from skasd.compose import SectionEnsemble, SectionScores
from skasd.embedders import DPTEmbedder
from skasd.scorers import BandScorer

SECTIONS = ("00", "01", "02")


def machines(n=40, seed=0, fault=0.0):
    """Spectrograms of three machines that hum in bands of their own, with a tone elsewhere where faulty."""
    random = np.random.default_rng(seed)
    section = np.repeat(SECTIONS, n)
    X = random.normal(scale=3, size=(3 * n, 32, 24)) - 40
    for number in range(3):
        own = X[number * n : (number + 1) * n]
        own[:, 8 * number + 2] += 20 + random.normal(scale=2, size=(n, 1))
        own[:, 28] += fault
    return X.astype(np.float32), section


def small_dpt(**parameters):
    return DPTEmbedder(max_epochs=1, patch_frames=16, dim=16, embedding_dim=16, **parameters)


def test_a_fault_in_one_bin_is_found_whether_the_section_is_known_or_not():
    detector = SectionEnsemble([("dpt", small_dpt())], random_state=0)
    X, section = machines()
    detector.fit(X, section=section)
    healthy, faulty = machines(20, 1)[0], machines(20, 2, fault=6.0)[0]
    both, y = np.concatenate([healthy, faulty]), np.repeat([1, -1], 60)
    known = np.tile(np.repeat(SECTIONS, 20), 2)
    assert roc_auc_score(y, detector.decision_function(both, section=known)) > 0.95
    assert roc_auc_score(y, detector.score_samples(both)) > 0.9
    # a clip of one machine is none of another
    assert (detector.predict(healthy, section=np.roll(known[:60], 20)) == -1).all()
    assert np.mean(detector.predict(machines(60, 3)[0], section=np.repeat(SECTIONS, 60)) == -1) < 0.25


def test_without_networks_it_is_statistics_and_means_by_themselves():
    X, section = machines()
    new = machines(10, 1)[0]
    detector = SectionEnsemble([]).fit(X, section=section)
    own, rows = ClipStatistics().fit_transform(X[:40]), ClipStatistics().fit_transform(new[:10])
    by_hand = BandScorer(bands=[np.arange(64), np.arange(32)]).fit(own)
    scores = detector.anomaly_score(new[:10], section=["00"] * 10) - by_hand.anomaly_score(rows)
    assert np.ptp(scores) < 1e-9  # sections are brought to one scale by a constant


def test_terms_of_the_section_are_added_alone():
    X, section = machines()
    detector = SectionEnsemble([("mean", ClipStatistics(("mean",)))], random_state=0).fit(X, section=section)
    _, network, sections = detector.steps_
    assert isinstance(network, SectionScores)
    for number, name in enumerate(SECTIONS):
        assert sections.estimators_[name]._ready == [64 + 2 * number, 65 + 2 * number]
    assert detector.sections_ == list(SECTIONS)
    assert detector.training_scores_.shape == (120,)


def test_a_saved_one_scores_alike(tmp_path):
    X, section = machines(12)
    detector = SectionEnsemble([("dpt", small_dpt())], random_state=0).fit(X, section=section)
    skasd.save(detector, tmp_path / "detector.skasd")
    again = skasd.load(tmp_path / "detector.skasd")
    np.testing.assert_array_equal(again.score_samples(X), detector.score_samples(X))
    np.testing.assert_array_equal(
        again.decision_function(X, section=section), detector.decision_function(X, section=section)
    )


def test_skipped_clips_and_proxies_are_left_out():
    X, section = machines(12)
    proxy = np.zeros(36, dtype=bool)
    proxy[5] = True
    X[7] = np.nan
    X[5] += 100
    networks = [("mean", ClipStatistics(("mean",)))]
    detector = SectionEnsemble(networks).fit(X, section=section, proxy=proxy)
    kept = np.setdiff1d(np.arange(36), [5, 7])
    plain = SectionEnsemble(networks).fit(X[kept], section=section[kept])
    scores = detector.score_samples(X)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [7]
    np.testing.assert_allclose(scores[kept], plain.score_samples(X[kept]))
    with pytest.raises(ValueError, match=r"list of \(name, embedder\) tuples, got ClipStatistics\(\) in it"):
        SectionEnsemble([ClipStatistics()]).fit(X)
    with pytest.raises(ValueError, match="all of them skipped or proxies"):
        SectionEnsemble(networks).fit(X[:3], proxy=[True] * 3)


def test_p_values_and_a_threshold_from_later_clips_are_those_of_its_scorers():
    X, section = machines()
    detector = SectionEnsemble([], contamination=0.2).fit(X, section=section)
    new = np.concatenate([machines(10, 1)[0], machines(10, 2, fault=6.0)[0]])
    p = detector.p_value(new)
    assert p[:30].mean() > 0.3 > 0.05 > p[30:].max()
    np.testing.assert_array_equal(detector.predict(new) == -1, p < 0.2)
    assert detector.set_threshold(new[:30], contamination=0.1).calibration_rate_ == 0.1
    assert np.sum(detector.predict(new[:30]) == -1) <= 3
    assert detector.offset_ == -detector.threshold_
