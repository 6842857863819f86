"""Every command in a terminal, where progress bars are shown, and with its result in a pipe."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

import skasd
from skasd.benchmark import System
from skasd.cli import main
from skasd.cli._arguments import DEFAULT_SYSTEM
from skasd.cli._console import Console, printable
from skasd.cli._systems import default_detector, show_progress
from skasd.datasets import write_machine_sounds

SKASD = [sys.executable, "-m", "skasd"]
# what is fast enough for every run of the tests; the others are marked slow
QUICK_SYSTEM = "official_autoencoder:max_epochs=2"
# settings that make a system small
SMALL = {
    DEFAULT_SYSTEM: "",
    "cqupt2023": "width=0.25",
    "cqupt2023_ensemble": "number=2",
    "itmo2022": "n_clips=4,n_added=8,batch_size=8",
    "itmo2022_autoencoder": "",
    "itmo2022_image": "n_clips=4,n_added=8,batch_size=8,width=0.25",
    "jless2022_dpt": "",
    "jless2022_ensemble": "",
    "jless2022_mfn": "",
    "official_autoencoder": "",
    "official_mobilenetv2": "patch_hop=16",
    "scu2024": "",
    "scu2024_classification": "n_samples=16000,branch_dim=16",
    "scu2024_oevae": "width=8",
    "secom2021": "model=mobilenetv2,width=0.25",
    "Morita_SECOM_task2_3": "",
    "wilkinghoff_multibranch": "n_samples=16000,branch_dim=16",
}


def small(name):
    settings = [part for part in (SMALL[name], "max_epochs=1" * (name != DEFAULT_SYSTEM)) if part]
    return f"{name}:{','.join(settings)}" if settings else name


@pytest.fixture(scope="module")
def two_machines(tmp_path_factory):
    """A machine with two sections, and another one that stands in for anomalies."""
    folder = tmp_path_factory.mktemp("two_machines")
    settings = {"n_train": 16, "n_test": 4, "n_target_train": 4, "duration": 2.1}
    write_machine_sounds(folder / "own", machine="fan", n_sections=2, random_state=0, **settings)
    write_machine_sounds(folder / "others", machine="pump", random_state=1, **settings)
    return folder


@pytest.mark.long
def test_fit_with_a_network_score_and_evaluate(recordings, tmp_path, in_terminal):
    model, scores, test = str(tmp_path / "m.skasd"), str(tmp_path / "s.csv"), str(recordings / "test")
    arguments = [str(recordings / "train"), "-o", model, "--system", QUICK_SYSTEM]
    fitted = in_terminal([*SKASD, "fit", *arguments])
    assert fitted.code == 0, fitted.err
    assert "AutoencoderEmbedder: 100%" in fitted.err
    assert fitted.out.splitlines() == [f"model: {model} ({QUICK_SYSTEM}, 40 recordings)"]
    scored = in_terminal([*SKASD, "score", model, test, "-o", scores], "pipe")
    assert scored.code == 0, scored.err
    assert "LogMelTransformer: 100%" in scored.err
    assert "sound anomalous" in scored.out
    assert len(scored.out.splitlines()) == 1
    evaluated = in_terminal([*SKASD, "evaluate", scores, test])
    assert evaluated.code == 0, evaluated.err
    assert "AUC" not in evaluated.err
    assert "AUC" in evaluated.out
    assert all(part.verbose == 0 for _, part in skasd.load(model).steps if hasattr(part, "verbose"))


@pytest.mark.long
def test_demo_and_report(tmp_path, in_terminal):
    shown = in_terminal([*SKASD, "demo", "-o", str(tmp_path / "demo"), "--clips", "24"])
    assert shown.code == 0, shown.err
    assert "embedding: 100%" in shown.err
    assert "%|" not in shown.out
    scores, page = str(tmp_path / "demo" / "scores.csv"), tmp_path / "r.html"
    reported = in_terminal([*SKASD, "report", scores, "-o", str(page)], "pipe")
    assert reported.code == 0, reported.err
    assert reported.out.startswith(f"report: {page}")


@pytest.mark.long
def test_benchmark_and_systems(recordings, tmp_path, in_terminal):
    arguments = ["benchmark", str(recordings), "-o", str(tmp_path / "b")]
    run = in_terminal([*SKASD, *arguments])
    assert run.code == 0, run.err
    assert "benchmark: 100%" in run.err
    assert "%|" not in run.out
    listed = in_terminal([*SKASD, "systems"], "pipe")
    assert listed.code == 0, listed.err
    assert listed.err == ""
    assert "secom2021(" in listed.out


@pytest.mark.long
def test_control_c_leaves_no_model(recordings, tmp_path, in_terminal):
    model = tmp_path / "m.skasd"
    arguments = ["fit", str(recordings / "train"), "-o", str(model)]
    system = ["--system", "official_autoencoder:max_epochs=1000000"]
    stopped = in_terminal([*SKASD, *arguments, *system], interrupt_at="/1000000 [00:0")
    assert stopped.code == 130, stopped.err
    assert "interrupted" in stopped.err
    assert "Traceback" not in stopped.err
    assert stopped.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_quiet_and_json_show_no_bars(recordings, model, tmp_path, in_terminal):
    files = str(recordings / "test" / "*normal*.wav")
    quiet = in_terminal([*SKASD, "score", model, files, "-q", "-o", str(tmp_path / "s.csv")])
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    as_json = in_terminal([*SKASD, "score", model, files, "--json"], "pipe")
    assert as_json.err == ""
    assert len(json.loads(as_json.out)["clips"]) == len(pd.read_csv(tmp_path / "s.csv"))


def test_all_systems_are_tried():
    assert set(skasd.systems.__all__) - {"secom2021_submission", "jless2022_submission"} <= set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_bars_are_valid_parameters_of_every_system(name):
    """Each part is judged by its own rules, without being fitted."""
    source = default_detector() if name == DEFAULT_SYSTEM else small(name)
    detector = System(name, source).make(0, "fan")
    before = detector.get_params(deep=True)
    show_progress(detector, True)
    parameters = detector.get_params(deep=True)
    parts = [detector, *(value for value in parameters.values() if isinstance(value, BaseEstimator))]
    for part in parts:
        if hasattr(part, "_parameter_constraints"):
            part._validate_params()
    assert any(key.endswith("verbose") and value for key, value in parameters.items())
    show_progress(detector, False)
    after = detector.get_params(deep=True)
    assert {k: v for k, v in after.items() if k.endswith("verbose")} == {
        k: v for k, v in before.items() if k.endswith("verbose")
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_every_system_fits_and_scores(name, two_machines, tmp_path, in_terminal):
    own, model = two_machines / "own" / "dev_data" / "fan", str(tmp_path / "m.skasd")
    arguments = ["--system", small(name), "--proxies", str(two_machines / "others")]
    fitted = in_terminal([*SKASD, "fit", str(own / "train"), "-o", model, *arguments])
    assert fitted.code == 0, fitted.err
    assert "100%" in fitted.err
    assert fitted.out.startswith("model: ")
    scores = tmp_path / "s.csv"
    scored = in_terminal([*SKASD, "score", model, str(own / "test"), "-o", str(scores)], "pipe")
    assert scored.code == 0, scored.err
    assert "100%" in scored.err
    assert len(scored.out.splitlines()) == 1
    assert pd.read_csv(scores)["anomaly_score"].nunique() > 4


def test_the_model_does_not_depend_on_who_watches(recordings, tmp_path, monkeypatch):
    model = tmp_path / "m.skasd"
    arguments = ["fit", str(recordings / "train"), "-o", str(model)]
    assert main([*arguments, "-q"]) == 0
    unseen = model.read_bytes()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(arguments) == 0
    assert model.read_bytes() == unseen


def test_control_characters_of_names_are_shown_not_obeyed(capsys):
    assert printable("a\x1b[2Jb\nc\rd\u202ee\udcff.wav") == "a\\x1b[2Jb\\nc\\rd\\u202ee\\udcff.wav"
    assert printable("Pumpe Süd – 泵.wav") == "Pumpe Süd – 泵.wav"
    console = Console()
    console.say("two\nlines\x1b[31m")
    console.table(pd.DataFrame({"path": ["a\x1b]0;title\x07\n.wav"], "anomaly_score": [np.nan]}))
    console.trouble("red \x1b[31m")
    text = capsys.readouterr()
    assert "\x1b" not in text.out + text.err
    assert text.out.splitlines()[:2] == ["two", "lines\\x1b[31m"]
    assert len(text.out.splitlines()) == 4
    assert "\\x1b]0;title\\x07\\n.wav" in text.out


@pytest.mark.long
@pytest.mark.parametrize("command", [["info", "{model}"], ["systems", "--json"]])
def test_a_reader_that_has_had_enough(model, command):
    arguments = [part.format(model=model) for part in command]
    with subprocess.Popen(
        [*SKASD, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()  # before anything is written
        said = process.stderr.read()
    assert process.returncode == 141
    assert said == ""


def test_a_warning_is_shown_once(capsys):
    console = Console()
    for text in ("too few clips", "too few clips", "no sound"):
        console.show_warning(UserWarning(text), UserWarning, "file.py", 1)
    assert capsys.readouterr().err.splitlines() == [
        "skasd: warning: too few clips",
        "skasd: warning: no sound",
    ]


def test_columns_stand_below_their_headings(capsys):
    table = pd.DataFrame(
        {"machine": ["Prüfstand Süd 3", "b"], "normal": [10, 5], "rate": [0.1, np.nan], "text": ["x", ""]}
    )
    Console().table(table)
    head, first, second = capsys.readouterr().out.splitlines()
    assert first == "Prüfstand Süd 3  10      0.1000  x"
    assert second == "b                 5"
    assert [head.index(name) for name in table] == [0, 17, 25, 33]
