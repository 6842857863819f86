"""Reports in a real browser: no error, all visible, on a wide screen and on a telephone."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from skasd import AutoencoderEmbedder, ClipStatistics, ColumnScorer, KNNScorer, LogMelTransformer
from skasd.benchmark import run
from skasd.datasets import make_machine_sounds
from skasd.report import report_benchmark, report_scores

from .conftest import scored_clips
from .test_report_scores import HOSTILE

pytestmark = pytest.mark.browser

WIDTHS = pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, False), (400, True)])


@pytest.fixture(scope="module")
def scores_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    scored = scored_clips(folder / "sounds")
    scored.loc[0, "error"] = HOSTILE
    scored.loc[0, "anomaly_score"] = float("nan")
    scored["machine"] = f"{HOSTILE} and a name that has no end " + "x" * 120
    healthy = scored.loc[scored["y"] == 1, "path"].tolist()
    detector = make_pipeline(LogMelTransformer(n_mels=32), ClipStatistics(), KNNScorer()).fit(healthy)
    scored["remark"] = ["", "shorter than the shortest recording learnt from"] + [""] * 22
    return report_scores(scored, folder / "a report.html", detector=detector, year=2023, n_clips=2)


@pytest.fixture(scope="module")
def autoencoder_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoencoder")
    scored = scored_clips(folder / "sounds")
    network = AutoencoderEmbedder(hidden=8, max_epochs=1, output="embedding", random_state=0)
    detector = make_pipeline(LogMelTransformer(n_mels=16), network, KNNScorer()).fit(scored["path"])
    return report_scores(scored.drop(columns="y"), folder / "r.html", detector=detector, n_clips=2)


@pytest.fixture(scope="module")
def benchmark_page(tmp_path_factory):
    data = make_machine_sounds(n_train=30, n_test=40, duration=0.5, random_state=0)
    front = [LogMelTransformer(n_mels=16), ClipStatistics()]
    network = AutoencoderEmbedder(hidden=8, max_epochs=1)
    systems = {
        "kNN": make_pipeline(*front, KNNScorer()),
        "autoencoder": make_pipeline(front[0], network, ColumnScorer()),
    }
    folder = tmp_path_factory.mktemp("benchmark")
    run(systems, {"one": data, "two": data}, seeds=2, out=folder / "out")
    return report_benchmark(folder / "out", folder / "r.html")


@pytest.fixture(scope="module")
def long_page(tmp_path_factory):
    """The report of 2,000 clips whose files are gone."""
    rng = np.random.default_rng(0)
    scores = pd.DataFrame(
        {
            "path": [f"fan_2024-03-{i // 100 + 1:02d}_{i % 24:02d}-{i // 40:02d}.wav" for i in range(2000)],
            "anomaly_score": rng.normal(size=2000) + 2 * (np.arange(2000) > 1800),
            "threshold": 1.5,
            "remark": np.where(np.arange(2000) % 500 == 7, "digital silence in 3.2 s of 10 s", ""),
        }
    )
    return report_scores(scores, tmp_path_factory.mktemp("long") / "r.html"), scores


def check(facts, page, width, n_sounds, scripts=1):
    assert facts["console"] == []
    assert facts["scripts"] == scripts
    assert facts["requests"] == [f"file:{page.resolve()}"]
    assert facts["innerWidth"] == width
    assert facts["scrollWidth"] <= width
    assert facts["beyond"] == []
    assert facts["images"]
    for natural_width, shown_width, alt in facts["images"]:
        assert natural_width > 300
        assert min(width, 800) * 0.5 < shown_width <= width
        assert len(alt) > 20
    assert len(facts["sounds"]) == n_sounds
    assert all(duration == pytest.approx(0.5, abs=0.01) for duration in facts["sounds"])
    assert facts["contents"]
    assert all(facts["contents"])
    assert len(set(facts["ids"])) == len(facts["ids"])
    assert facts["contrast"] >= 4.5  # of all text, by the WCAG


@WIDTHS
def test_scores(browser, scores_page, width, dark):
    facts = browser(scores_page, width, dark)
    check(facts, scores_page, width, n_sounds=4)
    assert HOSTILE in facts["text"]
    # timeline, histogram, two clips with four pictures each, ROC curves, map
    assert len(facts["images"]) == 12


@WIDTHS
def test_scores_of_an_autoencoder(browser, autoencoder_page, width, dark):
    check(browser(autoencoder_page, width, dark), autoencoder_page, width, n_sounds=4)


@WIDTHS
def test_benchmark(browser, benchmark_page, width, dark):
    facts = browser(benchmark_page, width, dark)
    check(facts, benchmark_page, width, n_sounds=0, scripts=0)
    assert len(facts["images"]) == 8


def test_sound_plays(browser, scores_page):
    window = browser(scores_page, 1280)["window"]
    heard = window.execute_async_script(
        """
        const done = arguments[arguments.length - 1], sound = document.querySelector('audio');
        sound.muted = true;
        sound.addEventListener('ended', () => done(sound.currentTime));
        sound.play().catch(error => done(String(error)));
        """
    )
    assert heard == pytest.approx(0.5, abs=0.05)


_ROWS = """
const rows = [...document.querySelectorAll('.long tbody tr')].filter(row => !row.hidden);
return rows.map(row => [...row.cells].map(cell => cell.textContent));
"""
_CLICK = "document.querySelectorAll('.long th button')[arguments[0]].click()"


@WIDTHS
def test_decisions_of_2000_clips_are_visible_without_scrolling(browser, long_page, width, dark):
    page, _ = long_page
    facts = browser(page, width, dark)
    check(facts, page, width, n_sounds=0)
    seen = facts["window"].execute_script(
        """
        const box = document.querySelector('.long .scroll').getBoundingClientRect();
        return [...document.querySelectorAll('.long tr')].slice(0, 50).map(row => {
          const cell = row.cells[1].getBoundingClientRect();
          return row.cells[1].textContent.trim() && cell.left >= 0 && cell.right <= Math.min(box.right, innerWidth); });
        """
    )
    assert len(seen) == 50
    assert all(seen)


def test_the_table_is_sorted_by_a_click(browser, long_page):
    page, _ = long_page
    window = browser(page)["window"]
    rows = window.execute_script(_ROWS)
    assert [len(rows), len(rows[0])] == [2000, 5]
    assert [float(row[3]) for row in rows] == sorted((float(row[3]) for row in rows), reverse=True)
    for column, key in ((0, str), (3, float), (4, str)):
        for _ in range(2):
            window.execute_script(_CLICK, column)
            head = f"return document.querySelectorAll('.long thead th')[{column}].getAttribute('aria-sort')"
            descending = window.execute_script(head) == "descending"
            values = [key(row[column]) for row in window.execute_script(_ROWS)]
            assert values == sorted(values, reverse=descending)
            assert values[0] != values[-1]
    window.execute_script(_CLICK, 2)  # the empty ones last
    assert [bool(row[2]) for row in window.execute_script(_ROWS)][:5] == [True] * 4 + [False]
    assert window.get_log("browser") == []


def test_the_table_is_searched(browser, long_page):
    page, scores = long_page
    window = browser(page)["window"]
    box = window.find_element("css selector", ".long input[type=search]")
    box.send_keys("Anomalous 2024-03-05")
    rows = window.execute_script(_ROWS)
    wanted = scores["path"].str.contains("2024-03-05") & (scores["anomaly_score"] > 1.5)
    assert sorted(row[0] for row in rows) == sorted(scores.loc[wanted, "path"])
    assert window.find_element("css selector", ".long output").text == f"{wanted.sum()} of 2000 shown"
    box.clear()
    box.send_keys("silence")
    assert len(window.execute_script(_ROWS)) == 4


def test_without_scripts_the_table_stands(browser, long_page):
    page, _ = long_page
    window = browser(page)["window"]
    try:
        window.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        window.get(page.as_uri())
        source = window.execute_cdp_cmd(
            "Runtime.evaluate",
            {
                "expression": "[document.querySelectorAll('.long tbody tr').length, "
                "document.querySelectorAll('.long input').length].join()"
            },
        )
        assert source["result"]["value"] == "2000,0"
    finally:
        window.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_no_other_script_runs(browser, long_page, tmp_path):
    text = long_page[0].read_text(encoding="utf-8")
    page = tmp_path / "forged.html"
    page.write_text(
        text.replace("</main>", "<script>document.title = 'mine'</script></main>"), encoding="utf-8"
    )
    facts = browser(page)
    assert facts["title"] != "mine"
    assert any("Content Security Policy" in entry["message"] for entry in facts["console"])


def test_the_check_sees_what_is_wrong(browser, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        '<meta name="viewport" content="width=device-width"><body style="margin:0"><h1 style="color:#999">x</h1>'
        '<div style="width:900px">wide</div><img src="nothing.png" alt=""><script>console.error("no")</script>'
    )
    facts = browser(page, 400)
    assert facts["console"]
    assert facts["scrollWidth"] > 400
    assert facts["beyond"]
    assert facts["images"][0][0] == 0
    assert facts["scripts"] == 1
    assert any(address.endswith("nothing.png") for address in facts["requests"])
    assert facts["contrast"] < 4.5
