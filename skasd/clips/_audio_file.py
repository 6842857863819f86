"""Reading one audio file, with a clear message on what is wrong with it if it cannot be used."""

import io
import os
import stat
import struct
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from ._containers import CHECKED_FORMATS, nist_frames, ogg_ends, sample_chunks
from ._errors import BadClip

# the 44 bytes before the samples of nearly all WAV files
_PLAIN_WAV = struct.Struct("<4sI4s4sIHHIIHH4sI")


class Header(NamedTuple):
    """Header of an audio file."""

    frames: int
    channels: int
    sample_rate: int


def read_header(path):
    """Return the header of an audio file; say what is wrong with the file if that fails."""
    with _opened(path) as (header, _):
        return header


def read_samples(path, header, buffers):
    """Return the samples of a file, float32, in kept buffers: (n_samples,), or (n_samples, n_channels) if several.

    libsndfile reads 16-bit samples in one go but converts them to floats in short pieces. Converting them with NumPy is
    three times as fast and gives the same numbers.
    """
    with _opened(path) as (found, file):
        if found != header:
            raise BadClip(f"it was changed while it was being read: {_words(header)}, then {_words(found)}")
        frames, channels = header.frames, header.channels
        shape = (frames,) if channels == 1 else (frames, channels)
        samples = buffers.array("read", shape, np.float32)
        try:
            if isinstance(file, io.BufferedReader):
                stored = buffers.array("stored", shape, np.dtype("<i2"))
                got = file.readinto(stored.reshape(-1).view(np.uint8)) // (2 * channels)
            else:
                # SDS has more bits than its header says
                is_16_bit = file.subtype == "PCM_16" and file.format != "SDS"
                stored = buffers.array("stored", shape, np.int16) if is_16_bit else samples
                got = len(file.read(out=stored))
        except (RuntimeError, OSError) as error:
            raise BadClip(f"it is truncated or damaged ({_reason(error)})") from error
    if got != frames:
        raise BadClip(f"it is truncated: {got} samples instead of the {frames} its header promises")
    if stored is not samples:
        np.multiply(stored, np.float32(2**-15), out=samples)
    return samples


def _words(header):
    return f"{header.frames} samples, {header.channels} channel(s), {header.sample_rate} Hz"


def _reason(error):
    return str(getattr(error, "error_string", error)).removeprefix("Error : ").strip().rstrip(".")


@contextmanager
def _opened(path):
    """Open an audio file; yield its header and the file, positioned at its first sample.

    A plain WAV file is opened directly, any other one through libsndfile. That takes a dozen short calls, after each of
    which threads that read in parallel compete for the interpreter lock.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise BadClip("it is a folder, not a file")
        if not stat.S_ISREG(mode):  # opening or reading it might never end
            raise BadClip("it is a pipe or device, not a file")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                raise BadClip("it is an empty file (0 bytes)")
            header = _plain_header(file.read(_PLAIN_WAV.size), size)
            if header is not None:
                yield header, file
                return
            with _by_libsndfile(path, file, size) as sound:
                yield Header(sound.frames, sound.channels, sound.samplerate), sound
    except FileNotFoundError as error:
        raise BadClip("there is no such file") from error
    except OSError as error:
        raise BadClip(f"it cannot be read ({error.strerror or error})") from error
    except (RuntimeError, TypeError, ValueError) as error:
        reason = _reason(error)
        remedy = ": convert it to WAV or FLAC" if "not recognised" in reason else ""
        raise BadClip(f"it is not an audio file that libsndfile can read ({reason}){remedy}") from error


def _plain_header(head, size):
    """Return the header of a complete WAV file that holds 16-bit samples and nothing else; otherwise None.

    Such a file leaves nothing open to interpretation.
    """
    if len(head) < _PLAIN_WAV.size:
        return None
    *names_and_sizes, data, data_size = _PLAIN_WAV.unpack(head)
    riff, riff_size, wave, fmt, fmt_size, kind, channels, rate, byte_rate, frame_size, bits = names_and_sizes
    if (
        (riff, wave, fmt, data) == (b"RIFF", b"WAVE", b"fmt ", b"data")
        and (riff_size, fmt_size, data_size) == (size - 8, 16, size - _PLAIN_WAV.size)
        and (kind, bits) == (1, 16)
        and (channels > 0 and rate > 0)
        and (frame_size, byte_rate) == (2 * channels, 2 * channels * rate)
        and data_size % frame_size == 0
    ):
        return Header(data_size // frame_size, channels, rate)
    return None


def _by_libsndfile(path, file, size):
    """Return the file opened by libsndfile, which silently shortens truncated files: they are detected here."""
    import soundfile

    file.seek(0)
    promised, unfilled = sample_chunks(file, size)
    for start, n_bytes in promised:
        if start + n_bytes > size:
            raise BadClip(
                f"it is truncated: its header promises {n_bytes} bytes of samples, the file holds "
                f"{max(0, size - start)}"
            )
    if len(promised) > 1:
        raise BadClip(f"it has {len(promised)} chunks of samples: which are the recording cannot be told")
    if unfilled is not None:
        return soundfile.SoundFile(_with_data_size(file, unfilled, size))
    if file.seek(0) == 0 and file.read(4) == b"OggS" and not ogg_ends(file, size):
        raise BadClip("it is truncated: its last page is missing")
    sound = soundfile.SoundFile(libsndfile_name(path))
    promised = nist_frames(file) if sound.format == "NIST" else None
    cause = None
    if promised is not None and promised > sound.frames:
        cause = f"it is truncated: its header promises {promised} samples, the file holds {sound.frames}"
    elif promised is None and sound.format not in CHECKED_FORMATS:
        cause = (
            f"it is a {sound.format} file, and whether one is whole cannot be told: convert it to WAV or FLAC"
        )
    if cause is not None:
        sound.close()
        raise BadClip(cause)
    return sound


def libsndfile_name(path):
    """Return a file name as soundfile accepts it: bytes on systems where names are bytes that need not be UTF-8."""
    return os.fspath(path) if os.name == "nt" else os.fsencode(path)


def _with_data_size(file, start, size):
    """Return the WAV file with the size of its samples filled in, which its writer left at 0."""
    file.seek(0)
    content = bytearray(file.read())
    order = "big" if content[:4] == b"RIFX" else "little"
    content[start - 4 : start] = (min(size - start, 0xFFFFFFFF)).to_bytes(4, order)
    return io.BytesIO(content)
