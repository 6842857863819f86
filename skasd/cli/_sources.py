"""Sources of sound: raw or WAV samples on a pipe, a microphone, files that appear in a folder."""

import os
import struct
import time
from pathlib import Path

import numpy as np
import soxr

from ..datasets import find_recordings
from ._formats import FORMATS

_BYTES = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4}
_OF_WAV = {(1, 8): "u8", (1, 16): "s16le", (1, 24): "s24le", (1, 32): "s32le", (3, 32): "f32le"}
_EXTENSIBLE = 0xFFFE
_LONGEST_CHUNK = 1 << 24  # bytes before the samples; a header that claims more is not one


class Pcm:
    """Samples from a binary stream: after the header of a WAV file, if there is one, else raw.

    Parameters
    ----------
    stream : binary file object
    rate, channels, kind
        Sample rate in Hz, number of channels and format (one of `FORMATS`) of raw samples.
    """

    def __init__(self, stream, rate, channels, kind):
        self.stream = stream
        self.rate, self.channels, self.kind = rate, channels, kind
        self._begun = self._read_exactly(4)
        if self._begun == b"RIFF":
            self._begun = b""
            self._read_header()

    def blocks(self, seconds):
        """Yield samples of shape (n_frames, n_channels) as they come, at most so many seconds at a time."""
        size = _BYTES[self.kind] * self.channels
        most = max(size, round(seconds * self.rate) * size)
        read = getattr(self.stream, "read1", self.stream.read)  # read1 does not wait for more than there is
        content = self._begun or read(most)
        while content:
            whole = len(content) // size * size
            if whole:
                yield _decoded(content[:whole], self.kind).reshape(-1, self.channels)
            rest = content[whole:]
            part = read(most - len(rest))
            content = rest + part if part else b""  # the end may lack channels of the last frame

    def _read_header(self):
        self._read_exactly(8)
        form = None
        while len(head := self._read_exactly(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name == b"data":
                if form is None:
                    raise ValueError("The WAV header on standard input has samples before their format.")
                kind, self.channels, self.rate, _, _, bits = form
                if (kind, bits) not in _OF_WAV or not self.channels or not self.rate:
                    raise ValueError(
                        f"The WAV header on standard input has the format {kind} with {bits} bits, {self.channels} "
                        "channels; PCM of 8, 16, 24 or 32 bits and floats of 32 bits can be read."
                    )
                self.kind = _OF_WAV[kind, bits]
                return
            if size > _LONGEST_CHUNK:
                break
            content = self._read_exactly(size + size % 2)
            if name == b"fmt " and len(content) >= 16:
                form = struct.unpack("<HHIIHH", content[:16])
                if form[0] == _EXTENSIBLE and len(content) >= 26:
                    form = (int.from_bytes(content[24:26], "little"), *form[1:])
        raise ValueError("The WAV header on standard input ends before its samples.")

    def _read_exactly(self, n):
        content = b""
        while len(content) < n and (part := self.stream.read(n - len(content))):
            content += part
        return content


def _decoded(content, kind):
    if kind == "s24le":
        wide = np.zeros((len(content) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0]
    return np.frombuffer(content, FORMATS[kind])


class OneChannel:
    """Converts samples of several channels at one rate to one channel at another rate."""

    def __init__(self, rate, wanted_rate, channel):
        self.channel = channel
        self.resampler = None
        if rate != wanted_rate:
            self.resampler = soxr.ResampleStream(rate, wanted_rate, 1, dtype="float32")

    def __call__(self, samples):
        """Return samples (n_frames, n_channels), floats of which 1 is full scale, as (n_samples,) float32."""
        n_channels = samples.shape[1]
        if self.channel != "mean" and not -n_channels <= self.channel < n_channels:
            raise ValueError(f"channel={self.channel} asked for, but there are {n_channels} channel(s).")
        one = samples.mean(axis=1) if self.channel == "mean" else samples[:, self.channel]
        one = np.ascontiguousarray(one, np.float32)
        return one if self.resampler is None else self.resampler.resample_chunk(one)


class Microphone:
    """Samples from a sound card, by the package sounddevice."""

    def __init__(self, rate, channels, device):
        try:
            import sounddevice
        except (ImportError, OSError) as error:  # OSError: there is no PortAudio on this computer
            raise RuntimeError(
                f"The microphone needs the package sounddevice ({error}): pip install 'skasd[live]'."
            ) from error
        self.rate = rate
        self.input = sounddevice.InputStream(
            samplerate=rate, channels=channels, dtype="float32", device=device
        )

    def blocks(self, seconds):
        """Yield (samples of shape (n_frames, n_channels), seconds lost before them)."""
        n_frames = max(1, round(seconds * self.rate))
        heard, since = 0, None
        with self.input:
            while True:
                samples, overflowed = self.input.read(n_frames)
                now = time.monotonic()
                lost = 0.0
                if since is None:
                    since, heard = now, 0
                else:
                    heard += len(samples)
                    if overflowed:
                        lost = max(0.0, now - since - heard / self.rate)
                        heard += round(lost * self.rate)
                yield samples, lost


class Folder:
    """Files that appear in a folder or below, each given once, when they have not changed for ``settle`` seconds."""

    def __init__(self, path, settle):
        self.path, self.settle = Path(path), settle
        self.done: dict[str, None] = {}
        self._seen: dict[str, tuple] = {}

    def skip_present(self):
        """Take all files that are there for done."""
        self.done = dict.fromkeys(self._names())

    def settled(self, now=None):
        """Return the new files that have not changed for long enough, oldest first."""
        now = time.monotonic() if now is None else now
        names = self._names()
        self.done = {name: None for name in names if name in self.done}  # forget files that are gone
        before, self._seen = self._seen, {}
        ready = []
        for name in names:
            if name in self.done:
                continue
            try:
                status = os.stat(self.path / name)
            except OSError:
                continue
            size_and_time = status.st_size, status.st_mtime_ns
            same, since = before.get(name, (None, now))
            since = since if same == size_and_time else now
            self._seen[name] = size_and_time, since
            if now - since >= self.settle:
                ready.append((status.st_mtime_ns, name))
        return [name for _, name in sorted(ready)]

    def _names(self):
        try:
            return [os.path.relpath(name, self.path) for name in find_recordings([self.path])]
        except ValueError:  # no sound file yet
            if not self.path.is_dir():
                raise
            return []
