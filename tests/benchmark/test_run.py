"""A benchmark gives what fitting each system by hand gives."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.svm import OneClassSVM
from threadpoolctl import threadpool_limits

from skasd import (
    AutoencoderEmbedder,
    ClipStatistics,
    ColumnScorer,
    KNNScorer,
    LogMelTransformer,
    MFNEmbedder,
    PerSection,
    systems,
)
from skasd.benchmark import run
from skasd.metrics import jackknife_interval


def split(data, machine=None):
    table = data.table
    own = np.full(len(table), True) if machine is None else (table.machine == machine).to_numpy()
    return own & (table.split == "train").to_numpy(), own & (table.split == "test").to_numpy()


@pytest.fixture
def one_thread():
    """As within a cell: more threads change the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


def embedder(**parameters):
    return MFNEmbedder(**{"patch_frames": 8, "max_epochs": 1, "batch_size": 64, **parameters})


@pytest.mark.filterwarnings("ignore:No gamma distribution")
def test_scores_are_those_of_fit_and_score_samples(gearbox, one_thread):
    recipes = {
        "per section": make_pipeline(LogMelTransformer(n_mels=16), PerSection(embedder(), KNNScorer())),
        "knn": make_pipeline(LogMelTransformer(n_mels=16), embedder(), KNNScorer()),
        "svm": make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), OneClassSVM()),
        "autoencoder": systems.official_autoencoder(2023, "mahalanobis", max_epochs=1),
    }
    result = run(recipes, gearbox, seeds=[3])
    train, test = split(gearbox)
    known = {name: gearbox.table[name][train].to_numpy() for name in ("section", "domain")}
    for name, recipe in recipes.items():
        recipe = sklearn.clone(recipe)
        seeds = {key: 3 for key in recipe.get_params() if key.endswith("random_state")}
        recipe.set_params(**seeds)
        with sklearn.config_context(enable_metadata_routing=True):
            recipe.fit(gearbox.X[train], **(known if name != "svm" else {}))
        found = result.scores[result.scores.system == name]
        assert_array_equal(found.anomaly_score, -recipe.score_samples(gearbox.X[test]))
        anomalous = recipe.predict(gearbox.X[test]) == -1
        assert_array_equal(found.decision == "anomalous", anomalous)
        assert_array_equal(found.anomaly_score > found.threshold, anomalous)


def test_known_sections_are_used(two_machines):
    # features so poor that a clip may look like one of another section
    recipe = make_pipeline(LogMelTransformer(n_mels=2), ClipStatistics(), PerSection(None, KNNScorer()))
    result = run({"one": recipe}, two_machines)
    for machine in ("fan", "pump"):
        train, test = split(two_machines, machine)
        known = {name: two_machines.table[name].to_numpy() for name in ("section", "domain")}
        with sklearn.config_context(enable_metadata_routing=True):
            fitted = sklearn.clone(recipe).fit(
                two_machines.X[train], section=known["section"][train], domain=known["domain"][train]
            )
            decision = fitted.decision_function(two_machines.X[test], section=known["section"][test])
        found = result.scores[result.scores.machine == machine]
        np.testing.assert_allclose(found.threshold - found.anomaly_score, decision, atol=1e-12)
        assert len(set(np.sign(decision))) == 2
        assert_array_equal(found.decision == "anomalous", decision < 0)
        # without the section the order of clips is another one
        blind = np.argsort(fitted.score_samples(two_machines.X[test]))
        assert (blind != np.argsort(-found.anomaly_score.to_numpy())).any()


class Counted(TransformerMixin, BaseEstimator):
    """Mean and spread; counts its fits by what it was called with."""

    calls: list = []

    def __init__(self, name="", random_state=None):
        self.name = name
        self.random_state = random_state

    def fit(self, X, y=None):
        Counted.calls.append((self.name, self.random_state, len(X)))
        return self

    def transform(self, X):
        return np.column_stack([np.mean(X, axis=1), np.std(X, axis=1)]) + (self.random_state or 0)


@pytest.fixture
def calls(monkeypatch):
    monkeypatch.setattr(Counted, "calls", [])
    return Counted


def test_equal_first_steps_are_fitted_once(calls, gearbox):
    recipes = {
        "a": make_pipeline(Counted("x"), KNNScorer()),
        "b": make_pipeline(Counted("x"), KNNScorer(n_neighbors=3)),
        "c": make_pipeline(PerSection(Counted("x"), KNNScorer())),
        "d": make_pipeline(Counted("y"), KNNScorer()),
    }
    result = run(recipes, gearbox, seeds=2)
    assert sorted(calls.calls) == [("x", 0, 24), ("x", 1, 24), ("y", 0, 24), ("y", 1, 24)]
    shared = result.timings.groupby(["system", "step"])["shared"].agg(["all", "any"])
    assert shared.loc["a", "Counted"].all()
    assert not shared.loc["d", "Counted"].any()
    assert not shared.loc["a", "KNNScorer"].any()


def test_chains_of_shared_steps(calls, gearbox):
    first = LogMelTransformer(n_mels=16)
    recipes = {
        "a": make_pipeline(first, ClipStatistics(), Counted("x"), KNNScorer()),
        "b": make_pipeline(first, ClipStatistics(), Counted("x"), KNNScorer(n_neighbors=3)),
        "c": make_pipeline(make_pipeline(first, ClipStatistics()), Counted("y"), KNNScorer()),
    }
    run(recipes, gearbox, seeds=1)
    assert sorted(calls.calls) == [("x", 0, 24), ("y", 0, 24)]


def test_what_has_no_seed_is_fitted_once_for_all(calls, gearbox, quick):
    result = run({name: quick[name] for name in ("knn", "forest")}, gearbox, seeds=3)
    score = result.table.query("machine == '' and metric == 'official score'").groupby("system")["value"]
    assert score.count().to_dict() == {"forest": 3, "knn": 3}
    assert score.std()["knn"] == 0
    assert score.std()["forest"] > 0


def test_summary(gearbox, quick):
    result = run(quick, {"g": gearbox}, seeds=[1, 5, 9])
    summary = result.summary()
    assert summary.index.tolist() == [("g", name, machine) for name in quick for machine in ("", "gearbox")]
    values = [
        result.table.query(f"machine == '' and system == 'forest' and seed == {seed}")
        .set_index("metric")
        .value["official score"]
        for seed in (1, 5, 9)
    ]
    line = summary.loc[("g", "forest", ""), "official score"]
    assert line["mean"] == pytest.approx(np.mean(values))
    assert line["std"] == pytest.approx(np.std(values, ddof=1))
    assert line["ci95"] == pytest.approx(4.302652729749464 * np.std(values, ddof=1) / np.sqrt(3))  # t, 2 df
    scores = result.scores.query("system == 'knn' and seed == 1")
    y = scores.y.astype(int)
    halves = [jackknife_interval(y, scores.anomaly_score, max_fpr=f).half_width for f in (None, 0.1)]
    assert summary.loc[("g", "knn", ""), "official score"]["jackknife"] == pytest.approx(np.mean(halves))
    assert np.isnan(run(quick["knn"], gearbox).summary()["official score", "ci95"]).all()


def test_representations(gearbox, quick):
    result = run(quick, gearbox, seeds=2)
    assert repr(result) == "BenchmarkResult(3 systems, 1 data sets, 2 seeds, 120 scores)"
    html = result._repr_html_()
    assert "mahalanobis" in html
    assert f"{result.summary().iloc[0, 0]:.3f}" in html


def test_failing_cells_cost_only_themselves(calls, tmp_path, gearbox, quick):
    class Broken(Counted):
        def fit(self, X, y=None):
            raise ValueError("no such bearing")

    recipes = {
        "knn": make_pipeline(Counted("x"), KNNScorer()),
        "broken": make_pipeline(Broken(), KNNScorer()),
        "broken, too": make_pipeline(Broken(), KNNScorer(n_neighbors=3)),
    }
    with pytest.raises(RuntimeError, match="2 of 3 cells failed") as error:
        run(recipes, gearbox, out=tmp_path)
    assert "data / broken, too / 0 / gearbox: ValueError: no such bearing" in str(error.value)
    assert len(calls.calls) == 1
    result = run(recipes, gearbox, out=tmp_path, on_error="record")
    assert len(calls.calls) == 1  # the good cell had been stored
    assert result.failures["system"].tolist() == ["broken", "broken, too"]
    assert set(result.table["system"]) == {"knn"}
    assert "2 cells failed" in repr(result)
    assert "no such bearing" in result._repr_html_()
    alone = run({"broken": recipes["broken"]}, gearbox, on_error="record")
    assert alone.table.empty
    assert "1 cells failed" in alone._repr_html_()


def test_unreadable_files_cost_only_themselves(tmp_path, wav_table, quick):
    test = wav_table.index[wav_table.split == "test"]
    train = wav_table.index[wav_table.split == "train"]
    for row in (test[2], train[1]):
        with open(wav_table.path[row], "wb") as file:
            file.write(b"not a recording")
    with pytest.warns(UserWarning, match="2 clips could not be used") as caught:
        result = run(quick, wav_table, out=tmp_path / "out")
    message = next(str(w.message) for w in caught if "could not be used" in str(w.message))
    told = {word.rstrip(":") for word in message.split()}
    assert {wav_table.path[test[2]], wav_table.path[train[1]]} <= told
    scores = result.scores[result.scores.system == "knn"].reset_index(drop=True)
    assert np.isnan(scores.anomaly_score).tolist() == [i == 2 for i in range(12)]
    assert scores.decision[2] == ""
    assert "libsndfile" in scores.error[2] or "format" in scores.error[2].lower()
    assert (scores.error.drop(2) == "").all()
    # the others' scores are those of a data set without the two clips
    rest = run(quick, wav_table.drop([test[2], train[1]])).scores
    rest = rest[rest.system == "knn"]
    assert_array_equal(scores.anomaly_score.drop(2), rest.anomaly_score)
    assert len(result.table)
    with pytest.warns(UserWarning, match="2 clips"):
        again = type(result).from_folder(tmp_path / "out"), run(quick, wav_table, out=tmp_path / "out")
    for other in again:
        pd.testing.assert_frame_equal(other.scores, result.scores, check_dtype=False)


def test_unusable_arrays_cost_only_themselves(gearbox, quick):
    X, table = gearbox.X.copy(), gearbox.table
    test = np.flatnonzero(table.split == "test")
    X[test[0], 7] = np.nan
    with pytest.warns(UserWarning, match="NaN samples"):
        scores = run(quick["knn"], (X, table)).scores
    assert np.isnan(scores.anomaly_score).sum() == 1
    X[test] = np.nan
    with pytest.warns(UserWarning, match="No official score"), pytest.warns(UserWarning, match="20 clips"):
        result = run(quick["knn"], (X, table))
    assert result.scores.anomaly_score.isna().all()
    assert result.table.empty


def test_detector_that_skips_clips_by_itself(gearbox):
    X = gearbox.X.copy()
    X[-1] = np.inf
    recipe = make_pipeline(LogMelTransformer(n_mels=16, on_error="skip"), ClipStatistics(), KNNScorer())
    scores = run(recipe, (X, gearbox.table)).scores
    assert scores.error.tolist() == [""] * 19 + ["no finite score from the detector"]


def test_lists_of_clips_of_unequal_length(gearbox, quick):
    X = [clip[: 3000 + 10 * i] for i, clip in enumerate(gearbox.X)]
    result = run(quick, (X, gearbox.table))
    assert np.isfinite(result.scores.anomaly_score).all()


def test_times_and_memory(gearbox):
    class Wasteful(Counted):
        def transform(self, X):
            if len(X) == 24:
                np.ones(40_000_000)  # 320 MB
            return super().transform(X)

    result = run({"a": make_pipeline(Wasteful(), KNNScorer())}, gearbox)
    rows = result.timings.set_index(["step", "stage"])
    assert (rows.seconds > 0).all()
    if Path("/proc/self/clear_refs").exists():
        peak = rows.peak_mb
        assert peak["Wasteful", "fit"] - peak["Wasteful", "score"] > 250
        assert peak["KNNScorer", "fit"] < peak["Wasteful", "fit"] - 250


def test_quiet_unless_asked(capsys, gearbox, quick):
    run(quick["knn"], gearbox)
    assert capsys.readouterr() == ("", "")
    run(quick["knn"], gearbox, verbose=1)
    assert "benchmark" in capsys.readouterr().err


def test_threads_of_this_process_stay(gearbox, quick):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run(quick["knn"], gearbox, n_threads=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("seeds", [0, -1, [], [1, 1], [0.5], ["a"], [-1]])
def test_bad_seeds(seeds, gearbox, quick):
    with pytest.raises(ValueError, match="seed"):
        run(quick, gearbox, seeds=seeds)


def test_decision_function_alone_suffices(gearbox):
    class Plain(BaseEstimator):
        def fit(self, X, y=None):
            self.mean_ = np.mean(X)
            return self

        def decision_function(self, X):
            return self.mean_ - np.abs(X).mean(axis=1)

    result = run({"plain": make_pipeline(ClipStatistics(), Plain())}, (np.abs(gearbox.X), gearbox.table))
    assert (result.scores.threshold == 0).all()
    assert set(result.scores.decision) == {"normal", "anomalous"}


def test_random_seed_reaches_every_part(gearbox):
    recipe = make_pipeline(
        LogMelTransformer(n_mels=16), AutoencoderEmbedder(max_epochs=1), ColumnScorer(contamination=0.2)
    )
    same = run({"a": recipe, "b": sklearn.clone(recipe)}, gearbox, seeds=[0, 1]).scores
    table = same.pivot_table(index="path", columns=["system", "seed"], values="anomaly_score")
    assert_array_equal(table["a"], table["b"])
    assert (table["a", 0] != table["a", 1]).any()
    assert recipe[1].random_state is None  # what was given is left alone


def test_forest_depends_on_the_seed_alone(gearbox):
    recipe = make_pipeline(ClipStatistics(), IsolationForest(n_estimators=5, random_state=17))
    scores = run({"f": recipe}, gearbox, seeds=[4]).scores.anomaly_score
    train, test = split(gearbox)
    recipe.set_params(isolationforest__random_state=4).fit(gearbox.X[train])
    assert_array_equal(scores, -recipe.score_samples(gearbox.X[test]))
