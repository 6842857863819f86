"""Model files of every format version load for ever and score as they did, or are refused with what to do."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from skasd.persistence import ModelFileError, load
from skasd.persistence._container import FORMAT_VERSION

from .format_versions import FILES, SCORES, models, output

# files that can no longer be loaded, and what the message says
REFUSED: dict[str, str] = {}
KNOWN = json.loads(SCORES.read_text(encoding="ascii"))


@pytest.mark.parametrize("file", KNOWN)
@pytest.mark.filterwarnings("ignore:.*was saved with:UserWarning")  # other versions of the libraries
def test_files_of_all_versions_load_and_score_as_they_did(file):
    name = re.fullmatch(r"version_\d+_(\w+)\.skasd", file)[1]
    if file in REFUSED:
        with pytest.raises(ModelFileError, match=REFUSED[file]):
            load(FILES / file)
        return
    make = models()[name][1]
    found = output(load(FILES / file), make(2))
    expected = np.array(KNOWN[file])
    # float32 features and networks round differently from machine to machine
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    assert not np.allclose(output(load(FILES / file), make(3)), expected, rtol=1e-2)


def test_every_version_has_its_files():
    names = {
        f"version_{version}_{name}.skasd" for version in range(1, FORMAT_VERSION + 1) for name in models()
    }
    assert set(KNOWN) == {path.name for path in FILES.glob("*.skasd")} == names
    assert sum(path.stat().st_size for path in FILES.iterdir()) < 100_000 * FORMAT_VERSION


def test_the_files_are_no_part_of_the_package():
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["setuptools"]["packages"]["find"]["include"] == ["skasd*"]
    assert not any(".skasd" in pattern for pattern in project["tool"]["setuptools"]["package-data"]["skasd"])
    assert "graft tests" in (Path(__file__).resolve().parents[2] / "MANIFEST.in").read_text("ascii")
