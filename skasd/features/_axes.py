"""The axes and the unit of spectrograms, for pictures of them."""

from typing import Any

import numpy as np

from ._spectrogram_image import SpectrogramImageTransformer


def time_frequency_axes(transformer: Any) -> tuple[np.ndarray, float, float]:
    """Return the axes of the spectrograms that a transformer makes.

    Parameters
    ----------
    transformer : LogMelTransformer, STFTTransformer or PhaseTransformer
        Fitted or not.

    Returns
    -------
    frequencies : ndarray of shape (n_bins,)
        Centre frequency of every bin in Hz.
    hop : float
        Seconds from one frame to the next.
    start : float
        Time of the middle of the first frame in seconds.

    Raises
    ------
    TypeError
        For a SpectrogramImageTransformer: how long a column of an image is depends on the clip.

    Examples
    --------
    >>> from skasd.features import STFTTransformer, time_frequency_axes
    >>> frequencies, hop, start = time_frequency_axes(STFTTransformer(n_fft=1024, hop_length=512))
    >>> frequencies[:3].tolist(), hop, start
    ([0.0, 15.625, 31.25], 0.032, 0.0)
    """
    if isinstance(transformer, SpectrogramImageTransformer):
        raise TypeError("Columns of images have no length in seconds: take the axes of an STFTTransformer.")
    rate = transformer.sample_rate
    start = 0.0 if transformer.center else transformer.n_fft / 2 / rate
    return transformer._frequencies(), transformer.hop_length / rate, start


def spectrogram_unit(transformer: Any) -> str:
    """Return the unit of the spectrograms that a transformer makes.

    Parameters
    ----------
    transformer : transformer
        Fitted or not.

    Returns
    -------
    str
        "dB", "natural logarithm", "magnitude" or "power"; "" for a transformer without ``log``.

    Examples
    --------
    >>> from skasd.features import LogMelTransformer, spectrogram_unit
    >>> spectrogram_unit(LogMelTransformer())
    'dB'
    """
    log = getattr(transformer, "log", "")
    if log is None:
        return {1: "magnitude", 2: "power"}.get(transformer.power, f"magnitude to the {transformer.power:g}")
    return {"db": "dB", "natural": "natural logarithm"}.get(log, "")
