"""From waveforms to time-frequency arrays, and from those to one row of statistics per clip."""

from ._axes import spectrogram_unit, time_frequency_axes
from ._band_names import band_names
from ._clip_statistics import ClipStatistics
from ._log_mel import LogMelTransformer
from ._phase import PhaseTransformer
from ._sliding import check_sliding as check_sliding
from ._spectrogram_image import SpectrogramImageTransformer
from ._spectrum import SpectrumTransformer
from ._stft_transformer import STFTTransformer
from ._time_frequency import check_time_frequency

__all__ = [
    "ClipStatistics",
    "LogMelTransformer",
    "PhaseTransformer",
    "STFTTransformer",
    "SpectrogramImageTransformer",
    "SpectrumTransformer",
    "band_names",
    "check_time_frequency",
    "spectrogram_unit",
    "time_frequency_axes",
]
