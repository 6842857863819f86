"""Opening one audio file, with a plain word on what is wrong with it if it cannot be used."""

import io
import os

# sizes at and above this one stand for "unknown" in the headers of streamed WAV files
_STREAMED_SIZE = 0x7FFFF000


class BadClip(Exception):
    """Carries the cause why one clip cannot be used."""


def reason(error):
    return str(getattr(error, "error_string", error)).removeprefix("Error : ").strip().rstrip(".")


def open_audio(path, checked=False):
    """Open an audio file for reading; say what is wrong with it if that fails.

    With `checked`, the size of a WAV file is known to be what its header promises, and not looked at again.
    """
    import soundfile

    path = os.fspath(path)
    try:
        if checked:
            return soundfile.SoundFile(path)
        size = os.stat(path).st_size
        if os.path.isdir(path):
            raise BadClip("it is a folder, not a file")
        if size == 0:
            raise BadClip("it is an empty file (0 bytes)")
        promised, start = _wav_data(path)
        if promised == 0 and start < size:
            return soundfile.SoundFile(_with_data_size(path, start, size))
        if size - start < promised < _STREAMED_SIZE:
            raise BadClip(
                f"it is truncated: its header promises {promised} bytes of samples, "
                f"the file holds {size - start}"
            )
        return soundfile.SoundFile(path)
    except FileNotFoundError as error:
        raise BadClip("there is no such file") from error
    except OSError as error:
        raise BadClip(f"it cannot be read ({error.strerror or error})") from error
    except (RuntimeError, TypeError, ValueError) as error:
        raise BadClip(f"it is not an audio file that libsndfile can read ({reason(error)})") from error


def _wav_data(path):
    """Return what a WAV header promises: bytes of samples, and where they begin; (-1, 0) for other files.

    libsndfile shortens such files silently, which would make a truncated recording a short, good one.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RIFX") or head[8:] != b"WAVE":
            return -1, 0
        order = "little" if head[:4] == b"RIFF" else "big"
        while len(chunk := file.read(8)) == 8:
            size = int.from_bytes(chunk[4:], order)
            if chunk[:4] == b"data":
                start, end = file.tell(), os.fstat(file.fileno()).st_size
                return size, end if size == 0 and _only_chunks(file, order, end) else start
            file.seek(size + size % 2, 1)
    return -1, 0


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
