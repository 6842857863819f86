"""Scoring in parts, and by the workers of a cluster."""

import json
import sys

import pandas as pd
import pytest

from skasd.cli import main

SKASD = [sys.executable, "-m", "skasd"]


@pytest.fixture
def shards(recordings, model, tmp_path):
    for number in (3, 1, 2):  # in any order
        arguments = ["--shard", f"{number}/3", "-o", str(tmp_path / f"part{number}.csv"), "-q"]
        assert main(["score", model, str(recordings / "test"), *arguments]) == 0
    return tmp_path


def test_parts_evaluate_as_the_whole(recordings, scores, shards, capsys):
    whole, test = pd.read_csv(scores), str(recordings / "test")
    parts = [pd.read_csv(shards / f"part{number}.csv") for number in (1, 2, 3)]
    together = pd.concat(parts).set_index("path").loc[whole["path"]].reset_index()
    assert together["shard"].str.fullmatch("[123]/3 of 30").all()
    pd.testing.assert_frame_equal(together.drop(columns="shard"), whole)
    capsys.readouterr()
    figures = []
    for tables in ([scores], [str(shards / "part*.csv")], [str(shards / f"part{n}.csv") for n in (2, 3, 1)]):
        assert main(["evaluate", *tables, test, "--json"]) == 0
        figures.append(json.loads(capsys.readouterr().out))
    assert figures[0] == figures[1] == figures[2]


def test_a_part_is_the_same_each_time_and_missing_ones_are_named(recordings, model, shards, capsys):
    before = (shards / "part2.csv").read_bytes()
    arguments = ["score", model, str(recordings / "test"), "--shard", "2/3", "-q"]
    assert main([*arguments, "-o", str(shards / "part2.csv")]) == 0
    assert (shards / "part2.csv").read_bytes() == before
    (shards / "part2.csv").unlink()
    test = str(recordings / "test")
    assert main(["evaluate", str(shards / "part*.csv"), test]) == 2
    assert "Missing shards: 2/3" in capsys.readouterr().err
    assert main(["report", str(shards / "part*.csv"), "-o", str(shards / "r.html")]) == 2
    assert "Missing shards: 2/3" in capsys.readouterr().err
    assert main(["evaluate", str(shards / "part7*.csv"), test]) == 2
    assert "part7*.csv" in capsys.readouterr().err
    assert main([*arguments[:-2], "31/31"]) == 2
    assert "only 30 recordings" in capsys.readouterr().err


def test_a_report_of_parts(shards, capsys):
    assert main(["report", str(shards / "part*.csv"), "-o", str(shards / "r.html"), "--clips", "1"]) == 0
    assert "30 recordings" in (shards / "r.html").read_text()


@pytest.mark.slow
def test_a_cluster_scores_the_same(recordings, model, scores, tmp_path, in_terminal, monkeypatch):
    distributed = pytest.importorskip("distributed")
    out = tmp_path / "s.csv"
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        arguments = ["--scheduler", cluster.scheduler_address, "-o", str(out)]
        scored = in_terminal([*SKASD, "score", model, str(recordings / "test"), *arguments])
        done = cluster.scheduler.transition_counter
    assert scored.code == 0, scored.err
    assert done > 0
    assert "embedding: 100%" in scored.err
    pd.testing.assert_frame_equal(pd.read_csv(out), pd.read_csv(scores))


def test_a_scheduler_that_is_not_there_is_told_at_once(recordings, model, capsys, monkeypatch):
    distributed = pytest.importorskip("distributed")

    def refuse(address, **_):
        raise OSError(f"Timed out trying to connect to {address} after 10 s")

    monkeypatch.setattr(distributed, "Client", refuse)
    assert main(["score", model, str(recordings / "test"), "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "tcp://127.0.0.1:9" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["score", model, str(recordings / "test"), "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "skasd[distributed]" in capsys.readouterr().err
