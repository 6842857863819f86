"""Labels of any kind are the classes that Python makes of them, wherever they are used."""

import json
import os
import random
import subprocess
import sys
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import skasd
from skasd.augment import MixupSMOTEAugmenter
from skasd.benchmark import run
from skasd.compose import DomainDependent, PerMachine, PerSection, ScoreEnsemble
from skasd.embedders import AutoencoderEmbedder, MFNEmbedder, MultiBranchEmbedder, OEVAEEmbedder
from skasd.labels import (
    as_label,
    as_labels,
    column_names,
    encode,
    file_names,
    find_columns,
    group_rows,
    label_names,
    natural_array,
    sort_labels,
)
from skasd.metrics import harmonic_auc, official_score
from skasd.model_selection import RecordingKFold
from skasd.plotting import EmbeddingDisplay
from skasd.report import report_scores, scores_table
from skasd.scorers import CosineMeanScorer, GammaSoftmaxScorer, KNNScorer

from .label_kinds import KINDS, MISSING, NOT_HASHABLE, Word, rows_of

N = 40


def features(codes, seed=0, n_features=4):
    """Rows near a centre of their own for each class."""
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(len(codes), n_features)) + 4 * rng.normal(size=(max(codes) + 1, n_features))[codes]
    )


# the mapping


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_those_that_python_tells_apart(kind):
    rows, _ = rows_of(kind, N)
    labels = as_labels("section", rows, N)
    classes, codes = encode(labels)
    assert [classes[code] for code in codes] == labels.tolist()
    groups = group_rows(labels)
    assert list(groups) == classes.tolist()
    assert sorted(np.concatenate(list(groups.values()))) == list(range(N))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "no print"])
def test_order_does_not_depend_on_the_order_of_clips(kind):
    different = [as_label(label) for label in KINDS[kind]]
    orders = [sort_labels(order) for order in permutations(different)]
    assert all(order == orders[0] for order in orders)


def test_order_of_numbers_and_strings_is_their_own():
    assert sort_labels([10, 9.5, -1, 2**60 + 1, 2**60]) == [-1, 9.5, 10, 2**60, 2**60 + 1]
    assert sort_labels(["b", "a", "10", "9"]) == ["10", "9", "a", "b"]
    assert sort_labels([(2, "a"), (10, "a"), (2, "A")]) == [(2, "A"), (2, "a"), (10, "a")]


def test_equal_labels_are_one_class():
    assert len(encode([1, 1.0, True, 1 + 0j, np.int8(1).item()])[0]) == 1
    rows = [np.float32(0.5), 0.5, np.int64(2), 2, "x", np.str_("x"), Word.FAN, "fan", ["a"], ("a",)]
    assert encode(as_labels("section", rows, 10))[1].tolist() == [0, 0, 1, 1, 3, 3, 2, 2, 4, 4]
    date = np.datetime64("2026-01-10")
    assert as_label(date) == as_label(date.astype("datetime64[ns]")) == pd.Timestamp("2026-01-10")
    assert hash(as_label(date)) == hash(as_label(date.astype("datetime64[ns]")))


def test_the_same_in_arrays_series_and_lists():
    for values in (["b", "a"], [3, 1], np.array(["2026-01-02", "2026-01-01"], dtype="datetime64[ns]")):
        expected = as_labels("section", list(values), 2).tolist()
        for given_ in (np.array(values), pd.Series(values), tuple(values), iter(values)):
            assert as_labels("section", given_, 2).tolist() == expected
    table = np.array([["fan", "00"], ["fan", "01"]])
    assert as_labels("section", table, 2).tolist() == [("fan", "00"), ("fan", "01")]


@pytest.mark.parametrize("value", MISSING.values(), ids=MISSING)
def test_missing_labels_are_refused(value):
    with pytest.raises(ValueError, match=r"section is missing in row 1: .*Give every clip a section"):
        as_labels("section", ["fan", value], 2)
    with pytest.raises(ValueError, match="section is missing in row 1"):
        CosineMeanScorer().fit([[1, 0], [0, 1]], section=["fan", value])


@pytest.mark.parametrize("value", NOT_HASHABLE.values(), ids=NOT_HASHABLE)
def test_what_cannot_be_hashed_is_refused(value):
    with pytest.raises(
        TypeError, match=r"section in row 1 is of type \w+, which cannot be hashed.*frozensets"
    ):
        as_labels("section", ["fan", value], 2)


def test_what_is_no_sequence_of_labels():
    for values in ({"fan", "pump"}, {"fan": 1, "pump": 2}, frozenset({"fan", "pump"})):
        with pytest.raises(TypeError, match="one entry per clip, in order"):
            as_labels("section", values, 2)
    with pytest.raises(TypeError, match="the single string 'ab'"):
        as_labels("section", "ab", 2)
    with pytest.raises(ValueError, match="section has 1 entries for 2 clips"):
        as_labels("section", [["fan", 1]], 2)


_CODE = """
import json, sys
from tests.label_kinds import KINDS
from skasd.labels import as_label, file_names, label_names
labels = {kind: [as_label(label) for label in different] for kind, different in KINDS.items()}
labels["everything"] = [label for different in labels.values() for label in different]
json.dump({kind: [list(label_names(all).values()), list(file_names(all).values())] for kind, all in labels.items()},
          sys.stdout)
"""


def test_names_and_order_do_not_depend_on_the_seed_of_hashes():
    root = os.path.dirname(os.path.dirname(skasd.__file__))
    found = []
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", _CODE],
            env=environment,
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout))
    assert found[0] == found[1] == found[2]


_ANY = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(),
        st.binary(),
        st.fractions(),
    ),
    lambda inner: st.one_of(st.tuples(inner), st.tuples(inner, inner), st.frozensets(inner, max_size=3)),
    max_leaves=5,
)


@given(st.lists(_ANY.filter(lambda label: label is not None), min_size=1, max_size=12), st.randoms())
def test_any_labels(labels, shuffled):
    classes, codes = encode(as_labels("section", labels, len(labels)))
    assert [classes[code] for code in codes] == labels
    assert len(classes) == len(set(labels))
    other = list(labels)
    shuffled.shuffle(other)
    assert encode(as_labels("section", other, len(other)))[0].tolist() == classes.tolist()
    names = label_names(labels)
    assert len(set(names.values())) == len(names)
    files = file_names(labels)
    assert len({name.casefold() for name in files.values()}) == len(files)


# names


def test_names():
    assert label_names(["fan", 1, "1"]) == {1: "1", "1": "'1'", "fan": "fan"}
    assert label_names(["fan", 2]) == {2: "2", "fan": "fan"}
    assert label_names([("a", frozenset({"y", "x"}))]) == {
        ("a", frozenset({"y", "x"})): "('a', frozenset({'x', 'y'}))"
    }
    assert list(label_names([Word.FAN, Word.FLANGE]).values()) == ["fan", "flange"]


def test_file_names():
    assert file_names(["secom2021:model=mfn,detector=knn"]) == {
        "secom2021:model=mfn,detector=knn": "secom2021_model=mfn,detector=knn"
    }
    assert file_names(["../a b/ü", "fan"]) == {"../a b/ü": "a_b_ü", "fan": "fan"}
    for labels in (
        ["a b", "a:b"],
        ["Fan", "fan"],
        ["\u00e9", "e\u0301"],
        ["", "..", "_"],
        [1, "1"],
        ["a" * 300],
    ):
        names = list(file_names(labels).values())
        assert len({name.casefold() for name in names}) == len(labels)
        assert all(len(name.encode()) <= 110 and not set(name) & set("/\\:*?\"<>|' \0") for name in names)
    assert file_names(["CON", "nul.txt"]) == {"CON": "_CON", "nul.txt": "_nul.txt"}


@pytest.mark.parametrize("kind", KINDS)
def test_file_names_of_all_kinds(kind, tmp_path):
    names = file_names(as_label(label) for label in KINDS[kind])
    for name in names.values():
        (tmp_path / name).touch()
    assert len(list(tmp_path.iterdir())) == len(KINDS[kind])


def test_columns_are_found_by_name():
    labels = [("fan", 1), "fan]", 1, "1"]
    columns = column_names("net_log_proba", labels)
    random.Random(0).shuffle(columns)
    columns = ["net0", *columns, "net_log_odds[fan]]"]
    places = find_columns(columns, "log_proba", labels)
    assert [columns[places[label]] for label in sort_labels(labels)] == column_names("net_log_proba", labels)
    with pytest.raises(ValueError, match=r"no column log_proba\[...\] of 'pump'; there are those of"):
        find_columns(columns, "log_proba", [*labels, "pump"])
    assert find_columns(columns, "log_proba", ["pump", 2]) is None
    assert find_columns(None, "log_proba", labels) is None


def test_natural_arrays():
    assert natural_array(["a", "b"]).dtype.kind == "U"
    assert natural_array([1, 2]).dtype.kind == "i"
    assert natural_array([1, 2.5]).dtype.kind == "f"
    for labels in ([1, "1"], ["a", "a\0"], [2**53 + 1, 0.5], [("a", 1)], [Word.FAN], []):
        assert natural_array(labels).tolist() == labels


# estimators: as with the number of the class in place of the label


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "detector",
    [
        PerSection(estimator=KNNScorer()),
        ScoreEnsemble([("cosine", CosineMeanScorer()), ("knn", PerSection(estimator=KNNScorer()))]),
        DomainDependent(PerSection(estimator=CosineMeanScorer()), KNNScorer()),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_detectors_take_any_labels(detector, kind):
    rows, codes = rows_of(kind, N)
    X, new = features(codes), features(codes, seed=1)
    named = clone(detector).fit(X, section=rows)
    plain = clone(detector).fit(X, section=codes)
    assert_array_equal(named.score_samples(new), plain.score_samples(new))
    assert_array_equal(
        named.decision_function(new, section=rows), plain.decision_function(new, section=codes)
    )
    if not isinstance(detector, (ScoreEnsemble, DomainDependent)):
        assert len(named.sections_) == len(KINDS[kind])
        with pytest.raises(ValueError, match="Unknown section 'of another house'"):
            named.decision_function(new[:1], section=["of another house"])


@pytest.mark.parametrize("kind", KINDS)
def test_one_system_for_each_label(kind):
    rows, codes = rows_of(kind, N)
    X = features(codes)
    systems = [(f"knn{k}", KNNScorer(n_neighbors=k + 1)) for k in range(max(codes) + 1)]
    chosen = {
        row if not isinstance(row, list) else as_label(row): f"knn{code}"
        for row, code in zip(rows, codes, strict=True)
    }
    named = PerMachine(systems, chosen).fit(X, machine=rows)
    plain = PerMachine(systems, {code: f"knn{code}" for code in codes}).fit(X, machine=codes)
    assert_array_equal(named.decision_function(X, machine=rows), plain.decision_function(X, machine=codes))
    assert_array_equal(named.score_samples(X), plain.score_samples(X))


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_log_probabilities(kind):
    rows, codes = rows_of(kind, N)
    rng = np.random.default_rng(0)
    n_classes = max(codes) + 1
    p = rng.dirichlet(np.ones(n_classes), size=N) / 4 + 0.75 * np.eye(n_classes)[codes]
    for X, column in ((np.log(p), np.array(codes)), (np.log(p)[:, ::-1], n_classes - 1 - np.array(codes))):
        scorer = GammaSoftmaxScorer(calibration="cross").fit(X, section=rows)
        assert_array_equal(scorer.anomaly_score(X, section=rows), -X[np.arange(N), column])


@pytest.fixture(scope="module")
def clips():
    return np.random.default_rng(0).normal(size=(20, 8, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def by_codes():
    """Rows of clips, by the name of the embedder and the plain numbers that it was fitted to."""
    return {}


def embedders():
    small = {"max_epochs": 1, "random_state": 0}
    yield MFNEmbedder(patch_frames=12, output="log_proba", **small)
    yield OEVAEEmbedder(8, 4, 4, 2, patch_frames=12, n_segments=1, output="log_proba", **small)
    yield MultiBranchEmbedder(("spectrum",), n_samples=64, branch_dim=4, output="log_proba", **small)


@pytest.mark.parametrize("kind", KINDS)
def test_embedders_take_any_labels(kind, clips, by_codes):
    rows, codes = rows_of(kind, len(clips))
    classes = encode(as_labels("section", rows, len(clips)))[0].tolist()
    for embedder in (
        embedders() if kind in ("strings", "mixed", "Enum of strings", "frozensets") else [next(embedders())]
    ):
        X = clips.reshape(len(clips), -1) if isinstance(embedder, MultiBranchEmbedder) else clips
        named = clone(embedder).fit(X, section=rows)
        assert named.classes_.tolist() == classes
        key = type(embedder).__name__, tuple(codes)
        if key not in by_codes:
            by_codes[key] = clone(embedder).fit(X, section=codes).transform(X)
        assert_array_equal(named.transform(X), by_codes[key])


@pytest.mark.parametrize("kind", KINDS)
def test_attributes_are_classes_and_levels(kind, clips):
    rows, codes = rows_of(kind, len(clips))
    waveforms = clips.reshape(len(clips), -1)
    many = MultiBranchEmbedder(("spectrum",), n_samples=64, branch_dim=4, max_epochs=0, random_state=0)
    many.fit(waveforms, section=["a", "b"] * 10, attribute=rows)
    assert len(many.classes_) == len(set(zip(["a", "b"] * 10, codes, strict=True)))
    assert isinstance(many.classes_[0], tuple)


def test_labels_in_y_are_not_merged(clips):
    with pytest.raises(ValueError, match="Unknown label type"):
        MFNEmbedder(max_epochs=0).fit(clips, [1, "1"] * 10)


def test_names_of_columns_travel_with_the_output(clips):
    section = [1, "1", ("fan", 2), "fan"] * 5
    network = MFNEmbedder(patch_frames=12, max_epochs=0, output="log_proba", random_state=0)
    scorer = GammaSoftmaxScorer(calibration="cross")
    pipeline = make_pipeline(network, scorer).set_output(transform="pandas")
    pipeline.fit(clips, mfnembedder__section=section, gammasoftmaxscorer__section=section)
    table = pipeline[0].transform(clips)
    assert list(table.columns) == column_names("mfnembedder_log_proba", section)
    own = [f"mfnembedder_log_proba[{label_names(section)[label]}]" for label in section]
    expected = [-table.loc[row, name] for row, name in enumerate(own)]
    assert_array_equal(scorer.anomaly_score(table, section=section), np.array(expected, dtype=float))
    both = network.set_params(output=("embedding", "log_odds")).fit(clips, section=section).transform(clips)
    assert both.columns[0] == "mfnembedder0"
    assert list(both.columns[-4:]) == column_names("mfnembedder_log_odds", section)


@pytest.mark.parametrize("kind", KINDS)
def test_augmentation_within_classes(kind):
    rows, codes = rows_of(kind, N)
    X = features(codes)
    options = {"balance": "section", "sampling_strategy": 2.0, "random_state": 0}
    named, _, known = MixupSMOTEAugmenter(**options).augment(X, section=rows, attribute=rows)
    plain, _, numbers = MixupSMOTEAugmenter(**options).augment(X, section=codes)
    assert_array_equal(named, plain)
    classes = sort_labels(as_labels("section", rows, N))
    assert known["section"].tolist() == [classes[number] for number in numbers["section"]]


@pytest.mark.parametrize("kind", KINDS)
def test_folds_and_metrics(kind):
    rows, codes = rows_of(kind, N)
    y = np.where(np.arange(N) % 8 < 6, 1, -1)
    y[: N // 2] = 1
    scores = np.random.default_rng(0).normal(size=N)
    groups = rows_of(kind, N)[0]
    strata = RecordingKFold(2).split(rows, y, None, None, groups)
    plain = RecordingKFold(2).split(rows, y, None, None, [row % len(KINDS[kind]) for row in range(N)])
    for (train, test), (train_too, test_too) in zip(strata, plain, strict=True):
        assert_array_equal(train, train_too)
        assert_array_equal(test, test_too)
    y = np.where(np.arange(N) < N // 2, 1, -1)
    rows, codes = [rows[row % (N // 2)] for row in range(N)], [codes[row % (N // 2)] for row in range(N)]
    assert harmonic_auc(y, scores, None, rows) == harmonic_auc(y, scores, None, codes)
    by_label = official_score(y, scores, year=2020, section=rows)
    assert len(by_label.table) == len(KINDS[kind])
    assert by_label.score == pytest.approx(official_score(y, scores, year=2020, section=codes).score)


@pytest.mark.parametrize(
    "kind", ["1 and its print", "mixed", "Enum of strings", "strings with slashes", "tuples"]
)
def test_benchmark_keeps_machines_and_sections_apart(kind, tmp_path):
    rows, codes = rows_of(kind, N)
    rows = [row if not isinstance(row, list) else tuple(row) for row in rows]
    X = [features([0], seed=row, n_features=64)[0] for row in range(N)]
    half = np.arange(N) < N // 2
    column = pd.Series([None] * N, dtype=object)
    for row, label in enumerate(rows):
        column[row] = label
    table = pd.DataFrame(
        {
            "split": np.where(half, "train", "test"),
            "y": np.where(half | (np.arange(N) // len(KINDS[kind]) % 2 == 0), 1, -1),
        }
    )
    detector = make_pipeline(
        skasd.STFTTransformer(n_fft=16), skasd.ClipStatistics(), KNNScorer(contamination=0.5)
    )
    for place, other in (("machine", "section"), ("section", "machine")):
        named = run(
            detector, (np.array(X), table.assign(**{place: column, other: "00"})), out=tmp_path / place
        )
        plain = run(detector, (np.array(X), table.assign(**{place: codes, other: "00"})))
        assert named.scores[place].nunique() == len(KINDS[kind])
        merged = named.scores.merge(plain.scores, on="path")
        assert_array_equal(merged["anomaly_score_x"], merged["anomaly_score_y"])
    files = list((tmp_path / "machine" / "scores").rglob("*.csv"))
    assert len(files) == len(KINDS[kind])


def test_reports_keep_machines_and_sections_apart(tmp_path):
    table = pd.DataFrame({"path": list("abcd"), "anomaly_score": [0.1, 0.2, 0.3, 0.4]})
    table["section"] = pd.Series([1, "1", ("hall", 1), "hall"], dtype=object)
    table["machine"] = pd.Series([Word.FAN, Word.FLANGE, Word.FAN, Word.FLANGE], dtype=object)
    report_scores(table, tmp_path / "report.html")
    assert scores_table(table)["machine"].tolist() == ["fan", "flange", "fan", "flange"]
    assert scores_table(table)["section"].tolist() == ["1", "'1'", "('hall', 1)", "hall"]


@pytest.mark.parametrize("kind", KINDS)
def test_model_files_keep_labels_or_refuse_them_by_name(kind, tmp_path):
    rows, codes = rows_of(kind, N)
    X = features(codes)
    scorer = PerSection(estimator=CosineMeanScorer()).fit(X, section=rows)
    if kind in ("Enum", "Enum of strings", "IntEnum", "dataclass", "namedtuple", "no print", "type"):
        with pytest.raises(TypeError, match=r"sections_.* which a model file cannot hold"):
            skasd.save(scorer, tmp_path / "model.skasd")
        return
    skasd.save(scorer, tmp_path / "model.skasd")
    loaded = skasd.load(tmp_path / "model.skasd")
    assert loaded.sections_ == scorer.sections_
    assert [type(label) for label in loaded.sections_] == [type(label) for label in scorer.sections_]
    assert_array_equal(loaded.decision_function(X, section=rows), scorer.decision_function(X, section=rows))


@pytest.mark.parametrize("kind", KINDS)
def test_maps_of_embeddings(kind):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows, codes = rows_of(kind, N)
    display = EmbeddingDisplay.from_embeddings(features(codes), section=rows, method="pca")
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert len(set(texts)) == len(texts) == len(KINDS[kind])
    assert sum(len(points.get_offsets()) for points in display.ax_.collections) == N
    pyplot.close(display.figure_)


def test_autoencoder_is_exposed_to_other_labels(clips):
    rows, _ = rows_of("mixed", len(clips))
    fitted = AutoencoderEmbedder(max_epochs=0, random_state=0).fit(clips, section=rows)
    assert np.isfinite(fitted.transform(clips)).all()
