"""Metadata of the outlier-exposed variational autoencoder: attributes as numbers, and the choice of held-out clips."""

from numbers import Real

import numpy as np

from ..labels import encode

MOST_LEVELS = 20  # of an attribute; with more it is taken as continuous and rounded
HELD_OUT = 0.1  # share of the machine's clips that alpha is standardised by
N_RUNS = 4  # of neighbouring clips that are held out


def held_out_clips(is_normal, share=HELD_OUT):
    """Return which of the clips ``is_normal`` are held out: none where their share is fewer than two.

    Windows of a recording are adjacent and alike, so whole runs are held out; several, because recordings differ.
    """
    rows = np.flatnonzero(is_normal)
    n_held_out = round(share * len(rows))
    held_out = np.zeros(len(is_normal), dtype=bool)
    if 2 <= n_held_out <= len(rows) - 2:
        ends = np.linspace(0, len(rows), N_RUNS + 1).astype(int)[1:]
        sizes = np.diff(np.linspace(0, n_held_out, N_RUNS + 1).astype(int))
        for end, size in zip(ends, sizes, strict=True):
            held_out[rows[end - size : end]] = True
    return held_out


def attribute_values(attribute, is_normal):
    """Return the attribute of each clip as a number (float64), centred over the machine's clips; 0 for proxies.

    Strings are coded in the order of the sorted values.
    """
    normal = attribute[is_normal]
    if all(isinstance(value, Real) for value in normal):
        levels = normal.astype(np.float64)
        if not np.isfinite(levels).all():
            raise ValueError("attribute must be finite for every clip of the machine.")
        if len(np.unique(levels)) > MOST_LEVELS:
            step = np.ptp(levels) / MOST_LEVELS
            levels = np.rint(levels / step) * step
    else:
        levels = encode(normal.tolist())[1].astype(np.float64)
    values = np.zeros(len(attribute))
    values[is_normal] = levels - levels.mean()
    return values


def mean_power_levels(clips, rows):
    """Return the mean of each clip's array in whole standard deviations, those of ``rows``, from -3 to 3."""
    power = np.array([clip.mean(dtype=np.float64) for clip in clips])
    spread = power[rows].std()
    levels = np.zeros(len(power)) if spread < 1e-9 else np.rint((power - power[rows].mean()) / spread)
    return np.clip(levels, -3, 3).astype(object)
