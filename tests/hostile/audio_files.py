"""Small audio files of every kind that libsndfile writes, and what damage, haste or malice may make of them."""

import io
import struct

import numpy as np
import soundfile

# headerless files say nothing that could be wrong, and SD2 keeps its header in another file
_LEFT_OUT = ("RAW", "SD2")
_NUMBERS = (
    0,
    1,
    2,
    7,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFF0,
    0xFFFFFFFF,
)
_CHUNKS = (
    b"data",
    b"id3 ",
    b"cue ",
    b"LIST",
    b"fact",
    b"fmt ",
    b"PEAK",
    b"SSND",
    b"COMM",
    b"ds64",
    b"\0\0\0\0",
)


def whole_files(n_samples=600):
    """Return the content of a file of every format, subtype and of 1 and 2 channels, by a name of these."""
    rng = np.random.default_rng(0)
    sound = (0.3 * rng.standard_normal((n_samples, 2))).clip(-0.9, 0.9)
    files = {}
    for kind in soundfile.available_formats():
        for subtype in () if kind in _LEFT_OUT else soundfile.available_subtypes(kind):
            for channels in (1, 2):
                # some codecs have one rate or one channel only, some can be read but not written
                for rate in (16000, 8000):
                    content = _written(sound[:, :channels], rate, kind, subtype)
                    if content is not None:
                        files[f"{kind} {subtype} {channels}"] = content
                        break
    return files


def _written(sound, rate, kind, subtype):
    stream = io.BytesIO()
    try:
        soundfile.write(stream, sound, rate, format=kind, subtype=subtype)
        stream.seek(0)
        with soundfile.SoundFile(stream) as file:
            # what cannot be read whole is nothing to begin with (DWVW of some versions)
            read = len(file.read(out=np.empty((file.frames, file.channels), dtype=np.float32)))
            return stream.getvalue() if read == file.frames > 0 else None
    except (soundfile.LibsndfileError, ValueError, TypeError):
        return None


def mutated(content, rng):
    """Return a changed copy of the content of a file, and what was done, in a word.

    Parameters
    ----------
    content : bytes

    rng : numpy.random.Generator

    Returns
    -------
    content : bytes

    change : str
    """
    if not content:
        return content, "nothing"
    content = bytearray(content)
    # most of what can be said wrongly is said in the first bytes
    head = min(len(content), 128)
    change = str(
        rng.choice(
            ["bytes", "number", "number", "cut", "cut out", "doubled", "chunk", "longer", "body", "name"]
        )
    )
    at = int(rng.integers(head))
    if change == "bytes":
        for place in rng.integers(head, size=rng.integers(1, 5)):
            content[place] = rng.integers(256)
    elif change == "number":
        size = int(rng.choice([1, 2, 4, 4, 8]))
        order = "little" if rng.random() < 0.5 else "big"
        number = int(rng.choice(_NUMBERS)) if rng.random() < 0.7 else int(rng.integers(len(content) + 100))
        content[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, order)
    elif change == "cut":
        del content[rng.integers(len(content)) :]
    elif change == "cut out":
        del content[at : at + int(rng.integers(1, 40))]
    elif change == "doubled":
        content[at:at] = content[at : at + int(rng.integers(1, 60))]
    elif change == "chunk":
        body = rng.bytes(int(rng.integers(0, 40)))
        size = len(body) if rng.random() < 0.7 else int(rng.choice(_NUMBERS))
        order = "<" if rng.random() < 0.5 else ">"
        chunk = _CHUNKS[rng.integers(len(_CHUNKS))] + struct.pack(order + "I", size) + body
        places = [len(content), *(i for i in (12, 36, 44, 54) if i < len(content)), at]
        place = int(rng.choice(places))
        content[place:place] = chunk
    elif change == "longer":
        content += rng.bytes(int(rng.integers(1, 100))) if rng.random() < 0.5 else bytes(content)
    elif change == "name":
        name = _CHUNKS[rng.integers(len(_CHUNKS))]
        content[at : at + 4] = name
    else:
        for place in rng.integers(len(content), size=rng.integers(1, 20)):
            content[place] = rng.integers(256)
    return bytes(content), change
