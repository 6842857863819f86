"""The oldest versions that are promised are those that are tested."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# no build for the CPU of an older one is on the package index (docs/decisions.md)
NEWER = {"torch"}


def pinned(file):
    lines = (ROOT / file).read_text("utf-8").splitlines()
    pins = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {name.lower().replace("_", "-"): version for name, version in pins}


def promised():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for requirement in (*project["dependencies"], *project["optional-dependencies"]["plot"]):
        name, version = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement).groups()
        yield name, version


def numbers(version):
    return (*map(int, version.split(".")), 0, 0)[:3]


def test_what_is_promised_is_tested():
    tested, newest = pinned("constraints-oldest.txt"), pinned("constraints.txt")
    names = dict(promised())
    assert len(names) > 15
    assert {name for name, version in names.items() if numbers(tested[name]) != numbers(version)} == NEWER
    # and a second environment differs from the first
    assert all(numbers(tested[name]) <= numbers(newest[name]) for name in names)
    assert sum(numbers(tested[name]) < numbers(newest[name]) for name in names) > 12


def test_the_oldest_versions_run_in_ci():
    assert re.search(r"^make test-oldest", (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE)
    assert "tests/test_estimator_checks.py tests/test_pipelines.py" in (ROOT / "Makefile").read_text("utf-8")
