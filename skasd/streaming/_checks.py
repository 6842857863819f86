"""Checks of what a stream is given."""

import math
from numbers import Integral, Real

import numpy as np

from ..clips import LIMITS, clipped_share, pcm_to_float
from ..compose import fitted_steps

_FULL_SCALE = 0.999  # windows with a lower peak, most of them, cannot be clipped


def seconds_above_zero(name, value):
    """Return a duration as float; raise a ValueError if it is none."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value < math.inf:
        raise ValueError(f"{name}={value!r} must be a number of seconds above 0.")
    return float(value)


def check_whole_number(name, value):
    """Raise a ValueError unless a value is an integer of at least 1."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}={value!r} must be a whole number, 1 or more.")


def checked_samples(samples):
    """Return samples as float32 with 1 as full scale."""
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise ValueError(
            f"samples have the shape {samples.shape}; a stream has one channel, (n_samples,): choose one, as "
            "samples[:, 0], or take their mean, samples.mean(axis=1)."
        )
    if samples.size == 0:
        return np.zeros(0, np.float32)
    with np.errstate(over="ignore"):  # the result is infinite, which `status_of` reports
        return pcm_to_float(samples).astype(np.float32, copy=False)


def why_no_ranks(detector):
    """Return why scores cannot be ranked among those of healthy clips."""
    last = fitted_steps(detector)[-1]
    return (
        f"{type(last).__name__} keeps no scores of healthy clips that it did not learn (calibration_scores_)"
    )


def status_of(window, max_clipped):
    """Return whether the samples of a window can be judged: "ok", "not finite" or "clipped"."""
    with np.errstate(invalid="ignore"):
        peak = max(window.max(), -window.min())  # NaN if any sample is
    if not peak <= LIMITS["max_amplitude"]:  # also true for NaN
        return "not finite"
    clipped = peak >= _FULL_SCALE and clipped_share(window) > max_clipped
    return "clipped" if clipped else "ok"
