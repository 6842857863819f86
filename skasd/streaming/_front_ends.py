"""Scores of windows: each as a whole, or with what overlapping windows share computed once."""

import math

import numpy as np
from sklearn.pipeline import FeatureUnion, Pipeline

from ..compose import fitted_steps, score_clips


def sliding_step(detector):
    """Return the samples of which a hop must be a multiple so that windows share frames; None where they cannot."""
    if not isinstance(detector, Pipeline) and not isinstance(getattr(detector, "steps_", None), list):
        return None  # what a wrapping does to scores is its own business
    steps = [step for part in _parts(fitted_steps(detector)[0]) if (step := _step(part))]
    return math.lcm(*steps) if steps else None


class WholeWindows:
    """Every window by itself.

    Parameters
    ----------
    detector : estimator
    """

    def __init__(self, detector):
        self.detector = detector

    def score(self, window):
        """Return the anomaly score of a window and the threshold."""
        scores, threshold = score_clips(self.detector, [window])
        return float(scores[0]), threshold

    def reset(self):
        """Do nothing: no window knows of another."""

    def take_up(self, detector):
        """Do nothing: the detector scores."""


class SlidingWindows:
    """Windows that follow each other at a fixed hop; their front end computes each frame once.

    Parameters
    ----------
    detector : estimator
    n_window, n_hop : int
        Samples; the hop is a multiple of `sliding_step`.
    """

    def __init__(self, detector, n_window, n_hop):
        first = fitted_steps(detector)[0]
        self.take_up(detector)
        self.is_union = isinstance(first, FeatureUnion)
        self.parts = [
            part.sliding(n_window, n_hop) if _step(part) else _Whole(part) for part in _parts(first)
        ]

    def take_up(self, detector):
        """Score with what a detector with the same front end has become."""
        _, *self.rest, self.last = fitted_steps(detector)

    def score(self, window):
        """Return the anomaly score of a window and the threshold."""
        found = [part(window)[None] for part in self.parts]
        X = np.hstack(found) if self.is_union else found[0]
        for step in self.rest:
            X = step.transform(X)
        scores, threshold = score_clips(self.last, X)
        return float(scores[0]), threshold

    def reset(self):
        """Say that the next window does not follow the last one."""
        for part in self.parts:
            part.reset()


class _Whole:
    """A transformer of clips that cannot slide."""

    def __init__(self, transformer):
        self.transformer = transformer

    def __call__(self, window):
        return self.transformer.transform([window])[0]

    def reset(self):
        pass


def _parts(front):
    return [part for _, part in front.transformer_list] if isinstance(front, FeatureUnion) else [front]


def _step(part):
    return part.sliding_step() if hasattr(part, "sliding_step") else None
