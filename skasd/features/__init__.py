"""From waveforms to time-frequency arrays, and from those to one row of statistics per clip."""

from ._clip_statistics import ClipStatistics
from ._log_mel import LogMelTransformer
from ._stft_transformer import STFTTransformer

__all__ = ["ClipStatistics", "LogMelTransformer", "STFTTransformer"]
