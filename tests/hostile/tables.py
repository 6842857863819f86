"""Training tables at the edge of what can be learnt from."""

import numpy as np

N_ROWS, N_COLUMNS = 8, 12


def rows(n_rows, n_columns=N_COLUMNS, seed=0):
    """Return a table of which there is nothing to say."""
    return np.random.default_rng(seed).normal(size=(n_rows, n_columns))


def degenerate_tables(seed=0, n_columns=N_COLUMNS, wide=60):
    """Return tables by name: the rows, of shape (n_rows, n_columns), and the metadata of fit."""
    rng = np.random.default_rng(seed)
    good = rows(N_ROWS, n_columns, seed)
    n_rows = len(good)

    def changed(where, value):
        table = good.copy()
        table[where] = value
        return table

    constant = [int(i) for i in rng.choice(n_columns, 3, replace=False)]
    one = int(rng.integers(n_rows))
    tables = {
        "one row": good[:1],
        "two equal rows": good[[0, 0]],
        "all rows equal": good[[0] * n_rows],
        "zeros": np.zeros_like(good),
        "constant columns": changed((slice(None), constant), rng.normal()),
        "NaN rows": changed([one, (one + 3) % n_rows], np.nan),
        "all rows NaN": np.full_like(good, np.nan),
        "a row partly NaN": changed((one, constant[0]), np.nan),
        "infinite": changed((one, constant[0]), np.inf),
        "minus infinite": changed((one, constant[0]), -np.inf),
        "one number of 1e300": changed((one, constant[0]), 1e300),
        "1e300": 1e300 * good.clip(-1, 1),
        "1e160": 1e160 * good,
        "1e30": 1e30 * good,
        "1e-30": 1e-30 * good,
        "1e-160": 1e-160 * good,
        "1e-300": 1e-300 * good,
        "one column": good[:, :1],
        "one constant column": np.ones((n_rows, 1)),
        "more columns than rows": rows(4, wide, seed),
        "duplicated rows": np.repeat(good[:4], 2, axis=0),
        "integers": np.round(100 * good).astype(np.int32),
        "no rows": good[:0],
        "no columns": good[:, :0],
    }
    index = np.arange(n_rows)
    first = index < 3
    metadata = {
        "a section for each row": {"section": [f"s{i}" for i in index]},
        "one section of one row": {"section": np.where(index == one, "b", "a")},
        "one section": {"section": ["a"] * n_rows},
        "one target row": {"domain": np.where(index == one, "target", "source")},
        "all target": {"domain": ["target"] * n_rows},
        "all proxies": {"proxy": np.ones(n_rows, dtype=bool)},
        "all but one proxies": {"proxy": index != one},
        "one recording": {"groups": np.zeros(n_rows, dtype=int)},
        "sections of other length": {"section": ["a", "b"]},
        "domains of other length": {"domain": ["source"]},
    }
    return {
        **{name: (table, {}) for name, table in tables.items()},
        **{name: (good, columns) for name, columns in metadata.items()},
        "equal rows of two sections": (tables["zeros"], {"section": np.where(first, "b", "a")}),
        "NaN rows are a section": (changed(first, np.nan), {"section": np.where(first, "b", "a")}),
        "NaN rows are the target": (changed(first, np.nan), {"domain": np.where(first, "target", "source")}),
    }
