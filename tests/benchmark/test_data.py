"""Which clips and metadata a detector gets."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, LogMelTransformer
from skasd.benchmark import run
from skasd.datasets import load_folder, load_recordings, write_machine_sounds
from skasd.metrics import official_score

ALL = ("section", "domain", "attribute", "proxy", "machine")


class Curious(BaseEstimator):
    """Keeps what it is told; the first column of X is the number of the clip."""

    __metadata_request__fit = dict.fromkeys(ALL, True)
    __metadata_request__decision_function = {"section": True, "domain": True, "machine": True}
    told: list = []
    asked: list = []

    def __init__(self, exposed=False):
        self.exposed = exposed

    @property
    def uses_proxies(self):
        return self.exposed

    def fit(self, X, y=None, **metadata):
        Curious.told.append((X[:, 0].astype(int).tolist(), {k: list(v) for k, v in metadata.items()}, y))
        self.offset_ = -1e9
        return self

    def score_samples(self, X):
        return np.zeros(len(X))

    def decision_function(self, X, **metadata):
        Curious.asked.append({k: list(v) for k, v in metadata.items()})
        return np.zeros(len(X)) + 1e9


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(Curious, "told", [])
    monkeypatch.setattr(Curious, "asked", [])
    return Curious


@pytest.fixture
def clips(two_machines):
    """Each clip is its number, so that it can be recognised."""
    n = len(two_machines.table)
    return np.arange(n, dtype=float)[:, None].repeat(2, axis=1), two_machines.table


def rows(table, query):
    return table.query(query).index.tolist()


def test_training_clips_of_each_machine(told, clips):
    result = run(Curious(), clips)
    table = clips[1]
    assert [X for X, _, _ in told.told] == [
        rows(table, f"machine == {m!r} and split == 'train'") for m in ("fan", "pump")
    ]
    for X, metadata, y in told.told:
        assert y is None
        assert set(metadata) == {"section", "domain", "attribute", "machine"}
        for name, values in metadata.items():
            assert values == table.loc[X, name].tolist()
    assert result.scores["path"].tolist() == [f"clip_{i:05d}" for i in rows(table, "split == 'test'")]
    test = table.query("split == 'test'")
    assert told.asked == [{"section": list(part)} for _, part in test.groupby("machine")["section"]]


def test_known_anomalies_and_other_splits_are_not_learnt_from(told, clips):
    X, table = clips
    table = table.assign(split=table["split"].where(table.index != 1, "supplemental"))
    table.loc[2, "y"] = -1
    table.loc[3, "y"] = pd.NA
    run(Curious(), (X, table))
    assert told.told[0][0] == [i for i in rows(table, "machine == 'fan' and split == 'train'") if i != 2]
    assert {0, 3} <= set(told.told[0][0])
    assert 1 not in told.told[0][0]


def test_other_machines_as_proxies(told, clips):
    X, table = clips
    run(Curious(exposed=True), clips)
    kept, metadata, _ = told.told[1]
    assert kept == rows(table, "split == 'train'")
    own = table.loc[kept, "machine"] == "pump"
    assert metadata["proxy"] == (~own).tolist()
    assert set(metadata["machine"]) == {"pump"}
    known = zip(own, table.loc[kept, "machine"], table.loc[kept, "section"], strict=True)
    assert metadata["section"] == [
        section if mine else (machine, section) for mine, machine, section in known
    ]
    # clips that the table names as proxies come instead of the other machines', and are no machine to test on
    marked = table.assign(proxy=table["machine"] == "pump")
    result = run(Curious(exposed=True), (X, marked))
    assert set(result.scores["machine"]) == {"fan"}
    assert told.told[2][1]["proxy"] == (table.loc[told.told[2][0], "machine"] == "pump").tolist()
    run(Curious(), (X, marked))
    assert told.told[3][0] == rows(table, "machine == 'fan' and split == 'train'")
    assert "proxy" not in told.told[3][1]


def test_all_machines_together(told, clips):
    table = clips[1]
    result = run({"one": Curious()}, clips, joint=["one"])
    ((kept, metadata, _),) = told.told
    assert kept == rows(table, "split == 'train'")
    assert metadata["section"] == list(
        table.loc[kept, ["machine", "section"]].itertuples(index=False, name=None)
    )
    assert metadata["machine"] == table.loc[kept, "machine"].tolist()
    (asked,) = told.asked
    test = table.query("split == 'test'")
    assert asked["section"] == list(test[["machine", "section"]].itertuples(index=False, name=None))
    assert asked["machine"] == test["machine"].tolist()
    assert result.scores["machine"].tolist() == test["machine"].tolist()
    assert result.timings["machine"].unique().tolist() == [""]
    assert set(result.table["machine"]) == {"fan", "pump", ""}


def test_classes_of_another_column(told, clips):
    table = clips[1]
    run(Curious(), clips, classes="attribute")
    assert told.told[0][1]["section"] == table.loc[told.told[0][0], "attribute"].tolist()
    assert told.asked == []
    with pytest.raises(ValueError, match="no column 'colour'"):
        run(Curious(), clips, classes="colour")


def test_the_domain_is_told_in_2021(told, clips):
    run(Curious(), clips, year=2021)
    assert all(set(asked) == {"section", "domain"} for asked in told.asked)


def test_missing_metadata_is_left_out(told, clips):
    X, table = clips
    run(Curious(), (X, table[["split", "y"]]))
    ((kept, metadata, _),) = told.told
    assert kept == rows(table, "split == 'train'")
    assert set(metadata) == {"section", "machine"}


def test_own_recordings(tmp_path, quick):
    table = write_machine_sounds(tmp_path / "all", n_train=10, n_test=10, duration=0.25, random_state=0)
    for row in table.itertuples():
        kind = {"train": "train/normal", "test": "test/normal" if row.y == 1 else "test/faulty"}[row.split]
        folder = tmp_path / "own" / kind
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / row.path).rename(folder / f"{row.Index}.wav")
    result = run(quick["knn"], load_folder(tmp_path / "own"), out=tmp_path / "out")
    assert set(result.scores["machine"]) == {"own"}
    assert result.table.query("metric == 'AUC' and machine == ''").value.item() > 0.5
    assert result.settings["data"]["data"]["folder"] == str(tmp_path / "own")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (lambda X, t: t, ValueError, r"lacks \['path'\]"),
        (lambda X, t: (X[1:], t), ValueError, "have 111 clips and a table of 112 rows"),
        (lambda X, t: X, TypeError, "must be a folder, the table of a loader"),
        (lambda X, t: {}, ValueError, "data is empty"),
        (lambda X, t: (X, t.drop(columns="split")), ValueError, r"lacks \['split'\]"),
        (lambda X, t: (X, t.assign(split="train")), ValueError, "no test clips of fan, pump"),
        (lambda X, t: (X, t.assign(split="test")), ValueError, "no training clips of fan, pump"),
        (lambda X, t: (X, t.assign(split="?")), ValueError, "no training clips of any machine"),
        (lambda X, t: (X, t.assign(y=0)), ValueError, r"must be coded \+1"),
    ],
)
def test_bad_data(data, error, message, clips):
    with pytest.raises(error, match=message):
        run(Curious(), data(*clips))


def test_clips_of_any_shape(gearbox):
    spectra = np.abs(np.fft.rfft(gearbox.X))[:, :256].reshape(-1, 16, 16)
    from skasd import KNNScorer

    result = run(make_pipeline(ClipStatistics(), KNNScorer()), (spectra, gearbox.table))
    assert len(result.scores) == 20


def test_folders_given_as_data(told, tmp_path):
    write_machine_sounds(tmp_path / "press", n_train=8, n_test=4, duration=0.1, random_state=0)
    noise = tmp_path / "press/dev_data/gearbox/supplemental/section_00_noise_0001_.wav"
    noise.parent.mkdir()
    noise.write_bytes(next(noise.parents[1].glob("train/*.wav")).read_bytes())
    table = load_recordings(tmp_path / "press")
    detector = make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), Curious())
    result = run(detector, tmp_path / "press")
    assert set(result.scores["data"]) == {"press"}
    assert result.scores["path"].tolist() == table.query("split == 'test'")["path"].tolist()
    ((X, metadata, _),) = told.told
    train = table.query("split == 'train'")
    assert len(X) == len(train) == 8
    assert metadata["domain"] == train["domain"].tolist()
    named = run(detector, {"a": str(tmp_path / "press"), "b": table})
    assert set(named.scores["data"]) == {"a", "b"}
    pd.testing.assert_series_equal(
        *(named.scores.query(f"data == {n!r}")["path"].reset_index(drop=True) for n in "ab")
    )


def test_evaluation_clips_without_labels_do_not_change_the_rules(gearbox, quick):
    table = gearbox.table.copy()
    unlabelled = table["split"].eq("test") & (table.groupby(["split", "y", "domain"]).cumcount() >= 3)
    table.loc[unlabelled, "y"] = pd.NA
    table.loc[unlabelled, "domain"] = np.nan
    assert unlabelled.any()
    result = run(quick["knn"], (gearbox.X, table))
    assert result.settings["data"]["data"]["year"] == 2026
    assert {"source", "target"} <= set(result.table["domain"])
    alone = table[(table["split"] == "train") | unlabelled]
    with pytest.warns(UserWarning, match="No official score of 2026"):
        run(quick["knn"], (gearbox.X[alone.index], alone))


def test_year_of_the_rules(gearbox, quick):
    one = (gearbox.X, gearbox.table.assign(domain="source"))
    dated = gearbox.table.copy()
    dated.attrs["year"] = 2021
    years = {
        "two domains": run(quick["knn"], gearbox),
        "one domain": run(quick["knn"], one),
        "the table's": run(quick["knn"], (gearbox.X, dated)),
        "told": run(quick["knn"], (gearbox.X, dated), year=2023),
    }
    assert [r.settings["data"]["data"]["year"] for r in years.values()] == [2026, 2020, 2021, 2023]
    for result in years.values():
        year = result.settings["data"]["data"]["year"]
        scores = result.scores
        expected = official_score(
            scores["y"].astype(int), scores["anomaly_score"], year=year, domain=scores["domain"]
        )
        assert (
            result.table.query("metric == 'official score' and machine == ''").value.item() == expected.score
        )
    with pytest.raises(ValueError, match="year"):
        run(quick["knn"], gearbox, year=2019)
    with pytest.warns(UserWarning, match=r"No official score of 2023 over all machines of 'data': .*target"):
        assert len(run(quick["knn"], one, year=2023).table)
