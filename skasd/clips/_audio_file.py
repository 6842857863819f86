"""Reading one audio file, with a plain word on what is wrong with it if it cannot be used."""

import io
import os
import sys
from typing import NamedTuple

import numpy as np

# sizes at and above this one stand for "unknown" in the headers of streamed WAV files
_STREAMED_SIZE = 0x7FFFF000


class BadClip(Exception):
    """Says why one clip cannot be used, as "it is empty"; for functions that :meth:`Clips.map` calls."""

    __module__ = "skasd.clips"


class Header(NamedTuple):
    """What the header of a file says."""

    frames: int
    channels: int
    sample_rate: int
    start: int  # of the samples in a plain 16-bit WAV file; -1 for all others


def read_header(path):
    """Return the header of an audio file; say what is wrong with the file if that fails."""
    file, start = _open(path)
    with file:
        is_plain = file.subtype == "PCM_16" and file.format in ("WAV", "WAVEX")
        return Header(file.frames, file.channels, file.samplerate, start if is_plain else -1)


def read_samples(path, header, buffers):
    """Return the samples of a file, float32, in kept buffers: (n_samples,), or (n_samples, n_channels) of several.

    libsndfile reads 16-bit samples in one go but turns them into floats in short pieces: three times as fast, and
    the same numbers, if NumPy does that. Those of a plain WAV file are read without it, once it has understood the
    header: its many short calls make threads that read side by side wait for each other.
    """
    frames, channels = header.frames, header.channels
    shape = (frames,) if channels == 1 else (frames, channels)
    samples = buffers.array("read", shape, np.float32)
    if header.start >= 0:
        stored = buffers.array("stored", shape, np.int16)
        try:
            with open(path, "rb", buffering=0) as file:
                file.seek(header.start)
                got = file.readinto(stored.reshape(-1).view(np.uint8)) // (2 * channels)
        except OSError as error:
            raise BadClip(f"it cannot be read any more ({error.strerror or error})") from error
    else:
        with _open(path)[0] as file:
            stored = buffers.array("stored", shape, np.int16) if file.subtype == "PCM_16" else samples
            try:
                got = len(file.read(out=stored))
            except (RuntimeError, OSError) as error:
                raise BadClip(f"it is truncated or damaged ({_reason(error)})") from error
    if got != frames:
        raise BadClip(f"it is truncated: {got} samples instead of the {frames} its header promises")
    if stored is not samples:
        np.multiply(stored, np.float32(2**-15), out=samples)
    return samples


def _reason(error):
    return str(getattr(error, "error_string", error)).removeprefix("Error : ").strip().rstrip(".")


def _open(path):
    """Open an audio file for reading; return also where the samples begin, if it is a plain WAV file, else -1."""
    import soundfile

    path = os.fspath(path)
    try:
        size = os.stat(path).st_size
        if os.path.isdir(path):
            raise BadClip("it is a folder, not a file")
        if size == 0:
            raise BadClip("it is an empty file (0 bytes)")
        promised, start, is_native = _wav_data(path)
        if promised == 0 and start < size:
            return soundfile.SoundFile(_with_data_size(path, start, size)), -1
        if size - start < promised < _STREAMED_SIZE:
            raise BadClip(
                f"it is truncated: its header promises {promised} bytes of samples, "
                f"the file holds {size - start}"
            )
        return soundfile.SoundFile(path), start if is_native else -1
    except FileNotFoundError as error:
        raise BadClip("there is no such file") from error
    except OSError as error:
        raise BadClip(f"it cannot be read ({error.strerror or error})") from error
    except (RuntimeError, TypeError, ValueError) as error:
        raise BadClip(f"it is not an audio file that libsndfile can read ({_reason(error)})") from error


def _wav_data(path):
    """Return what a WAV header promises: bytes of samples, where they begin, and whether in this machine's byte order.

    For other files -1, 0 and False.

    libsndfile shortens such files silently, which would make a truncated recording a short, good one.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RIFX") or head[8:] != b"WAVE":
            return -1, 0, False
        order = "little" if head[:4] == b"RIFF" else "big"
        while len(chunk := file.read(8)) == 8:
            size = int.from_bytes(chunk[4:], order)
            if chunk[:4] == b"data":
                start, end = file.tell(), os.fstat(file.fileno()).st_size
                is_empty = size == 0 and _only_chunks(file, order, end)
                return size, end if is_empty else start, order == sys.byteorder
            file.seek(size + size % 2, 1)
    return -1, 0, False


def _only_chunks(file, order, end):
    """Tell whether the rest of a RIFF file is whole chunks: then its data chunk is truly empty."""
    while len(chunk := file.read(8)) == 8 and chunk[:4].isalnum():
        size = int.from_bytes(chunk[4:], order)
        file.seek(size + size % 2, 1)
    return chunk == b"" and file.tell() in (end, end + 1)


def _with_data_size(path, start, size):
    """Return the WAV file with the size of its samples, which its writer left at 0, filled in."""
    with open(path, "rb") as file:
        content = bytearray(file.read())
    order = "little" if content[:4] == b"RIFF" else "big"
    content[start - 4 : start] = (size - start).to_bytes(4, order)
    return io.BytesIO(content)
