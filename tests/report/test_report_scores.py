"""Reports of scored clips hold what is known, say what is missing, and nothing comes from elsewhere."""

import base64
import hashlib
import html
import io
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import soundfile
from matplotlib import pyplot as plt
from PIL import Image
from scipy.signal import resample_poly
from sklearn.pipeline import make_pipeline

from skasd import AnomalousSoundDetector, ClipStatistics, KNNScorer, LOFScorer, LogMelTransformer
from skasd.metrics import auc_by_domain, official_score, published_baseline
from skasd.report import report_scores
from skasd.report._bands import in_words
from skasd.report._healthy import Healthy, read_sound
from skasd.report._knowledge import Knowledge

from .conftest import sounds

HOSTILE = '<img src=x onerror="alert(1)">&\'".wav'


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text between them."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


def tables(page):
    """Return the tables of a page; cells that are numbers as numbers."""
    found = []
    for table in re.findall(r"<table.*?</table>", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        rows = [
            [html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
            for row in re.findall(r"<tr>(.*?)</tr>", table)
        ]
        found.append(pd.DataFrame(rows[1:], columns=rows[0]).map(as_number))
    return found


def as_number(text):
    try:
        return float(text)
    except ValueError:
        return text


@pytest.fixture
def detector(tmp_path):
    return make_pipeline(LogMelTransformer(n_mels=32), ClipStatistics(), KNNScorer()).fit(
        [p for i, p in enumerate(sounds(tmp_path / "healthy", 24, seed=9)) if i % 3 != 2]
    )


def scored_by(detector, table):
    """Return a table with the scores and decisions of a detector."""
    score, threshold = -detector.score_samples(table["path"]), detector[-1].threshold_
    return table.assign(
        anomaly_score=score, threshold=threshold, decision=np.where(score > threshold, "anomalous", "normal")
    )


def test_all_that_is_known_is_in_it(scored, detector, tmp_path):
    scored = scored_by(detector, scored)
    page = report_scores(
        scored,
        tmp_path / "new" / "r.html",
        detector=detector,
        year=2023,
        n_clips=3,
        settings={"command": "a b"},
    )
    assert page == tmp_path / "new" / "r.html"
    found = Elements(page)
    assert found.open == []
    assert [p.name for p in page.parent.iterdir()] == ["r.html"]
    # timeline, histogram, ROC, map; each clip beside a healthy one, with levels and shares
    assert len(found.all("img")) == 4 + 3 * 4
    assert len(found.all("audio")) == 6
    assert "0.1" in found.text
    for phrase in (
        "of 24 recordings are called anomalous",
        f"threshold {detector[-1].threshold_:.4g}",
        "Map of embeddings",
        "a b",
        "KNNScorer()",
        "knnscorer__n_neighbors",
    ):
        assert phrase in found.text
    for package in ("numpy", "torch", "skasd", "Python"):
        assert package in found.text
    # all that could be missing is there
    assert not [a for tag, a in found.elements if a.get("class") == "missing"]


def test_figures_are_those_of_the_metrics(scored, tmp_path):
    page = report_scores(scored, tmp_path / "r.html", year=2023, n_clips=0)
    y, score, domain = scored["y"], scored["anomaly_score"], scored["domain"]
    official = official_score(y, score, domain=domain, year=2023)
    assert f"{official.score:.4f} ± {official.ci95:.4f}" in Elements(page).text
    figures = tables(page)[1].iloc[0]
    for name, area in auc_by_domain(y, score, domain).items():
        assert figures[f"AUC ({name})"] == round(area, 3)
    called = scored["decision"] == "anomalous"
    assert figures["false alarms"] == round(called[y == 1].mean(), 3)
    assert figures["hit rate"] == round(called[y == -1].mean(), 3)


def test_published_baselines_stand_beside_ours(scored, tmp_path):
    page = report_scores(scored, tmp_path / "r.html", year=2023, n_clips=0)
    table = tables(page)[2].set_index("figure")
    published = published_baseline(2023).query("machine == 'fan' and system == 'autoencoder, MSE'")
    (value,) = published.query("domain == 'target'")["value"]
    ours = auc_by_domain(scored["y"], scored["anomaly_score"], scored["domain"])["target"]
    row = table.loc["AUC (target)"]
    assert row["this run"] == pytest.approx(ours, abs=5e-4)
    assert row["autoencoder, MSE (difference)"] == f"{value:.3f} ({ours - value:+.3f})".replace("-", "−")
    assert "DCASE2024, table 1" in Elements(page).text


@pytest.mark.parametrize(
    ("change", "year"), [({"machine": "lathe"}, 2023), ({}, 2026), ({"section": "07"}, 2023)], ids=str
)
def test_without_a_published_figure_it_says_so(scored, tmp_path, change, year):
    page = report_scores(scored.assign(**change), tmp_path / "r.html", year=year, n_clips=0)
    assert f"No figure of a baseline of {year} is published" in Elements(page).text


def test_without_ground_truth_and_detector_the_rest_remains(scored, tmp_path):
    page = report_scores(scored[["path", "anomaly_score", "threshold"]], tmp_path / "r.html", n_clips=2)
    found = Elements(page)
    assert len(found.all("img")) == 2 + 2 * 3
    assert len(found.all("audio")) == 4
    for phrase in (
        "given the fitted detector",
        "ground truth of normal and anomalous clips (ROC",
        "in the model",
    ):
        assert phrase in found.text
    assert "Figures" not in found.text
    assert "Map of embeddings" not in found.text
    # decisions follow from score and threshold
    called = int((scored["anomaly_score"] > 1).sum())
    assert re.search(rf"called anomalous\s+{called}\b", found.text)


def test_sound_and_pictures_are_whole(scored, tmp_path):
    page = report_scores(scored, tmp_path / "r.html", n_clips=2)
    found = Elements(page)
    worst = scored.sort_values("anomaly_score", ascending=False)["path"].tolist()
    for audio, path in zip(found.all("audio")[::2], worst[:2], strict=True):
        kind, content = audio["src"].split(";base64,")
        assert kind == "data:audio/flac"
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
        original, original_rate = soundfile.read(path)
        assert rate == original_rate
        np.testing.assert_allclose(samples, original, atol=2**-15)
        assert Path(path).name in audio["aria-label"]
    for image in found.all("img"):
        Image.open(io.BytesIO(base64.b64decode(image["src"].split(";base64,")[1]))).verify()
        assert len(image["alt"]) > 20


def test_nothing_is_fetched_and_nothing_runs(scored, detector, tmp_path):
    page = report_scores(scored, tmp_path / "r.html", detector=detector, year=2023, n_clips=1)
    found = Elements(page)
    assert len(found.all("script")) == 1  # the page's own, by its checksum
    for _, attributes in found.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith(("data:", "#")), attributes[name][:80]
    assert "url(" not in page.read_text()
    (policy,) = [m["content"] for m in found.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    (script,) = re.findall("<script>(.*?)</script>", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    checksum = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none';")
    assert policy.endswith(f"script-src 'sha256-{checksum}'")


def test_contents_lead_to_headings_in_order(scored, tmp_path):
    found = Elements(report_scores(scored, tmp_path / "r.html", n_clips=1))
    ids = {a["id"] for _, a in found.elements if "id" in a}
    links = [a["href"][1:] for a in found.all("a")]
    assert links
    assert set(links) <= ids
    levels = [int(tag[1]) for tag, _ in found.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_names_are_shown_as_they_are_and_mean_nothing(scored, tmp_path):
    nasty = tmp_path / "sounds" / HOSTILE.replace("/", "")
    soundfile.write(nasty, np.zeros(8000), 16000)
    scored.loc[0, ["path", "anomaly_score"]] = str(nasty), 9.0
    scored["machine"] = "</style><script>alert(2)</script>"
    scored.loc[1, ["error", "anomaly_score"]] = "<b>bad</b>\x00\udce4", np.nan
    page = report_scores(
        scored,
        tmp_path / "r.html",
        title="<i>x</i>",
        settings={"<u>": '"><script>alert(3)</script>'},
        n_clips=1,
    )
    found = Elements(page)
    assert len(found.all("script")) == 1
    assert "alert" not in re.findall("<script>(.*?)</script>", page.read_text(), flags=re.DOTALL)[0]
    assert not found.all("b")
    assert not found.all("i")
    assert all(image["src"].startswith("data:") for image in found.all("img"))
    assert HOSTILE in found.text
    assert "</style><script>alert(2)</script>" in found.text
    assert "<b>bad</b>\ufffd\ufffd" in found.text


def test_paths_are_shown_below_their_common_folder(scored, tmp_path):
    text = report_scores(scored, tmp_path / "r.html", n_clips=1).read_text()
    assert "clip_02.wav" in text
    assert str(tmp_path) not in text


def test_home_is_written_as_tilde(scored, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    page = report_scores(
        scored, tmp_path / "r.html", settings={"command": "score /home/somebody/model"}, n_clips=0
    )
    assert "somebody" not in page.read_text()
    assert "score ~/model" in page.read_text()


@pytest.mark.parametrize("where", ["path", "name"])
def test_ground_truth_is_joined(scored, tmp_path, where):
    truth = scored[["path", "y", "domain", "section"]].sample(frac=1, random_state=0)
    if where == "name":
        truth["path"] = ["elsewhere/" + Path(path).name for path in truth["path"]]
    plain = scored[["path", "anomaly_score", "machine"]]
    truth.to_csv(tmp_path / "truth.csv", index=False)
    plain.to_csv(tmp_path / "scores.csv", index=False)
    joined = report_scores(
        tmp_path / "scores.csv",
        tmp_path / "r.html",
        ground_truth=tmp_path / "truth.csv",
        year=2023,
        n_clips=0,
    )
    direct = report_scores(scored.drop(columns="threshold"), tmp_path / "s.html", year=2023, n_clips=0)
    columns = ["AUC (source)", "AUC (target)", "pAUC", "official score"]
    pd.testing.assert_frame_equal(tables(joined)[1][columns], tables(direct)[1][columns])


def test_clips_without_ground_truth_are_counted(scored, tmp_path):
    partly = scored.drop(columns="y")
    text = Elements(
        report_scores(partly, tmp_path / "r.html", ground_truth=scored.loc[:19, ["path", "y"]], n_clips=0)
    ).text
    assert "Over the 20 of 24 clips that have both a score and ground truth." in text
    assert "4 clips have no ground truth" in text


def test_foreign_ground_truth_is_an_error(scored, tmp_path):
    truth = pd.DataFrame({"path": ["x.wav"], "y": [1]})
    with pytest.raises(ValueError, match="None of the 24 scored clips is among the 1 of the ground truth"):
        report_scores(scored, tmp_path / "r.html", ground_truth=truth)
    assert not (tmp_path / "r.html").exists()


def test_csv_keeps_sections_and_relative_paths(scored, tmp_path):
    scored["path"] = [f"sounds/{Path(path).name}" for path in scored["path"]]
    scored.to_csv(tmp_path / "scores.csv", index=False)
    page = report_scores(tmp_path / "scores.csv", tmp_path / "r.html", year=2023, n_clips=1)
    assert len(Elements(page).all("audio")) == 2
    assert "DCASE2024, table 1" in Elements(page).text  # the section is "00", not 0


def test_unreadable_and_missing_clips(scored, tmp_path):
    scored.loc[3, ["anomaly_score", "decision", "error"]] = np.nan, "", "truncated file"
    worst = scored["anomaly_score"].nlargest(3).index
    cut = Path(scored.loc[worst[0], "path"])
    cut.write_bytes(cut.read_bytes()[:-1000])
    Path(scored.loc[worst[1], "path"]).unlink()
    found = Elements(report_scores(scored, tmp_path / "r.html", n_clips=3))
    assert len(found.all("audio")) == 2
    assert "truncated file" in found.text
    # the table leads to the one that is shown
    links = [a["href"][1:] for a in found.all("a") if a["href"].startswith("#c")]
    assert links == [a["id"] for a in found.all("h3") if "id" in a]
    assert len(links) == 1
    assert "cannot be read: it is truncated: its header promises" in found.text
    assert "sound files of 1 of the 3 most anomalous clips were not found" in found.text


def test_nothing_but_unscored_clips(tmp_path):
    table = pd.DataFrame({"path": ["a.wav"], "anomaly_score": [np.nan], "error": ["empty"]})
    assert "No clip has a score." in Elements(report_scores(table, tmp_path / "r.html")).text


def test_long_clips_are_cut_and_the_sound_of_many_is_limited(scored, tmp_path, monkeypatch):
    from skasd.report import _clips

    monkeypatch.setattr(_clips, "_MOST_SECONDS", 0.25)
    text = Elements(report_scores(scored, tmp_path / "r.html", n_clips=1)).text
    assert "The first 0.25 of 0.5 seconds." in text
    monkeypatch.setattr(_clips, "_MOST_BYTES", 10)
    found = Elements(report_scores(scored, tmp_path / "r.html", n_clips=1))
    assert not found.all("audio")
    assert "The sound is left out" in found.text


def test_several_machines_have_pictures_of_their_own(scored, tmp_path):
    two = pd.concat([scored, scored.assign(machine="valve", path=scored["path"] + "x", threshold=0.5)])
    found = Elements(report_scores(two, tmp_path / "r.html", n_clips=0))
    assert len(found.all("img")) == 6
    assert "threshold 1," in " ".join(a["alt"] for a in found.all("img"))
    assert "threshold 0.5," in " ".join(a["alt"] for a in found.all("img"))


@pytest.mark.parametrize("name", ["LOF", "default"])
def test_a_detector_without_a_map_of_its_own_is_asked(scored, tmp_path, name):
    files = scored.loc[scored["y"] == 1, "path"].tolist()
    detector = AnomalousSoundDetector()
    if name == "LOF":
        detector = make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), LOFScorer())
    scored["anomaly_score"] = -detector.fit(files).score_samples(scored["path"])
    page = report_scores(scored, tmp_path / "r.html", detector=detector, training=files, n_clips=1)
    found = Elements(page)
    assert "above the healthy clip" in found.text.partition("To the detector:")[2]
    assert sum("Shares of tiles" in image["alt"] for image in found.all("img")) == 1
    assert sum("boxes: where its score comes from" in image["alt"] for image in found.all("img")) == 1
    assert len(found.all("audio")) == 2
    assert page.stat().st_size < 2_000_000


def test_a_clip_that_cannot_be_explained_leaves_a_sentence(scored, tmp_path, monkeypatch):
    files = scored.loc[scored["y"] == 1, "path"].tolist()
    detector = make_pipeline(LogMelTransformer(n_mels=16), ClipStatistics(), LOFScorer()).fit(files)
    monkeypatch.setattr("skasd.report._clips._MOST_EXPLAINED", 0.4)
    found = Elements(report_scores(scored, tmp_path / "r.html", detector=detector, n_clips=1))
    assert "which lasts 0 s: up to 0 s are looked at" in found.text
    assert len(found.all("audio")) == 2


def test_where_the_anomaly_lies_is_told_in_words_too(scored, detector, tmp_path):
    scored["anomaly_score"] = -detector.score_samples(scored["path"])
    found = Elements(report_scores(scored, tmp_path / "r.html", detector=detector, n_clips=4))
    places = [re.search(r"largest near (\d+) Hz", image["alt"]) for image in found.all("img")]
    places = [int(place[1]) for place in places if place]
    assert len(places) == 4
    assert all(abs(place - 2000) < 200 for place in places)


def test_bands_end_where_the_detector_hears_nothing(tmp_path):
    # a telephone's mp3 ends at 16 kHz, a WAV file does not: nothing that a detector of 16 kHz can hear
    noise = 0.1 * np.random.default_rng(0).standard_normal(48000)
    full, cut = str(tmp_path / "full.wav"), str(tmp_path / "cut.wav")
    soundfile.write(full, noise, 48000)
    soundfile.write(cut, resample_poly(resample_poly(noise, 2, 3), 3, 2), 48000)
    table = pd.DataFrame({"file": [full], "name": ["full.wav"]})
    for own, where in ((None, "Louder"), (AnomalousSoundDetector(), "In the mean no frequency band")):
        knowledge = Knowledge(own, [cut])
        group = Healthy(table, knowledge, {cut: "cut.wav"})
        sounds = [read_sound(full, "full.wav")]
        group.listen(sounds)
        bands, varying = group.difference(*sounds, group.read(cut))
        assert in_words(bands, varying, group.edges).startswith(where)


def test_one_domain_and_one_class(scored, tmp_path):
    one = scored.assign(domain="source")
    assert "rules of 2020" in Elements(report_scores(one, tmp_path / "r.html", n_clips=0)).text
    text = Elements(report_scores(one, tmp_path / "r.html", n_clips=0, year=2024)).text
    assert "No official score by the rules of 2024" in text
    healthy = Elements(report_scores(scored[scored["y"] == 1], tmp_path / "r.html", n_clips=0))
    assert "given the fitted detector" in healthy.text
    assert "ground truth of normal and anomalous clips (ROC" in healthy.text
    assert len(healthy.all("img")) == 2
    # anomalies in one domain only
    apart = scored[(scored["y"] == 1) | (scored["domain"] == "source")]
    assert len(Elements(report_scores(apart, tmp_path / "r.html", n_clips=0)).all("img")) == 3


def test_the_callers_matplotlib_is_left_alone(scored, tmp_path):
    def state():
        settings = {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
        return matplotlib.get_backend(auto_select=False), settings, plt.get_fignums()

    before = state()
    report_scores(scored, tmp_path / "r.html", n_clips=1)
    assert state() == before


def test_same_input_same_file(scored, detector, tmp_path):
    first, second = (
        report_scores(scored, tmp_path / name, detector=detector, n_clips=2).read_bytes()
        for name in ("a", "b")
    )
    assert first == second


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"n_clips": -1}, "n_clips must be an integer of at least 0, got -1"),
        ({}, {"year": 2019}, "year must be one of"),
        ({"anomaly_score": np.inf}, {}, "is infinite"),
        ({"y": 0}, {}, r"y must be coded \+1 \(normal\) and -1 \(anomalous\), got 0; labels coded 0"),
    ],
)
def test_bad_input(scored, tmp_path, change, options, message):
    with pytest.raises(ValueError, match=message):
        report_scores(scored.assign(**change), tmp_path / "r.html", **options)
    assert not (tmp_path / "r.html").exists()


def test_bad_tables(scored, tmp_path):
    with pytest.raises(ValueError, match="scores lacks the column 'path'; it has anomaly_score"):
        report_scores(scored[["anomaly_score"]], tmp_path / "r.html")
    with pytest.raises(ValueError, match="scores holds no clip"):
        report_scores(scored[:0], tmp_path / "r.html")
