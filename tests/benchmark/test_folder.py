"""What is written, and that it can be read again."""

import json

import numpy as np
import pandas as pd
import pytest

from skasd.benchmark import BenchmarkResult, run
from skasd.metrics import evaluate_submission


def files(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "cells" not in path.parts
    }


def test_files_and_reading_them(tmp_path, two_machines, quick):
    result = run(quick, two_machines, seeds=[0, 4], out=tmp_path)
    names = {"results.csv", "summary.csv", "timings.csv", "failures.csv", "run.json"}
    for system in quick:
        for seed in (0, 4):
            for machine in ("fan", "pump"):
                names.add(f"scores/{system}/seed_{seed}/{machine}.csv")
                for section in ("00", "01"):
                    for kind in ("anomaly_score", "decision_result"):
                        names.add(
                            f"submissions/{system}/seed_{seed}/{kind}_{machine}_section_{section}_test.csv"
                        )
    assert files(tmp_path) == names
    again = BenchmarkResult.from_folder(tmp_path)
    for name in ("table", "scores", "timings", "failures"):
        pd.testing.assert_frame_equal(
            getattr(again, name), getattr(result, name), check_dtype=False, check_exact=True
        )
    assert again.settings == result.settings
    pd.testing.assert_frame_equal(again.summary(), result.summary())
    table = pd.read_csv(tmp_path / "scores" / "knn" / "seed_4" / "fan.csv")
    assert list(table) == [
        *("path", "anomaly_score", "decision", "threshold", "machine", "section", "domain", "y"),
        *("attribute", "error"),
    ]
    settings = json.loads((tmp_path / "run.json").read_text())
    assert settings["seeds"] == [0, 4]
    assert "KNNScorer()" in settings["systems"]["knn"]
    assert "numpy" in settings["versions"]


def test_submissions_score_as_the_table_says(tmp_path, two_machines, quick):
    result = run(quick["knn"], {"both": two_machines}, out=tmp_path / "out", year=2023)
    scores = result.scores
    for (machine, section), part in scores.groupby(["machine", "section"]):
        columns = {"data": (part["y"] == -1).astype(int), "domain": (part["domain"] == "target").astype(int)}
        for kind, values in columns.items():
            truth = tmp_path / f"ground_truth_{kind}" / f"ground_truth_{machine}_section_{section}_test.csv"
            truth.parent.mkdir(exist_ok=True)
            pd.DataFrame({"path": part["path"], "value": values}).to_csv(truth, header=False, index=False)
    (folder,) = (tmp_path / "out" / "submissions").glob("*/seed_0")
    official = evaluate_submission(folder, tmp_path, 2023)
    assert result.table.query("machine == '' and metric == 'official score'").value.item() == pytest.approx(
        official.score, abs=1e-12
    )


def test_evaluation_clips_are_submitted_apart(tmp_path, two_machines, quick):
    X, table = two_machines.X, two_machines.table.copy()
    table.loc[table["machine"] == "pump", "set"] = "eval"
    told = "Figures over all machines of 'data' are over development and evaluation clips together"
    with pytest.warns(UserWarning, match=told):
        run(quick["knn"], (X, table), out=tmp_path)
    (folder,) = (tmp_path / "submissions").glob("*/seed_0")
    assert {path.name.split("_")[2] for path in (folder / "eval").iterdir()} == {"pump"}
    assert {path.name.split("_")[2] for path in (folder / "dev").iterdir()} == {"fan"}
    table.loc[(table["machine"] == "pump") & (table["split"] == "test"), ["y", "domain"]] = pd.NA
    run(quick["knn"], (X, table), out=tmp_path)  # figures of the development clips alone


def test_several_data_sets_have_folders_of_their_own(tmp_path, gearbox, two_machines, quick):
    result = run({"a:b": quick["knn"]}, {"one": gearbox, "two": two_machines}, out=tmp_path)
    found = {name for name in files(tmp_path) if name.startswith("scores")}
    assert found == {
        *("scores/a_b/seed_0/one/gearbox.csv", "scores/a_b/seed_0/two/fan.csv"),
        "scores/a_b/seed_0/two/pump.csv",
    }
    again = BenchmarkResult.from_folder(tmp_path)
    pd.testing.assert_frame_equal(again.scores, result.scores, check_dtype=False)
    assert (tmp_path / "submissions/a_b/seed_0/two/anomaly_score_fan_section_01_test.csv").is_file()


def test_results_of_an_earlier_run_are_not_mixed_in(tmp_path, gearbox, quick):
    run(quick, gearbox, seeds=3, out=tmp_path)
    foreign = tmp_path / "scores" / "notes.txt"
    foreign.write_text("mine")
    run({"knn": quick["knn"]}, gearbox, out=tmp_path)
    found = files(tmp_path)
    assert {name for name in found if name.startswith("scores")} == {
        "scores/knn/seed_0/gearbox.csv",
        "scores/notes.txt",
    }
    assert not (tmp_path / "scores" / "forest").exists()
    assert set(pd.read_csv(tmp_path / "results.csv")["system"]) == {"knn"}


def test_an_evil_list_of_files_removes_nothing_elsewhere(tmp_path, gearbox, quick):
    out = tmp_path / "out"
    run(quick["knn"], gearbox, out=out)
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    settings = json.loads((out / "run.json").read_text())
    settings["files"] += ["../mine.txt", str(mine)]
    (out / "run.json").write_text(json.dumps(settings))
    run(quick["knn"], gearbox, seeds=2, out=out)
    assert mine.exists()


def test_sections_that_the_challenge_has_no_names_for(tmp_path, gearbox, quick):
    data = (gearbox.X, gearbox.table.assign(section="left hall"))
    result = run(quick["knn"], data, out=tmp_path)
    assert not (tmp_path / "submissions").exists()
    assert "left hall" in result.settings["no_submission"][0]["why"]
    assert BenchmarkResult.from_folder(tmp_path).table["section"].unique().tolist() == ["left hall", ""]


def test_unlabelled_clips_are_scored_and_submitted(tmp_path, gearbox, quick):
    table = gearbox.table.assign(y=gearbox.table["y"].where(gearbox.table["split"] == "train"))
    with pytest.warns(UserWarning, match="no test clip has both"):
        result = run(quick["knn"], (gearbox.X, table), out=tmp_path)
    assert result.table.empty
    assert np.isfinite(result.scores["anomaly_score"]).all()
    assert result.settings["submissions"]
    assert BenchmarkResult.from_folder(tmp_path).scores["y"].isna().all()
    assert repr(result) == "BenchmarkResult(1 systems, 1 data sets, 1 seeds, 20 scores)"
    assert "20 scores" in result._repr_html_()


def test_no_benchmark_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.json"):
        BenchmarkResult.from_folder(tmp_path)
