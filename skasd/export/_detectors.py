"""Detectors made of steps or of other detectors, in ONNX."""

from typing import Any

import numpy as np
from sklearn.pipeline import FeatureUnion, Pipeline

from ..compose import DomainDependent, PerMachine, PerSection, ScoreEnsemble, SelectBest, fitted_steps
from ._front_ends import transform_by
from ._refusal import ExportError, check_setting
from ._scorers import score


def anomaly_score(detector: Any, graph: Any, x: str) -> str:
    """Add a fitted detector, in whatever wrapping, to the graph; return its anomaly scores (batch,), double."""
    *front, last = fitted_steps(detector)
    return score(last, graph, transform_by(front, graph, x))


def fronts(detector: Any) -> list:
    """Return the steps of a fitted detector that take the clips."""
    first = fitted_steps(detector)[0]
    if isinstance(first, Pipeline):  # of transformers
        return fronts(first)
    if isinstance(first, FeatureUnion):
        parts = [part for _, part in first.transformer_list if not isinstance(part, str)]
    elif getattr(first, "embedder_", None) is not None:
        parts = [first.embedder_]
    elif isinstance(first, (PerSection, DomainDependent, ScoreEnsemble)):
        own: Any = first.estimators_
        parts = list(own.values()) if isinstance(own, dict) else own
    elif isinstance(first, (PerMachine, SelectBest)):
        raise ExportError(
            f"{type(first).__name__} cannot be exported: export the detector of one machine, such as "
            f"estimators_[{next(iter(first.estimators_))!r}]."
        )
    else:
        return [first]
    return [front for part in parts for front in fronts(part)]


@score.register
def _per_section(detector: PerSection, graph, x):
    if detector.embedder_ is not None:
        x = transform_by(fitted_steps(detector.embedder_), graph, x)
    excess, offsets = [], []
    for name, each in detector.estimators_.items():
        offset = getattr(fitted_steps(each)[-1], "offset_", None)
        if offset is None:
            raise ExportError(
                f"{type(each).__name__}, the detector of section {name!r}, keeps no offset_: use one of skasd."
            )
        offsets.append(float(offset))
        excess.append(graph.op("Add", anomaly_score(each, graph, x), np.float64(offset)))
    # the section that fits the clip best, on the scale of the threshold for clips of unknown section
    return graph.op("Sub", graph.op("Min", *excess), np.mean(offsets))


@score.register
def _domain_dependent(detector: DomainDependent, graph, x):
    scores = []
    for name, each in detector.estimators_.items():
        found = graph.op("Sub", anomaly_score(each, graph, x), np.float64(detector.mean_[name]))
        scores.append(graph.op("Div", found, np.float64(detector.scale_[name])))
    return graph.op("Min", *scores)


@score.register
def _ensemble(detector: ScoreEnsemble, graph, x):
    check_setting(detector, "combine", ["sum", "product", "max", "min"])
    columns = []
    parts = zip(detector.estimators_, detector.standardizations_, detector.weights_, strict=True)
    for each, standardization, weight in parts:
        found = _standardized(graph, anomaly_score(each, graph, x), standardization)
        kind = "Pow" if detector.combine == "product" else "Mul"
        columns.append(found if weight == 1 else graph.op(kind, found, np.float64(weight)))
    if detector.combine in ("max", "min"):
        return graph.op(detector.combine.capitalize(), *columns)
    total = columns[0]
    for each in columns[1:]:
        total = graph.op("Add" if detector.combine == "sum" else "Mul", total, each)
    return total


def _standardized(graph, scores, standardization):
    if standardization.kind is None:
        return scores
    if standardization.kind == "zscore":
        scores = graph.op("Sub", scores, np.float64(standardization.mean))
        return graph.op("Div", scores, np.float64(standardization.spread))
    knots, shares = standardization.rank_knots()
    ranks = interpolated(graph, scores, knots, shares)
    beyond = graph.op("Max", graph.op("Sub", scores, np.float64(knots[-1])), np.float64(0))
    return graph.op("Add", ranks, graph.op("Div", beyond, np.float64(standardization.spread)))


def interpolated(graph: Any, x: str, knots: np.ndarray, heights: np.ndarray) -> str:
    """Return a function (batch,) that is linear between knots, in ascending order, and constant beyond them."""
    if len(knots) == 1:
        return graph.op("Add", graph.op("Mul", x, np.float64(0)), np.float64(heights[0]))
    x = graph.op("Clip", x, np.float64(knots[0]), np.float64(knots[-1]))
    reached = graph.op("LessOrEqual", knots[None, 1:-1], graph.op("Unsqueeze", x, np.array([1])))
    place = graph.reduce("Sum", graph.cast(reached, np.int64), 1)
    from_knot = graph.op("Sub", x, graph.op("Gather", knots[:-1], place, axis=0))
    share = graph.op("Div", from_knot, graph.op("Gather", np.diff(knots), place, axis=0))
    rise = graph.op("Mul", share, graph.op("Gather", np.diff(heights), place, axis=0))
    return graph.op("Add", graph.op("Gather", heights[:-1], place, axis=0), rise)
