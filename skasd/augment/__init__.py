"""More training data: clips interpolated between clips, and changed waveforms."""

from ._mixup_smote import MixupSMOTEAugmenter
from ._waveform import WaveformAugmenter

__all__ = ["MixupSMOTEAugmenter", "WaveformAugmenter"]
