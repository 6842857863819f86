"""Tables of the commands come back from spreadsheets, and say what decisions are worth."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skasd
from skasd.cli import main
from skasd.compose import threshold_for
from skasd.metrics import decision_figures


def as_spreadsheet(text, encoding, separator):
    """Return a table of ours as a spreadsheet of a country with decimal commas writes it."""
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    for column in ("anomaly_score", "threshold"):
        table[column] = table[column].str.replace(".", ",")
    return table.to_csv(index=False, sep=separator, lineterminator="\r\n").encode(encoding)


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_table_saved_by_a_spreadsheet(encoding, separator, tmp_path, recordings, scores, capsys):
    original = Path(scores).read_text(encoding="utf-8-sig")
    saved = tmp_path / "saved.csv"
    saved.write_bytes(as_spreadsheet(original, encoding, separator))
    labels = tmp_path / "Prüfung.csv"
    paths = pd.read_csv(scores)["path"]
    y = ["-1" if "anomaly" in path else "1" for path in paths]
    labels.write_bytes(
        "\r\n".join(
            [f"path{separator}y", *(f"{p}{separator}{v}" for p, v in zip(paths, y, strict=True))]
        ).encode(encoding)
    )
    outputs = []
    for source, truth in ((scores, recordings / "test"), (saved, recordings / "test"), (saved, labels)):
        assert main(["evaluate", str(source), str(truth), "--json", "--year", "2020"]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert '"value"' in outputs[2]
    told = ["--ground-truth", str(labels), "--clips", "0", "-q"]
    assert main(["report", str(saved), "-o", str(tmp_path / "r.html"), *told]) == 0


def test_formulas_in_names_of_files(recordings, model, tmp_path, monkeypatch, capsys):
    clips = sorted((recordings / "test").glob("*.wav"))[:2]
    monkeypatch.chdir(tmp_path)
    shutil.copy(clips[0], "=1+1.wav")
    assert main(["score", model, "=1+1.wav", "-o", "s.csv"]) == 0
    assert "\n'=1+1.wav," in Path("s.csv").read_text(encoding="utf-8-sig")
    (tmp_path / "labels.csv").write_text("path,y\n=1+1.wav,1\n")
    assert main(["evaluate", "s.csv", "labels.csv", "--json"]) == 1
    assert json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))["n_clips"] == 1


def test_false_alarms_and_hits_by_domain(recordings, scores, tmp_path, capsys):
    truth, out = str(recordings / "test"), tmp_path / "figures.csv"
    assert main(["evaluate", scores, truth, "--json", "-o", str(out)]) == 0
    shown = {row["domain"]: row for row in json.loads(capsys.readouterr().out)["decisions"]}
    table = pd.read_csv(scores)
    is_target = table["path"].str.contains("_target_")
    y = np.where(table["path"].str.contains("anomaly"), -1, 1)
    decided = np.where(table["decision"] == "anomalous", -1, 1)
    for name, part in {"": is_target | True, "source": ~is_target, "target": is_target}.items():
        row = shown[name]
        assert row["false alarms"] == pytest.approx((decided[part & (y == 1)] == -1).mean())
        assert row["hit rate"] == pytest.approx((decided[part & (y == -1)] == -1).mean())
        assert row["normal"] + row["anomalous"] == part.sum()
    assert main(["evaluate", scores, truth]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("false alarms", "hit rate", "precision", "F1", "source", "target"))
    assert max(map(len, text.splitlines())) <= 80
    figures = pd.read_csv(out, keep_default_na=False).set_index(["domain", "metric", "section"])["value"]
    assert figures["target", "false alarms", ""] == pytest.approx(shown["target"]["false alarms"])


def test_healthy_recordings_alone_tell_the_rate_of_false_alarms(scores, tmp_path, capsys):
    table = pd.read_csv(scores)
    healthy = table[~table["path"].str.contains("anomaly")]
    healthy[["path"]].assign(y=1).to_csv(tmp_path / "labels.csv", index=False)
    assert main(["evaluate", scores, str(tmp_path / "labels.csv")]) == 1
    text = capsys.readouterr()
    assert f"{(healthy['decision'] == 'anomalous').mean():.4f}" in text.out
    assert "no official score" in text.err


def test_figures_of_decisions():
    found = decision_figures([1, 1, 1, -1], [-1, 1, 1, 1], ["source", "source", "target", "target"])
    assert found["false alarms"].tolist() == [1 / 3, 0.5, 0]
    assert found["hit rate"].tolist()[::2] == [0, 0]
    assert np.isnan(found.loc["source", ["hit rate", "precision", "F1 score"]].astype(float)).all()
    assert list(decision_figures([-1], [-1]).index) == ["all"]


def test_thresholds_of_ones_own(recordings, model, scores, tmp_path, capsys):
    test, out = str(recordings / "test"), tmp_path / "s.csv"
    own = pd.read_csv(scores)
    assert (
        main(["score", model, test, "-o", str(out), "--threshold", str(own["anomaly_score"].median())]) == 0
    )
    table = pd.read_csv(out)
    assert (table["decision"] == "anomalous").sum() == len(table) // 2
    assert table["threshold"].nunique() == 1
    thresholds = []
    for rate in (0.5, 0.1, 0.03):
        assert main(["score", model, test, "-o", str(out), "--false-alarms", str(rate), "-q"]) == 0
        thresholds.append(pd.read_csv(out)["threshold"][0])
        training = skasd.load(model).training_scores_
        assert (training > thresholds[-1]).mean() <= rate
    assert thresholds == sorted(set(thresholds))
    assert thresholds[1] == own["threshold"][0]
    capsys.readouterr()
    assert main(["score", model, test, "-o", str(out), "--false-alarms", "0.001", "-q"]) == 0
    assert "cannot hold the false-alarm rate contamination=0.001" in capsys.readouterr().err
    for wrong, message in {
        ("--false-alarms", "0.7"): "at most 0.5",
        ("--threshold", "nan"): "no finite",
    }.items():
        assert main(["score", model, test, *wrong]) == 2
        assert message in capsys.readouterr().err


def test_no_empty_ranking_of_one_kind(scores, tmp_path, capsys):
    faulty = tmp_path / "truth.csv"
    paths = pd.read_csv(scores)["path"]
    pd.DataFrame({"path": paths, "y": -1}).to_csv(faulty, index=False)
    assert main(["evaluate", scores, str(faulty)]) == 1
    said = capsys.readouterr().out
    assert "Ranking" not in said
    assert "hit rate" in said


def test_models_that_can_give_no_other_rate():
    X = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(ValueError, match="calibration='train'"):
        threshold_for(skasd.KNNScorer(calibration="train").fit(X), 0.1)
    from sklearn.neighbors import LocalOutlierFactor

    with pytest.raises(ValueError, match="LocalOutlierFactor keeps no scores"):
        threshold_for(LocalOutlierFactor(novelty=True).fit(X), 0.1)
    gamma = skasd.KNNScorer(calibration="gamma", contamination=0.05).fit(X)
    assert threshold_for(gamma, 0.05) == gamma.threshold_


def test_benchmark_prints_figures_first_in_80_columns(recordings, tmp_path, capsys):
    systems = "default,official_autoencoder:max_epochs=1"
    arguments = ["benchmark", str(recordings), "--systems", systems, "-o", str(tmp_path / "b")]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    header = next(line for line in lines if "official" in line and "pAUC" in line)
    assert header.split()[0] == "official"
    assert header.rstrip().endswith("system")
    assert len(lines) == 2 + 4
    assert max(line.find("official_auto") for line in lines) < 60
    assert len(lines[0]) <= 80
    summary = pd.read_csv(tmp_path / "b" / "summary.csv")
    assert len(summary) == 4
    assert f"{summary['official score mean'][0]:.3f}" in lines[2]


def test_unknown_systems_are_answered_by_all_names(recordings, tmp_path, capsys):
    for command in (["fit", "--system"], ["benchmark", "--systems"]):
        arguments = [command[0], str(recordings), "-o", str(tmp_path / "o"), command[1], "secom2022"]
        assert main(arguments) == 2
        err = capsys.readouterr().err
        assert all(name in err for name in [*skasd.systems.__all__, "did you mean 'secom2021'"])


def test_fit_takes_files_wildcards_and_several_folders(recordings, tmp_path, capsys):
    clips = sorted((recordings / "train").glob("*.wav"))
    for i, clip in enumerate(clips[:30]):
        folder = tmp_path / ("a", "b", "c")[i % 3]
        folder.mkdir(exist_ok=True)
        shutil.copy(clip, folder / f"clip{i}.wav")
    given = [str(tmp_path / "a"), str(tmp_path / "b" / "*.wav"), str(tmp_path / "c" / "clip2.wav")]
    assert main(["fit", *given, "-o", str(tmp_path / "m")]) == 0
    assert "21 recordings" in capsys.readouterr().out
    assert len(skasd.load(tmp_path / "m").training_paths_) == 21
