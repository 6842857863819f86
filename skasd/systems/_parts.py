"""What several systems are put together from."""

import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline

from ..scorers import CosineMeanScorer, KNNCosineScorer, LOFScorer


def one_bank(scorer):
    """Make a scorer learn from all clips as one set, whatever their domain."""
    with sklearn.config_context(enable_metadata_routing=True):
        return scorer.set_fit_request(domain=False)


def lof():
    """Return the local outlier factor with 4 neighbours, on clips of all domains."""
    return one_bank(LOFScorer(n_neighbors=4))


def nearest_cosine():
    """Return the cosine distance to the nearest clip of any domain."""
    return one_bank(KNNCosineScorer(n_neighbors=1))


def cosine_to_mean():
    """Return the cosine distance to the mean of the clips of all domains."""
    return one_bank(CosineMeanScorer())


def on_columns(columns, scorer):
    """Return a detector on some of the columns of an embedding: an int, a list or a slice of them."""
    return make_pipeline(ColumnTransformer([("own", "passthrough", columns)]), scorer)


def chosen(parameter, value, choices):
    """Return ``choices[value]``; raise an error that lists the choices if there is none."""
    if value not in choices:
        raise ValueError(f"{parameter}={value!r}: choose one of {', '.join(map(repr, choices))}.")
    return choices[value]
