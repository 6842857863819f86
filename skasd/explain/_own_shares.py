"""Shares of frequency bands in the formula of a detector, if it is a sum."""

import numpy as np
from sklearn.pipeline import FeatureUnion

from ..compose import fitted_steps
from ..features import LogMelTransformer, STFTTransformer, time_frequency_axes
from ..plotting import anomaly_map


def own_shares(detector, waveform, edges):
    """Return the shares of bands in a clip's score by the detector's own formula, NaN if that is no known sum.

    Contributions of clip statistics, of the rows of frozen encoders, and reconstruction errors are known. The shares,
    (n_bands,) for ``edges`` in Hz from 0 on, have a sum of 1 and may be negative.
    """
    steps = fitted_steps(detector)
    first, last = steps[0], _only(steps[-1])
    nothing = np.full(len(edges) - 1, np.nan)
    if isinstance(first, (LogMelTransformer, STFTTransformer)):
        try:
            values = anomaly_map(detector, [waveform])[0].mean(axis=1)
        except TypeError:
            return nothing
        centres = time_frequency_axes(first)[0]
        shares = np.zeros(len(edges) - 1)
        np.add.at(shares, np.clip(np.searchsorted(edges, centres) - 1, 0, len(shares) - 1), values)
    elif len(steps) == 2 and hasattr(last, "feature_contributions"):
        frequencies = _column_frequencies(first)
        if frequencies is None:
            return nothing
        columns = last.feature_contributions(first.transform([waveform]))[0]
        lowest, position = np.unique(frequencies, return_inverse=True)
        # a position reaches from its lowest band to that of the next one, the last beyond the highest edge
        up_to = np.concatenate([[0], np.cumsum(np.bincount(position, columns))])
        mel = np.log1p(np.concatenate([[0], lowest[1:], [max(edges[-1], lowest[-1] * 1.9)]]) / 700)
        shares = np.diff(np.interp(np.log1p(edges / 700), mel, up_to))
    else:
        return nothing
    return shares / shares.sum() if shares.sum() > 0 else nothing


def _only(scorer):
    """Return the scorer of the only section, if there is just one."""
    models = getattr(scorer, "estimators_", None)
    return next(iter(models.values())) if isinstance(models, dict) and len(models) == 1 else scorer


def _column_frequencies(transformer):
    """Return the frequency of each column of rows in Hz, None where they have none."""
    parts = [transformer]
    if isinstance(transformer, FeatureUnion):
        parts = [part for _, part in transformer.transformer_list]
    found = [getattr(part, "frequencies_", None) for part in parts]
    if any(frequencies is None or np.isnan(frequencies).any() for frequencies in found):
        return None
    return np.concatenate(found)
