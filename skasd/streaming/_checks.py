"""Checks of what a stream is given."""

import math
from numbers import Real

import numpy as np

from ..clips import LIMITS, clipped_share, pcm_to_float
from ..compose import fitted_steps

_FULL_SCALE = 0.999  # below it nothing can be clipped, and most windows need no second look


def seconds_above_zero(name, value):
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value < math.inf:
        raise ValueError(f"{name}={value!r} must be a number of seconds above 0.")
    return float(value)


def checked_samples(samples):
    """Return samples as float32 of which 1 is full scale."""
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise ValueError(
            f"samples have the shape {samples.shape}; a stream has one channel, (n_samples,): choose one, as "
            "samples[:, 0], or take their mean, samples.mean(axis=1)."
        )
    if samples.size == 0:
        return np.zeros(0, np.float32)
    with np.errstate(over="ignore"):  # becomes infinite, which is reported
        return pcm_to_float(samples).astype(np.float32, copy=False)


def why_no_ranks(detector):
    last = fitted_steps(detector)[-1]
    return (
        f"{type(last).__name__} keeps no scores of healthy clips that it did not learn (calibration_scores_)"
    )


def status_of(window, max_clipped):
    """Return whether the samples of a window can be judged: "ok", "not finite" or "clipped"."""
    with np.errstate(invalid="ignore"):
        peak = max(window.max(), -window.min())  # NaN where there is one
    if not peak <= LIMITS["max_amplitude"]:  # true with NaN
        return "not finite"
    clipped = peak >= _FULL_SCALE and clipped_share(window) > max_clipped
    return "clipped" if clipped else "ok"
