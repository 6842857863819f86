"""The command line against the Python functions that it stands for."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import skasd
from skasd.cli import main
from skasd.cli._benchmark import split_names
from skasd.cli._systems import default_detector
from skasd.datasets import load_dcase, write_machine_sounds
from skasd.metrics import official_score

DOMAINS = ("source", "target")


def api_scores(recordings):
    """Return the table of the test clips with the scores that the Python functions give."""
    table = load_dcase(recordings)
    train, test = table[table["split"] == "train"], table[table["split"] == "test"]
    detector = default_detector()
    detector.fit(train["path"].tolist(), domain=train["domain"].to_numpy())
    score = -detector.score_samples(test["path"])
    return test.assign(
        anomaly_score=score, y_pred=detector.predict(test["path"]), threshold=detector.threshold_
    )


def test_scores_and_figures_are_those_of_the_functions(recordings, scores, capsys):
    expected = api_scores(recordings).set_index("path")
    table = pd.read_csv(scores, keep_default_na=False).set_index("path").loc[expected.index]
    np.testing.assert_allclose(table["anomaly_score"], expected["anomaly_score"], rtol=1e-12)
    np.testing.assert_allclose(table["threshold"], expected["threshold"], rtol=1e-12)
    np.testing.assert_array_equal(
        table["decision"], np.where(expected["y_pred"] == -1, "anomalous", "normal")
    )
    assert (table["error"] == "").all()
    assert main(["evaluate", scores, str(recordings / "test"), "--year", "2023", "--json"]) == 0
    figures = pd.DataFrame(json.loads(capsys.readouterr().out)["figures"])
    official = figures.query("machine == '' and metric == 'official score'")["value"].item()
    known = official_score(
        expected["y"].astype(int),
        expected["anomaly_score"],
        year=2023,
        machine=expected["machine"],
        section=expected["section"],
        domain=expected["domain"],
    )
    assert official == pytest.approx(known.score, rel=1e-12)
    assert 0 < official < 1


def test_what_people_and_what_programs_see(recordings, model, tmp_path, capsys):
    files = str(recordings / "test" / "*anomaly*.wav")
    assert main(["score", model, files, "-o", str(tmp_path / "a.csv")]) == 0
    text = capsys.readouterr()
    assert re.fullmatch(r"\d+ of 1\d sound anomalous .*\n", text.out)
    assert text.err.splitlines()[:2] == [
        f"scoring 15 recordings with {model}",
        f"scores: {tmp_path / 'a.csv'}",
    ]
    assert main(["score", model, files, "-q"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["score", model, files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n_failed"] == 0
    assert {clip["decision"] for clip in found["clips"]} <= {"normal", "anomalous"}
    assert len(found["clips"]) == len(pd.read_csv(tmp_path / "a.csv"))


def test_one_bad_file_costs_only_itself(recordings, model, scores, tmp_path, capsys):
    good = sorted((recordings / "test").glob("*.wav"))[:3]
    bad = tmp_path / "bad.wav"
    bad.write_text("this is no sound")
    missing = tmp_path / "missing.wav"
    out = tmp_path / "scores.csv"
    arguments = ["score", model, str(good[0]), str(bad), str(missing), *map(str, good[1:]), "-o", str(out)]
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert "bad.wav" in err
    assert "no such file" in err
    table = pd.read_csv(out, keep_default_na=False)
    assert list(table["path"]) == [str(good[0]), str(bad), str(missing), *map(str, good[1:])]
    assert list(table["decision"].eq("")) == [False, True, True, False, False]
    assert list(table["anomaly_score"].eq("")) == [False, True, True, False, False]
    assert table["error"].iloc[2] == "there is no such file"
    all_scores = pd.read_csv(scores).set_index("path")["anomaly_score"]
    np.testing.assert_allclose(
        table["anomaly_score"].iloc[[0, 3, 4]].astype(float), all_scores.loc[map(str, good)], rtol=1e-9
    )


def test_nothing_but_bad_files(model, tmp_path, capsys):
    (tmp_path / "bad.wav").write_text("no sound")
    assert main(["score", model, str(tmp_path / "bad.wav")]) == 2
    assert "not scored" in capsys.readouterr().err


def test_fit_leaves_bad_files_out(recordings, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("skasd.cli._fit._LONG", 0.4)  # these last 0.5 s
    folder = tmp_path / "mine"
    shutil.copytree(recordings / "train", folder)
    (folder / "section_00_source_train_normal_9999_x.wav").write_bytes(b"RIFF")
    assert main(["fit", str(folder), "-o", str(tmp_path / "m.skasd")]) == 1
    text = capsys.readouterr()
    assert "left out" in text.err
    assert "the longest recording lasts 0.5 s and is one clip with one score" in text.err
    assert "40 recordings" in text.out.splitlines()[-1]
    # the paths of what was learnt from, for the report
    learnt = skasd.load(tmp_path / "m.skasd").training_paths_
    assert learnt == sorted(str(p) for p in folder.iterdir() if not p.name.endswith("_9999_x.wav"))


def test_own_recordings_with_sections_and_a_published_system(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for kind in ("normal", "anomalous"):
        for unit in ("unit_a", "unit_b"):
            for i in range(6):
                path = tmp_path / "press" / unit / kind / f"{i}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                pitch = 300 if unit == "unit_a" else 900
                tone = np.sin(2 * np.pi * (pitch + 400 * (kind == "anomalous")) * np.arange(16000) / 16000)
                soundfile.write(path, 0.3 * tone + 0.01 * rng.normal(size=16000), 16000)
    model = str(tmp_path / "m.skasd")
    system = "secom2021:model=mobilenetv2,detector=knn,max_epochs=1"
    arguments = ["--system", system, "--section-from", "parent", "--contamination", "0.2", "--seed", "3"]
    assert main(["fit", str(tmp_path / "press"), "-o", model, *arguments]) == 0
    assert "12 recordings" in capsys.readouterr().out
    detector = skasd.load(model)
    parameters = detector.get_params(deep=True)
    assert {v for k, v in parameters.items() if k.endswith("contamination")} == {0.2}
    assert {v for k, v in parameters.items() if k.endswith("random_state")} == {3}
    assert main(["score", model, str(tmp_path / "press"), "-o", str(tmp_path / "s.csv"), "-q"]) == 0
    assert pd.read_csv(tmp_path / "s.csv")["anomaly_score"].nunique() > 12
    assert main(["evaluate", str(tmp_path / "s.csv"), str(tmp_path / "press")]) == 0
    assert "AUC" in capsys.readouterr().out


def test_report_and_benchmark(recordings, model, scores, tmp_path, capsys):
    truth = str(recordings / "test")
    page = tmp_path / "scores.html"
    told = ["--model", model, "--ground-truth", truth, "--clips", "1"]
    assert main(["report", scores, "-o", str(page), *told]) == 0
    assert page.read_text(encoding="utf-8").count("<audio") == 2
    assert "<html" in page.read_text()[:200]
    assert "skasd report " in page.read_text()
    out = tmp_path / "out"
    arguments = ["benchmark", str(recordings), "--systems", "default", "--seeds", "1", "-o", str(out)]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert "official" in first
    figures = pd.read_csv(out / "results.csv")
    assert main([*arguments, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["figures"]) == len(figures)
    page = tmp_path / "benchmark.html"
    assert main(["report", str(out), "-o", str(page)]) == 0
    assert "default" in page.read_text()
    assert main(["report", str(out), "-o", str(page), "--model", model]) == 2
    assert "--model" in capsys.readouterr().err


def test_evaluates_challenge_files(tmp_path, capsys):
    names = [f"section_00_{i:04d}.wav" for i in range(4)]
    table = pd.DataFrame({"path": names, "machine": "fan", "section": "00", "anomaly_score": [1.0, 2, 4, 3]})
    for kind, values in {"data": [0, 0, 1, 1], "domain": [0, 1, 0, 1]}.items():
        truth = tmp_path / f"ground_truth_{kind}" / "ground_truth_fan_section_00_test.csv"
        truth.parent.mkdir()
        pd.DataFrame({"name": names, "value": values}).to_csv(truth, header=False, index=False)
    skasd.metrics.write_submission(tmp_path / "mine", table, year=2023)
    table.to_csv(tmp_path / "scores.csv", index=False)
    for source in ("mine", "scores.csv"):
        assert main(["evaluate", str(tmp_path / source), str(tmp_path), "--year", "2023", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["score"] == 1
    assert main(["evaluate", str(tmp_path / "mine"), str(tmp_path)]) == 2
    assert "--year" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "mine"), str(tmp_path / "mine"), "--year", "2023"]) == 2
    assert "checkout of the official evaluator, and" in capsys.readouterr().err


def write_evaluator(folder, year, clips, y):
    """Write what the official evaluator of a year says of clips, the first half of the source domain."""
    (folder / "ground_truth_data").mkdir(parents=True)
    half = len(clips) // 2
    for machine in ("fan", "pump"):
        if year == 2020:
            with (folder / "eval_data_list.csv").open("a") as file:
                lines = [
                    f"{clip.name},{('normal', 'anomaly')[label]}_{clip.name},{label}"
                    for clip, label in zip(clips, y, strict=True)
                ]
                file.write("\n".join([machine, *lines, ""]))
            continue
        tables = {"data": y}
        if year > 2021:
            tables["domain"] = [0] * half + [1] * half
            (folder / "ground_truth_domain").mkdir(exist_ok=True)
        for domain, rows in {"source": slice(half), "target": slice(half, None)}.items():
            tail = f"section_03_{domain}_test" if year == 2021 else "section_03_test"
            for kind, values in tables.items():
                with (folder / f"ground_truth_{kind}" / f"ground_truth_{machine}_{tail}.csv").open(
                    "a"
                ) as file:
                    for clip, value in zip(clips[rows], values[rows], strict=True):
                        file.write(f"{clip.name},{value}\n")


@pytest.mark.parametrize(
    ("year", "names", "domain", "auc"),
    [
        (2020, [f"test/id_03_{i:08d}.wav" for i in range(8)], "", 13 / 16),
        (
            2021,
            [f"{d}_test/section_03_{d}_test_{i:04d}.wav" for d in DOMAINS for i in range(4)],
            "source",
            2.5 / 4,
        ),
        (2022, [f"test/section_03_{i:04d}.wav" for i in range(8)], "source", 6.5 / 8),
    ],
)
def test_evaluation_clips_with_the_official_evaluator(year, names, domain, auc, tmp_path, capsys):
    """What `skasd score` writes has paths and no machines; the evaluator knows more machines than one."""
    clips = [tmp_path / "eval_data" / "fan" / name for name in names]
    for clip in clips:
        clip.parent.mkdir(parents=True, exist_ok=True)
        clip.touch()
    write_evaluator(tmp_path / "evaluator", year, clips, [0, 0, 1, 1, 0, 0, 1, 1])
    scores = pd.DataFrame({"path": clips, "anomaly_score": [1.0, 2, 1, 3, 1, 2, 3, 4], "threshold": 2.5})
    scores.to_csv(tmp_path / "scores.csv", index=False)
    assert main(["evaluate", str(tmp_path / "scores.csv"), str(tmp_path / "evaluator"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rules = 2026 if year == 2022 else year
    assert (found["year"], found["n_clips"]) == (rules, 8)
    figures = pd.DataFrame(found["figures"]).query("machine == ''").set_index(["domain", "metric"])["value"]
    assert figures[domain, "AUC"] == pytest.approx(auc)


def test_a_benchmark_without_labels_gives_scores(recordings, tmp_path, capsys):
    # evaluation data as the challenge hands it out
    machine = tmp_path / "eval_data" / "fan"
    shutil.copytree(recordings / "train", machine / "train")
    (machine / "test").mkdir()
    for number, path in enumerate(sorted((recordings / "test").iterdir())[:4]):
        shutil.copy(path, machine / "test" / f"section_00_{number:04d}.wav")
    out = tmp_path / "out"
    assert main(["benchmark", str(tmp_path / "eval_data"), "-o", str(out)]) == 0
    assert "no figures of fan: no test clip there has a label" in capsys.readouterr().err
    assert (out / "submissions/default/seed_0/anomaly_score_fan_section_00_test.csv").is_file()


@pytest.mark.long
def test_demo_runs_the_other_commands(tmp_path, capsys):
    assert main(["demo", "-o", str(tmp_path / "demo"), "--clips", "24"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[2] for line in out.splitlines() if line.startswith("$ ")] == [
        "fit",
        "score",
        "evaluate",
        "report",
    ]
    assert (tmp_path / "demo" / "report.html").stat().st_size > 10_000


def test_systems_lists_all(capsys):
    assert main(["systems", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert set(listed["systems"]) == {"default", *skasd.systems.__all__}
    assert "Morita_SECOM_task2_3" in listed["submissions"]
    assert main(["systems"]) == 0
    assert "secom2021(" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "nowhere", "-o", "m"], "nowhere"),
        (["fit", "{recordings}/train", "-o", "{tmp}/m", "--system", "secom2012"], "secom2021"),
        (["fit", "{recordings}/train", "-o", "{tmp}/m", "--machine", "fan"], "no machine 'fan'"),
        (["fit", "{recordings}/train", "-o", "{tmp}/m", "--contamination", "2"], "contamination"),
        (["fit", "{recordings}/train", "-o", "{model}/below"], "cannot be written"),
        (["score", "{recordings}/test", "x.wav"], "test"),
        (["score", "{model}", "{tmp}"], "no sound file"),
        (["evaluate", "{tmp}/none.csv", "{recordings}/test"], "none.csv"),
        (["benchmark", "{recordings}", "--systems", "nope", "-o", "{tmp}/b"], "nope"),
        (["report", "{tmp}/none.csv", "-o", "{tmp}/r.html"], "none.csv"),
    ],
)
def test_errors_are_one_line(arguments, message, recordings, model, tmp_path, capsys):
    places = {"recordings": recordings, "tmp": tmp_path, "model": model}
    assert main([argument.format(**places) for argument in arguments]) == 2
    text = capsys.readouterr()
    assert message in text.err
    assert "Traceback" not in text.err
    assert text.err.splitlines()[-1].startswith("skasd: error: ")


def test_several_machines_need_a_choice(recordings, tmp_path, capsys):
    for name in ("fan", "pump"):
        shutil.copytree(recordings, tmp_path / "dev_data" / name)
    assert main(["fit", str(tmp_path), "-o", str(tmp_path / "m")]) == 2
    assert "fan, pump" in capsys.readouterr().err
    assert main(["fit", str(tmp_path), "-o", str(tmp_path / "m"), "--machine", "pump", "-q"]) == 0
    assert main(["fit", str(tmp_path / "dev_data" / "fan"), "-o", str(tmp_path / "m"), "-q"]) == 0


@pytest.mark.long
def test_as_a_process(model, tmp_path):
    command = [sys.executable, "-m", "skasd"]
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.strip() == f"skasd {skasd.__version__}"
    wrong = subprocess.run(
        [*command, "score", model, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "no sound file" in wrong.stderr


def test_proxies_are_learnt_from_by_systems_with_outlier_exposure(recordings, tmp_path, capsys):
    write_machine_sounds(tmp_path, machine="pump", n_train=8, n_test=2, duration=0.5, random_state=1)
    train, model = str(recordings / "train"), str(tmp_path / "m")
    arguments = ["fit", train, "-o", model, "--system", "itmo2022_autoencoder:max_epochs=1"]
    assert main(arguments) == 2
    assert "proxy" in capsys.readouterr().err
    assert main([*arguments, "--proxies", str(tmp_path)]) == 0
    assert "40 recordings below" in (text := capsys.readouterr().err)
    assert "9 of other machines" in text
    assert main([*arguments, "--proxies", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == []
    assert len(skasd.load(model).training_paths_) == 40


def test_groups_are_held_out_together(recordings, tmp_path, capsys):
    train, model = str(recordings / "train"), str(tmp_path / "m")
    scores = {}
    for told in ([], ["--groups-from", r"normal_00(\d)"]):
        assert main(["fit", train, "-o", model, "-q", *told]) == 0
        scores[len(told)] = skasd.load(model).training_scores_.tolist()
    assert scores[2] != scores[0]
    assert main(["fit", train, "-o", model, "--groups-from", "x(y)z"]) == 2
    assert "matches nothing" in capsys.readouterr().err
    assert main(["fit", train, "-o", model, "--groups-from", "x("]) == 2
    assert "regular expression" in capsys.readouterr().err


def test_recordings_are_recognised_by_their_names(recordings, tmp_path, capsys):
    train, model = tmp_path / "healthy", str(tmp_path / "m")
    train.mkdir()
    for number, path in enumerate(sorted((recordings / "train").glob("*.wav"))):
        shutil.copy(path, train / f"run{number // 4}_{number % 4}.wav")
    n = len(list(train.iterdir()))
    assert main(["fit", str(train), "-o", model]) == 0
    assert (
        f"{-(-n // 4)} recordings (by their names); the threshold leaves whole recordings out"
        in capsys.readouterr().err
    )
    assert len(set(skasd.load(model).groups_)) == -(-n // 4)
    assert main(["fit", str(recordings / "train"), "-o", model]) == 0
    assert "file names do not show which files come from one recording" in capsys.readouterr().err


def test_names_that_exist_are_no_patterns(recordings, model, tmp_path):
    clips = sorted((recordings / "test").glob("*.wav"))
    for name, clip in {"a[1].wav": clips[0], "a1.wav": clips[-1]}.items():
        shutil.copy(clip, tmp_path / name)
    named, out = str(tmp_path / "a[1].wav"), tmp_path / "s.csv"
    assert main(["score", model, named, str(clips[0]), "-o", str(out), "-q"]) == 0
    table = pd.read_csv(out)
    assert table["path"][0] == named
    assert table["anomaly_score"].nunique() == 1


def test_names_of_systems():
    assert split_names("a, b:x=1,y=2,c") == ["a", "b:x=1,y=2", "c"]
    assert split_names("a:x=1;b:y=2") == ["a:x=1", "b:y=2"]


def test_commands_are_short():
    folder = Path(skasd.cli.__file__).parent
    for path in folder.glob("_*.py"):
        bodies = re.split(r"^def run\(", path.read_text(), flags=re.MULTILINE)[1:]
        assert all(len(re.split(r"\n(?:def|class) ", body)[0].splitlines()) < 60 for body in bodies), path


@pytest.mark.slow
def test_four_commands_on_real_engines(real_data, tmp_path, capsys):
    folder = real_data("car_idle") / "dev_data" / "CarIdle"
    model, scores = str(tmp_path / "m.skasd"), str(tmp_path / "s.csv")
    assert main(["fit", str(folder / "train"), "-o", model]) == 0
    assert "73 recordings" in capsys.readouterr().out
    assert main(["score", model, str(folder / "test"), "-o", scores]) == 0
    assert main(["evaluate", scores, str(folder / "test"), "--year", "2023"]) == 0
    assert main(["report", scores, "-o", str(tmp_path / "r.html"), "--model", model]) == 0
    expected = api_scores(folder).set_index("path")
    table = pd.read_csv(scores).set_index("path").loc[expected.index]
    np.testing.assert_allclose(table["anomaly_score"], expected["anomaly_score"], rtol=1e-9)
    assert len(table) == 290


def test_an_interrupt_while_a_command_is_imported_has_no_traceback(monkeypatch, capsys):
    def interrupted(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr(skasd.cli, "_parser", interrupted)
    assert main(["fit", "x", "-o", "y"]) == 130
    assert capsys.readouterr().err == "skasd: error: interrupted\n"
