"""What the package does to its surroundings: no sockets, and licences that are known."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

WITHOUT_SOCKETS = """
import socket, sys

class Forbidden(socket.socket):
    def __init__(self, *args, **kwargs):
        raise AssertionError("a socket was opened")

socket.socket = socket.create_connection = socket.getaddrinfo = Forbidden
"""
USE = """
import importlib, warnings
import numpy as np
import skasd
from sklearn.pipeline import make_pipeline
from skasd.datasets import make_machine_sounds

for name in skasd.__all__:
    getattr(skasd, name)
data = make_machine_sounds(n_train=24, n_test=8, duration=0.5, random_state=0)
train = (data.table["split"] == "train").to_numpy()
network = skasd.MFNEmbedder(max_epochs=1, patch_frames=16, random_state=0)
for detector in (
    make_pipeline(skasd.LogMelTransformer(), skasd.ClipStatistics(), skasd.MahalanobisScorer()),
    make_pipeline(skasd.LogMelTransformer(n_mels=32), network, skasd.LOFScorer()),
):
    detector.fit(data.X[train])
    assert np.isfinite(detector.score_samples(data.X[~train])).all()
    skasd.save(detector, sys.argv[1])
    skasd.load(sys.argv[1]).predict(data.X[~train])
"""


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_no_socket_at_import_or_use(tmp_path):
    done = run(WITHOUT_SOCKETS + USE, str(tmp_path / "model.skasd"))
    assert done.returncode == 0, done.stderr
    opened = run(WITHOUT_SOCKETS + "socket.create_connection(('127.0.0.1', 9))")
    assert "a socket was opened" in opened.stderr  # the guard guards


def listed():
    text = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w-]+)[^|]*\| ([^|]+) \|", text, re.M)
    return {name: licence for name, licence in rows if name != "package"}


EXTRAS = ("plot", "live", "onnx", "distributed", "pretrained")


def required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(each for name in EXTRAS for each in extras[name])]
    return [re.match(r"[\w-]+", requirement)[0] for requirement in wanted]


def test_every_dependency_has_its_licence_in_the_table():
    assert sorted(listed()) == sorted(required())


@pytest.mark.parametrize("name", required())
def test_the_licences_are_those_that_the_packages_name(name):
    try:
        said = metadata(name)
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    words = " ".join(
        [
            said.get("License-Expression") or "",
            (said.get("License") or "")[:200],
            *(entry for entry in said.get_all("Classifier", []) if entry.startswith("License")),
        ]
    )
    family = re.match(r"(BSD|MIT|ISC|LGPL|Apache|MPL|PSF)", listed()[name])[0]
    spelling = {"PSF": "Python Software Foundation", "LGPL": "LGPL"}.get(family, family)
    assert spelling in words or {"BSD": "Enthought"}.get(family, "\0") in words
