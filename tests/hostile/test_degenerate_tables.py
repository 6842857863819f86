"""Degenerate tables: every estimator gives finite numbers, or a clear error; NaN only for rows that are NaN."""

import os
import re
import traceback
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.base import clone

from skasd.clips import RecordingConditions
from tests.hostile.tables import N_COLUMNS, N_ROWS, degenerate_tables, rows
from tests.test_estimator_checks import instances

PACKAGE = Path(__file__).resolve().parents[2] / "skasd"
# other tables of each kind: SKASD_HOSTILE=100 tries that many
N_SEEDS = int(os.environ.get("SKASD_HOSTILE", "1"))
# what an error must say, by the beginning of the table's name; of others, that it is about rows, clips or sections
CAUSES = {
    "a row partly NaN": "NaN",
    "infinite": "infinit",
    "minus infinite": "infinit",
    "all rows NaN": r"NaN|skipped|None of the 8 clips",
    "NaN rows": r"NaN|skipped|ection '[ab]'",
    "no rows": "0 sample|n_samples=0",
    "no columns": r"0 feature|shape=\(8, 0\)",
    "all proxies": "prox",
    "all but one proxies": r"prox|n_samples=1\b|1 training clips|1 of 1 rows",
    "sections of other length": "section has 2 entries for 8",
    "domains of other length": "domain has 1 entries for 8",
    "one recording": "group 0",
    "1e": "values up to|magnitude|far|different|finite|diverged",
    "one number of 1e300": r"e\+(299|300)",  # scaled by some
}
SMALLER = {"SpectrumTransformer": {"n_samples": 2000}, "MobileNetV2Embedder": {"width": 0.25}}
OTHERWISE = "rows?|clips?|[Ss]ection|domain|features?"


def estimators():
    """Return those that learn from or change a table; the conditions of recordings only look at files."""
    found = [estimator for estimator in instances() if not isinstance(estimator, RecordingConditions)]
    return [estimator.set_params(**SMALLER.get(type(estimator).__name__, {})) for estimator in found]


def taken(estimator):
    """Return the names of the metadata that fit takes."""
    names = ["section", "domain", "proxy", "groups"]
    return set(estimator.get_metadata_routing().consumes("fit", names))


def output(estimator, X):
    found = estimator.transform(X) if hasattr(estimator, "transform") else estimator.score_samples(X)
    return np.asarray(found, dtype=np.float64).reshape(len(found), -1)


def is_ours(error):
    """Return whether an error was raised by the package or by scikit-learn's checks of input, not deep inside."""
    place = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return PACKAGE in place.parents or place.parts[-3:] == ("sklearn", "utils", "validation.py")


def cause(name):
    return next(
        (CAUSES[known] for known in sorted(CAUSES, key=len)[::-1] if name.startswith(known)), OTHERWISE
    )


def what_is_wrong(name, use):
    """Return what is wrong with what a use of a table gives, in words; None if nothing is.

    Parameters
    ----------
    name : str
        Of the table.

    use : callable
        Yields pairs of rows and what the estimator makes of them.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outputs = list(use())
        except (ValueError, TypeError) as error:
            if not is_ours(error):
                return f"{error!r} from {traceback.extract_tb(error.__traceback__)[-1].filename}"
            return None if re.search(cause(name), str(error)) else f"does not name the cause: {error!r}"
        except Exception as error:
            return repr(error)
    for one in caught:
        if not issubclass(one.category, UserWarning):  # whose kinds are written for users
            return f"{one.category.__name__}: {one.message}"
    for X, out in outputs:
        skipped = np.isnan(X.astype(float)).all(axis=1)
        if len(out) != len(X) or not np.isfinite(out[~skipped]).all() or not np.isnan(out[skipped]).all():
            return f"not finite, or not NaN for skipped rows: {out}"
    return None


@pytest.mark.parametrize("estimator", estimators(), ids=lambda estimator: type(estimator).__name__)
def test_degenerate_tables(estimator):
    with sklearn.config_context(enable_metadata_routing=True):
        wrong = [
            f"{use}, {name} ({seed=}): {found}"
            for seed in range(N_SEEDS)
            for use, name, found in tries(estimator, seed)
            if found is not None
        ]
    assert not wrong, "\n".join(wrong)


def tries(estimator, seed):
    """Yield what was done with an estimator, the name of the table, and what is wrong with it."""
    good = {}  # models of good rows, by the number of columns
    for name, (X, metadata) in degenerate_tables(seed).items():
        if not set(metadata) <= taken(estimator):
            continue
        n_columns = X.shape[1] or N_COLUMNS

        def fit(X=X, metadata=metadata, n_columns=n_columns):
            model = clone(estimator).fit(X, **metadata)
            assert np.isfinite(getattr(model, "offset_", 0))
            for table in (X, rows(3, n_columns)):
                yield table, output(model, table)

        yield "fit", name, what_is_wrong(name, fit)
        if metadata:
            continue

        def score(X=X, n_columns=n_columns):
            if n_columns not in good:
                good[n_columns] = clone(estimator).fit(rows(N_ROWS, n_columns))
            yield X, output(good[n_columns], X)

        yield "score", name, what_is_wrong(name, score)


def test_what_is_wrong_is_found():
    X = rows(3)
    assert what_is_wrong("zeros", lambda: [(X, X)]) is None
    assert "not finite" in what_is_wrong("zeros", lambda: [(X, X * np.nan)])
    assert "not finite" in what_is_wrong("zeros", lambda: [(X * np.nan, X)])
    assert "cannot reshape" in what_is_wrong("zeros", lambda: X.reshape(7))
    assert "IndexError" in what_is_wrong("zeros", lambda: X[7])
    assert "RuntimeWarning" in what_is_wrong("zeros", lambda: [(X, X), (X * 0, np.divide(X, X * 0) * 0)])
