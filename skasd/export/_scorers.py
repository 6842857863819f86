"""Scorers in ONNX: anomaly scores of rows, in double precision as in the library."""

import numpy as np

from ..scorers import (
    BandScorer,
    BaseScorer,
    ColumnScorer,
    CosineMeanScorer,
    GammaSoftmaxScorer,
    KMeansScorer,
    KNNCosineScorer,
    KNNScorer,
    LOFScorer,
    MahalanobisScorer,
    TermScorer,
)
from ._refusal import Converters, check_setting

_LEAST_DENSITY = 1e-12
_EUCLIDEAN = ("euclidean", "l2", "minkowski", "sqeuclidean")


# score(detector, graph, x) adds a fitted detector to the graph and returns its anomaly scores (batch,)
score = Converters("detectors", looser=(BaseScorer,), unnamed=(BaseScorer,))

# against(scorer, graph, x, reference) returns the anomaly scores (batch,) of rows against one reference of a scorer
against = Converters("scorers")


@score.register
def _scorer(detector: BaseScorer, graph, x):
    """Return the least score over the domains, each in units of its own spread with `domain_normalization`."""
    with graph.scope("scorer"):
        x = graph.double(x)
        scores = [against(detector, graph, x, reference) for reference in detector.references_.values()]
        if detector.domain_normalization is not None:
            means, spreads = (np.broadcast_to(each, len(scores)) for each in detector.normalization_)
            scores = [
                graph.op("Div", graph.op("Sub", each, np.float64(mean)), np.float64(spread))
                for each, mean, spread in zip(scores, means, spreads, strict=True)
            ]
        return graph.op("Min", *scores)


@score.register
def _classes(detector: GammaSoftmaxScorer, graph, x):
    return against(detector, graph, x, None)  # which refuses it and names the scorers that can be exported


@against.register
def _mahalanobis(detector: MahalanobisScorer, graph, x, reference):
    return _norm(graph, graph.op("MatMul", graph.op("Sub", x, reference.mean), reference.whitening), 1)


@against.register(BandScorer)
@against.register(TermScorer)
def _bands(detector, graph, x, reference):
    references, spreads = reference
    formula = MahalanobisScorer() if detector.estimator is None else detector.estimator
    total = None
    for columns, each, weight in zip(detector.bands_, references, detector.weights_ / spreads, strict=True):
        part = graph.op("Gather", x, np.asarray(columns, np.int64), axis=1)
        # a column that is itself a score has no reference
        band = graph.reshape(part, -1) if each is None else against(formula, graph, part, each)
        band = graph.op("Mul", band, np.float64(weight))
        total = band if total is None else graph.op("Add", total, band)
    return total


@against.register
def _columns(detector: ColumnScorer, graph, x, reference):
    return graph.op("MatMul", x, np.asarray(reference, np.float64))


@against.register
def _knn(detector: KNNScorer, graph, x, reference):
    return _neighbors(detector, graph, x, reference, lambda squared: graph.op("Sqrt", squared))


@against.register
def _knn_cosine(detector: KNNCosineScorer, graph, x, reference):
    rows = _unit_rows(graph, x)
    return _neighbors(
        detector, graph, rows, reference, lambda squared: graph.op("Div", squared, np.float64(2))
    )


def _neighbors(detector, graph, rows, reference, distance):
    """Return the mean distance of rows to their nearest references, with the density normalization of the detector."""
    rows = graph.op("Sub", rows, reference.center)
    squared = _squared_distances(graph, rows, reference.rows)
    normalized = None
    if reference.density is not None:
        if detector.density_normalization == "ratio":
            kind, density = "Div", np.maximum(reference.density, _LEAST_DENSITY)
        else:
            kind, density = "Sub", reference.density
        normalized = graph.op(kind, distance(squared), density)
    nearest = _nearest(graph, squared if normalized is None else normalized, reference.n_neighbors)
    found = distance(_exact_squares(graph, rows, reference.rows, nearest))
    if normalized is not None:
        found = graph.op(kind, found, graph.op("Gather", density, nearest, axis=0))
    return graph.reduce("Mean", found, 1)


@against.register
def _lof(detector: LOFScorer, graph, x, reference):
    check_setting(detector, "metric", _EUCLIDEAN)
    if detector.metric == "minkowski":
        check_setting(detector, "p", [2])
    lof, center = reference
    others = lof._fit_X
    distances, neighbors = lof.kneighbors()
    k_distance = distances[:, -1]
    least = 1e-10 * (distances.mean() or 1.0)  # as in LOFScorer
    densities = 1 / (np.maximum(distances, k_distance[neighbors]).mean(axis=1) + least)
    rows = graph.op("Sub", x, center)
    nearest = _nearest(graph, _squared_distances(graph, rows, others), lof.n_neighbors_)
    found = _exact_squares(graph, rows, others, nearest)
    if detector.metric != "sqeuclidean":
        found = graph.op("Sqrt", found)
    reach = graph.op("Max", found, graph.op("Gather", k_distance, nearest, axis=0))
    sparsity = graph.op("Add", graph.reduce("Mean", reach, 1), np.float64(least))
    theirs = graph.reduce("Mean", graph.op("Gather", densities, nearest, axis=0), 1)
    return graph.op("Mul", theirs, sparsity)


@against.register
def _k_means(detector: KMeansScorer, graph, x, reference):
    products = graph.op("MatMul", _unit_rows(graph, x), np.asarray(reference, np.float64).T)
    distance = graph.op("Sub", np.float64(1), graph.reduce("Max", products, 1))
    return _cut_off(graph, distance, 8 * np.finfo(float).eps)


@against.register
def _cosine_mean(detector: CosineMeanScorer, graph, x, reference):
    difference = graph.op("Sub", _unit_rows(graph, x), reference[0])
    distance = graph.op("Div", graph.reduce("SumSquare", difference, 1), np.float64(2))
    return _cut_off(graph, distance, (32 * np.finfo(float).eps) ** 2)


def _cut_off(graph, distance, least):
    """Set distances within rounding error to 0."""
    return graph.op("Where", graph.op("Less", distance, np.float64(least)), np.float64(0), distance)


def _norm(graph, x, axis, keepdims=False):
    return graph.op("Sqrt", graph.reduce("SumSquare", x, axis, keepdims=keepdims))


def _unit_rows(graph, x):
    """Scale rows to length one, with a further column that is 1 for rows of zeros."""
    largest = graph.reduce("Max", graph.op("Abs", x), 1, keepdims=True)
    is_zero = graph.op("Equal", largest, np.float64(0))
    x = graph.op("Div", x, graph.op("Where", is_zero, np.float64(1), largest))
    x = graph.op("Concat", x, graph.double(is_zero), axis=1)
    return graph.op("Div", x, _norm(graph, x, 1, keepdims=True))


def _squared_distances(graph, rows, others):
    """Return squared distances (batch, n_rows) by one matrix product, precise enough to find the nearest."""
    squares = graph.op("Add", graph.reduce("SumSquare", rows, 1, keepdims=True), (others**2).sum(axis=1))
    products = graph.op("MatMul", rows, 2 * others.T)
    return graph.op("Max", graph.op("Sub", squares, products), np.float64(0))


def _nearest(graph, distances, k):
    return graph.ops("TopK", 2, distances, np.array([k]), axis=1, largest=0, sorted=1)[1]


def _exact_squares(graph, rows, others, nearest):
    """Return squared distances (batch, k) to chosen others from differences, which do not cancel."""
    chosen = graph.op("Gather", np.ascontiguousarray(others, np.float64), nearest, axis=0)
    difference = graph.op("Sub", graph.op("Unsqueeze", rows, np.array([1])), chosen)
    return graph.reduce("SumSquare", difference, 2)
