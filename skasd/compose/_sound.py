"""The sound that a detector takes."""


def only_parameter(detector, name):
    """Return the value of a parameter of a detector or of its parts, None if there is none; all must agree."""
    parameters = detector.get_params(deep=True) if hasattr(detector, "get_params") else {}
    found = {
        key: value
        for key, value in parameters.items()
        if key.rpartition("__")[2] == name and value is not None
    }
    values = list(dict.fromkeys(found.values()))
    if len(values) > 1:
        listed = ", ".join(f"{key}={value!r}" for key, value in found.items())
        raise ValueError(
            f"Parts of the detector differ in {name} ({listed}), so that no one waveform serves all."
        )
    return values[0] if values else None


def sample_rate_of(detector, given=None):
    """Return the sample rate of a detector in Hz, which must be the one given, if any is."""
    rate = only_parameter(detector, "sample_rate") or getattr(detector, "sample_rate", None)
    if rate is None and given is None:
        raise ValueError(f"{type(detector).__name__} does not say its sample rate: give sample_rate=.")
    if None not in (rate, given) and rate != given:
        raise ValueError(f"sample_rate={given!r}, but the detector takes {rate} Hz: resample before.")
    return int(given if rate is None else rate)
