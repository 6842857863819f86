"""The page about a stream: what it says, what it forgets, and what a browser makes of it."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from skasd.explain import Explanation
from skasd.report import LivePage
from skasd.streaming import Event

EVENT = Event(0.0, 10.0, 3.0, 0.4, 1, False, "watching", "ok", 0.0)
HOSTILE = "<script>alert(1)</script>.wav"


def explanation(waveform):
    segments = pd.DataFrame(
        [(6.0, 9.0, 1900.0, 2400.0, 14.0, 0.8)], columns=["start", "end", "low", "high", "db", "share"]
    )
    return Explanation(
        score=7.0,
        healthy_score=3.0,
        map=np.ones((32, 16)) / 512,
        frequencies=np.linspace(0, 8000, 33),
        times=np.linspace(0, len(waveform) / 16000, 17),
        bands_=pd.DataFrame(),
        segments_=segments,
        nearest_=f"healthy/{HOSTILE}",
        sentence="1.9-2.4 kHz, from 6.0 to 9.0 s, 14 dB above the healthy clip",
        clip=waveform,
        healthy=waveform,
        reference=waveform,
        reference_score=3.0,
        sample_rate=16000,
        n_scored=64,
    )


def fill(page, n=1000, alarm_at=700):
    rng = np.random.default_rng(0)
    for i in range(n):
        bad = alarm_at <= i < alarm_at + 60
        score = 3 + 0.5 * rng.standard_normal() + 4 * bad
        event = replace(
            EVENT, start=10.0 * i, end=10.0 * (i + 1), score=score, alarm=bad, decision=-1 if bad else 1
        )
        if 300 <= i < 310:
            event = replace(
                event, score=float("nan"), p_value=float("nan"), decision=0, status="clipped", state="hold"
            )
        page.add(event, 1.7e9 + 10.0 * i, threshold=5.0)
        if i == alarm_at:
            sound = 0.1 * rng.standard_normal(160_000)
            page.add_alarm(event, 1.7e9 + 10.0 * i, sound, 16000, HOSTILE, explanation(sound))
    return page


def text_of(page):
    page.write()
    return page.path.read_text(encoding="utf-8")


def test_what_stands_above_all(tmp_path):
    page = LivePage(tmp_path / "live.html", "Pump 3")
    assert "Nothing heard yet." in text_of(page)
    page.add(EVENT, 1.7e9, 5.0)
    assert "No alarm." in text_of(page)
    page.add(replace(EVENT, alarm=True), 1.7e9 + 1, 5.0)
    page.add(replace(EVENT, alarm=True), 1.7e9 + 2, 5.0)
    since = re.search(r"Alarm since [-\d]+ [\d:]+", text_of(page))[0]
    assert since.endswith("21") or ":" in since
    page.add(replace(EVENT, state="hold"), 1.7e9 + 3, 5.0)
    assert "No alarm is raised: hold." in text_of(page)
    page.add(replace(EVENT, status="clipped", state="hold", score=float("nan")), 1.7e9 + 4, 5.0)
    assert "The sound cannot be judged: clipped." in text_of(page)


def test_it_forgets_and_does_not_grow(tmp_path):
    page = fill(LivePage(tmp_path / "live.html", "Pump 3", hours=1.0, n_alarms=2), n=2000)
    assert 100 <= len(page.bins) <= 481
    assert page.bins[0][0] > page.bins[-1][0] - 3600
    for i in range(4):
        page.add_alarm(replace(EVENT, end=20.0 + i), 1.7e9 + i, None, 16000)
    assert [entry["end"] for entry in page.alarms] == [23.0, 22.0]
    again = LivePage(tmp_path / "again.html", "Pump 3", hours=1.0, n_alarms=2)
    again.restore(page.state(), list(page.alarms))
    assert (list(again.bins), list(again.alarms)) == (list(page.bins), list(page.alarms))
    with pytest.raises(ValueError, match="hours=0 must be above 0"):
        LivePage(tmp_path / "live.html", "Pump 3", hours=0)


def test_alarms_are_explained(tmp_path):
    sound = 0.1 * np.random.default_rng(0).standard_normal(70 * 16000).astype(np.float32)
    pictures = []
    for seconds, why in ((10, None), (10, explanation(sound[:160_000])), (70, explanation(sound))):
        page = LivePage(tmp_path / "live.html", "Pump 3", unexplained="Name some <with> --healthy.")
        page.add_alarm(replace(EVENT, alarm=True), 1.7e9, sound[: seconds * 16000], 16000, "", why)
        text = text_of(page)
        assert '<p class="missing">Name some &lt;with&gt; --healthy.</p>' in text
        assert ("To the detector: 1.9-2.4 kHz, from 6.0 to 9.0 s" in text) == (why is not None)
        assert ("healthy/&lt;script&gt;" in text) == (why is not None)
        # of a longer window the picture is its first minute, in which the boxes may not lie
        assert ("boxes: where its score comes from" in text) == (why is not None and seconds == 10)
        pictures.append(page.alarms[0]["picture"][0])
    assert pictures[0] != pictures[1]
    again = LivePage(tmp_path / "live.html", "Pump 3")
    again.restore(page.state(), json.loads(json.dumps(list(page.alarms))))
    assert "To the detector: 1.9-2.4 kHz" in text_of(again)


def test_it_is_written_when_due(tmp_path):
    page = LivePage(tmp_path / "live.html", "Pump 3", every=10.0)
    page.write_if_due(now=100.0)
    (tmp_path / "live.html").unlink()
    page.write_if_due(now=109.0)
    assert not (tmp_path / "live.html").exists()
    page.write_if_due(now=110.0)
    assert (tmp_path / "live.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["live.html"]


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (400, False), (400, True)])
def test_in_a_browser(browser, tmp_path, width, dark):
    page = fill(LivePage(tmp_path / "a live page.html", f"Pump 3 {'and a long name ' * 8}", every=3600.0))
    page.write()
    facts = browser(page.path, width, dark)
    assert facts["console"] == []
    assert facts["scripts"] == 1
    assert facts["requests"] == [f"file:{page.path.resolve()}"]
    assert facts["innerWidth"] == width
    assert facts["scrollWidth"] <= width
    assert facts["beyond"] == []
    assert len(facts["images"]) == 2
    assert facts["sounds"] == pytest.approx([10.0], abs=0.01)
    assert all(facts["contents"])
    assert facts["contrast"] >= 4.5
    assert HOSTILE in facts["text"]
    assert "1.9-2.4 kHz" in facts["text"]


@pytest.mark.browser
def test_the_browser_loads_it_again_but_not_while_somebody_listens(browser, tmp_path):
    webdriver_errors = pytest.importorskip("selenium.common.exceptions")
    page = fill(LivePage(tmp_path / "live.html", "before", every=0.3))
    page.write()
    window = browser(page.path, 1280)["window"]
    page.title = "after"
    page.write()
    wait = "const done = arguments[arguments.length - 1]; setTimeout(() => done(document.title), 1000);"
    titles = [window.title]
    for _ in range(50):
        if titles[-1] == "after":
            break
        titles.append(window.title)
    assert titles[-1] == "after"
    listen = """
        const done = arguments[arguments.length - 1], sound = document.querySelector('audio');
        sound.muted = true; sound.play(); setTimeout(() => done(!sound.paused), 600);
    """
    for _ in range(50):
        try:
            if window.execute_async_script(listen):
                break
        except webdriver_errors.WebDriverException:  # it was being loaded again just then
            continue
    page.title = "later"
    page.write()
    assert window.execute_async_script(wait) == "after"
