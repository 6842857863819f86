"""``skasd watch``: pipes, folders and a microphone; commands, the page, ends and restarts."""

import argparse
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import types
from contextlib import suppress

import numpy as np
import pytest
import soundfile
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, LogMelTransformer, MahalanobisScorer, save
from skasd.cli import _arguments, main
from skasd.cli._sources import Folder, Microphone, Pcm
from skasd.cli._watch import _parameters
from skasd.clips import RecordingConditions
from skasd.streaming import StreamingDetector

RATE = 8000
OPTIONS = ["--window", "1", "--hop", "0.5"]


def noise(seconds, seed=0, tone=0.0):
    n = round(seconds * RATE)
    sound = 0.05 * np.random.default_rng(seed).standard_normal(n) + tone * np.sin(np.arange(n) / 5)
    return np.round(32768 * np.clip(sound, -1, 0.999)).astype("<i2")


@pytest.fixture(scope="module")
def detector():
    front = LogMelTransformer(sample_rate=RATE, n_fft=512, hop_length=200, n_mels=16)
    scorer = MahalanobisScorer(contamination=0.005)
    return make_pipeline(front, ClipStatistics(), scorer).fit(noise(240, seed=1).reshape(240, -1))


@pytest.fixture
def model(detector, tmp_path):
    save(detector, tmp_path / "pump.skasd")
    return str(tmp_path / "pump.skasd")


@pytest.fixture
def pipe(monkeypatch):
    """Return a function that puts bytes on standard input."""

    def put(content):
        monkeypatch.setattr(
            sys, "stdin", types.SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(content)))
        )

    return put


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def judged(events):
    return [(e["start"], e["end"], e["score"], e["decision"], e["alarm"]) for e in events]


def expected(detector, *parts):
    stream = StreamingDetector(detector, window=1.0, hop=0.5)
    return [(e.start, e.end, e.score, e.decision, e.alarm) for part in parts for e in stream.process(part)]


def test_raw_samples_on_standard_input(model, detector, pipe, capsys):
    sound = np.concatenate([noise(4), noise(3, seed=2, tone=0.1), noise(5, seed=3)])
    pipe(sound.tobytes())
    assert main(["watch", model, "-", *OPTIONS]) == 0
    captured = capsys.readouterr()
    events = lines(captured.out)
    assert judged(events) == expected(detector, sound)
    changes = [(event["change"], event["end"]) for event in events if event["change"]]
    assert [change for change, _ in changes] == ["raised", "ended"]
    assert 4 < changes[0][1] <= 6 < 8 <= changes[1][1]
    assert set(events[0]) == {
        *("time", "start", "end", "score", "p_value", "decision", "alarm", "state", "status", "evidence"),
        *("threshold", "change"),
    }
    assert "alarm raised at" in captured.err
    pipe(sound.tobytes())
    assert main(["watch", model, "-", *OPTIONS, "-q", "--state", model + ".other"]) == 0
    assert "watching" not in capsys.readouterr().err


def test_calibrated_on_what_is_heard_first(model, detector, pipe, capsys):
    """A machine that always hums is no anomaly; after a restart the calibration is that of then."""
    asked = ["watch", model, "-", *OPTIONS, "--calibrate", "30", "--false-alarms", "0.05", "--continue"]
    hum = noise(50, seed=4, tone=0.02)
    pipe(hum.tobytes())
    assert main(["watch", model, "-", *OPTIONS, "--state", model + ".other"]) == 0
    assert any(event["alarm"] for event in lines(capsys.readouterr().out))
    pipe(hum[: 20 * RATE].tobytes())
    assert main(asked) == 0
    captured = capsys.readouterr()
    assert {event["state"] for event in lines(captured.out)} == {"learning"}
    assert "calibrating: 30 s of sound are taken as healthy" in captured.err
    unfinished = (
        "the calibration is not complete: 20 of 30 windows of 1 s that do not overlap were heard. No alarm"
    )
    assert unfinished in captured.err
    pipe(np.concatenate([hum[20 * RATE :], noise(5, seed=5, tone=0.1)]).tobytes())
    assert main(asked) == 0
    captured = capsys.readouterr()
    events = lines(captured.out)
    watching = [event for event in events if event["state"] == "watching"]
    assert watching[0]["start"] == 29.5
    assert f"calibrated: the threshold is {watching[0]['threshold']:.4g}" in captured.err
    assert "calibrating:" not in captured.err
    assert "not complete" not in captured.err
    assert {event["threshold"] for event in events[:10]} == {-detector.steps[-1][1].offset_}
    scores = np.array([event["score"] for event in watching if event["end"] <= 50])
    assert np.mean(scores > watching[0]["threshold"]) < 0.3 < 0.9 < np.mean(scores > events[0]["threshold"])
    assert [event["end"] for event in watching if event["change"] == "raised"][-1] > 50
    assert "not used" not in captured.err
    pipe(b"")
    assert main([*asked, "--false-alarms", "0.2"]) == 0
    said = capsys.readouterr().err
    assert (
        "the calibration of an earlier start (--calibrate 30 --false-alarms 0.05) stands, other options"
        in said
    )


def test_moving_average_with_a_stated_time_between_false_alarms(model, pipe, capsys):
    asked = ["watch", model, "-", *OPTIONS, "--hours-per-false-alarm", "8"]
    pipe(noise(2).tobytes())
    assert main(asked) == 2
    assert "takes its limit from healthy sound: give --calibrate 3600" in capsys.readouterr().err
    pipe(np.concatenate([noise(110, seed=6), noise(20, seed=7, tone=0.1)]).tobytes())
    assert main([*asked, "--calibrate", "100"]) == 0
    events = lines(capsys.readouterr().out)
    assert [event["end"] > 110 for event in events if event["change"] == "raised"] == [True]
    assert max(event["evidence"] for event in events) == 1
    pipe(noise(5, seed=8, tone=0.1).tobytes())
    assert main(asked) == 0  # with the calibration of then
    assert lines(capsys.readouterr().out)[-1]["alarm"]


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"])
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
def test_wav_on_standard_input(model, detector, pipe, capsys, subtype, container):
    file = io.BytesIO()
    sound = noise(3) / 32768
    both = np.stack([sound, np.zeros_like(sound)], axis=1)
    soundfile.write(file, both, RATE, format=container, subtype=subtype)
    pipe(file.getvalue())
    assert main(["watch", model, "-", *OPTIONS, "--channel", "0"]) == 0
    scores = [event["score"] for event in lines(capsys.readouterr().out)]
    assert len(scores) == 5
    want = [row[2] for row in expected(detector, sound.astype(np.float32))]
    assert scores == pytest.approx(want, rel=0.2 if subtype == "PCM_U8" else 1e-3)


def test_streamed_headers_and_odd_chunks():
    sound = noise(0.5)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    content = b"RIFF\xff\xff\xff\xffWAVE" + odd + form + b"data\xff\xff\xff\xff" + sound.tobytes()
    pcm = Pcm(io.BytesIO(content), 1, 1, "u8")
    assert (pcm.rate, pcm.channels, pcm.kind) == (RATE, 1, "s16le")
    assert np.array_equal(np.concatenate(list(pcm.blocks(0.1)))[:, 0], sound)
    for wrong, message in (
        (content[:40], "ends before its samples"),
        (content.replace(form, b""), "samples before their format"),
        (content.replace(form, form[:8] + b"\x06\0" + form[10:]), "has the format 6 with 16 bits"),
        (content[:12] + b"LIST\xff\xff\xff\x7f" + content[12:], "ends before its samples"),
    ):
        with pytest.raises(ValueError, match=message):
            Pcm(io.BytesIO(wrong), RATE, 1, "s16le")


@pytest.mark.parametrize("kind", ["u8", "s16le", "s24le", "s32le", "f32le"])
def test_portions_that_split_frames(kind):
    class Trickle:
        def __init__(self, content):
            self.content = io.BytesIO(content)
            self.sizes = iter([1, 2, 3, 5, 7, 4, 1, 1] * 1000)

        def read(self, n):
            return self.content.read(min(n, next(self.sizes)))

    values = np.array([[0, 1], [-1, 100], [127, -128]] * 50)
    content = {
        "u8": lambda: (values + 128).astype(np.uint8),
        "s16le": lambda: values.astype("<i2"),
        "s24le": lambda: values.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3],
        "s32le": lambda: values.astype("<i4"),
        "f32le": lambda: values.astype("<f4"),
    }[kind]()
    found = np.concatenate(
        list(Pcm(Trickle(np.ascontiguousarray(content).tobytes()), RATE, 2, kind).blocks(1))
    )
    scale = {"u8": 1, "s24le": 256}.get(kind, 1)
    assert np.array_equal(found.astype(int) - (128 if kind == "u8" else 0), scale * values)
    assert list(Pcm(io.BytesIO(b"\x01"), RATE, 1, "s16le").blocks(1)) == []


def test_another_rate_is_resampled(model, pipe, capsys):
    pipe(np.repeat(noise(4), 2).tobytes())
    assert main(["watch", model, "-", *OPTIONS, "--rate", str(2 * RATE)]) == 0
    ends = [event["end"] for event in lines(capsys.readouterr().out)]
    assert ends[0] == 1.0
    assert 3 <= ends[-1] <= 4


def test_a_command_gets_the_event_and_no_shell(model, pipe, capsys, tmp_path):
    script = tmp_path / "tell it.py"
    script.write_text(
        "import os, sys\n"
        "open(sys.argv[1], 'w').write(sys.stdin.read() + os.environ['SKASD_SCORE'] + ' ' + sys.argv[2])\n"
        "print('said')\n"
    )
    told, trap = tmp_path / "told", tmp_path / "trap"
    command = f"{sys.executable} '{script}' {told} '; touch {trap} $(touch {trap})'"
    pipe(np.concatenate([noise(2), noise(3, seed=2, tone=0.2)]).tobytes())
    assert main(["watch", model, "-", *OPTIONS, "--on-alarm", command]) == 0
    for _ in range(200):
        if told.exists() and "touch" in told.read_text():
            break
        time.sleep(0.05)
    event, rest = told.read_text().splitlines()
    raised = next(line for line in lines(capsys.readouterr().out) if line["change"] == "raised")
    assert json.loads(event) == raised
    assert rest == f"{raised['score']} ; touch {trap} $(touch {trap})"
    assert not trap.exists()
    assert main(["watch", model, "-", "--on-alarm", "no-such-program x"]) == 2
    assert "there is no such program" in capsys.readouterr().err


def test_a_folder(model, detector, tmp_path, capsys):
    folder = tmp_path / "new"
    folder.mkdir()
    arguments = ["watch", model, str(folder), *OPTIONS, "--settle", "0.1", "--once"]
    soundfile.write(folder / "before.wav", noise(1), RATE)
    assert main([*arguments, "--state", str(tmp_path / "all"), "--all"]) == 0
    assert [line["file"] for line in lines(capsys.readouterr().out)] == ["before.wav"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == ""
    (folder / "monday").mkdir()
    soundfile.write(folder / "monday" / "short.wav", noise(1.2, seed=5), RATE)
    os.utime(folder / "monday" / "short.wav", (1.7e9, 1.7e9))
    soundfile.write(folder / "long.wav", noise(3, seed=6, tone=0.1), RATE)
    (folder / "broken\n.wav").write_bytes(b"RIFF")
    assert main(arguments) == 0
    captured = capsys.readouterr()
    whole, *windows = (line for line in lines(captured.out) if "error" not in line)
    assert whole["file"] == os.path.join("monday", "short.wav")
    assert (whole["start"], whole["end"]) == (0.0, 1.2)
    assert whole["time"] == "2023-11-14T22:13:20.000+00:00"
    assert whole["score"] == pytest.approx(-detector.score_samples([noise(1.2, seed=5)])[0])
    assert [line["start"] for line in windows] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert windows[-1]["alarm"]
    assert "not judged: broken\\n.wav: it is not an audio file" in captured.err
    assert "on_error" not in captured.err + captured.out  # nothing that can be given here
    assert main(arguments) == 0  # all of them are known by now
    assert capsys.readouterr().out == ""
    assert main(["watch", model, str(tmp_path / "nowhere")]) == 2
    assert "is no folder" in capsys.readouterr().err


def test_the_window_lies_within_the_lengths_learnt_from(detector, model):
    parser = argparse.ArgumentParser()
    _arguments.watch(parser)
    args = parser.parse_args([model, "-"])

    def window(*seconds):
        detector.training_conditions_ = RecordingConditions(RATE).fit([noise(length) for length in seconds])
        return _parameters(args, detector)["window"]

    try:
        assert window(2.0, 2.0) == 2.0
        assert window(30.0, 30.5) == 30.0
        assert window(1.0, 12.0, 30.0) == 10.0  # not 1 s, which calls everything else anomalous
        assert window(1.0, 4.0) == 4.0
    finally:
        del detector.training_conditions_


def test_a_format_that_cannot_be_read_is_named_once(model, tmp_path, capsys):
    folder = tmp_path / "new"
    folder.mkdir()
    for name in ("a.wav", "b.wav"):
        soundfile.write(folder / name, noise(1), RATE)
    (folder / "c.m4a").touch()
    arguments = ["--settle", "0.1", "--once", "--all"]
    assert main(["watch", model, str(folder), *OPTIONS, *arguments]) == 0  # looks at the folder several times
    captured = capsys.readouterr()
    assert len(lines(captured.out)) == 2
    assert captured.err.count("convert them to WAV or FLAC") == captured.err.count("c.m4a") == 1


def test_files_are_read_when_they_no_longer_grow(tmp_path):
    folder = Folder(tmp_path, settle=2.0)
    path = tmp_path / "a.wav"
    assert folder.settled(now=0.0) == []
    path.write_bytes(b"one")
    assert folder.settled(now=1.0) == []
    assert folder.settled(now=2.9) == []
    path.write_bytes(b"and more")
    assert folder.settled(now=3.1) == []
    assert folder.settled(now=5.0) == []
    assert folder.settled(now=5.2) == ["a.wav"]
    folder.done["a.wav"] = None
    assert folder.settled(now=9.0) == []
    path.unlink()
    assert folder.settled(now=10.0) == []
    assert folder.done == {}


class Card:
    """Stands for sounddevice: a sound card that plays a recording, and loses a second once."""

    def __init__(self, sound, clock):
        self.sound, self.clock, self.at = sound, clock, 0

    def InputStream(self, samplerate, channels, dtype, device):
        assert (samplerate, channels, dtype, device) == (RATE, 2, "float32", 3)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def read(self, n):
        if self.at >= len(self.sound):
            raise KeyboardInterrupt
        part = self.sound[self.at : self.at + n].astype(np.float32) / 32768
        self.at += len(part)
        lost = self.at == 4 * RATE
        self.clock.now += len(part) / RATE + lost
        return np.stack([part, part], axis=1), lost


def test_a_microphone(model, detector, capsys, monkeypatch):
    clock = types.SimpleNamespace(now=100.0)
    sound = noise(8)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setitem(sys.modules, "sounddevice", Card(sound, clock))
    arguments = ["watch", model, "mic", *OPTIONS, "--channels", "2", "--device", "3"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    events = lines(captured.out)
    assert "1.0 s of sound were lost" in captured.err
    assert "stopped" in captured.err
    starts = [event["start"] for event in events]
    cut = round(3.9 * RATE)
    assert starts == pytest.approx([*np.arange(0, 3, 0.5), *np.arange(4.9, 8.0, 0.5)])
    assert events[0]["score"] == expected(detector, sound[:cut])[0][2]


def test_without_sounddevice(model, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["watch", model, "mic"]) == 2
    assert "pip install 'skasd[live]'" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="sounddevice"):
        Microphone(RATE, 1, None)


def test_a_stream_in_parts_goes_on(model, detector, pipe, capsys, tmp_path):
    sound = np.concatenate([noise(3.3), noise(2, seed=2, tone=0.1)])
    at = 3 * RATE
    found = []
    for part in (sound[:at], sound[at:]):
        pipe(part.tobytes())
        assert main(["watch", model, "-", *OPTIONS, "--continue"]) == 0
        found += lines(capsys.readouterr().out)
    assert judged(found) == expected(detector, sound)
    pipe(sound.tobytes())
    assert main(["watch", model, "-", *OPTIONS]) == 0  # live: what was said meanwhile is not known
    captured = capsys.readouterr()
    assert "goes on after a gap of" in captured.err
    assert lines(captured.out)[0]["start"] >= 5.3
    assert lines(captured.out)[0]["alarm"]  # it stands
    pipe(sound.tobytes())
    assert main(["watch", model, "-", "--window", "1.5"]) == 0
    captured = capsys.readouterr()
    assert "it differs in window" in captured.err
    assert lines(captured.out)[0]["start"] == 0


def test_the_page_goes_on(model, pipe, tmp_path):
    page = tmp_path / "pages" / "live.html"
    arguments = ["watch", model, "-", *OPTIONS, "--page", str(page), "-q"]
    sounds = [np.concatenate([noise(2), noise(2, seed=2, tone=0.1)]), noise(6, seed=3)]
    texts = []
    for sound in sounds:
        pipe(sound.tobytes())
        assert main(arguments) == 0
        texts.append(page.read_text(encoding="utf-8"))
    assert "Alarm since" in texts[0]
    assert "No alarm." in texts[1]
    for text in texts:
        assert text.count("<audio") == 1
        assert text.count("data:image/png") == 2
        assert (
            "Alarms are not explained. The model names no healthy recording: name some with --healthy" in text
        )
    assert [path.name for path in page.parent.iterdir()] == ["live.html"]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "pages",
        *(f"pump.skasd{end}" for end in ("", ".stdin.state", ".stdin.state.alarms.json")),
    }


def test_alarms_say_where_in_the_sound_they_lie(model, detector, pipe, tmp_path, capsys):
    sound = np.concatenate([noise(3), noise(2, seed=2, tone=0.1)])  # of 255 Hz
    page, healthy = tmp_path / "live.html", tmp_path / "healthy"
    healthy.mkdir()
    for i in range(5):
        soundfile.write(healthy / f"{i}.wav", noise(1, seed=10 + i), RATE)
    (healthy / "bad.wav").write_bytes(b"RIFF")
    pipe(sound.tobytes())
    assert main(["watch", model, "-", *OPTIONS, "--page", str(page), "--healthy", str(healthy)]) == 0
    captured = capsys.readouterr()
    events = lines(captured.out)
    assert judged(events) == expected(detector, sound)
    said = {event["end"]: event["why"] for event in events if "why" in event}
    assert list(said) == [event["end"] for event in events if event["change"] == "raised"]
    (sentence,) = said.values()
    low, high = map(int, re.match(r"(\d+)-(\d+) Hz, ", sentence).groups())
    assert low < 255 < high
    assert sentence.endswith("dB above the healthy clips")
    assert f"skasd: {sentence}" in captured.err
    assert "left out" in captured.err
    text = page.read_text(encoding="utf-8")
    assert f"To the detector: {sentence}." in text
    assert "boxes: where its score comes from" in text
    assert re.search(r"nearest healthy recording is [^<]*\d\.wav", text)
    assert main(["watch", model, "-", *OPTIONS, "--healthy", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--confirm", "2"], "--confirm 2: give two numbers as 2/3"),
        (["--confirm", "3/2"], r"confirm=(3, 2) must be (k, n)"),
        (["--alpha", "2"], "alpha=2.0 must be"),
        (["--alpha", "0.1", "--hours-per-false-alarm", "8"], "two rules of alarms: give one of them"),
        (["--hours-per-false-alarm", "0"], "hours_per_false_alarm=0.0 must be"),
        (["--calibrate", "5"], "seconds=5.0 is less than a window, 10 s"),
        (["--false-alarms", "0.1"], "--false-alarms is for --calibrate"),
        (["--window", "-1"], "window=-1.0 must be"),
        (["--rate", "0"], "--rate 0 must be above 0"),
        (["--channel", "3"], "channel=3 asked for, but there are 1 channel(s)"),
    ],
)
def test_wrong_arguments(model, pipe, capsys, arguments, message):
    pipe(noise(2).tobytes())
    assert main(["watch", model, "-", *arguments]) == 2
    assert message in capsys.readouterr().err


def started(model, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "skasd", "watch", model, "-", *OPTIONS, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def feed(process, sound):
    process.stdin.write(sound.tobytes())
    process.stdin.flush()


@pytest.mark.long
def test_killed_and_restarted(model, detector):
    """What is lost is a hop at most, whatever ends the process."""
    kept, found = np.zeros(0, "<i2"), []
    parts = [noise(3.1), noise(4.3, seed=2, tone=0.1)]
    for part, number in zip(parts, (signal.SIGKILL, signal.SIGTERM), strict=True):
        process = started(model, "--continue")
        feed(process, part)
        n_windows = len(expected(detector, np.concatenate([kept, part]))) - len(found)
        found += [json.loads(process.stdout.readline()) for _ in range(n_windows)]
        time.sleep(0.5)  # the state is written after the line
        process.send_signal(number)
        assert process.wait(20) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        assert ("stopped" in process.stderr.read().decode()) == (number != signal.SIGKILL)
        process.stdin.close()
        process.stdout.close()
        process.stderr.close()
        stream = StreamingDetector.load(f"{model}.stdin.state", detector, window=1.0, hop=0.5)
        n_kept = round(stream.time_ * RATE)
        assert 0 <= len(kept) + len(part) - n_kept <= RATE // 2
        kept = np.concatenate([kept, part])[:n_kept]
    assert judged(found) == expected(detector, kept)
    assert found[-1]["alarm"]
    assert len(found) >= 10


@pytest.mark.slow
def test_nobody_reads_on(model):
    process = started(model)
    feed(process, noise(3))
    process.stdout.readline()
    process.stdout.close()
    while process.poll() is None:
        with suppress(BrokenPipeError):
            feed(process, noise(2))
        time.sleep(0.05)
    err = process.stderr.read().decode()
    with suppress(BrokenPipeError):
        process.stdin.close()
    process.stderr.close()
    assert process.returncode == 0
    assert "nobody reads standard output" in err
    assert "Traceback" not in err


@pytest.mark.long
def test_in_a_terminal(model, tmp_path, in_terminal):
    folder = tmp_path / "new"
    folder.mkdir()
    soundfile.write(folder / "a.wav", noise(2, tone=0.3), RATE)
    arguments = [
        sys.executable,
        "-m",
        "skasd",
        "watch",
        model,
        str(folder),
        *OPTIONS,
        "--all",
        "--settle",
        "0.1",
    ]
    ended = in_terminal(arguments, interrupt_at="alarm raised")
    assert ended.code == 0, ended.err
    assert "stopped" in ended.err
    assert lines(ended.out)[0]["file"] == "a.wav"
