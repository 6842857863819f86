"""The most anomalous clips beside healthy ones, with pictures and sound."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import soundfile

from ..clips import ClipError
from ..compose import fitted_steps
from ..explain import Explainer, Explanation
from ..features import LogMelTransformer, STFTTransformer, spectrogram_unit, time_frequency_axes
from ..plotting import anomaly_map
from ._bands import in_words
from ._healthy import Healthy, Sound, read_sound
from ._pictures import (
    anomaly_picture,
    colour_limits,
    data_uri,
    explanation_picture,
    levels_picture,
    spectrogram_picture,
)
from ._scores_table import names_below_common_folder
from ._verdict import moment

_MOST_SECONDS = 30.0  # of sound for each clip
_MOST_BYTES = 12_000_000  # of sound in a report
_MOST_EXPLAINED = 60.0  # s; an explanation scores some seventy versions of a clip


@dataclass
class _Shown:
    """A clip to show, with the healthy one beside it."""

    row: object
    sound: Sound
    healthy: Sound | None = None
    near: list[str] | None = None
    group: Healthy | None = None
    explanation: Explanation | None = None


def worst_clips(table, n_clips):
    """Return the clips with the highest scores, in turn from each machine: their scores have different scales."""
    scored = table[table["anomaly_score"].notna()].sort_values(
        "anomaly_score", ascending=False, kind="stable"
    )
    rank = scored.groupby("machine", sort=False).cumcount()
    return scored.iloc[np.argsort(rank.to_numpy(), kind="stable")[:n_clips]]


def write_clips(page, table, worst, knowledge, heading="Most anomalous recordings", anchors=None):
    """Add the clips ``worst`` of a `scores_table` to a page, each beside the nearest healthy one.

    ``anchors`` are the anchors of the clips by label of the row; those of the clips shown are returned.
    """
    anchors = anchors or {}
    if worst.empty:
        return {}
    page.section(heading)
    found = worst[worst["file"].notna()]
    if len(found) < len(worst):
        page.missing(
            f"The sound files of {len(worst) - len(found)} of the {len(worst)} most anomalous clips were not found, so "
            "there is neither picture nor sound of them: make the report where the paths of the scores table lead to "
            "the recordings."
        )
    clips = _readable(page, found)
    if clips:
        _find_healthy(page, table, clips, knowledge)
        _write_cards(page, clips, knowledge.detector, anchors)
    return {clip.row.Index: anchors[clip.row.Index] for clip in clips if clip.row.Index in anchors}


def _readable(page, rows):
    """Return the clips that can be read, and name the others on the page."""
    clips = []
    for row in rows.rename(columns={"name": "name_"}).itertuples():
        try:
            clips.append(_Shown(row, read_sound(row.file, row.name_)))
        except ClipError as error:
            page.missing(f"{row.name_} cannot be read: {error.bad_clips[0][1]}")
        except (OSError, soundfile.LibsndfileError) as error:
            page.missing(f"{row.name_} cannot be read: {error}")
    return clips


def _find_healthy(page, table, clips, knowledge):
    """Find the nearest healthy recording of each clip, and say on the page which ones were searched."""
    names = dict(zip(knowledge.files, names_below_common_folder(knowledge.files), strict=True))
    said = {}
    for machine in dict.fromkeys(clip.row.machine for clip in clips):
        own = [clip for clip in clips if clip.row.machine == machine]
        group = Healthy(table[table["machine"] == machine], knowledge, names)
        for clip, near in zip(own, group.nearest([clip.sound for clip in own]), strict=True):
            clip.healthy, clip.near, clip.group = group.read(near[0]) if near else None, near, group
            if clip.healthy is not None:
                said[f"{group.said}, nearest {group.space}"] = None
    if knowledge.n_training and not knowledge.files:
        page.missing(
            f"The {knowledge.n_training} recordings learnt from are not where they were, so scored ones stand for them."
        )
    if said:
        page.paragraph(f"Each stands beside one healthy recording: the {'; or the '.join(said)}.")
    else:
        page.missing(
            "There is no healthy recording to set beside these: it takes the files learnt from, or scored ones that "
            "are called normal."
        )


def _write_cards(page, clips, detector, anchors):
    sounds = [sound for clip in clips for sound in (clip.sound, clip.healthy) if sound is not None]
    files = list(dict.fromkeys(sound.file for sound in sounds))
    found, axes, unit, limits = spectrograms(files, detector, max(sound.rate for sound in sounds))
    spectrogram = dict(zip(files, found, strict=True))
    maps, what = _maps([clip.sound.file for clip in clips], detector)
    if not maps and detector is not None:
        _explain(page, clips, detector)
    values = np.concatenate([part.ravel() for part in maps]) if maps else np.zeros(1)
    vmax = float(np.nanmax(values) if what == "share of the score" else np.nanpercentile(values, 99.5))
    player = Player(page)
    for i, clip in enumerate(clips):
        page.begin("clip")
        page.subsection(clip.row.name_, anchors.get(clip.row.Index, ""))
        page.paragraph(_facts(clip.row))
        if clip.healthy is not None:
            bands, varying = clip.group.difference(clip.sound, clip.healthy)
            page.paragraph(in_words(bands, varying, clip.group.edges))
        if clip.explanation is not None:
            page.paragraph(f"To the detector: {clip.explanation.sentence}.")
        page.begin("pair")
        for sound, title in ((clip.sound, "This recording"), (clip.healthy, "Nearest healthy recording")):
            if sound is not None:
                boxes = clip.explanation if sound is clip.sound else None
                picture = spectrogram_picture(spectrogram[sound.file], axes, unit, limits, sound.name, boxes)
                player.write_half(title, sound, picture)
        page.end("pair")
        page.begin("pair")
        if clip.healthy is not None:
            page.picture(
                *levels_picture(
                    clip.group.edges,
                    clip.group.levels(clip.sound),
                    clip.group.levels(clip.healthy),
                    clip.group.usual_levels,
                    bands,
                ),
                "Level of the frequency bands (sixths of an octave) over the whole clip; grey: where they differ.",
            )
        if maps and not np.isnan(maps[i]).all():
            page.picture(*anomaly_picture(maps[i], axes, vmax, what, clip.row.name_), _MAP_CAPTIONS[what])
        if clip.explanation is not None:
            page.picture(*explanation_picture(clip.explanation, clip.row.name_), EXPLANATION_CAPTION)
        page.end("pair")
        page.end("clip")


_MAP_CAPTIONS = {
    "share of the score": "What each frequency adds to the clip's distance from the training clips, in units of the "
    "score; negative: it deviates as others that go with it.",
    "squared error": "Where in time and frequency the detector fails to reconstruct the clip.",
}
EXPLANATION_CAPTION = (
    "Share of each part of the clip in what it scores above the same with all that is unusual brought back to what "
    "healthy recordings have (or above a healthy one, where no level is unusual): by how much its score falls without "
    "the part, and that of the other rises with it."
)


def _facts(row):
    facts = [f"Anomaly score {row.anomaly_score:.4g}"]
    facts += [f"threshold {row.threshold:.4g}"] if np.isfinite(row.threshold) else []
    facts += [row.decision] if row.decision else []
    facts += [row.remark] if getattr(row, "remark", "") else []
    when = getattr(row, "when", pd.NaT)
    facts += [] if pd.isna(when) else [moment(when)]
    facts += [] if row.machine == "machine" else [f"machine {row.machine}"]
    facts += [row.domain] if getattr(row, "domain", "") else []
    facts += [] if pd.isna(row.y) else [f"ground truth: {truth(row.y)}"]
    return ", ".join(facts)


class Player:
    """Adds players to a page until the report holds enough sound."""

    def __init__(self, page):
        self.page = page
        self.bytes_left = _MOST_BYTES
        self._held: set[bytes] = set()

    def write_half(self, title, sound, picture):
        """Add one recording of a pair: its picture (source, alternative text), its sound and its name."""
        self.page.begin("half")
        self.page.heading(title)
        self.page.picture(*picture)
        self._play(sound)
        self.page.note(sound.name)
        self.page.end("half")

    def _play(self, sound):
        """Add the sound of a recording, or say why not."""
        waveform, rate = sound.waveform, sound.rate
        content = encoded(waveform[: int(_MOST_SECONDS * rate)], rate)
        if content not in self._held:
            if len(content) > self.bytes_left:
                self.page.missing("The sound is left out: the report holds no more than 12 MB of sound.")
                return
            self.bytes_left -= len(content)
            self._held.add(content)
        self.page.audio(data_uri(content, "audio/flac"), f"Sound of {sound.name}")
        if len(waveform) > _MOST_SECONDS * rate:
            self.page.paragraph(f"The first {_MOST_SECONDS:g} of {len(waveform) / rate:.4g} seconds.")


def encoded(waveform, rate):
    """Return a waveform as the bytes of a 16-bit FLAC file."""
    stream = io.BytesIO()
    soundfile.write(stream, np.clip(waveform, -1, 1), rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def spectrograms(clips, detector, rate):
    """Return spectrograms of clips, and the axes, unit and limits for `spectrogram_picture`.

    By the detector's own front end if it makes spectrograms, else by one for sounds at `rate`.
    """
    if _begins_with_spectrograms(detector):
        front = fitted_steps(detector)[0]
    else:
        n_fft = 1 << max(6, round(np.log2(0.064 * rate)))  # 64 ms, 1024 samples at 16 kHz
        front = LogMelTransformer(sample_rate=rate, n_fft=n_fft, hop_length=n_fft // 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # empty filters at unusual rates: one line of the picture
        found = front.transform(clips)
    axes = dict(zip(("frequencies", "hop", "start"), time_frequency_axes(front), strict=True))
    unit = spectrogram_unit(front)
    return found, axes, unit, colour_limits(found, unit)


def _begins_with_spectrograms(detector):
    return detector is not None and isinstance(
        fitted_steps(detector)[0], (LogMelTransformer, STFTTransformer)
    )


def _maps(files, detector):
    """Return the anomaly maps of a detector that provides them, and their unit; else an empty list."""
    if not _begins_with_spectrograms(detector):
        return [], ""
    try:
        maps = anomaly_map(detector, files)
    except TypeError:
        return [], ""
    return maps, "share of the score" if maps[0].shape[1] == 1 else "squared error"


def _explain(page, clips, detector):
    """Explain the score of each clip, against the nearest healthy recordings."""
    for clip in clips:
        if clip.healthy is None:
            continue
        seconds = len(clip.sound.waveform) / clip.sound.rate
        if seconds > _MOST_EXPLAINED:
            page.missing(
                f"Where its score comes from is not shown of {clip.row.name_}, which lasts {seconds:.0f} s: up to "
                f"{_MOST_EXPLAINED:.0f} s are looked at. skasd explain shows it."
            )
            continue
        try:
            clip.explanation = Explainer(detector, clip.near).explain(clip.sound.file)
        except (ValueError, TypeError) as error:
            page.missing(f"Where its score comes from is not shown of {clip.row.name_}: {error}")


def truth(y):
    """Return the ground truth in words."""
    return "–" if pd.isna(y) else {1: "normal", -1: "anomalous"}[int(y)]
