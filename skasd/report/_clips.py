"""The most anomalous clips: to look at and to listen to."""

import io
import warnings

import numpy as np
import pandas as pd
import soundfile

from ..clips import ClipError, Clips
from ..features import LogMelTransformer, STFTTransformer
from ..plotting import anomaly_map
from ..plotting._anomaly_map import pipeline_steps
from ..plotting._spectrogram import spectrogram_unit, time_frequency_axes
from ._pictures import clip_picture, data_uri

_MOST_SECONDS = 30.0  # of sound for each clip
_MOST_BYTES = 12_000_000  # of sound in a report
_MOST_RATE = 48000


def write_clips(page, table, n_clips, detector=None, heading="Most anomalous clips"):
    """Add the clips with the highest scores to a page.

    Parameters
    ----------
    page : Page
    table : DataFrame
        As `scores_table` makes it.
    n_clips : int
    detector : estimator or None
    heading : str
    """
    if n_clips == 0:
        return
    page.section(heading)
    scored = table[table["anomaly_score"].notna()]
    worst = scored.nlargest(n_clips, "anomaly_score", keep="first")
    shown = worst[["name", "anomaly_score", "decision"]].rename(
        columns={"name": "clip", "anomaly_score": "anomaly score"}
    )
    if worst["y"].notna().any():
        shown["ground truth"] = [_truth(y) for y in worst["y"]]
    if "domain" in worst:
        shown["domain"] = worst["domain"]
    page.table(shown, f"The {len(worst)} clips with the highest anomaly scores")
    found = worst[worst["file"].notna()]
    if len(found) < len(worst):
        page.missing(
            f"The sound files of {len(worst) - len(found)} of these clips were not found, so there is neither picture "
            "nor sound of them: make the report where the paths of the scores table lead to the recordings."
        )
    clips = _readable(page, found)
    if not clips:
        return
    front, spectrograms = _spectrograms(clips, detector)
    axes = dict(zip(("frequencies", "hop", "start"), time_frequency_axes(front), strict=True))
    unit = spectrogram_unit(front)
    top = max(float(np.nanmax(s)) for s in spectrograms)
    bottom = min(float(np.nanmin(s)) for s in spectrograms)
    limits = (max(bottom, top - 80) if unit == "dB" else bottom, top)
    maps, what = _maps(page, [row.file for row, _, _ in clips], detector)
    values = np.concatenate([part.ravel() for part in maps]) if maps else np.zeros(1)
    vmax = float(values.max() if what == "share" else np.percentile(values, 99.5))
    if what == "share":
        page.paragraph(
            "Beside each spectrogram: what each frequency band adds to the clip's distance from the training clips, in "
            "units of the score. Negative: the band deviates as others that go with it."
        )
    elif maps:
        page.paragraph(
            "Below each spectrogram: the squared error of the reconstruction, where the detector fails."
        )
    bytes_left = _MOST_BYTES
    for i, (row, waveform, rate) in enumerate(clips):
        page.begin("clip")
        page.subsection(row.name_)
        facts = [f"anomaly score {row.anomaly_score:.4g}"]
        facts += [f"threshold {row.threshold:.4g}"] if np.isfinite(row.threshold) else []
        facts += [row.decision] if row.decision else []
        facts += [] if pd.isna(row.y) else [f"ground truth: {_truth(row.y)}"]
        page.paragraph(", ".join(facts))
        anomaly = (maps[i], vmax, what) if maps and not np.isnan(maps[i]).all() else None
        page.picture(*clip_picture(spectrograms[i], axes, unit, limits, anomaly, row.name_))
        sound = encoded(waveform[: int(_MOST_SECONDS * rate)], rate)
        if len(sound) <= bytes_left:
            bytes_left -= len(sound)
            page.audio(data_uri(sound, "audio/flac"), f"Sound of {row.name_}")
            if len(waveform) > _MOST_SECONDS * rate:
                page.paragraph(f"The first {_MOST_SECONDS:g} of {len(waveform) / rate:.4g} seconds.")
        else:
            page.missing("The sound is left out: the report holds no more than 12 MB of sound.")
        page.end("clip")


def encoded(waveform, rate):
    """Return a waveform as the bytes of a 16-bit FLAC file."""
    stream = io.BytesIO()
    soundfile.write(stream, np.clip(waveform, -1, 1), rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def _readable(page, rows):
    """Return (row, waveform, sample rate) of the clips that can be read; say which cannot."""
    clips = []
    for row in rows.rename(columns={"name": "name_"}).itertuples():
        try:
            rate = min(soundfile.info(row.file).samplerate, _MOST_RATE)
            (waveform,) = Clips([row.file], sample_rate=rate)
        except (ClipError, soundfile.LibsndfileError) as error:
            page.missing(f"{row.name_} cannot be read: {str(error).splitlines()[-1].strip()}")
            continue
        clips.append((row, waveform, rate))
    return clips


def _spectrograms(clips, detector):
    """Return a front end, the detector's own if it makes spectrograms, and what it makes of the clips."""
    if detector is not None:
        front = pipeline_steps(detector)[0]
        if isinstance(front, (LogMelTransformer, STFTTransformer)):
            return front, front.transform([row.file for row, _, _ in clips])
    rate = max(rate for _, _, rate in clips)
    # 64 ms, as 1024 points at 16 kHz
    n_fft = 1 << max(6, round(np.log2(0.064 * rate)))
    front = LogMelTransformer(sample_rate=rate, n_fft=n_fft, hop_length=n_fft // 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty filters at odd rates: a line of the picture, no more
        return front, front.fit_transform([row.file for row, _, _ in clips])


def _maps(page, files, detector):
    """Return where the clips' anomalies lie, and the unit; nothing where that cannot be told."""
    if detector is None:
        page.missing(
            "Where in time and frequency the anomalies lie is shown in the report of scores that is made with the "
            "fitted detector."
        )
        return [], ""
    try:
        maps = anomaly_map(detector, files)
    except TypeError as error:
        page.missing(str(error))
        return [], ""
    if not isinstance(pipeline_steps(detector)[0], (LogMelTransformer, STFTTransformer)):
        page.missing(
            "Where the anomalies lie is shown for detectors that begin with a log-mel or STFT transformer."
        )
        return [], ""
    return maps, "share" if maps[0].shape[1] == 1 else "squared error"


def _truth(y):
    return "–" if pd.isna(y) else {1: "normal", -1: "anomalous"}[int(y)]
