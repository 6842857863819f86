"""Streams: windows, states, alarms, what is refused, and what is kept in a file."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.svm import OneClassSVM

from skasd import (
    AnomalousSoundDetector,
    ClipStatistics,
    KNNScorer,
    LogMelTransformer,
    MahalanobisScorer,
    PretrainedEmbedder,
    STFTTransformer,
)
from skasd.compose import p_value_of, score_clips
from skasd.nn import _encoder_kernels
from skasd.streaming import StreamingDetector, StreamStateError

from .conftest import RATE, clips, noise

SOUND = noise(5 * RATE, seed=7)


def portions(sound, sizes):
    at = 0
    for size in sizes:
        yield sound[at : at + size]
        at += size
    yield sound[at:]


def listen(stream, sound, sizes=()):
    return [event for part in portions(sound, sizes) for event in stream.process(part)]


def difference(detector, stream, sound, events):
    """Return the largest difference from the scores of the windows as clips, in spreads of scores."""
    starts = [round(event.start * RATE) for event in events]
    n = round(stream.window_ * RATE)
    scores, threshold = score_clips(detector, np.array([sound[start : start + n] for start in starts]))
    assert [event.decision for event in events] == np.where(scores > threshold, -1, 1).tolist()
    return np.abs(scores - [event.score for event in events]).max() / scores.std()


@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(0, 40_000), max_size=12), hop=st.sampled_from([0.35, 0.7, 1.7]))
def test_portions_do_not_matter(default, pipeline, sizes, hop):
    for detector, window in ((default, 1.5), (pipeline, 1.03)):
        stream = StreamingDetector(detector, window=window, hop=hop)
        events = listen(stream, SOUND, sizes)
        n_window, n_hop = (round(x * RATE) for x in (stream.window_, stream.hop_))
        assert len(events) == 1 + (len(SOUND) - n_window) // n_hop
        assert difference(detector, stream, SOUND, events) < 1e-6
        assert stream.time_ == 5.0


@pytest.mark.parametrize(("window", "hop"), [(0.5, 0.2), (1.0, 0.1), (2.0, 0.1), (3.0, 0.9), (3.0, 1.5)])
def test_the_default_detector(default, window, hop):
    stream = StreamingDetector(default, window=window, hop=hop)
    sound = SOUND[: round((window + 10 * hop) * RATE)]
    assert difference(default, stream, sound, listen(stream, sound, [9_999] * 4)) < 1e-6


@pytest.mark.parametrize(
    "front",
    [
        LogMelTransformer(n_mels=16),
        LogMelTransformer(n_mels=16, hop_length=300, n_fft=1000, pad_mode="reflect", preemphasis=0.97),
        LogMelTransformer(n_mels=16, hop_length=2000, n_fft=512),  # the hop leaves samples out
        LogMelTransformer(n_mels=16, center=False, win_length=700, fft_dtype="float64"),
        LogMelTransformer(n_mels=16, standardize_waveform=True),
        STFTTransformer(n_fft=512, hop_length=160),
        PretrainedEmbedder(layer=("6", "mel", "11")),
        PretrainedEmbedder(layer=("mel", "9"), device="cpu:0"),  # PyTorch's layers, as on a GPU
        PretrainedEmbedder(sample_rate=22050),
    ],
    ids=lambda front: type(front).__name__,
)
@pytest.mark.parametrize("hop", [0.2, 0.9, 1.5])
def test_front_ends_that_slide(front, hop):
    steps = [front] if isinstance(front, PretrainedEmbedder) else [front, ClipStatistics()]
    detector = make_pipeline(*steps, MahalanobisScorer()).fit(clips(10))
    stream = StreamingDetector(detector, window=1.0, hop=hop)
    slides = not getattr(front, "standardize_waveform", False) and front.sample_rate == RATE
    assert stream.is_sliding_ == slides
    rate = stream.sample_rate
    events = listen(stream, SOUND, [10_000] * 8)
    starts = [round(event.start * rate) for event in events]
    scores, _ = score_clips(detector, np.array([SOUND[start : start + rate] for start in starts]))
    assert len(scores) >= 2
    assert np.abs(scores - [event.score for event in events]).max() < 1e-6 * scores.std()


def test_frames_are_computed_once(monkeypatch):
    seen = []
    whole = LogMelTransformer.waveform_function

    def counting(self, dtype="float32"):
        function = whole(self, dtype)

        def count(waveform, out=None):
            seen.append(self.n_frames(len(waveform)))
            return function(waveform, out)

        return count

    detector = make_pipeline(LogMelTransformer(), ClipStatistics(), KNNScorer()).fit(clips(10))
    monkeypatch.setattr(LogMelTransformer, "waveform_function", counting)
    stream = StreamingDetector(detector, window=2.0, hop=0.096)
    listen(stream, SOUND[: 3 * RATE])
    assert seen[0] == 63
    assert max(sum(seen[1:][i : i + 3]) for i in range(0, len(seen) - 3, 3)) <= 3 + 4 + 4


def test_columns_of_the_encoder_are_computed_once(default, monkeypatch):
    lengths = []
    block = _encoder_kernels.block

    def counting(x, *weights):
        lengths.append(len(weights[-1]))
        block(x, *weights)

    monkeypatch.setattr(_encoder_kernels, "block", counting)
    listen(StreamingDetector(default, window=2.0, hop=0.3), SOUND[: 3 * RATE])
    # columns of the second block, and of those behind it, which see two less each
    assert lengths == [19, 17, 15, *[13] * 5, *[3] * 24]


def test_hop_is_rounded_to_what_front_ends_share(default, pipeline):
    assert StreamingDetector(default, window=1, hop=0.26).hop_ == 0.3
    assert StreamingDetector(default, window=1, hop=0.01).hop_ == 0.1
    assert StreamingDetector(pipeline, window=1, hop=0.26).hop_ == 0.25
    stream = StreamingDetector(pipeline, window=1, hop=0.26, fast=False)
    assert (stream.hop_, stream.is_sliding_) == (0.26, False)


def test_p_values_are_those_of_the_detector(default):
    events = StreamingDetector(default, window=1.0, hop=0.5).process(SOUND)
    windows = [SOUND[round(e.start * RATE) :][:RATE] for e in events]
    assert [e.p_value for e in events] == pytest.approx(p_value_of(default, windows).tolist())
    detector = make_pipeline(LogMelTransformer(n_mels=8), ClipStatistics(), OneClassSVM()).fit(clips(20))
    stream = StreamingDetector(detector, window=1.0)
    assert np.isnan(stream.process(SOUND[:RATE])[0].p_value)
    with pytest.raises(TypeError, match="OneClassSVM keeps no scores of healthy clips"):
        stream.drift()
    with pytest.raises(TypeError, match="OneClassSVM keeps no scores"):
        StreamingDetector(detector, alarm="martingale")


@pytest.mark.parametrize("alarm", ["confirm", "martingale"])
def test_a_fault_raises_an_alarm_that_ends_with_it(pipeline, alarm):
    stream = StreamingDetector(pipeline, window=1.0, hop=0.25, alarm=alarm, alpha=0.05)
    assert not any(event.alarm for event in stream.process(noise(40 * RATE, seed=21)))
    events = stream.process(noise(10 * RATE, seed=4, tone=0.2))
    raised = next(i for i, event in enumerate(events) if event.alarm)
    assert raised < (3 if alarm == "confirm" else 30)
    assert all(event.alarm for event in events[raised:])
    assert events[-1].decision == -1
    assert events[-1].p_value < 0.02
    after = stream.process(noise(40 * RATE, seed=28))
    ended = [event.alarm for event in after].index(False)
    assert after[ended].start >= 50.75  # nothing of the fault is in the windows that end it
    assert not any(event.alarm for event in after[ended:])
    assert not stream.alarm_


@pytest.mark.parametrize("broken", [np.nan, -np.inf, 1e25])
def test_faulty_samples_are_reported_and_not_scored(default, broken):
    sound = noise(8 * RATE, seed=8)
    sound[2 * RATE + 100] = broken
    sound[4 * RATE : 4 * RATE + 200] = 1.0
    stream = StreamingDetector(default, window=1.0, hop=0.5)
    events = listen(stream, sound, [777] * 100)
    status = {event.start: event.status for event in events if event.status != "ok"}
    assert status == {1.5: "not finite", 2.0: "not finite", 3.5: "clipped", 4.0: "clipped"}
    for event in events:
        assert (event.status != "ok") == np.isnan(event.score) == (event.decision == 0)
        assert (event.state == "hold") == (event.status != "ok")
    good = [event for event in events if event.status == "ok"]
    assert difference(default, stream, np.nan_to_num(sound), good) < 1e-6
    assert json.loads(json.dumps(events[3].to_dict()))["score"] is None
    assert StreamingDetector(default, window=1.0, max_clipped=0.5).process(sound)[4].status == "ok"


def test_windows_that_the_detector_skips_are_not_normal():
    front = LogMelTransformer(on_error="skip", limits={"max_amplitude": 5.0})
    detector = make_pipeline(front, ClipStatistics(), KNNScorer()).fit(clips(20, seed=1))
    sound = noise(4 * RATE, seed=8)
    sound[2 * RATE + 100] = 9.0
    stream = StreamingDetector(detector, window=1.0, hop=1.0, alarm="martingale", fast=False)
    with pytest.warns(UserWarning, match="max_amplitude"):
        skipped = stream.process(sound)[2]
    assert np.isnan([skipped.score, skipped.p_value]).all()
    assert (skipped.decision, skipped.state) == (0, "hold")
    assert stream.drift().n_windows == 3


@pytest.mark.parametrize("fast", [False, True])
def test_times_stay_right_after_a_window_that_the_detector_refuses(fast):
    class Refusing(KNNScorer):
        def anomaly_score(self, X, *, section=None):
            if X.max() > 20:  # dB that levels vary by
                raise ValueError("interrupted")
            return super().anomaly_score(X, section=section)

    detector = make_pipeline(LogMelTransformer(), ClipStatistics(), Refusing()).fit(clips(20, seed=1))
    stream = StreamingDetector(detector, window=1.0, hop=0.512, fast=fast)
    sound = noise(6 * RATE, seed=8)
    broken = sound[: 4 * RATE].copy()
    broken[RATE : RATE + 2000] = 0
    with pytest.raises(ValueError, match="interrupted"):
        stream.process(broken)
    assert stream.time_ == 4.0
    events = stream.process(sound[4 * RATE :])
    assert events[0].start == pytest.approx(6 * 0.512)
    assert difference(detector, stream, np.append(broken, sound[4 * RATE :]), events) < 1e-6


def test_integers_are_scaled(default):
    pcm = np.round(SOUND * 32767).astype(np.int16)
    want = StreamingDetector(default, window=1.0).process(pcm.astype(np.float32) / 32768)
    assert StreamingDetector(default, window=1.0).process(pcm) == want
    wide = pcm.astype(np.int32) * 65536
    assert StreamingDetector(default, window=1.0).process(wide) == want


def test_gaps_keep_times_right_and_empty_the_buffer(default):
    stream = StreamingDetector(default, window=1.0, hop=0.5)
    first = stream.process(SOUND[: int(1.7 * RATE)])
    stream.gap(10.3)
    assert stream.time_ == pytest.approx(12.0)
    second = stream.process(SOUND[2 * RATE : 4 * RATE])
    assert [event.start for event in first + second] == [0.0, 0.5, 12.0, 12.5, 13.0]
    assert (
        difference(
            default, stream, np.concatenate([np.zeros(12 * RATE, np.float32), SOUND[2 * RATE :]]), second
        )
        < 1e-6
    )
    stream = StreamingDetector(default, window=0.5, hop=1.0)  # and between windows
    assert [e.start for e in stream.process(SOUND[: int(0.7 * RATE)])] == [0.0]
    stream.gap(0.0)
    assert [e.start for e in stream.process(SOUND[: 2 * RATE])] == [0.7, 1.7]


def test_hold(pipeline):
    stream = StreamingDetector(pipeline, window=1.0, hop=0.5)
    stream.hold(2.0)
    assert stream.state_ == "hold"
    events = stream.process(noise(4 * RATE, tone=0.2))
    assert [event.state for event in events] == ["hold"] * 4 + ["watching"] * 3
    assert [event.alarm for event in events] == [False] * 5 + [True] * 2
    assert all(event.decision == -1 for event in events)
    stream.hold()
    assert {event.alarm for event in stream.process(noise(30 * RATE, seed=3))} == {
        True
    }  # it goes on standing
    stream.resume()
    assert stream.state_ == "watching"
    assert [event.state for event in stream.process(noise(2 * RATE, seed=3))][:2] == ["hold", "watching"]
    stream.acknowledge()
    assert not stream.alarm_


def test_what_was_before_a_hold_is_forgotten(pipeline):
    stream = StreamingDetector(pipeline, window=1.0, hop=1.0)
    assert stream.process(noise(RATE, tone=0.2))[0].evidence == 1
    stream.hold(1.0)
    stream.process(noise(RATE))
    assert stream.process(noise(RATE, seed=1, tone=0.2))[0].evidence == 1


def test_clips_of_any_length_are_judged_as_a_whole(default):
    stream = StreamingDetector(default, window=1.0, hop=0.5)
    stream.process(SOUND[: int(1.2 * RATE)])
    event = stream.judge(SOUND[: 3 * RATE])
    assert (event.start, event.end) == (1.2, 4.2)
    assert event.score == pytest.approx(-default.score_samples([SOUND[: 3 * RATE]])[0], abs=1e-9)
    assert stream.process(SOUND[:RATE])[0].start == 4.2
    with pytest.raises(ValueError, match="The clip is empty"):
        stream.judge([])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"window": 0}, "window=0 must be a number of seconds above 0"),
        ({"window": float("inf")}, "window=inf"),
        ({"window": 1e-6}, "is no sample at 16000 Hz"),
        ({"hop": "1"}, "hop='1'"),
        ({"alarm": "loud"}, "alarm='loud' must be"),
        ({"confirm": (3, 2)}, r"confirm=\(3, 2\) must be \(k, n\)"),
        ({"confirm": 2}, "confirm=2 must be"),
        ({"alpha": 1}, "alpha=1 must be"),
        ({"release": 0}, "release=0 must be"),
        ({"max_clipped": 2}, "max_clipped=2 must be"),
        ({"sample_rate": 8000}, "sample_rate=8000, but the detector takes 16000 Hz: resample before"),
    ],
)
def test_wrong_parameters(default, parameters, message):
    with pytest.raises(ValueError, match=message):
        StreamingDetector(default, **parameters)


def test_rates_that_are_not_known_or_differ(pipeline):
    scorer = KNNScorer().fit(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="KNNScorer does not say its sample rate: give sample_rate="):
        StreamingDetector(scorer)
    both = make_pipeline(PretrainedEmbedder(), KNNScorer())
    both.steps.insert(0, ("front", LogMelTransformer(sample_rate=8000)))
    with pytest.raises(ValueError, match="differ in sample_rate"):
        StreamingDetector(both)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((10, 2)), r"the shape \(10, 2\); a stream has one channel, \(n_samples,\): choose one"),
        (0.5, r"the shape \(\)"),
        ([1, 2, 3], "dtype int64, which is no format of samples"),
        (np.array(["a"]), "no format of samples"),
        (np.zeros(3, complex), "no format of samples"),
    ],
)
def test_what_is_no_sound(default, samples, message):
    with pytest.raises(ValueError, match=message):
        StreamingDetector(default).process(samples)


def test_no_samples_are_nothing(default):
    stream = StreamingDetector(default)
    assert stream.process([]) == stream.process(np.zeros(0, np.int16)) == []
    with pytest.raises(ValueError, match="seconds=-1 must be 0 or more"):
        stream.gap(-1)


@pytest.mark.parametrize("alarm", ["confirm", "martingale"])
@pytest.mark.parametrize("at", [0, 5_000, 40_000, 95_000])
def test_a_stream_goes_on_from_its_file(pipeline, tmp_path, alarm, at):
    settings = {"window": 1.0, "hop": 0.5, "alarm": alarm, "alpha": 0.3}
    sound = np.concatenate([noise(4 * RATE, seed=2), noise(4 * RATE, seed=3, tone=0.05)])
    whole = StreamingDetector(pipeline, **settings)
    want = whole.process(sound)
    stream = StreamingDetector(pipeline, **settings)
    found = stream.process(sound[:at])
    path = tmp_path / "state.npz"
    stream.save(path)
    again = StreamingDetector.load(path, pipeline, **settings)
    assert again.time_ == stream.time_
    found += again.process(sound[at:])
    assert found == want
    assert again.drift() == whole.drift()
    assert path.stat().st_size < 80_000
    again.save(path, sound=False)
    assert path.stat().st_size < 20_000
    late = StreamingDetector.load(path, pipeline, **settings)
    assert late.process(sound)[0].start == again.time_


def test_states_that_do_not_fit(pipeline, default, tmp_path):
    path = tmp_path / "state"
    StreamingDetector(pipeline, window=1.0).save(path)
    with pytest.raises(StreamStateError, match=r"another stream: it differs in window \(16000, here 32000\)"):
        StreamingDetector.load(path, pipeline, window=2.0)
    with pytest.raises(StreamStateError, match=r"it differs in .*threshold"):
        StreamingDetector.load(path, default, window=1.0)
    content = path.read_bytes()
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        StreamingDetector.load(tmp_path / "nowhere", pipeline, window=1.0)
    with pytest.raises(StreamStateError, match="is no file"):
        StreamingDetector.load(tmp_path, pipeline, window=1.0)
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "objects.npz", header=np.array([{}], dtype=object))
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("no state")
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    for name in ("other.npz", "objects.npz", "one.npy", "empty", "text", "cut"):
        with pytest.raises(StreamStateError, match="holds no state of a stream"):
            StreamingDetector.load(tmp_path / name, pipeline, window=1.0)
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays.pop("header").tobytes())
    for values, message in (
        ({name: value for name, value in header.items() if name != "version"}, "another version of skasd"),
        ({**header, "settings": None}, "holds no state of a stream"),
    ):
        np.savez(
            tmp_path / "changed.npz", header=np.frombuffer(json.dumps(values).encode(), np.uint8), **arrays
        )
        with pytest.raises(StreamStateError, match=message):
            StreamingDetector.load(tmp_path / "changed.npz", pipeline, window=1.0)


def test_drift_of_the_whole_level(pipeline):
    stream = StreamingDetector(pipeline, window=1.0, hop=0.5, alarm="confirm", confirm=(50, 50))
    stream.process(noise(50 * RATE, seed=11))
    assert not stream.drift().moved
    stream.process(noise(80 * RATE, seed=12, tone=0.01))
    drift = stream.drift()
    assert (drift.moved, drift.direction) == (True, "up")
    assert 50 < drift.since < 130


def test_memory_does_not_grow(pipeline):
    import tracemalloc

    stream = StreamingDetector(pipeline, window=1.0, hop=0.1)
    stream.process(SOUND)
    tracemalloc.start()
    stream.process(SOUND)
    first = tracemalloc.get_traced_memory()[0]
    for _ in range(5):
        stream.process(SOUND)
    grown = tracemalloc.get_traced_memory()[0] - first
    tracemalloc.stop()
    assert grown < 20_000


def test_a_whole_window_of_the_default_equals_its_clip(default):
    assert isinstance(default, AnomalousSoundDetector)
    event = StreamingDetector(default, window=5.0).process(SOUND)[0]
    assert event.score == pytest.approx(-default.score_samples([SOUND])[0], abs=1e-9)
