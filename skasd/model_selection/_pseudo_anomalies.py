"""Stand-ins for anomalies: perturbed clips, clips of other sections, proxies."""

import os
from typing import Any, Literal

import numpy as np

from .._sklearn_compat import safe_indexing
from ..augment import FAULTS, add_fault
from ..clips import Clips, check_clips
from ..datasets import recordings_of
from ..features import ClipStatistics, LogMelTransformer
from ..scorers.recordings import recording_blocks

Inputs = Literal["clips", "spectrograms", "rows"]


def kind_of(X: Any) -> Inputs:
    """Return what X holds, as far as its shape tells: a 2-D array holds waveforms."""
    first = X if isinstance(X, np.ndarray) else X[0] if len(X) else X
    n_dims = np.ndim(first) - 1 if first is X else np.ndim(first)
    return "spectrograms" if n_dims == 2 else "clips"


class Material:
    """Clips, as what ``inputs`` says they are ("clips", "spectrograms", "rows"), with what the choice makes of them."""

    def __init__(self, X: Any, inputs: Inputs, sample_rate: int, channel: Any):
        self.X = check_clips(X) if inputs == "clips" else X
        self.inputs = inputs
        self.sample_rate = sample_rate
        self.channel = channel

    @property
    def faults(self) -> tuple[str, ...]:
        """The kinds of perturbed clips that can be made."""
        return () if self.inputs == "rows" else FAULTS

    def take(self, rows: np.ndarray) -> Any:
        """Return some of the clips as they came."""
        return safe_indexing(self.X, rows)

    def recordings(self, rows: np.ndarray, domain: Any) -> Any:
        """Return the recording of each of some clips: as names of files tell it, else from their order."""
        clips = self.take(rows)
        if self.inputs == "rows":
            return recording_blocks(clips, domain=domain)
        if self.inputs == "spectrograms":
            return recording_blocks(ClipStatistics().fit_transform(clips), domain=domain)
        if not isinstance(clips, np.ndarray) and all(isinstance(clip, (str, os.PathLike)) for clip in clips):
            found = recordings_of(clips)
            if found is not None:
                return found
        log_mel = LogMelTransformer(sample_rate=self.sample_rate, channel=self.channel)
        # one at a time: spectrograms of all are not held
        spectrograms = (log_mel.fit_transform(clips[i : i + 1]) for i in range(len(clips)))
        table = [ClipStatistics().fit_transform(one)[0] for one in spectrograms]
        return recording_blocks(np.array(table), domain=domain)

    def load(self, rows: np.ndarray) -> list:
        """Return some of the clips as arrays: waveforms read, the others as they are."""
        clips = self.take(rows)
        if self.inputs != "clips":
            return list(clips)
        return list(Clips(clips, sample_rate=self.sample_rate, channel=self.channel))

    def perturbed(self, clips: list, fault: str, seed: int) -> Any:
        """Return clips with a fault each, of severities drawn evenly from [0, 1]."""
        random = np.random.RandomState(seed)
        made = [
            add_fault(clip, fault, random.rand(), sample_rate=self.sample_rate, random_state=random)
            for clip in clips
        ]
        return self.together(made)

    def together(self, clips: list) -> Any:
        """Return clips as an array, where X was one."""
        return np.stack(clips) if isinstance(self.X, np.ndarray) else clips
