"""The page of one explanation holds its sentence, both recordings, the map and the tables."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LogMelTransformer
from skasd.explain import explain
from skasd.report import report_explanation

from .conftest import sounds
from .test_report_scores import HOSTILE, Elements


@pytest.fixture
def explanation(tmp_path):
    paths = np.array(sounds(tmp_path / "sounds", 12))
    faulty = np.arange(12) % 3 == 2
    detector = make_pipeline(LogMelTransformer(n_mels=32), ClipStatistics(), KNNScorer()).fit(paths[~faulty])
    return explain(detector, paths[2], healthy=paths[~faulty])


@pytest.mark.parametrize(("threshold", "kind"), [(None, "open"), (1.0, "bad"), (1e6, "good")])
def test_page(explanation, tmp_path, threshold, kind):
    page = report_explanation(
        explanation, tmp_path / "why.html", name=HOSTILE, threshold=threshold, settings={"command": "skasd"}
    )
    found = Elements(page)
    assert explanation.sentence[1:] in found.text
    assert "near 2 kHz, throughout" in explanation.sentence or "kHz, throughout" in explanation.sentence
    assert HOSTILE in found.text
    assert len(found.all("img")) == 3
    assert len(found.all("audio")) == 2
    assert any("boxes" in image["alt"] for image in found.all("img"))
    assert f'class="verdict {kind}"' in page.read_text()
    assert page.stat().st_size < 1_000_000


def test_nothing_to_explain(explanation, tmp_path):
    explanation.segments_ = explanation.segments_.iloc[:0]
    explanation.sentence = "the clip is the healthy clip itself"
    found = Elements(report_explanation(explanation, tmp_path / "why.html"))
    assert "The clip is the healthy clip itself." in found.text
    assert len(found.all("img")) == 2


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, False), (400, True)])
def test_in_a_browser(browser, explanation, tmp_path, width, dark):
    from .test_browser import check

    page = report_explanation(explanation, tmp_path / "why.html", name=HOSTILE + "x" * 100, threshold=1.0)
    check(browser(page, width, dark), page, width, n_sounds=2, scripts=0)
