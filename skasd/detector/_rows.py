"""The rows of the default detector: their encoders, the groups of columns that are scored together, and the scorer."""

import numpy as np

from ..compose import SectionScores, ready_columns
from ..embedders import PretrainedEmbedder
from ..labels import sort_labels
from ..scorers import BandScorer, TermScorer
from ..weights import at_hand

_LAYERS = ("mel", "9", "11")
_LARGER_LAYERS = ("9", "11")
NETWORK_TERMS = ("whole", "neighbours")  # Mahalanobis distance and local outlier factor, see SectionScores
_WHOLE_ONLY = ("mel",)  # statistics of single mel bands say little by themselves


def encoders(mode, **common):
    """Return names and encoders, not fitted; ``common`` are parameters of all of them."""
    found = [("skasd", PretrainedEmbedder(layer=_LAYERS, **common))]
    if mode == "best":
        found += [
            (name, PretrainedEmbedder(name, weights=path, layer=_LARGER_LAYERS, **common))
            for name, path in at_hand().items()
        ]
    return found


def rows_of(steps, X):
    """Return the rows of clips, with one encoder after another.

    `FeatureUnion` would have joblib give each encoder, with all clips, to one worker; the encoders themselves
    distribute the clips over workers.
    """
    return np.hstack([np.asarray(step.transform(X)) for step in steps])


def find_terms(features, rows):
    """Return the terms of the score by name: for each the groups of columns that are scored together."""
    varies = np.ptp(rows, axis=0) > 0
    terms, first = {}, 0
    for name, embedder in features.transformer_list:
        if isinstance(embedder, SectionScores):
            columns = first + np.arange(len(embedder.column_sections_)).reshape(len(embedder.sections_), -1)
            terms |= {f"{name} {term}": [own] for term, own in zip(NETWORK_TERMS, columns.T, strict=True)}
            first += columns.size
            continue
        for layer in dict.fromkeys(embedder.layers_):
            columns = np.flatnonzero(embedder.layers_ == layer)
            positions = embedder.bands_[columns]
            columns = columns + first
            terms[f"{name} {layer}"] = [columns]
            if layer not in _WHOLE_ONLY:
                terms[f"{name} {layer} by band"] = [
                    columns[positions == each] for each in np.unique(positions)
                ]
        first += len(embedder.layers_)
    # a recording at 16 kHz has no content at the highest positions
    heard = {
        name: [part for each in groups if len(part := each[varies[each]])] for name, groups in terms.items()
    }
    return {name: groups for name, groups in heard.items() if groups} or {"all": [np.arange(rows.shape[1])]}


def row_scorer(features, terms, sections, contamination):
    """Return the scorer of the rows, not fitted; all terms found by `find_terms` have the same weight."""
    networks = [step for _, step in features.transformer_list if isinstance(step, SectionScores)]
    n_terms = len(terms) - len(networks) * len(NETWORK_TERMS)
    groups = list(terms.values())[:n_terms]
    bands = [columns for group in groups for columns in group]
    weights = [1 / len(group) for group in groups for _ in group]
    if not networks:
        return BandScorer(bands=bands, weights=weights, contamination=contamination)
    known = networks[0].sections_
    if unknown := sort_labels([name for name in set(sections) if name not in known]):
        raise ValueError(
            f"The networks of this detector tell the sections {known} apart and do not know {unknown}: fit it again, "
            "on the clips of all sections."
        )
    first = int(min(column for group in list(terms.values())[n_terms:] for own in group for column in own))
    ready, n_ready = ready_columns(networks, first)
    return TermScorer(
        bands=bands, ready=ready, weights=weights + [1.0] * n_ready, contamination=contamination
    )
