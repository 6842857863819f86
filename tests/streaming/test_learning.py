"""Streams whose detector learns on."""

import copy

import numpy as np
import pytest

from skasd import AnomalousSoundDetector
from skasd.streaming import StreamingDetector

from .conftest import RATE, clips, noise


@pytest.fixture(scope="module")
def fitted():
    return AnomalousSoundDetector(contamination=0.1).fit(clips(10))


@pytest.fixture
def learner(fitted):
    return copy.deepcopy(fitted)


def test_windows_are_learnt_in_batches(learner):
    stream = StreamingDetector(learner, window=1.0, learn_batch=4, confirm=(99, 99))
    twin = copy.deepcopy(learner)
    changed, heard = [], []
    for seed in range(5):
        stream.process(noise(RATE, seed=50 + seed))
        heard.append(stream.last_window_)
        before = learner.threshold_
        changed.append(stream.learn_one())
        assert changed[-1] == (learner.threshold_ != before)
    assert changed == [False, False, False, True, False]
    assert learner.n_clips_ == 14
    twin.update(heard[:4], groups=["x"] * 4)
    assert learner.threshold_ == twin.threshold_
    new = noise(2 * RATE, seed=9)
    found = StreamingDetector(learner, window=1.0).process(new)
    again = stream.process(new)
    for name in ("score", "p_value", "decision"):
        assert [getattr(event, name) for event in again] == [getattr(event, name) for event in found]
    assert [event.p_value for event in found] == pytest.approx(learner.p_value(new.reshape(2, -1)).tolist())
    assert stream.learn_pending()
    assert not stream.learn_pending()
    assert learner.n_clips_ == 15


def test_given_windows_and_what_cannot_be_learnt(learner, pipeline):
    stream = StreamingDetector(learner, window=1.0)
    with pytest.raises(ValueError, match="No window has been judged yet"):
        stream.learn_one()
    for wrong, message in (
        (np.full(RATE, np.nan), "it is not finite"),
        (np.ones(RATE), "it is clipped"),
        ([], "it is empty"),
        (np.zeros((2, RATE)), "a stream has one channel"),
    ):
        with pytest.raises(ValueError, match=message):
            stream.learn_one(wrong)
    pcm = np.round(noise(RATE) * 32768).astype(np.int16)
    stream.learn_one(pcm)
    stream.learn_pending()
    assert learner.n_clips_ == 11
    for call in (lambda stream: stream.learn_one(pcm), lambda stream: stream.learn(3.0)):
        with pytest.raises(TypeError, match="Pipeline cannot learn on: it has no method update"):
            call(StreamingDetector(pipeline, window=1.0))
    with pytest.raises(ValueError, match="learn_batch=0 must be"):
        StreamingDetector(learner, learn_batch=0)


def test_never_while_an_alarm_stands(learner):
    stream = StreamingDetector(learner, window=1.0, hop=0.5)
    stream.learn_one(noise(RATE, seed=60))
    stream.process(noise(4 * RATE, tone=0.3))
    assert stream.alarm_
    for call in (stream.learn_one, stream.learn_pending, lambda: stream.learn(1.0)):
        with pytest.raises(RuntimeError, match="An alarm stands"):
            call()
    assert learner.n_clips_ == 10
    stream.acknowledge()
    assert stream.learn_pending()


def test_a_time_of_learning(learner):
    stream = StreamingDetector(learner, window=1.0, hop=0.5)
    stream.learn(10.2)
    assert stream.state_ == "learning"
    hum = noise(14 * RATE, seed=70, tone=0.05)
    assert (learner.predict(hum[: 10 * RATE].reshape(10, -1)) == -1).all()
    events = stream.process(hum)
    assert [event.state for event in events].index("watching") == 19
    assert not any(event.alarm for event in events[:19])
    assert learner.n_clips_ == 20
    assert stream.state_ == "watching"
    quiet = np.mean([event.score for event in events[19:]])
    assert events[19].score < 0.6 * events[18].score  # judged by what has just been learnt
    assert quiet < 0.5 * np.mean([event.score for event in events[:19]])


def test_what_is_not_learnt_yet_is_kept(learner, tmp_path):
    twin = copy.deepcopy(learner)
    stream = StreamingDetector(learner, window=1.0)
    stream.learn(10.0)
    stream.process(noise(int(2.5 * RATE), seed=80))
    stream.save(tmp_path / "state")
    again = StreamingDetector.load(tmp_path / "state", twin, window=1.0)
    assert again.state_ == "learning"
    for one in (stream, again):
        one.process(noise(2 * RATE, seed=81))
        one.resume()
    assert twin.n_clips_ == learner.n_clips_ == 14
    assert twin.threshold_ == learner.threshold_


def test_drift_begins_anew_with_what_was_learnt(learner):
    stream = StreamingDetector(learner, window=1.0, confirm=(1000, 1000))
    stream.process(noise(60 * RATE, seed=90, tone=0.03))
    assert stream.drift().moved
    for seed in range(16):
        stream.learn_one(noise(RATE, seed=91 + seed, tone=0.03))
    stream.learn_pending()
    assert not stream.drift().moved
    assert stream.drift().n_windows == 0
    stream.process(noise(2 * RATE, seed=95))
    assert stream.drift().n_windows == 2
    learner.set_threshold(clips(10, seed=96), contamination=0.1)  # by somebody else
    stream.process(noise(RATE, seed=97))
    assert stream.drift().n_windows == 1
