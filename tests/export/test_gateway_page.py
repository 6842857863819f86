"""The code of the page "From a laptop to a gateway", each block where it is to run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import skasd
from skasd.export import onnx_detector

PAGE = Path(skasd.__file__).parents[1] / "docs" / "gateway.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is in the source tree only")
def test_the_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    laptop, gateway = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (tmp_path / "laptop").mkdir()
    monkeypatch.chdir(tmp_path / "laptop")
    names = {}
    exec(compile(laptop, "gateway.md", "exec"), names)
    assert capsys.readouterr().out.startswith("good: 10 clips")
    folder = tmp_path / "gateway"
    folder.mkdir()
    shutil.copy("pump.onnx", folder)
    shutil.copy(onnx_detector.__file__, folder)
    clip = np.repeat(names["sounds"].X[-1][:, None], 2, axis=1)
    soundfile.write(folder / "new.wav", clip, 16000, "PCM_16")
    command = [sys.executable, "-I", "-c", f"import sys\nsys.path.insert(0, {str(folder)!r})\n{gateway}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    decision, p_value = done.stdout.split()
    pcm = soundfile.read(folder / "new.wav", dtype="float32")[0][:, :1].T
    assert int(decision) == names["detector"].predict(pcm)[0]
    assert float(p_value) == pytest.approx(names["detector"].p_value(pcm)[0], abs=1e-5)
