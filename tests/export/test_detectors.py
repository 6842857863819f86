import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline

from skasd import (
    AnomalousSoundDetector,
    ClipStatistics,
    DomainDependent,
    KNNScorer,
    LOFScorer,
    LogMelTransformer,
    MahalanobisScorer,
    PerMachine,
    PerSection,
    ScoreEnsemble,
)
from skasd.export import ExportError, to_onnx
from skasd.export._detectors import interpolated
from skasd.export._graph import Graph

from .agreement import check_agreement

PARTS = [("knn", KNNScorer()), ("mahalanobis", MahalanobisScorer())]


def statistics(last):
    return make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), last)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"weights": [1, 0.3]},
        {"combine": "product", "standardize_scores": "rank", "weights": [2, 1]},
        {"combine": "max", "standardize_scores": "rank"},
        {"combine": "min", "standardize_scores": None},
    ],
    ids=str,
)
def test_ensembles(sounds, tmp_path, parameters):
    ensemble = ScoreEnsemble(PARTS, contamination=0.3, **parameters)
    check_agreement(statistics(ensemble).fit(sounds.healthy), tmp_path, sounds.mixed)


def test_ensembles_of_pipelines(sounds, tmp_path):
    statistics_of_peaks = make_pipeline(
        LogMelTransformer(n_mels=20, hop_length=300), ClipStatistics(["max"]), LOFScorer()
    )
    ensemble = ScoreEnsemble(
        [("mean", statistics(KNNScorer())), ("peaks", statistics_of_peaks)], contamination=0.3
    )
    check_agreement(ensemble.fit(sounds.healthy), tmp_path, sounds.mixed)
    ensemble.estimators_[1][0].sample_rate = 32000
    with pytest.raises(ExportError, match=r"work at \[16000, 32000\] Hz"):
        to_onnx(ensemble, tmp_path / "model.onnx")


def test_domains_with_detectors_of_their_own(sounds, tmp_path):
    parts = DomainDependent(KNNScorer(), MahalanobisScorer(), contamination=0.3)
    detector = statistics(parts).fit(sounds.healthy, domaindependent__domain=sounds.domain)
    check_agreement(detector, tmp_path, sounds.mixed)


@pytest.mark.parametrize("embedder", [None, ClipStatistics()], ids=str)
def test_sections_with_detectors_of_their_own(sounds, tmp_path, embedder):
    parts = PerSection(embedder, KNNScorer(contamination=0.3))
    steps = [LogMelTransformer(n_mels=16), *([ClipStatistics()] if embedder is None else []), parts]
    detector = make_pipeline(*steps).fit(sounds.healthy, persection__section=sounds.section)
    assert len(detector[-1].estimators_) == 2
    check_agreement(detector, tmp_path, sounds.mixed)


@pytest.mark.slow
def test_the_default_detector_of_sections_and_domains(sounds, tmp_path):
    detector = AnomalousSoundDetector(contamination=0.3)
    detector.fit(sounds.healthy, section=sounds.section, domain=sounds.domain)
    check_agreement(detector, tmp_path, sounds.mixed)


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (ScoreEnsemble(PARTS, combine=lambda scores: scores[:, 0]), r"ScoreEnsemble\(combine=<function"),
        (PerMachine(PARTS, {None: "knn"}), "PerMachine cannot be exported: detectors that can be"),
    ],
)
def test_what_has_no_such_form_is_refused(sounds, tmp_path, detector, message):
    with pytest.raises(ExportError, match=message):
        to_onnx(statistics(detector).fit(sounds.healthy), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_of_detectors_of_several_machines_one_is_exported(sounds, tmp_path):
    detector = PerMachine([("knn", statistics(KNNScorer(contamination=0.3)))], {"fan": "knn"})
    detector.fit(sounds.healthy, machine=["fan"] * len(sounds.healthy))
    with pytest.raises(
        ExportError, match=r"export the detector of one machine, such as estimators_\['fan'\]"
    ):
        to_onnx(detector, tmp_path / "model.onnx")
    check_agreement(detector.estimators_["fan"], tmp_path, sounds.mixed)


@settings(max_examples=25, deadline=None)
@given(
    # NumPy's own is infinite between knots that are next to each other
    knots=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=6, unique=True).map(sorted),
    heights=st.lists(st.floats(-10, 10), min_size=6, max_size=6),
    x=st.lists(st.floats(-2e6, 2e6), min_size=1, max_size=5),
)
def test_functions_between_knots_are_those_of_numpy(knots, heights, x):
    knots, heights = np.array(knots) / 1000, np.array(heights[: len(knots)])
    x = np.array([*x, *knots, np.nextafter(knots[0], np.inf)])
    graph = Graph()
    value = interpolated(graph, graph.input("x", np.float64, ["n"]), knots, heights)
    graph.output("y", value, np.float64, ["n"])
    session = onnxruntime.InferenceSession(
        graph.model({}).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = session.run(None, {"x": x})[0]
    np.testing.assert_allclose(found, np.interp(x, knots, heights), rtol=1e-9, atol=1e-9)
