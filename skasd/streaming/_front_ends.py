"""Scores of windows: each as a whole, or with what overlapping windows share computed once."""

import math

import numpy as np
from sklearn.pipeline import FeatureUnion, Pipeline

from ..compose import fitted_steps, score_clips


def sliding_step(detector):
    """Return the number of samples whose multiples are hops at which windows share frames; None if they cannot."""
    if not isinstance(detector, Pipeline) and not isinstance(getattr(detector, "steps_", None), list):
        return None  # the scores of a wrapper need not be those of its steps
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
        """Do nothing: windows are independent."""


class SlidingWindows:
    """Windows that follow each other at a fixed hop; their front end computes each frame once.

    Parameters
    ----------
    detector : estimator
    n_window, n_hop : int
        Samples; the hop is a multiple of `sliding_step`.
    """

    def __init__(self, detector, n_window, n_hop):
        self.detector = detector
        first = fitted_steps(detector)[0]
        self.is_union = isinstance(first, FeatureUnion)
        self.parts = [
            part.sliding(n_window, n_hop) if _step(part) else _Whole(part) for part in _parts(first)
        ]

    def score(self, window):
        """Return the anomaly score of a window and the threshold."""
        found = [part(window)[None] for part in self.parts]
        X = np.hstack(found) if self.is_union else found[0]
        _, *rest, last = fitted_steps(self.detector)  # other ones after the detector has learnt
        for step in rest:
            X = step.transform(X)
        scores, threshold = score_clips(last, X)
        return float(scores[0]), threshold

    def reset(self):
        """Forget the last window: the next one does not follow it."""
        for part in self.parts:
            part.reset()


class _Whole:
    """A transformer that computes each window as a whole."""

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
