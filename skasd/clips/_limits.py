"""Limits on clips: headers may lie, and numbers may not be sound."""

from numbers import Real
from types import MappingProxyType

from ._errors import BadClip

LIMITS = MappingProxyType(
    {
        "min_sample_rate": 100,
        "max_sample_rate": 10_000_000,
        "max_channels": 64,
        "max_seconds": 3600,
        "max_samples": 2**29,
        "max_amplitude": 2.0**31,
    }
)  # see check_limits for their meaning

# libsndfile's own mark of "as long as it goes on" in streamed FLAC
_UNKNOWN_FRAMES = 1 << 62


def check_limits(limits: dict | None) -> dict:
    """Check limits on clips, and return all of them.

    Parameters
    ----------
    limits : dict or None
        Limits that replace those of :data:`LIMITS`, by name.

    Returns
    -------
    limits : dict
        All limits, by name.

    Raises
    ------
    ValueError
        If a name is unknown, or a limit is not a positive number.

    Notes
    -----
    A forged header of a few bytes could make a reader that trusts it use all memory. Files beyond these limits are bad
    clips.

    =================== ========== ===========================================================================
    ``min_sample_rate`` 100        Hz, of files
    ``max_sample_rate`` 10,000,000 Hz, of files: that of acoustic emission
    ``max_channels``    64         of files
    ``max_seconds``     3600       length of a file
    ``max_samples``     2^29       of a file, all channels together, and after resampling: 2 GiB as float32
    ``max_amplitude``   2^31       of files and arrays. Float audio lies in [-1, 1), unscaled 16-bit PCM within
                                   32768, unscaled 32-bit PCM within 2^31; what is greater is no sound, and
                                   its powers would overflow
    =================== ========== ===========================================================================

    Examples
    --------
    >>> from skasd.clips import check_limits
    >>> check_limits({"max_seconds": 7200})["max_seconds"]
    7200
    """
    limits = dict(limits or {})
    for name, value in limits.items():
        if name not in LIMITS:
            raise ValueError(f"limits has {name!r}; there are {', '.join(LIMITS)}.")
        if not isinstance(value, Real) or isinstance(value, bool) or not float(value) > 0:
            raise ValueError(f"limits[{name!r}] must be a positive number, got {value!r}.")
    return {**LIMITS, **limits}


def check_header(header, limits):
    """Raise if a header, which may lie, exceeds the limits."""
    rate = header.sample_rate
    if header.frames >= _UNKNOWN_FRAMES:
        raise BadClip("its header does not tell its length (streamed FLAC?): write the file anew")
    if header.frames == 0:
        raise BadClip("it is empty (no samples)")
    if rate < limits["min_sample_rate"]:
        raise BadClip(f"its sample rate is {rate} Hz, {beyond('min_sample_rate', limits)}")
    if rate > limits["max_sample_rate"]:
        raise BadClip(f"its sample rate is {rate} Hz, {beyond('max_sample_rate', limits)}")
    if header.channels > limits["max_channels"]:
        raise BadClip(f"it has {header.channels} channels, {beyond('max_channels', limits)}")
    if header.frames > limits["max_seconds"] * rate:
        raise BadClip(f"it lasts {header.frames / rate:.6g} s by its header, {beyond('max_seconds', limits)}")
    if (n_values := header.frames * header.channels) > limits["max_samples"]:
        raise BadClip(f"it has {n_values} samples by its header, {beyond('max_samples', limits)}")


def beyond(name, limits):
    """Return the message about a limit that is exceeded."""
    return f"beyond {name}={limits[name]} (limits= changes that)"
