"""Healthy clips, and which of them are nearest to a clip in the features of a detector."""

import os
from functools import reduce

import numpy as np
from sklearn.pipeline import make_pipeline

from ..clips import Clips, check_clips
from ..compose import fitted_steps, take
from ..features import ClipStatistics, LogMelTransformer


class HealthyClips:
    """At most ``most`` healthy clips of X, evenly drawn, with the features by which the nearest are found."""

    def __init__(self, detector, X, *, most, sample_rate, channel):
        X = check_clips(X)
        self.places = np.unique(np.linspace(0, len(X) - 1, min(len(X), most)).round().astype(int))
        self._clips = take(X, self.places)
        self._reading = {"sample_rate": sample_rate, "channel": channel}
        self._steps = fitted_steps(detector)[:-1]
        rows = self._rows(take(self._clips, [0]))
        if rows.ndim != 2 or rows.shape[1] < 2:
            # no rows to compare: means and standard deviations of log-mels in their place
            self._steps = [
                make_pipeline(LogMelTransformer(**self._reading), ClipStatistics()).fit(
                    [np.zeros(sample_rate)]
                )
            ]
        self._own = self._rows(self._clips)
        spread = self._own.std(axis=0)
        self._scale = np.where(spread > 0, spread, 1)

    def nearest(self, waveform, n):
        """Return the position of the nearest clip, and the waveforms of the n nearest, the nearest first.

        Nearest by the sum of absolute differences, each in units of the healthy clips' standard deviation: a fault
        that moves few numbers far then hardly affects which clips are nearest in all others.
        """
        row = self._rows([waveform])[0]
        distance = np.abs((self._own - row) / self._scale).sum(axis=1)
        order = np.argsort(distance, kind="stable")[:n]
        return int(self.places[order[0]]), list(Clips(take(self._clips, order), **self._reading))

    def name(self, place):
        """Return the path of a clip, or its position where it is an array."""
        clip = self._clips[int(np.flatnonzero(self.places == place)[0])]
        return os.fspath(clip) if isinstance(clip, (str, os.PathLike)) else place

    def _rows(self, clips):
        return np.asarray(reduce(lambda X, step: step.transform(X), self._steps, clips))
