import numpy as np
import pytest
import soundfile
from joblib import parallel_config
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LOFScorer, LogMelTransformer, MahalanobisScorer
from skasd.augment import FAULTS
from skasd.datasets import make_machine_sounds
from skasd.model_selection import select_without_anomalies


class Guess(OutlierMixin, BaseEstimator):
    """Scores that have nothing to do with the clip."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y=None):
        self.random_ = np.random.default_rng(self.random_state)
        return self

    def score_samples(self, X):
        return self.random_.random(len(X))


class Level(OutlierMixin, BaseEstimator):
    """Distance of a spectrogram's mean from those of training; remembers the clips of fit by their first entry."""

    seen: list = []

    def fit(self, X, y=None):
        self.mean_ = np.mean([np.mean(clip) for clip in X])
        self.ids_ = {float(np.ravel(clip)[0]) for clip in X}
        return self

    def score_samples(self, X):
        Level.seen.append((self.ids_, {float(np.ravel(clip)[0]) for clip in X}))
        return -np.array([abs(np.mean(clip) - self.mean_) for clip in X])


def spectrograms(n=40, seed=0, at=-40.0):
    random = np.random.default_rng(seed)
    return at + np.linspace(0, 20, 32)[:, None] + 3 * random.normal(size=(n, 32, 40))


def statistics(scorer):
    return make_pipeline(ClipStatistics(), scorer)


def test_regret_against_choosing_by_labels_is_small_on_synthetic_machines():
    regrets, of_chance = [], []
    for seed, fault in enumerate(["imbalance", "bearing", "gear"]):
        clips = make_machine_sounds(
            n_train=40,
            n_test=80,
            duration=1.0,
            fault=fault,
            severity=0.6,
            domains=("source",),
            random_state=seed,
        )
        train = (clips.table["split"] == "train").to_numpy()
        X = LogMelTransformer(n_mels=32).fit_transform(clips.X)
        candidates = [Guess(random_state=0)]
        candidates += [statistics(scorer) for scorer in (MahalanobisScorer(), KNNScorer(), LOFScorer())]
        chosen = select_without_anomalies(candidates, X[train], random_state=0, refit=False)
        aucs = [
            roc_auc_score(clips.y[~train], each.fit(X[train]).score_samples(X[~train])) for each in candidates
        ]
        regrets.append(max(aucs) - aucs[chosen.best_index_])
        of_chance.append(max(aucs) - np.mean(aucs))
    # of a single machine the choice may be a poor one
    assert np.mean(regrets) < np.mean(of_chance) / 2, (regrets, of_chance)


def test_files_and_waveforms_are_chosen_by_alike(tmp_path):
    clips = make_machine_sounds(n_train=15, n_test=0, duration=0.5, domains=("source",), random_state=0).X
    candidates = [
        Guess(random_state=0),
        make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), KNNScorer()),
    ]
    paths = [str(tmp_path / f"{i}.wav") for i in range(len(clips))]
    for path, clip in zip(paths, clips, strict=True):
        soundfile.write(path, clip, 16000, subtype="FLOAT")
    from_array, from_list, from_files = (
        select_without_anomalies(candidates, X, random_state=0, refit=False, groups=range(15))
        for X in (clips, list(clips), paths)
    )
    assert from_array.best_index_ == 1
    assert from_array.kinds_ == FAULTS
    for other in (from_list, from_files):
        for column in ("AUC tone", "mean_rank"):
            np.testing.assert_allclose(other.results_[column], from_array.results_[column])


def test_the_better_detector_is_chosen_wherever_it_stands():
    X = spectrograms()
    for place in (0, 1):
        candidates = [Guess(random_state=1), Guess(random_state=2)]
        candidates.insert(place, statistics(MahalanobisScorer()))
        chosen = select_without_anomalies(candidates, X, random_state=0)
        assert chosen.best_index_ == place
        assert chosen.is_conclusive_
        assert chosen.best_name_ == "ClipStatistics -> MahalanobisScorer"
        assert chosen.kinds_ == FAULTS
        assert chosen.n_recordings_ == 40
        assert chosen.best_estimator_.score_samples(X).shape == (40,)
        table = chosen.results_
        assert table["mean_rank"].idxmin() == place
        assert table["chosen"].tolist() == [i == place for i in range(3)]
        assert table[f"AUC {FAULTS[3]}"][place] > 0.8
        assert (table["seconds"] > 0).all()


def test_where_the_data_cannot_tell_the_first_stays():
    X = spectrograms()
    same = [("simple", statistics(MahalanobisScorer())), ("again", statistics(MahalanobisScorer()))]
    chosen = select_without_anomalies([*same, ("guess", Guess())], X, random_state=0, refit=False)
    assert chosen.best_name_ == "simple"
    assert not chosen.is_conclusive_
    assert "cannot tell it from 'again'" in chosen.message_
    assert chosen.best_estimator_ is None
    assert chosen.results_["within_one_se"].tolist() == [True, True, False]


def test_the_choice_depends_on_the_seed_alone():
    X = spectrograms(12)
    candidates = [statistics(KNNScorer()), Level()]

    def table(seed, n_jobs=None):
        with parallel_config("threading"):
            chosen = select_without_anomalies(candidates, X, random_state=seed, refit=False, n_jobs=n_jobs)
        return chosen.results_.drop(columns="seconds")

    first = table(3)
    assert first.equals(table(3))
    assert first.equals(table(3, n_jobs=2))
    assert not first.equals(table(4))


def test_recordings_are_held_out_as_a_whole():
    X = spectrograms(24)
    X[:, 0, 0] = np.arange(24)
    of = {float(i): i // 4 for i in range(24)}
    Level.seen = []
    select_without_anomalies(
        [Level(), Guess()], X, groups=[i // 4 for i in range(24)], random_state=0, refit=False
    )
    pairs = [(fit, scored & set(of)) for fit, scored in Level.seen if scored <= set(of)]
    assert len(pairs) >= 5
    for fitted, scored in pairs:
        assert {of[i] for i in fitted}.isdisjoint(of[i] for i in scored)
        assert fitted | scored == set(of)


def test_clips_of_other_sections_are_pseudo_anomalies():
    X = np.concatenate([spectrograms(20, 0, -40.0), spectrograms(20, 1, -30.0)])
    section = np.repeat(["a", "b"], 20)
    chosen = select_without_anomalies([Guess(), Level()], X, section=section, random_state=0, refit=False)
    assert chosen.best_index_ == 1
    assert chosen.kinds_ == ("other sections", *FAULTS)
    assert chosen.results_["AUC other sections"][1] == 1.0
    assert chosen.folds_.groupby("section")["fold"].nunique().to_dict() == {"a": 5, "b": 5}


def test_of_rows_sections_and_proxies_are_all_there_is():
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(size=(30, 4)), 6 + random.normal(size=(15, 4))])
    proxy = np.repeat([False, True], [30, 15])
    candidates = [Guess(), KNNScorer()]
    chosen = select_without_anomalies(candidates, X, proxy=proxy, inputs="rows", random_state=0)
    assert chosen.kinds_ == ("proxies",)
    assert chosen.best_index_ == 1
    # proxies that a candidate asks for are those of other folds; they are no reference
    assert chosen.best_estimator_.anomaly_score(X[-1:]) > chosen.best_estimator_.threshold_
    with pytest.raises(ValueError, match="nothing to stand in for anomalies"):
        select_without_anomalies(candidates, X[:30], inputs="rows")


@pytest.mark.parametrize(
    ("candidates", "parameters", "message"),
    [
        ([KNNScorer()], {}, "holds 1 estimators"),
        ([LogMelTransformer(), KNNScorer()], {}, "'LogMelTransformer' must be an outlier detector"),
        (
            [statistics(KNNScorer()), Guess()],
            {"groups": [0] * 12},
            "two recordings at least.*got 1 of 12 clips",
        ),
        (
            [make_pipeline(LogMelTransformer(sample_rate=8000), Guess()), Guess()],
            {},
            r"works at \[8000\] Hz.*sample_rate=16000",
        ),
        ([statistics(KNNScorer()), Guess()], {"section": ["a"]}, "section has 1"),
    ],
)
def test_what_is_wrong_is_named(candidates, parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        select_without_anomalies(candidates, spectrograms(12), **parameters)


def test_a_candidate_that_fails_is_named():
    candidates = [("good", Guess()), ("bad", statistics(LOFScorer(metric="nonsense")))]
    with pytest.raises(ValueError, match=r"'bad'.*nonsense"):
        select_without_anomalies(candidates, spectrograms(12))


def test_a_progress_bar_shows_the_folds(capsys):
    candidates = [Guess(), Level()]
    select_without_anomalies(candidates, spectrograms(12), random_state=0, refit=False)
    assert capsys.readouterr().err == ""
    select_without_anomalies(candidates, spectrograms(12), random_state=0, refit=False, verbose=1)
    assert "choosing: 100%" in capsys.readouterr().err
