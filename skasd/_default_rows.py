"""The rows of the default detector: which encoders make them, and which columns are scored together."""

import numpy as np

from .embedders import PretrainedEmbedder
from .weights import at_hand

_LAYERS = ("mel", "9", "11")
_LARGER_LAYERS = ("9", "11")
_WHOLE_ONLY = ("mel",)  # statistics of single mel bands say little by themselves


def encoders(mode, **common):
    """Return names and encoders, not fitted.

    Parameters
    ----------
    mode : {"fast", "best"}
    **common : dict
        Parameters of all of them.
    """
    found = [("skasd", PretrainedEmbedder(layer=_LAYERS, **common))]
    if mode == "best":
        found += [
            (name, PretrainedEmbedder(name, weights=path, layer=_LARGER_LAYERS, **common))
            for name, path in at_hand().items()
        ]
    return found


def find_terms(features, rows):
    """Return the terms of the score by name: for each the groups of columns that are scored together."""
    varies = np.ptp(rows, axis=0) > 0
    terms, first = {}, 0
    for name, embedder in features.transformer_list:
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
    # a recording at 16 kHz has nothing at the highest positions
    heard = {
        name: [part for each in groups if len(part := each[varies[each]])] for name, groups in terms.items()
    }
    return {name: groups for name, groups in heard.items() if groups} or {"all": [np.arange(rows.shape[1])]}
