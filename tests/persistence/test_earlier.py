"""Files whose classes or parameters have been renamed or removed since: loaded, or refused with what to do."""

import json
import zipfile

import numpy as np
import pytest

from skasd.compose import PerSection, ScoreEnsemble, SelectBest
from skasd.embedders import AutoencoderEmbedder
from skasd.persistence import ModelFileError, _earlier, load, save
from skasd.persistence._allowed import public_name
from skasd.scorers import (
    CosineMeanScorer,
    GammaSoftmaxScorer,
    KNNScorer,
    LOFScorer,
    MahalanobisScorer,
    OEVAEScorer,
)

from .test_damaged_files import rewrite

X = np.random.default_rng(0).normal(size=(30, 4))
NAME = "skasd.scorers.BaseScorer"  # what counts for a class counts for its subclasses


@pytest.fixture
def older(tmp_path):
    """Return a function that writes a file in which the state of a scorer is changed."""
    save(LOFScorer(n_neighbors=4).fit(X), tmp_path / "m")

    def write(**changes):
        def change(structure):
            state = structure["state"]
            for name, value in changes.items():
                state[name] = state.pop(value) if value in state else value
            return structure

        rewrite(tmp_path / "m", tmp_path / "older", change)
        return tmp_path / "older"

    return write


def test_removed_parameters(older, monkeypatch):
    with pytest.raises(ModelFileError, match=r"LOFScorer no longer has leaves=3 \(CHANGELOG.md .* fit again"):
        load(older(leaves=3))
    monkeypatch.setitem(_earlier.REMOVED, NAME, {"leaves": (3, None)})
    expected = LOFScorer(n_neighbors=4).fit(X).score_samples(X)
    for value in (3, None):
        again = load(older(leaves=value))
        assert not hasattr(again, "leaves")
        np.testing.assert_array_equal(again.score_samples(X), expected)
    for value in (4, 3.0, True, "3"):
        with pytest.raises(ModelFileError, match=f"no longer has leaves={value!r}"):
            load(older(leaves=value))


def test_renamed_parameters(older, monkeypatch):
    path = older(neighbours="n_neighbors")
    with pytest.raises(ModelFileError, match="no longer has neighbours=4"):
        load(path)
    monkeypatch.setitem(_earlier.RENAMED, NAME, {"neighbours": "n_neighbors"})
    assert load(path).n_neighbors == 4


def test_renamed_classes(tmp_path, monkeypatch):
    save(KNNScorer().fit(X), tmp_path / "m")
    rewrite(tmp_path / "m", tmp_path / "older", lambda node: {**node, "class": "skasd.scorers.NNScorer"})
    with pytest.raises(ModelFileError, match="NNScorer does not exist"):
        load(tmp_path / "older")
    monkeypatch.setitem(_earlier.CLASSES, "skasd.scorers.NNScorer", "skasd.scorers.KNNScorer")
    again = load(tmp_path / "older")
    assert type(again) is KNNScorer
    save(again, tmp_path / "n")
    with zipfile.ZipFile(tmp_path / "n") as archive:
        assert json.loads(archive.read("manifest.json"))["estimator"] == "skasd.KNNScorer"


def test_a_former_name_opens_no_door(tmp_path, monkeypatch):
    save(KNNScorer().fit(X), tmp_path / "m")
    monkeypatch.setitem(_earlier.CLASSES, "skasd.scorers.NNScorer", "os.system")
    rewrite(tmp_path / "m", tmp_path / "n", lambda node: {**node, "class": "skasd.scorers.NNScorer"})
    with pytest.raises(ModelFileError, match=r"os\.system is in none of"):
        load(tmp_path / "n")


def test_estimators_in_estimators_of_former_names():
    inner = {"fan": KNNScorer()}
    state = _earlier.present_state(
        PerSection, {"detector": None, "n_jobs": 1, "detectors_": inner, "_shift": 0.0}
    )
    assert state == {"estimator": None, "n_jobs": 1, "estimators_": inner, "_shift": 0.0}
    state = _earlier.present_state(ScoreEnsemble, {"detectors": [], "named_detectors_": inner})
    assert state == {"estimators": [], "named_estimators_": inner}
    with pytest.raises(ValueError, match=r"SelectBest no longer has systems=\[\], by=\{\} \(CHANGELOG"):
        _earlier.present_state(SelectBest, {"systems": [], "by": {}, "n_jobs": None})


def test_embedders_of_before_their_parameters_were_fewer(tmp_path):
    clips = np.random.default_rng(0).normal(size=(8, 4, 8)).astype(np.float32)
    embedder = AutoencoderEmbedder(4, 2, max_epochs=1, random_state=0, standardize_input="bin").fit(clips)
    save(embedder, tmp_path / "m")

    def older(**changes):
        def change(structure):
            state = structure["state"]
            state["standardize"] = state.pop("standardize_input")
            for name in ("loss", "mixing", "patch_hop", "domain_mixing", "n_pseudo_classes"):
                del state[name]  # they were attributes of the class
            state |= {"checkpoint_dir": None, "early_stopping": None, "validation_fraction": 0.1} | changes
            state |= {"warm_start": False}
            return structure

        rewrite(tmp_path / "m", tmp_path / "older", change)
        return tmp_path / "older"

    again = load(older())
    assert repr(again) == repr(embedder)
    np.testing.assert_array_equal(again.transform(clips), embedder.transform(clips))
    np.testing.assert_array_equal(again.fit(clips).transform(clips), embedder.transform(clips))
    with pytest.raises(
        ModelFileError, match=r"AutoencoderEmbedder no longer has early_stopping=3 \(CHANGELOG"
    ):
        load(older(early_stopping=3))


def test_what_the_tables_name_exists():
    for name in {*_earlier.CLASSES.values(), *_earlier.RENAMED, *_earlier.REMOVED}:
        module, _, last = name.rpartition(".")
        cls = getattr(__import__(module, fromlist=[last]), last)
        assert name in {
            *_earlier.CLASSES.values(),
            public_name(cls),
        }  # the shortest: others would not be found
        parameters = set(cls._get_param_names())
        renamed = _earlier.RENAMED.get(name, {}).values()  # fitted attributes among them
        assert {new for new in renamed if not new.endswith("_")} <= parameters
        assert not {*_earlier.RENAMED.get(name, {}), *_earlier.REMOVED.get(name, {})} & parameters


@pytest.mark.parametrize(
    ("estimator", "name", "value"),
    [
        (MahalanobisScorer(standardize_features=False), "standardize_features", False),
        (OEVAEScorer(0.5, standardize_beta=False), "standardize_beta", False),
        (
            ScoreEnsemble([("a", KNNScorer()), ("b", LOFScorer())], standardize_scores="rank"),
            "standardize_scores",
            "rank",
        ),
    ],
    ids=str,
)
def test_what_was_standardized_before_it_stood_in_the_name(estimator, name, value, tmp_path):
    save(estimator.fit(X), tmp_path / "m")

    def change(structure):
        structure["state"]["standardize"] = structure["state"].pop(name)
        return structure

    rewrite(tmp_path / "m", tmp_path / "older", change)
    again = load(tmp_path / "older")
    assert getattr(again, name) == value
    assert not hasattr(again, "standardize")
    np.testing.assert_array_equal(again.score_samples(X), estimator.score_samples(X))


def test_scorers_that_kept_sections():
    """References and normalization were by section first (None: all clips), as in tests/persistence/files."""
    state = {
        "sections_": [],
        "section_offset_": -1.0,
        "references_": {None: {"all": 3}},
        "_normalization": {},
    }
    assert _earlier.present_state(KNNScorer, state) == {"references_": {"all": 3}, "normalization_": None}
    state |= {"_normalization": {None: (1, 2)}}
    assert _earlier.present_state(KNNScorer, state)["normalization_"] == (1, 2)
    state |= {"sections_": ["a", "b"], "references_": {"a": {"all": 1}, "b": {"all": 0}}}
    present = _earlier.present_state(GammaSoftmaxScorer, state)
    assert (present["columns_"], present["sections_"]) == ({"a": 1, "b": 0}, ["a", "b"])
    with pytest.raises(
        ValueError, match=r"one for each of \['a', 'b'\]: fit PerSection\(None, CosineMeanScorer"
    ):
        _earlier.present_state(CosineMeanScorer, state)
