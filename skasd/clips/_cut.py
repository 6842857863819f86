"""Long recordings cut into windows, each written as a file."""

import os
from contextlib import suppress
from numbers import Real
from typing import Any

from ._audio_file import libsndfile_name, read_header
from ._errors import BadClip, ClipError

_KEPT = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")  # subtypes that WAV files have, too
_READ_AS = {"FLOAT": "float32", "DOUBLE": "float64"}


def cut_recording(
    path: Any, folder: Any, seconds: float, *, hop: float | None = None, name: str | None = None
) -> list[str]:
    """Cut a recording into windows of one length and write each as a WAV file.

    A detector treats each file as one clip, however long it is. Windows of equal length have comparable scores, and a
    fault that sounds for a few seconds is not averaged with minutes of normal sound. One window is read at a time, so
    that the recording may be of any length.

    Parameters
    ----------
    path : path-like
        The recording.

    folder : path-like
        Where to write; created if it does not exist. Files of the same name are replaced.

    seconds : float
        Length of a window, in s. A shorter remainder at the end is left out.

    hop : float, default=None
        Time from the beginning of one window to that of the next, in s, in (0, `seconds`]. None: `seconds`, no overlap.

    name : str, default=None
        Beginning of the file names, ``{name}_win0000.wav``. None: the name of the recording. The ending lets
        :func:`skasd.datasets.recordings_of` recognise windows of one recording.

    Returns
    -------
    paths : list of str
        Paths of the windows, in order. Sample rate, channels and samples are those of the recording; samples of lossy
        codecs become 16-bit PCM.

    Raises
    ------
    ClipError
        If the recording cannot be read, or is shorter than a window.

    OSError
        If a window cannot be written.

    ValueError
        If `seconds` or `hop` is out of range.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np, soundfile
    >>> from skasd.clips import cut_recording
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(Path(folder, "night.wav"), np.zeros(25 * 8000), 8000)
    ...     windows = cut_recording(Path(folder, "night.wav"), Path(folder, "windows"), 10)
    ...     print([Path(window).name for window in windows])
    ['night_win0000.wav', 'night_win0001.wav']
    """
    if not isinstance(seconds, Real) or not 0 < seconds < float("inf"):
        raise ValueError(f"The length of a window must be a positive number of seconds, got {seconds!r}.")
    hop = seconds if hop is None else hop
    if not isinstance(hop, Real) or not 0 < hop <= seconds:
        raise ValueError(f"hop must be above 0 s and at most a window, {seconds:g} s, got {hop!r}.")
    name = os.path.splitext(os.path.basename(os.fspath(path)))[0] if name is None else name
    try:
        return _cut(path, os.fspath(folder), seconds, hop, name)
    except BadClip as cause:
        raise ClipError(f"{os.fspath(path)} cannot be cut: {cause}") from cause


def _cut(path, folder, seconds, hop, name):
    import soundfile  # imported only if files are read

    header = read_header(path)
    n = max(1, round(seconds * header.sample_rate))
    step = min(n, max(1, round(hop * header.sample_rate)))
    if header.frames < n:
        raise BadClip(f"it is shorter than a window: {header.frames / header.sample_rate:.4g} s")
    n_windows = 1 + (header.frames - n) // step
    digits = max(4, len(str(n_windows - 1)))
    os.makedirs(folder, exist_ok=True)
    paths: list[str] = []
    with soundfile.SoundFile(libsndfile_name(path)) as sound:
        subtype = sound.subtype if sound.subtype in _KEPT else "PCM_16"
        kind = _READ_AS.get(subtype, "int32" if sound.subtype in _KEPT else "float32")
        try:
            for samples in sound.blocks(n, overlap=n - step, dtype=kind):
                if len(samples) < n or len(paths) == n_windows:
                    break
                paths.append(os.path.join(folder, f"{name}_win{len(paths):0{digits}d}.wav"))
                _write(paths[-1], samples, header.sample_rate, subtype)
        except RuntimeError as error:
            raise BadClip(f"it is damaged after {len(paths)} windows ({error})") from error
    if len(paths) < n_windows:
        raise BadClip(f"it is truncated: {len(paths)} windows instead of the {n_windows} its header promises")
    return paths


def _write(path, samples, sample_rate, subtype):
    import soundfile

    try:
        soundfile.write(path, samples, sample_rate, subtype=subtype, format="WAV")
    except BaseException as error:
        with suppress(OSError):
            os.remove(path)
        if isinstance(error, RuntimeError):  # of libsndfile, which does not say which
            raise OSError(f"{path!r} cannot be written ({error}): is the disk full?") from error
        raise
