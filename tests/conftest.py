"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data():
    """Return a function ``real_data(name) -> Path`` of a folder of real recordings, or skip the test.

    The folder is looked for in ``$SKASD_DATA``, else in ``shared/data`` beside the checkout.
    """
    root = Path(os.environ.get("SKASD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")

    def folder(name):
        path = root / name
        if not path.is_dir():
            pytest.skip(f"real recordings not present: no folder {name!r} in {root} (set SKASD_DATA)")
        return path

    return folder
