"""Parts that several systems share."""

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline

from ..scorers import LOFScorer


def lof():
    """Return the local outlier factor with 4 neighbours, on clips of all domains."""
    return LOFScorer(n_neighbors=4, by_domain=False)


def with_names(detector):
    """Name the columns of an embedder by their classes, so that a scorer finds the column of a section."""
    return detector.set_output(transform="pandas")


def on_columns(columns, scorer):
    """Return a detector on some of the columns of an embedding: an int, a list or a slice of them."""
    return make_pipeline(ColumnTransformer([("own", "passthrough", columns)]), scorer)


def chosen(parameter, value, choices):
    """Return ``choices[value]``; raise an error that lists the choices if there is none."""
    if value not in choices:
        raise ValueError(f"{parameter}={value!r}: choose one of {', '.join(map(repr, choices))}.")
    return choices[value]
