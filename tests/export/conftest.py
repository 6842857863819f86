"""Sounds of a machine, healthy and with faults, that the tests of the export share."""

from types import SimpleNamespace

import pytest

from skasd.datasets import make_machine_sounds


@pytest.fixture(scope="package")
def sounds():
    """Healthy clips with what is known of them, and clips of several lengths, healthy and not."""
    made = make_machine_sounds(16, 8, duration=0.5, severity=2.0, n_sections=2, random_state=0)
    is_train = (made.table["split"] == "train").to_numpy()
    lengths = (8000, 7111, 900, 8000, 5000, 2049, 8000, 8000)
    mixed = [clip[:n] for clip, n in zip(made.X[~is_train][::2], lengths, strict=True)]
    mixed += list(made.X[is_train][:2])
    known = {name: made.table[name].to_numpy()[is_train] for name in ("section", "domain")}
    return SimpleNamespace(healthy=made.X[is_train], mixed=mixed, **known)
