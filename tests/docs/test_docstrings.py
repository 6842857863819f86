"""The check of docstrings finds what it is there for."""

import pytest

from tests import docstrings


def right(n_clips, merge="mean", *, groups=None):
    """Return the number of clips.

    Parameters
    ----------
    n_clips : int
        How many.

    merge : {"mean", "std"}, default="mean"
        Either.

    groups : array-like, default=None
        Groups.
    """


def wrong(n_clips, merge="mean", *, groups=None):
    """What comes of the clips.

    Parameters
    ----------
    n_clips : int, default=3
        How many.

    merge : {"mean", "std"}, default="std"
        Either.

    groups : array-like
        Groups.
    """


def test_defaults_are_those_of_the_signature():
    assert not list(docstrings.default_faults(right))
    assert sorted(code for code, _ in docstrings.default_faults(wrong)) == ["DF01", "DF02", "DF03"]


@pytest.mark.parametrize(
    ("stated", "default", "is_same"),
    [
        ("5", 5, True),
        ("5", 6, False),
        ("None", None, True),
        ("np.float32", "float32", False),
        ("()", (), True),
    ],
)
def test_what_counts_as_the_same_default(stated, default, is_same):
    assert docstrings.same(stated, default) is is_same


def test_first_lines_that_are_riddles():
    assert not docstrings.RIDDLES.search(right.__doc__.partition("\n")[0])
    assert docstrings.RIDDLES.search(wrong.__doc__.partition("\n")[0])
    assert not list(docstrings.riddles())


def test_it_looks_at_everything_public():
    names = set(docstrings.public_names())
    assert {"skasd.scorers.LOFScorer", "skasd.labels.as_labels"} <= names
    assert {
        "skasd.metrics.harmonic_auc",
        "skasd.model_selection.RecordingKFold.split",
        "skasd.persistence.save",
    } <= names
    assert len(names) > 250
