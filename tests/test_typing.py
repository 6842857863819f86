"""What type checkers, and with them editors, say of code that uses the package."""

from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.long  # without its cache mypy reads the package for half a minute

WRONG = """
from skasd import MFNEmbeder
from skasd import LogMelTransformer, MahalanobisScorer, MFNEmbedder
from skasd.datasets import load_folder
MahalanobisScorer(contaminatoin=0.1)
MFNEmbedder(optimizer="adamm")
MFNEmbedder(max_epochs="three")
load_folder("recordings", sections="00")
"""
RIGHT = """
from sklearn.pipeline import make_pipeline
from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MFNEmbedder, save
from skasd.datasets import load_folder

table = load_folder("recordings")
reveal_type(KNNScorer())
reveal_type(KNNScorer().score_samples([[2.0]]))
MFNEmbedder(max_epochs=3, optimizer="adam", merge=("mean", "std"))
save(make_pipeline(LogMelTransformer(), ClipStatistics(), KNNScorer()), "model.skasd")
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What mypy says of both, by file; its cache is the one of `make lint`."""
    folder = tmp_path_factory.mktemp("code")
    for name, code in (("wrong", WRONG), ("right", RIGHT)):
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYPYPATH", str(ROOT))
        patch.chdir(ROOT)
        out, _, _ = api.run([str(folder / "wrong.py"), str(folder / "right.py"), "--hide-error-context"])
    return {
        name: [line.partition(f"{name}.py:")[2] for line in out.splitlines() if f"{name}.py:" in line]
        for name in ("wrong", "right")
    }


def test_misspelt_names_arguments_and_values_are_errors(found):
    errors = {int(line.split(":")[0]): line for line in found["wrong"] if " error: " in line}
    assert sorted(errors) == [2, 5, 6, 7, 8]
    assert "MFNEmbedder" in errors[2]
    assert "contamination" in errors[5]


def test_right_code_passes_and_results_have_types(found):
    assert not [line for line in found["right"] if " error: " in line]
    revealed = [line.split("Revealed type is")[1] for line in found["right"] if "Revealed" in line]
    for expected, said in zip(("KNNScorer", "ndarray"), revealed, strict=True):
        assert expected in said
