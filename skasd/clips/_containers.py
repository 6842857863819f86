"""The number of bytes of samples that the header of an audio file promises.

libsndfile silently shortens most truncated files, so that a truncated recording would pass for a short, good one.
"""

import re
from typing import NamedTuple

# Truncated files of these formats are found: by `sample_chunks`, `ogg_ends` or libsndfile itself. It takes all others
# but NIST, see `nist_frames`, for as long as the file is (AVR, IRCAM, MAT, MPC2K, PAF, PVF, SDS, VOC, WVE, XI), and
# some of these do not say how long they are.
CHECKED_FORMATS = frozenset(
    ("AIFF", "AU", "CAF", "FLAC", "HTK", "MP3", "OGG", "RF64", "SVX", "W64", "WAV", "WAVEX")
)
# sizes of at least these mean "until the end" in the headers of streamed files; SoX writes the lowest
_UNKNOWN_SIZE = {4: 0x7F000000, 8: 0x7FFFFFFFFFFFFFFF}
# without a bound a file of empty chunks would be walked through for minutes
_MOST_CHUNKS = 10_000
_LONGEST_OGG_PAGE = 27 + 255 + 255 * 255


class _Container(NamedTuple):
    """A kind of file that is made of chunks, each with its name and size before it."""

    first: int  # where the first chunk begins
    name_length: int
    size_length: int
    order: str  # of the bytes of a size
    alignment: int  # of chunks
    counts_itself: bool  # whether a size has name and size in it
    samples: bytes  # the name of the chunk of samples


_RIFF = _Container(12, 4, 4, "little", 2, False, b"data")
_AIFF = _Container(12, 4, 4, "big", 2, False, b"SSND")
_SVX = _AIFF._replace(samples=b"BODY")
_CONTAINERS = {
    (b"RIFF", b"WAVE"): _RIFF,
    (b"RIFX", b"WAVE"): _RIFF._replace(order="big"),
    (b"RF64", b"WAVE"): _RIFF,
    (b"FORM", b"AIFF"): _AIFF,
    (b"FORM", b"AIFC"): _AIFF,
    (b"FORM", b"8SVX"): _SVX,
    (b"FORM", b"16SV"): _SVX,
    (b"caff", None): _Container(8, 4, 8, "big", 1, False, b"data"),
    (b"riff", None): _Container(
        40, 16, 8, "little", 8, True, b"data" + bytes.fromhex("f3acd3118cd100c04f8edb8a")
    ),
}


def sample_chunks(file, end):
    """Return where the samples are in an audio file, open at its beginning and ``end`` bytes long, by its header.

    ``promised`` says where each chunk of samples begins and how many bytes the header says it has; it is empty for
    formats that are not made of chunks, and for streamed files, whose headers leave the size open. ``unfilled`` is
    where the samples begin in a streamed WAV file whose header says 0; otherwise None.
    """
    head = file.read(12)
    if head[:4] in (b".snd", b"dns."):
        order = "big" if head[:1] == b"." else "little"
        start, size = (int.from_bytes(head[at : at + 4], order) for at in (4, 8))
        return [(start, size)] if size < _UNKNOWN_SIZE[4] else [], None
    kind = _CONTAINERS.get((head[:4], head[8:12])) or _CONTAINERS.get((head[:4], None))
    if kind is None:
        return [], None
    promised = []
    wide_size = _UNKNOWN_SIZE[8]
    chunks = list(_chunks(file, kind, end))
    for i, (name, start, size) in enumerate(chunks):
        if name == b"ds64":  # of RF64: RIFF's size, then that of the samples, for which 32 bits are too few
            file.seek(start + 8)
            wide_size = int.from_bytes(file.read(8), kind.order)
        elif name == kind.samples:
            if size == 0 and head[8:12] == b"WAVE" and _are_samples(chunks[i:], end):
                return promised, start
            unknown = _UNKNOWN_SIZE[kind.size_length]
            if head[:4] == b"RF64" and size == 0xFFFFFFFF:
                size, unknown = wide_size, _UNKNOWN_SIZE[8]
            if size < unknown:
                promised.append((start, size))
    return promised, None


def _chunks(file, kind, end):
    """Yield name, start and size of the chunks of an open file."""
    at = kind.first
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(kind.name_length + kind.size_length)
        size = int.from_bytes(head[kind.name_length :], kind.order) - (len(head) if kind.counts_itself else 0)
        if len(head) < kind.name_length + kind.size_length or size < 0:
            return
        start = at + len(head)
        yield head[: kind.name_length], start, size
        at = start + size
        at += -at % kind.alignment
        if at >= end:
            return


def _are_samples(chunks, end):
    """Return whether samples follow the first chunk, whose header says 0 bytes, rather than whole chunks to the end."""
    names = [name for name, _, _ in chunks]
    _, start, size = chunks[-1]
    are_whole = start + size in (end - 1, end) and all(name.isascii() and name >= b" " for name in names)
    return not are_whole and names.count(names[0]) == 1


def ogg_ends(file, end):
    """Return whether the last page of an open OGG file says that it is the last, and is whole."""
    file.seek(max(0, end - _LONGEST_OGG_PAGE))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or not page[5] & 4:
        return False
    sizes = page[27 : 27 + page[26]]
    return len(page) >= 27 + page[26] + sum(sizes)


def nist_frames(file):
    """Return the number of frames that the header of an open NIST file promises; None if it does not say."""
    file.seek(0)
    count = re.search(rb"\nsample_count -i (\d{1,18})\n", file.read(1024))
    return None if count is None else int(count[1])
