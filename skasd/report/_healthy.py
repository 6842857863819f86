"""Healthy recordings that anomalous ones are compared with."""

from dataclasses import dataclass

import numpy as np
import soundfile

from ..clips import ClipError, Clips
from ._bands import band_edges, band_fluctuations, band_levels, differing_bands

_MOST_RATE = 48000
_MOST_HEARD = 60  # healthy recordings whose band levels are taken
_MOST_NEAR = 8  # to one recording; an explanation takes their range as usual
_MOST_SCORED = 200  # scored clips used in place of training recordings


@dataclass
class Sound:
    """A recording that was read."""

    file: str
    name: str
    waveform: np.ndarray
    rate: int


class Healthy:
    """Healthy recordings of one machine, given all its scored clips.

    These are the training recordings whose files still exist; else scored clips that are healthy by the ground truth;
    without ground truth, those with the lowest scores that are not called anomalous. ``said`` says which; ``names``
    are the names by file, as shown on the page.
    """

    def __init__(self, clips, knowledge, names):
        self._knowledge = knowledge
        self.files = knowledge.files
        self.said = "recording learnt from"
        self.names = names
        self._levels: dict[str, np.ndarray] = {}
        self._fluctuations = np.zeros((0, 0))
        if not self.files:
            there = clips[clips["file"].notna() & clips["anomaly_score"].notna()]
            pool = there[there["y"] == 1]
            self.said = "scored recording that the ground truth calls normal"
            if pool.empty:
                pool = there[there["y"].isna() & (there["decision"] != "anomalous")]
                self.said = "scored recording among those with the lowest scores"
            self.files = pool.nsmallest(_MOST_SCORED, "anomaly_score", keep="first")["file"].tolist()
            self.names = dict(zip(clips["file"], clips["name"], strict=True))
        self.space = "in the level of its frequency bands"
        self.edges = None

    def listen(self, sounds):
        """Take the band levels of some healthy recordings, up to the lowest of all sample rates, the detector's too.

        Above that a codec may have cut off what the detector does not hear.
        """
        step = max(1, len(self.files) // _MOST_HEARD)
        heard = [sound for file in self.files[::step][:_MOST_HEARD] if (sound := self.read(file)) is not None]
        if not heard:
            self.files = []
            return
        rates = [sound.rate for sound in [*heard, *sounds]]
        self.edges = band_edges(min([*rates, self._knowledge.sample_rate or max(rates)]))
        self._levels = {sound.file: self.levels(sound) for sound in heard}
        self._fluctuations = np.array([self.fluctuations(sound) for sound in heard])

    def levels(self, sound):
        """Return the band levels of a recording in dB."""
        return band_levels(sound.waveform, sound.rate, self.edges)

    def fluctuations(self, sound):
        """Return by how much the band levels of a recording vary over time, in dB."""
        return band_fluctuations(sound.waveform, sound.rate, self.edges)

    def difference(self, sound, healthy):
        """Return the bands in which a recording differs from a healthy one: in level, and in how that varies."""
        # the spread of fewer than four says little
        spread = [None, None]
        if len(self._levels) > 3:
            spread = [values.std(axis=0) for values in (self.usual_levels, self._fluctuations)]
        levels = self.levels(sound), self.levels(healthy)
        fluctuations = self.fluctuations(sound), self.fluctuations(healthy)
        return (
            differing_bands(*levels, self.edges, spread[0]),
            differing_bands(*fluctuations, self.edges, spread[1]),
        )

    @property
    def usual_levels(self):
        """Band levels of healthy recordings, of shape (n_recordings, n_bands), in dB."""
        return np.array(list(self._levels.values()))

    def nearest(self, sounds):
        """Return for each of some sounds the files of the nearest healthy recordings, the nearest first, 8 at most.

        Distances are those of the detector's features, each in units of its standard deviation over the healthy
        recordings; without features, those of the levels of the frequency bands.
        """
        self.listen(sounds)
        if not self.files:
            return [[]] * len(sounds)
        files, rows = self.files, self._knowledge.features([*self.files, *(sound.file for sound in sounds)])
        if rows is not None:
            own, others = rows[: len(files)], rows[len(files) :]
            readable = ~np.isnan(own).any(axis=1)
            files = [file for file, is_readable in zip(files, readable, strict=True) if is_readable]
            spread = own[readable].std(axis=0)
            scale = np.where(spread > 0, spread, 1)
            own, others = own[readable] / scale, others / scale
            self.space = "in what the detector takes of a sound"
        else:
            files = list(self._levels)
            own, others = self.usual_levels, np.array([self.levels(sound) for sound in sounds])
        found = []
        for sound, row in zip(sounds, others, strict=True):
            distance = np.linalg.norm(own - row, axis=1)
            distance[[file == sound.file for file in files]] = np.nan
            order = np.argsort(distance, kind="stable")[:_MOST_NEAR]
            found.append([files[place] for place in order if not np.isnan(distance[place])])
        return found

    def read(self, file):
        """Return a healthy recording, None if it cannot be read."""
        try:
            return read_sound(file, self.names.get(file, file))
        except (ClipError, OSError, soundfile.LibsndfileError):
            return None


def sound_info(file):
    """Return the header of a sound file; opened here, because libsndfile refuses names that are not UTF-8."""
    with open(file, "rb") as opened:
        return soundfile.info(opened)


def read_sound(file, name):
    """Return a recording at its own sample rate, 48 kHz at most, all channels mixed."""
    rate = min(sound_info(file).samplerate, _MOST_RATE)
    (waveform,) = Clips([file], sample_rate=rate)
    return Sound(file, name, waveform, rate)
