"""What a report says in words: verdicts, the order of recording, bands that differ, the nearest healthy recording."""

import os
import time

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.pipeline import make_pipeline

import skasd
from skasd import ClipStatistics, KNNScorer, LogMelTransformer
from skasd.report import USUAL_CAUSES, report_scores, scores_table
from skasd.report._bands import band_edges, band_fluctuations, band_levels, differing_bands, in_words
from skasd.report._clips import _MOST_BYTES, Player, encoded
from skasd.report._healthy import Sound
from skasd.report._order import in_order, time_stamp
from skasd.report._page import Page
from skasd.report._verdict import Verdict, alarm_run

from .conftest import sounds
from .test_report_scores import Elements, scored_by, tables

RATE = 16000


@pytest.fixture
def healthy(tmp_path):
    return [path for i, path in enumerate(sounds(tmp_path / "healthy", 36, seed=9)) if i % 3 != 2]


@pytest.fixture
def detector(healthy):
    return make_pipeline(LogMelTransformer(n_mels=32), ClipStatistics(), KNNScorer()).fit(healthy)


def clips(alarms, **columns):
    """A table of clips in order, with the decisions given."""
    alarms = np.asarray(alarms, dtype=bool)
    names = [f"{i:04d}.wav" for i in range(len(alarms))]
    table = {
        "name": names,
        "anomaly_score": np.where(alarms, 2.0, 0.0),
        "decision": np.where(alarms, "anomalous", "normal"),
        "threshold": 1.0,
        "when": pd.NaT,
        **columns,
    }
    return pd.DataFrame(table)


# the verdict


def test_verdict_of_healthy_sound_with_the_alarms_it_must_give():
    alarms = np.zeros(100, dtype=bool)
    alarms[::12] = True
    verdict = Verdict("pump", clips(alarms), 0.099)
    assert verdict.kind == "good"
    assert verdict.run is None
    assert verdict.sentences == [
        "pump sounds as it did in training: 9 of 100 recordings are called anomalous (9 %, 9.9 % expected of healthy "
        "sound)."
    ]


def test_verdict_tells_since_when_the_alarms_run():
    alarms = np.arange(60) >= 50
    alarms[[4, 30, 53]] = True, True, False
    when = pd.date_range("2024-03-01 06:00", periods=60, freq="h")
    verdict = Verdict("machine", clips(alarms, when=when), 0.1)
    assert verdict.kind == "bad"
    assert verdict.run == (50, 59)
    assert verdict.sentences == [
        "The machine does not sound as it did in training: 11 of 60 recordings are called anomalous (18 %, 10 % "
        "expected of healthy sound); the alarms run since 2024-03-03 08:00."
    ]
    (sentence,) = Verdict("machine", clips(alarms), 0.1).sentences
    assert "since recording 51 of 60 in the order of the table (0050.wav)" in sentence


def test_verdict_tells_when_the_alarms_ceased():
    alarms = np.isin(np.arange(200), np.arange(40, 60))
    verdict = Verdict("fan", clips(alarms), 0.05)
    assert verdict.run == (40, 59)
    assert "ran from recording 41 of 200" in verdict.sentences[0]
    assert "to recording 60 of 200" in verdict.sentences[0]
    assert "have ceased since" in verdict.sentences[0]


def test_verdict_of_a_batch_that_differs_as_a_whole_names_the_usual_causes():
    verdict = Verdict("fan", clips([True] * 30 + [False] * 10), 0.1)
    assert verdict.kind == "bad"
    assert "from recording 1 of 40" in verdict.sentences[0] or "first recording" in verdict.sentences[0]
    assert USUAL_CAUSES in verdict.sentences[1]
    assert len(Verdict("fan", clips([True] * 20 + [False] * 20), 0.1).sentences) == 1


def test_one_normal_recording_ends_no_run():
    alarms = [False] * 5 + [True] * 6 + [False, True]
    assert alarm_run(alarms, 0.1) == (5, 12)
    assert alarm_run([False] * 5 + [True] * 6 + [False] * 20, 0.1) == (5, 10)


def test_one_alarm_is_no_verdict():
    verdict = Verdict("fan", clips([True]), 0.1)
    assert verdict.kind == "open"
    assert "cannot be judged yet" in verdict.sentences[0]
    assert "1 of 1 recording is called anomalous" in verdict.sentences[0]


def test_higher_scores_below_the_threshold_are_told():
    rng = np.random.default_rng(0)
    table = clips([False] * 40, anomaly_score=rng.normal(1.2, 0.3, size=40))
    training = rng.normal(0, 1, size=60)
    assert Verdict("fan", table, 0.1, training).kind == "open"
    assert "scores lie higher" in Verdict("fan", table, 0.1, training).sentences[0]
    assert Verdict("fan", table.assign(anomaly_score=rng.normal(size=40)), 0.1, training).kind == "good"


def test_verdict_without_rate_threshold_or_scores():
    assert "is in the model, which was not given" in Verdict("fan", clips([False]), None).sentences[0]
    assert "without a threshold" in Verdict("fan", clips([False], decision=""), 0.1).sentences[0]
    none = clips([False, False], anomaly_score=np.nan)
    assert Verdict("fan", none, 0.1).sentences == ["fan: none of 2 recordings could be scored."]


def test_verdict_counts_remarks():
    table = clips([False] * 3, remark=["", "silence", "clipped"])
    assert "2 recordings carry a remark" in Verdict("fan", table, 0.1).sentences[1]


@pytest.mark.parametrize("n", [10, 100, 1000])
def test_runs_of_alarms_come_seldom_by_chance(n):
    rng = np.random.default_rng(n)
    found = sum(alarm_run(rng.random(n) < 0.1, 0.1) is not None for _ in range(200))
    assert found <= 5


# the order of recording


def test_time_stamps_come_before_modification_and_table(tmp_path):
    names = ["b_2024-03-02_10-00.wav", "a_2024-03-02_11-00.wav", "c_2024-03-01_12-00.wav"]
    table = scores_table(pd.DataFrame({"path": names, "anomaly_score": [1, 2, 3]}))
    ordered, said = in_order(table)
    assert ordered["anomaly_score"].tolist() == [3, 1, 2]
    assert "time stamps in the file names" in said
    told, said = in_order(table.assign(time=["2020-01-01", "2019-01-01T10:00:00", ""]))
    assert "time stamps" in said  # one clip of three has none in the column
    told, said = in_order(table.assign(time=["2020-01-01", "2019-01-01T10:00:00", "2021-01-01T00:00Z"]))
    assert told["anomaly_score"].tolist() == [2, 1, 3]
    assert "column time" in said


def test_modification_orders_files_that_were_not_copied(tmp_path):
    paths = sounds(tmp_path, 5, seconds=2)
    table = scores_table(pd.DataFrame({"path": paths, "anomaly_score": range(5)}))
    ordered, said = in_order(table)
    assert "nothing tells" in said  # all written at once, ten seconds of sound
    assert ordered["when"].isna().all()
    for i, path in enumerate(paths):
        os.utime(path, (0, 1_700_000_000 - 60 * i))
    ordered, said = in_order(table)
    assert ordered["anomaly_score"].tolist() == [4, 3, 2, 1, 0]
    assert "last modified" in said
    local = time.localtime(1_700_000_000)
    assert ordered["when"].iloc[-1] == pd.Timestamp(*local[:6])


def test_one_date_for_all_orders_nothing():
    paths = [f"2024-03-01 export/{i}.wav" for i in (2, 1)]
    assert time_stamp(paths[0]) == pd.Timestamp("2024-03-01")
    _, said = in_order(scores_table(pd.DataFrame({"path": paths, "anomaly_score": [1, 2]})))
    assert "nothing tells" in said


@pytest.mark.parametrize(
    "name",
    [
        "normal_id_00_00000001.wav",
        "section_02_target_test_0012_car_19.wav",
        "serial_20241301.wav",
        "x_120240301.wav",
    ],
)
def test_numbers_that_are_no_dates(name):
    assert time_stamp(name) is pd.NaT


def test_a_few_clips_without_a_time_come_last(tmp_path):
    paths = [f"2024-03-01_{i:02d}-00.wav" for i in range(20)] + ["other.wav"]
    table = pd.DataFrame({"path": paths, "anomaly_score": np.arange(21.0), "threshold": 14.5})
    text = Elements(report_scores(table, tmp_path / "r.html")).text
    assert "the alarms run since 2024-03-01 15:00" in text


# bands that differ


def test_levels_are_those_of_the_sound():
    edges = band_edges(RATE)
    assert edges[0] == 40
    assert 7000 < edges[-1] <= 8000
    t = np.arange(5 * RATE) / RATE
    levels = band_levels(0.1 * np.sin(2 * np.pi * 1000 * t), RATE, edges)
    place = np.searchsorted(edges, 1000) - 1
    assert levels.argmax() == place
    assert levels[place] == pytest.approx(10 * np.log10(0.1**2 / 2), abs=0.5)
    noise = np.random.default_rng(0).normal(scale=0.1, size=t.size)
    width = np.diff(edges) / (RATE / 2)
    np.testing.assert_allclose(band_levels(noise, RATE, edges), -20 + 10 * np.log10(width), atol=2.5)


def test_a_band_is_named_in_hertz_and_decibels():
    edges = band_edges(RATE)
    rng = np.random.default_rng(1)
    one, other = rng.normal(scale=0.1, size=(2, 10 * RATE))
    lines, frequencies = np.fft.rfft(one), np.fft.rfftfreq(one.size, 1 / RATE)
    lines[(frequencies > 1280) & (frequencies < 2560)] *= 4  # 12 dB
    louder = np.fft.irfft(lines)
    bands = differing_bands(band_levels(louder, RATE, edges), band_levels(other, RATE, edges), edges)
    words = in_words(bands, [], edges)
    assert words == "Louder than the healthy recording by 12 dB between 1280 and 2560 Hz."
    assert in_words([], [], edges).startswith("In the mean no frequency band differs")
    quieter = differing_bands(band_levels(0.1 * other, RATE, edges), band_levels(other, RATE, edges), edges)
    assert in_words(quieter, [], edges) == "Quieter than the healthy recording by 20 dB at all frequencies."


def test_bands_within_the_usual_spread_are_not_named():
    edges = np.array([100.0, 200, 400, 800])
    levels, healthy = np.array([5.0, 5, 5]), np.zeros(3)
    named = differing_bands(levels, healthy, edges, spread=np.array([1.0, 4, 1]))
    assert sorted((band.low, band.high) for band in named) == [(100, 200), (400, 800)]


def test_knocks_are_told_by_how_the_level_varies():
    edges = band_edges(RATE)
    rng = np.random.default_rng(2)
    steady, other = rng.normal(scale=0.1, size=(2, 10 * RATE))
    beat = np.where(np.arange(10 * RATE) % (RATE // 2) < RATE // 4, 1.4, 0.14)
    varying = differing_bands(
        band_fluctuations(steady * beat, RATE, edges), band_fluctuations(other, RATE, edges), edges
    )
    assert "over time its level varies by" in in_words([], varying, edges)
    assert varying[0].db > 6
    assert min(band.low for band in varying) > 150  # below, bands are narrower than 31 Hz
    assert np.isnan(band_fluctuations(steady[:100], RATE, edges)).all()


# healthy recordings, training scores


def test_the_nearest_training_recording_stands_beside(scored, detector, healthy, tmp_path):
    table = scored_by(detector, scored)
    page = report_scores(table, tmp_path / "r.html", detector=detector, training=healthy, n_clips=2)
    found = Elements(page)
    assert "recording learnt from, nearest in what the detector takes of a sound" in found.text
    features = detector[:-1].transform([*table.nlargest(2, "anomaly_score")["path"], *healthy])
    features /= features[2:].std(axis=0)
    for place, audio in enumerate(found.all("audio")[1::2]):
        nearest = healthy[np.linalg.norm(features[2:] - features[place], axis=1).argmin()]
        assert audio["aria-label"] == f"Sound of {os.path.basename(nearest)}"
    assert f"training ({len(healthy)})" not in found.text  # it is in the picture
    assert f"beside those of {len(healthy)} training clips" in " ".join(a["alt"] for a in found.all("img"))
    assert f"{len(healthy)} recordings learnt from are on it" in found.text
    # a tone of 2 kHz in noise: the words, and the alternative text of the map of the anomaly
    assert "dB between 1810 and 2030 Hz" in found.text


def test_a_healthy_recording_beside_several_is_embedded_once(tmp_path):
    page = Page("page")
    player = Player(page)
    one, other = (
        Sound("", name, np.full(800, level), 8000) for name, level in (("one", 0.1), ("other", 0.2))
    )
    for sound in (one, other, one):
        player.write_half("heading", sound, ("data:,", "picture"))
        left = player.bytes_left
    assert left == _MOST_BYTES - sum(len(encoded(sound.waveform, 8000)) for sound in (one, other))
    players = Elements(page.write(tmp_path / "p.html", "skasd")).all("audio")
    assert ["src" in each for each in players] == [True, True, False]
    assert players[2]["data-as"] == players[0]["id"] != players[1]["id"]
    assert "player.dataset.as" in (tmp_path / "p.html").read_text()  # the script, which is what plays it


def test_the_model_file_names_the_recordings_learnt_from(scored, detector, healthy, tmp_path):
    table = scored_by(detector, scored)
    detector.training_paths_ = healthy
    skasd.save(detector, tmp_path / "m.skasd")
    again = skasd.load(tmp_path / "m.skasd")
    text = Elements(report_scores(table, tmp_path / "r.html", detector=again, n_clips=1)).text
    assert "the recording learnt from" in text
    for path in healthy:
        os.unlink(path)
    text = Elements(report_scores(table, tmp_path / "r.html", detector=again, n_clips=1)).text
    assert f"The {len(healthy)} recordings learnt from are not where they were" in text
    assert "scored recording that the ground truth calls normal" in text


def test_healthy_recordings_among_the_scored_ones(scored, tmp_path):
    unknown = scored.drop(columns="y")
    found = Elements(report_scores(unknown, tmp_path / "r.html", n_clips=1))
    assert "scored recording among those with the lowest scores, nearest in the level" in found.text
    normal = [os.path.basename(p) for p in unknown.loc[unknown["decision"] == "normal", "path"]]
    assert found.all("audio")[1]["aria-label"].removeprefix("Sound of ") in normal
    found = Elements(report_scores(unknown.assign(decision="anomalous"), tmp_path / "r.html", n_clips=1))
    assert "There is no healthy recording to set beside these" in found.text
    assert len(found.all("audio")) == 1


def test_a_broken_training_file_costs_itself_only(scored, detector, healthy, tmp_path):
    table = scored_by(detector, scored)
    with open(healthy[0], "wb") as file:
        file.write(b"RIFF")
    text = Elements(
        report_scores(table, tmp_path / "r.html", detector=detector, training=healthy, n_clips=1)
    ).text
    assert "the recording learnt from" in text


def test_a_foreign_detector_is_noticed(scored, detector, tmp_path):
    found = Elements(report_scores(scored, tmp_path / "r.html", detector=detector, n_clips=0))
    assert "The detector given scores" in found.text
    assert "training clips" not in " ".join(a["alt"] for a in found.all("img"))


def test_recordings_at_several_rates(tmp_path):
    paths = []
    for i, rate in enumerate((8000, 16000, 48000, 44100)):
        paths.append(str(tmp_path / f"{i}.wav"))
        soundfile.write(paths[-1], np.random.default_rng(i).normal(scale=0.1, size=rate), rate)
    table = pd.DataFrame({"path": paths, "anomaly_score": [1.0, 2, 3, 4], "threshold": 3.5})
    found = Elements(report_scores(table, tmp_path / "r.html", n_clips=2))
    assert len(found.all("audio")) == 4


# the table of all


def test_all_clips_are_in_the_table_with_their_remarks(scored, tmp_path):
    scored.loc[2, "anomaly_score"] = np.nan
    scored.loc[3, "anomaly_score"] = 1.25e-5
    scored["remark"] = ["", "clipped <b>"] + [""] * 22
    page = report_scores(scored, tmp_path / "r.html", n_clips=1)
    (table,) = [t for t in tables(page) if "recording" in t and len(t) == 24]
    assert list(table)[:4] == ["recording", "decision", "remark", "score"]
    shown = [value for value in table["score"] if value != "–"]
    assert shown == sorted(shown, reverse=True)
    assert 1.25e-5 in shown
    assert "clipped <b>" in set(table["remark"])
    without = report_scores(scored.assign(remark=""), tmp_path / "r.html", n_clips=0)
    assert "remark" not in tables(without)[0]


def test_the_page_stays_small_with_many_clips(scored, tmp_path, monkeypatch):
    from skasd.report import _scored

    many = pd.concat([scored] * 100, ignore_index=True)
    many["path"] = [f"{i:04d}.wav" for i in range(len(many))]
    page = report_scores(many, tmp_path / "r.html", n_clips=0)
    (table,) = [t for t in tables(page) if "recording" in t]
    assert len(table) == 2400
    assert page.stat().st_size < 1_000_000
    monkeypatch.setattr(_scored, "_MOST_ROWS", 50)
    page = report_scores(many, tmp_path / "r.html", n_clips=0)
    assert "50 of 2400 recordings, the most anomalous first" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("training", "error", "message"),
    [
        (pd.DataFrame({"file": ["a.wav"]}), ValueError, "training lacks the column 'path'; it has file"),
        ("a.wav", TypeError, "training must be a table or a list of paths, got 'a.wav'"),
    ],
)
def test_bad_training(scored, tmp_path, training, error, message):
    with pytest.raises(error, match=message):
        report_scores(scored, tmp_path / "r.html", training=training)


def test_equal_scores_make_a_report(scored, tmp_path):
    for value in (1e17, 0.1, 0.0):
        same = scored.assign(anomaly_score=value)
        same.loc[0, "anomaly_score"] = np.nextafter(value, 1e18)
        assert report_scores(same, tmp_path / "r.html", n_clips=0).is_file()
