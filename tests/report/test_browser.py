"""Reports in a real browser: no error, all visible, on a wide screen and on a telephone."""

import pytest
from sklearn.pipeline import make_pipeline

from skasd import AutoencoderEmbedder, ClipStatistics, ColumnScorer, KNNScorer, LogMelTransformer
from skasd.benchmark import run
from skasd.datasets import make_machine_sounds
from skasd.report import report_benchmark, report_scores

from .test_report_scores import HOSTILE

pytestmark = pytest.mark.browser

WIDTHS = pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, False), (400, True)])


@pytest.fixture
def scores_page(scored, tmp_path):
    scored.loc[0, "error"] = HOSTILE
    scored.loc[0, "anomaly_score"] = float("nan")
    scored["machine"] = f"{HOSTILE} and a name that has no end " + "x" * 120
    healthy = scored.loc[scored["y"] == 1, "path"].tolist()
    detector = make_pipeline(LogMelTransformer(n_mels=32), ClipStatistics(), KNNScorer()).fit(healthy)
    return report_scores(scored, tmp_path / "a report.html", detector=detector, year=2023, n_clips=2)


@pytest.fixture
def autoencoder_page(scored, tmp_path):
    network = AutoencoderEmbedder(hidden=8, max_epochs=1, output="embedding", random_state=0)
    detector = make_pipeline(LogMelTransformer(n_mels=16), network, KNNScorer()).fit(scored["path"])
    return report_scores(scored.drop(columns="y"), tmp_path / "r.html", detector=detector, n_clips=2)


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


def check(facts, page, width, n_sounds):
    assert facts["console"] == []
    assert facts["scripts"] == 0
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
    check(facts, scores_page, width, n_sounds=2)
    assert HOSTILE in facts["text"]
    assert len(facts["images"]) == 5


@WIDTHS
def test_scores_of_an_autoencoder(browser, autoencoder_page, width, dark):
    check(browser(autoencoder_page, width, dark), autoencoder_page, width, n_sounds=2)


@WIDTHS
def test_benchmark(browser, benchmark_page, width, dark):
    facts = browser(benchmark_page, width, dark)
    check(facts, benchmark_page, width, n_sounds=0)
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
