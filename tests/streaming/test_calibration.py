"""Streams that are calibrated on themselves."""

import warnings

import numpy as np
import pytest

from skasd.scorers import FewClipsWarning
from skasd.scorers.thresholds import conformal_threshold, p_values
from skasd.streaming import StreamingDetector
from skasd.streaming._ewma import Chart


class Recorded:
    """Detector of streams that are scores already: a window has that of its first sample."""

    calibration_rate_ = 0.05

    def __init__(self, calibration_scores):
        self.update(calibration_scores)

    def update(self, calibration_scores, groups=None):
        self.calibration_scores_ = np.asarray(calibration_scores, dtype=float).reshape(-1)
        self.offset_ = -conformal_threshold(self.calibration_scores_, self.calibration_rate_)

    def score_samples(self, X):
        return -np.array([window[0] for window in X], dtype=float)


def scores(n, seed=0, mean=0.0):
    """Scores of windows that overlap: a moving mean of ten, one hop apart."""
    noise = np.random.default_rng(seed).standard_normal(n + 9)
    return (np.convolve(noise, np.ones(10), "valid") / np.sqrt(10) + mean).astype(np.float32)


def stream_of(detector, **parameters):
    return StreamingDetector(detector, sample_rate=1, max_clipped=1, **{"window": 10.0, **parameters})


def other_days():
    """Calibration scores of recordings that differ from the stream: by 3 of its spreads."""
    return scores(3000, seed=1, mean=3.0)[::10]


def test_threshold_and_p_values_come_from_windows_that_do_not_overlap():
    detector = Recorded(other_days())
    before = detector.offset_
    stream, sound = stream_of(detector), scores(1000)
    first = stream.process(sound[:25])[-1]
    assert (first.start, stream.threshold_, stream.calibration_scores_) == (15, -before, None)
    stream.calibrate(400, contamination=0.1)
    assert stream.state_ == "learning"
    events = stream.process(sound[25:])
    taken = sound[25:425:10]  # of the windows that begin then or later, the first forty without overlap
    assert np.array_equal(stream.calibration_scores_, taken)
    assert stream.threshold_ == conformal_threshold(taken.astype(float), 0.1)
    states = {event.start: event.state for event in events}
    assert [states[start] for start in (16, 25, 415, 416)] == ["learning"] * 3 + ["watching"]
    for event in events:
        known, threshold = (
            (taken, stream.threshold_) if event.state == "watching" else (other_days(), -before)
        )
        assert event.decision == (-1 if event.score > threshold else 1)
        if event.state == "watching":
            assert event.p_value == p_values([event.score], known, 0.1, "cross")[0]
    assert detector.offset_ == before
    assert stream_of(detector).threshold_ == -before


def test_hops_and_windows_that_are_no_multiples():
    for window, hop, n_windows, last in ((10.0, 3.0, 8, 84), (10.0, 25.0, 4, 75), (100.0, 1.0, 1, 0)):
        stream = stream_of(Recorded(other_days()), window=window, hop=hop)
        stream.calibrate(100, contamination=0.5)
        events = stream.process(scores(400))
        assert len(stream.calibration_scores_) == n_windows
        assert [event.start for event in events if event.state == "learning"][-1] == last


def alarms_of(alarm, seed, calibrate, **parameters):
    """Return the alarms of 3000 healthy seconds, the share of anomalous ones, and the stream."""
    hop = 10.0 if alarm == "martingale" else 5.0
    stream = stream_of(Recorded(other_days()), alarm=alarm, hop=hop, **parameters)
    if calibrate:
        stream.calibrate(990)
    events = [event for event in stream.process(scores(3990, seed=seed)) if event.start >= 990]
    stood = [False, *(event.alarm for event in events)]
    n = sum(event.alarm and not before for event, before in zip(events, stood, strict=False))
    return n, np.mean([event.decision < 0 for event in events]), stream


def test_rates_hold_after_calibration():
    """5 % of the windows, where none was anomalous; the martingale as rarely as stated, where drift was found."""
    n, rate, _ = zip(*(alarms_of("confirm", seed, True) for seed in range(8)), strict=True)
    assert 0.03 < np.mean(rate) < 0.07
    assert 0 < np.mean(n) <= 600 * 0.05 / 2
    assert sum(alarms_of("confirm", seed, False)[0] for seed in range(2)) == 0
    found = [alarms_of("martingale", seed, True, alpha=0.2) for seed in range(15)]
    assert sum(n > 0 for n, _, _ in found) <= 6
    assert not any(stream.drift().moved for _, _, stream in found[:5])
    assert alarms_of("martingale", 0, False)[2].drift().direction == "down"


def test_faults_are_found_sooner():
    """A fault that grows by one spread in 50 s; an alarm of the martingale from before the fault is none."""
    for alarm in ("confirm", "martingale"):  # "ewma" has no alarms before a calibration
        late = []
        for calibrate in (True, False):
            stream = stream_of(
                Recorded(other_days()), alarm=alarm, hop=10.0 if alarm == "martingale" else 5.0
            )
            if calibrate:
                stream.calibrate(990, contamination=0.01)
            sound = scores(2400, seed=4)
            sound[1000:] += np.arange(1400) / 50
            late.append(next(event.end for event in stream.process(sound) if event.alarm) - 1000)
        assert 0 < late[0] < late[1] - 30


def test_too_few_windows_are_said_with_the_remedy():
    stream = stream_of(Recorded(other_days()))
    message = (
        r"10 windows that do not overlap cannot hold the rate contamination=0.05: about 1 in 11 healthy windows scores "
        r"higher than all of them. Calibrate for at least 190 s, or with contamination=0.091 or more"
    )
    with pytest.warns(FewClipsWarning, match=message):
        stream.calibrate(109)
    stream.process(scores(200))
    assert stream.threshold_ == stream.calibration_scores_.max()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream.calibrate(190)


def test_what_cannot_be_judged_prolongs_it_and_resume_ends_it():
    stream = stream_of(Recorded(other_days()))
    stream.calibrate(200)
    sound = scores(400)
    stream.process(sound[:50])
    stream.gap(1000.0)
    stream.hold(30.0)
    stream.process(sound[50:100])
    stream.process(np.full(5, np.nan))
    assert len(stream.calibration_scores_) == 5 + 2
    stream.process(sound[:115])
    assert (len(stream.calibration_scores_), stream.state_) == (18, "learning")
    stream.resume()
    assert (stream.state_, stream.threshold_) == ("watching", stream.calibration_scores_.max())
    stream = stream_of(Recorded(other_days()))
    stream.calibrate(200)
    stream.resume()
    assert stream.calibration_scores_ is None


@pytest.mark.parametrize("alarm", ["confirm", "martingale", "ewma"])
@pytest.mark.parametrize("at", [0, 55, 933, 1300])
def test_it_is_kept_in_the_file(alarm, at, tmp_path):
    detector, sound = Recorded(other_days()), scores(1500)
    sound[1200:] += 4
    whole, stream = (stream_of(detector, alarm=alarm, hop=5.0) for _ in range(2))
    for one in (whole, stream):
        one.calibrate(900)
        assert one.calibration_progress_ == (0, 90)
    want, found = whole.process(sound), stream.process(sound[:at])
    assert want[-1].alarm
    stream.save(tmp_path / "state")
    again = StreamingDetector.load(
        tmp_path / "state", detector, window=10.0, sample_rate=1, max_clipped=1, alarm=alarm, hop=5.0
    )
    assert found + again.process(sound[at:]) == want
    assert again.threshold_ == whole.threshold_
    assert again.drift() == whole.drift()
    assert again.calibration_progress_ is None


def test_it_ends_with_the_meaning_of_scores():
    detector = Recorded(other_days())
    stream, sound = stream_of(detector, learn_batch=99), scores(600)
    stream.learn(100)
    stream.calibrate(200)  # afterwards
    stream.process(sound[:100])
    assert len(detector.calibration_scores_) == 300
    stream.process(sound[100:350])
    assert len(detector.calibration_scores_) == 100  # ten windows of ten samples
    assert np.array_equal(stream.calibration_scores_, sound[100:300:10])
    assert stream.threshold_ != -detector.offset_
    stream.learn_one()
    stream.learn_pending()
    assert (stream.threshold_, stream.calibration_scores_) == (-detector.offset_, None)
    stream.calibrate(200)
    stream.process(sound[:100])
    detector.update(other_days())  # by somebody else: begun anew
    stream.process(sound[100:150])
    assert stream.state_ == "learning"
    assert len(stream.calibration_scores_) < 6


def test_detectors_that_keep_no_scores_get_p_values():
    detector = Recorded(other_days())
    del detector.calibration_scores_
    stream, sound = stream_of(detector, confirm=(99, 99)), scores(900)
    assert np.isnan(stream.process(sound[:10])[0].p_value)
    with pytest.raises(TypeError, match="keeps no scores"):
        stream.drift()
    stream.calibrate(400)
    assert 0 < stream.process(sound)[-1].p_value <= 1
    assert stream.drift().n_windows == 50  # those that begin at 410, 420 ... 900


def test_what_is_refused():
    stream = stream_of(Recorded(other_days()))
    for seconds, contamination, message in (
        (9, None, "seconds=9 is less than a window, 10 s"),
        (0, None, "seconds=0 must be"),
        (500, 0.7, "contamination must be above 0 and at most 0.5, got 0.7"),
        (500, "auto", "got 'auto'"),
    ):
        with pytest.raises(ValueError, match=message):
            stream.calibrate(seconds, contamination=contamination)
    stream.process(scores(30, mean=9.0))
    with pytest.raises(RuntimeError, match="An alarm stands"):
        stream.calibrate(500)
    stream.acknowledge()
    stream.calibrate(500)
    assert stream.state_ == "learning"


def ewma(calibrate=990, **parameters):
    stream = stream_of(Recorded(other_days()), alarm="ewma", **parameters)
    if calibrate:
        stream.calibrate(calibrate)
    return stream


def test_moving_average_of_a_stream_is_that_of_its_chart():
    """From the end of the calibration on, in any portions; every second counts once, whatever the hop."""
    sound = scores(1900)
    sound[1500:] += np.arange(400) / 30
    for hop in (2.0, 3.0, 10.0):
        stream, again = ewma(1200, hop=hop), ewma(1200, hop=hop)
        events = stream.process(sound)
        parts = np.split(sound, np.sort(np.random.default_rng(0).integers(0, 1900, 50)))
        assert [event for part in parts for event in again.process(part)] == events
        assert {event.state for event in events if event.end <= 1190} == {"learning"}
        watching = [event for event in events if event.state == "watching"]
        heard = [event.score for event in events if event.state == "learning"]
        share = [1.0] + [hop / 10] * (len(heard) - 1)
        chart = Chart(heard, share, 8 * 360)
        want = chart.averages([event.score for event in watching], [hop / 10] * len(watching)) / chart.limit
        n = next(place for place, event in enumerate(watching) if event.alarm)
        assert [event.evidence for event in watching[:n]] == pytest.approx(want[:n])
        assert want[n] >= 1 > want[n - 1]
        assert watching[n].evidence == 1
        assert 1500 < watching[n].end < 1700
        stream.acknowledge()
        assert (stream.alarm_, stream.process(sound[:10])[-1].evidence < 1) == (False, True)


def test_the_limit_is_higher_the_rarer_false_alarms_are_to_be():
    sound = scores(2000)
    sound[1500:] += np.arange(500) / 30
    found = []
    for hours in (0.5, 24.0, 1000.0):
        events = ewma(hours_per_false_alarm=hours).process(sound)
        found.append(next(event.end for event in events if event.alarm and event.start > 1400))
    assert found[0] < found[1] < found[2]


def test_what_is_not_heard_does_not_count_in_the_average():
    stream, sound = ewma(), scores(1400)
    stream.process(sound[:1200])
    before = stream.process(sound[1200:1210])[-1].evidence
    stream.hold(50.0)
    assert {event.evidence for event in stream.process(np.full(50, 99.0))} == {before}
    stream.gap(1000.0)
    after = stream.process(np.full(10, 99.0))[0]  # a window of ten new seconds
    assert after.evidence > before + 0.3
    clip = stream.judge(np.full(10, -99.0))
    assert clip.evidence < after.evidence - 0.3


def test_moving_average_takes_a_calibration():
    stream, sound = ewma(calibrate=None), scores(900)
    for hear in (stream.process, stream.judge):
        with pytest.raises(RuntimeError, match="takes its limit from healthy sound of the stream"):
            hear(sound[:20])
    assert stream.time_ == 0
    with pytest.raises(ValueError, match="89 windows that do not overlap are too few for the limit"):
        stream.calibrate(899)
    stream.calibrate(1000)
    stream.process(sound[:899])
    assert stream.calibration_progress_ == (89, 100)
    with pytest.raises(ValueError, match="89 windows"):
        stream.resume()
    assert stream.state_ == "learning"
    stream.process(sound[:20])
    stream.resume()
    assert stream.state_ == "watching"
    stream.detector.update(other_days())
    events = stream.process(sound[:20])  # scores have another meaning now: what comes does not count
    assert [event.state for event in events[1:]] == ["hold"] * 19
    with pytest.raises(RuntimeError, match="again after the detector has learnt"):
        stream.process(sound[:20])
    for hours in (0, -1.0, np.inf, "day"):
        with pytest.raises(ValueError, match="hours_per_false_alarm="):
            ewma(hours_per_false_alarm=hours)
