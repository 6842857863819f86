"""More training data: clips interpolated between clips, and changed waveforms."""

from ._mixup_smote import MixupSMOTEAugmenter
from ._waveform import WaveformAugmenter
from .faults import FAULTS, add_fault

__all__ = ["FAULTS", "MixupSMOTEAugmenter", "WaveformAugmenter", "add_fault"]
